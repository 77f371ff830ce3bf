"""Fold: the runs of a session's workflows, and their open calls."""

from dataclasses import dataclass, field
from datetime import datetime

from podium.core.content import Content, plain, text
from podium.core.events import (
    WorkflowPhaseStarted,
    WorkflowRunCreated,
    WorkflowRunEnded,
    WorkflowRunIdle,
    WorkflowRunRunning,
)
from podium.core.facts import (
    CheckpointAnswered,
    DelegationClosed,
    PhaseBegun,
    StepAsked,
    StepEnded,
    StepWithdrawn,
    WorkflowFailed,
    WorkflowOpened,
    WorkflowReturned,
    WorkflowTold,
)
from podium.core.runs import RunState, Step
from podium.core.thread import OpenCall, ThreadState

ProgramFact = WorkflowOpened | WorkflowTold | WorkflowReturned | WorkflowFailed
StepFact = StepWithdrawn | CheckpointAnswered | PhaseBegun
RunEvent = WorkflowRunCreated | WorkflowRunRunning | WorkflowRunIdle | WorkflowRunEnded | WorkflowPhaseStarted


@dataclass(slots=True)
class Runs:
    """The runs, and which of their calls are open. Only `SessionState.apply` changes them.

    Shape: `by_id` has one that follows another under both ids; `open` are run and step by the call's id.
    """

    by_id: dict[str, RunState] = field(default_factory=dict)
    open: dict[str, tuple[RunState, Step]] = field(default_factory=dict)

    @property
    def last(self) -> RunState | None:
        """The last run, or None."""
        return next(reversed(self.by_id.values()), None)

    @property
    def open_run(self) -> str:
        """The id of the last run, if it is not over; else ""."""
        run = self.last
        return "" if run is None or run.is_over else run.id

    def apply_program(self, thread: ThreadState, event: ProgramFact) -> None:
        """What the program of this thread has come to."""
        if isinstance(event, WorkflowOpened):
            before = self.by_id.get(event.follows)
            self.by_id[event.run] = before or RunState(event.run, event.name, event.input, event.source)
            if before is not None:
                before.follow(event.run, event.source)
        elif (run := self.by_id.get(event.run)) is not None:
            match event:
                case WorkflowTold():
                    run.tell(event.results, event.tried_again)
                case WorkflowReturned():
                    run.output, run.has_returned = event.output, True
                    if isinstance(event.output, str):
                        thread.last_text = text(event.output)
                    else:
                        thread.output, thread.submitted = event.output, event.output is not None
                case WorkflowFailed():
                    run.error, run.again, run.is_failed = event.error, event.again, True

    def apply_step(self, event: StepFact, at: datetime) -> None:
        """What became of a call without an answer, and where a phase begins."""
        run = self.by_id.get(event.run)
        if run is None:
            return
        match event:
            case StepWithdrawn():
                run.withdraw(run.steps[event.key])
            case CheckpointAnswered():
                step = run.steps[event.key]
                step.reason = event.reason
                run.end(step, "done" if event.allowed else "denied", at)
            case PhaseBegun():
                run.begin_phase(event)

    def apply_run(self, event: RunEvent) -> None:
        """How the run stands, as clients see it."""
        run = self.by_id.get(event.workflow_run_id)
        if run is None:
            return
        match event:
            case WorkflowRunCreated():
                run.wire_phases |= {phase.name: phase.id for phase in event.phases}
            case WorkflowRunRunning():
                run.status = "running"
            case WorkflowRunIdle():
                run.status = "idle"
            case WorkflowRunEnded():
                run.status, run.phase = "ended", None
            case WorkflowPhaseStarted():
                if run.phase is not None:
                    run.phase = run.phase[0], run.phase[1], event.id

    # --- a call's way ------------------------------------------------------------------------------

    def ask(self, thread: ThreadState, event: StepAsked, at: datetime) -> OpenCall | None:
        """The program of this thread makes a call; the call, open now."""
        run = self.by_id.get(event.run)
        if run is None:
            return None
        step = run.ask(event, at)
        if event.kind == "function":
            call = OpenCall(event.call, event.name, {}, attempt=1, step=event.key)
        elif (use := thread.reply_calls.pop(event.call, None)) is not None:
            call = OpenCall(use.id, use.name, use.input, asks=True, step=event.key)
        else:
            call = OpenCall(event.call, event.name, {}, step=event.key)
        thread.calls[call.id] = call
        self.open[call.id] = run, step
        return call

    def refuse(self, call: str, content: Content, at: datetime) -> None:
        """Nothing could be opened for the call."""
        if (found := self.open.pop(call, None)) is not None:
            run, step = found
            step.content, step.reason = content, plain(content)
            run.end(step, "failed", at)

    def end_function(self, event: StepEnded, at: datetime) -> None:
        """A function has ended."""
        if (found := self.open.pop(event.call, None)) is not None:
            run, step = found
            step.output, step.reason = event.output, event.reason
            if event.outcome == "interrupted":
                run.cut(step)
            else:
                run.end(step, event.outcome, at)

    def end_agent(self, event: DelegationClosed, child: ThreadState, content: Content, at: datetime) -> None:
        """A child that a workflow called has ended its turn."""
        found = self.open.pop(event.call, None)
        if found is None:
            return
        run, step = found
        step.content = content
        step.reason = plain(content) if event.is_error else ""
        if child.submitted:
            step.output = child.output
        if event.outcome == "reported":
            run.end(step, "done", at)
        elif event.outcome == "limit" and (child.limited is None or child.limited.of != "session"):
            step.met = child.limited
            run.end(step, "limit", at)
        elif event.outcome == "failed":
            run.end(step, "failed", at)
        else:  # a person, the session's limit or the end of the workflow cut it short
            run.cut(step)

    def end_checkpoint(self, call: str) -> None:
        """A checkpoint has its result; one that nobody answered was cut short."""
        found = self.open.pop(call, None)
        if found is not None and found[1].state == "open":
            found[0].cut(found[1])
