"""A play: a session to be killed at every step, what it does, and what may be expected of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from podium import Agent, SessionLimits, Workflow
from tests.crash.stage import Stage
from tests.lab.lab import Act

Build = Callable[[], "Play"]


@dataclass(frozen=True, kw_only=True)
class Play:
    """A session to be played in a lab of its own.

    Shape: `is_repeatable` if all its tools are idempotent and its end depends on no clock and no person: then it ends
    the same however often it is killed. A person who finds it idle answers a call that asks: with "no" at the head of
    its key it is denied; one who finds it stopped at its budget raises that to `raised_to` dollars. `caps` are the
    limits in dollars by agent, "" the session's own. `returns` is what a workflow always comes to.
    """

    lab: Stage
    lead: Agent | Workflow
    acts: Sequence[Act] = ()
    limits: SessionLimits | None = None
    is_repeatable: bool = False
    raised_to: int | None = None
    caps: dict[str, Decimal] = field(default_factory=dict)
    returns: Any = None


def slowly(build: Build) -> Build:
    """The same on a store that takes its time, so that much is under way between an append and its commit."""

    def play() -> Play:
        built = build()
        built.lab.commit_s = 0.3
        return built

    return play
