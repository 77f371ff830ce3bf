"""Lists of sessions: the clauses of what is asked for, so that each list is read along an index."""

import sqlite3
from typing import Any

from podium.core.lists import ListedSession, SessionsWanted
from podium.core.rows import SessionRow
from podium.store.queries import SQL
from podium.store.times import micros, time_of


def statement(wanted: SessionsWanted) -> tuple[str, list[Any]]:
    """The statement, and its values."""
    clauses, values = ["workspace = ?", "deleted_at IS NULL"], [wanted.workspace]

    def where(clause: str, *given: Any) -> None:
        clauses.append(clause)
        values.extend(given)

    if not wanted.archived:
        where("archived_at IS NULL")
    if wanted.agent is not None:
        where("agent_id = ?", wanted.agent)
    if wanted.number is not None:
        where("agent_number = ?", wanted.number)
    if wanted.statuses:
        where(f"status IN ({', '.join('?' * len(wanted.statuses))})", *wanted.statuses)
    made = wanted.made
    for sign, at in ((">", made.gt), (">=", made.gte), ("<", made.lt), ("<=", made.lte)):
        if at is not None:
            where(f"created_at {sign} ?", micros(at))
    if wanted.after is not None:
        sign = "<" if wanted.newest_first else ">"
        where(f"(created_at, id) {sign} (?, ?)", micros(wanted.after.created_at), wanted.after.id)
    order = "DESC" if wanted.newest_first else "ASC"
    select = f"{SQL['all_sessions']} WHERE {' AND '.join(clauses)}"
    return f"{select} ORDER BY created_at {order}, id {order} LIMIT ?", [*values, wanted.limit]


def listed(db: sqlite3.Connection, row: SessionRow) -> ListedSession:
    """The session with what its object shows of its threads."""
    threads = db.execute(SQL["listed_threads"], (row.id,)).fetchall()
    primary, agent = next((id, agent) for id, parent, agent, _ in threads if parent is None)
    running = [time_of(since) for *_, since in threads if since is not None]
    return ListedSession(row, primary, agent, tuple(running))
