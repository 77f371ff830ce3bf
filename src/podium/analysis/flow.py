"""Fold: what a session's workflow did when: its phases, its calls, and what came of them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from podium.core.events import (
    AgentToolResult,
    RunFailed,
    WorkflowPhaseEnded,
    WorkflowRunCreated,
    WorkflowRunEnded,
    WorkflowRunIdle,
    WorkflowRunRunning,
)
from podium.core.facts import (
    CheckpointAnswered,
    DelegationClosed,
    DelegationOpened,
    PhaseBegun,
    SessionCreated,
    StepAsked,
    StepEnded,
    StepWithdrawn,
    WorkflowTold,
)
from podium.core.json import JSON
from podium.core.records import Event

_OUTCOMES = {"reported": "done", "stopped": "stopped", "interrupted": "cut short"}


@dataclass(slots=True)
class StepTrace:
    """A call of the workflow. Shape: `outcome` is "" while it is open; `thread` is "" where there is none."""

    key: str
    kind: str
    name: str
    phase: str
    place: str
    attempt: int
    start: datetime
    thread: str = ""
    end: datetime | None = None
    outcome: str = ""
    reason: str = ""


@dataclass(slots=True)
class PhaseTrace:
    """A phase of the workflow. Shape: `end` is None while it lasts."""

    name: str
    start: datetime
    end: datetime | None = None


@dataclass(slots=True)
class FlowTrace:
    """The workflow of a session; of one without, `name` is "".

    Shape: `steps` are the calls by their id, in the order in which they were made; `told` counts how often the program
    went on; `runs` how many runs there were: one that failed and was resumed is another.
    """

    name: str = ""
    status: Literal["", "running", "idle", "completed", "stopped", "error"] = ""
    error: str = ""
    runs: int = 0
    told: int = 0
    phases: list[PhaseTrace] = field(default_factory=list)
    steps: dict[str, StepTrace] = field(default_factory=dict)
    _withdrawn: set[str] = field(default_factory=set)

    @property
    def phase(self) -> str:
        """The phase it is in, or ""."""
        return self.phases[-1].name if self.phases and self.phases[-1].end is None else ""

    def step_of(self, thread: str) -> StepTrace | None:
        """The call for which the thread was opened."""
        return next((step for step in self.steps.values() if step.thread == thread), None)

    def apply(self, event: Event, at: datetime) -> None:
        """Take one record in."""
        match event:
            case SessionCreated() if any(need.startswith("workflow:") for need in event.needs):
                self.name = event.title
            case WorkflowRunCreated():
                self.name, self.status, self.error, self.runs = event.name, "running", "", self.runs + 1
            case WorkflowRunRunning():
                self.status = "running"
            case WorkflowRunIdle():
                self.status = "idle"
            case WorkflowRunEnded(result=result):
                self.status = "error" if isinstance(result, RunFailed) else result.__struct_config__.tag  # type: ignore[assignment]
                self.error = result.error.message if isinstance(result, RunFailed) else ""
            case PhaseBegun():
                self.phases.append(PhaseTrace(event.name, at))
            case WorkflowPhaseEnded() if self.phases:
                self.phases[-1].end = at
            case WorkflowTold():
                self.told += 1
            case _:
                self._apply_to_step(event, at)

    def _apply_to_step(self, event: Event, at: datetime) -> None:
        match event:
            case StepAsked():
                self.steps[event.call] = StepTrace(
                    event.key, event.kind, event.name, self.phase, event.place, event.attempt, at
                )
            case StepWithdrawn():
                self._withdrawn.add(event.key)
            case DelegationOpened() if event.call in self.steps:
                self.steps[event.call].thread = event.thread
            case DelegationClosed() if event.call in self.steps:
                self._end(event.call, _OUTCOMES.get(event.outcome, event.outcome), at)
            case StepEnded():
                self._end(
                    event.call, "cut short" if event.outcome == "interrupted" else event.outcome, at, event.reason
                )
            case CheckpointAnswered():
                for call, step in self.steps.items():
                    if step.key == event.key and not step.outcome:
                        self._end(call, "done" if event.allowed else "denied", at, event.reason)
            case AgentToolResult() if event.tool_use_id in self.steps:
                self._end(event.tool_use_id, "cut short", at)
            case _:
                pass

    def _end(self, call: str, outcome: str, at: datetime, reason: str = "") -> None:
        step = self.steps[call]
        if not step.outcome:
            is_stopped = step.key in self._withdrawn and outcome in ("stopped", "cut short")
            step.outcome, step.end, step.reason = "not needed" if is_stopped else outcome, at, reason

    def report(self, start: datetime) -> dict[str, JSON]:
        """As JSON. Units: times in seconds since the session was started."""

        def s(at: datetime | None) -> float | None:
            return None if at is None else round((at - start).total_seconds(), 6)

        return {
            "name": self.name,
            "status": self.status,
            "error": self.error,
            "runs": self.runs,
            "phases": [{"name": it.name, "start": s(it.start), "end": s(it.end)} for it in self.phases],
            "calls": [
                {
                    "key": it.key,
                    "kind": it.kind,
                    "name": it.name,
                    "phase": it.phase,
                    "place": it.place,
                    "attempt": it.attempt,
                    "thread": it.thread,
                    "start": s(it.start),
                    "end": s(it.end),
                    "outcome": it.outcome,
                    "reason": it.reason,
                }
                for it in self.steps.values()
            ],
        }
