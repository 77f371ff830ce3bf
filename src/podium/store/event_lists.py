"""Lists of events: what a thread's stream shows, read a bounded part of the log at a time."""

import sqlite3
from collections.abc import Iterator

from podium.core.lists import EventsWanted
from podium.core.records import OWN, PRIMARY, Record, decode
from podium.store.queries import SQL
from podium.store.sqlite_writer import seq_of
from podium.store.times import time_of

WINDOW = 4_000  # records of the log that are looked at in one go: so long others wait at most


def windows(wanted: EventsWanted) -> Iterator[tuple[int, int]]:
    """The parts of the log to look at, one after the other: above a seq, up to a seq."""
    if wanted.newest_first:
        for high in range(wanted.high, wanted.low, -WINDOW):
            yield max(wanted.low, high - WINDOW), high
    else:
        for low in range(wanted.low, wanted.high, WINDOW):
            yield low, min(wanted.high, low + WINDOW)


def read_window(
    db: sqlite3.Connection, session: str, wanted: EventsWanted, low: int, high: int, limit: int
) -> list[Record]:
    """The events of one part that stand in the list, `limit` at most."""
    order = "shown_desc" if wanted.newest_first else "shown"
    seen_on = PRIMARY if wanted.is_primary else 0
    values = {"session": session, "low": low, "high": high, "thread": wanted.thread, "own": OWN, "seen_on": seen_on}
    # Bodies begin with their type: those of other types need not be read.
    heads = tuple(b'{"type":"' + kind.encode() + b'"' for kind in wanted.types)

    def records() -> Iterator[Record]:
        for key, thread, views, at, body in db.execute(SQL[order], values):
            if not heads or body.startswith(heads):
                time = time_of(at)
                yield Record(session, seq_of(key), thread, views, time, body, decode(body))

    return wanted.listed(records(), limit)
