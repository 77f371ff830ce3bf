"""How a turn ends, and what whoever waits for it is told.

How the parent's call is closed, by what happened to the child:

    reported      the report                                         agent.thread_message_received
    limited       the partial result, marked with the reason         agent.thread_message_received
    failed        error result with the reason; child terminated     delegation.closed alone
    declined      error result with the model's explanation          delegation.closed alone
    interrupted   error result "interrupted by a person"             delegation.closed alone
    archived      error result that says so; child terminated        delegation.closed alone
    stopped       the parent itself has ended: nobody to tell        delegation.closed alone
    called off    error result that says why, with its last words    delegation.closed alone
                  where too few can report; the child is idle

One that failed, or ran out of time, and may be tried again closes nothing: delegation.tried_again is recorded, and the
call opens another child, in the same append.

A child in the background answers no call: its report, partial result, failure or archiving is told to the parent with
its next message, and wakes a parent whose turn is over. One that a person interrupted tells nothing.
"""

from typing import Literal, assert_never

from podium.core.content import Content, text
from podium.core.delegation import Spawner
from podium.core.events import (
    AgentMessage,
    ErrorDetail,
    RetryStatus,
    RunStopped,
    SessionError,
    StopReason,
    UserCustomToolResult,
    UserToolConfirmation,
)
from podium.core.facts import (
    BudgetSettled,
    CallAnswered,
    DelegationClosed,
    DelegationTriedAgain,
    LimitReached,
    Outcome,
    StepEnded,
)
from podium.core.messages import deliver
from podium.core.moment import Moment
from podium.core.run_records import failure, run_ended, run_rests
from podium.core.runs import Step
from podium.core.session import SessionState
from podium.core.standing import END_TURN, idle, terminate
from podium.core.steps import Archived, Declined, Ending, Failed, Interrupted, Limited, Reported, Stopped, hands_over
from podium.core.thread import OpenCall, ThreadState

UNKNOWN_FUNCTION = "stopped while it ran: its outcome is unknown. Check what it did before it is run again"
CUT_TOOL = "stopped, its outcome is unknown"
ARCHIVED = "its thread was archived by a person"
# Source: the wire's fixed text for calls that a person's interrupt closes (contract D.4).
INTERRUPTED_TOOL = "Tool execution was interrupted before completion. Please retry."


def finish(session: SessionState, thread: ThreadState, ending: Ending, at: Moment) -> None:
    """Record how a thread's turn ends, with all it has open and everyone it waits for.

    Shape: after these records nothing of the thread can move, nor of those it was blocked on. The session's own idle
    records come on top, from the driver.
    """
    close_open(session, thread, ending, at)
    if isinstance(ending, Limited) and thread.limited != ending.met:
        at.private(thread.id, LimitReached(met=ending.met))
    if thread.parent is None:
        _end_primary(session, thread, ending, at)
        return
    parent = session.threads[thread.parent]
    name, call = thread.definition.name, _call_of(parent, thread)
    again = call is not None and may_try_again(parent, call, ending)
    tried = f"after {call.tries} attempts: " if call is not None and call.tries > 1 else ""
    match ending:
        case Failed() | Limited() if again and call is not None:
            _try_again(parent, thread, call, ending, at)
        case Reported(content):
            _deliver(parent, thread, content, "reported", at)
        case Limited(met):
            _deliver(parent, thread, text(_partial(session, thread, f"{tried}{met}")), "limit", at)
        case Failed(reason):
            said = _partial(session, thread, f"{tried}agent '{name}' failed: {reason}")
            _close(parent, thread, "failed", text(said), at)
        case Declined(details):
            why = f": {details.explanation}" if details.explanation else ""
            _close(parent, thread, "failed", text(f"{tried}the model of agent '{name}' refused{why}"), at)
        case Interrupted():
            _close(parent, thread, "interrupted", text("interrupted by a person"), at)
        case Archived():
            _close(parent, thread, "failed", text(ARCHIVED), at)
        case Stopped(reason, tells):
            said = _last_words(session, thread) if tells else ""
            _close(parent, thread, "stopped", text(reason + said), at)
        case _:
            assert_never(ending)
    for child in taken_along(session, thread, ending):
        finish(session, child, Stopped(f"'{name}' {'failed' if isinstance(ending, Failed) else 'is called again'}"), at)
    if isinstance(ending, Failed):
        terminate(session, thread, at)
    elif isinstance(ending, Archived):
        _archive(session, thread, at)
    else:
        _idle(session, thread, ending, at)
    if again and call is not None:
        session.fold(at)  # it has made room
        Spawner(session, parent, at).open(call.id, call.name, thread.agent, call.input)
    else:
        _wake(session, parent, thread, ending, at)


