"""The store in one SQLite file.

Shape: `<data>/podium.db` in WAL mode with synchronous=FULL, so that what is acknowledged survives the power going off.
Writes go through one thread in groups; reads have a connection of their own in another thread, fetch a bounded page and
finish the statement before anything is awaited.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from podium.core.admission import admit, check_there, goes_on
from podium.core.definitions import Definition
from podium.core.events import PublicEvent
from podium.core.inputs import InputRequest
from podium.core.lists import EventsWanted, ListedSession, SessionsWanted
from podium.core.moment import Moment
from podium.core.ports import Append, Clock, NewId, NewSession, Onto, Receipt
from podium.core.records import Draft, Record
from podium.core.rows import CallRow, Changes, InputRow, Owner, SessionRow, ThreadRow
from podium.errors import NotFound, Owned, Refused, StoreError
from podium.store.definitions import collect
from podium.store.event_lists import read_window, windows
from podium.store.folder import open_folder
from podium.store.group_commit import GroupCommit
from podium.store.purge import purge
from podium.store.queries import SQL
from podium.store.receipts import keep, known
from podium.store.session_lists import listed, statement
from podium.store.sqlite_file import BUSY_S, FILE, connect, explain
from podium.store.sqlite_rows import (
    none_of,
    read_open_calls,
    read_records,
    read_session,
    read_threads,
    read_view,
    session_row,
)
from podium.store.sqlite_writer import Job, PreparedAppend, Writer, prepare, to_json
from podium.store.times import micros
from podium.store.workers import Workers

T = TypeVar("T")


class SqliteStore:
    """The Store port on SQLite. Made by `open`, inside the event loop that uses it."""

    def __init__(self, folder: Path, clock: Clock, new_id: NewId, busy_s: float = BUSY_S) -> None:
        self.folder = folder
        self._busy_s = busy_s
        self._clock = clock
        self._new_id = new_id
        self._workers = Workers(folder / "workers", new_id("wrkr"))
        try:
            db = connect(folder / FILE, self._explain, busy_s)
            self._driven: set[str] = set()
            self._writer = Writer(db, self._explain)
            self._reader = connect(folder / FILE, self._explain, busy_s)
        except BaseException as error:
            self._workers.close(owns_sessions=False)
            if isinstance(error, sqlite3.Error):
                raise self._explain(error) from error
            raise
        self._group: GroupCommit[PreparedAppend | Job] = GroupCommit(self._writer.commit, name="podium-log")
        self._reads = ThreadPoolExecutor(1, "podium-read")

    @classmethod
    def open(cls, folder: Path, clock: Clock, new_id: NewId, *, busy_s: float = BUSY_S) -> "SqliteStore":
        """The store in this data folder, made or brought up to date if need be.

        Units: `busy_s` seconds to wait for a database that another process has locked.
        Errors: StoreDown, StoreCorrupt, with the folder and the remedy.
        """
        return cls(open_folder(folder), clock, new_id, busy_s)

    # --- writing -------------------------------------------------------------------------------------

    async def create(self, new: NewSession, receipt: Receipt | None = None) -> int:
        if new.id in self._driven:
            raise Refused(f"there is a session {new.id} already")
        append = prepare(Append(session=new.id, epoch=1, drafts=new.drafts, changes=new.changes))

        def job(writer: Writer) -> int:
            if known(writer.db, receipt) is not None:
                return 0
            _check_environment(writer.db, new)
            definition, created_at = new.definitions[new.agent], micros(new.drafts[0].at)
            row = (
                new.workspace,
                new.id,
                new.about.title,
                to_json(new.about.metadata).decode(),
                new.agent,
                new.agent_name,
                definition.agent_id,
                definition.agent_number,
                new.environment,
                int(new.has_prices),
                None if new.about.budget is None else str(new.about.budget),
                created_at,
                created_at,
                to_json(new.needs).decode(),
                new.program,
                new.changes.session.status,
                self._workers.id if new.is_driven else None,
            )
            writer.db.execute(SQL["insert_session"], row)
            bodies = [(version, to_json(body)) for version, body in new.definitions.items()]
            writer.db.executemany(SQL["insert_definition"], bodies)
            outcome = writer.together([append])[0]
            if isinstance(outcome, BaseException):
                raise outcome
            keep(writer.db, receipt, to_json(new.id), new.drafts[0].at, new.id)
            return 1

        if not new.is_driven:
            return int(await self._group.submit(job))
        self._driven.add(new.id)
        epoch: int = 0
        try:
            epoch = await self._group.submit(job)
        finally:
            if epoch == 0:
                self._driven.discard(new.id)
        return int(epoch)

    async def made(self, receipt: Receipt) -> str | None:
        def read(db: sqlite3.Connection) -> str | None:
            done = known(db, receipt)
            return None if done is None else msgspec.json.decode(done, type=str)

        return await self._read(read)

    async def claim(self, session: str) -> int:
        if session in self._driven:
            raise Owned(f"session {session} is being driven by this very process")
        self._driven.add(session)

        try:
            epoch: int = await self._group.submit(lambda writer: self._claim(writer, session))
        except BaseException:
            self._driven.discard(session)
            raise
        return epoch

    def _claim(self, writer: Writer, session: str) -> int:
        head = writer.db.execute(SQL["session_head"], (session,)).fetchone()
        if head is None:
            raise NotFound(f"there is no session {session} in {self.folder}")
        _, epoch, _, owner = head
        if owner is not None and owner != self._workers.id and (alive := self._workers.owner(owner)) is not None:
            raise Owned(_owned_text(session, alive))
        writer.db.execute(SQL["claim_session"], (self._workers.id, writer.moves.number(), session))
        return int(epoch) + 1

    def append(self, append: Append) -> Awaitable[int]:
        done = self._group.submit(prepare(append))
        if append.release:
            done.add_done_callback(lambda done: self._released(append.session, done))
        return done

    def _released(self, session: str, done: "asyncio.Future[Any]") -> None:
        if not done.cancelled() and done.exception() is None:
            self._driven.discard(session)

    def dropped(self, session: str) -> None:
        self._driven.discard(session)

    async def admit(
        self,
        session: str,
        *requests: InputRequest,
        receipt: Receipt | None = None,
        workspace: str | None = None,
        onto: Onto | None = None,
    ) -> tuple[PublicEvent, ...]:
        def job(writer: Writer) -> _Admitted:
            if (done := known(writer.db, receipt)) is not None:
                return _Admitted(msgspec.json.decode(done, type=tuple[PublicEvent, ...]))
            view = read_view(writer.db, session)
            check_there(view.row, workspace)
            before, admitted, changed = view.row, _Admitted(), list[Changes]()
            for number, request in enumerate(requests):
                if number > 0:  # each is decided on what those before it wrote
                    view = read_view(writer.db, session)
                at = Moment(self._clock.now(), self._new_id)
                try:
                    event, changes = admit(view, request, at, requests[number + 1 :])
                    append = Append(session=session, epoch=view.row.epoch, drafts=at.drafts, changes=changes)
                    outcome = writer.together([prepare(append)])[0]
                    if isinstance(outcome, BaseException):
                        raise outcome
                except (Refused, NotFound) as error:
                    error.request = number
                    raise
                changed.append(changes)
                admitted.drafts += at.drafts
                if event is not None:
                    admitted.events += (event,)
            keep(writer.db, receipt, to_json(admitted.events), self._clock.now(), session)
            if wanted is not None and goes_on(before, changed, wanted):
                admitted.first, admitted.epoch = before.head + 1, self._claim(writer, session)
            return admitted

        wanted = onto if session not in self._driven else None  # its driver sees to it
        if wanted is not None:
            self._driven.add(session)
        done = self._group.submit(job)
        if wanted is not None:
            done.add_done_callback(lambda done: self._went_on(session, wanted, done))
        admitted: _Admitted = await asyncio.shield(done)  # who is cancelled takes it from no driver
        return admitted.events

    def _went_on(self, session: str, onto: Onto, done: "asyncio.Future[_Admitted]") -> None:
        """It is known whether the session was claimed for the driver that would go on."""
        admitted = None if done.cancelled() or done.exception() is not None else done.result()
        if admitted is None or admitted.epoch is None:
            self._driven.discard(session)
        else:
            onto.claimed(admitted.epoch, admitted.first, admitted.drafts)

    # --- reading -------------------------------------------------------------------------------------

    async def records(self, session: str, *, after: int = 0, limit: int = 1000) -> list[Record]:
        def read(db: sqlite3.Connection) -> list[Record]:
            return read_records(db, session, after, limit) or none_of(db, session)

        return await self._read(read)

    async def session(self, id: str) -> SessionRow:
        return await self._read(lambda db: read_session(db, id))

    async def sessions(self) -> list[SessionRow]:
        return await self._read(lambda db: [session_row(row) for row in db.execute(SQL["sessions"])])

    async def listed(self, id: str) -> ListedSession:
        return await self._read(lambda db: listed(db, read_session(db, id)))

    async def page_of_sessions(self, wanted: SessionsWanted) -> list[ListedSession]:
        def read(db: sqlite3.Connection) -> list[ListedSession]:
            return [listed(db, session_row(row)) for row in db.execute(*statement(wanted)).fetchall()]

        return await self._read(read)

    async def shown(self, session: str, wanted: EventsWanted) -> list[Record]:
        found: list[Record] = []
        for low, high in windows(wanted):
            read = partial(
                read_window, session=session, wanted=wanted, low=low, high=high, limit=wanted.limit - len(found)
            )
            found += await self._read(read)
            if len(found) == wanted.limit:
                break
        return found

    async def threads(self, session: str) -> list[ThreadRow]:
        return await self._read(lambda db: read_threads(db, session) or none_of(db, session))

    async def open_calls(self, session: str) -> list[CallRow]:
        return await self._read(lambda db: read_open_calls(db, session) or none_of(db, session))

    async def inputs(self, session: str, *, after: int = 0) -> list[InputRow]:
        def read(db: sqlite3.Connection) -> list[InputRow]:
            return [InputRow(*row) for row in db.execute(SQL["inputs"], (session, after))] or none_of(db, session)

        return await self._read(read)

    async def definitions(self, version: str) -> dict[str, Definition]:
        def read_one(db: sqlite3.Connection, version: str) -> bytes | None:
            row = db.execute(SQL["definition"], (version,)).fetchone()
            return None if row is None else bytes(row[0])

        return await self._read(lambda db: collect(version, lambda one: read_one(db, one)))

    async def owner(self, session: str) -> Owner | None:
        row = await self.session(session)
        if row.owner == self._workers.id and session not in self._driven:
            return None  # a driver of this process that ended in trouble
        return None if row.owner is None else self._workers.owner(row.owner)

    async def moved_elsewhere(self) -> list[str]:
        def ask() -> list[str]:
            try:
                return self._writer.moves.elsewhere()
            except sqlite3.Error as error:
                raise self._explain(error) from error

        return await self._group.between(ask)

    async def end_owner(self, session: str) -> None:
        worker = (await self.session(session)).owner
        if worker is None or (worker == self._workers.id and session not in self._driven):
            return
        # Not in the writer's thread: a process that was stopped in the middle of a write holds that up.
        await asyncio.to_thread(self._workers.end, worker)

    async def deleted(self, before: datetime) -> list[str]:
        return await self._read(lambda db: [id for _, id in db.execute(SQL["deleted_before"], (micros(before),))])

    async def purge(self, before: datetime) -> list[str]:
        ids: list[str] = await self._group.submit(lambda writer: purge(writer.db, micros(before)))
        return ids

    async def forget_receipts(self, before: datetime) -> None:
        await self._group.submit(lambda writer: writer.db.execute(SQL["forget_receipts"], (micros(before),)).rowcount)

    async def close(self) -> None:
        await self._group.close()
        self._reads.shutdown()
        try:
            owned = {row[0] for row in self._writer.db.execute(SQL["owners"])}
            self._workers.forget_dead(owned)
            self._workers.close(owns_sessions=self._workers.id in owned)
        except sqlite3.Error:  # the disk is in trouble: leave the lock's file, the lock itself goes with the process
            self._workers.close(owns_sessions=True)
        self._reader.close()
        self._writer.db.close()

    async def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        def job() -> T:
            try:
                return read(self._reader)
            except (sqlite3.Error, msgspec.DecodeError) as error:
                raise self._explain(error) from error

        return await asyncio.get_running_loop().run_in_executor(self._reads, job)

    def _explain(self, error: Exception) -> StoreError:
        live: list[str] = []
        with suppress(OSError):  # the error at hand matters more
            live = [f"process {owner.pid} ({owner.state})" for owner in self._workers.live()]
        return explain(error, self.folder / FILE, live, self._busy_s)


@dataclass(slots=True)
class _Admitted:
    """What a transaction has accepted. Shape: `first` is the seq of its first record; `epoch` that of a claim."""

    events: tuple[PublicEvent, ...] = ()
    drafts: list[Draft] = field(default_factory=list)
    first: int = 0
    epoch: int | None = None


def read_log(folder: Path, session: str) -> list[Record]:
    """A session's whole log, without a store: for programs that look back at a run.

    Errors: StoreDown, StoreCorrupt.
    """
    file = folder / FILE
    try:
        db = sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)
        try:
            return read_records(db, session, 0, -1)
        finally:
            db.close()
    except sqlite3.Error as error:
        raise explain(error, file) from error


def _check_environment(db: sqlite3.Connection, new: NewSession) -> None:
    """Refuse a session whose environment is gone by now. Errors: NotFound; Refused for an archived one."""
    if not new.environment:
        return
    row = db.execute(SQL["environment_now"], (new.workspace, new.environment)).fetchone()
    if row is None:
        raise NotFound(f"environment_id: there is no environment {new.environment} here")
    if row[0] is not None:
        raise Refused(f"environment_id: environment {new.environment} is archived, and takes no new sessions")


def _owned_text(session: str, owner: Owner) -> str:
    stopped = "; it is stopped: continue it (kill -CONT) or end it" if owner.state == "stopped" else ""
    return (
        f"session {session} is driven by process {owner.pid}, which lives{stopped}. Nothing was changed; "
        "`podium resume --take-over` ends that process and goes on"
    )
