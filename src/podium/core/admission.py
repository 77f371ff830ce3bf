"""May this input be accepted now, and what does accepting it write.

Pure rules over the projections. A store runs them inside the transaction that writes what they return, so that no
race can come between the question and the answer.

While a session is not idle its driver alone writes statuses, and an input is only queued. While it is idle nobody
drives it, so accepting an input writes the statuses of what it wakes: no client sees idle after its input was accepted.
"""

from collections.abc import Sequence
from typing import assert_never

from msgspec.structs import replace

from podium.core.events import (
    PublicEvent,
    SystemMessage,
    UserCustomToolResult,
    UserInterrupt,
    UserMessage,
    UserToolConfirmation,
)
from podium.core.facts import SessionPaused, SessionResumed
from podium.core.inputs import (
    Archive,
    Confirm,
    Delete,
    GiveResult,
    InputRequest,
    Instruct,
    Interrupt,
    Resume,
    SendMessage,
    Update,
)
from podium.core.lifecycle import archive, delete, update
from podium.core.moment import Moment
from podium.core.ports import Onto
from podium.core.records import asks
from podium.core.rows import CallRow, CallState, Changes, SessionRow, View
from podium.core.waking import still_idle, thread_of, waits, wake
from podium.errors import Answered, NotFound, Refused, WrongThread

Admitted = tuple[PublicEvent | None, Changes]  # the input's own event, if it has one, and what changes


def admit(view: View, request: InputRequest, at: Moment, later: Sequence[InputRequest] = ()) -> Admitted:
    """Record the input, and what it wakes. `later` are those that are accepted together with it, behind it.

    Shape: (the input's event, what changes in the projections); the records are in `at`.
    Errors: Refused with the reason, NotFound for a session, thread or call; nothing is to be written then.
    """
    row = view.row
    if row.about.deleted_at is not None:
        raise NotFound(f"there is no session {row.id} here")
    primary = view.threads[0]
    if isinstance(request, Delete):
        return delete(view, at)
    if isinstance(request, Archive) and request.thread is None:
        return archive(view, request, at)
    if row.facts.status == "terminated":
        over = "terminated" if row.about.archived_at is None else "archived"
        raise Refused(f"session {row.id} is {over} and takes no more inputs; start a new one")
    if row.is_workflow and isinstance(request, SendMessage | Instruct):
        raise Refused(
            f"session {row.id} runs a workflow, which takes no messages; start a new session with another input"
        )
    match request:
        case SendMessage():
            return _message(view, request, at)
        case Instruct(content=content):
            told = SystemMessage(id=at.event_id(), processed_at=None, content=content)
            at.own(primary.id, told)
            return told, Changes(row.facts)
        case Interrupt():
            return _interrupt(view, request, at)
        case Confirm():
            return _confirm(view, request, at, later)
        case GiveResult():
            return _give_result(view, request, at, later)
        case Resume():
            if not (row.paused or row.has_failed_run) or row.facts.status != "idle":
                raise Refused(f"session {row.id} is not paused, so there is nothing to resume")
            at.private(primary.id, SessionResumed())
            return None, wake(view, [primary], at)
        case Update():
            return update(view, request, at)
        case Archive():
            return archive(view, request, at)
        case _:
            assert_never(request)


def check_there(row: SessionRow, workspace: str | None) -> None:
    """Errors: NotFound for a session that was deleted, or is of another workspace; None may see those of all."""
    if row.about.deleted_at is not None or workspace not in (None, row.workspace):
        raise NotFound(f"there is no session {row.id} here")


def goes_on(before: SessionRow, changed: Sequence[Changes], onto: Onto) -> bool:
    """Whether what was accepted sets a session going that nobody has touched since that driver let it go."""
    if before.owner is not None or before.paused or any(each.paused for each in changed):
        return False
    is_as_left = (before.epoch, before.head, before.facts.status) == (onto.epoch, onto.head, "idle")
    return is_as_left and bool(changed) and changed[-1].session.status == "running"


def _message(view: View, request: SendMessage, at: Moment) -> Admitted:
    row, primary = view.row, view.threads[0]
    own = [call for call in view.calls if call.thread == primary.id]
    waiting = [call.id for call in own if call.state in ("asks", "client")]
    if waiting and row.facts.status == "idle" and not request.waits:
        raise Refused(f"session {row.id} waits for an answer to {', '.join(waiting)}; give it first, or interrupt")
    if row.facts.is_over_budget and row.facts.status == "idle" and not request.waits:
        raise Refused(f"session {row.id} has reached its budget; raise the budget, or start a new session")
    message = UserMessage(id=at.event_id(), processed_at=None, content=request.content)
    at.own(primary.id, message)
    is_taken = all(call.state in ("delegated", "joined", "waits") for call in own)
    return message, wake(view, [primary], at) if is_taken else Changes(row.facts)


