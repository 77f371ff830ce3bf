"""Whole sessions on a model server that misbehaves: each ends as it should, and says what happened."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from podium import Agent, SessionLimits
from podium.core.events import SessionError
from podium.core.facts import AttemptFailed
from podium.running import RunResult
from tests.invariants import check
from tests.models.server import Answer, MessagesServer, Received, fails, reply_frames, says, text, tool_use
from tests.world.clock import HastyClock
from tests.world.house import IMPATIENT, by_agent, house, results_in, shown, words
from tests.world.misbehaviour import HALF, LASTING, PASSING, SILENT, WHOLE, Failure

DONE = says(text("whole"))


class Noted:
    """A tool, and what it was called with."""

    def __init__(self) -> None:
        self.words: list[str] = []

        def note(word: str) -> str:
            """Note a word."""
            self.words.append(word)
            return f"noted {word}"

        self.tool = note


@dataclass(frozen=True, kw_only=True)
class Played:
    """A session that is over, and the requests it made. `port` is the server's."""

    result: RunResult
    requests: Sequence[Received]
    port: str

    def failures(self) -> list[AttemptFailed]:
        return [record.event for record in self.result.records if isinstance(record.event, AttemptFailed)]


async def played(folder: Path, agent: Agent, server: MessagesServer, **how: Any) -> Played:
    """The agent's session on this server; its log holds every invariant."""
    async with server, house(folder, server, HastyClock(), **how) as podium:
        result = await asyncio.wait_for(podium.run(agent, "go"), timeout=30)
        await check(podium.parts.store, result.session_id)
        port = server.url.rpartition(":")[2]
    assert not any(HALF in said for said in words(result))
    return Played(result=result, requests=server.requests, port=port)


def solo(*tools: Any) -> Agent:
    return Agent("solo", model="m", system="You are solo.", tools=tools)


def pair(*tools: Any) -> Agent:
    worker = Agent("worker", model="m", system="You are worker.", tools=tools)
    return Agent("lead", model="m", system="You are lead.", callable_agents=[worker])


ASKS_WORKER = says(tool_use("toolu_lead", "worker", task="do it"))


# --- calls that are made again -------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PASSING, *SILENT])
async def test_call_without_a_reply_is_made_again_and_each_attempt_is_shown(name: str, tmp_path: Path) -> None:
    failure = (PASSING | SILENT)[name]
    provider = IMPATIENT if name in SILENT else ""

    done = await played(tmp_path, solo(), MessagesServer(failure.answer, failure.answer, DONE), provider=provider)

    assert (done.result.stop_reason, done.result.output, done.result.error) == ("end_turn", "whole", "")
    assert (words(done.result), len(done.requests)) == (["whole"], 3)
    assert done.result.usage == failure.used + failure.used + WHOLE
    _tells_attempts(done, failure, failed=2, of=3)


@pytest.mark.parametrize("name", PASSING)
async def test_call_that_never_gets_a_reply_ends_its_agent_alone(name: str, tmp_path: Path) -> None:
    failure = PASSING[name]
    script = by_agent(lead=[ASKS_WORKER, says(text("without it"))], worker=[failure.answer] * 8)

    done = await played(tmp_path, pair(), MessagesServer(script=script))

    assert (done.result.stop_reason, done.result.output) == ("end_turn", "without it")
    assert [row.status for row in done.result.threads] == ["idle", "terminated"]
    [told] = results_in(done.requests[-1])
    assert told["is_error"]
    assert failure.told.partition("{port}")[2] in str(told)
    assert done.result.usage == sum([failure.used] * 8, WHOLE + WHOLE)
    _tells_attempts(done, failure, failed=8, of=8)


def _tells_attempts(done: Played, failure: Failure, *, failed: int, of: int) -> None:
    """What is shown tells each attempt, with why it failed."""
    assert [it.attempt for it in done.failures()] == list(range(1, failed + 1))
    lines = [line.strip() for line in shown(done.result).splitlines() if line.strip().startswith("attempt ")]
    assert [line.partition(" after ")[0].partition(":")[0] for line in lines] == [
        f"attempt {number} of {of}" for number in range(1, of + 1)
    ]
    for line in lines[:failed]:
        assert failure.told.format(port=done.port) in line


