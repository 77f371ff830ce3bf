"""May this input be accepted now, and what does accepting it write.

Pure rules over the projections. A store runs them inside the transaction that writes what they return, so that no
race can come between the question and the answer.

While a session is not idle its driver alone writes statuses, and an input is only queued. While it is idle nobody
drives it, so accepting an input writes the statuses of what it wakes: no client sees idle after its input was accepted.
"""

from collections.abc import Iterable, Iterator
from typing import assert_never

import msgspec

from podium.core.events import (
    SessionIdle,
    SessionRunning,
    SessionUsage,
    StopReason,
    ThreadIdle,
    UserInterrupt,
    UserMessage,
    UserToolConfirmation,
)
from podium.core.facts import SessionPaused, SessionResumed
from podium.core.moment import Moment
from podium.core.ports import Confirm, InputRequest, Interrupt, Resume, SendMessage
from podium.core.rows import CallRow, Changes, SessionFacts, ThreadRow, View
from podium.errors import NotFound, Refused


def admit(view: View, request: InputRequest, at: Moment) -> tuple[str, Changes]:
    """Record the input, and what it wakes.

    Shape: (id of the input's event, what changes in the projections); the records are in `at`.
    Errors: Refused with the reason, NotFound for a thread or call; nothing is to be written then.
    """
    row, primary = view.row, view.threads[0]
    if row.facts.status == "terminated":
        raise Refused(f"session {row.id} is terminated and takes no more inputs; start a new one")
    match request:
        case SendMessage(content=content):
            id = at.event_id()
            at.own(primary.id, UserMessage(id=id, processed_at=None, content=content))
            is_taken = all(call.state in ("delegated", "waits") for call in view.calls if call.thread == primary.id)
            return id, _wake(view, [primary], at) if is_taken else Changes(row.facts)
        case Interrupt():
            return _interrupt(view, request, at)
        case Confirm():
            return _confirm(view, request, at)
        case Resume():
            if not row.paused or row.facts.status != "idle":
                raise Refused(f"session {row.id} is not paused, so there is nothing to resume")
            id = at.event_id()
            at.private(primary.id, SessionResumed())
            return id, _wake(view, [primary], at)
        case _:
            assert_never(request)


def _interrupt(view: View, request: Interrupt, at: Moment) -> tuple[str, Changes]:
    row, primary = view.row, view.threads[0]
    named = None if request.thread is None else _thread(view, request.thread)
    if named is not None and named.status == "terminated":
        raise Refused(f"thread {named.id} ({named.agent_name}) is terminated; there is nothing to interrupt")
    if named is not None and request.pause:
        raise Refused("one thread cannot be paused; interrupt it, or pause the whole session")
    is_idle = row.facts.status == "idle"
    has_open = [thread for thread in view.threads if _waits(thread) and (named is None or thread.id == named.id)]
    # In an idle session with nothing open the interrupt is processed as it comes, and closes nothing.
    is_moot = is_idle and not has_open
    id = at.event_id()
    thread = None if named is None else named.id
    at.own(primary.id, UserInterrupt(id=id, processed_at=at.now if is_moot else None, session_thread_id=thread))
    changes = _wake(view, has_open, at) if has_open else Changes(row.facts)
    if not request.pause or is_moot:
        return id, changes
    at.private(primary.id, SessionPaused())  # behind what wakes it, which ends an earlier pause
    return id, msgspec.structs.replace(changes, paused=True)


