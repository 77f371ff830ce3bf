"""The keys of the API, in the database of the log.

Shape: one connection of its own, used by one thread. What was read is believed for a second, so that a busy server does
not ask for each request; what this process changes is seen at once.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from podium.core.keys import USE_KEPT, KeyRow
from podium.errors import NotFound, StoreError
from podium.store.folder import open_folder
from podium.store.queries import KEYS as SQL
from podium.store.sqlite_file import BUSY_S, FILE, connect, explain
from podium.store.times import micros, micros_or_none, time_of, time_or_none

T = TypeVar("T")
BELIEVED_S = 1.0
_MOST_BELIEVED = 1000


class SqliteKeys:
    """The Keys port on SQLite."""

    def __init__(self, folder: Path, *, busy_s: float = BUSY_S, now_s: Callable[[], float] = time.monotonic) -> None:
        """Shape: `now_s` is the time by which what was read grows old.

        Errors: StoreDown, StoreCorrupt.
        """
        self._file = folder / FILE
        self._now_s = now_s
        self._db = connect(self._file, self._explain, busy_s)
        self._thread = ThreadPoolExecutor(1, "podium-keys")
        self._believed: dict[str, tuple[float, KeyRow | None]] = {}

    @classmethod
    def open(cls, folder: Path) -> "SqliteKeys":
        """The keys of this data folder, which is made if need be. Errors: StoreDown, StoreCorrupt."""
        return cls(open_folder(folder))

    async def create(self, row: KeyRow) -> None:
        await self._do(lambda: self._db.execute(SQL["insert_key"], _values(row)))
        self._believed.pop(row.id, None)

    async def key(self, id: str) -> KeyRow | None:
        now_s = self._now_s()
        believed = self._believed.get(id)
        if believed is not None and now_s < believed[0] + BELIEVED_S:
            return believed[1]
        row = await self._do(lambda: self._read(id))
        if len(self._believed) >= _MOST_BELIEVED:  # by then somebody makes ids up
            self._believed.clear()
        self._believed[id] = now_s, row
        return row

    async def keys(self) -> list[KeyRow]:
        rows = await self._do(lambda: self._db.execute(SQL["keys"]).fetchall())
        return [_row(values) for values in rows]

    async def revoke(self, id: str, at: datetime) -> KeyRow:
        def job() -> KeyRow | None:
            self._db.execute(SQL["revoke_key"], (micros(at), id))
            return self._read(id)

        row = await self._do(job)
        self._believed.pop(id, None)
        if row is None:
            raise NotFound(f"there is no key '{id}' here; `podium key list` lists them")
        return row

    async def used(self, id: str, at: datetime) -> None:
        believed = self._believed.get(id)
        row = None if believed is None else believed[1]
        if row is not None and row.last_used_at is not None and at < row.last_used_at + USE_KEPT:
            return
        if believed is not None and row is not None:  # before it is written: calls at once write it once
            self._believed[id] = believed[0], msgspec.structs.replace(row, last_used_at=at)
        times = {"id": id, "at": micros(at), "before": micros(at - USE_KEPT)}
        await self._do(lambda: self._db.execute(SQL["use_key"], times))

    async def close(self) -> None:
        self._thread.shutdown(wait=True)
        self._db.close()

    async def _do(self, job: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, job)
        except sqlite3.Error as error:
            raise self._explain(error) from error

    def _read(self, id: str) -> KeyRow | None:
        values = self._db.execute(SQL["key"], (id,)).fetchone()
        return None if values is None else _row(values)

    def _explain(self, error: sqlite3.Error) -> StoreError:
        return explain(error, self._file)


def _values(row: KeyRow) -> tuple[Any, ...]:
    return (
        row.id,
        row.workspace,
        row.name,
        msgspec.json.encode(row.scopes).decode(),
        row.hash,
        micros(row.created_at),
        micros_or_none(row.last_used_at),
        micros_or_none(row.expires_at),
        micros_or_none(row.revoked_at),
        int(row.made_by_server),
    )


def _row(values: Sequence[Any]) -> KeyRow:
    id, workspace, name, scopes, hash, created_at, last_used_at, expires_at, revoked_at, made_by_server = values
    return KeyRow(
        id=id,
        workspace=workspace,
        name=name,
        scopes=msgspec.json.decode(scopes, type=tuple[str, ...]),
        hash=hash,
        created_at=time_of(created_at),
        last_used_at=time_or_none(last_used_at),
        expires_at=time_or_none(expires_at),
        revoked_at=time_or_none(revoked_at),
        made_by_server=bool(made_by_server),
    )
