"""Steering one thread among many: what an interrupt stops, what it leaves, and in which order all is told."""

import pytest

from podium import Agent, call
from podium.core.events import UserInterrupt
from podium.core.inputs import Interrupt
from podium.core.records import is_queued
from podium.errors import ModelFailed, NotFound, Refused
from tests.lab.cast import after, hangs, raises
from tests.lab.lab import SESSION, Act, Lab, Live, allowed, interrupted_thread, said
from tests.lab.log import Played

RETRY = "Tool execution was interrupted before completion. Please retry."
WORKER = Agent("worker", model="m")


def lead(*callable_agents: Agent) -> Agent:
    return Agent("lead", model="m", callable_agents=callable_agents)


def after_taking(log: Played, thread: str) -> list[str]:
    """The types of the thread's records from the first interrupt that was taken on."""
    taken = next(r.seq for r in log.records if isinstance(r.event, UserInterrupt) and not is_queued(r.event))
    return [record.type for record in log.records if record.seq > taken and record.thread == thread]


def test_interrupted_child_in_a_model_call_ends_and_its_parent_and_sibling_go_on() -> None:
    lab = Lab(lead=[[call("worker", task="x"), call("other", task="y")], "done"], worker=hangs, other=after(5, "other"))

    log = lab.run(lead(WORKER, Agent("other", model="m")), acts=[(2, interrupted_thread("worker"))])

    assert (log.text, log.seconds, log.told("lead")) == ("done", 5, ["interrupted by a person", "other"])
    assert after_taking(log, log.thread("worker")) == ["span.model_request_end", "session.thread_status_idle"]
    assert log.state_of("worker").stop_reason == log.state_of("other").stop_reason
    assert log.closings() == [("worker", "interrupted"), ("other", "reported")]


def test_interrupted_child_in_a_tool_has_its_call_closed_with_the_wires_text() -> None:
    lab = Lab(lead=[call("worker", task="x"), "done"], worker=[call("slow"), "never"])
    worker = Agent("worker", model="m", tools=[lab.tool("slow", seconds=9)])

    log = lab.run(lead(worker), acts=[(2, interrupted_thread("worker"))])

    assert (log.text, log.seconds, log.effects, log.said_to("slow")) == ("done", 2, [], RETRY)
    assert log.closings() == [("worker", "interrupted")]


def test_interrupted_child_that_waits_to_try_again_does_not() -> None:
    busy = raises(ModelFailed("busy", kind="transient", retry_after_s=100))
    lab = Lab(lead=[call("worker", task="x"), "done"], worker=busy)

    log = lab.run(lead(WORKER), acts=[(2, interrupted_thread("worker"))])

    assert (log.text, log.seconds, len(log.requests("worker"))) == ("done", 2, 1)


def test_interrupted_middle_takes_those_it_waits_for_with_it_and_leaves_the_background() -> None:
    lab = Lab(
        lead=[call("middle", task="x"), "done"],
        middle=[
            [call("start_agent", agent="behind", input={"task": "x"}), call("worker", task="x")],
            "I hear",
        ],
        worker=hangs,
        behind=after(7, "found it"),
    )
    middle = Agent("middle", model="m", callable_agents=[WORKER, Agent("behind", model="m")])

    log = lab.run(lead(middle), acts=[(2, interrupted_thread("middle"))])

    assert log.closings()[:2] == [("worker", "interrupted"), ("middle", "interrupted")]
    assert ("behind", "reported") in log.closings()
    assert log.said_to("middle") == "interrupted by a person"
    assert log.seconds == 7


def test_interrupted_primary_ends_its_turn_while_the_background_works_on() -> None:
    lab = Lab(
        lead=[call("start_agent", agent="worker", input={"task": "x"}), after(3, "never"), "done"],
        worker=after(5, "found it"),
    )

    log = lab.run(lead(WORKER), acts=[(2, interrupted_thread("lead"))])

    assert log.state_of("worker").stop_reason is not None
    assert log.closings() == [("worker", "reported")]
    assert log.told("lead")[-1] == "found it"
    assert log.kinds().count("session.status_idle") == 1


def test_interrupt_of_a_thread_whose_turn_is_over_changes_nothing() -> None:
    lab = Lab(lead=[call("worker", task="x"), after(5, "done")], worker="found it")

    log = lab.run(lead(WORKER), acts=[(2, interrupted_thread("worker"))])

    assert (log.text, log.seconds) == ("done", 5)
    assert after_taking(log, log.thread("worker")) == []


def test_interrupt_of_an_idle_session_is_processed_as_it_comes_and_changes_nothing() -> None:
    lab = Lab(lead="done")
    lab.run(lead())

    lab.tell(Interrupt())

    log = lab.resume()
    assert [record.type for record in log.records][-2:] == ["session.status_idle", "user.interrupt"]
    assert log.state.queue == {}


