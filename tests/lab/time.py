"""Simulated time: an event loop that jumps to its next timer when nothing is left to do, and the Clock port on it."""

import asyncio
import selectors
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2025, 1, 1, tzinfo=UTC)
MOST_ROUNDS = 200_000  # rounds of the loop without time passing: more is a loop that spins


class Stuck(AssertionError):
    """Nothing can ever happen again, or everything happens and time stands still."""


class _Jump(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout == 0:
            self._rounds += 1
            if self._rounds > MOST_ROUNDS:
                raise Stuck(f"the loop went round {MOST_ROUNDS:,} times at {self.now_s:g} s: something spins")
            return []
        if timeout is None:
            raise Stuck(f"at {self.now_s:g} s everybody waits, and nothing will ever happen")
        self._rounds = 0
        self.now_s += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is simulated, and whose order of events is the same in every run.

    Nothing but timers and callbacks can happen in it: no sockets, no threads.
    """

    def __init__(self, now_s: float = 0.0) -> None:
        self._jump = _Jump()
        self._jump.now_s = now_s
        super().__init__(self._jump)
        self.set_debug(False)
        self.set_exception_handler(self._note)
        self.complaints: list[dict[str, Any]] = []

    def time(self) -> float:
        return self._jump.now_s

    def _note(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.complaints.append(context)


class SimulatedClock:
    """The Clock port on a loop: its time of day passes as the loop's time does."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return START + timedelta(seconds=self._loop.time())

    def alarm(self, after_s: float, ring: Callable[[], None]) -> Callable[[], None]:
        return self._loop.call_later(after_s, ring).cancel
