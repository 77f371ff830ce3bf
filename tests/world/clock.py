"""Clocks for sessions over real sockets, where nobody wants to wait for a backoff."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class HastyClock:
    """Rings every alarm at once, and is then as late as if it had waited. Limits in seconds are met at once, too."""

    def __init__(self) -> None:
        self._skipped = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._skipped

    def alarm(self, after_s: float, ring: Callable[[], None]) -> Callable[[], None]:
        def skip() -> None:
            self._skipped += timedelta(seconds=after_s)
            ring()

        return asyncio.get_running_loop().call_soon(skip).cancel


class HandClock:
    """Stands still until it is put forward."""

    def __init__(self, at: datetime) -> None:
        self._now = at
        self._is_set = asyncio.Event()
        self._alarms: dict[object, tuple[datetime, Callable[[], None]]] = {}

    def now(self) -> datetime:
        return self._now

    def alarm(self, after_s: float, ring: Callable[[], None]) -> Callable[[], None]:
        key = object()
        self._alarms[key] = self._now + timedelta(seconds=after_s), ring
        self._is_set.set()

        def unset() -> None:
            self._alarms.pop(key, None)

        return unset

    async def until_set(self, due: datetime) -> None:
        """Return once somebody waits for this very time."""
        while all(due != at for at, _ in self._alarms.values()):
            self._is_set.clear()
            await self._is_set.wait()

    def forward(self, by: timedelta) -> None:
        """Ring what is due by then."""
        self._now += by
        for key, (due, ring) in list(self._alarms.items()):
            if due <= self._now:
                self._alarms.pop(key, None)
                ring()
