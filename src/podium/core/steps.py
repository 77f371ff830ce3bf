"""What a thread does next: a pure function of the fold."""

from dataclasses import dataclass
from datetime import datetime

from podium.core.content import Content, text
from podium.core.facts import LimitMet
from podium.core.session import SessionState
from podium.core.thread import OpenCall, ThreadState

CORRECTIONS = 2  # how often a model that ended without its output is asked again


@dataclass(frozen=True, slots=True)
class CallModel:
    """Send the transcript to the model."""


@dataclass(frozen=True, slots=True)
class RunTools:
    """Run these calls together."""

    calls: tuple[OpenCall, ...]


@dataclass(frozen=True, slots=True)
class Correct:
    """Tell the model what its answer lacks, and go on."""

    text: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until a child reports or an input comes."""


@dataclass(frozen=True, slots=True)
class Reported:
    """The thread ended its turn with a result."""

    content: Content


@dataclass(frozen=True, slots=True)
class Limited:
    """The thread met a limit."""

    met: LimitMet


@dataclass(frozen=True, slots=True)
class Failed:
    """The thread cannot go on."""

    reason: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A person stopped the session."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The thread above ended, and this one with it."""

    reason: str


Ending = Reported | Limited | Failed | Interrupted | Stopped


@dataclass(frozen=True, slots=True)
class Finish:
    """End the thread's turn."""

    ending: Reported | Limited | Failed


Step = CallModel | RunTools | Correct | Wait | Finish


def next_step(session: SessionState, thread: ThreadState, now: datetime) -> Step:
    """What the thread does next.

    Shape: only asked when nothing of the thread is under way, so a started call without a result is one to run.
    """
    if thread.status != "running":
        return Wait()
    if thread.calls:
        ready = tuple(call for call in thread.calls.values() if call.child is None)
        return RunTools(ready) if ready else Wait()
    is_told = thread.parent is None and session.has_message  # then the turn goes on: the next model call takes it
    if thread.submitted and not is_told:
        return Finish(Reported(text(thread.result_text())))
    if thread.corrections > CORRECTIONS and not is_told:
        return Finish(Failed(f"its result did not fit its schema, {CORRECTIONS + 1} times"))
    if thread.transcript.awaits_reply or is_told:
        met = limit_met(session, thread, now)
        return Finish(Limited(met)) if met is not None else CallModel()
    if thread.definition.output_schema is not None:
        if thread.corrections >= CORRECTIONS:
            return Finish(Failed(f"it ended {CORRECTIONS + 1} times without giving its result by submit_result"))
        met = limit_met(session, thread, now)
        if met is not None:
            return Finish(Limited(met))
        return Correct("You ended without a result. Call submit_result with what you have; it must fit its schema.")
    return Finish(Reported(thread.last_text))


def limit_met(session: SessionState, thread: ThreadState, now: datetime) -> LimitMet | None:
    """The limit that forbids the thread another model call, or None."""
    own, shared = thread.definition, session.settings
    if own.turns is not None and thread.turns >= own.turns:
        return LimitMet("turns", "agent", own.turns, thread.turns)
    if own.tokens is not None and thread.usage.total_tokens >= own.tokens:
        return LimitMet("tokens", "agent", own.tokens, thread.usage.total_tokens)
    if shared.turns is not None and session.turns >= shared.turns:
        return LimitMet("turns", "session", shared.turns, session.turns)
    if shared.tokens is not None and session.usage.total_tokens >= shared.tokens:
        return LimitMet("tokens", "session", shared.tokens, session.usage.total_tokens)
    if (own.seconds is not None or shared.seconds is not None) and (late := overdue(session, thread, now)):
        return late
    return None


def overdue(session: SessionState, thread: ThreadState, now: datetime) -> LimitMet | None:
    """The limit of seconds that has run out, or None."""
    own, shared = thread.definition.seconds, session.settings.seconds
    if own is not None and (worked := thread.worked(now)) >= own:
        return LimitMet("seconds", "agent", own, worked)
    if shared is not None and (worked := session.main.worked(now)) >= shared:
        return LimitMet("seconds", "session", shared, worked)
    return None


def seconds_left(session: SessionState, thread: ThreadState, now: datetime) -> float | None:
    """Seconds until the thread must be stopped, or None without a limit; the session's stops the primary thread."""
    own, shared = thread.definition.seconds, session.settings.seconds
    left = [] if own is None else [own - thread.worked(now)]
    if shared is not None and thread.parent is None:
        left.append(shared - session.main.worked(now))
    return max(0.0, min(left)) if left else None
