"""Workflows through the library: a real store, the program's own callback, and other programs that resume them."""

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import pytest

from podium import (
    Agent,
    Approval,
    CallResult,
    ModelRequest,
    Podium,
    Rehearsal,
    SessionLimits,
    WorkflowRun,
    call,
    resume,
    run,
    stream,
    tool,
    workflow,
)
from podium.core.inputs import Archive
from podium.errors import BadInput, NeedsUnmet, NoPrice, WorkflowChanged
from podium.serving import Serving

writer = Agent("writer", model="m")
MODELS = {"m": Rehearsal(lambda request: f"{request.agent} wrote")}


async def never(request: Any) -> str:
    await asyncio.Event().wait()
    return "at last"


@dataclass
class Letter:
    to: str
    body: str


@workflow
async def letter(run: WorkflowRun, to: str, lines: int = 2) -> Letter:
    parts = await run.gather(*(run.agent(writer, f"line {n} to {to}", name=f"line {n}") for n in range(lines)))
    await run.checkpoint("Send it", payload={"to": to})
    return Letter(to, "\n".join(part.text for part in parts))


async def test_a_workflow_runs_like_an_agent_and_its_result_is_typed(tmp_path: Path) -> None:
    asked: list[Approval] = []

    def approve(approval: Approval) -> bool:
        asked.append(approval)
        return True

    result = await run(letter, {"to": "Ada"}, models=MODELS, approve=approve, data=tmp_path)

    assert result.output == Letter("Ada", "writer wrote\nwriter wrote")
    assert [(it.tool, it.input) for it in asked] == [
        ("checkpoint", {"description": "Send it", "payload": {"to": "Ada"}})
    ]
    assert [(call.name, call.kind, call.outcome) for call in result.calls] == [
        ("line 0", "agent", "done"),
        ("line 1", "agent", "done"),
        ("Send it", "checkpoint", "done"),
    ]
    assert all(call.usage.total_tokens for call in result.calls if call.kind == "agent")


async def test_a_no_is_the_end_with_its_reason(tmp_path: Path) -> None:
    result = await run(letter, {"to": "Ada"}, models=MODELS, approve=lambda _: "not today", data=tmp_path)

    assert (result.stop_reason, result.output) == ("retries_exhausted", None)
    assert result.error == "a person said no at checkpoint 'Send it': not today"
    assert result.calls[-1].outcome == "denied"


async def test_another_program_resumes_it_and_a_program_without_it_says_who_can(tmp_path: Path) -> None:
    def local() -> Any:
        @workflow
        async def hidden(run: WorkflowRun, to: str) -> str:
            await run.checkpoint("go on?")
            return (await run.agent(writer, to)).text

        return hidden

    result = await run(local(), "Ada", models=MODELS, data=tmp_path)
    async with Podium(tmp_path, models=MODELS) as podium:
        [waiting] = result.waiting
        await podium.approve(result.session_id, waiting.call_id, allow=True)
        with pytest.raises(
            NeedsUnmet, match=r"runs the workflow 'hidden' of .*podium.resume\(session_id, workflow=hidden\)"
        ):
            await podium.resume(result.session_id)
        with pytest.raises(BadInput, match=r"runs the workflow 'hidden' of .*, not 'letter'"):
            await podium.resume(result.session_id, workflow=letter)

    again = await resume(result.session_id, workflow=local(), models=MODELS, data=tmp_path)
    assert again.output == "writer wrote"


async def test_a_session_of_an_agent_takes_no_workflow(tmp_path: Path) -> None:
    result = await run(writer, "write", models=MODELS, data=tmp_path)
    async with Podium(tmp_path, models=MODELS) as podium:
        with pytest.raises(BadInput, match="there is nothing to resume"):
            await podium.resume(result.session_id, workflow=letter)


async def test_what_cannot_be_resumed_says_why(tmp_path: Path) -> None:
    @workflow
    async def twice(run: WorkflowRun, to: str) -> str:
        await run.agent(writer, to)
        return (await run.agent(writer, to)).text

    async with Podium(tmp_path, models=MODELS) as podium:
        done = await podium.run(twice, "Ada")
        stopped = await podium.run(twice, "Ada", limits=SessionLimits(turns=1))

        with pytest.raises(BadInput, match=r"nothing to resume. It runs a workflow, which takes no messages"):
            await podium.resume(done.session_id, workflow=twice)
        with pytest.raises(
            BadInput, match=r"limit of turns, seconds or tokens.* `podium interrupt sesn_.* ends the run"
        ):
            await podium.resume(stopped.session_id, workflow=twice)


