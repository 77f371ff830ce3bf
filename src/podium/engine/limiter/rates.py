"""A rate limit: a gate that so many requests, or tokens, pass in a minute."""

from math import inf
from typing import Literal

from podium.engine.limiter.slot import Slot

Unit = Literal["requests", "tokens"]
MINUTE_S = 60.0
NEARLY = 1e-6  # of the limit: times are rounded to microseconds, so what is full may fall short of it by as much


class Bucket:
    """What is left of a limit now: it fills up continuously, and holds a minute's worth at most.

    A call takes what it is expected to use. One that is expected to use more than a minute's worth goes when the bucket
    is full and leaves it in debt.
    """

    def __init__(self, unit: Unit, limit: float, now_s: float) -> None:
        self._unit = unit
        self.limit = limit
        self._per_s = limit / MINUTE_S
        self._left = limit
        self._at_s = now_s
        self._held = 0.0
        self._learned_at_s = -inf
        self._reset_at_s = inf
        self._after_reset = 0.0  # what is left then: the limit, less what is taken until then

    def set_limit(self, now_s: float, limit: float) -> None:
        """Another limit per minute from now on."""
        self._fill(now_s)
        self._per_s = limit / MINUTE_S
        self._left = min(self._left, limit)
        self.limit = limit

    def learn(self, now_s: float, *, limit: float | None, left: float | None, reset_s: float | None) -> None:
        """The provider's own figures: less is left than was thought, or all of it after `reset_s`."""
        self._fill(now_s)
        if limit is not None:
            self.set_limit(now_s, limit)
        if left is not None and left < self._left:
            self._left = left
            self._learned_at_s = now_s
        if left is not None:
            self._reset_at_s = inf  # what was said before is out of date
        if reset_s is None:
            return
        self._reset_at_s = now_s + reset_s
        self._after_reset = self.limit
        if left is not None and left < self.limit and reset_s > MINUTE_S:  # it is a limit per hour, or per day
            self._per_s = (self.limit - left) / reset_s

    def wait_s(self, now_s: float, slot: Slot) -> float:
        self._fill(now_s)
        needed = min(self._amount(slot), self.limit) + self._held
        missing = needed - self._left
        if missing <= NEARLY * self.limit:
            return 0.0
        if needed > self.limit * (1 + NEARLY):
            return inf  # those who hold some of it must go first
        return min(missing / self._per_s, max(self._reset_at_s - now_s, 0.001))

    def take(self, now_s: float, slot: Slot) -> None:
        self._use(now_s, self._amount(slot))

    def give_back(self, now_s: float, slot: Slot, used_tokens: int | None) -> None:
        if self._unit == "requests" or used_tokens is None:
            return
        unused = slot.tokens - used_tokens
        if unused > 0 and slot.taken_at_s <= self._learned_at_s:
            return  # what the provider said was left has it in it already
        self._use(now_s, -unused)

    def undo(self, now_s: float, slot: Slot) -> None:
        if slot.taken_at_s > self._learned_at_s:
            self._use(now_s, -self._amount(slot))

    def hold(self, slot: Slot) -> None:
        self._held += min(self._amount(slot), self.limit)

    def let_go(self) -> None:
        self._held = 0.0

    def _amount(self, slot: Slot) -> int:
        return 1 if self._unit == "requests" else slot.tokens

    def _fill(self, now_s: float) -> None:
        self._left = min(self.limit, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if now_s >= self._reset_at_s:
            self._left = max(self._left, min(self._after_reset, self.limit))
            self._reset_at_s = inf

    def _use(self, now_s: float, amount: float) -> None:
        self._fill(now_s)
        self._left = min(self.limit, self._left - amount)
        self._after_reset -= max(amount, 0)  # what comes back may be from before the provider spoke
