"""The real clock, and ids that sort by the time they were made."""

import asyncio
import itertools
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime


class SystemClock:
    """The Clock port on the machine's clock and the running loop."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def alarm(self, after_s: float, ring: Callable[[], None]) -> Callable[[], None]:
        return asyncio.get_running_loop().call_later(after_s, ring).cancel


class SortedIds:
    """Ids such as "sevt_019a3c...": the time the process began, chance, and a count.

    Later ids sort after earlier ones of the same process, so that indexes grow at their end.
    """

    def __init__(self) -> None:
        self._stem = f"{time.time_ns() // 1_000_000:011x}{os.urandom(5).hex()}"
        self._count = itertools.count()

    def __call__(self, prefix: str) -> str:
        return f"{prefix}_{self._stem}{next(self._count):07x}"
