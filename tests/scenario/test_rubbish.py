"""Models that return what is no reply, or an odd one: their thread fails or goes on, and the log can be read again."""

from typing import Any

import pytest

from podium import Agent, ModelRequest, Reply, Usage, call
from podium.core.content import TextBlock, ToolUseBlock, plain
from tests.lab.cast import after
from tests.lab.lab import Lab
from tests.lab.log import Played


class Odd:
    """A model that returns this to 'odd', and delegates otherwise."""

    provider = "odd"

    def __init__(self, *replies: Any) -> None:
        self._replies = replies
        self._lead = Lab(lead=[[call("odd", task="x"), call("good", task="y")], "done"], good=after(3, "good")).script

    async def reply(self, request: ModelRequest) -> Any:
        if request.agent != "odd":
            return await self._lead.reply(request)
        turn = sum(message.role == "assistant" for message in request.messages)
        return self._replies[min(turn, len(self._replies) - 1)]


def beside_good(*replies: Any) -> Played:
    lab = Lab(model=Odd(*replies))
    odd = Agent("odd", model="m", tools=[lab.tool("tool")])
    log = lab.run(Agent("lead", model="m", callable_agents=[odd, Agent("good", model="m")]))
    assert (log.said_to("good"), log.text, log.stop_reason) == ("good", "done", "end_turn")
    return log


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "rubbish",
    [
        None,
        7,
        {"content": []},
        Reply("a text"),  # type: ignore[arg-type]
        Reply(("a text",)),  # type: ignore[arg-type]
        Reply((TextBlock(7),)),  # type: ignore[arg-type]
        Reply((ToolUseBlock("", "tool", None),)),  # type: ignore[arg-type]
        Reply((ToolUseBlock("", "tool", {"key": object()}),)),
        Reply((ToolUseBlock("", 7, {}),)),  # type: ignore[arg-type]
        Reply((ToolUseBlock("", "tool", nested(100_000)),)),
        Reply((), usage=Usage(input_tokens="many")),  # type: ignore[arg-type]
        Reply((), stop_reason=None),  # type: ignore[arg-type]
    ],
    ids=[
        "nothing",
        "number",
        "mapping",
        "content a text",
        "block a text",
        "text a number",
        "no input",
        "input no JSON",
        "name a number",
        "endless nesting",
        "usage a text",
        "no stop reason",
    ],
)
def test_what_is_no_reply_fails_its_own_thread(rubbish: object) -> None:
    log = beside_good(rubbish)

    assert log.result_of("odd").is_error
    assert log.said_to("odd").startswith("agent 'odd' failed: ")
    assert log.kinds(log.thread("odd"))[-3:] == [
        "attempt.failed",
        "span.model_request_end",
        "session.thread_status_terminated",
    ]


def test_empty_reply_is_an_empty_report() -> None:
    assert beside_good(Reply(())).said_to("odd") == ""


def test_plain_text_is_a_reply() -> None:
    assert beside_good("fine").said_to("odd") == "fine"


def test_huge_reply_is_kept_whole() -> None:
    log = beside_good("x" * 3_000_000)

    assert len(log.said_to("odd")) == 3_000_000


def test_half_a_character_becomes_a_replacement_character() -> None:
    log = beside_good(Reply((TextBlock("a \ud83d b"), ToolUseBlock("", "tool", {"key": "\udcff"}))), "fine \udcff")

    assert log.said_to("odd") == "fine \ufffd"
    assert log.said_to("tool") == "tool \ufffd"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (float("nan"), "key: null is not of type"),
        (2**100, "is not of type"),
        ("\x00\u202e", "tool \x00\u202e"),
    ],
    ids=["not a number", "large number", "control characters"],
)
def test_odd_values_in_an_input_are_judged_as_they_are_kept(given: object, said: str) -> None:
    log = beside_good(Reply((ToolUseBlock("", "tool", {"key": given}),)), "fine")

    assert said in log.said_to("tool")
    assert log.said_to("odd") == "fine"


def test_ids_of_the_models_own_are_not_trusted() -> None:
    twice = Reply((ToolUseBlock("same", "tool", {"key": "1"}), ToolUseBlock("same", "tool", {"key": "2"})))

    log = beside_good(twice, "fine")

    assert [plain(result.content) for result in log.results_of("tool")] == ["tool 1", "tool 2"]


def test_a_thousand_calls_in_one_reply_all_get_their_result() -> None:
    log = beside_good(Reply(tuple(call("tool", key=str(n)) for n in range(1000))), "fine")

    assert [plain(result.content) for result in log.results_of("tool")] == [f"tool {n}" for n in range(1000)]
