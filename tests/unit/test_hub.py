"""The hub: followers of one session share what is read of it, and none holds up another."""

import asyncio

import pytest

from podium.core.ports import Store
from podium.core.records import Record
from podium.engine.hub import KEPT_RECORDS, OWN_PAGE, PAGE, Follower, Hub
from podium.errors import NotFound
from podium.store.memory import MemoryLog, MemoryStore
from tests.contract.stores import unique
from tests.contract.writing import TickingClock, new_session, said, writes

SESSION = "sesn_1"


class CountingStore(MemoryStore):
    """Counts what is read, and reads when it is let."""

    def __init__(self) -> None:
        super().__init__(MemoryLog(), TickingClock(), unique)
        self.reads: list[int] = []
        self.is_read = asyncio.Event()
        self.may_read = asyncio.Event()
        self.may_read.set()

    async def records(self, session: str, *, after: int = 0, limit: int = 1000) -> list[Record]:
        self.reads.append(after)
        self.is_read.set()
        await self.may_read.wait()
        return await super().records(session, after=after, limit=limit)


async def opened() -> CountingStore:
    """A store with a session of two records."""
    store = CountingStore()
    await store.create(new_session(SESSION))
    return store


async def write(store: Store, hub: Hub, *ids: str) -> None:
    await store.append(writes(SESSION, 1, *(said(id) for id in ids)))
    hub.moved(SESSION)


async def drain(follower: Follower) -> list[Record]:
    seen: list[Record] = []
    while page := await follower.page():
        seen += page
    return seen


async def test_followers_at_the_same_place_share_one_read_and_its_records() -> None:
    hub, store = Hub(), await opened()
    with hub.following(store, SESSION, after=2) as one, hub.following(store, SESSION, after=2) as other:
        await write(store, hub, "sevt_1", "sevt_2")
        assert one.grown.is_set()
        assert other.grown.is_set()

        first, second = await asyncio.gather(one.page(), other.page())

        assert [record.seq for record in first] == [3, 4]
        assert all(mine is theirs for mine, theirs in zip(first, second, strict=True))
        assert store.reads == [2]
        assert await one.page() == []
        assert store.reads == [2], "nothing has moved, so nothing is read"


async def test_one_that_is_far_behind_reads_for_itself_and_catches_up() -> None:
    hub, store = Hub(), await opened()
    with hub.following(store, SESSION, after=2) as ahead, hub.following(store, SESSION, after=0) as behind:
        await write(store, hub, "sevt_1")
        assert [record.seq for record in await ahead.page()] == [3]

        assert [record.seq for record in await drain(behind)] == [1, 2, 3]

        await write(store, hub, "sevt_2")
        mine, theirs = await ahead.page(), await behind.page()
        assert mine[0] is theirs[0]


async def test_one_that_begins_further_on_waits_for_nobody() -> None:
    hub, store = Hub(), await opened()
    await write(store, hub, *(f"sevt_{number}" for number in range(PAGE + 10)))
    with hub.following(store, SESSION, after=0) as behind, hub.following(store, SESSION, after=PAGE) as ahead:
        assert [record.seq for record in await behind.page()] == list(range(1, PAGE + 1))

        assert [record.seq for record in await ahead.page()] == list(range(PAGE + 1, PAGE + 13))
        assert [record.seq for record in await drain(behind)] == list(range(PAGE + 1, PAGE + 13))


async def test_what_is_kept_is_bounded_and_nothing_is_missed_beyond_it() -> None:
    hub, store = Hub(), await opened()
    with hub.following(store, SESSION, after=2) as ahead, hub.following(store, SESSION, after=2) as slow:
        await write(store, hub, *(f"sevt_{number}" for number in range(KEPT_RECORDS + PAGE)))
        assert len(await drain(ahead)) == KEPT_RECORDS + PAGE
        reads = len(store.reads)

        seen = await drain(slow)

        assert [record.seq for record in seen] == list(range(3, KEPT_RECORDS + PAGE + 3))
        assert len(store.reads) == reads + PAGE // OWN_PAGE, "the rest was kept"


async def test_a_follower_that_leaves_in_the_middle_of_a_read_takes_it_from_no_other() -> None:
    hub, store = Hub(), await opened()
    with hub.following(store, SESSION, after=2) as one, hub.following(store, SESSION, after=2) as other:
        await write(store, hub, "sevt_1")
        store.may_read.clear()
        leaving, staying = asyncio.create_task(one.page()), asyncio.create_task(other.page())
        await store.is_read.wait()
        leaving.cancel()
        store.may_read.set()

        assert [record.seq for record in await staying] == [3]


async def test_what_is_committed_during_a_read_is_read_next() -> None:
    hub, store = Hub(), await opened()
    with hub.following(store, SESSION, after=2) as follower:
        store.may_read.clear()
        reading = asyncio.create_task(follower.page())
        await store.is_read.wait()
        store.may_read.set()
        assert await reading == []

        follower.grown.clear()
        await write(store, hub, "sevt_1")

        assert follower.grown.is_set()
        assert [record.seq for record in await follower.page()] == [3]


async def test_what_a_driver_here_commits_is_not_read_again() -> None:
    hub, store = Hub(), await opened()
    with hub.following(store, SESSION, after=2) as follower:
        assert await follower.page() == []
        append = writes(SESSION, 1, said("sevt_1"), said("sevt_2"))
        hub.wrote(SESSION, await store.append(append), append.drafts)
        reads = len(store.reads)

        told = await follower.page()

        assert told == await MemoryStore.records(store, SESSION, after=2)
        assert len(store.reads) == reads
        assert await follower.page() == []


async def test_what_somebody_else_wrote_before_it_is_read_first() -> None:
    hub, store = Hub(), await opened()
    with hub.following(store, SESSION, after=2) as follower:
        assert await follower.page() == []
        await store.append(writes(SESSION, 1, said("sevt_1")))  # nobody said so
        append = writes(SESSION, 1, said("sevt_2"))
        hub.wrote(SESSION, await store.append(append), append.drafts)

        assert [record.seq for record in await drain(follower)] == [3, 4]


async def test_a_session_that_is_not_there_cannot_be_followed() -> None:
    hub, store = Hub(), await opened()
    with hub.following(store, "sesn_none", after=0) as follower, pytest.raises(NotFound):
        await follower.page()
    assert not hub.is_followed
