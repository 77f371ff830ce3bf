"""A model that said no: a gate that is shut for a time."""

from collections.abc import Callable
from math import inf

from podium.engine.limiter.slot import Slot

FIRST_S = 1.0
LONGEST_S = 60.0


class Breaker:
    """A model of a provider that asked us to slow down, or is overloaded.

    Slowed down, it lets nobody through until the time it named, and then everybody. Overloaded, it lets nobody through
    for a random time, then one call as a probe, and everybody when the model has answered. Each time it has not, twice
    as long may pass before the next probe.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._slow_until_s = -inf
        self._is_overloaded = False
        self._probe_at_s = -inf
        self._longest_s = FIRST_S
        self._probe: Slot | None = None

    def is_over(self, now_s: float) -> bool:
        """Whether it stands in nobody's way any more."""
        return not self._is_overloaded and now_s >= self._slow_until_s

    def slow(self, now_s: float, seconds: float) -> None:
        """Let nobody through for so long."""
        self._slow_until_s = max(self._slow_until_s, now_s + seconds)

    def overloaded(self, now_s: float) -> None:
        """The model is overloaded. Until it may be probed, that is no news: those calls were sent before."""
        if self._is_overloaded:
            if now_s < self._probe_at_s:
                return
            self._longest_s = min(2 * self._longest_s, LONGEST_S)
        else:
            self._longest_s = FIRST_S
        self._is_overloaded = True
        self._probe = None
        self._probe_at_s = now_s + self._chance() * self._longest_s

    def answered(self, now_s: float) -> None:
        """The model works. Until it may be probed, that says nothing: the call was sent before."""
        if now_s >= self._probe_at_s:
            self._is_overloaded = False
            self._probe = None

    def wait_s(self, now_s: float, slot: Slot) -> float:
        if self._is_overloaded and self._probe is not None:
            return inf
        until_s = max(self._slow_until_s, self._probe_at_s) if self._is_overloaded else self._slow_until_s
        return max(until_s - now_s, 0.0)

    def take(self, now_s: float, slot: Slot) -> None:
        if self._is_overloaded:
            self._probe = slot

    def give_back(self, now_s: float, slot: Slot, used_tokens: int | None) -> None:
        if self._probe is slot:
            self._probe = None  # nothing came of it: the next call is the probe

    def undo(self, now_s: float, slot: Slot) -> None:
        self.give_back(now_s, slot, None)

    def hold(self, slot: Slot) -> None: ...

    def let_go(self) -> None: ...
