"""A child that raises, hangs, loops or eats tokens: its sibling's result stands, and its parent learns why it ended."""

import asyncio

import pytest

from podium import Agent, Limits, Reply, Usage, call, say
from tests.lab.cast import Line, after, hangs, raises
from tests.lab.lab import Lab
from tests.lab.log import Played

GOOD = Agent("good", model="m")


def beside_good(lab: Lab, bad: Agent) -> Played:
    """A lead calls both, and the good one takes 5 seconds."""
    log = lab.run(Agent("lead", model="m", callable_agents=[bad, GOOD]))
    assert (log.said_to("good"), log.result_of("good").is_error) == ("good", False)
    assert (log.text, log.stop_reason) == ("done", "end_turn")
    assert log.under_way("good") == [(0, 5)]
    return log


def lab_with(*bad: Line) -> Lab:
    return Lab(lead=[[call("bad", task="x"), call("good", task="y")], "done"], bad=list(bad), good=after(5, "good"))


def test_child_whose_model_raises_fails_alone() -> None:
    log = beside_good(lab_with(raises(RuntimeError("no model"), after_s=1)), Agent("bad", model="m"))

    assert log.result_of("bad").is_error
    assert log.said_to("bad") == "agent 'bad' failed: RuntimeError: no model. It had said nothing yet."
    assert log.closings() == [("bad", "failed"), ("good", "reported")]
    assert log.kinds(log.thread("bad")) == [
        "session.thread_created",
        "agent.thread_message_received",
        "session.thread_status_running",
        "span.model_request_start",
        "attempt.failed",
        "span.model_request_end",
        "session.thread_status_terminated",
    ]


def test_child_that_fails_later_gives_its_last_words() -> None:
    lab = lab_with([say("so far 3"), call("tool")], raises(RuntimeError("broken")))

    log = beside_good(lab, Agent("bad", model="m", tools=[lab.tool("tool")]))

    assert log.said_to("bad") == (
        "agent 'bad' failed: RuntimeError: broken. Its last words, a partial result:\nso far 3"
    )


@pytest.mark.parametrize(
    "error",
    [asyncio.CancelledError(), TimeoutError(), KeyError("x"), RecursionError(), SystemExit(3), MemoryError()],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_model_raises_only_its_own_thread_fails(error: BaseException) -> None:
    log = beside_good(lab_with(raises(error, after_s=1)), Agent("bad", model="m"))

    assert log.closings()[0] == ("bad", "failed")
    assert type(error).__name__ in log.said_to("bad")


@pytest.mark.parametrize(
    "error",
    [asyncio.CancelledError(), TimeoutError("late"), KeyError("x"), SystemExit(3), StopIteration()],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_tool_raises_only_its_own_call_fails(error: BaseException) -> None:
    lab = lab_with([call("tool"), call("fine")], "recovered")

    log = beside_good(lab, Agent("bad", model="m", tools=[lab.tool("tool", fails=error), lab.tool("fine", seconds=1)]))

    assert log.result_of("tool").is_error
    assert type(error).__name__ in log.said_to("tool")
    assert not log.result_of("fine").is_error
    assert log.said_to("bad") == "recovered"


def test_child_that_hangs_is_stopped_at_its_seconds() -> None:
    log = beside_good(lab_with(hangs), Agent("bad", model="m", limits=Limits(seconds=2)))

    assert log.said_to("bad") == "agent limit reached: 2 of 2 seconds. It had said nothing yet."
    assert log.result_of("bad").is_error
    assert log.under_way("bad") == [(0, 2)]
    assert log.kinds(log.thread("bad"))[-4:] == [
        "span.model_request_end",
        "limit.reached",
        "agent.thread_message_sent",
        "session.thread_status_idle",
    ]


def test_child_whose_tool_hangs_is_stopped_at_its_seconds() -> None:
    lab = lab_with([say("asking"), call("slow")], "this is what I have")

    log = beside_good(lab, Agent("bad", model="m", tools=[lab.tool("slow", seconds=1e9)], limits=Limits(seconds=2)))

    assert log.said_to("slow") == "stopped, its outcome is unknown: agent limit reached: 2 of 2 seconds"
    assert log.said_to("bad").endswith("a partial result:\nthis is what I have")
    assert log.kinds(log.thread("bad"))[-10:] == [
        "agent.tool_result",
        "limit.reached",
        "notice.sent",
        "span.model_request_start",
        "model.called",
        "agent.message",
        "model.replied",
        "span.model_request_end",
        "agent.thread_message_sent",
        "session.thread_status_idle",
    ]


def test_child_at_its_seconds_takes_its_own_children_with_it() -> None:
    lab = Lab(
        lead=[[call("bad", task="x"), call("good", task="y")], "done"],
        bad=[[call("deep", task="x"), call("deep", task="y")], "never"],
        deep=hangs,
        good=after(5, "good"),
    )
    deep = Agent("deep", model="m")

    log = beside_good(lab, Agent("bad", model="m", callable_agents=[deep], limits=Limits(seconds=2)))

    assert log.closings() == [("deep", "stopped"), ("deep", "stopped"), ("bad", "limit"), ("good", "reported")]


def test_child_that_loops_is_stopped_at_its_turns() -> None:
    lab = lab_with([say("again"), call("tool")])

    log = beside_good(lab, Agent("bad", model="m", tools=[lab.tool("tool")], limits=Limits(turns=3)))

    assert log.said_to("bad") == ("agent limit reached: 3 of 3 turns. Its last words, a partial result:\nagain")
    assert [request.purpose for request in log.requests("bad")] == ["turn", "turn", "turn", "hand_over"]
    assert len(log.effects) == 3


def test_child_that_eats_tokens_is_stopped() -> None:
    lab = lab_with(Reply((say("chewing"), call("tool")), usage=Usage(input_tokens=400, output_tokens=100)))

    log = beside_good(lab, Agent("bad", model="m", tools=[lab.tool("tool")], limits=Limits(tokens=1000)))

    assert log.said_to("bad").startswith("agent limit reached: 1000 of 1000 tokens. Its last words")
    assert [request.purpose for request in log.requests("bad")] == ["turn", "turn", "hand_over"]


def test_grandchild_that_fails_fails_no_one_above() -> None:
    lab = Lab(
        lead=[[call("bad", task="x"), call("good", task="y")], "done"],
        bad=[[call("deep", task="x")], "deep failed, and I know"],
        deep=raises(ValueError("deep down")),
        good=after(5, "good"),
    )

    log = beside_good(lab, Agent("bad", model="m", callable_agents=[Agent("deep", model="m")]))

    assert log.result_of("deep").is_error
    assert log.said_to("bad") == "deep failed, and I know"


def test_primary_that_fails_ends_the_session_with_the_error() -> None:
    lab = Lab(lead=raises(RuntimeError("no model")))

    log = lab.run(Agent("lead", model="m"))

    assert log.stop_reason == "retries_exhausted"
    assert lab.result is not None
    assert lab.result.error == "RuntimeError: no model"
    assert log.kinds()[-4:] == [
        "session.error",
        "session.thread_status_idle",
        "session.usage",
        "session.status_idle",
    ]


def test_primary_that_fails_takes_a_message_and_works_again() -> None:
    lab = Lab(lead=[raises(RuntimeError("no model"))])
    log = lab.run(Agent("lead", model="m"))
    lab.script.says("lead", "better now")

    log = lab.say("try again")

    assert (log.text, log.stop_reason) == ("better now", "end_turn")
    [_, request] = log.requests("lead")
    assert [block.text for block in request.messages[-1].content if hasattr(block, "text")] == ["go", "try again"]
