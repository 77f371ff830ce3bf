"""What a step without an effect outside writes: so that the next one can be decided on it, in the same append."""

from datetime import datetime, timedelta

from podium.core.content import text
from podium.core.ending import close_open, finish
from podium.core.events import ErrorDetail, ModelRequestStart, RetryStatus, SessionError, Usage, UserCustomToolResult
from podium.core.facts import (
    AttemptFailed,
    BudgetReserved,
    BudgetSettled,
    CallAnswered,
    CorrectionSent,
    DelegationDetached,
    LimitLifted,
    LimitMet,
    LimitReached,
    ModelCalled,
    NoticeSent,
    Purpose,
    ToolStarted,
)
from podium.core.harness import end_wait
from podium.core.moment import Moment
from podium.core.session import SessionState
from podium.core.steps import (
    CallOff,
    Correct,
    Detach,
    EndWaits,
    Lift,
    Limited,
    Stop,
    Stopped,
    Warn,
    hands_over,
)
from podium.core.thread import OpenCall, ThreadState

MOST_ATTEMPTS = 8
MOST_RETRYING = timedelta(minutes=15)
LONGEST_BACKOFF_S = 60.0
_RETRIED = ("rate_limited", "overloaded", "transient")
_ERRORS = {"rate_limited": "model_rate_limited_error", "overloaded": "model_overloaded_error"}
DENIED = "Permission to use {tool} has been denied"  # Source: the wire's fixed text (contract D.10)


def record_step(
    session: SessionState,
    thread: ThreadState,
    step: EndWaits | Detach | CallOff | Correct | Warn | Lift | Stop,
    at: Moment,
) -> None:
    """Record the step. Nothing outside happens."""
    match step:
        case EndWaits(calls):
            for call in calls:
                end_wait(session, thread, call, at)
        case Detach(calls):
            for call in calls:
                _detach(session, thread, call, at)
        case CallOff(calls):
            _call_off(session, thread, calls, at)
        case Correct(said):
            at.private(thread.id, CorrectionSent(text=said))
        case Warn(loop, near):
            if loop is not None:
                at.private(thread.id, NoticeSent(kind="loop", text=_loop_text(*loop)))
            if near is not None:
                at.private(thread.id, NoticeSent(kind="limit", text=_near_text(near)))
        case Lift():
            at.private(thread.id, LimitLifted())
        case Stop(met):
            record_limit(session, thread, met, at)


def record_limit(session: SessionState, thread: ThreadState, met: LimitMet, at: Moment) -> None:
    """Record that the thread met a limit: what it has open is closed. It is told to hand over, or its turn ends.

    Shape: one that was to hand over, and cannot, ends with the limit that it met first.
    """
    if thread.limited is not None or not hands_over(thread, met):
        finish(session, thread, Limited(thread.limited or met), at)
        return
    close_open(session, thread, Limited(met), at)
    at.private(thread.id, LimitReached(met=met))
    said = f"({met}. This is your last turn: report now what you have, and what is missing. You can call nothing else.)"
    at.private(thread.id, NoticeSent(kind="hand_over", text=said))


def _loop_text(name: str, times: int) -> str:
    return (
        f"(You have called '{name}' {times} times with the same input of late. If that does not get you further, do "
        "something else, or end your turn and say what is in the way.)"
    )


def _near_text(met: LimitMet) -> str:
    amount = met.limit - met.used
    unit = met.kind[:-1] if amount == 1 else met.kind
    left = f"${amount:.4f}" if met.kind == "usd" else f"{amount:g} {unit}"
    whose = "the session's" if met.of == "session" else "your"
    return f"(Little is left of {whose} limit: {left}. Come to an end, and give what you have.)"


def _detach(session: SessionState, thread: ThreadState, call: OpenCall, at: Moment) -> None:
    assert call.child is not None
    name = session.threads[call.child].definition.name
    at.private(thread.id, DelegationDetached(call=call.id, thread=call.child))
    said = f"agent '{name}' is still running in thread {call.child}; its report will come as a message"
    at.answer(thread.id, call.id, said)


