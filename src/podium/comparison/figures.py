"""What a comparison has measured. Pure: it holds what the logs of its sessions say, and adds it up."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from statistics import median
from typing import Any, Generic, Literal, TypeVar

from podium.analysis.spending import Spent
from podium.comparison.rule import Conclusion, Counts, conclude

Side = Literal["single", "team"]
Outcome = Literal["single", "team", "tie", "position_bias", "not_judged"]
Stopped = Literal["", "interrupted", "limit_reached", "failed"]
SIDES: tuple[Side, Side] = ("single", "team")
LIMITED = "budget_reached"  # the stop reason of a run that met a limit, its own or that of all
N = TypeVar("N", float, Decimal)


@dataclass(frozen=True, slots=True)
class Spread(Generic[N]):
    """A figure of several runs: the one in the middle, the least and the most."""

    median: N
    least: N
    most: N

    @classmethod
    def of(cls, values: Iterable[N]) -> "Spread[N] | None":
        """The spread of these; None of none."""
        every = sorted(values)
        return cls(median(every), every[0], every[-1]) if every else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A session of the comparison that ran the task, as its log tells it.

    Shape: `number` counts the runs of its side from 1. `stop_reason` as in `RunResult`, or "interrupted"; `error` says
    why it failed, or which limit it met. `spent` is of all its threads and attempts.
    Units: `wall_s` seconds from the session's first record to its last.
    """

    side: Side
    number: int
    session: str
    stop_reason: str
    error: str
    output: Any
    wall_s: float
    spent: Spent
    is_rehearsed: bool

    @property
    def is_finished(self) -> bool:
        """Whether the work was done: figures are taken from such runs alone."""
        return self.stop_reason == "end_turn"


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What the judge said of one pair of answers, in one order.

    Shape: `number` is that of the two runs, `first` whose answer was shown first. `better` is whose answer was found
    better, or "tie"; None if the judge gave no verdict. `reason` is the judge's, or why there is none.
    """

    number: int
    first: Side
    session: str
    better: Side | Literal["tie"] | None
    reason: str
    spent: Spent


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What the runs of one side came to.

    Shape: the spreads are of finished runs, None where there is none; `usd` is None too if the price of any call of
    them is not known. `stop_reasons` counts all runs.
    Units: seconds, tokens, US dollars at list price.
    """

    runs: int
    finished: int
    wall_s: Spread[float] | None
    calls: Spread[float] | None
    input_tokens: Spread[float] | None
    output_tokens: Spread[float] | None
    cache_read_input_tokens: Spread[float] | None
    cache_creation_input_tokens: Spread[float] | None
    usd: Spread[Decimal] | None
    stop_reasons: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One agent and a team on the same task, as far as their runs are over.

    Shape: `runs` of each side were asked for; `measured` are those that were made, in their order. `judge` says
    who judges, "" if nobody does. `stopped` if it ended before its time, and `why`; "" if it did not.
    """

    task: str
    runs: int
    measured: tuple[Measured, ...]
    judge: str = ""
    judgements: tuple[Judgement, ...] = ()
    stopped: Stopped = ""
    why: str = ""

    @property
    def single(self) -> Figures:
        """What the one agent's runs came to."""
        return self._figures("single")

    @property
    def team(self) -> Figures:
        """What the team's runs came to."""
        return self._figures("team")

    @property
    def pairs(self) -> dict[int, Outcome]:
        """How the judge found each pair of runs, by its number; empty without a judge."""
        if not self.judge:
            return {}
        made = Counter(run.number for run in self.measured)
        return {number: self._outcome(number) for number in sorted(made) if made[number] == len(SIDES)}

    @property
    def spent(self) -> Spent:
        """What the runs of both sides used up; the judge's calls are not among them."""
        return sum((run.spent for run in self.measured), Spent())

    @property
    def judge_spent(self) -> Spent:
        """What the judge's own calls used up."""
        return sum((it.spent for it in self.judgements), Spent())

    @property
    def is_rehearsed(self) -> bool:
        """Whether no model was called in truth."""
        return any(run.is_rehearsed for run in self.measured)

    @property
    def conclusion(self) -> Conclusion:
        """Which of the two is worth it, by the rule of `podium.comparison.rule`."""
        single, team, pairs = self.single, self.team, self.pairs
        found = Counter(pairs.values())
        return conclude(
            Counts(
                runs=(single.runs, team.runs),
                finished=(single.finished, team.finished),
                wall_s=(_ends(single.wall_s), _ends(team.wall_s)),
                usd=(_ends(single.usd), _ends(team.usd)),
                preferred=(found["single"], found["team"]),
                ties=found["tie"] + found["position_bias"],
                is_rehearsed=self.is_rehearsed,
            )
        )

    def _outcome(self, number: int) -> Outcome:
        said = [it.better for it in self.judgements if it.number == number]
        if len(said) < len(SIDES) or None in said:
            return "not_judged"
        one, other = said
        return (one or "tie") if one == other else "position_bias"

    def _figures(self, side: Side) -> Figures:
        runs = [run for run in self.measured if run.side == side]
        finished = [run for run in runs if run.is_finished]
        spent = [run.spent for run in finished]
        return Figures(
            runs=len(runs),
            finished=len(finished),
            wall_s=Spread[float].of(run.wall_s for run in finished),
            calls=Spread[float].of(it.calls for it in spent),
            input_tokens=Spread[float].of(it.usage.input_tokens for it in spent),
            output_tokens=Spread[float].of(it.usage.output_tokens for it in spent),
            cache_read_input_tokens=Spread[float].of(it.usage.cache_read_input_tokens for it in spent),
            cache_creation_input_tokens=Spread[float].of(it.usage.cache_creation_input_tokens for it in spent),
            usd=None if any(it.cost.unknown for it in spent) else Spread[Decimal].of(it.cost.usd for it in spent),
            stop_reasons=dict(Counter(run.stop_reason for run in runs)),
        )


def _ends(spread: "Spread[N] | None") -> tuple[N, N] | None:
    return None if spread is None else (spread.least, spread.most)
