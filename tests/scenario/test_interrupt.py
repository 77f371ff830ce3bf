"""A person interrupts: all is closed in order, no model is asked again, and a paused session goes on when told."""

import asyncio
from contextlib import suppress

import pytest

from podium import Agent, Limits, ModelRequest, call, say
from podium.core.events import UserInterrupt
from podium.core.inputs import Interrupt
from tests.lab.cast import after, hangs
from tests.lab.lab import Act, Lab, interrupted, interrupted_elsewhere, interrupted_thread, said, said_elsewhere
from tests.lab.log import Played

RETRY = "Tool execution was interrupted before completion. Please retry."
ENDS = ["session.usage", "session.status_idle"]


def nothing_was_asked_after(log: Played) -> None:
    assert "span.model_request_start" not in log.after_interrupt()
    assert "tool.started" not in log.after_interrupt()
    assert log.kinds()[-2:] == ENDS


@pytest.mark.parametrize("pause", [True, False], ids=["pause", "no pause"])
def test_interrupt_during_a_model_call_ends_it(pause: bool) -> None:
    lab = Lab(lead=hangs)

    log = lab.run(Agent("lead", model="m"), acts=[(3, interrupted(pause=pause))])

    assert log.after_interrupt() == ["span.model_request_end", "session.thread_status_idle", *ENDS]
    assert (log.stop_reason, log.seconds, log.state.paused) == ("end_turn", 3, pause)


def test_paused_model_call_is_made_again_when_the_session_is_resumed() -> None:
    lab = Lab(lead=after(5, "done"))
    lab.run(Agent("lead", model="m"), acts=[(3, interrupted(pause=True))])

    log = lab.resume()

    assert (log.text, log.state.paused) == ("done", False)
    first, second = log.requests("lead")
    assert list(first.messages) == list(second.messages)


def test_interrupt_during_tools_closes_each_call_with_the_wires_text() -> None:
    lab = Lab(lead=[[call("slow", key="1"), call("quick", key="2"), call("slow", key="3")], "done"])
    lead = Agent("lead", model="m", tools=[lab.tool("slow", seconds=9), lab.tool("quick", seconds=1)])

    log = lab.run(lead, acts=[(3, interrupted(pause=True))])

    assert log.after_interrupt() == ["agent.tool_result"] * 2 + ["session.thread_status_idle", *ENDS]
    nothing_was_asked_after(log)
    assert [effect.key for effect in log.effects] == ["2"]

    log = lab.resume()

    assert log.text == "done"
    assert log.told("lead") == [RETRY, "quick 2", RETRY]
    assert [result.is_error for result in log.results_of("slow")] == [True, True]


def test_thread_that_was_to_hand_over_does_not_begin_while_another_is_slow_to_stop_for_the_same_interrupt() -> None:
    ended: list[tuple[str, float]] = []

    async def slow_to_stop(request: ModelRequest) -> str:
        now = asyncio.get_running_loop().time
        try:
            await asyncio.sleep(60)
        finally:
            until = now() + {"a": 1, "b": 3}[request.agent]
            while request.purpose == "turn" and now() < until:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(until - now())
            ended.append((request.agent, now()))
        return "never"

    lab = Lab(
        lead=[[call("middle", task="x")], after(20, "done")],
        middle=[[call("a", task="x"), call("b", task="x")], "never"],
        a=[[call("again")], slow_to_stop],
        b=slow_to_stop,
    )
    a = Agent("a", model="m", tools=[lab.tool("again")], limits=Limits(seconds=1))
    middle = Agent("middle", model="m", callable_agents=[a, Agent("b", model="m")])

    log = lab.run(Agent("lead", model="m", callable_agents=[middle]), acts=[(1.5, interrupted_thread("middle"))])

    assert log.text == "done"
    assert log.closings() == [("a", "interrupted"), ("b", "interrupted"), ("middle", "interrupted")]
    assert ended == [("a", 2), ("b", 4.5)]  # a's limit was met first: it stops, and is interrupted before it hands over


def test_interrupt_during_nested_delegation_closes_from_below() -> None:
    lab = Lab(
        lead=[[call("middle", task="x"), call("slow", key="lead")], "done"],
        middle=[[call("leaf", task="x"), call("leaf", task="y"), call("slow", key="middle")], "never"],
        leaf=[[say("leaf works"), call("slow", key="leaf")]],
    )
    slow = lab.tool("slow", seconds=100)
    leaf = Agent("leaf", model="m", tools=[slow])
    middle = Agent("middle", model="m", tools=[slow], callable_agents=[leaf])

    log = lab.run(Agent("lead", model="m", tools=[slow], callable_agents=[middle]), acts=[(3, interrupted(pause=True))])

    nothing_was_asked_after(log)
    assert log.closings() == [("leaf", "interrupted"), ("leaf", "interrupted"), ("middle", "interrupted")]
    leaf_ends = ["agent.tool_result", "delegation.closed", "session.thread_status_idle"]
    assert log.after_interrupt() == [
        *leaf_ends,
        *leaf_ends,
        "agent.tool_result",
        "delegation.closed",
        "session.thread_status_idle",
        "agent.tool_result",
        "session.thread_status_idle",
        *ENDS,
    ]
    assert log.said_to("middle") == "interrupted by a person"

    log = lab.resume()

    assert (log.text, log.stop_reason, len(log.requests("leaf"))) == ("done", "end_turn", 2)


