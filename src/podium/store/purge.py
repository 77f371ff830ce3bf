"""Takes deleted sessions out of the database."""

import sqlite3

from podium.store.queries import SQL

_OF_A_SESSION = ("receipt", "listed", "answered", "open_call", "input", "thread")


def purge(db: sqlite3.Connection, before: int) -> list[str]:
    """Remove all that sessions have that were deleted before this time; their ids.

    Shape: runs in a transaction of the writer's. What other sessions hold too (blobs, definitions) stays.
    Units: `before` in microseconds since 1970.
    """
    deleted = db.execute(SQL["deleted_before"], (before,)).fetchall()
    for no, _ in deleted:
        hashes = db.execute(SQL["blobs_of"], (no, no)).fetchall()
        db.execute(SQL["purge_records"], (no, no))
        db.executemany(SQL["purge_blob"], hashes)
        for table in _OF_A_SESSION:
            db.execute(f"DELETE FROM {table} WHERE session = ?", (no,))
        db.execute(SQL["purged"], (no,))
    return [id for _, id in deleted]
