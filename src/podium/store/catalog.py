"""The catalog in the database of the log.

Shape: one connection of its own, used by one thread; each call is one short transaction there.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from podium.core.catalog import AgentRow, EnvironmentRow, Look, Page, Wanted
from podium.core.ports import Receipt
from podium.errors import NotFound, StoreError
from podium.store.folder import open_folder
from podium.store.queries import CATALOG as SQL
from podium.store.receipts import keep, known
from podium.store.sqlite_file import BUSY_S, FILE, connect, explain
from podium.store.sqlite_writer import to_json
from podium.store.times import micros_or_none, time_of, time_or_none

T = TypeVar("T")
Row = TypeVar("Row", AgentRow, EnvironmentRow)


class SqliteCatalog:
    """The Catalog port on SQLite."""

    def __init__(self, folder: Path, busy_s: float = BUSY_S) -> None:
        self._file, self._busy_s = folder / FILE, busy_s
        self._db = connect(self._file, self._explain, busy_s)
        self._thread = ThreadPoolExecutor(1, "podium-catalog")

    @classmethod
    def open(cls, folder: Path, *, busy_s: float = BUSY_S) -> "SqliteCatalog":
        """The catalog of this data folder, which is made or brought up to date if need be.

        Units: `busy_s` seconds to wait for a database that another process has locked.
        Errors: StoreDown, StoreCorrupt.
        """
        return cls(open_folder(folder), busy_s)

    async def create_agent(
        self, workspace: str, make: Callable[[Look], AgentRow], receipt: Receipt | None = None
    ) -> AgentRow:
        def create(db: sqlite3.Connection) -> AgentRow:
            row = make(_look(db, workspace))
            values = _values(row)
            db.execute(SQL["insert_agent"], values)
            db.execute(SQL["insert_version"], values)
            return row

        return await self._write(lambda db: _once(db, receipt, AgentRow, create))

    async def change_agent(self, workspace: str, id: str, change: Callable[[AgentRow, Look], AgentRow]) -> AgentRow:
        def update(db: sqlite3.Connection) -> AgentRow:
            look = _look(db, workspace)
            before = _agent(look, id, None)
            row = change(before, look)
            if row == before:
                return row
            values = _values(row)
            db.execute(SQL["update_agent"], values)
            if row.version != before.version:
                db.execute(SQL["insert_version"], values)
            return row

        return await self._write(update)

    async def agent(self, workspace: str, id: str, version: int | None = None) -> AgentRow:
        return await self._read(lambda db: _agent(_look(db, workspace), id, version))

    async def agents(self, workspace: str, wanted: Wanted) -> Page[AgentRow]:
        return await self._read(lambda db: _page(db, SQL["agents"], wanted, _agent_row, workspace=workspace))

    async def versions(self, workspace: str, id: str, wanted: Wanted) -> Page[AgentRow]:
        def read(db: sqlite3.Connection) -> Page[AgentRow]:
            _agent(_look(db, workspace), id, None)
            return _page(db, SQL["agent_versions"], wanted, _agent_row, workspace=workspace, id=id)

        return await self._read(read)

    async def look(self, workspace: str, read: Callable[[Look], T]) -> T:
        return await self._read(lambda db: read(_look(db, workspace)))

    async def create_environment(self, row: EnvironmentRow, receipt: Receipt | None = None) -> EnvironmentRow:
        def create(db: sqlite3.Connection) -> EnvironmentRow:
            db.execute(SQL["insert_environment"], _values(row))
            return row

        return await self._write(lambda db: _once(db, receipt, EnvironmentRow, create))

    async def change_environment(
        self, workspace: str, id: str, change: Callable[[EnvironmentRow], EnvironmentRow]
    ) -> EnvironmentRow:
        def update(db: sqlite3.Connection) -> EnvironmentRow:
            before = _environment(db, workspace, id)
            row = change(before)
            if row != before:
                db.execute(SQL["update_environment"], _values(row))
            return row

        return await self._write(update)

    async def environment(self, workspace: str, id: str) -> EnvironmentRow:
        return await self._read(lambda db: _environment(db, workspace, id))

    async def environments(self, workspace: str, wanted: Wanted) -> Page[EnvironmentRow]:
        return await self._read(
            lambda db: _page(db, SQL["environments"], wanted, _environment_row, workspace=workspace)
        )

    async def delete_environment(self, workspace: str, id: str, check: Callable[[EnvironmentRow, int], None]) -> None:
        def delete(db: sqlite3.Connection) -> None:
            row = _environment(db, workspace, id)
            at = {"workspace": workspace, "id": id}
            check(row, db.execute(SQL["sessions_in_environment"], at).fetchone()[0])
            db.execute(SQL["delete_environment"], at)

        await self._write(delete)

    async def close(self) -> None:
        self._thread.shutdown(wait=True)
        self._db.close()

    async def _write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        return await self._do("BEGIN IMMEDIATE", job)

    async def _read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        return await self._do("BEGIN", job)

    async def _do(self, begin: str, job: Callable[[sqlite3.Connection], T]) -> T:
        def run() -> T:
            try:
                with _transaction(self._db, begin):
                    return job(self._db)
            except (sqlite3.Error, msgspec.DecodeError) as error:
                raise self._explain(error) from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    def _explain(self, error: Exception) -> StoreError:
        return explain(error, self._file, busy_s=self._busy_s)


@contextmanager
def _transaction(db: sqlite3.Connection, begin: str) -> Iterator[None]:
    db.execute(begin)
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _once(
    db: sqlite3.Connection, receipt: Receipt | None, kind: type[Row], create: Callable[[sqlite3.Connection], Row]
) -> Row:
    """What is created, or was by the same request before. Errors: Conflict if that was another request."""
    done = known(db, receipt)
    if done is not None:
        return msgspec.json.decode(done, type=kind)
    row = create(db)
    keep(db, receipt, to_json(row), row.created_at)
    return row


def _look(db: sqlite3.Connection, workspace: str) -> Look:
    def look(id: str, version: int | None) -> AgentRow | None:
        row = db.execute(SQL["agent"], {"workspace": workspace, "id": id, "version": version}).fetchone()
        return None if row is None else _agent_row(row)

    return look


def _agent(look: Look, id: str, version: int | None) -> AgentRow:
    row = look(id, version)
    if row is not None:
        return row
    if version is not None and look(id, None) is not None:
        raise NotFound(f"agent {id} has no version {version}")
    raise NotFound(f"there is no agent '{id}' here")


def _environment(db: sqlite3.Connection, workspace: str, id: str) -> EnvironmentRow:
    row = db.execute(SQL["environment"], {"workspace": workspace, "id": id}).fetchone()
    if row is None:
        raise NotFound(f"there is no environment '{id}' here")
    return _environment_row(row)


def _page(
    db: sqlite3.Connection, select: str, wanted: Wanted, row: Callable[[Sequence[Any]], Row], **where: str
) -> Page[Row]:
    """A page, and its last row's place in the list if there is more."""
    bounds = {name: micros_or_none(getattr(wanted, name)) for name in ("gt", "gte", "lt", "lte")}
    values = {**where, **bounds, "after": wanted.after, "archived": wanted.archived, "limit": wanted.limit + 1}
    found = db.execute(select, values).fetchall()
    shown = found[: wanted.limit]
    return Page(rows=tuple(row(each[:-1]) for each in shown), next=shown[-1][-1] if len(found) > len(shown) else None)


def _values(row: AgentRow | EnvironmentRow) -> dict[str, Any]:
    values = msgspec.structs.asdict(row)
    times = {name: micros_or_none(values[name]) for name in ("created_at", "updated_at", "archived_at")}
    return {**values, **times, "body": to_json(row.body)}


def _agent_row(values: Sequence[Any]) -> AgentRow:
    id, workspace, version, created_at, updated_at, archived_at, body = values
    return AgentRow(
        id=id,
        workspace=workspace,
        version=version,
        created_at=time_of(created_at),
        updated_at=time_of(updated_at),
        archived_at=time_or_none(archived_at),
        body=msgspec.json.decode(body),
    )


def _environment_row(values: Sequence[Any]) -> EnvironmentRow:
    id, workspace, created_at, updated_at, archived_at, body = values
    return EnvironmentRow(
        id=id,
        workspace=workspace,
        created_at=time_of(created_at),
        updated_at=time_of(updated_at),
        archived_at=time_or_none(archived_at),
        body=msgspec.json.decode(body),
    )
