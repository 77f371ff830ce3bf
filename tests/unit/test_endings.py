"""How threads end, and that nothing below them is left open."""

import pytest

from podium.core.content import ToolResultBlock, plain, text
from podium.core.ending import INTERRUPTED_TOOL
from podium.core.events import AgentMessage, AgentToolResult, SessionError, StopReason, ThreadIdle, ThreadTerminated
from podium.core.facts import DelegationClosed, LimitMet
from podium.core.inputs import Interrupt, Resume
from podium.core.records import Event, type_of
from podium.core.steps import CallModel, Ending, Failed, Interrupted, Limited, Reported, Wait
from podium.core.thread import ThreadState
from tests.unit.play import COUNT_SCHEMA, Play, agent, calls, says

LEAF = agent("leaf", tools=["grep"])
MIDDLE = agent("middle", calls=[LEAF], tools=["grep"])
LEAD = agent("lead", calls=[MIDDLE, LEAF], tools=["grep"])
LIMIT = Limited(LimitMet("turns", "agent", 3, 3))


def three_levels() -> Play:
    """The lead waits for the middle and a leaf; the middle for a leaf and a tool; both leaves are in a model call."""
    play = Play(LEAD, MIDDLE, LEAF)
    play.replies(play.main, calls("middle", task="m"), calls("leaf", task="l"))
    leaf = play.thread("leaf")
    play.replies(play.thread("middle"), says("half of it"), calls("leaf", task="deep"), calls("grep"))
    play.ask(play.thread("leaf"))
    play.ask(leaf)
    return play


def delegated() -> Play:
    play = Play(LEAD, MIDDLE, LEAF)
    play.replies(play.main, calls("middle", task="m"))
    return play


def kinds(events: list[Event]) -> list[str]:
    return [type_of(event) for event in events]


def outcomes(events: list[Event]) -> list[str]:
    return [event.outcome for event in events if isinstance(event, DelegationClosed)]


def given_to(play: Play, thread: ThreadState) -> list[tuple[str, bool]]:
    """The results that the thread's model sees next."""
    play.ask(thread)
    blocks = thread.transcript.sent()[-1].content
    return [(plain(b.content), b.is_error) for b in blocks if isinstance(b, ToolResultBlock)]


def open_below(play: Play, thread: ThreadState) -> list[str]:
    """What is still open of a thread and its descendants."""
    found, family = [], {thread.id}
    for other in play.state.threads.values():
        if other.id in family or other.parent in family:
            family.add(other.id)
            found += [call.name for call in other.calls.values()]
            found += [f"model call of {other.definition.name}"] if other.span is not None else []
            found += [f"{other.definition.name} runs"] if other.status == "running" else []
    return found


# --- a child's end, as its parent sees it ----------------------------------------------------------


def test_report_is_the_calls_result() -> None:
    play = delegated()
    child = play.thread("middle")

    events = play.ends(child, Reported(text("all done")))

    assert kinds(events) == [
        "agent.thread_message_sent",
        "agent.thread_message_received",
        "delegation.closed",
        "session.thread_status_idle",
    ]
    assert outcomes(events) == ["reported"]
    assert (child.status, child.stop_reason) == ("idle", StopReason("end_turn"))
    assert given_to(play, play.main) == [("all done", False)]


def test_limited_child_gives_its_partial_result_as_an_error() -> None:
    play = delegated()
    child = play.thread("middle")
    play.replies(child, says("so far so good"), calls("nothing"))

    events = play.ends(child, LIMIT)

    assert kinds(events)[0] == "limit.reached"
    assert outcomes(events) == ["limit"]
    assert child.stop_reason == StopReason("budget_reached")
    partial = "agent limit reached: 3 of 3 turns. Its last words, a partial result:\nso far so good"
    assert given_to(play, play.main) == [(partial, True)]


def test_failed_child_is_terminated_and_its_reason_told() -> None:
    play = delegated()
    child = play.thread("middle")

    events = play.ends(child, Failed("no model answers"))

    assert kinds(events) == ["delegation.closed", "session.thread_status_terminated"]
    assert (child.status, play.main.status) == ("terminated", "running")
    assert given_to(play, play.main) == [("agent 'middle' failed: no model answers. It had said nothing yet.", True)]


def test_siblings_do_not_notice_each_others_end() -> None:
    play = Play(LEAD, MIDDLE, LEAF)
    play.replies(play.main, calls("middle", task="m"), calls("leaf", task="l"))
    play.ask(play.thread("leaf"))

    play.ends(play.thread("middle"), Failed("broken"))

    assert play.step(play.main) == Wait()
    assert play.thread("leaf").span is not None
    play.answer(play.thread("leaf"), says("here it is"))
    play.moves(play.thread("leaf"))
    assert [is_error for _, is_error in given_to(play, play.main)] == [True, False]


def test_structured_result_is_reported_as_json() -> None:
    reporter = agent("reporter", output_schema=COUNT_SCHEMA)
    play = Play(agent("lead", calls=[reporter]), reporter)
    play.replies(play.main, calls("reporter", task="count"))
    play.replies(play.thread("reporter"), says("words"), calls("submit_result", count=3))

    play.moves(play.thread("reporter"))

    assert given_to(play, play.main) == [('{"count":3}', False)]