def _interrupt(view: View, request: Interrupt, at: Moment) -> Admitted:
    row, primary = view.row, view.threads[0]
    named = None if request.thread is None else thread_of(view, request.thread)
    if named is not None and named.status == "terminated":
        raise Refused(f"thread {named.id} ({named.agent_name}) is terminated; there is nothing to interrupt")
    if named is not None and request.pause:
        raise Refused("one thread cannot be paused; interrupt it, or pause the whole session")
    if named is not None and named.workflow_run:  # Source: contract D.4: it stops nothing
        is_idle = row.facts.status == "idle"
        event = UserInterrupt(id=at.event_id(), processed_at=at.now if is_idle else None, session_thread_id=named.id)
        at.own(primary.id, event)
        return event, Changes(row.facts)
    is_idle = row.facts.status == "idle"
    has_open = [thread for thread in view.threads if waits(thread) and (named is None or thread.id == named.id)]
    if is_idle and not has_open and named is None and row.facts.open_run and not request.pause:
        has_open = [primary]  # its run rests until it is resumed; a driver ends it, which needs no program
    # In an idle session with nothing open the interrupt is processed as it comes, and closes nothing.
    is_moot = is_idle and not has_open
    thread = None if named is None else named.id
    event = UserInterrupt(id=at.event_id(), processed_at=at.now if is_moot else None, session_thread_id=thread)
    at.own(primary.id, event)
    changes = wake(view, has_open, at) if has_open else Changes(row.facts)
    if not request.pause or is_moot:
        return event, changes
    at.private(primary.id, SessionPaused())  # behind what wakes it, which ends an earlier pause
    return event, replace(changes, paused=True)


def _confirm(view: View, request: Confirm, at: Moment, later: Sequence[InputRequest]) -> Admitted:
    call = _waiting(view, request, "asks", "does not wait for approval; it is over, or was never asked")
    if request.input_hash is not None and request.input_hash != call.input_hash:
        raise Refused(f"call {request.call} has another input than the one you saw; look at it again")
    confirmed = UserToolConfirmation(
        id=at.event_id(),
        processed_at=None,
        tool_use_id=call.id,
        result="allow" if request.allow else "deny",
        deny_message=request.reason or None if not request.allow else None,
        session_thread_id=_child(view, call),
    )
    at.cross(call.thread, view.threads[0].id, confirmed)
    return confirmed, _answered(view, call, at, later, runs=request.allow)


def _give_result(view: View, request: GiveResult, at: Moment, later: Sequence[InputRequest]) -> Admitted:
    call = _waiting(view, request, "client", "does not wait for a result of the client; it is over, or never did")
    given = UserCustomToolResult(
        id=at.event_id(),
        processed_at=at.now,
        custom_tool_use_id=call.id,
        content=request.content,
        is_error=request.is_error,
        session_thread_id=_child(view, call),
    )
    at.cross(call.thread, view.threads[0].id, given)
    return given, _answered(view, call, at, later, runs=False)


def _waiting(view: View, request: Confirm | GiveResult, state: CallState, why_not: str) -> CallRow:
    """The call that waits so.

    Errors: Refused; Answered for one that did and no longer does; WrongThread for one of another thread.
    """
    id = request.call
    call = next((call for call in view.calls if call.id == id), None)
    if call is not None and call.state == "answered":
        raise Answered(f"call {id} ('{call.name}') was answered before; its first answer stands")
    if call is None and asks(view.find(id)):
        raise Answered(f"call {id} of session {view.row.id} waits no longer: it was answered before, or is over")
    if call is None or call.state != state:
        raise Refused(f"call {id} of session {view.row.id} {why_not}")
    if request.thread not in (None, call.thread):
        raise WrongThread(f"call {id} is of thread {call.thread}, not of {request.thread:.60}")
    return call


def _child(view: View, call: CallRow) -> str | None:
    """The thread of the call, if it is not the primary."""
    return None if call.thread == view.threads[0].id else call.thread


def _answered(view: View, call: CallRow, at: Moment, later: Sequence[InputRequest], *, runs: bool) -> Changes:
    """What follows from an answer; with `runs` the call itself can go on. The last of several says who waits still."""
    row, thread = view.row, thread_of(view, call.thread)
    if row.facts.status != "idle":
        return Changes(row.facts, answered=(call.id,))
    others = [
        each for each in view.calls if each.thread == thread.id and each.id != call.id and each.state != "answered"
    ]
    # An allowed call runs now. Any other answer has the model go on if it was the last that the thread waited for; the
    # primary may have a message behind it, which it takes while others wait.
    is_last = all(each.state not in ("asks", "client") for each in others)
    is_told_at_once = thread.parent is None and (is_last or row.is_workflow)  # a workflow goes on with each answer
    goes_on = runs or not others or is_told_at_once
    if goes_on:
        changes = wake(view, [thread], at)
    elif any(isinstance(each, Confirm | GiveResult) for each in later):
        changes = Changes(row.facts)
    else:
        before = [each.id for each in view.calls if each.state == "answered"]
        changes = still_idle(view, reversed(view.threads), {call.id, *before}, at)  # those below first
    return replace(changes, answered=(call.id,))
