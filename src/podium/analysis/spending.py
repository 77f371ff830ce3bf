"""Where a session's tokens and dollars went: by agent, by thread and by model, each the sum of its calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from podium.analysis.cost import Cost
from podium.analysis.effects import Effect
from podium.analysis.thread import ThreadTrace
from podium.analysis.trace import Trace
from podium.core.events import Usage
from podium.core.json import JSON

UNNAMED = "(not known)"


@dataclass(frozen=True, slots=True)
class Spent:
    """What some model calls used up. `calls` counts every attempt, `failed` those without a reply."""

    calls: int = 0
    failed: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: Cost = field(default_factory=Cost)

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.calls + other.calls,
            self.failed + other.failed,
            self.usage + other.usage,
            self.cost + other.cost,
        )

    def share(self, total: "Spent") -> float | None:
        """How much of the known dollars it is, from 0 to 1; None where there are none."""
        return float(self.cost.usd / total.cost.usd) if total.cost.usd else None

    def told(self) -> dict[str, JSON]:
        """As JSON; dollars are a text, so that they stay exact."""
        return {
            "calls": self.calls,
            "failed_calls": self.failed,
            "input_tokens": self.usage.input_tokens,
            "output_tokens": self.usage.output_tokens,
            "cache_read_input_tokens": self.usage.cache_read_input_tokens,
            "cache_creation_input_tokens": self.usage.cache_creation_input_tokens,
            **told_cost(self.cost),
        }


@dataclass(frozen=True, kw_only=True)
class Spending:
    """A session's model calls, added up in three ways; each adds up to `total`.

    Shape: `threads` by id; `below` is each thread with all below it; `unknown` are the models of calls that have no
    known price.
    """

    total: Spent
    agents: Mapping[str, Spent]
    threads: Mapping[str, Spent]
    below: Mapping[str, Spent]
    models: Mapping[str, Spent]

    @property
    def unknown(self) -> list[str]:
        """The models whose price is not known."""
        return [name for name, spent in self.models.items() if spent.cost.unknown]


def spending(made: Trace, models: Mapping[str, str]) -> Spending:
    """What the calls recorded so far used up. Shape: `models` names the model of each definition, by its hash."""
    calls = [
        (thread, effect, _spent(effect))
        for thread in made.threads.values()
        for effect in thread.effects
        if effect.is_model
    ]

    def by(key: Callable[[ThreadTrace, Effect], str]) -> dict[str, Spent]:
        sums: dict[str, Spent] = {}
        for thread, effect, spent in calls:
            name = key(thread, effect)
            sums[name] = sums.get(name, Spent()) + spent
        return sums

    threads = {id: Spent() for id in made.threads} | by(lambda thread, _: thread.id)
    below = dict(threads)
    for thread in reversed(made.threads.values()):  # children stand after their parents
        if thread.parent is not None:
            below[thread.parent] += below[thread.id]
    return Spending(
        total=sum((spent for _, _, spent in calls), Spent()),
        agents=by(lambda thread, _: thread.agent),
        threads=threads,
        below=below,
        models=by(lambda thread, effect: models.get(thread.definition) or effect.model or UNNAMED),
    )


def told_cost(cost: Cost) -> dict[str, JSON]:
    """As JSON: `usd` is null if nothing of it is known."""
    return {
        "usd": None if cost.unknown and not cost.usd else str(cost.usd),
        "unknown_calls": cost.unknown,
        "estimated_calls": cost.estimated,
    }


def _spent(effect: Effect) -> Spent:
    is_failed = effect.outcome not in ("ok", "open")
    return Spent(1, int(is_failed), effect.usage, effect.cost)
