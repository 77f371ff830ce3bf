"""What a thread does next: a pure function of the fold."""

from dataclasses import dataclass
from datetime import datetime

from podium.core.content import Content, text
from podium.core.events import StopDetails, UserToolConfirmation
from podium.core.facts import LimitMet, Purpose
from podium.core.limits import limit_met, limit_near
from podium.core.session import SessionState
from podium.core.standing import has_news, takes_message, waited_for
from podium.core.thread import OpenCall, ThreadState

CORRECTIONS = 2  # how often a model that ended without its output, or was cut off, is asked again
LOOP_NOTICED, LOOP_STOPPED = 5, 10  # how often the same call is made among the last ones before something is done
COMPACT_AT = 0.8  # of the model's context window


@dataclass(frozen=True, slots=True)
class CallModel:
    """Send the transcript to the model: for the next turn, to hand over at a limit, or to shorten its context."""

    purpose: Purpose = "turn"


@dataclass(frozen=True, slots=True)
class RunTools:
    """Run these calls together; those a person was asked for have their answer."""

    calls: tuple[OpenCall, ...]


@dataclass(frozen=True, slots=True)
class RunProgram:
    """Let the workflow go on, until it waits."""


@dataclass(frozen=True, slots=True)
class EndWaits:
    """Answer these calls of wait_for_agents: those they wait for have ended, or there is news."""

    calls: tuple[OpenCall, ...]


@dataclass(frozen=True, slots=True)
class Detach:
    """Let these calls' children go on in the background, since a person has written."""

    calls: tuple[OpenCall, ...]


@dataclass(frozen=True, slots=True)
class CallOff:
    """Stop the children of these calls: by the agent's rule they are waited for no longer."""

    calls: tuple[OpenCall, ...]


@dataclass(frozen=True, slots=True)
class Correct:
    """Tell the model what its answer lacks, and go on."""

    text: str


@dataclass(frozen=True, slots=True)
class Warn:
    """Tell the model that it goes round in circles, or that little is left of a limit; then go on."""

    loop: tuple[str, int] | None = None
    near: LimitMet | None = None


@dataclass(frozen=True, slots=True)
class Lift:
    """Record that the session's budget was changed, and stops nobody any more."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Record that a limit was met. One more short turn may follow, to hand over."""

    met: LimitMet


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until somebody answers, a child reports, an input comes, or until this time."""

    until: datetime | None = None


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
class Declined:
    """The model refused."""

    details: StopDetails


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A person stopped it."""


@dataclass(frozen=True, slots=True)
class Archived:
    """A person has ended it for good."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The thread above ended it, or has ended and this one with it. Shape: `tells` if its last words are told."""

    reason: str
    tells: bool = False


Ending = Reported | Limited | Failed | Declined | Interrupted | Archived | Stopped


@dataclass(frozen=True, slots=True)
class Finish:
    """End the thread's turn."""

    ending: Reported | Limited | Failed | Declined


Step = CallModel | RunProgram | RunTools | EndWaits | Detach | CallOff | Correct | Warn | Lift | Stop | Wait | Finish


def next_step(session: SessionState, thread: ThreadState, now: datetime, window: int | None = None) -> Step:
    """What the thread does next.

    Shape: only asked when no model call of the thread is under way; a started call without a result is one to run, or
    running. `window` is the context window of its model.
    Units: `window` in tokens.
    """
    if not thread.is_open:
        return Wait()
    if thread.parent is None and session.is_lifted:
        return Lift()
    if thread.definition.program:
        return _next_of_program(session, thread)
    is_told = thread.parent is None and session.has_message  # then the turn goes on: the next model call takes it
    if thread.calls:
        return _with_open_calls(session, thread)
    if thread.limited is not None:
        return CallModel("hand_over") if hands_over(thread, thread.limited) else Finish(Limited(thread.limited))
    if thread.failed:
        return Finish(Failed(thread.failed))
    if thread.retry_at is not None and thread.retry_at > now:
        return Wait(thread.retry_at)
    if thread.is_too_long:
        return CallModel("compact")
    if not is_told:
        ended = _ended(thread)
        if ended is not None:
            return ended
    if thread.transcript.awaits_reply or is_told or thread.is_paused:
        return _next_turn(session, thread, now, window)
    if thread.is_cut and thread.corrections < CORRECTIONS:
        return Correct("Your reply was cut off at the limit of output tokens. Give it again, whole and shorter.")
    if thread.definition.output_schema is not None:
        if thread.corrections >= CORRECTIONS:
            return Finish(Failed(f"it ended {CORRECTIONS + 1} times without giving its result by submit_result"))
        if (met := limit_met(session, thread, now)) is not None:
            return Stop(met)
        return Correct("You ended without a result. Call submit_result with what you have; it must fit its schema.")
    return Finish(Reported(thread.last_text))


