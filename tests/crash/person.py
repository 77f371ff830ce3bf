"""A person in a process of their own, beside those that tests kill: `person.py FOLDER`, until it is ended.

They answer every call that asks, after a while and as they like; now and then they interrupt a thread, or write.

Shape: it says `told SESSION EVENT` for each input that was accepted.
"""

import asyncio
import os
import random
import sys
from collections.abc import Coroutine
from pathlib import Path

from podium.core.content import text
from podium.core.inputs import Confirm, InputRequest, Interrupt, SendMessage
from podium.engine.clock import SortedIds, SystemClock
from podium.errors import Refused, StoreDown
from podium.store.sqlite import SqliteStore

FOLDER = Path(sys.argv[1])
LOOK_S = 0.02
MOST_WAIT_S = 0.15  # before a call is answered
MEDDLES = 0.4  # how often they interrupt a thread of a session, and how often they write
MEDDLES_WITHIN_S = 1.5


class Person:
    """Looks at what moves, and decides."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._seen: set[str] = set()  # sessions and calls
        self._tasks: set[asyncio.Task[None]] = set()

    async def look(self) -> None:
        """Look at all sessions that have moved."""
        for session in await self._store.moved_elsewhere():
            if session not in self._seen:
                self._seen.add(session)
                if random.random() < MEDDLES:
                    self._soon(MEDDLES_WITHIN_S, self._interrupt(session))
                if random.random() < MEDDLES:
                    self._soon(MEDDLES_WITHIN_S, self._give(session, SendMessage(content=text("how far are you?"))))
            for call in await self._store.open_calls(session):
                if call.state == "asks" and call.id not in self._seen:
                    self._seen.add(call.id)
                    answer = Confirm(call=call.id, allow=random.random() < 0.7, input_hash=call.input_hash)
                    self._soon(MOST_WAIT_S, self._give(session, answer))

    def _soon(self, most_s: float, work: Coroutine[None, None, None]) -> None:
        async def later() -> None:
            await asyncio.sleep(random.uniform(0.0, most_s))
            await work

        task = asyncio.create_task(later())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _interrupt(self, session: str) -> None:
        """One of the children that work."""
        threads = await self._store.threads(session)
        working = [thread.id for thread in threads if thread.parent is not None and thread.status != "idle"]
        if working:
            await self._give(session, Interrupt(thread=random.choice(working)))

    async def _give(self, session: str, request: InputRequest) -> None:
        while True:
            try:
                [event] = await self._store.admit(session, request)
            except Refused:  # it came too late
                return
            except StoreDown:  # a killed process leaves the file locked for a moment
                await asyncio.sleep(LOOK_S)
                continue
            os.write(1, f"told {session} {event.id}\n".encode())
            return


async def main() -> None:
    person = Person(SqliteStore.open(FOLDER / "data", SystemClock(), SortedIds()))
    while True:
        await person.look()
        await asyncio.sleep(LOOK_S)


if __name__ == "__main__":
    asyncio.run(main())
