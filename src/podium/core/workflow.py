"""What a workflow's moves write: its run, its phases, the children and approvals its calls open, and how it ends."""

from collections.abc import Collection, Sequence

from podium.core.content import text
from podium.core.delegation import Spawner
from podium.core.ending import finish
from podium.core.events import (
    AgentToolUse,
    AlwaysAsk,
    RunCompleted,
    Usage,
    UserToolConfirmation,
    WorkflowPhase,
    WorkflowRunCreated,
    WorkflowRunRunning,
)
from podium.core.facts import (
    AgentsPinned,
    CheckpointAnswered,
    PhaseBegun,
    StepAsked,
    StepEnded,
    StepWithdrawn,
    WorkflowFailed,
    WorkflowOpened,
    WorkflowReturned,
    WorkflowTold,
)
from podium.core.moment import Moment
from podium.core.program import Ask, AskAgent, AskFunction, AskPerson, BeginPhase, Program, Told
from podium.core.rows import ZERO
from podium.core.run_records import enter_phase, failure, leave_phase, run_ended
from podium.core.runs import Step
from podium.core.session import SessionState
from podium.core.steps import Stopped
from podium.core.thread import OpenCall, ThreadState

CHECKPOINT = "checkpoint"  # what the call is named that asks a person
ALLOWED = "allowed by a person"
NOT_NEEDED = "its result is not needed any more"


def open_run(session: SessionState, program: Program, at: Moment) -> None:
    """Record that a run begins: the first one, or the one that follows a failed one."""
    id, before = at.run_id(), session.run
    follows = "" if before is None else before.id
    input = session.input if before is None else before.input
    opened = WorkflowOpened(run=id, name=program.name, input=input, source=program.source, follows=follows)
    at.private(session.primary, opened)
    known = {} if before is None else before.wire_phases
    phases = tuple(WorkflowPhase(known.get(name) or at.phase_id(), name) for name in program.phases)
    created = WorkflowRunCreated(
        id=at.event_id(),
        processed_at=at.now,
        workflow_run_id=id,
        name=program.name,
        description=program.description or None,
        phases=phases,
    )
    at.own(session.primary, created)
    at.own(session.primary, WorkflowRunRunning(id=at.event_id(), processed_at=at.now, workflow_run_id=id))
    session.fold(at)


def pin_team(session: SessionState, ask: AskAgent, at: Moment) -> None:
    """Record the agents that the session was not started with."""
    new = tuple(each for version, each in ask.team.items() if version not in session.definitions)
    if new:
        at.private(session.primary, AgentsPinned(definitions=new))
        session.fold(at)


def record_ask(session: SessionState, ask: Ask, at: Moment) -> None:
    """Record a call of the program, and what it opens."""
    thread, run = session.main, session.run
    assert run is not None
    call = at.event_id()

    def asked(kind: str, **more: object) -> StepAsked:
        return StepAsked(
            run=run.id,
            key=ask.key,
            kind=kind,  # type: ignore[arg-type]
            hash=ask.hash,
            call=call,
            name=ask.name,
            place=ask.place,
            attempt=ask.attempt,
            **more,  # type: ignore[arg-type]
        )

    match ask:
        case AskAgent():
            pin_team(session, ask, at)
            at.private(thread.id, asked("agent"))
            session.fold(at)
            spawner = Spawner(session, thread, at)
            spawner.open(call, ask.definition.name, ask.definition.version, ask.given, ask.limits)
        case AskFunction():
            at.private(thread.id, asked("function", given=ask.given, idempotent=ask.idempotent))
        case AskPerson():
            use = AgentToolUse(
                id=call,
                processed_at=at.now,
                name=CHECKPOINT,
                input=ask.given,
                evaluated_permission="ask",
                evaluation=AlwaysAsk(),
            )
            at.own(thread.id, use)
            at.private(thread.id, asked("checkpoint"))
    session.fold(at)