def may_try_again(parent: ThreadState, call: OpenCall, ending: Ending) -> bool:
    """Whether the call is made once more in place of ending so."""
    is_failure = isinstance(ending, Failed) or (
        isinstance(ending, Limited) and ending.met.kind == "seconds" and ending.met.of != "session"
    )
    retries = next((callee.retries for callee in parent.definition.roster if callee.tool == call.name), 0)
    return is_failure and call.tries <= retries and parent.why_over() is None


def _try_again(parent: ThreadState, child: ThreadState, call: OpenCall, ending: Failed | Limited, at: Moment) -> None:
    outcome: Outcome = "limit" if isinstance(ending, Limited) else "failed"
    reason = str(ending.met) if isinstance(ending, Limited) else ending.reason
    fact = DelegationTriedAgain(call=call.id, thread=child.id, attempt=call.tries, outcome=outcome, reason=reason)
    at.private(parent.id, fact)


def taken_along(session: SessionState, thread: ThreadState, ending: Ending) -> list[ThreadState]:
    """The children in the background that end with the thread: nobody is left who waits for what it makes of them.

    Shape: nothing of them may be under way when that is recorded. None at a limit at which it hands over first.
    """
    if thread.parent is None or not isinstance(ending, Failed | Limited):
        return []
    if isinstance(ending, Limited):
        parent = session.threads[thread.parent]
        call = _call_of(parent, thread)
        hands_it_over = thread.limited is None and hands_over(thread, ending.met)
        if hands_it_over or call is None or not may_try_again(parent, call, ending):
            return []
    return [child for child in session.children(thread) if child.is_open and child.background]


def archive(session: SessionState, thread: ThreadState, at: Moment) -> None:
    """Record that a thread is over for good, and all below it; whoever waits for it is told.

    Shape: nothing of them may be under way. What is recorded before is folded.
    """
    if thread.is_open:
        finish(session, thread, Archived(), at)
    else:
        _archive(session, thread, at)


def _archive(session: SessionState, thread: ThreadState, at: Moment) -> None:
    for child in session.children(thread):
        if child.is_open and child.background:
            finish(session, child, Stopped(f"'{thread.definition.name}' was archived"), at)
        if child.status != "terminated":
            _archive(session, child, at)
    terminate(session, thread, at)


def close_open(session: SessionState, thread: ThreadState, ending: Ending, at: Moment) -> None:
    """Close the model call, the tool calls and the delegations that are open."""
    if thread.span is not None:
        if thread.span_reserved_usd is not None:  # nobody will say any more what it cost
            spent = BudgetSettled(span=thread.span, usd=thread.span_reserved_usd, is_estimate=True)
            at.private(thread.id, spent)
        at.model_ended(thread.id, thread.span, is_error=True)
    for call in thread.calls.values():
        if isinstance(call.answer, UserToolConfirmation) and call.attempt == 0:  # too late: shown, without effect
            at.taken(thread.id, session.primary, call.answer)
        if call.child is not None:
            below: Ending = ending if isinstance(ending, Interrupted) else Stopped(f"'{thread.definition.name}' ended")
            finish(session, session.threads[call.child], below, at)
        elif (step := session.step_of(call.id)) is not None and step.kind == "function":
            cut_function(thread, step, at)
        elif call.is_delegation:
            at.answer(thread.id, call.id, _cut(ending), is_error=True)
        elif isinstance(given := call.answer, UserCustomToolResult):  # it came before, and stands
            at.private(thread.id, CallAnswered(call=call.id, content=given.content, is_error=given.is_error))
        else:
            at.tool_result(thread.id, call.id, text(_cut(ending)), is_error=True)


