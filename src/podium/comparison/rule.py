"""Which of two is worth it: one agent or the team. Pure, and the one place of the rule; docs/compare.md tells it.

Four counts are looked at. In each, one of the two is ahead, they are even, it is open, or it is not known:

- *finishing*: ahead is who finished every run where the other finished at most half of its own. Even if both finished
  as many.
- *time* and *money*: ahead is whose dearest run is below the other's cheapest one. Where the spreads overlap it is
  open. Money is not known if the price of any call is not.
- *quality*: ahead is whom the judge preferred in more than half of the judged pairs, the other in none. Even if every
  pair was a tie; pairs that the judge found otherwise in the other order are ties. Not known if no pair was judged.

With fewer than three runs of a side (finished ones for time and money, judged pairs for quality) a count is open. Then:

1. Rehearsed runs decide nothing.
2. Where each of the two is ahead in something, it is a trade, and what each gives is told.
3. Where finishing or quality is open, or nobody is ahead, or time is all that is known, the figures do not tell.
4. Else who is ahead in something is worth it: the team, or one agent is enough. Where quality is not known, that holds
   if its answers are as good, and is told so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

LEAST_RUNS = 3  # of each side: below, nothing is concluded
Lead = Literal["single", "team", "even", "open", "unknown"]
Says = Literal["one_agent_is_enough", "team_is_worth_it", "trade", "figures_do_not_tell"]
Ends = tuple[float, float] | tuple[Decimal, Decimal]  # the least and the most


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """What the rule looks at; of each pair the one agent's comes first.

    Shape: `wall_s` and `usd` are the least and the most of the finished runs, None where not known. `preferred` counts
    the pairs that the judge gave to each, `ties` those that it gave to neither.
    Units: seconds, US dollars.
    """

    runs: tuple[int, int]
    finished: tuple[int, int]
    wall_s: tuple[Ends | None, Ends | None]
    usd: tuple[Ends | None, Ends | None]
    preferred: tuple[int, int]
    ties: int
    is_rehearsed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Conclusion:
    """What follows from the figures. Shape: `text` tells it, with who is ahead in what."""

    says: Says
    finishing: Lead
    time: Lead
    money: Lead
    quality: Lead
    text: str


def conclude(counts: Counts) -> Conclusion:
    """What the rule above says of these."""
    finishing, quality = _finishing(counts), _quality(counts)
    enough = min(counts.finished) >= LEAST_RUNS
    time, money = _less(*counts.wall_s, enough=enough), _less(*counts.usd, enough=enough)
    leads = (finishing, time, money, quality)
    says: Says = "figures_do_not_tell"
    if counts.is_rehearsed:
        pass
    elif "single" in leads and "team" in leads:
        says = "trade"
    elif "open" in (finishing, quality) or (finishing == "even" and money == quality == "unknown"):
        pass
    elif "single" in leads:
        says = "one_agent_is_enough"
    elif "team" in leads:
        says = "team_is_worth_it"
    parts = "; ".join(_parts(counts, finishing, time, money, quality))
    head = _HEADS[says]
    if quality == "unknown" and says in ("one_agent_is_enough", "team_is_worth_it"):
        head += ", if its answers are as good"
    return Conclusion(says=says, finishing=finishing, time=time, money=money, quality=quality, text=f"{head}: {parts}.")


def _finishing(counts: Counts) -> Lead:
    (single, team), (of_single, of_team) = counts.finished, counts.runs
    if min(counts.runs) < LEAST_RUNS:
        return "open"
    if single == of_single and team <= of_team / 2:
        return "single"
    if team == of_team and single <= of_single / 2:
        return "team"
    return "even" if single == team else "open"


def _less(single: Ends | None, team: Ends | None, *, enough: bool) -> Lead:
    """Who is ahead where less is better."""
    if single is None or team is None:
        return "unknown"
    if not enough:
        return "open"
    if single[1] < team[0]:
        return "single"
    if team[1] < single[0]:
        return "team"
    return "even" if single == team and single[0] == single[1] else "open"


def _quality(counts: Counts) -> Lead:
    single, team = counts.preferred
    judged = single + team + counts.ties
    if not judged:
        return "unknown"
    if judged < LEAST_RUNS:
        return "open"
    if not team and single > judged / 2:
        return "single"
    if not single and team > judged / 2:
        return "team"
    return "open" if single or team else "even"


# --- in words ----------------------------------------------------------------------------------------

_HEADS: dict[Says, str] = {
    "one_agent_is_enough": "One agent is enough",
    "team_is_worth_it": "The team is worth it",
    "trade": "It is a trade",
    "figures_do_not_tell": "The figures do not tell",
}
_TIME: dict[Lead, str] = {
    "single": "one agent is faster",
    "team": "the team is faster",
    "even": "both take the same time",
    "open": "the times overlap",
    "unknown": "there are no times of both",
}
_MONEY: dict[Lead, str] = {
    "single": "one agent is cheaper",
    "team": "the team is cheaper",
    "even": "both cost the same",
    "open": "the costs overlap",
    "unknown": "what they cost is not known",
}
_QUALITY: dict[Lead, str] = {
    "single": "the judge prefers one agent's answers",
    "team": "the judge prefers the team's answers",
    "even": "the judge finds the answers equal",
    "open": "the judge does not settle whose answers are better",
    "unknown": "whose answers are better was not judged",
}


def _parts(counts: Counts, finishing: Lead, time: Lead, money: Lead, quality: Lead) -> Iterator[str]:
    if counts.is_rehearsed:
        yield "no model was called, so times, tokens and answers are those of the rehearsal"
        return
    if min(counts.runs) < LEAST_RUNS:
        yield f"there are fewer than {LEAST_RUNS} runs of each"
        return
    if finishing != "even":
        (single, team), (of_single, of_team) = counts.finished, counts.runs
        yield f"one agent finished {single} of {of_single} runs, the team {team} of {of_team}"
    if min(counts.finished) < LEAST_RUNS:
        yield f"fewer than {LEAST_RUNS} runs of each finished, too few for their times and costs"
    else:
        yield _TIME[time]
        yield _MONEY[money]
    yield _QUALITY[quality]