async def test_changed_code_is_the_callers_to_mend(tmp_path: Path) -> None:
    def version(task: str) -> Any:
        @workflow
        async def changing(run: WorkflowRun, to: str) -> str:
            await run.agent(writer, task)
            await run.checkpoint("go on?")
            return "done"

        return changing

    result = await run(version("one"), "Ada", models=MODELS, data=tmp_path)
    async with Podium(tmp_path, models=MODELS) as podium:
        await podium.approve(result.session_id, result.waiting[0].call_id, allow=True)
    with pytest.raises(WorkflowChanged, match=r'Call 1 was agent \'writer\' .*"one".*now it is .*"two"'):
        await resume(result.session_id, workflow=version("two"), models=MODELS, data=tmp_path)

    assert (await resume(result.session_id, workflow=version("one"), models=MODELS, data=tmp_path)).output == "done"


@pytest.mark.parametrize("is_paused", [False, True])
async def test_changed_code_leaves_a_session_that_rests_as_it_was(tmp_path: Path, is_paused: bool) -> None:
    asked, is_well = asyncio.Event(), False

    async def script(request: ModelRequest) -> str:
        if request.agent == "writer" or is_well:
            return "well"
        asked.set()
        if not is_paused:
            raise RuntimeError("ill")
        await asyncio.sleep(1e9)
        return "too late"

    def version(task: str) -> Any:
        @workflow
        async def changing(run: WorkflowRun, to: str) -> str:
            await run.agent(writer, task)
            return (await run.agent(Agent("reader", model="m"), to)).text

        return changing

    async with Podium(tmp_path, models={"m": Rehearsal(script)}) as podium:
        under_way = await podium.start(version("first"), "Ada")
        if is_paused:
            await asked.wait()
            await under_way.interrupt(pause=True)
        session = (await under_way.result()).session_id
        before = await podium.parts.store.session(session)
        log = await podium.parts.store.records(session)

        with pytest.raises(WorkflowChanged, match=r'"first".*now it is .*"second"'):
            await podium.resume(session, workflow=version("second"))

        assert await podium.parts.store.session(session) == before
        assert await podium.parts.store.records(session) == log
        is_well = True
        result = await (await podium.resume(session, workflow=version("first"))).result()
        assert result.output == "well"


async def test_records_stream_as_of_any_session(tmp_path: Path) -> None:
    @workflow
    async def short(run: WorkflowRun, to: str) -> str:
        return (await run.agent(writer, to)).text

    seen = [record.type async for record in stream(short, "Ada", models=MODELS, data=tmp_path)]

    assert "workflow_run.created" in seen
    assert seen[-1] == "session.status_idle"


async def test_agents_that_are_named_are_looked_at_before_anything_starts(tmp_path: Path) -> None:
    stranger = Agent("stranger", model="nobody-knows", tools=["serch"])

    @workflow
    async def named(run: WorkflowRun, to: str) -> str:
        return (await run.agent(stranger, to)).text

    async with Podium(tmp_path, models=MODELS) as podium:
        with pytest.raises(BadInput, match="unknown tool 'serch'"):
            await podium.start(named, "x")
        assert await podium.parts.store.sessions() == []


async def test_an_agent_that_is_made_on_the_way_and_cannot_be_bound_ends_the_run(tmp_path: Path) -> None:
    @workflow
    async def made(run: WorkflowRun, to: str) -> str:
        return (await run.agent(Agent("late", model="m", tools=["serch"]), to)).text

    result = await run(made, "x", models=MODELS, data=tmp_path)

    assert result.stop_reason == "retries_exhausted"
    assert "unknown tool 'serch'" in result.error


async def test_functions_of_agents_made_on_the_way_are_found(tmp_path: Path) -> None:
    counted: list[str] = []

    def count(text: str) -> str:
        "Count."
        counted.append(text)
        return str(len(text))

    def script(request: Any) -> Any:
        return "done" if len(request.messages) > 1 else call("count", text="four")

    @workflow
    async def made(run: WorkflowRun, to: str) -> str:
        return (await run.agent(Agent("late", model="m", tools=[count]), to)).text

    result = await run(made, "x", models={"m": Rehearsal(script)}, data=tmp_path)

    assert (result.output, counted) == ("done", ["four"])


def counts(request: Any) -> Any:
    """Each agent calls its tool once."""
    return "done" if len(request.messages) > 1 else call("count", text="four")


