"""One thread of a trace."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from podium.analysis.cost import ZERO, Cost
from podium.analysis.effects import Effect, Notice, Outcome, Wait, WaitsFor
from podium.analysis.intervals import Interval
from podium.core.events import AgentToolUse, Usage
from podium.core.json import JSON


@dataclass(slots=True)
class ThreadTrace:
    """One thread.

    Shape: `number` counts the threads of the same agent, from 1; `definition` is its agent's hash. `ended` is how its
    turn ended, a delegation's outcome or the primary's stop reason; "" while it works, waits for a person, or waits to
    try again. `tasks` counts how often it was set to work. `open` are the effects under way; a call to another agent is
    none. `asks` are the ids of the calls, its own or of threads below, whose answers it is idle for. `given` is what
    its parent called it with in `call`, of which it is an `attempt`, from 1; `called` what a workflow named it, where
    that is not its agent. `shells_lost` counts those that a take-over did not take, `corrections` how often it was told
    that it owes a result, or why the one it gave does not fit.
    """

    id: str
    agent: str
    opened_at: datetime
    number: int = 1
    parent: str | None = None
    depth: int = 0
    definition: str = ""
    is_background: bool = False
    status: str = "idle"
    ended: str = ""
    reason: str = ""
    tasks: int = 0
    turns: int = 0
    usage: Usage = field(default_factory=Usage)
    usd: Decimal = ZERO
    estimated: int = 0
    unpriced: set[str] = field(default_factory=set)
    shell: Literal["none", "live", "taken"] = "none"  # taken: by a take-over, and there is no new one yet
    shells_lost: int = 0
    compactions: int = 0
    corrections: int = 0
    context_tokens: int = 0  # what the last call of its model read and wrote
    context_window: int | None = None
    given: dict[str, JSON] = field(default_factory=dict)
    call: str = ""
    attempt: int = 1
    called: str = ""
    effects: list[Effect] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    since: datetime | None = None
    stretches: list[Interval] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    waits_for: Literal["", "person", "client", "retry"] = ""
    waits_since: datetime | None = None
    asks: tuple[str, ...] = ()
    calls: dict[str, AgentToolUse] = field(default_factory=dict)
    submits: set[str] = field(default_factory=set)  # its calls of submit_result
    open: dict[str, Effect] = field(default_factory=dict)
    latest: dict[str, Effect] = field(default_factory=dict)  # by call or model request: its last attempt
    failed: Effect | None = None  # the model call that the next one tries again

    @property
    def label(self) -> str:
        """What it was called, or the agent's name, with a number from its second thread on."""
        return self.called or self._numbered

    @property
    def _numbered(self) -> str:
        return self.agent if self.number == 1 else f"{self.agent}#{self.number}"

    @property
    def context(self) -> str:
        """How full its model's context is, in words: of an unknown window, the tokens."""
        if self.context_window is None:
            return f"{self.context_tokens:,}"
        return f"{100 * self.context_tokens / self.context_window:.0f}%"

    @property
    def cost(self) -> Cost:
        """What its own model calls cost, of every purpose and attempt."""
        return Cost(self.usd, len(self.unpriced), self.estimated)

    def worked(self, until: datetime) -> list[Interval]:
        """When it worked, in order."""
        now = [] if self.since is None else [Interval(self.since, max(self.since, until))]
        return [*self.stretches, *now]

    def waited(self, kind: WaitsFor, until: datetime) -> list[Interval]:
        """When it waited so, in order."""
        past = [wait.interval for wait in self.waits if wait.kind == kind]
        if self.waits_for == kind and self.waits_since is not None:
            past.append(Interval(self.waits_since, max(self.waits_since, until)))
        return past

    @property
    def retried(self) -> int:
        """Attempts after a first one that failed or was lost."""
        return sum(effect.attempt > 1 for effect in self.effects)

    def count(self, outcome: Outcome) -> int:
        """How many attempts came out so."""
        return sum(effect.outcome == outcome for effect in self.effects)

    # --- what a fold does to it ----------------------------------------------------------------------

    def begin(self, effect: Effect) -> None:
        """Something is under way from here on."""
        self.effects.append(effect)
        self.open[effect.id] = self.latest[effect.id] = effect

    def begin_model(self, span: str, at: datetime, *, is_free: bool) -> None:
        """A model call is under way: the first attempt, or the next one after what failed."""
        effect = self.latest.get(span) or Effect(span, "", at)  # a reservation may stand before the start
        effect.start, effect.turn, effect.is_free = at, self.turns + 1, is_free
        if self.failed is not None:
            effect.attempt = self.failed.attempt + 1
            if self.failed.outcome == "error" and self.failed.end is not None:
                effect.after = at - self.failed.end
        self.begin(effect)

    def model_call(self, span: str, at: datetime) -> Effect:
        """The model call of this span, made up if it is not known yet."""
        return self.latest.setdefault(span, Effect(span, "", at))

    def end(self, id: str, at: datetime, outcome: Outcome) -> None:
        """What was under way is over."""
        effect = self.open.pop(id, None)
        if effect is not None:
            effect.end, effect.outcome = at, outcome
            if effect.is_model:
                self.failed = None if outcome == "ok" else effect

    def run(self, agent: str, at: datetime) -> None:
        """It works from here on: on a new task, after an answer, or again after a failure."""
        is_new_task = self.ended or not self.tasks
        self._stop_waiting(at)
        self.agent, self.status, self.ended, self.asks = agent, "running", "", ()
        if is_new_task:
            self.tasks, self.reason, self.failed = self.tasks + 1, "", None
        if self.since is None:
            self.since = at

    def rest(self, at: datetime, status: str) -> None:
        """It works no more for now."""
        self._stop_waiting(at)
        if self.since is not None:
            self.stretches.append(Interval(self.since, at))
        self.since, self.status = None, status

    def wait(self, kind: WaitsFor, at: datetime) -> None:
        """It waits from here on; it rests already."""
        self.waits_for, self.waits_since = kind, at

    def taken_over(self, last: datetime, at: datetime) -> None:
        """Nobody drove it between these moments: what was under way is lost."""
        if self.shell == "live":
            self.shell = "taken"
        if self.since is not None:
            self.stretches.append(Interval(self.since, last))
            self.since = at
        if self.waits_for == "retry":
            self._stop_waiting(last)
            self.wait("retry", at)
        for effect in list(self.open.values()):
            self.end(effect.id, last, "lost")

    def _stop_waiting(self, at: datetime) -> None:
        if self.waits_for and self.waits_since is not None:
            self.waits.append(Wait(self.waits_for, Interval(self.waits_since, max(self.waits_since, at))))
        self.waits_for, self.waits_since = "", None
