"""Several calls at once: the rules by which they are over, and when one is met, or cannot be met any more."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, get_args

from podium.errors import BadInput

RuleName = Literal["all", "any", "best_effort"]
Rule = RuleName | int  # as definitions keep it
RULES: tuple[RuleName, ...] = get_args(RuleName)
MOST_RETRIES = 100  # how often a call that failed may be made again


@dataclass(frozen=True)
class NOf:
    """So many calls must succeed; the first to do so count."""

    least: int


Join = RuleName | NOf


def n_of(least: int) -> NOf:
    """The rule that is met when so many calls have succeeded. Errors: BadInput below 1."""
    if isinstance(least, bool) or not isinstance(least, int) or least < 1:
        raise BadInput(f"n_of takes a whole number above 0, not {least!r:.40}")
    return NOf(least)


def rule_of(value: Any) -> Rule:
    """The rule that is meant, by its name, a number or `n_of`. Errors: BadInput for what is none."""
    given = value.least if isinstance(value, NOf) else value
    for rule in RULES:
        if rule == given:
            return rule  # this very word: msgspec leaves out what is identical to a default, not what is equal to it
    if isinstance(given, int) and not isinstance(given, bool) and given > 0:
        return given
    raise BadInput(f"join must be one of {', '.join(RULES)}, or a whole number above 0, not {value!r:.40}")


@dataclass(slots=True)
class Delegated:
    """A call of another agent, in the reply that made it.

    Shape: `came_to` is "" while it is open; else the outcome of its delegation, or "refused" where none was opened.
    """

    agent: str
    came_to: str = ""


_ENDED = {"limit": "met a limit", "interrupted": "was interrupted", "refused": "could not be started"}


def is_met(rule: Rule, calls: Collection[Delegated]) -> bool:
    """Whether as many have reported as the rule wants."""
    return sum(call.came_to == "reported" for call in calls) >= _least(rule, calls)


def _least(rule: Rule, calls: Collection[Delegated]) -> int:
    if isinstance(rule, int):
        return min(rule, len(calls))
    return {"all": len(calls), "any": 1, "best_effort": len(calls)}[rule]


def why_over(rule: Rule, calls: Collection[Delegated]) -> str | None:
    """Why those of a reply's calls that are open are waited for no longer; None as long as they are."""
    if rule == "best_effort":
        return None
    least = _least(rule, calls)
    if is_met(rule, calls):
        done = sum(call.came_to == "reported" for call in calls)
        return f"stopped: not needed any more, {done} of {len(calls)} {'was' if done == 1 else 'were'} enough"
    failed = [call for call in calls if call.came_to not in ("", "reported", "stopped")]
    if len(calls) - len(failed) >= least:
        return None
    said = " and ".join(f"'{call.agent}' {_ENDED.get(call.came_to, 'failed')}" for call in failed)
    wanted = f"{least} of {len(calls)}" if least < len(calls) else "all"
    return f"stopped: {said}, and {wanted} {'was' if wanted[:2] == '1 ' else 'were'} needed"
