"""A person's messages to a session that works, that goes idle, that is idle."""

import pytest

from podium import Agent, Limits, call
from podium.core.content import plain
from podium.core.events import UserMessage
from tests.lab.cast import after
from tests.lab.lab import Happening, Lab, said, said_elsewhere
from tests.lab.log import Played


def taken(log: Played) -> list[str]:
    """The messages in the order they were taken."""
    return [
        plain(record.event.content)
        for record in log.records
        if isinstance(record.event, UserMessage) and record.event.processed_at is not None
    ]


def test_messages_queued_while_tools_run_are_taken_together_after_the_results() -> None:
    lab = Lab(lead=[[call("tool", key="1"), call("tool", key="2")], "done"])
    lead = Agent("lead", model="m", tools=[lab.tool("tool", seconds=5)])

    log = lab.run(lead, acts=[(1, said("first")), (2, said_elsewhere("second")), (3, said("third"))])

    assert log.told("lead") == ["tool 1", "tool 2", "first", "second", "third"]
    assert len(log.requests("lead")) == 2


def test_message_while_only_children_are_waited_for_is_taken_at_once_and_they_go_on_in_the_background() -> None:
    lab = Lab(lead=[[call("a", task="x")], "wait for it", "done"], a=after(5, "a"))

    log = lab.run(Agent("lead", model="m", callable_agents=[Agent("a", model="m")]), acts=[(1, said("and?"))])

    thread = log.thread("a")
    detached = f"agent 'a' is still running in thread {thread}; its report will come as a message"
    assert log.told("lead", 1) == [detached, "and?"]
    assert log.told("lead", 2) == [f"Report of agent 'a', thread {thread}:", "a"]
    assert (log.text, log.seconds, log.closings()) == ("done", 5, [("a", "reported")])


def test_message_during_the_last_model_call_is_answered_in_the_same_turn() -> None:
    lab = Lab(lead=[after(5, "first"), after(5, "second")])

    log = lab.run(Agent("lead", model="m"), acts=[(1, said("more"))])

    assert (log.text, log.told("lead")) == ("second", ["more"])
    assert log.kinds().count("session.status_idle") == 1


@pytest.mark.parametrize("late", [said("late"), said_elsewhere("late")], ids=["here", "elsewhere"])
@pytest.mark.parametrize("hundredths", range(150, 260, 5))
def test_message_that_comes_as_the_session_goes_idle_is_not_lost(hundredths: int, late: Happening) -> None:
    """The model answers at 1.75 s, and the idle append is committed at 2.5 s."""
    lab = Lab(lead=[after(1, "first"), "second"], commit_s=0.25)

    log = lab.run(Agent("lead", model="m"), acts=[(hundredths / 100, late)])
    if log.stop_reason == "":
        log = lab.resume()

    if "late" in taken(log):
        assert (log.text, taken(log)) == ("second", ["go", "late"])
    else:
        assert (log.text, len(log.requests("lead"))) == ("first", 1)
        assert log.state.queue == {}


def test_message_to_an_idle_session_is_a_new_turn_on_the_same_transcript() -> None:
    lab = Lab(lead=["first", "second"])
    lab.run(Agent("lead", model="m"))

    log = lab.say("more")

    assert (log.text, log.stop_reason) == ("second", "end_turn")
    assert [message.role for message in log.requests("lead")[1].messages] == ["user", "assistant", "user"]


def test_message_to_a_session_at_its_limit_is_taken_and_the_limit_still_stands() -> None:
    lab = Lab(lead=["first", "second"])
    lab.run(Agent("lead", model="m", limits=Limits(turns=1)))

    log = lab.say("more")

    assert (log.stop_reason, len(log.requests("lead"))) == ("budget_reached", 1)
    assert (taken(log), log.state.queue) == (["go", "more"], {})


def test_message_while_the_last_turn_of_a_limit_runs_is_taken_as_the_session_goes_idle() -> None:
    lab = Lab(lead=after(5, "first"))

    log = lab.run(Agent("lead", model="m", limits=Limits(turns=1)), acts=[(1, said("more"))])

    assert (log.stop_reason, taken(log), len(log.requests("lead"))) == ("budget_reached", ["go", "more"], 1)


@pytest.mark.parametrize("tenths", range(16))
def test_message_while_the_last_reply_is_committed_loses_no_reply(tenths: int) -> None:
    lab = Lab(lead=[after(1, "first"), after(1, "second")], commit_s=0.3)

    log = lab.run(Agent("lead", model="m"), acts=[(tenths / 10, said("more"))])

    assert (log.text, len(log.requests("lead"))) == ("second", 2)
