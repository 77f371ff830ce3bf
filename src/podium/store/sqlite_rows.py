"""What the database holds of a session, read back as records and rows."""

import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from podium.core.events import StopReason, Usage
from podium.core.records import Event, Record, decode
from podium.core.rows import About, CallRow, SessionFacts, SessionRow, Status, ThreadRow, View
from podium.errors import NotFound
from podium.store.queries import SQL
from podium.store.sqlite_writer import seq_of
from podium.store.times import time_of, time_or_none


def read_records(db: sqlite3.Connection, session: str, after: int, limit: int) -> list[Record]:
    """A page of a session's log."""
    rows = db.execute(SQL["records"], (after, session, session, limit)).fetchall()
    return [
        Record(session, seq_of(key), thread, views, time_of(at), body, decode(body))
        for key, thread, views, at, body in rows
    ]


def find_event(db: sqlite3.Connection, session: str, id: str) -> Event | None:
    """The listed event of this id."""
    row = db.execute(SQL["listed_at"], (session, id)).fetchone()
    return None if row is None else read_records(db, session, row[0] - 1, 1)[0].event


def read_session(db: sqlite3.Connection, id: str) -> SessionRow:
    """The session's row. Errors: NotFound, also for one that was deleted."""
    row = db.execute(SQL["session"], (id,)).fetchone()
    if row is None:
        raise NotFound(f"there is no session {id} here")
    return session_row(row)


def none_of(db: sqlite3.Connection, session: str) -> list[Any]:
    """Nothing, of a session that exists, or did: who followed it to its end is told no error. Errors: NotFound."""
    if db.execute(SQL["session_head"], (session,)).fetchone() is None:
        raise NotFound(f"there is no session {session} here")
    return []


def session_row(row: Sequence[Any]) -> SessionRow:
    """The row that a statement which reads sessions gave."""
    id, workspace, title, metadata, budget, archived_at, deleted_at, *rest = row
    agent, agent_name, agent_id, agent_number, environment, has_prices, created_at, updated_at, *rest = rest
    needs, program, *facts, paused, head, epoch, owner = rest
    about = About(
        title,
        msgspec.json.decode(metadata, type=dict[str, str]),
        None if budget is None else Decimal(budget),
        time_or_none(archived_at),
        time_or_none(deleted_at),
    )
    return SessionRow(
        id=id,
        workspace=workspace,
        about=about,
        agent=agent,
        agent_name=agent_name,
        agent_id=agent_id,
        agent_number=agent_number,
        environment=environment,
        has_prices=bool(has_prices),
        created_at=time_of(created_at),
        updated_at=time_of(updated_at),
        needs=msgspec.json.decode(needs, type=tuple[str, ...]),
        program=program,
        facts=_facts(*facts),
        paused=bool(paused),
        head=head,
        epoch=epoch,
        owner=owner,
    )


def _facts(
    status: Status,
    stop_reason: str | None,
    usage: str,
    usd: str,
    wake_at: int | None,
    active_s: float,
    threads_s: float,
    running_since: int | None,
    over_budget: int,
    open_run: str,
) -> SessionFacts:
    return SessionFacts(
        status,
        _stop_reason(stop_reason),
        msgspec.json.decode(usage, type=Usage),
        msgspec.convert(usd, Decimal),
        time_or_none(wake_at),
        active_s,
        threads_s,
        time_or_none(running_since),
        bool(over_budget),
        open_run,
    )


def _stop_reason(text: str | None) -> StopReason | None:
    return None if text is None else msgspec.json.decode(text, type=StopReason)


def read_threads(db: sqlite3.Connection, session: str) -> list[ThreadRow]:
    """The session's threads, in the order they were created."""
    return [_thread_row(row) for row in db.execute(SQL["threads"], (session,)).fetchall()]


def _thread_row(row: Sequence[Any]) -> ThreadRow:
    id, parent, agent, agent_name, status, stop_reason, usage, created_at, updated_at, *rest = row
    usd, active_s, since, workflow_run = rest
    return ThreadRow(
        id,
        parent,
        agent,
        agent_name,
        status,
        _stop_reason(stop_reason),
        None if usage is None else msgspec.json.decode(usage, type=Usage),
        time_of(created_at),
        time_of(updated_at),
        None if usd is None else Decimal(usd),
        active_s,
        time_or_none(since),
        workflow_run,
    )


def read_open_calls(db: sqlite3.Connection, session: str) -> list[CallRow]:
    """The session's calls that wait for somebody."""
    return [CallRow(*row) for row in db.execute(SQL["open_calls"], (session,)).fetchall()]


def read_view(db: sqlite3.Connection, session: str) -> View:
    """What admission sees of the session. Errors: NotFound."""
    return View(
        read_session(db, session),
        tuple(read_threads(db, session)),
        tuple(read_open_calls(db, session)),
        lambda id: find_event(db, session, id),
    )
