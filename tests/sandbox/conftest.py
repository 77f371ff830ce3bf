"""One bubblewrap, tried once, for all sandbox tests; a place for each."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from podium.core.ports import Place, Sandbox
from podium.sandbox.bubblewrap import Bubblewrap
from tests.sandbox.places import make_place

Opened = Callable[[Place], AbstractAsyncContextManager[Sandbox]]


@pytest.fixture(scope="session")
def sandboxes() -> Bubblewrap:
    made = Bubblewrap()
    asyncio.run(made.check())
    return made


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


@pytest.fixture
def opened(sandboxes: Bubblewrap) -> Opened:
    """Opens a sandbox for a place, and closes it."""

    @asynccontextmanager
    async def open_one(place: Place) -> AsyncIterator[Sandbox]:
        sandbox = sandboxes.open(place)
        try:
            yield sandbox
        finally:
            await sandbox.close()

    return open_one
