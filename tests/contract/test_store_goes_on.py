"""Stores: an input sets a session going, and claims it in the same step for the driver that had let it go."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from podium.core.content import text
from podium.core.inputs import Confirm, Instruct, Interrupt, SendMessage, Update
from podium.core.ports import Append, Onto, Receipt, Store
from podium.core.records import Draft
from podium.errors import Fenced, Owned, Refused
from tests.contract.stores import Disk
from tests.contract.writing import goes_idle, new_session, said, writes

HELLO = SendMessage(content=text("hello"))


class Driver:
    """One that has let the session go, and notes whether it goes on."""

    def __init__(self, epoch: int, head: int) -> None:
        self.has_claimed = asyncio.Event()
        self.claims: list[tuple[int, int, list[Draft]]] = []
        self.onto = Onto(epoch=epoch, head=head, claimed=self._claimed)

    def _claimed(self, epoch: int, first: int, drafts: Sequence[Draft]) -> None:
        self.claims.append((epoch, first, list(drafts)))
        self.has_claimed.set()


async def let_go(store: Store) -> Driver:
    epoch = await store.create(new_session())
    await store.append(goes_idle("sesn_1", epoch))
    return Driver(epoch, (await store.session("sesn_1")).head)


def idle_again(epoch: int) -> Append:
    """A later driver lets the session go."""
    changes = goes_idle("sesn_1", epoch).changes
    return Append(session="sesn_1", epoch=epoch, drafts=(), changes=changes, release=True)


async def test_session_is_claimed_for_its_last_driver_with_all_that_was_written(disk: Disk) -> None:
    async with disk.process() as store, disk.process() as other:
        driver = await let_go(store)

        events = await store.admit("sesn_1", HELLO, Instruct(content=text("be brief")), onto=driver.onto)

        [(epoch, first, drafts)] = driver.claims
        assert (epoch, first) == (driver.onto.epoch + 1, driver.onto.head + 1)
        records = await store.records("sesn_1", after=driver.onto.head)
        assert [(each.thread, each.at, each.event) for each in records] == [
            (each.thread, each.at, each.event) for each in drafts
        ]
        assert {event.id for event in events} <= {each.event.id for each in drafts}
        with pytest.raises(Owned):
            await other.claim("sesn_1")
        with pytest.raises(Owned, match="this very process"):
            await store.claim("sesn_1")
        with pytest.raises(Fenced):
            await store.append(writes("sesn_1", driver.onto.epoch, said("sevt_late")))
        assert await store.append(writes("sesn_1", epoch, said("sevt_next"))) == first + len(drafts)


@pytest.mark.parametrize("requests", [[Instruct(content=text("x"))], [Update(title="x")], [Interrupt(pause=True)]])
async def test_what_sets_nothing_going_claims_nothing(disk: Disk, requests: list[Any]) -> None:
    async with disk.process() as store:
        driver = await let_go(store)

        await store.admit("sesn_1", *requests, onto=driver.onto)

        assert driver.claims == []
        assert await store.claim("sesn_1") == driver.onto.epoch + 1


async def test_refused_input_claims_nothing(disk: Disk) -> None:
    async with disk.process() as store:
        driver = await let_go(store)

        with pytest.raises(Refused):
            await store.admit("sesn_1", HELLO, Confirm(call="sevt_none", allow=True), onto=driver.onto)

        assert driver.claims == []
        assert await store.claim("sesn_1") == driver.onto.epoch + 1


async def test_what_was_written_meanwhile_is_not_passed_over(disk: Disk) -> None:
    async with disk.process() as store, disk.process() as other:
        driver = await let_go(store)
        await other.admit("sesn_1", Instruct(content=text("of somebody else")))

        await store.admit("sesn_1", HELLO, onto=driver.onto)

        assert driver.claims == []
        assert await store.claim("sesn_1") == driver.onto.epoch + 1


async def test_session_that_another_has_driven_since_is_not_claimed(disk: Disk) -> None:
    async with disk.process() as store, disk.process() as other:
        driver = await let_go(store)
        newer = await other.claim("sesn_1")
        await other.append(idle_again(newer))

        await store.admit("sesn_1", HELLO, onto=driver.onto)

        assert driver.claims == []


async def test_session_that_is_driven_only_queues_the_input(disk: Disk) -> None:
    async with disk.process() as store:
        driver = await let_go(store)
        epoch = await store.claim("sesn_1")

        [event] = await store.admit("sesn_1", HELLO, onto=driver.onto)

        assert driver.claims == []
        assert [row.id for row in await store.inputs("sesn_1")] == [event.id]
        assert await store.append(writes("sesn_1", epoch, said("sevt_a")))


async def test_request_that_was_done_before_claims_nothing(disk: Disk) -> None:
    receipt = Receipt(workspace="default", key="k1", fingerprint="f1")
    async with disk.process() as store:
        driver = await let_go(store)
        [event] = await store.admit("sesn_1", HELLO, receipt=receipt, onto=driver.onto)
        epoch = driver.claims[0][0]
        await store.append(idle_again(epoch))
        again = Driver(epoch, (await store.session("sesn_1")).head)

        assert await store.admit("sesn_1", HELLO, receipt=receipt, onto=again.onto) == (event,)

        assert again.claims == []
        assert await store.claim("sesn_1") == epoch + 1


async def test_of_many_at_once_one_claims_and_the_others_queue(disk: Disk) -> None:
    async with disk.process() as store:
        driver = await let_go(store)

        await asyncio.gather(*(store.admit("sesn_1", HELLO, onto=driver.onto) for _ in range(20)))

        assert len(driver.claims) == 1
        assert len(await store.inputs("sesn_1")) == 20


async def test_who_is_cancelled_has_claimed_all_the_same(disk: Disk) -> None:
    async with disk.process() as store:
        driver = await let_go(store)
        sending = asyncio.create_task(store.admit("sesn_1", HELLO, onto=driver.onto))
        await asyncio.sleep(0)
        sending.cancel()
        await asyncio.wait([sending])

        async with asyncio.timeout(30):
            await driver.has_claimed.wait()

        epochs = [epoch for epoch, _, _ in driver.claims]
        assert epochs == [(await store.session("sesn_1")).epoch] == [driver.onto.epoch + 1]
