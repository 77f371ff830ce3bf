"""Who may call which model now: caps on calls under way, per session, model and provider.

A call takes one place of each capped key, all or none, and holds nothing while it waits: a thread that waits for its
children, or for a place, is in nobody's way. Those who wait are served in the order they came. A thread waits for one
place at a time, so that order is fair between threads.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping

Slot = tuple[str, ...]  # the capped keys of one call


class Limiter:
    """One for the process, on one event loop."""

    def __init__(self) -> None:
        self._caps: dict[str, int] = {}
        self._taken: Counter[str] = Counter()
        self._waiting: deque[tuple[Slot, asyncio.Future[None]]] = deque()

    def cap(self, caps: Mapping[str, int]) -> None:
        """Set caps by key: "session:ID", "model:NAME", "provider:NAME". A cap for a model holds for all sessions."""
        self._caps.update(caps)
        self._serve(set(caps))

    def uncap(self, key: str) -> None:
        """Forget a cap, such as that of a session that is over."""
        self._caps.pop(key, None)
        self._serve({key})

    def slot(self, session: str, model: str, provider: str) -> Slot:
        """What a call of this session to this model needs: the keys that are capped."""
        if not self._caps:
            return ()
        return tuple(
            key for key in (f"session:{session}", f"model:{model}", f"provider:{provider}") if key in self._caps
        )

    def take(self, slot: Slot) -> bool:
        """Take a place now, if there is one.

        Nobody is overtaken for it: a place that somebody waits for alone is never free, it is handed on.
        """
        if not self._fits(slot):
            return False
        self._taken.update(slot)
        return True

    async def wait(self, slot: Slot) -> None:
        """Wait for a place and take it. Cancelled, it has taken none."""
        if self.take(slot):  # it came free since the caller looked, and nobody will hand it on again
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((slot, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given a place in the very moment
                self.give_back(slot)
            else:
                self._waiting.remove((slot, turn))
            raise

    def give_back(self, slot: Slot) -> None:
        """A call is over: whoever waited longest and fits goes next."""
        if not slot:
            return
        self._taken.subtract(slot)
        self._serve(set(slot))

    def _serve(self, free: set[str]) -> None:
        """Give places of these keys to those who wait, in their order."""
        passed: list[tuple[Slot, asyncio.Future[None]]] = []
        while self._waiting and free:
            waiting, turn = self._waiting.popleft()
            if turn.done() or not self._fits(waiting):
                passed.append((waiting, turn))
                continue
            self._taken.update(waiting)
            turn.set_result(None)
            free = {key for key in free if self._taken[key] < self._caps.get(key, self._taken[key] + 1)}
        self._waiting.extendleft(reversed(passed))

    def _fits(self, slot: Slot) -> bool:
        return all(self._taken[key] < self._caps.get(key, self._taken[key] + 1) for key in slot)