def cut_function(thread: ThreadState, step: Step, at: Moment) -> None:
    """Record that a workflow's function was stopped, or lost with its process, while it ran."""
    outcome: Literal["interrupted", "unknown"] = "interrupted" if step.idempotent else "unknown"
    ended = StepEnded(run=step.run, key=step.key, call=step.call, outcome=outcome, reason=UNKNOWN_FUNCTION)
    at.private(thread.id, ended)


def _end_run(session: SessionState, ending: Ending, at: Moment) -> None:
    """Record what becomes of the run that the primary drives: it ends, or rests until it is resumed."""
    if isinstance(ending, Failed):
        run_ended(session, failure(ending.reason), at)
    elif isinstance(ending, Interrupted) and not session.paused:
        run_ended(session, RunStopped(), at)
        for child in session.children(session.main):
            if child.status != "terminated":
                _archive(session, child, at)
    else:
        run_rests(session, at)


def _end_primary(session: SessionState, thread: ThreadState, ending: Ending, at: Moment) -> None:
    is_program = bool(thread.definition.program)
    if is_program:
        _end_run(session, ending, at)
    if isinstance(ending, Failed):
        kind = "unknown_error" if is_program else "model_request_failed_error"
        error = ErrorDetail(kind, ending.reason, RetryStatus("exhausted"))
        at.own(thread.id, SessionError(id=at.event_id(), processed_at=at.now, error=error))
    elif isinstance(ending, Reported) and (thread.submitted or is_program) and ending.content:
        # A structured result is no text of the model's: the session's stream shows it as a message all the same.
        at.own(thread.id, AgentMessage(id=at.event_id(), processed_at=at.now, content=ending.content))
    _idle(session, thread, ending, at)


def _idle(session: SessionState, thread: ThreadState, ending: Ending, at: Moment) -> None:
    match ending:
        case Limited():
            idle(session, thread, StopReason("budget_reached"), at)
        case Declined(details):
            idle(session, thread, StopReason("refusal"), at, details)
        case Failed():
            idle(session, thread, StopReason("retries_exhausted"), at)
        case _:
            idle(session, thread, END_TURN, at)


def _cut(ending: Ending) -> str:
    if isinstance(ending, Interrupted):
        return INTERRUPTED_TOOL
    reason = str(ending.met) if isinstance(ending, Limited) else "the thread ended"
    return f"{CUT_TOOL}: {reason}"


def _partial(session: SessionState, thread: ThreadState, reason: str) -> str:
    """The reason with the thread's last words, or where it has none with those of an attempt before it."""
    return f"{reason}{_last_words(session, thread) or '. It had said nothing yet.'}"


def _last_words(session: SessionState, thread: ThreadState) -> str:
    said, whose = thread.result_text(), "Its last words"
    if not said and thread.parent is not None and _waiting(thread):
        tries = [each for each in session.children(session.threads[thread.parent]) if each.call == thread.call]
        said, whose = (
            next((words for each in tries[::-1] if (words := each.result_text())), ""),
            "Last words of an earlier attempt",
        )
    return f". {whose}, a partial result:\n{said}" if said else ""


def _deliver(parent: ThreadState, child: ThreadState, content: Content, outcome: Outcome, at: Moment) -> None:
    received = deliver(child, parent, content, at)
    fact = DelegationClosed(
        call=_waiting(child), thread=child.id, outcome=outcome, message=received, is_error=outcome == "limit"
    )
    at.private(parent.id, fact)


def _close(parent: ThreadState, child: ThreadState, outcome: Outcome, content: Content, at: Moment) -> None:
    fact = DelegationClosed(call=_waiting(child), thread=child.id, outcome=outcome, content=content, is_error=True)
    at.private(parent.id, fact)
    at.starts = True


def _waiting(child: ThreadState) -> str:
    """The parent's call that waits for the child, or ""."""
    return "" if child.background or child.call is None else child.call


def _call_of(parent: ThreadState, child: ThreadState) -> OpenCall | None:
    return parent.calls.get(_waiting(child))


def _wake(session: SessionState, parent: ThreadState, child: ThreadState, ending: Ending, at: Moment) -> None:
    """A parent whose turn is over goes on with what a child in the background came to."""
    is_told = child.background and not isinstance(ending, Interrupted | Stopped)
    if is_told and not parent.is_open and parent.status != "terminated":
        at.thread_running(parent.id, session.primary, parent.definition.name)