def _call_off(session: SessionState, thread: ThreadState, calls: tuple[OpenCall, ...], at: Moment) -> None:
    """End the children of those calls that are open still, and what these have in the background."""
    called_off = Stopped(thread.why_over() or "", tells=not thread.is_met())
    for call in calls:
        if call.id not in thread.calls or call.child is None:  # it has ended while it was being stopped
            continue
        child = session.threads[call.child]
        beside = [each for each in session.below(child) if each.is_open and each.background]
        finish(session, child, called_off, at)
        for each in beside:
            finish(session, each, Stopped(f"'{child.definition.name}' was stopped"), at)


# --- a person's answers -----------------------------------------------------------------------------


def take_answers(session: SessionState, thread: ThreadState, at: Moment) -> None:
    """Record that answers are taken: each call starts, is denied or has its result, in the append that takes them."""
    for call in thread.calls.values():
        answer = call.answer
        if answer is None or call.attempt > 0:
            continue
        if isinstance(answer, UserCustomToolResult):
            at.private(thread.id, CallAnswered(call=call.id, content=answer.content, is_error=answer.is_error))
            continue
        at.taken(thread.id, session.primary, answer)
        if answer.result == "allow":
            at.private(thread.id, ToolStarted(call=call.id))
        else:
            why = f". {answer.deny_message}" if answer.deny_message else ""
            at.tool_result(thread.id, call.id, text(DENIED.format(tool=call.name) + why), is_error=True)


# --- model calls ----------------------------------------------------------------------------------


def record_call(thread: ThreadState, purpose: Purpose, reserved: BudgetReserved | None, at: Moment) -> None:
    """Record that a model call begins: committed before it is made. `reserved` has no span yet."""
    span = at.event_id()
    at.own(thread.id, ModelRequestStart(id=span, processed_at=at.now))
    if purpose != "turn":
        at.private(thread.id, ModelCalled(span=span, purpose=purpose))
    if reserved is not None:
        fact = BudgetReserved(
            span=span,
            model=reserved.model,
            usd=reserved.usd,
            input_tokens=reserved.input_tokens,
            max_tokens=reserved.max_tokens,
        )
        at.private(thread.id, fact)


def retry_time(
    thread: ThreadState, kind: str, retry_after_s: float | None, now: datetime, chance: float
) -> datetime | None:
    """When a call that failed so is made again, or None if it is not.

    Shape: full jitter: `chance`, from 0 to 1, picks a moment of the backoff. What the provider asks for is obeyed.
    Units: `retry_after_s` seconds.
    """
    if thread.purpose == "hand_over":  # once: it has said what it had to say, or its time is over
        return None
    if kind == "too_long":  # once: then the context is shortened first
        return None if thread.replies_since_summary == 0 or thread.purpose == "compact" else now
    if kind not in _RETRIED or thread.attempts + 1 >= MOST_ATTEMPTS:
        return None
    if thread.failing_since is not None and now - thread.failing_since >= MOST_RETRYING and retry_after_s is None:
        return None
    backoff = chance * min(LONGEST_BACKOFF_S, 2.0**thread.attempts)
    return now + timedelta(seconds=max(backoff, retry_after_s or 0.0))


def record_failure(
    thread: ThreadState, failed: AttemptFailed, settled: BudgetSettled | None, usage: Usage, at: Moment
) -> None:
    """Record that a model call gave no reply; with a time to try again, the clients are told that it will be."""
    at.private(thread.id, failed)
    if settled is not None:
        at.private(thread.id, settled)
    at.model_ended(thread.id, failed.span, usage, is_error=True)
    if failed.retry_at is not None and failed.kind in _RETRIED:
        kind = _ERRORS.get(failed.kind, "model_request_failed_error")
        error = ErrorDetail(kind, failed.reason, RetryStatus("retrying"))
        at.on_primary(thread.id, SessionError(id=at.event_id(), processed_at=at.now, error=error))
