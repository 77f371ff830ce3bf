"""The state machine of sessions and threads, row by row, and how each ending closes the parent's call.

Source: the Managed Agents API's session states (sections C.7, C.9, D.3 and F of its contract); the table at the head of
core/ending.py.
"""

from collections.abc import Sequence

import pytest

from podium import Agent, Limits, Reply, SessionLimits, call, say
from podium.core.events import SessionIdle, StopDetails, ThreadIdle, ThreadTerminated
from podium.core.facts import DelegationClosed
from podium.core.inputs import Interrupt
from podium.core.records import OWN, PRIMARY
from podium.errors import ModelFailed
from tests.lab.cast import Line, after, hangs, raises
from tests.lab.lab import Act, Lab, interrupted, interrupted_thread
from tests.lab.log import Played

WORKER = Agent("worker", model="m")
BROKEN = raises(ModelFailed("broken"))
BUSY = raises(ModelFailed("busy", kind="transient", retry_after_s=100))


def session_statuses(log: Played) -> list[str]:
    """The session's statuses in order, an idle one with its reason."""
    told = []
    for record in log.records:
        event = record.event
        if isinstance(event, SessionIdle):
            told.append(f"idle {event.stop_reason.type}")
        elif record.type.startswith("session.status_"):
            told.append(record.type.removeprefix("session.status_"))
    return told


def ends_of(log: Played, agent: str) -> list[str]:
    """How the turns of the agent's first thread ended."""
    events = [record.event for record in log.records if record.thread == log.thread(agent)]
    return [
        "terminated" if isinstance(event, ThreadTerminated) else event.stop_reason.type
        for event in events
        if isinstance(event, ThreadTerminated | ThreadIdle)
    ]


# --- a session's states --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "acts", "statuses"),
    [
        ("done", [], ["running", "idle end_turn"]),
        (call("pay"), [], ["running", "idle requires_action"]),
        (BROKEN, [], ["running", "idle retries_exhausted"]),
        (Reply((), "refusal"), [], ["running", "idle refusal"]),
        (call("look"), [], ["running", "idle budget_reached"]),
        (hangs, [(2, interrupted())], ["running", "idle end_turn"]),
        (BUSY, [(2, interrupted())], ["running", "rescheduled", "running", "idle end_turn"]),
    ],
    ids=["turn over", "asks", "retries", "refusal", "limit", "interrupt", "interrupt while it waits"],
)
def test_session_that_runs_goes_idle_with_its_reason(line: Line, acts: Sequence[Act], statuses: list[str]) -> None:
    lab = Lab(lead=line)
    tools = [lab.tool("pay"), lab.tool("look")]
    lead = Agent("lead", model="m", tools=tools, permissions={"pay": "always_ask"}, limits=Limits(turns=1))

    log = lab.run(lead, acts=acts)

    assert session_statuses(log)[-1] == statuses[-1]
    assert session_statuses(log)[0] == "running"
    assert set(session_statuses(log)) <= set(statuses)
    assert log.kinds()[-3:] == ["session.thread_status_idle", "session.usage", "session.status_idle"]


@pytest.mark.parametrize(
    "line", ["done", BROKEN, Reply((), "refusal")], ids=["end_turn", "retries_exhausted", "refusal"]
)
def test_message_wakes_an_idle_session(line: Line) -> None:
    lab = Lab(lead=[line])
    lab.run(Agent("lead", model="m"))
    lab.script.says("lead", "as you say")

    log = lab.say("go on")

    assert log.text == "as you say"
    assert session_statuses(log)[-2:] == ["running", "idle end_turn"]
    woken = log.kinds().index("session.status_idle") + 1
    assert log.kinds()[woken : woken + 3] == [
        "user.message",
        "session.status_running",
        "session.thread_status_running",
    ]


def test_normal_turn_in_order() -> None:
    log = Lab(lead="done").run(Agent("lead", model="m"))

    assert [kind for kind in log.kinds() if "." in kind and not kind.startswith(("session.created", "model."))] == [
        "user.message",
        "session.status_running",
        "session.thread_status_running",
        "user.message",
        "span.model_request_start",
        "agent.message",
        "span.model_request_end",
        "session.thread_status_idle",
        "session.usage",
        "session.status_idle",
    ]


def test_waiting_for_a_person_outranks_the_budget() -> None:
    lab = Lab(
        lead=[call("start_agent", agent="worker", input={"task": "x"}), call("look"), "so far"], worker=call("pay")
    )
    worker = Agent("worker", model="m", tools=[lab.tool("pay")], permissions={"pay": "always_ask"})
    lead = Agent("lead", model="m", callable_agents=[worker], tools=[lab.tool("look", seconds=1)])

    log = lab.run(lead, limits=SessionLimits(turns=3))

    assert log.state.main.stop_reason is not None
    assert (log.state.main.stop_reason.type, log.stop_reason) == ("budget_reached", "requires_action")


def test_childs_own_limit_never_becomes_the_sessions_reason() -> None:
    lab = Lab(lead=[call("worker", task="x"), "done"], worker=call("look"))
    worker = Agent("worker", model="m", tools=[lab.tool("look")], limits=Limits(turns=1))

    log = lab.run(Agent("lead", model="m", callable_agents=[worker]))

    assert (log.stop_reason, ends_of(log, "worker")) == ("end_turn", ["budget_reached"])


