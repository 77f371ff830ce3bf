"""What status a thread has, by what it and those it waits for can do; and the records that say so.

A thread works if a step of it can run, an effect of it is under way, or a child it is blocked on works. A thread that
is blocked only by children that wait for a person is itself idle, with the union of their calls.
"""

from datetime import datetime

from podium.core.events import (
    SessionRescheduled,
    SessionRunning,
    StopDetails,
    StopReason,
    ThreadRescheduled,
)
from podium.core.facts import LimitLifted
from podium.core.moment import Moment
from podium.core.money import budget_of, snapshot
from podium.core.rows import Status
from podium.core.run_records import run_rests, run_works
from podium.core.session import SessionState
from podium.core.thread import OpenCall, ThreadState

END_TURN = StopReason("end_turn")


def standing(session: SessionState, thread: ThreadState, now: datetime) -> tuple[Status, StopReason | None]:
    """The status of a thread whose turn is open."""
    if thread.span is not None or has_news(session, thread):
        return "running", None
    if thread.definition.program and plays(session):
        return "running", None
    if not thread.calls:
        waits = thread.retry_at is not None and thread.retry_at > now
        return ("rescheduling" if waits else "running"), None
    if thread.why_over() is not None:
        return "running", None
    asked: dict[str, None] = {}
    is_rescheduled = False
    for call in thread.calls.values():
        if call.attempt > 0 or call.answer is not None:
            return "running", None
        if call.asks:
            asked[call.id] = None
        children = waited_for(session, thread, call)
        if call.is_delegation and not children:  # it is over
            return "running", None
        for child in children:
            if child.status == "running":
                return "running", None
            is_rescheduled = is_rescheduled or child.status == "rescheduling"
            if child.stop_reason is not None:
                asked |= dict.fromkeys(child.stop_reason.event_ids)
    if is_rescheduled:
        return "rescheduling", None
    return ("idle", StopReason("requires_action", tuple(asked))) if asked else ("running", None)


def plays(session: SessionState) -> bool:
    """Whether the session's workflow can go on: it has not begun, has something to be told, or has ended."""
    run = session.run
    return run is None or run.is_over or run.has_news


def takes_message(session: SessionState, thread: ThreadState) -> bool:
    """Whether the thread goes on with a person's message: all that it has open can go on without it."""
    is_told = thread.parent is None and session.has_message and not thread.definition.program
    return is_told and all(call.is_delegation for call in thread.calls.values())


def has_news(session: SessionState, thread: ThreadState) -> bool:
    """Whether the thread waits for children no longer, since it was told something. A workflow waits for each."""
    if thread.definition.program:
        return False
    if thread.transcript.is_told and any(call.child is None and call.is_delegation for call in thread.calls.values()):
        return True  # asked in this order: a parent of many is looked at whenever one of them ends
    return bool(thread.calls) and takes_message(session, thread)


def waited_for(session: SessionState, thread: ThreadState, call: OpenCall) -> list[ThreadState]:
    """The children whose turns a call waits for."""
    if call.child is not None:
        child = session.threads.get(call.child)
        return [child] if child is not None and child.is_open else []
    if not call.is_delegation:
        return []
    named = call.input.get("threads")
    return [
        child
        for child in session.children(thread)
        if child.is_open and child.background and (not named or child.id in named)
    ]


def settle(session: SessionState, thread: ThreadState, at: Moment) -> None:
    """Record the thread's status where it has changed, and what follows for those above it and for the session.

    Shape: what was recorded before is folded, and so is what this records.
    """
    session.fold(at)
    for each in session.above(thread):
        if each.is_open:
            status, reason = standing(session, each, at.now)
            if (status, reason) == (each.status, each.stop_reason):
                break
            _say(session, each, status, reason, at)
            session.fold(at)
    settle_session(session, at)


def settle_session(session: SessionState, at: Moment) -> None:
    """Record that the session runs, or waits for a time, where its threads' statuses say so. Going idle is another's.

    Shape: as in `settle`.
    """
    session.fold(at)
    stands = session.standing
    if stands == session.status or stands == "idle":
        return
    kind = SessionRunning if stands == "running" else SessionRescheduled
    at.own(session.primary, kind(id=at.event_id(), processed_at=at.now))
    session.fold(at)


def wake_for_message(session: SessionState, at: Moment) -> None:
    """Record that the primary runs, if a person's message waits and its turn is over."""
    main = session.main
    if session.has_message and not main.is_open and main.status != "terminated" and not session.paused:
        at.thread_running(main.id, session.primary, main.definition.name)
        session.fold(at)


def lift(session: SessionState, at: Moment) -> None:
    """Record that the session's budget stops nobody any more, if it was changed; a primary that it ended goes on.

    Shape: only where the primary's turn is over; else it records that itself.
    """
    main = session.main
    if main.is_open or not session.is_lifted or session.paused:
        return
    was_stopped = main.limited is not None and main.limited.of == "session"
    at.private(main.id, LimitLifted())
    if was_stopped:
        at.thread_running(main.id, main.id, main.definition.name)
    session.fold(at)


def _say(session: SessionState, thread: ThreadState, status: Status, reason: StopReason | None, at: Moment) -> None:
    if status == "running":
        if thread.definition.program:
            run_works(session, at)
        at.thread_running(thread.id, session.primary, thread.definition.name)
    elif status == "rescheduling":
        event = ThreadRescheduled(
            id=at.event_id(), processed_at=at.now, session_thread_id=thread.id, agent_name=thread.definition.name
        )
        at.cross(thread.id, session.primary, event)
    else:
        assert reason is not None
        if thread.definition.program:
            run_rests(session, at)
        idle(session, thread, reason, at)


def idle(
    session: SessionState, thread: ThreadState, reason: StopReason, at: Moment, details: StopDetails | None = None
) -> None:
    """Record that the thread is idle."""
    at.thread_idle(thread.id, session.primary, thread.definition.name, reason, details)


def terminate(session: SessionState, thread: ThreadState, at: Moment) -> None:
    """Record that the thread is over for good."""
    at.thread_terminated(thread.id, session.primary, thread.definition.name)


def record_idle(session: SessionState, at: Moment) -> StopReason:
    """Record that the session is idle, since nothing of it moves; why it is."""
    reason = idle_reason(session)
    details = session.main.refusal if reason.type == "refusal" else None
    usd = session.usd if session.settings.has_prices else None
    used = snapshot(session.usage, usd, session.active(at.now))
    at.session_idle(session.primary, used, budget_of(session.settings.usd), reason, details)
    return reason


def idle_reason(session: SessionState) -> StopReason:
    """Why a session in which nothing moves is idle."""
    asked = [call.id for _, call in session.waiting_calls()]
    if asked:
        return StopReason("requires_action", tuple(asked))
    if session.cap is not None:
        return StopReason("budget_reached")
    return session.main.stop_reason or END_TURN