def _confirm(view: View, request: Confirm, at: Moment) -> tuple[str, Changes]:
    row = view.row
    call = next((call for call in view.calls if call.id == request.call), None)
    if call is None or call.state in ("delegated", "waits"):
        raise Refused(
            f"call {request.call} of session {row.id} does not wait for approval; it is over, or was never asked"
        )
    if call.state == "answered":
        raise Refused(f"call {request.call} ('{call.name}') was answered before; its first answer stands")
    if request.input_hash is not None and request.input_hash != call.input_hash:
        raise Refused(f"call {request.call} has another input than the one you saw; look at it again")
    thread = _thread(view, call.thread)
    is_child = thread.parent is not None
    id = at.event_id()
    confirmed = UserToolConfirmation(
        id=id,
        processed_at=None,
        tool_use_id=call.id,
        result="allow" if request.allow else "deny",
        deny_message=request.reason or None if not request.allow else None,
        session_thread_id=thread.id if is_child else None,
    )
    at.cross(thread.id, view.threads[0].id, confirmed)
    if row.facts.status != "idle":
        return id, Changes(row.facts, answered=(call.id,))
    others = [
        each for each in view.calls if each.thread == thread.id and each.id != call.id and each.state != "answered"
    ]
    # An allowed call runs now. A denied one has the model go on if it was the last that the thread waited for; the
    # primary may have a message behind it, which it takes while others wait.
    runs = request.allow or not others or (not is_child and all(each.state != "asks" for each in others))
    changes = _wake(view, [thread], at) if runs else _still_idle(view, call, at)
    return id, msgspec.structs.replace(changes, answered=(call.id,))


# --- statuses, while nobody drives the session --------------------------------------------------------


def _wake(view: View, moved: Iterable[ThreadRow], at: Moment) -> Changes:
    """Record that these threads run, those that are blocked on them, and with them the session."""
    row = view.row
    if row.facts.status != "idle":
        return Changes(row.facts)
    at.own(view.threads[0].id, SessionRunning(id=at.event_id(), processed_at=at.now))
    running: dict[str, ThreadRow] = {}
    for thread in moved:
        for each in (thread, *_blocked_on(view, thread)):
            if each.id not in running:
                at.thread_running(each.id, view.threads[0].id, each.agent_name)
                running[each.id] = msgspec.structs.replace(each, status="running", stop_reason=None)
    facts = SessionFacts("running", None, row.facts.usage, row.facts.usd)
    return Changes(facts, False, tuple(running.values()))


def _still_idle(view: View, call: CallRow, at: Moment) -> Changes:
    """Record that everybody who waited for the call waits for the rest."""
    row, primary = view.row, view.threads[0]
    thread = _thread(view, call.thread)
    changed = []
    for each in (thread, *_blocked_on(view, thread)):
        reason = _without(each.stop_reason, call.id)
        event = ThreadIdle(
            id=at.event_id(),
            processed_at=at.now,
            session_thread_id=each.id,
            agent_name=each.agent_name,
            stop_reason=reason,
        )
        at.cross(each.id, primary.id, event)
        changed.append(msgspec.structs.replace(each, stop_reason=reason))
    reason = _without(row.facts.stop_reason, call.id)
    at.own(primary.id, SessionUsage(id=at.event_id(), processed_at=at.now, usage=row.facts.usage))
    at.own(primary.id, SessionIdle(id=at.event_id(), processed_at=at.now, stop_reason=reason))
    return Changes(msgspec.structs.replace(row.facts, stop_reason=reason), None, tuple(changed))


def _without(reason: StopReason | None, call: str) -> StopReason:
    ids = () if reason is None else tuple(id for id in reason.event_ids if id != call)
    return StopReason("requires_action", ids)


def _blocked_on(view: View, thread: ThreadRow) -> Iterator[ThreadRow]:
    """The threads above that wait for this one, nearest first."""
    while thread.parent is not None:
        parent = _thread(view, thread.parent)
        calls = [call for call in view.calls if call.thread == parent.id]
        if not any(call.child == thread.id or call.state == "waits" for call in calls):
            return
        yield parent
        thread = parent


def _waits(thread: ThreadRow) -> bool:
    """Whether its turn is open, though it is idle."""
    return thread.stop_reason is not None and thread.stop_reason.type == "requires_action"


def _thread(view: View, id: str) -> ThreadRow:
    for thread in view.threads:
        if thread.id == id:
            return thread
    raise NotFound(f"session {view.row.id} has no thread {id}")