def test_interrupt_of_a_thread_that_is_terminated_or_unknown_is_refused() -> None:
    lab = Lab(lead=[call("worker", task="x"), "done"], worker=raises(ModelFailed("broken")))
    log = lab.run(lead(WORKER))

    with pytest.raises(Refused, match="is terminated; there is nothing to interrupt"):
        lab.tell(Interrupt(thread=log.thread("worker")))
    with pytest.raises(NotFound):
        lab.tell(Interrupt(thread="sthr_none"))
    with pytest.raises(Refused, match="one thread cannot be paused"):
        lab.tell(Interrupt(thread=log.thread("lead"), pause=True))


@pytest.mark.parametrize("tenths", range(40))
def test_interrupt_that_races_with_a_report_closes_the_call_once(tenths: int) -> None:
    lab = Lab(
        lead=[after(0.5, [call("worker", task="x"), call("slow", key="1")]), "done"],
        worker=after(1, "found it"),
        commit_s=0.3,
    )
    boss = Agent("lead", model="m", callable_agents=[WORKER], tools=[lab.tool("slow", seconds=2)])

    async def act(live: Live) -> None:
        if len(lab.world.log.sessions[SESSION].threads) > 1:
            await interrupted_thread("worker")(live)

    log = lab.run(boss, acts=[(tenths / 10, act)])

    assert (log.text, log.stop_reason) == ("done", "end_turn")
    assert log.said_to("worker") in ("found it", "interrupted by a person")
    [(_, outcome)] = log.closings()
    assert (outcome == "reported") == (log.said_to("worker") == "found it")


def test_nothing_of_a_thread_is_committed_after_it_was_interrupted() -> None:
    for tenths in range(30):
        lab = Lab(lead=[call("worker", task="x"), "done"], worker=[call("slow"), "found it"], commit_s=0.2)
        worker = Agent("worker", model="m", tools=[lab.tool("slow", seconds=1)])

        log = lab.run(lead(worker), acts=[(0.6 + tenths / 10, interrupted_thread("worker"))])

        if ("worker", "interrupted") in log.closings():
            left = after_taking(log, log.thread("worker"))
            assert left[-1] == "session.thread_status_idle"
            assert set(left[:-1]) <= {"span.model_request_end", "agent.tool_result"}


def test_messages_go_in_order_behind_the_results() -> None:
    lab = Lab(lead=[call("slow", key="1"), "done"])
    boss = Agent("lead", model="m", tools=[lab.tool("slow", seconds=5)])
    acts: list[Act] = [(second, said(f"message {second}")) for second in (1, 2, 3)]

    log = lab.run(boss, acts=acts)

    assert log.told("lead") == ["slow 1", "message 1", "message 2", "message 3"]


def test_message_detaches_every_child_at_once() -> None:
    lab = Lab(
        lead=[[call("worker", task="x"), call("worker", task="y")], "I hear you", "one", "both"],
        worker=[after(5, "found it")],
    )

    log = lab.run(lead(WORKER), acts=[(2, said("so?"))])

    assert log.kinds().count("delegation.detached") == 2
    assert [f"thread {log.thread('worker', nth)}" in log.told("lead", 1)[nth] for nth in (0, 1)] == [True, True]
    assert log.closings() == [("worker", "reported")] * 2


def test_message_does_not_detach_while_a_tool_of_the_reply_runs() -> None:
    lab = Lab(lead=[[call("worker", task="x"), call("slow", key="1")], "I hear you", "done"], worker=after(9, "w"))
    boss = Agent("lead", model="m", callable_agents=[WORKER], tools=[lab.tool("slow", seconds=4)])

    log = lab.run(boss, acts=[(2, said("so?"))])

    [detached] = log.of("delegation.detached")
    assert log.at(detached) == 4


@pytest.mark.parametrize("tenths", range(20))
@pytest.mark.parametrize("commit_s", [0.1, 0.4])
def test_interrupt_and_answer_at_any_moment_around_going_idle_are_both_taken(tenths: int, commit_s: float) -> None:
    lab = Lab(lead=[call("worker", task="x"), "done"], worker=[call("pay"), "paid"], commit_s=commit_s)
    worker = Agent("worker", model="m", tools=[lab.tool("pay")], permissions={"pay": "always_ask"})

    async def answer(live: Live) -> None:
        if any(row.state == "asks" for row in lab.world.log.sessions[SESSION].calls.values()):
            await allowed("pay")(live)

    acts = [(tenths / 10, interrupted_thread("lead")), (tenths / 10 + commit_s / 3, answer)]
    lab.run(lead(worker), acts=acts)
    log = lab.resume() if lab.row().is_unfinished else lab.played()

    assert log.state.status == "idle"
    assert not any(isinstance(event, UserInterrupt) for event in log.state.queue.values())
