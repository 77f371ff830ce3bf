"""Agents that are called off or tried again: what is halted is not begun anew, attempts leave nothing behind."""

import asyncio
from collections.abc import Iterator

import pytest

from podium import Agent, Limits, ModelRequest, SessionLimits, call, say
from podium.analysis.siblings import batches
from podium.analysis.trace import Trace
from podium.core.events import ModelRequestEnd, ModelRequestStart
from podium.core.ports import Sandbox, ToolCall, ToolOutcome
from podium.models.rehearsal import Said
from tests.lab.cast import Line, PlainTool, after, hangs, raises, speak, turn_of
from tests.lab.lab import Lab, interrupted_thread
from tests.lab.log import Played

DEEP = SessionLimits(depth=3)


class SlowToStop(PlainTool):
    """A tool that takes a second to clean up."""

    async def run(self, call: ToolCall, sandbox: Sandbox | None) -> ToolOutcome:
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
            raise
        raise AssertionError("it was not stopped")


def team(lab: Lab, **how: object) -> Agent:
    """A lead with a middle that calls three: one with a tool that is slow to stop, and a leaf in the background."""
    above = Agent("above", model="m", tools=[SlowToStop("slow", lab.world)], callable_agents=[Agent("leaf", model="m")])
    callees = [above, Agent("quick", model="m"), Agent("busy", model="m")]
    middle = Agent("middle", model="m", callable_agents=callees, **how)  # type: ignore[arg-type]
    return Agent("lead", model="m", callable_agents=[middle])


def cast() -> Lab:
    return Lab(
        lead=[call("middle", task="x"), "done"],
        middle=[[call(name, task="x") for name in ("above", "quick", "busy")], "middle"],
        above=[[call("start_agent", agent="leaf", input={"task": "aside"}), call("slow", key="1")], "above"],
        leaf=after(10, "leaf"),
        quick=after(2.5, "quick"),
        busy=after(9, "busy"),
    )


def begun(log: Played, agent: str) -> tuple[int, int]:
    """How many model calls the agent's first thread began, and ended."""
    mine = [record.event for record in log.records if record.thread == log.thread(agent)]
    return (
        sum(isinstance(event, ModelRequestStart) for event in mine),
        sum(isinstance(event, ModelRequestEnd) for event in mine),
    )


def test_who_is_called_off_begins_nothing_while_another_is_slow_to_stop() -> None:
    lab = cast()

    log = lab.run(team(lab, join="any"), limits=DEEP, acts=[(2.7, interrupted_thread("quick"))])

    assert (begun(log, "busy"), begun(log, "leaf")) == ((1, 1), (1, 1))
    assert (log.text, log.seconds) == ("done", 3.5)


def test_who_is_stopped_at_a_limit_begins_nothing_while_another_is_slow_to_stop() -> None:
    lab = cast()

    log = lab.run(team(lab, limits=Limits(seconds=2.6)), limits=DEEP, acts=[(2.7, interrupted_thread("quick"))])

    assert begun(log, "busy") == (1, 1)


def test_session_comes_to_its_end_if_who_calls_others_off_is_itself_stopped_meanwhile() -> None:
    lab = cast()

    log = lab.run(team(lab, join="any", limits=Limits(seconds=3)), limits=DEEP)

    assert log.text == "done"
    assert not any(thread.is_open for thread in log.state.threads.values())
    assert log.closings()[-3:] == [("leaf", "reported"), ("above", "reported"), ("middle", "limit")]


@pytest.mark.parametrize("leaf_s", [15, 40])
def test_an_attempt_that_ran_out_of_time_leaves_nobody_at_work(leaf_s: float) -> None:
    attempts: Iterator[Line] = iter(
        [[say("I begin"), call("start_agent", agent="leaf", input={"task": "aside"})], after(8, "report")]
    )

    async def worker(request: ModelRequest) -> Said:
        if "last turn" in str(request.messages[-1].content):
            return "handed over"
        return await speak(next(attempts) if turn_of(request) == 0 else hangs, request)

    lab = Lab(lead=[call("worker", task="x"), after(4, "done"), "woken"], worker=worker, leaf=after(leaf_s, "leaf"))
    slow = Agent("worker", model="m", callable_agents=[Agent("leaf", model="m")], limits=Limits(seconds=10))

    log = lab.run(Agent("lead", model="m", callable_agents=[slow], retries=1))

    assert (log.said_to("worker"), log.text, log.seconds) == ("report", "done", 22)
    assert log.closings() == [("leaf", "stopped"), ("worker", "reported")]
    assert log.state.main.turns == 2


def test_what_an_attempt_had_handed_over_is_told_if_the_last_one_had_said_nothing() -> None:
    attempts: Iterator[Line] = iter([[say("it is in box 12"), call("slow", key="x")], raises(RuntimeError("broken"))])

    async def worker(request: ModelRequest) -> Said:
        return await speak(next(attempts) if turn_of(request) == 0 else "box 12, I think", request)

    lab = Lab(lead=[call("worker", task="x"), "done"], worker=worker)
    slow = Agent("worker", model="m", tools=[lab.tool("slow", seconds=60)], limits=Limits(seconds=3))

    log = lab.run(Agent("lead", model="m", callable_agents=[slow], retries=1))

    assert log.said_to("worker") == (
        "after 2 attempts: agent 'worker' failed: RuntimeError: broken. "
        "Last words of an earlier attempt, a partial result:\nbox 12, I think"
    )


def test_attempts_of_a_call_are_one_child_where_it_is_told_how_far_siblings_overlapped() -> None:
    attempts = iter([raises(RuntimeError("broken"), after_s=1), after(9, "a")])

    async def again(request: ModelRequest) -> Said:
        return await speak(next(attempts), request)

    lab = Lab(lead=[[call("a", task="x"), call("b", task="x")], "done"], a=again, b=after(10, "b"))
    log = lab.run(Agent("lead", model="m", callable_agents=[Agent("a", model="m"), Agent("b", model="m")], retries=1))

    trace = Trace()
    for record in log.records:
        trace.apply(record)
    (batch,) = batches(trace, log.records[-1].at)

    assert [overlap.total_seconds() for *_, overlap in batch.pairs] == [10]


def test_what_a_stopped_agent_had_said_is_told_where_a_failure_stopped_it() -> None:
    lab = Lab(
        lead=[[call("a", task="x"), call("b", task="x")], "done"],
        a=[[say("half of it: 1, 2, 3"), call("slow", key="x")], "a"],
        b=raises(RuntimeError("broken"), after_s=2),
    )
    a = Agent("a", model="m", tools=[lab.tool("slow", seconds=60)])

    log = lab.run(Agent("lead", model="m", callable_agents=[a, Agent("b", model="m")], join="all"))

    assert "1, 2, 3" in log.said_to("a")