async def test_a_function_of_the_workflows_own_body_is_a_tool_also_when_its_rehearsal_is_checked(
    tmp_path: Path,
) -> None:
    counted: list[str] = []

    @workflow
    async def made(run: WorkflowRun, to: str) -> str:
        seen = []

        def count(text: str) -> str:
            seen.append(text)
            counted.append(f"{text} to {to}")
            return str(len(text))

        return (await run.agent(Agent("late", model="m", tools=[count]), to)).text

    result = await run(made, "x", models={"m": Rehearsal(counts)}, data=tmp_path)

    assert (result.error, result.output, counted) == ("", "done", ["four to x"])


def counter(counted: list[str], unit: str) -> Agent:
    def again(text: str) -> str:
        return count(text, 1)

    @tool(idempotent=True)
    def count(text: str, times: int = 2) -> str:
        counted.append(f"{text} {unit}")
        return again(text) if times > 1 else str(len(text))

    return Agent("late", model="m", tools=[count])


async def test_an_agent_that_is_made_twice_alike_is_one(tmp_path: Path) -> None:
    counted: list[str] = []

    @workflow
    async def twice(run: WorkflowRun, to: str) -> list[str]:
        return [(await run.agent(counter(counted, "words"), f"{to} {n}")).text for n in range(2)]

    result = await run(twice, "x", models={"m": Rehearsal(counts)}, data=tmp_path)

    assert (result.error, result.output, counted) == ("", ["done", "done"], ["four words"] * 4)


async def test_two_tools_of_one_name_that_do_not_do_the_same_are_refused(tmp_path: Path) -> None:
    counted: list[str] = []

    @workflow
    async def units(run: WorkflowRun, to: str) -> list[str]:
        return [(await run.agent(counter(counted, unit), f"{to} {unit}")).text for unit in ("words", "lines")]

    @workflow
    async def lists(run: WorkflowRun, to: str) -> list[str]:
        return [(await run.agent(counter([], "words"), f"{to} {n}")).text for n in range(2)]

    for flow in (units, lists):
        result = await run(flow, "x", models={"m": Rehearsal(counts)}, data=tmp_path)
        assert "two different tools are called 'count' of agent 'late'" in result.error


async def test_a_limit_in_dollars_needs_the_prices_of_all(tmp_path: Path) -> None:
    class Unpriced:
        provider = "here"

        async def reply(self, request: Any) -> Any: ...

    @workflow
    async def named(run: WorkflowRun, to: str) -> str:
        return (await run.agent(writer, to)).text

    async with Podium(tmp_path, models={"m": Unpriced()}) as podium:
        with pytest.raises(NoPrice):
            await podium.start(named, "x", limits=SessionLimits(usd=1))


def of_a_program() -> Any:
    """A workflow that no file has under its name."""

    @workflow
    async def local(run: WorkflowRun, to: str) -> str:
        draft = await run.agent(writer, to)
        await run.checkpoint("Send it")
        return draft.text

    return local


async def test_a_run_whose_program_is_gone_is_ended_by_an_interrupt_and_can_be_put_away(tmp_path: Path) -> None:
    waits = (await run(of_a_program(), "Ada", models=MODELS, data=tmp_path)).session_id
    async with Podium(tmp_path, models={"m": Rehearsal(never)}) as podium:
        under_way = await podium.start(of_a_program(), "Bob")
        async for record in under_way.records():
            if record.type == "span.model_request_start":
                break
        await under_way.close()
    with pytest.raises(NeedsUnmet):
        await resume(under_way.id, data=tmp_path)

    async with Podium(tmp_path) as podium:
        await podium.interrupt(waits)
        await podium.interrupt(under_way.id)
        ended = await (await podium.resume(waits)).result()
        assert (ended.stop_reason, ended.paused, ended.output) == ("end_turn", False, None)
        async with Serving(podium, probe_s=0.01):
            async for record in podium.watch(under_way.id):
                if record.type == "session.status_idle":
                    break

        for session in (waits, under_way.id):
            row = await podium.parts.store.session(session)
            assert (row.facts.open_run, row.is_unfinished, row.owner) == ("", False, None)
            kinds = [record.type for record in await podium.parts.store.records(session, limit=1000)]
            assert kinds.count("workflow_run.status_ended") == 1
            await podium.admit(session, Archive())


