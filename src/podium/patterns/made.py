"""What comes of stages: their outputs, and what they leave open."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from podium.core.json import JSON
from podium.patterns.debate import Debated
from podium.patterns.judge import Judged
from podium.patterns.parallel import Merged
from podium.patterns.plan_steps import PlanResult, StepResult
from podium.patterns.verify import Verified
from podium.workflows.joins import Missing
from podium.workflows.values import context_text


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the stages.

    Shape: `output` is that of the last one. `open` says what of any of them was not verified, not good enough, missing.
    """

    output: JSON
    open: tuple[str, ...] = ()

    def __str__(self) -> str:
        return context_text({"": self.output})


@dataclass(frozen=True)
class Done:
    """What a stage made: its pattern's result, the output of that, and what is left open."""

    result: Any
    output: JSON
    open: tuple[str, ...] = ()


def output_of(pattern: str, result: Any) -> Any:
    """The output of a stage: of several calls, theirs by name; of a map, theirs in order, None where one is missing."""
    if not isinstance(result, Merged) or result.merged is not None:
        return result.output
    if pattern == "map":
        return [None if each is None else each.output for each in result.results.slots]
    return {name: each.output for name, each in zip(result.results.names, result.results, strict=True)}


def left_open(result: Any) -> Iterator[str]:
    """What the result was not verified in, not good enough in, or misses."""
    match result:
        case Verified(verified=False):
            yield f"not verified: {'; '.join(result.issues) or 'the checker named no issue'}"
        case Judged(is_good_enough=False):
            yield f"not good enough: score {result.best.score:g}, {result.best.feedback}"
        case Merged():
            yield from _failed(result.results.missing)
        case PlanResult():
            yield from _failed(result.missing)
        case Debated():
            yield from dict.fromkeys(told for said in result.rounds for told in _failed(said.missing))
        case _:
            pass


def _failed(missing: Iterable[Missing | StepResult]) -> Iterator[str]:
    """What failed; what was not needed any more is not told."""
    yield from (str(each) for each in missing if each.end != "cancelled")