def test_interrupt_by_another_process_is_seen_at_the_next_commit() -> None:
    lab = Lab(lead=[[call("tool", key="1")], [call("tool", key="2")], "done"])
    lead = Agent("lead", model="m", tools=[lab.tool("tool", seconds=2)])

    log = lab.run(lead, acts=[(1, interrupted_elsewhere(pause=True))])

    assert [effect.key for effect in log.effects] == ["1"]
    assert log.state.paused
    assert log.kinds()[-2:] == ENDS


def test_result_committed_before_the_interrupt_stands() -> None:
    lab = Lab(lead=[[call("tool", key="1")], hangs])

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("tool", seconds=1)]), acts=[(2, interrupted())])

    assert (log.said_to("tool"), log.result_of("tool").is_error) == ("tool 1", False)


def test_message_queued_before_the_interrupt_is_not_lost() -> None:
    lab = Lab(lead=[[call("slow", key="1")], "done"])
    lead = Agent("lead", model="m", tools=[lab.tool("slow", seconds=9)])

    log = lab.run(lead, acts=[(1, said("change of plan")), (2, interrupted())])

    assert (log.text, log.stop_reason, log.seconds) == ("done", "end_turn", 2)
    assert log.told("lead") == [RETRY, "change of plan"]
    assert log.kinds().count("session.status_idle") == 1


def test_message_queued_before_a_pause_is_taken_when_the_session_is_resumed() -> None:
    lab = Lab(lead=[[call("slow", key="1")], "done"])
    lead = Agent("lead", model="m", tools=[lab.tool("slow", seconds=9)])
    log = lab.run(lead, acts=[(1, said("change of plan")), (2, interrupted(pause=True))])
    assert (log.state.paused, len(log.requests("lead"))) == (True, 1)

    log = lab.resume()

    assert log.text == "done"
    assert log.told("lead") == [RETRY, "change of plan"]


def test_message_after_a_pause_wakes_the_session() -> None:
    lab = Lab(lead=[hangs, "done"])
    lab.script.says("lead", hangs)
    lab.run(Agent("lead", model="m"), acts=[(1, interrupted(pause=True))])
    lab.script.says("lead", "as you say")

    log = lab.say("go on like this")

    assert (log.text, log.state.paused) == ("as you say", False)


@pytest.mark.parametrize(
    ("acts", "count"),
    [
        ([(3.0, interrupted(pause=True)), (3.0, interrupted())], 2),
        ([(3.0, interrupted()), (3.0, interrupted_elsewhere(pause=True))], 2),
        ([(3.0, interrupted_elsewhere()), (3.0, said_elsewhere("so?")), (3.0, interrupted(pause=True))], 2),
    ],
    ids=["twice", "from two processes", "with a message between"],
)
def test_several_interrupts_at_once_are_all_taken_and_a_pause_among_them_stands(acts: list[Act], count: int) -> None:
    lab = Lab(lead=[[call("slow", key="1")], hangs], commit_s=0.5)
    lead = Agent("lead", model="m", tools=[lab.tool("slow", seconds=100)])

    log = lab.run(lead, acts=acts)

    inputs = [record.event for record in log.records if isinstance(record.event, UserInterrupt)]
    assert len([event for event in inputs if event.processed_at is not None]) == count
    assert log.kinds()[-2:] == ENDS
    assert log.state.paused
    assert lab.result is not None
    assert lab.result.paused


def test_interrupt_that_comes_while_a_paused_session_goes_idle_does_not_stop_it_again_when_it_is_resumed() -> None:
    lab = Lab(lead=[[call("slow", key="1")], "done"], commit_s=0.5)
    lead = Agent("lead", model="m", tools=[lab.tool("slow", seconds=100)])
    log = lab.run(lead, acts=[(3, interrupted(pause=True)), (3.2, interrupted_elsewhere())])
    assert (log.state.paused, log.state.queue) == (True, {})

    log = lab.resume()

    assert (log.text, log.state.queue) == ("done", {})


def test_old_pause_is_not_taken_for_a_new_one() -> None:
    """An interrupt is noticed while the driver that resumes the session still commits that it took an old one."""
    lab = Lab(lead=[[call("slow", key="1")], "done"], commit_s=0.5)
    lead = Agent("lead", model="m", tools=[lab.tool("slow", seconds=100)])
    lab.run(lead, acts=[(3, interrupted(pause=True)), (3.2, interrupted_elsewhere(pause=True))])

    log = lab.resume(acts=[(0, interrupted())])

    assert (log.stop_reason, log.state.paused, lab.row().paused) == ("end_turn", False, False)


def test_interrupt_left_by_a_dead_process_is_taken_first() -> None:
    lab = Lab(lead=[[call("again", key="1")], "done"])
    lead = Agent("lead", model="m", tools=[lab.tool("again", seconds=9, idempotent=True)])
    lab.run(lead, acts=[(1, lambda live: live.let_go())])
    lab.tell(Interrupt())

    log = lab.resume()

    assert log.effects == []
    nothing_was_asked_after(log)
    assert log.said_to("again") == RETRY


@pytest.mark.parametrize("tenths", range(45))
def test_interrupt_at_any_moment_ends_the_session_in_order(tenths: int) -> None:
    lab = Lab(lead=[after(0.5, [call("a", task="x"), call("tool", key="1")]), "done"], a=after(1, "a"), commit_s=0.3)
    lead = Agent("lead", model="m", tools=[lab.tool("tool", seconds=1)], callable_agents=[Agent("a", model="m")])

    log = lab.run(lead, acts=[(tenths / 10, interrupted(pause=True))])

    if log.state.paused:
        nothing_was_asked_after(log)
        log = lab.resume()
    assert (log.stop_reason, log.text) == ("end_turn", "done")
