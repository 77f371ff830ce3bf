"""Threads in real sandboxes, with a workdir, and a mount they may only read."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from podium.core.ports import Mount, Place
from podium.sandbox.bubblewrap import Bubblewrap
from tests.sandbox.places import folder, make_place
from tests.tools.threads import Thread

Begun = Callable[[Place], AbstractAsyncContextManager[Thread]]


@pytest.fixture(scope="session")
def sandboxes() -> Bubblewrap:
    made = Bubblewrap()
    asyncio.run(made.check())
    return made


@pytest.fixture
def place(tmp_path: Path) -> Place:
    shared = folder(tmp_path, "shared", given="of the mount\n")
    return make_place(tmp_path, mounts=[Mount(path=shared, at="/source")])


@pytest.fixture
def begun(sandboxes: Bubblewrap) -> Begun:
    """Begins a thread in a place, and ends it."""

    @asynccontextmanager
    async def begin(place: Place) -> AsyncIterator[Thread]:
        sandbox = sandboxes.open(place)
        try:
            yield Thread(sandbox)
        finally:
            await sandbox.close()

    return begin
