"""Tells who follows a session that its log has grown, and hands all of them the same records.

The newest records of a followed session are kept for all its followers as far as a bound allows: those that a driver of
this process commits as it does so, others are read from the store once. One that is further behind reads for itself.
Whoever is slow holds up nobody else: each follower asks for its next records when it is ready for them.

Pieces of a reply that is still coming are told as they come, to who listens in this process; they are never kept.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from podium.core.ports import Delta, Store
from podium.core.records import Draft, Record, encode

PAGE = 500  # records that are read at once, for all
OWN_PAGE = 100  # for one alone
KEPT_RECORDS, KEPT_BYTES = 2_000, 4 * 1024 * 1024  # the newest records of one session


@dataclass(frozen=True, slots=True)
class Preview:
    """A piece of a reply that is coming.

    Shape: `event` is the id that the whole block's event will have, if it ever comes; `span` the id of the start of
    the model call that it is of. `is_first` of the pieces of its event.
    """

    thread: str
    span: str
    event: str
    delta: Delta
    is_first: bool


class Tail:
    """The newest records of a session that is followed, read once for all."""

    def __init__(self, store: Store, session: str) -> None:
        self._store, self._session = store, session
        self._records: list[Record] = []
        self._base: int | None = None  # the seq before the first record here
        self._bytes = 0
        self._moves = 1  # how often the session has moved
        self._read_moves = 0  # how often it had, when it was last read to its end
        self._reading: asyncio.Task[None] | None = None
        self.followers: set[asyncio.Event] = set()

    def moved(self) -> None:
        """Records were committed."""
        self._moves += 1
        self.look()

    def look(self) -> None:
        """Have followers look about, though nothing was written."""
        for grown in self.followers:
            grown.set()

    def wrote(self, first: int, drafts: Sequence[Draft]) -> None:
        """This process's driver has committed these records, from this seq on: they need not be read."""
        is_at_end = self._base is not None and self._read_moves == self._moves and first == self._head + 1
        if is_at_end:
            records = [
                Record(self._session, seq, draft.thread, draft.views, draft.at, encode(draft.event), draft.event)
                for seq, draft in enumerate(drafts, start=first)
            ]
            self._keep(records)
        self.moved()
        if is_at_end:
            self._read_moves = self._moves

    async def after(self, seq: int) -> list[Record]:
        """The next records behind this one, PAGE at most; empty at the end of the log."""
        while True:
            if self._base is None or seq > self._head:
                self._records, self._base, self._bytes = [], seq, 0
            if seq < self._base:  # too far behind for what is kept
                return await self._store.records(self._session, after=seq, limit=OWN_PAGE)
            start = seq - self._base
            if page := self._records[start : start + PAGE]:
                return page
            if self._read_moves == self._moves:
                return []
            if self._reading is None:
                self._reading = asyncio.create_task(self._read(), name=f"tail of {self._session}")
            await asyncio.shield(self._reading)  # one follower that leaves takes it from no other

    @property
    def _head(self) -> int:
        return (self._base or 0) + len(self._records)

    async def _read(self) -> None:
        """Read one more page."""
        moves, head = self._moves, self._head
        try:
            page = await self._store.records(self._session, after=head, limit=PAGE)
        finally:
            self._reading = None
        if head != self._head:  # begun anew meanwhile, for somebody who is further on
            return
        if len(page) < PAGE:
            self._read_moves = moves
        self._keep(page)

    def _keep(self, records: list[Record]) -> None:
        """Keep these too, and drop the oldest ones beyond the bound."""
        self._records += records
        self._bytes += sum(len(record.body) for record in records)
        drop, bytes = max(0, len(self._records) - KEPT_RECORDS), self._bytes
        bytes -= sum(len(record.body) for record in self._records[:drop])
        while bytes > KEPT_BYTES and drop < len(self._records):
            bytes -= len(self._records[drop].body)
            drop += 1
        if drop:
            del self._records[:drop]
            self._base, self._bytes = (self._base or 0) + drop, bytes


class Follower:
    """One that follows a session, from a place in its log on. It asks when it is ready for more."""

    def __init__(self, tail: Tail, after: int) -> None:
        self._tail = tail
        self.after = after
        self.grown = asyncio.Event()  # set when there may be more; whoever waits for it clears it first

    async def page(self) -> list[Record]:
        """The next records, in order; empty if there are none now. They are the same objects for all followers."""
        page = await self._tail.after(self.after)
        if page:
            self.after = page[-1].seq
        return page


class Hub:
    """One for the process, on one event loop."""

    def __init__(self) -> None:
        self._tails: dict[str, Tail] = {}
        self._listeners: dict[str, list[Callable[[Preview], None]]] = {}

    @property
    def is_followed(self) -> bool:
        """Whether anybody follows a session."""
        return bool(self._tails)

    def preview(self, session: str, preview: Preview) -> None:
        """A piece of a reply came."""
        for listener in self._listeners.get(session, ()):
            listener(preview)

    @contextmanager
    def listening(self, session: str, listener: Callable[[Preview], None]) -> Iterator[None]:
        """Have `listener` called with what comes; it must be quick, and never raise."""
        listeners = self._listeners.setdefault(session, [])
        listeners.append(listener)
        try:
            yield
        finally:
            listeners.remove(listener)
            if not listeners:
                self._listeners.pop(session, None)

    def moved(self, session: str) -> None:
        """Records of this session were committed."""
        tail = self._tails.get(session)
        if tail is not None:
            tail.moved()

    def look(self, session: str) -> None:
        """What followers of this session wait for besides records may have come."""
        tail = self._tails.get(session)
        if tail is not None:
            tail.look()

    def wrote(self, session: str, first: int, drafts: Sequence[Draft]) -> None:
        """The driver of this session, which runs here, has committed these records, from this seq on."""
        tail = self._tails.get(session)
        if tail is not None:
            tail.wrote(first, drafts)

    @contextmanager
    def following(self, store: Store, session: str, *, after: int) -> Iterator[Follower]:
        """Follow the session behind this seq, until the block is left."""
        tail = self._tails.get(session)
        if tail is None:
            tail = self._tails[session] = Tail(store, session)
        follower = Follower(tail, after)
        tail.followers.add(follower.grown)
        try:
            yield follower
        finally:
            tail.followers.discard(follower.grown)
            if not tail.followers:
                self._tails.pop(session, None)

    async def follow(
        self, store: Store, session: str, *, after: int, until: asyncio.Event
    ) -> AsyncGenerator[Record, None]:
        """The session's records after this seq, as they are committed, until `until` is set and all were read."""
        with self.following(store, session, after=after) as follower:
            while True:
                is_last = until.is_set()
                follower.grown.clear()
                while page := await follower.page():
                    for record in page:
                        yield record
                if is_last:
                    return
                if not until.is_set():
                    await follower.grown.wait()
