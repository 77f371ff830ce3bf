"""The real clock, and ids that sort by the time they were made."""

import asyncio
import itertools
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

from podium.core.base62 import base62


class SystemClock:
    """The Clock port on the machine's clock and the running loop."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def alarm(self, after_s: float, ring: Callable[[], None]) -> Callable[[], None]:
        return asyncio.get_running_loop().call_later(after_s, ring).cancel


class SortedIds:
    """Ids such as "sevt_1CkTzBk4fQa00001f": when the process began, chance, and a count.

    Short, since the log holds each many times; later ids sort after earlier ones of the same process, so that indexes
    grow at their end.
    """

    def __init__(self) -> None:
        self._count = itertools.count()
        self._renew()

    def _renew(self) -> None:
        began_ms, chance = time.time_ns() // 1_000_000, int.from_bytes(os.urandom(4))
        self._stem = base62(began_ms, 7) + base62(chance % 62**4, 4)

    def __call__(self, prefix: str) -> str:
        count = next(self._count)
        if count >= _MOST:
            self._count = itertools.count(1)
            self._renew()
            count = 0
        return f"{prefix}_{self._stem}{count:06x}"


_MOST = 16**6
