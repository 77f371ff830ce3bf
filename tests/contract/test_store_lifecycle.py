"""Stores: inputs that are accepted together or not at all, once or again; sessions that are changed, ended, deleted."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from podium.core.content import text
from podium.core.inputs import Archive, Confirm, Delete, Instruct, SendMessage, Update
from podium.core.ports import Receipt, Store
from podium.core.rows import About
from podium.errors import Conflict, NotFound, Refused
from tests.contract.stores import Disk
from tests.contract.writing import goes_idle, main, new_session, writes

HELLO = SendMessage(content=text("hello"))


async def idle_session(store: Store, id: str = "sesn_1") -> None:
    epoch = await store.create(new_session(id))
    await store.append(goes_idle(id, epoch))


async def types(store: Store, after: int = 0) -> list[str]:
    return [record.type for record in await store.records("sesn_1", after=after)]


async def test_several_inputs_are_accepted_in_their_order(disk: Disk) -> None:
    async with disk.process() as store:
        await idle_session(store)

        events = await store.admit("sesn_1", HELLO, Instruct(content=text("be brief")))

        assert await types(store, 4) == [
            "user.message",
            "session.status_running",
            "session.thread_status_running",
            "system.message",
        ]
        assert [event.id for event in events] == [row.id for row in await store.inputs("sesn_1")]


async def test_one_refused_input_takes_the_others_with_it(disk: Disk) -> None:
    async with disk.process() as store:
        await idle_session(store)
        before = await store.session("sesn_1")

        with pytest.raises(Refused, match="does not wait for approval"):
            await store.admit("sesn_1", HELLO, Confirm(call="sevt_none", allow=True))

        assert await store.session("sesn_1") == before
        assert await types(store, 4) == []
        assert await store.inputs("sesn_1") == []
        assert await store.admit("sesn_1", HELLO)


async def test_known_receipt_is_answered_and_nothing_is_done_again(disk: Disk) -> None:
    receipt = Receipt(workspace="default", key="k1", fingerprint="f1")
    async with disk.process() as a, disk.process() as b:
        await idle_session(a)

        first = await a.admit("sesn_1", HELLO, receipt=receipt)
        again = await b.admit("sesn_1", HELLO, receipt=receipt)

        assert first == again
        assert (await types(a)).count("user.message") == 2  # with the one it was made with
        with pytest.raises(Conflict, match="k1"):
            await b.admit("sesn_1", HELLO, receipt=Receipt(workspace="default", key="k1", fingerprint="f2"))
        await b.admit("sesn_1", HELLO, receipt=Receipt(workspace="other", key="k1", fingerprint="f2"))


async def test_request_sent_a_hundred_times_at_once_is_done_once(disk: Disk) -> None:
    receipt = Receipt(workspace="default", key="k1", fingerprint="f1")
    async with disk.process() as a, disk.process() as b:
        await idle_session(a)

        answers = await asyncio.gather(*[(a, b)[n % 2].admit("sesn_1", HELLO, receipt=receipt) for n in range(100)])

        assert len({answer[0].id for answer in answers}) == 1
        assert len(await a.inputs("sesn_1")) == 1


async def test_what_is_said_of_a_session_is_changed_while_it_works(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session(title="before"))

        [event] = await store.admit("sesn_1", Update(title="after", metadata={"a": "b"}))
        await store.append(writes("sesn_1", epoch))

        row = await store.session("sesn_1")
        assert row.about == About("after", {"a": "b"})
        assert (row.facts.status, row.title) == ("running", "after")
        assert await types(store, 2) == ["session.updated"]
        assert [row.id for row in await store.inputs("sesn_1")] == [event.id]


async def test_update_without_a_change_writes_nothing(disk: Disk) -> None:
    async with disk.process() as store:
        await store.create(new_session(title="same"))

        assert await store.admit("sesn_1", Update(title="same", metadata={"no": None})) == ()

        assert await types(store, 2) == []


async def test_budget_is_not_set_after_the_session_was_made(disk: Disk) -> None:
    async with disk.process() as store:
        await store.create(new_session())

        with pytest.raises(Refused, match="budget_create_only"):
            await store.admit("sesn_1", Update(budget=Decimal(1)))


async def test_archived_session_takes_no_input_and_is_archived_once(disk: Disk) -> None:
    async with disk.process() as store:
        await idle_session(store)

        await store.admit("sesn_1", Archive())

        row = await store.session("sesn_1")
        assert (row.facts.status, row.about.archived_at) == ("terminated", row.updated_at)
        assert [thread.status for thread in await store.threads("sesn_1")] == ["terminated"]
        assert await types(store, 4) == ["session.thread_status_terminated", "session.status_terminated"]
        with pytest.raises(Refused, match="is archived"):
            await store.admit("sesn_1", HELLO)
        assert await store.admit("sesn_1", Archive()) == ()


@pytest.mark.parametrize("request_", [Archive(), Delete()])
async def test_working_session_is_neither_archived_nor_deleted(disk: Disk, request_: Archive | Delete) -> None:
    async with disk.process() as store:
        await store.create(new_session())

        with pytest.raises(Refused, match="interrupt it and wait"):
            await store.admit("sesn_1", request_)


async def test_deleted_session_is_there_for_nobody_but_who_follows_its_log(disk: Disk) -> None:
    async with disk.process() as store:
        await idle_session(store)
        await store.create(new_session("sesn_2"))

        await store.admit("sesn_1", Delete())

        assert await types(store, 4) == ["session.deleted"]
        assert await types(store, 5) == []
        assert [row.id for row in await store.sessions()] == ["sesn_2"]
        with pytest.raises(NotFound):
            await store.session("sesn_1")
        with pytest.raises(NotFound):
            await store.admit("sesn_1", HELLO)


async def test_receipts_are_forgotten_when_they_are_old(disk: Disk) -> None:
    old, new = (Receipt(workspace="default", key=key, fingerprint="f") for key in ("k1", "k2"))
    async with disk.process() as store:
        await idle_session(store)
        first = await store.admit("sesn_1", HELLO, receipt=old)
        await store.admit("sesn_1", HELLO)
        kept = await store.admit("sesn_1", HELLO, receipt=new)
        at = (await store.records("sesn_1"))[-1].at

        await store.forget_receipts(at)

        assert await store.admit("sesn_1", HELLO, receipt=new) == kept
        assert await store.admit("sesn_1", HELLO, receipt=old) != first


async def test_receipts_are_purged_with_their_session(disk: Disk) -> None:
    made, sent, other = (Receipt(workspace="default", key=key, fingerprint="f") for key in ("k1", "k2", "k3"))
    async with disk.process() as store:
        epoch = await store.create(new_session("sesn_1"), made)
        await store.append(goes_idle("sesn_1", epoch))
        await store.admit("sesn_1", Update(title="private"), receipt=sent)
        await store.create(new_session("sesn_2"), other)
        await store.admit("sesn_1", Delete())
        deleted_at = (await store.records("sesn_1"))[-1].at

        await store.purge(deleted_at + timedelta(seconds=1))

        assert await store.made(made) is None
        assert await store.made(sent) is None
        assert await store.made(other) == "sesn_2"


async def test_deleted_session_is_purged_once_and_its_id_stays_taken(disk: Disk) -> None:
    async with disk.process() as store:
        await idle_session(store)
        await idle_session(store, "sesn_2")
        await store.admit("sesn_1", Delete())
        deleted_at = (await store.records("sesn_1", after=4))[0].at

        assert await store.purge(deleted_at) == await store.deleted(deleted_at) == []
        assert await store.deleted(deleted_at + timedelta(seconds=1)) == ["sesn_1"]
        assert await store.purge(deleted_at + timedelta(seconds=1)) == ["sesn_1"]

        assert await store.purge(deleted_at + timedelta(seconds=1)) == []
        assert await store.records("sesn_1") == []
        assert len(await store.records("sesn_2")) == 4
        assert [thread.id for thread in await store.threads("sesn_2")] == [main("sesn_2")]
        with pytest.raises(NotFound):
            await store.admit("sesn_1", HELLO)
        with pytest.raises(Refused):
            await store.create(new_session())


async def test_session_of_another_workspace_is_not_there(disk: Disk) -> None:
    async with disk.process() as store:
        await idle_session(store)

        with pytest.raises(NotFound, match="no session sesn_1") as refused:
            await store.admit("sesn_1", HELLO, workspace="other")

        assert refused.value.request is None
        assert await types(store, 4) == []
        assert await store.admit("sesn_1", HELLO, workspace="default")