def _next_of_program(session: SessionState, thread: ThreadState) -> Step:
    """What the thread of a workflow does next. At a limit of the session nothing more is begun, and the run waits."""
    run = session.run
    if run is not None and run.is_over:
        if run.is_failed:
            return Finish(Failed(run.error))
        return Finish(Reported(text(thread.result_text()) if run.output is not None else ()))
    answers = (event for event in session.queue.values() if isinstance(event, UserToolConfirmation))
    is_answered = any(event.tool_use_id in thread.calls for event in answers)
    if run is None or run.has_news or is_answered:
        return RunProgram()
    if thread.calls:
        return Wait()
    return Finish(Limited(session.cap)) if session.cap is not None else RunProgram()


def _with_open_calls(session: SessionState, thread: ThreadState) -> Step:
    calls = thread.calls.values()
    if thread.why_over() is not None:
        return CallOff(tuple(call for call in calls if call.id in thread.delegated))
    ready = tuple(call for call in calls if call.attempt > 0 or call.answer is not None)
    if ready:
        return RunTools(ready)
    is_over = has_news(session, thread)
    waits = tuple(call for call in calls if call.child is None and call.is_delegation)
    over = tuple(call for call in waits if is_over or not waited_for(session, thread, call))
    if over:
        return EndWaits(over)
    if takes_message(session, thread):
        return Detach(tuple(calls))
    return Wait()


def hands_over(thread: ThreadState, met: LimitMet) -> bool:
    """Whether a thread that met the limit gets one last short turn: if it has something to say that it has not said."""
    is_own = met.of != "session" or thread.parent is None
    return is_own and thread.has_more_to_say and not (thread.handed_over or thread.failed or thread.submitted)


def _ended(thread: ThreadState) -> Finish | None:
    """How the turn ended, where it did without the model's last word being a plain one."""
    if thread.submitted:
        return Finish(Reported(text(thread.result_text())))
    if thread.refusal is not None:
        return Finish(Declined(thread.refusal))
    if thread.corrections > CORRECTIONS:
        why = f". The last time, {thread.misfit}" if thread.misfit else ""
        return Finish(Failed(f"its result did not fit its schema, {CORRECTIONS + 1} times{why}"))
    name, times = thread.loop
    if times >= LOOP_STOPPED:
        return Finish(
            Failed(f"it called '{name}' {times} times with the same input, and was stopped as going in a loop")
        )
    return None


def _next_turn(session: SessionState, thread: ThreadState, now: datetime, window: int | None) -> Step:
    if (met := limit_met(session, thread, now)) is not None:
        return Stop(met)
    is_full = window is not None and thread.context_tokens >= COMPACT_AT * window
    if is_full and thread.replies_since_summary not in (0, 1):  # a summary that helped so little is not made again
        return CallModel("compact")
    if thread.loop[1] >= LOOP_NOTICED and "loop" not in thread.noticed:
        return Warn(loop=thread.loop)
    if thread.turns and "limit" not in thread.noticed:
        near = limit_near(session, thread, now)
        if near is not None:
            return Warn(near=near)
    return CallModel()