def take_answers(session: SessionState, at: Moment) -> None:
    """Record that answers at checkpoints are taken: each call has its result in the append that takes its answer."""
    thread = session.main
    for call in list(thread.calls.values()):
        step, answer = session.step_of(call.id), call.answer
        if step is None or not isinstance(answer, UserToolConfirmation):
            continue
        at.taken(thread.id, session.primary, answer)
        is_allowed, reason = answer.result == "allow", answer.deny_message or ""
        fact = CheckpointAnswered(run=step.run, key=step.key, allowed=is_allowed, reason=reason)
        at.private(thread.id, fact)
        said = ALLOWED if is_allowed else f"denied by a person{f': {reason}' if reason else ''}"
        at.tool_result(thread.id, call.id, text(said), is_error=not is_allowed)
    session.fold(at)


def begin_phase(session: SessionState, move: BeginPhase, at: Moment) -> None:
    """Record that the program leaves the phase it is in, and enters this one."""
    run = session.run
    assert run is not None
    leave_phase(session, at)
    phase = run.wire_phases.get(move.name) or at.phase_id()
    at.private(session.primary, PhaseBegun(run=run.id, key=move.key, phase=phase, name=move.name))
    enter_phase(session, phase, at)
    session.fold(at)


def told_of(session: SessionState, step: Step) -> Told:
    """What the program is told of a call that is over."""
    child = session.threads.get(step.thread) if step.thread is not None else None
    return Told(
        key=step.key,
        outcome=step.outcome,
        content=step.content,
        output=step.output,
        reason=step.reason,
        limit=step.met.kind if step.met is not None else "",
        thread=step.thread or "",
        corrections=child.corrections if child is not None else 0,
        usage=child.usage if child is not None else Usage(),
        usd=child.usd if child is not None else ZERO,
        is_tried_again=step.is_tried_again,
    )


def record_told(session: SessionState, results: int, retried: Collection[str], at: Moment) -> None:
    """Record that the program was told so many results. Shape: `retried` are calls that it has made once more."""
    run = session.run
    assert run is not None
    if run.told < results:
        ended = [run.steps[key] for key in run.order[run.told : results]]
        tried_again = {step.key: step.key in retried for step in ended if step.outcome != "done"}
        at.private(session.primary, WorkflowTold(run=run.id, results=results, tried_again=tried_again))
        session.fold(at)


def record_withdrawn(session: SessionState, step: Step, at: Moment) -> None:
    """Record that the program needs the call's result no more, and end it. Nothing of it may be under way."""
    thread = session.main
    at.private(thread.id, StepWithdrawn(run=step.run, key=step.key))
    session.fold(at)
    call = thread.calls.get(step.call)
    if call is not None and step.state == "open":
        _stop(session, thread, call, step, at)
        session.fold(at)


def _stop(session: SessionState, thread: ThreadState, call: OpenCall, step: Step, at: Moment) -> None:
    if call.child is not None:
        finish(session, session.threads[call.child], Stopped(NOT_NEEDED), at)
    elif step.kind == "function":
        ended = StepEnded(run=step.run, key=step.key, call=call.id, outcome="stopped", reason=NOT_NEEDED)
        at.private(thread.id, ended)
    else:
        if isinstance(call.answer, UserToolConfirmation):  # too late: shown, without effect
            at.taken(thread.id, session.primary, call.answer)
        at.tool_result(thread.id, call.id, text(NOT_NEEDED), is_error=True)


def record_returned(session: SessionState, output: object, at: Moment) -> None:
    """Record that the program came to its end."""
    run = session.run
    assert run is not None
    at.private(session.primary, WorkflowReturned(run=run.id, output=output))
    run_ended(session, RunCompleted(), at)
    session.fold(at)


def record_failed(session: SessionState, error: str, again: Sequence[str], at: Moment) -> None:
    """Record that the program failed, and which calls a resumed run makes anew."""
    run = session.run
    assert run is not None
    at.private(session.primary, WorkflowFailed(run=run.id, error=error, again=tuple(again)))
    run_ended(session, failure(error), at)
    session.fold(at)
