"""Several processes on one data folder, watched through the log they share."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

from podium.core.records import Record
from podium.store.sqlite import read_log

SOON_S = 30.0  # a limit for what takes a moment, on a busy machine
LOOK_S = 0.01


class Seen:
    """The log of the newest session in a data folder, as far as it is written."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def records(self) -> list[Record]:
        """The records; none while there is no session."""
        session = self.session()
        return read_log(self._data, session) if session else []

    def session(self) -> str:
        """The session's id, or ""."""
        file = self._data / "podium.db"
        if not file.exists():
            return ""
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as db:
            try:
                rows = db.execute("SELECT id FROM session ORDER BY no DESC LIMIT 1").fetchall()
            except sqlite3.OperationalError:  # it is being made
                return ""
        return str(rows[0][0]) if rows else ""

    def types(self) -> list[str]:
        """The types of its records."""
        return [record.type for record in self.records()]


async def until(holds: Callable[[], bool]) -> None:
    """Return once it holds. Fails where it does not within a bounded time."""
    async with asyncio.timeout(SOON_S):
        while not holds():  # noqa: ASYNC110  # no event tells what another process has written
            await asyncio.sleep(LOOK_S)