async def test_a_pause_of_a_run_whose_program_is_gone_waits_for_it(tmp_path: Path) -> None:
    session = (await run(of_a_program(), "Ada", models=MODELS, data=tmp_path)).session_id
    async with Podium(tmp_path) as podium:
        await podium.interrupt(session, pause=True)
        with pytest.raises(NeedsUnmet, match="Resume it there"):
            await podium.resume(session)

    resumed = await resume(session, workflow=of_a_program(), models=MODELS, approve=lambda _: True, data=tmp_path)
    assert resumed.output == "writer wrote"


# --- types that JSON has not -------------------------------------------------------------------------


class Reading(TypedDict):
    degrees: int


class Headers(dict[str, str]):
    """What libraries give back."""


async def test_a_function_may_return_any_kind_of_dict(tmp_path: Path) -> None:
    @workflow
    async def readings(run: WorkflowRun) -> list[Any]:
        def one() -> Reading:
            return {"degrees": 7}

        def several() -> list[Reading]:
            return [{"degrees": 8}]

        def other() -> Headers:
            return Headers(a="b")

        return list(await run.gather(run.step(one), run.step(several), run.step(other)))

    result = await run(readings, None, data=tmp_path)

    assert (result.error, result.output) == ("", [{"degrees": 7}, [{"degrees": 8}], {"a": "b"}])


async def test_a_typed_dict_that_a_function_does_not_keep_to_fails_its_call(tmp_path: Path) -> None:
    @workflow
    async def misread(run: WorkflowRun) -> Any:
        def one() -> Reading:
            return {"degrees": "many"}  # type: ignore[typeddict-item]

        return await run.step(one)

    result = await run(misread, None, data=tmp_path)

    assert "what run.step(one, ...) returns does not fit Reading" in result.error


async def test_what_a_workflow_returns_stays_json_where_its_annotation_is_no_type_of_json(tmp_path: Path) -> None:
    @workflow
    async def as_it_came(run: WorkflowRun, topic: str) -> CallResult:
        return await run.agent(writer, topic)

    result = await run(as_it_came, "x", models=MODELS, data=tmp_path)

    assert (result.error, result.output) == ("", "writer wrote")


async def test_input_may_be_a_typed_dict(tmp_path: Path) -> None:
    @workflow
    async def warm(run: WorkflowRun, reading: Reading) -> int:
        await run.agent(writer, "x")
        return reading["degrees"]

    result = await run(warm, {"degrees": 7}, models=MODELS, data=tmp_path)

    assert result.output == 7
    with pytest.raises(BadInput, match="the input of workflow 'warm' does not fit Reading"):
        await run(warm, {"degrees": "many"}, models=MODELS, data=tmp_path)


async def test_types_that_nothing_can_be_read_as_are_named_before_anything_is_done(tmp_path: Path) -> None:
    @workflow
    async def of_a_result(run: WorkflowRun, draft: CallResult) -> None:
        await run.agent(writer, draft.text)

    @workflow
    async def with_a_step(run: WorkflowRun) -> Any:
        return await run.step(dict, returns=Headers)

    with pytest.raises(BadInput, match="the input of workflow 'of_a_result' cannot be read as CallResult"):
        await run(of_a_result, "x", models=MODELS, data=tmp_path)
    result = await run(with_a_step, None, data=tmp_path)
    assert "what run.step(dict, ...) returns cannot be read as Headers: JSON is read as texts" in result.error
    assert result.calls == ()


async def test_a_limit_that_does_not_hold_for_workflows_is_refused(tmp_path: Path) -> None:
    @workflow
    async def letter(run: WorkflowRun) -> str:
        return (await run.agent(writer, "write")).text

    with pytest.raises(BadInput, match=r"limits\.live_threads does not hold for workflows") as refused:
        await run(letter, None, models=MODELS, data=tmp_path, limits=SessionLimits(live_threads=3))
    assert "Concurrency(session=...)" in str(refused.value)


STUBBORN = """
import asyncio
import subprocess
import sys
from podium import Rehearsal, Agent, run_sync, workflow

async def stubborn():
    while True:
        try:
            await asyncio.sleep(1000)
        except BaseException:
            pass

@workflow
async def flow(run, topic: str) -> str:
    got = await run.gather(run.step(stubborn), run.agent(Agent("writer", model="m"), topic), join="any")
    return got[0].text

print(run_sync(flow, "x", data="data", models={"m": Rehearsal(lambda request: "wrote")}).output)
"""


def test_a_process_ends_though_a_function_of_its_workflow_swallows_all_that_is_to_end_it(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(STUBBORN)

    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)

    assert (done.returncode, done.stdout) == (0, "wrote\n")
    assert "function 'stubborn' of session" in done.stderr
    assert "does not let itself be stopped" in done.stderr
