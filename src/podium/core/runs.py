"""Fold: a run of a workflow: what its program asked for, in which order it ended, and what came of the whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from podium.core.content import Content
from podium.core.facts import LimitMet, PhaseBegun, StepAsked, StepKind
from podium.core.json import JSON

StepOutcome = Literal["", "done", "failed", "limit", "denied", "unknown", "stopped"]


@dataclass(slots=True, kw_only=True)
class Step:
    """A call of a workflow.

    Shape: `state` is "open", "over", or "again" if it was cut short and is made anew when the program makes it again.
    Of one that is over, `outcome` says how it ended, `content` what was said, `output` the JSON of a function or of an
    agent with a schema, `met` the limit that stopped it. `thread` is the one that works on it, or did; `run` the id of
    the run that asked for it, `phase` the name of the phase in which it did. With `is_tried_again` the program was told
    that it failed, and made it once more, or did not.
    """

    key: str
    kind: StepKind
    hash: str
    call: str
    name: str
    place: str
    given: JSON
    attempt: int
    idempotent: bool
    run: str
    phase: str
    asked_at: datetime
    thread: str | None = None
    state: Literal["open", "over", "again"] = "open"
    outcome: StepOutcome = ""
    content: Content = ()
    output: JSON = None
    reason: str = ""
    met: LimitMet | None = None
    ended_at: datetime | None = None
    is_withdrawn: bool = False
    is_tried_again: bool | None = None


@dataclass(slots=True)
class RunState:
    """What the log says about a run. Only `SessionState.apply` changes it.

    Shape: `steps` by key, in the order they were first asked for. `order` are the keys of those that are over, in the
    order in which they ended; the program was `told` so many of them. `phases` by key, by name; `phase` is the one that
    it is in: its id on the wire, its name and the event that opened it. With `is_failed` it failed with this `error`,
    and `again` are the calls and phases that a resumed run makes anew; `is_reopened` from when it is resumed until it
    is another.
    """

    id: str
    name: str
    input: JSON
    source: str = ""
    status: Literal["running", "idle", "ended"] = "running"
    steps: dict[str, Step] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    told: int = 0
    phases: dict[str, str] = field(default_factory=dict)
    wire_phases: dict[str, str] = field(default_factory=dict)  # ids on the wire, by name
    phase: tuple[str, str, str] | None = None
    output: JSON = None
    has_returned: bool = False
    error: str = ""
    again: tuple[str, ...] = ()
    is_failed: bool = False
    is_reopened: bool = False

    @property
    def is_over(self) -> bool:
        """Whether the program came to its end, failed, or was stopped."""
        return self.status == "ended"

    @property
    def has_news(self) -> bool:
        """Whether a call is over, and the program was not told."""
        return self.told < len(self.order)

    @property
    def phase_name(self) -> str:
        """The phase it is in, or ""."""
        return self.phase[1] if self.phase is not None else ""

    def ask(self, event: StepAsked, at: datetime) -> Step:
        """The program made a call, for the first time or again."""
        before = self.steps.get(event.key)
        step = self.steps[event.key] = Step(
            key=event.key,
            kind=event.kind,
            hash=event.hash,
            call=event.call,
            name=event.name,
            place=event.place,
            given=event.given,
            attempt=event.attempt,
            idempotent=event.idempotent,
            run=self.id,
            phase=before.phase if before is not None and self._has(before.phase) else self.phase_name,
            asked_at=at,
        )
        return step

    def _has(self, phase: str) -> bool:
        return not phase or phase in self.phases.values()

    def begin_phase(self, event: PhaseBegun) -> None:
        """The program begins a phase; the event that opens it on the wire follows."""
        self.phases[event.key] = event.name
        self.wire_phases[event.name] = event.phase
        self.phase = event.phase, event.name, ""

    def end(self, step: Step, outcome: StepOutcome, at: datetime) -> None:
        """The call is over."""
        step.state, step.outcome, step.ended_at = "over", outcome, at
        if not step.is_withdrawn:
            self.order.append(step.key)

    def cut(self, step: Step) -> None:
        """The call was cut short, by nothing that the program needs to know."""
        step.state = "over" if step.is_withdrawn else "again"
        step.outcome = "stopped" if step.is_withdrawn else ""

    def tell(self, results: int, tried_again: Mapping[str, bool]) -> None:
        """The program was told so many results."""
        self.told = results
        for key, is_tried_again in tried_again.items():
            self.steps[key].is_tried_again = is_tried_again

    def withdraw(self, step: Step) -> None:
        """The program needs the call no more."""
        step.is_withdrawn = True
        if step.state == "again":
            self.cut(step)

    def reopen(self) -> None:
        """The run failed and is resumed: what it failed with is made anew. How it ended is kept until then."""
        for key in self.again:
            self.phases.pop(key, None)
            if (step := self.steps.get(key)) is not None:
                step.state, step.is_withdrawn = "again", False
        self.told -= sum(key in self.again for key in self.order[: self.told])
        self.order = [key for key in self.order if key not in self.again]
        self.error, self.again, self.is_failed = "", (), False
        self.status, self.is_reopened = "idle", True

    def follow(self, id: str, source: str) -> None:
        """It goes on under another id: the one on the wire has ended."""
        self.id, self.source, self.status, self.is_reopened = id, source, "running", False
