"""Tells who follows a session that its log has grown. The records themselves are read from the store, in order.

Pieces of a reply that is still coming are told as they come, to who listens in this process; they are never kept.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from podium.core.ports import Delta, Store
from podium.core.records import Record


@dataclass(frozen=True, slots=True)
class Preview:
    """A piece of a reply that is coming.

    Shape: `event` is the id that the whole block's event will have, if it ever comes.
    """

    thread: str
    event: str
    delta: Delta


class Hub:
    """One for the process, on one event loop."""

    def __init__(self) -> None:
        self._followers: dict[str, set[asyncio.Event]] = {}
        self._listeners: dict[str, list[Callable[[Preview], None]]] = {}

    @property
    def is_followed(self) -> bool:
        """Whether anybody follows a session."""
        return bool(self._followers)

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
        for grown in self._followers.get(session, ()):
            grown.set()

    async def follow(
        self, store: Store, session: str, *, after: int, until: asyncio.Event
    ) -> AsyncGenerator[Record, None]:
        """The session's records after this seq, as they are committed, until `until` is set and all were read."""
        grown = asyncio.Event()
        self._followers.setdefault(session, set()).add(grown)
        try:
            while True:
                is_last = until.is_set()
                grown.clear()
                while page := await store.records(session, after=after, limit=500):
                    for record in page:
                        yield record
                    after = page[-1].seq
                if is_last:
                    return
                if not until.is_set():
                    await grown.wait()
        finally:
            self._followers[session].discard(grown)
            if not self._followers[session]:
                del self._followers[session]
