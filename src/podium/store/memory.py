"""The store in memory: for tests. It keeps the same contract as the others, and says so by passing the same suite.

A `MemoryLog` plays the disk, and each `MemoryStore` on it a process: `kill` is kill -9.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from podium.core.admission import admit, check_there, goes_on
from podium.core.definitions import Definition
from podium.core.events import PublicEvent
from podium.core.inputs import InputRequest
from podium.core.lists import EventsWanted, ListedSession, SessionsWanted
from podium.core.moment import Moment
from podium.core.ports import Append, Clock, NewId, NewSession, Onto, Receipt
from podium.core.records import INPUTS, Draft, Record, answers, encode, is_queued, listed_id, received_id
from podium.core.rows import About, CallRow, Changes, InputRow, Owner, SessionRow, ThreadRow, View
from podium.errors import Fenced, KeyReused, NotFound, Owned, Refused, StoreDown, StoreError
from podium.store.definitions import collect


@dataclass
class _Session:
    row: SessionRow
    records: list[Record] = field(default_factory=list)
    threads: dict[str, ThreadRow] = field(default_factory=dict)
    calls: dict[str, CallRow] = field(default_factory=dict)
    inputs: dict[str, InputRow] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)

    def copy(self) -> "_Session":
        """Its own containers, the same immutable entries."""
        return _Session(
            self.row,
            list(self.records),
            dict(self.threads),
            dict(self.calls),
            dict(self.inputs),
            set(self.listed),
            set(self.answered),
        )


@dataclass(frozen=True)
class _Kept:
    """A request that was done: what came of it, in which session, and when."""

    fingerprint: str
    response: str | tuple[PublicEvent, ...]
    session: str
    at: datetime


@dataclass
class MemoryLog:
    """What outlives the processes that write to it. With `trouble` the disk fails, and every append with it."""

    sessions: dict[str, _Session] = field(default_factory=dict)
    definitions: dict[str, bytes] = field(default_factory=dict)
    moved: dict[str, dict[str, None]] = field(default_factory=dict)  # by worker: where others have written
    dead: set[str] = field(default_factory=set)
    receipts: dict[tuple[str, str], _Kept] = field(default_factory=dict)
    trouble: StoreDown | None = None

    def kill(self, worker: str) -> None:
        """That process is no more."""
        self.dead.add(worker)
        self.moved.pop(worker, None)

    def wrote(self, worker: str, session: str) -> None:
        """That process has written to the session."""
        for other, moved in self.moved.items():
            if other != worker:
                moved[session] = None


class MemoryStore:
    """One process's store on a log in memory."""

    def __init__(self, log: MemoryLog, clock: Clock, new_id: NewId) -> None:
        self.log = log
        self.worker = new_id("wrkr")
        log.moved[self.worker] = {}
        self._clock = clock
        self._new_id = new_id
        self._driven: set[str] = set()
        self._failed: dict[tuple[str, int], StoreError] = {}  # drivers, by session and epoch, that lost an append

    async def create(self, new: NewSession, receipt: Receipt | None = None) -> int:
        if self._done(receipt) is not None:
            return 0
        if new.id in self.log.sessions:
            raise Refused(f"there is a session {new.id} already")
        for version, definition in new.definitions.items():
            self.log.definitions[version] = msgspec.json.encode(definition)
        row = SessionRow(
            id=new.id,
            workspace=new.workspace,
            about=new.about,
            agent=new.agent,
            agent_name=new.agent_name,
            agent_id=new.definitions[new.agent].agent_id,
            agent_number=new.definitions[new.agent].agent_number,
            environment=new.environment,
            has_prices=new.has_prices,
            created_at=new.drafts[0].at,
            updated_at=new.drafts[0].at,
            needs=new.needs,
            program=new.program,
            facts=new.changes.session,
            paused=False,
            head=0,
            epoch=1,
            owner=self.worker if new.is_driven else None,
        )
        self.log.sessions[new.id] = _Session(row)
        try:
            self._write(Append(session=new.id, epoch=1, drafts=new.drafts, changes=new.changes))
        except Refused:
            del self.log.sessions[new.id]
            raise
        if new.is_driven:
            self._driven.add(new.id)
        if receipt is not None:
            self.log.receipts[receipt.workspace, receipt.key] = _Kept(
                receipt.fingerprint, new.id, new.id, new.drafts[0].at
            )
        return 1

    async def made(self, receipt: Receipt) -> str | None:
        done = self._done(receipt)
        return None if done is None else str(done)

    def _done(self, receipt: Receipt | None) -> str | tuple[PublicEvent, ...] | None:
        """What came of the request, if it was done before."""
        done = None if receipt is None else self.log.receipts.get((receipt.workspace, receipt.key))
        if done is None or receipt is None:
            return None
        if done.fingerprint != receipt.fingerprint:
            raise KeyReused(
                f"Idempotency-Key: {receipt.key!r:.80} was used for another request; use a new key for each"
            )
        return done.response

    async def claim(self, session: str) -> int:
        if session in self._driven:
            raise Owned(f"session {session} is being driven by this very process")
        kept = self._find(session)
        owner = kept.row.owner
        if owner is not None and owner != self.worker and owner not in self.log.dead:
            raise Owned(f"session {session} is driven by worker {owner}, which lives. Nothing was changed")
        kept.row = msgspec.structs.replace(kept.row, epoch=kept.row.epoch + 1, owner=self.worker)
        self.log.wrote(self.worker, session)
        self._driven.add(session)
        return kept.row.epoch

    def append(self, append: Append) -> Awaitable[int]:
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        try:
            if (append.session, append.epoch) in self._failed:
                raise self._failed[append.session, append.epoch]
            done.set_result(self._write(append))
            if append.release:
                self._driven.discard(append.session)
        except StoreError as error:
            if isinstance(error, StoreDown):
                self._failed[append.session, append.epoch] = error
            done.set_exception(error)
        return done

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
        if isinstance(done := self._done(receipt), tuple):
            return done
        before = self._find(session)
        check_there(before.row, workspace)
        events: list[PublicEvent] = []
        drafts, changed = list[Draft](), list[Changes]()
        number = 0
        try:
            for request in requests:
                kept = self._find(session)
                at = Moment(self._clock.now(), self._new_id)
                known = {id: record.event for record in kept.records if (id := listed_id(record.event)) is not None}
                view = View(kept.row, tuple(kept.threads.values()), _in_order(kept.calls), known.get)
                event, changes = admit(view, request, at, requests[number + 1 :])
                self._write(Append(session=session, epoch=kept.row.epoch, drafts=at.drafts, changes=changes))
                drafts += at.drafts
                changed.append(changes)
                if event is not None:
                    events.append(event)
                number += 1
        except BaseException as error:
            self.log.sessions[session] = before  # all of them, or none
            if isinstance(error, Refused | NotFound):
                error.request = number
            raise
        if receipt is not None:
            self.log.receipts[receipt.workspace, receipt.key] = _Kept(
                receipt.fingerprint, tuple(events), session, self._clock.now()
            )
        if onto is not None and session not in self._driven and goes_on(before.row, changed, onto):
            onto.claimed(await self.claim(session), before.row.head + 1, drafts)
        return tuple(events)

    async def records(self, session: str, *, after: int = 0, limit: int = 1000) -> list[Record]:
        return self._find(session).records[after : after + limit]

    async def session(self, id: str) -> SessionRow:
        row = self._find(id).row
        if row.about.deleted_at is not None:
            raise NotFound(f"there is no session {id} here")
        return row

    async def sessions(self) -> list[SessionRow]:
        rows = [kept.row for kept in reversed(self.log.sessions.values())]
        return [row for row in rows if row.about.deleted_at is None]

    async def listed(self, id: str) -> ListedSession:
        return _listed(self._find(id), await self.session(id))

    async def page_of_sessions(self, wanted: SessionsWanted) -> list[ListedSession]:
        after, sign = wanted.after, -1 if wanted.newest_first else 1
        rows = [kept.row for kept in self.log.sessions.values() if wanted.holds(kept.row)]
        rows.sort(key=lambda row: (row.created_at, row.id), reverse=wanted.newest_first)
        if after is not None:
            at = (after.created_at, after.id)
            rows = [row for row in rows if ((row.created_at, row.id) > at) == (sign > 0) and row.id != after.id]
        return [_listed(self._find(row.id), row) for row in rows[: wanted.limit]]

    async def shown(self, session: str, wanted: EventsWanted) -> list[Record]:
        records = self._find(session).records
        return wanted.listed(reversed(records) if wanted.newest_first else records, wanted.limit)

    async def threads(self, session: str) -> list[ThreadRow]:
        return list(self._find(session).threads.values())

    async def open_calls(self, session: str) -> list[CallRow]:
        return list(_in_order(self._find(session).calls))

    async def inputs(self, session: str, *, after: int = 0) -> list[InputRow]:
        return [row for row in self._find(session).inputs.values() if row.queued_seq > after]

    async def definitions(self, version: str) -> dict[str, Definition]:
        return collect(version, self.log.definitions.get)

    async def owner(self, session: str) -> Owner | None:
        owner = self._find(session).row.owner
        if owner is None or owner in self.log.dead or (owner == self.worker and session not in self._driven):
            return None
        return Owner(worker=owner, pid=0, state="running")

    async def moved_elsewhere(self) -> list[str]:
        moved = list(self.log.moved.get(self.worker, ()))
        self.log.moved[self.worker] = {}
        return moved

    async def end_owner(self, session: str) -> None:
        owner = await self.owner(session)
        if owner is None:
            return
        if owner.worker == self.worker:
            raise Refused(f"session {session} is driven by this very process, which does not end itself")
        self.log.kill(owner.worker)

    async def forget_receipts(self, before: datetime) -> None:
        self.log.receipts = {key: kept for key, kept in self.log.receipts.items() if kept.at >= before}

    async def deleted(self, before: datetime) -> list[str]:
        at = {id: kept.row.about.deleted_at for id, kept in self.log.sessions.items() if kept.threads}
        return [id for id, deleted_at in at.items() if deleted_at is not None and deleted_at < before]

    async def purge(self, before: datetime) -> list[str]:
        old = await self.deleted(before)
        for id in old:
            row = self.log.sessions[id].row
            about = About("", deleted_at=row.about.deleted_at)
            self.log.sessions[id] = _Session(msgspec.structs.replace(row, about=about))
        self.log.receipts = {key: kept for key, kept in self.log.receipts.items() if kept.session not in old}
        return old

    async def close(self) -> None:
        self.log.kill(self.worker)

    def _find(self, session: str) -> _Session:
        if session not in self.log.sessions:
            raise NotFound(f"there is no session {session} here")
        return self.log.sessions[session]

    def _write(self, append: Append) -> int:
        if self.log.trouble is not None:
            raise self.log.trouble
        kept = self.log.sessions.get(append.session)
        if kept is None or kept.row.epoch != append.epoch:
            raise Fenced(f"session {append.session} was claimed by another driver; nothing more is written here")
        if append.at_head is not None and kept.row.head != append.at_head:
            raise Refused("something was written meanwhile")
        after = kept.copy()  # a refused append must leave no trace
        first = after.row.head + 1
        _apply(after, append.changes, release=append.release)
        for seq, draft in enumerate(append.drafts, first):
            if draft.thread not in after.threads:
                raise Refused(f"the session has no thread {draft.thread}")
            event = draft.event
            _once(after.listed, listed_id(event), "an event of this id exists")
            _once(after.answered, answers(event), "the call has a result")
            if (received := received_id(event)) is not None:
                after.inputs[received] = InputRow(received, draft.thread, seq, seq)
            if isinstance(event, INPUTS):
                if is_queued(event):
                    after.inputs[event.id] = InputRow(event.id, draft.thread, seq, None)
                elif event.id in after.inputs:
                    after.inputs[event.id] = msgspec.structs.replace(after.inputs[event.id], taken_seq=seq)
            after.records.append(Record(append.session, seq, draft.thread, draft.views, draft.at, encode(event), event))
        known = append.no_input_after
        unseen = [row.queued_seq for row in after.inputs.values() if row.taken_seq in (None, row.queued_seq)]
        if known is not None and any(seq > known for seq in unseen):
            raise Refused("an input came meanwhile")
        for version, definition in append.changes.definitions.items():
            self.log.definitions[version] = msgspec.json.encode(definition)
        after.row = msgspec.structs.replace(
            after.row,
            head=after.row.head + len(append.drafts),
            updated_at=max([after.row.updated_at, *[draft.at for draft in append.drafts[-1:]]]),
        )
        self.log.sessions[append.session] = after
        self.log.wrote(self.worker, append.session)
        return first


