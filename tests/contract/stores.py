"""The stores that keep the contract, each with its idea of a process.

A new store joins by one more `Disk` in `DISKS`.
"""

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from podium.core.ports import Store
from podium.store.memory import MemoryLog, MemoryStore
from podium.store.sqlite import SqliteStore
from tests.contract.processes import process
from tests.contract.writing import TickingClock, new_session


class Disk(Protocol):
    """What outlives the processes that write to it."""

    def process(self) -> AbstractAsyncContextManager[Store]:
        """A process with its store. When the block is left, the process is gone, and whatever it drove is ownerless."""
        ...

    def drives(self, *sessions: str) -> AbstractAsyncContextManager[None]:
        """Another process, not this one, that has created these sessions and drives them."""
        ...


def unique(prefix: str) -> str:
    """An id that no other process has."""
    return f"{prefix}_{time.time_ns():020}_{os.urandom(4).hex()}"


class MemoryDisk:
    def __init__(self, _: Path) -> None:
        self._log, self._clock = MemoryLog(), TickingClock()

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Store]:
        store = MemoryStore(self._log, self._clock, unique)
        try:
            yield store
        finally:
            await store.close()

    @asynccontextmanager
    async def drives(self, *sessions: str) -> AsyncIterator[None]:
        async with self.process() as store:
            for session in sessions:
                await store.create(new_session(session))
            yield


class SqliteDisk:
    def __init__(self, folder: Path) -> None:
        self._folder, self._clock = folder, TickingClock()

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Store]:
        store = SqliteStore.open(self._folder, self._clock, unique)
        try:
            yield store
        finally:
            await store.close()

    @asynccontextmanager
    async def drives(self, *sessions: str) -> AsyncIterator[None]:
        with process("drive", self._folder, *sessions) as owner:
            owner.heard()
            yield


DISKS: dict[str, Callable[[Path], Disk]] = {"memory": MemoryDisk, "sqlite": SqliteDisk}