def test_threads_statuses_show_in_their_own_stream_and_in_the_sessions() -> None:
    log = Lab(lead=[call("worker", task="x"), "done"], worker="found it").run(
        Agent("lead", model="m", callable_agents=[WORKER])
    )

    child = {record.type: record.views for record in log.records if record.thread == log.thread("worker")}
    assert child == {
        "session.thread_created": PRIMARY,
        "session.thread_status_running": OWN | PRIMARY,
        "agent.thread_message_received": OWN,
        "span.model_request_start": OWN,
        "agent.message": OWN,
        "model.replied": 0,
        "span.model_request_end": OWN,
        "agent.thread_message_sent": OWN,
        "session.thread_status_idle": OWN | PRIMARY,
    }


# --- how an ending closes the parent's call: the table in core/ending.py -----------------------------------

ENDINGS = [
    ("found it", [], "reported", False, "found it", "end_turn"),
    (
        [[say("half"), call("look")], "so far"],
        [],
        "limit",
        True,
        "agent limit reached: 1 of 1 turns. Its last words, a partial result:\nso far",
        "budget_reached",
    ),
    (BROKEN, [], "failed", True, "agent 'worker' failed: broken. It had said nothing yet.", "terminated"),
    (
        Reply((), "refusal", stop_details=StopDetails(explanation="not this")),
        [],
        "failed",
        True,
        "the model of agent 'worker' refused: not this",
        "refusal",
    ),
    (hangs, [(2, interrupted_thread("worker"))], "interrupted", True, "interrupted by a person", "end_turn"),
]
IDS = ["reported", "limited", "failed", "declined", "interrupted"]


def played(lead: object, worker: object, acts: Sequence[Act]) -> Played:
    lab = Lab(lead=lead, worker=worker)
    child = Agent("worker", model="m", tools=[lab.tool("look")], limits=Limits(turns=1))
    return lab.run(Agent("lead", model="m", callable_agents=[child]), acts=acts)


@pytest.mark.parametrize(("worker", "acts", "outcome", "is_error", "told", "end"), ENDINGS, ids=IDS)
def test_ending_of_a_child_closes_its_parents_call(
    worker: object, acts: Sequence[Act], outcome: str, is_error: bool, told: str, end: str
) -> None:
    log = played([call("worker", task="x"), "done"], worker, acts)

    assert (log.text, log.closings(), ends_of(log, "worker")) == ("done", [("worker", outcome)], [end])
    assert (log.said_to("worker"), log.result_of("worker").is_error) == (told, is_error)
    [closed] = log.of("delegation.closed")
    before = log.records[closed.seq - 2].type
    assert (before == "agent.thread_message_received") == (outcome in ("reported", "limit"))


@pytest.mark.parametrize(("worker", "acts", "outcome", "is_error", "told", "end"), ENDINGS, ids=IDS)
def test_ending_of_a_child_in_the_background_is_told_as_a_message(
    worker: object, acts: Sequence[Act], outcome: str, is_error: bool, told: str, end: str
) -> None:
    start = call("start_agent", agent="worker", input={"task": "x"})
    log = played([start, after(1, "I wait"), "done"], worker, acts)

    [closed] = [record.event for record in log.records if isinstance(record.event, DelegationClosed)]
    assert (closed.call, closed.outcome, ends_of(log, "worker")) == ("", outcome, [end])
    assert (told in log.told("lead")) == (outcome != "interrupted")


def test_ending_of_the_parent_stops_those_it_waits_for_and_tells_nobody() -> None:
    lab = Lab(lead=[call("middle", task="x"), "done"], middle=[call("worker", task="x"), "never"], worker=hangs)
    middle = Agent("middle", model="m", callable_agents=[WORKER], limits=Limits(seconds=3))

    log = lab.run(Agent("lead", model="m", callable_agents=[middle]))

    assert log.closings() == [("worker", "stopped"), ("middle", "limit")]
    assert ends_of(log, "worker") == ["end_turn"]
    assert len(log.requests("worker")) == 1


def test_failure_of_the_parent_stops_those_in_its_background_too() -> None:
    lab = Lab(
        lead=[call("middle", task="x"), "done"],
        middle=[call("start_agent", agent="worker", input={"task": "x"}), BROKEN],
        worker=hangs,
    )
    middle = Agent("middle", model="m", callable_agents=[WORKER])

    log = lab.run(Agent("lead", model="m", callable_agents=[middle]))

    assert (log.text, log.closings()) == ("done", [("middle", "failed"), ("worker", "stopped")])
    assert (ends_of(log, "middle"), ends_of(log, "worker")) == (["terminated"], ["end_turn"])


def test_interrupt_of_the_session_closes_everything_and_asks_no_model() -> None:
    lab = Lab(lead=[call("worker", task="x"), "never"], worker=hangs)

    log = lab.run(Agent("lead", model="m", callable_agents=[WORKER]), acts=[(2, lambda live: live.accept(Interrupt()))])

    assert (log.stop_reason, log.closings()) == ("end_turn", [("worker", "interrupted")])
    assert (ends_of(log, "lead"), ends_of(log, "worker")) == (["end_turn"], ["end_turn"])
    assert "span.model_request_start" not in log.after_interrupt()
