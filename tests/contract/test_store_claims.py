"""Who drives a session, in every store: one process at a time, and within it one driver."""

import asyncio

import pytest

from podium.errors import Fenced, NotFound, Owned, Refused
from tests.contract.stores import Disk
from tests.contract.writing import IDLE, goes_idle, new_session, said, writes


async def test_claim_is_refused_while_the_owner_lives(disk: Disk) -> None:
    async with disk.process() as owner, disk.process() as other:
        epoch = await owner.create(new_session())
        driving = await other.owner("sesn_1")

        with pytest.raises(Owned, match=r"sesn_1.*lives"):
            await other.claim("sesn_1")

        assert driving is not None
        assert driving == await owner.owner("sesn_1")
        assert (await other.session("sesn_1")).epoch == epoch
        await owner.append(writes("sesn_1", epoch, said("sevt_a")))


async def test_claim_is_given_once_the_owner_is_dead(disk: Disk) -> None:
    async with disk.process() as heir:
        async with disk.process() as owner:
            first = await owner.create(new_session())
        assert await heir.owner("sesn_1") is None

        second = await heir.claim("sesn_1")

        assert second > first
        driving = await heir.owner("sesn_1")
        assert driving is not None
        assert driving.worker == (await heir.session("sesn_1")).owner
        await heir.append(writes("sesn_1", second, said("sevt_a")))


async def test_older_epoch_is_fenced_after_a_newer_claim(disk: Disk) -> None:
    async with disk.process() as store:
        older = await store.create(new_session())
        store.dropped("sesn_1")
        newer = await store.claim("sesn_1")

        with pytest.raises(Fenced):
            await store.append(writes("sesn_1", older, said("sevt_a")))

        assert (await store.session("sesn_1")).head == 2
        assert await store.append(writes("sesn_1", newer, said("sevt_b"))) == 3


async def test_one_process_has_one_driver_per_session(disk: Disk) -> None:
    async with disk.process() as store:
        await store.create(new_session())

        with pytest.raises(Owned, match="this very process"):
            await store.claim("sesn_1")

        store.dropped("sesn_1")
        assert await store.claim("sesn_1") == 2


async def test_of_many_claims_at_once_one_is_given(disk: Disk) -> None:
    async with disk.process() as a, disk.process() as b:
        async with disk.process() as owner:
            await owner.create(new_session())

        stores = [a, b] * 5
        outcomes = await asyncio.gather(*[store.claim("sesn_1") for store in stores], return_exceptions=True)

        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Owned"] * 9 + ["int"]


async def test_released_session_has_no_owner_and_is_free_for_all(disk: Disk) -> None:
    async with disk.process() as a, disk.process() as b:
        epoch = await a.create(new_session())
        await a.append(writes("sesn_1", epoch, said("sevt_a"), release=True))
        assert (await b.session("sesn_1")).owner is None
        assert await b.owner("sesn_1") is None

        newer = await b.claim("sesn_1")

        with pytest.raises(Owned):
            await a.claim("sesn_1")
        with pytest.raises(Fenced):
            await a.append(writes("sesn_1", epoch, said("sevt_b")))
        await b.append(writes("sesn_1", newer, said("sevt_c"), release=True))
        assert await a.claim("sesn_1") == newer + 1


async def test_refused_release_releases_nothing(disk: Disk) -> None:
    async with disk.process() as a, disk.process() as b:
        epoch = await a.create(new_session())
        await a.append(writes("sesn_1", epoch, said("sevt_a")))

        with pytest.raises(Refused):
            await a.append(writes("sesn_1", epoch, said("sevt_a"), release=True))

        with pytest.raises(Owned):
            await b.claim("sesn_1")
        with pytest.raises(Owned):
            await a.claim("sesn_1")


async def test_going_idle_is_written_whole(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())

        await store.append(goes_idle("sesn_1", epoch))

        row = await store.session("sesn_1")
        assert (row.facts, row.owner, row.head) == (IDLE, None, 4)
        assert [thread.status for thread in await store.threads("sesn_1")] == ["idle"]


async def test_dead_owner_of_one_session_says_nothing_of_another(disk: Disk) -> None:
    async with disk.process() as store, disk.process() as living:
        async with disk.process() as dying:
            await dying.create(new_session("sesn_1"))
        await living.create(new_session("sesn_2"))

        assert await store.claim("sesn_1") == 2
        with pytest.raises(Owned):
            await store.claim("sesn_2")


# --- ending the owner ------------------------------------------------------------------------------


async def test_ended_owner_leaves_everything_it_drove(disk: Disk) -> None:
    async with disk.process() as heir, disk.drives("sesn_1", "sesn_2"):
        with pytest.raises(Owned):
            await heir.claim("sesn_1")

        await heir.end_owner("sesn_1")

        assert [await heir.owner(session) for session in ("sesn_1", "sesn_2")] == [None, None]
        assert [await heir.claim(session) for session in ("sesn_1", "sesn_2")] == [2, 2]
        assert await heir.append(writes("sesn_1", 2, said("sevt_a"))) == 3


async def test_process_does_not_end_itself(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())

        with pytest.raises(Refused, match="this very process"):
            await store.end_owner("sesn_1")

        assert await store.append(writes("sesn_1", epoch, said("sevt_a"))) == 3


async def test_session_without_a_live_driver_has_no_owner_to_end(disk: Disk) -> None:
    async with disk.process() as store:
        async with disk.process() as dead:
            await dead.create(new_session("sesn_1"))
        await store.append(writes("sesn_2", await store.create(new_session("sesn_2")), release=True))
        await store.create(new_session("sesn_3"))
        store.dropped("sesn_3")

        for session in ("sesn_1", "sesn_2", "sesn_3"):
            await store.end_owner(session)
            assert await store.owner(session) is None

        assert await store.claim("sesn_3") == 2


async def test_owner_of_one_session_is_ended_and_of_another_lives(disk: Disk) -> None:
    async with disk.process() as heir, disk.drives("sesn_1"), disk.drives("sesn_2"):
        await heir.end_owner("sesn_1")

        with pytest.raises(Owned):
            await heir.claim("sesn_2")


async def test_owner_of_a_session_that_is_not_there_is_not_found(disk: Disk) -> None:
    async with disk.process() as store:
        with pytest.raises(NotFound, match="sesn_9"):
            await store.end_owner("sesn_9")
