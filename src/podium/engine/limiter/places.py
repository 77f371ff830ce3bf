"""A cap on calls under way: a gate with so many places."""

from math import inf

from podium.engine.limiter.slot import Slot


class Places:
    """The places of one cap. Shape: `most` is None when the cap is gone but calls under way still count."""

    def __init__(self, key: str, most: int) -> None:
        self.key = key
        self.most: int | None = most
        self._taken = 0
        self._held = 0

    @property
    def is_over(self) -> bool:
        """Whether nobody needs it any more."""
        return self.most is None and self._taken == 0

    def wait_s(self, now_s: float, slot: Slot) -> float:
        return 0.0 if self.most is None or self._taken + self._held < self.most else inf

    def take(self, now_s: float, slot: Slot) -> None:
        self._taken += 1

    def give_back(self, now_s: float, slot: Slot, used_tokens: int | None) -> None:
        self._taken -= 1

    def undo(self, now_s: float, slot: Slot) -> None:
        self._taken -= 1

    def hold(self, slot: Slot) -> None:
        self._held += 1

    def let_go(self) -> None:
        self._held = 0