def _listed(kept: _Session, row: SessionRow) -> ListedSession:
    primary = next(thread for thread in kept.threads.values() if thread.parent is None)
    running = [thread.running_since for thread in kept.threads.values() if thread.running_since is not None]
    return ListedSession(row, primary.id, primary.agent, tuple(running))


def _in_order(calls: dict[str, CallRow]) -> tuple[CallRow, ...]:
    return tuple(sorted(calls.values(), key=lambda call: call.id))


def _once(seen: set[str], key: str | None, why: str) -> None:
    if key is None:
        return
    if key in seen:
        raise Refused(f"the log's rules do not allow this: {why} ({key})")
    seen.add(key)


def _apply(kept: _Session, changes: Changes, *, release: bool) -> None:
    kept.row = msgspec.structs.replace(
        kept.row,
        facts=changes.session,
        paused=kept.row.paused if changes.paused is None else changes.paused,
        about=kept.row.about if changes.about is None else changes.about,
        owner=None if release else kept.row.owner,
    )
    kept.threads.update({row.id: row for row in changes.threads})
    for call in changes.opened:
        if call.id in kept.calls:
            raise Refused(f"the log's rules do not allow this: the call is open ({call.id})")
        kept.calls[call.id] = call
    for call in changes.moved:
        kept.calls[call.id] = call
    for id in changes.answered:
        asking = kept.calls.get(id)
        if asking is None or asking.state not in ("asks", "client"):
            raise Refused(f"call {id} waits for no approval: it has been answered, or is not open")
        kept.calls[id] = msgspec.structs.replace(asking, state="answered")
    for id in changes.closed:
        kept.calls.pop(id, None)