@pytest.mark.parametrize("name", LASTING)
async def test_refusal_of_a_request_is_final_and_says_why(name: str, tmp_path: Path) -> None:
    failure = LASTING[name]

    done = await played(tmp_path, solo(), MessagesServer(failure.answer))

    assert (done.result.stop_reason, done.result.output, len(done.requests)) == ("retries_exhausted", "", 1)
    assert failure.told in done.result.error
    assert [record.event.error.retry_status.type for record in done.result.records
            if isinstance(record.event, SessionError)] == ["exhausted"]  # fmt: skip
    assert "attempt 1 of 1: " in shown(done.result)
    assert failure.told in shown(done.result)


@pytest.mark.parametrize("name", LASTING)
async def test_refused_child_is_an_error_for_its_parent(name: str, tmp_path: Path) -> None:
    script = by_agent(lead=[ASKS_WORKER, says(text("without it"))], worker=[LASTING[name].answer])

    done = await played(tmp_path, pair(), MessagesServer(script=script))

    assert (done.result.stop_reason, done.result.output, len(done.requests)) == ("end_turn", "without it", 3)
    assert LASTING[name].told in str(results_in(done.requests[-1]))


# --- odd replies ---------------------------------------------------------------------------------


async def test_reply_in_the_smallest_pieces_is_a_reply(tmp_path: Path) -> None:
    stream = b"".join(reply_frames(text("whole"), tool_use("toolu_1", "note", word="é")))
    noted = Noted()

    done = await played(
        tmp_path, solo(noted.tool), MessagesServer(Answer(parts=[bytes([byte]) for byte in stream]), DONE)
    )

    assert (done.result.output, noted.words, len(done.requests)) == ("whole", ["é"], 2)
    assert done.failures() == []


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (tool_use("toolu_1", "nota", word="a"), "agent 'solo' called 'nota', which it was not given (it has: 'note')"),
        (tool_use("toolu_1", "note", word=7), "the input does not fit the schema of 'note'"),
        (tool_use("toolu_1", "note"), "the input does not fit the schema of 'note'"),
    ],
    ids=["an unknown tool", "a wrong type", "a missing key"],
)
async def test_call_that_cannot_be_made_is_answered_so_that_the_model_can_mend_it(
    call: dict[str, Any], told: str, tmp_path: Path
) -> None:
    noted = Noted()
    answers = [says(call), says(tool_use("toolu_2", "note", word="right")), DONE]

    done = await played(tmp_path, solo(noted.tool), MessagesServer(*answers))

    assert (done.result.stop_reason, done.result.output, noted.words) == ("end_turn", "whole", ["right"])
    [error] = results_in(done.requests[1])
    assert error["is_error"]
    [said] = error["content"]
    assert told in said["text"]


async def test_ids_that_a_server_uses_again_are_different_calls(tmp_path: Path) -> None:
    noted = Noted()
    answers = [says(tool_use("toolu_1", "note", word=word)) for word in ("one", "two", "three")]

    done = await played(tmp_path, solo(noted.tool), MessagesServer(*answers, DONE))

    assert (done.result.output, noted.words) == ("whole", ["one", "two", "three"])
    ids = [block["id"] for message in done.requests[-1].body["messages"] for block in message["content"]
           if block["type"] == "tool_use"]  # fmt: skip
    assert len(set(ids)) == 3


async def test_call_that_was_cut_off_is_not_run_and_the_model_is_told(tmp_path: Path) -> None:
    noted = Noted()
    cut = reply_frames(text("now"), tool_use("toolu_1", "note", word="a long word"), stop_reason="max_tokens")
    *_, last = (place for place, part in enumerate(cut) if b"input_json_delta" in part)
    without_its_end = cut[:last] + cut[last + 1 :]

    done = await played(tmp_path, solo(noted.tool), MessagesServer(Answer(parts=without_its_end), DONE))

    assert (done.result.stop_reason, done.result.output, noted.words) == ("end_turn", "whole", [])
    [error] = results_in(done.requests[1])
    assert "this call was cut off at the limit of output tokens; send less at once" in str(error)


async def test_text_that_was_cut_off_is_asked_for_again(tmp_path: Path) -> None:
    done = await played(tmp_path, solo(), MessagesServer(says(text("who"), stop_reason="max_tokens"), DONE))

    assert (done.result.stop_reason, done.result.output) == ("end_turn", "whole")
    assert "Your reply was cut off" in done.requests[1].raw.decode()


async def test_paused_turn_goes_on_where_it_stopped(tmp_path: Path) -> None:
    done = await played(tmp_path, solo(), MessagesServer(says(text("searching"), stop_reason="pause_turn"), DONE))

    assert (done.result.stop_reason, done.result.output) == ("end_turn", "whole")
    assert [message["role"] for message in done.requests[1].body["messages"]] == ["user", "assistant"]