# --- everyone below ends too -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "ending", [LIMIT, Failed("broken"), Interrupted(), Reported(())], ids=lambda e: type(e).__name__
)
def test_end_of_the_primary_leaves_nothing_open_at_any_depth(ending: Ending) -> None:
    play = three_levels()

    events = play.ends(play.main, ending)

    assert open_below(play, play.main) == []
    assert kinds(events).count("span.model_request_end") == 2
    assert len(outcomes(events)) == 3
    below = "interrupted" if isinstance(ending, Interrupted) else "stopped"
    assert set(outcomes(events)) == {below}


def test_limited_middle_stops_what_is_below_it_and_nothing_else() -> None:
    play = three_levels()
    middle = play.thread("middle")
    sibling = next(t for t in play.state.threads.values() if t.definition.name == "leaf" and t.parent == play.main.id)

    events = play.ends(middle, LIMIT)

    assert open_below(play, middle) == []
    assert outcomes(events) == ["stopped", "limit"]
    assert (sibling.status, play.main.status) == ("running", "running")
    assert sibling.span is not None
    assert play.step(play.main) == Wait()


def test_descendants_end_before_their_parents() -> None:
    play = three_levels()

    events = play.ends(play.main, Interrupted())

    ended = [event.session_thread_id for event in events if isinstance(event, ThreadIdle)]
    depths = [play.state.threads[id].depth for id in ended]
    assert depths == [2, 1, 1, 0]


def test_call_cut_by_a_limit_says_that_its_outcome_is_unknown() -> None:
    play = Play(LEAD, MIDDLE, LEAF)
    play.replies(play.main, calls("grep"))

    events = play.ends(play.main, LIMIT)

    [result] = [event for event in events if isinstance(event, AgentToolResult)]
    assert plain(result.content) == "stopped, its outcome is unknown: agent limit reached: 3 of 3 turns"
    assert result.is_error


# --- the primary -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (Reported(text("done")), "end_turn"),
        (LIMIT, "budget_reached"),
        (Failed("no model answers"), "retries_exhausted"),
        (Interrupted(), "end_turn"),
    ],
    ids=["reported", "limited", "failed", "interrupted"],
)
def test_primary_goes_idle_with_the_wires_reason(ending: Ending, reason: str) -> None:
    play = Play(LEAD, MIDDLE, LEAF)
    play.replies(play.main, says("done"))

    events = play.ends(play.main, ending)

    assert (play.main.status, play.main.stop_reason) == ("idle", StopReason(reason))  # type: ignore[arg-type]
    assert kinds(events)[-1] == "session.thread_status_idle"
    errors = [event.error.message for event in events if isinstance(event, SessionError)]
    assert errors == (["no model answers"] if isinstance(ending, Failed) else [])
    assert not any(isinstance(event, ThreadTerminated) for event in events)


def test_structured_result_of_the_primary_shows_as_a_message() -> None:
    play = Play(agent("lead", output_schema=COUNT_SCHEMA))
    play.replies(play.main, calls("submit_result", count=3))

    events = play.moves(play.main)

    assert [plain(event.content) for event in events if isinstance(event, AgentMessage)] == ['{"count":3}']


def test_interrupted_session_closes_every_call_with_the_wires_words_and_samples_nothing() -> None:
    play = three_levels()
    play.gets(Interrupt())

    events = play.interrupted()

    assert open_below(play, play.main) == []
    assert play.state.queue == {}
    assert [plain(event.content) for event in events if isinstance(event, AgentToolResult)] == [INTERRUPTED_TOOL]
    closed = [plain(event.content) for event in events if isinstance(event, DelegationClosed)]
    assert set(closed) == {"interrupted by a person"}
    assert [play.step(thread) for thread in play.state.threads.values()] == [Wait()] * 4
    assert "span.model_request_start" not in kinds(events)


def test_result_before_the_interrupt_stands() -> None:
    play = Play(LEAD, MIDDLE, LEAF)
    play.replies(play.main, calls("grep"), calls("grep"))
    play.returns(play.main, next(iter(play.main.calls)), "found")
    play.gets(Interrupt())
    play.interrupted()
    play.idles()

    play.hears("go on")

    assert given_to(play, play.main) == [("found", False), (INTERRUPTED_TOOL, True)]


def test_interrupt_discards_no_queued_message() -> None:
    play = Play(LEAD, MIDDLE, LEAF)
    play.ask(play.main)
    play.hears("first this")
    play.gets(Interrupt())

    play.interrupted()

    assert play.state.has_message
    assert not any(play.state.interrupts())


def test_paused_session_that_is_resumed_samples_the_model_with_what_was_closed() -> None:
    play = Play(LEAD, MIDDLE, LEAF)
    play.replies(play.main, calls("middle", task="m"))
    play.gets(Interrupt(pause=True))
    play.interrupted()
    play.idles()
    assert play.state.paused

    play.gets(Resume())

    assert not play.state.paused
    assert play.step(play.main) == CallModel()
    assert given_to(play, play.main) == [("interrupted by a person", True)]
