"""The public records of a workflow run: when it begins, works, rests and ends, and its phases.

Source: the Managed Agents API, section C.6 of its contract. All stand in the session's stream.
"""

from podium.core.events import (
    RunCompleted,
    RunFailed,
    RunStopped,
    WorkflowError,
    WorkflowPhaseEnded,
    WorkflowPhaseStarted,
    WorkflowRunEnded,
    WorkflowRunError,
    WorkflowRunIdle,
    WorkflowRunRunning,
)
from podium.core.moment import Moment
from podium.core.session import SessionState


def run_works(session: SessionState, at: Moment) -> None:
    """Record that the run goes on, if it rested."""
    run = session.run
    if run is not None and run.status == "idle":
        at.own(session.primary, WorkflowRunRunning(id=at.event_id(), processed_at=at.now, workflow_run_id=run.id))


def run_rests(session: SessionState, at: Moment) -> None:
    """Record that nothing of the run can move, and that it has not ended."""
    run = session.run
    if run is not None and run.status == "running":
        at.own(session.primary, WorkflowRunIdle(id=at.event_id(), processed_at=at.now, workflow_run_id=run.id))


def run_ended(session: SessionState, result: RunCompleted | RunStopped | RunFailed, at: Moment) -> None:
    """Record that the run is over, and leaves the phase it is in."""
    run = session.run
    if run is None or run.is_over:
        return
    leave_phase(session, at)
    primary = session.primary
    if isinstance(result, RunFailed):
        failed = WorkflowRunError(id=at.event_id(), processed_at=at.now, workflow_run_id=run.id, error=result.error)
        at.own(primary, failed)
    ended = WorkflowRunEnded(id=at.event_id(), processed_at=at.now, workflow_run_id=run.id, result=result)
    at.own(primary, ended)


def failure(message: str) -> RunFailed:
    """The run failed with its program."""
    return RunFailed(WorkflowError("program_error", message))


def enter_phase(session: SessionState, phase: str, at: Moment) -> None:
    """Record that the run enters the phase of this id; it has left the one before."""
    run = session.run
    assert run is not None
    started = WorkflowPhaseStarted(
        id=at.event_id(), processed_at=at.now, workflow_run_id=run.id, workflow_run_phase_id=phase
    )
    at.own(session.primary, started)


def leave_phase(session: SessionState, at: Moment) -> None:
    """Record that the run leaves the phase it is in, if it is in one."""
    run = session.run
    if run is None or run.phase is None or not run.phase[2]:
        return
    left = WorkflowPhaseEnded(
        id=at.event_id(),
        processed_at=at.now,
        workflow_run_id=run.id,
        workflow_run_phase_id=run.phase[0],
        phase_started_id=run.phase[2],
    )
    at.own(session.primary, left)