async def test_reply_that_says_nothing_is_an_end(tmp_path: Path) -> None:
    server = MessagesServer(says(stop_reason="end_turn"), DONE)
    async with server, house(tmp_path, server, HastyClock()) as podium:
        first = await podium.run(solo(), "go")
        await podium.send(first.session_id, "and?")
        again = await podium.take_up_if_needed(first.session_id, within_s=0)
        assert again is not None
        second = await again.result()
        await check(podium.parts.store, first.session_id)

    assert (first.stop_reason, first.output) == ("end_turn", "")
    assert (second.stop_reason, second.output) == ("end_turn", "whole")
    [message] = server.requests[1].body["messages"]
    assert [block["text"] for block in message["content"]] == ["go", "and?"]


async def test_refusal_is_the_sessions_end_and_an_error_for_a_parent(tmp_path: Path) -> None:
    refusal = reply_frames(
        text("I cannot."),
        stop_reason="refusal",
        stop_details={"type": "refusal", "category": "cyber", "explanation": "it is about weapons"},
    )
    script = by_agent(lead=[ASKS_WORKER, Answer(parts=refusal)], worker=[Answer(parts=refusal)])

    done = await played(tmp_path, pair(), MessagesServer(script=script))

    assert done.result.stop_reason == "refusal"
    assert "the model of agent 'worker' refused: it is about weapons" in str(results_in(done.requests[-1]))
    assert done.result.error == "the model refused: it is about weapons"
    assert "error: the model refused: it is about weapons" in shown(done.result)


# --- a context that is full ----------------------------------------------------------------------

FULL = {
    "before the answer": Failure(
        answer=fails(400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"),
        told="prompt is too long",
    ),
    "in the answer": Failure(
        answer=Answer(parts=reply_frames(text(HALF), stop_reason="model_context_window_exceeded")),
        told="the model's context window is full",
        used=WHOLE,
    ),
}


@pytest.mark.parametrize("name", FULL)
async def test_full_context_is_summarized_once_and_the_turn_goes_on(name: str, tmp_path: Path) -> None:
    noted = Noted()
    full = FULL[name]
    answers = [says(tool_use("toolu_1", "note", word="a")), full.answer, says(text("a was noted")), DONE]

    done = await played(tmp_path, solo(noted.tool), MessagesServer(*answers))

    assert (done.result.stop_reason, done.result.output, noted.words) == ("end_turn", "whole", ["a"])
    assert words(done.result) == ["whole"]
    assert "a was noted" in done.requests[3].raw.decode()
    assert done.result.usage == WHOLE + full.used + WHOLE + WHOLE
    assert full.told in shown(done.result)


@pytest.mark.parametrize("name", FULL)
async def test_context_that_stays_full_ends_the_session_with_the_reason(name: str, tmp_path: Path) -> None:
    full = FULL[name]

    done = await played(tmp_path, solo(), MessagesServer(full.answer, says(text("short")), full.answer))

    assert (done.result.stop_reason, done.result.output, len(done.requests)) == ("retries_exhausted", "", 3)
    assert full.told in done.result.error


# --- what failed attempts cost -------------------------------------------------------------------


async def test_attempts_that_failed_are_paid_for(tmp_path: Path) -> None:
    half, cut = PASSING["half a stream"].answer, PASSING["all but its message_stop"].answer

    done = await played(
        tmp_path, solo(), MessagesServer(half, cut, DONE), models="[models.m]\nprice = {input = 3, output = 15}"
    )

    def cost(output_tokens: int) -> Decimal:
        """In dollars a million tokens: input 3, output 15, cache written 3.75 and read 0.3."""
        return (25 * 3 + output_tokens * 15 + 3 * Decimal("3.75") + 4 * Decimal("0.3")) / 1_000_000

    assert done.result.cost_usd == cost(1) + cost(15) + cost(15)


async def test_cap_holds_while_attempts_fail(tmp_path: Path) -> None:
    cut = PASSING["all but its message_stop"].answer
    server = MessagesServer(*[cut] * 7, DONE)

    async with (
        server,
        house(
            tmp_path,
            server,
            HastyClock(),
            models="[models.m]\nprice = {input = 3000, output = 15000}\nmax_tokens = 1024",
        ) as podium,
    ):
        result = await podium.run(solo(), "go", limits=SessionLimits(usd=33))
        await check(podium.parts.store, result.session_id)

    assert result.stop_reason == "budget_reached"
    assert 0 < result.cost_usd <= 33
    assert 1 < len(server.requests) < 8
