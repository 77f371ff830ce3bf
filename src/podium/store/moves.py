"""Which sessions other processes have written to.

A store counts the transactions that write to sessions, and each session's row has the number of the last one. The file
is read only after SQLite says that another connection has committed: that costs a look at shared memory.
"""

import sqlite3

from podium.store.queries import SQL


class Moves:
    """The count as the writer's connection sees it; for the writer's thread alone."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        # In this order: a commit between the two is looked for in vain later, and not missed.
        self._version = self._data_version()
        self._seen = self._own = self._last()
        self._number: int | None = None

    def begin(self) -> None:
        """A transaction begins."""
        self._number = None

    def number(self) -> int:
        """The number of the transaction under way. It holds the write lock, so nobody else has the same."""
        if self._number is None:
            self._number = self._last() + 1
        return self._number

    def committed(self) -> None:
        """The transaction stands."""
        if self._number is not None:
            self._own = self._number

    def elsewhere(self) -> list[str]:
        """The sessions that moved since this was last asked, if another connection wrote to any.

        Never asked within a transaction: there the answer stands still.
        """
        version = self._data_version()
        if version == self._version:
            self._seen = max(self._seen, self._own)  # what came since is ours
            return []
        rows = self._db.execute(SQL["moved_since"], (self._seen,)).fetchall()
        self._version = version
        if rows:
            self._seen = rows[-1][1]
        return [id for id, _ in rows]

    def _data_version(self) -> int:
        # Source: SQLite, "PRAGMA data_version": commits of the same connection leave it as it is.
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def _last(self) -> int:
        return int(self._db.execute(SQL["last_moved"]).fetchone()[0])
