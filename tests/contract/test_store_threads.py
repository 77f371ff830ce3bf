"""Stores: results that clients give, threads that are archived, agents that a session was not started with."""

import asyncio

import msgspec
import pytest

from podium.core.content import text
from podium.core.definitions import Definition, ToolSpec
from podium.core.inputs import Archive, Confirm, GiveResult, Update
from podium.core.ports import Append, Store
from podium.core.records import OWN, PRIMARY, PRIVATE
from podium.core.rows import CallRow, Changes, InputRow, ThreadRow
from podium.errors import Answered, Refused
from tests.contract.stores import Disk
from tests.contract.writing import END_TURN, LEAD, RUNNING, START, TEAM, WORKER, goes_idle, main, new_session

CHILD = "sthr_child"
RESULT = GiveResult(call="sevt_c1", content=text("42"))


async def with_child(store: Store, *calls: CallRow) -> int:
    """A running session with an idle child that has these calls open; the epoch, at seq 2."""
    epoch = await store.create(new_session())
    child = ThreadRow(CHILD, main("sesn_1"), WORKER.version, "worker", "idle", END_TURN, None, START, START)
    await store.append(
        Append(session="sesn_1", epoch=epoch, drafts=[], changes=Changes(RUNNING, threads=(child,), opened=calls))
    )
    return epoch


def custom(id: str = "sevt_c1") -> CallRow:
    return CallRow(id, CHILD, "lookup", "hash", "client")


async def tail(store: Store) -> list[tuple[str, str, int]]:
    return [(record.type, record.thread, record.views) for record in await store.records("sesn_1", after=2)]


async def test_result_of_the_client_is_processed_as_it_comes_and_the_driver_must_see_it(disk: Disk) -> None:
    async with disk.process() as driver, disk.process() as client:
        epoch = await with_child(driver, custom())

        [event] = await client.admit("sesn_1", RESULT)

        assert event.processed_at is not None
        assert await tail(driver) == [("user.custom_tool_result", CHILD, OWN | PRIMARY)]
        assert await driver.inputs("sesn_1") == [InputRow(event.id, CHILD, 3, 3)]
        assert [call.state for call in await client.open_calls("sesn_1")] == ["answered"]
        with pytest.raises(Refused, match="input"):
            await driver.append(goes_idle("sesn_1", epoch))
        await driver.append(msgspec.structs.replace(goes_idle("sesn_1", epoch), no_input_after=3))


async def test_of_a_hundred_results_at_once_one_is_accepted(disk: Disk) -> None:
    async with disk.process() as a, disk.process() as b:
        await with_child(a, custom())

        sent = [(a, b)[n % 2].admit("sesn_1", RESULT) for n in range(100)]
        outcomes = await asyncio.gather(*sent, return_exceptions=True)

        assert [type(outcome) for outcome in outcomes].count(Answered) == 99
        assert len(await tail(a)) == 1


@pytest.mark.parametrize("request_", [Confirm(call="sevt_c1", allow=True), GiveResult(call="sevt_c2", content=())])
async def test_answer_of_another_kind_than_the_call_waits_for_is_refused(
    disk: Disk, request_: Confirm | GiveResult
) -> None:
    async with disk.process() as store:
        await with_child(store, custom(), CallRow("sevt_c2", CHILD, "bash", "hash", "asks"))

        with pytest.raises(Refused, match="does not wait for"):
            await store.admit("sesn_1", request_)
        assert await tail(store) == []


async def test_wish_to_archive_a_thread_of_a_working_session_is_for_its_driver_to_see(disk: Disk) -> None:
    async with disk.process() as driver, disk.process() as person:
        epoch = await with_child(driver)

        assert await person.admit("sesn_1", Archive(thread=CHILD)) == ()

        assert await tail(driver) == [("archive.asked", CHILD, PRIVATE)]
        [wish] = await driver.inputs("sesn_1")
        assert (wish.thread, wish.queued_seq, wish.taken_seq) == (CHILD, 3, 3)
        with pytest.raises(Refused, match="input"):
            await driver.append(goes_idle("sesn_1", epoch))


async def test_thread_of_an_idle_session_is_archived_at_once(disk: Disk) -> None:
    async with disk.process() as driver, disk.process() as person:
        epoch = await with_child(driver)
        await driver.append(goes_idle("sesn_1", epoch))

        assert await person.admit("sesn_1", Archive(thread=CHILD)) == ()

        assert (await tail(driver))[-1] == ("session.thread_status_terminated", CHILD, OWN | PRIMARY)
        assert {row.id: row.status for row in await driver.threads("sesn_1")}[CHILD] == "terminated"
        before = await tail(driver)
        assert await driver.admit("sesn_1", Archive(thread=CHILD)) == ()  # done once, it is done
        assert await tail(driver) == before


async def test_agents_that_appends_and_inputs_bring_are_there_by_version(disk: Disk) -> None:
    scout = Definition(name="scout", model="fake", tools_from="lead", wire={"type": "inline"})
    changed = msgspec.structs.replace(LEAD, tools=(ToolSpec("ask", "", {"type": "object"}, source="custom"),))
    async with disk.process() as driver, disk.process() as person:
        epoch = await with_child(driver)
        changes = Changes(RUNNING, definitions={scout.version: scout})
        await driver.append(Append(session="sesn_1", epoch=epoch, drafts=[], changes=changes))
        await driver.append(Append(session="sesn_1", epoch=epoch, drafts=[], changes=changes))  # the same once more
        await driver.append(goes_idle("sesn_1", epoch))

        await person.admit("sesn_1", Update(definition=changed, snapshot={"name": "lead"}))

        assert await person.definitions(scout.version) == {scout.version: scout}
        team = await driver.definitions(changed.version)
        assert team == {changed.version: changed, WORKER.version: WORKER}
        assert (await driver.session("sesn_1")).agent == LEAD.version  # what it was started with
        assert (await driver.threads("sesn_1"))[0].agent == changed.version
        assert await driver.definitions(LEAD.version) == TEAM
