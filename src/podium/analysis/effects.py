"""What a thread does outside, and what it waits for: the pieces of a trace."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

from podium.analysis.cost import Cost
from podium.analysis.intervals import Interval
from podium.core.events import Usage
from podium.core.facts import Purpose
from podium.core.json import JSON

WaitsFor = Literal["person", "client", "retry"]  # for a person's answer, a result of its client, its next attempt
Outcome = Literal["open", "ok", "error", "lost", "unknown", "interrupted"]


@dataclass(slots=True)
class Effect:
    """One attempt of a model call or a tool call: something outside that took time.

    Shape: `name` and `input` are a tool's; `id` is the call's, or the model request's. `lost`: the process died under
    it, and it was tried again; `unknown`: the process died under it or a limit cut it short, and the model was told so.
    `turn` counts the thread's turns from 1; `after` is how long after the failure of the one before it came.
    Of a model's: `kind` as in `ModelFailed`, `retry_at` when it is tried again; `usd` None as long as it is not known,
    `is_free` if no model is called in truth.
    """

    id: str
    name: str
    start: datetime
    attempt: int = 1
    turn: int = 1
    input: dict[str, JSON] = field(default_factory=dict)
    end: datetime | None = None
    outcome: Outcome = "open"
    reason: str = ""
    after: timedelta | None = None
    purpose: Purpose = "turn"
    kind: str = ""
    retry_at: datetime | None = None
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    usd: Decimal | None = None
    is_estimate: bool = False
    is_free: bool = False

    @property
    def is_model(self) -> bool:
        """Whether this is a call of the model."""
        return not self.name

    @property
    def cost(self) -> Cost:
        """What it cost; unknown if it used tokens and nobody said what they cost."""
        if self.usd is not None:
            return Cost(self.usd, estimated=int(self.is_estimate))
        return Cost(unknown=int(self.usage.total_tokens > 0 and not self.is_free))

    def until(self, now: datetime) -> Interval:
        """When it was under way; `now` closes one that still is."""
        return Interval(self.start, max(self.start, self.end or now))


@dataclass(slots=True)
class Approval:
    """A call that asks a person before it runs.

    Shape: `answer` is "" until there is one, and "closed" if the call ended without. `reason` is what the person gave
    for a refusal.
    """

    call: str
    thread: str
    name: str
    input: dict[str, JSON]
    since: datetime
    answer: Literal["", "allow", "deny", "closed"] = ""
    reason: str = ""
    answered_at: datetime | None = None

    def waited(self, until: datetime) -> timedelta:
        """How long it has waited for its answer."""
        return max(self.answered_at or until, self.since) - self.since


class Wait(NamedTuple):
    """A stretch in which a thread waited for somebody's answer, or for the time of its next attempt."""

    kind: WaitsFor
    interval: Interval


class Notice(NamedTuple):
    """Something the model was told: that a limit is near or reached, that it goes round in circles, that it was cut."""

    at: datetime
    kind: str
    text: str
