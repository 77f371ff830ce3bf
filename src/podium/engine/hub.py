"""Tells who follows a session that its log has grown. The records themselves are read from the store, in order."""

import asyncio
from collections.abc import AsyncIterator

from podium.core.ports import Store
from podium.core.records import Record


class Hub:
    """One for the process, on one event loop."""

    def __init__(self) -> None:
        self._followers: dict[str, set[asyncio.Event]] = {}

    def moved(self, session: str) -> None:
        """Records of this session were committed."""
        for grown in self._followers.get(session, ()):
            grown.set()

    async def follow(self, store: Store, session: str, *, after: int, until: asyncio.Event) -> AsyncIterator[Record]:
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
