"""Inputs in every store: accepted by anybody, decided and written in one transaction, taken by the driver."""

import asyncio

import msgspec
import pytest
from msgspec.structs import replace

from podium.core.content import text
from podium.core.events import UserInterrupt, UserMessage, UserToolConfirmation
from podium.core.facts import SessionPaused
from podium.core.inputs import Confirm, InputRequest, Interrupt, Resume, SendMessage
from podium.core.ports import Append, Store
from podium.core.records import OWN, PRIMARY, Draft, Record
from podium.core.rows import CallRow, Changes, InputRow, SessionFacts, ThreadRow
from podium.errors import Answered, NotFound, Refused
from tests.contract.stores import Disk
from tests.contract.writing import (
    IDLE,
    RUNNING,
    START,
    WORKER,
    goes_idle,
    main,
    new_session,
    said,
    taken,
    terminates,
    thread_row,
    writes,
)

CHILD = "sthr_child"
HELLO = SendMessage(content=text("hello"))


async def idle_session(store: Store) -> None:
    """A session that nobody drives, at seq 4."""
    await store.append(goes_idle("sesn_1", await store.create(new_session())))


async def tail(store: Store, after: int) -> list[Record]:
    return await store.records("sesn_1", after=after)


async def test_message_to_an_idle_session_wakes_it(disk: Disk) -> None:
    async with disk.process() as store:
        await idle_session(store)

        id = (await store.admit("sesn_1", HELLO))[0].id

        woken = await tail(store, 4)
        assert [record.type for record in woken] == [
            "user.message",
            "session.status_running",
            "session.thread_status_running",
        ]
        assert woken[0].event == UserMessage(id=id, processed_at=None, content=text("hello"))
        assert all(record.at > START for record in woken)
        row, now = await store.session("sesn_1"), woken[0].at
        facts = SessionFacts("running", None, IDLE.usage, running_since=now)
        assert (row.facts, row.owner, row.head, row.updated_at) == (facts, None, 7, now)
        assert await store.threads("sesn_1") == [replace(thread_row("sesn_1"), updated_at=now, running_since=now)]
        assert await store.inputs("sesn_1") == [InputRow(id, main("sesn_1"), 5, None)]


async def test_second_message_before_a_driver_comes_is_only_queued(disk: Disk) -> None:
    async with disk.process() as store:
        await idle_session(store)
        first = (await store.admit("sesn_1", HELLO))[0].id

        second = (await store.admit("sesn_1", HELLO))[0].id

        assert [record.type for record in await tail(store, 7)] == ["user.message"]
        assert [(row.id, row.queued_seq) for row in await store.inputs("sesn_1")] == [(first, 5), (second, 8)]


async def test_message_to_a_running_session_is_only_queued(disk: Disk) -> None:
    async with disk.process() as driver, disk.process() as other:
        epoch = await driver.create(new_session())
        before = await driver.session("sesn_1")

        id = (await other.admit("sesn_1", HELLO))[0].id

        assert [record.event for record in await tail(driver, 2)] == [
            UserMessage(id=id, processed_at=None, content=text("hello"))
        ]
        after = await driver.session("sesn_1")
        assert (after.facts, after.owner, after.epoch) == (before.facts, before.owner, epoch)
        assert await driver.append(writes("sesn_1", epoch, said("sevt_a"))) == 4


async def test_input_is_taken_once_by_its_second_record(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())
        first, second = [(await store.admit("sesn_1", HELLO))[0].id for _ in range(2)]

        await store.append(writes("sesn_1", epoch, said("sevt_a"), taken(first, "hello")))

        assert await store.inputs("sesn_1") == [
            InputRow(first, main("sesn_1"), 3, 6),
            InputRow(second, main("sesn_1"), 4, None),
        ]
        with pytest.raises(Refused):
            await store.append(writes("sesn_1", epoch, taken(first, "hello")))


async def test_idle_is_refused_while_an_input_waits(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())
        id = (await store.admit("sesn_1", HELLO))[0].id

        with pytest.raises(Refused, match="input"):
            await store.append(goes_idle("sesn_1", epoch))
        assert (await store.session("sesn_1")).facts.status == "running"
        assert (await store.session("sesn_1")).head == 3

        await store.append(writes("sesn_1", epoch, taken(id, "hello")))
        await store.append(goes_idle("sesn_1", epoch))
        assert (await store.session("sesn_1")).facts.status == "idle"


async def test_client_never_sees_idle_after_its_message_was_accepted(disk: Disk) -> None:
    async with disk.process() as store, disk.process() as client:
        epoch = await store.create(new_session())

        idle = asyncio.ensure_future(store.append(goes_idle("sesn_1", epoch)))
        await client.admit("sesn_1", HELLO)
        status = (await client.session("sesn_1")).facts.status
        outcome = (await asyncio.gather(idle, return_exceptions=True))[0]

        assert status == "running"
        types = [record.type for record in await tail(store, 2)]
        if isinstance(outcome, Refused):
            assert types == ["user.message"]
        else:
            assert types[-3:] == ["user.message", "session.status_running", "session.thread_status_running"]


async def test_idle_that_takes_the_input_itself_is_written(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())
        id = (await store.admit("sesn_1", Interrupt()))[0].id

        await store.append(goes_idle("sesn_1", epoch, UserInterrupt(id=id, processed_at=START)))

        assert (await store.session("sesn_1")).facts.status == "idle"


async def test_interrupt_with_pause_of_a_running_session(disk: Disk) -> None:
    async with disk.process() as driver, disk.process() as person:
        await driver.create(new_session())

        id = (await person.admit("sesn_1", Interrupt(pause=True)))[0].id

        assert [record.event for record in await tail(driver, 2)] == [
            UserInterrupt(id=id, processed_at=None),
            SessionPaused(),
        ]
        row = await driver.session("sesn_1")
        assert (row.paused, row.is_unfinished, row.facts.status) == (True, True, "running")
        assert await driver.inputs("sesn_1") == [InputRow(id, main("sesn_1"), 3, None)]


async def test_pause_is_not_lost_under_appends_of_a_driver_that_has_not_seen_it(disk: Disk) -> None:
    async with disk.process() as driver, disk.process() as person:
        epoch = await driver.create(new_session())

        appends = [driver.append(writes("sesn_1", epoch, said(f"sevt_{n}"))) for n in range(20)]
        pause = asyncio.ensure_future(person.admit("sesn_1", Interrupt(pause=True)))
        later = [driver.append(writes("sesn_1", epoch, said(f"sevt_later_{n}"))) for n in range(20)]
        await asyncio.gather(*appends, pause, *later)
        [event] = await pause
        id = event.id
        await driver.append(writes("sesn_1", epoch, UserInterrupt(id=id, processed_at=START)))
        await driver.append(goes_idle("sesn_1", epoch))

        assert (await driver.session("sesn_1")).paused


async def test_paused_session_is_resumed(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())
        id = (await store.admit("sesn_1", Interrupt(pause=True)))[0].id
        await store.append(writes("sesn_1", epoch, UserInterrupt(id=id, processed_at=START)))
        await store.append(goes_idle("sesn_1", epoch))
        head = (await store.session("sesn_1")).head

        await store.admit("sesn_1", Resume())

        assert [record.type for record in await tail(store, head)] == [
            "session.resumed",
            "session.status_running",
            "session.thread_status_running",
        ]
        row = await store.session("sesn_1")
        assert (row.paused, row.facts.status) == (False, "running")
        assert await store.claim("sesn_1") == epoch + 1


async def test_message_ends_a_pause(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())
        id = (await store.admit("sesn_1", Interrupt(pause=True)))[0].id
        await store.append(writes("sesn_1", epoch, UserInterrupt(id=id, processed_at=START)))
        await store.append(goes_idle("sesn_1", epoch))

        await store.admit("sesn_1", HELLO)

        row = await store.session("sesn_1")
        assert (row.paused, row.facts.status) == (False, "running")


async def test_interrupt_of_an_idle_session_is_processed_on_receipt(disk: Disk) -> None:
    async with disk.process() as store:
        await idle_session(store)

        id = (await store.admit("sesn_1", Interrupt(pause=True)))[0].id

        [record] = await tail(store, 4)
        assert record.event == UserInterrupt(id=id, processed_at=record.at)
        row = await store.session("sesn_1")
        assert (row.facts, row.paused) == (IDLE, False)
        assert await store.inputs("sesn_1") == []


@pytest.mark.parametrize("request_", [HELLO, Interrupt(), Resume()], ids=["message", "interrupt", "resume"])
async def test_terminated_session_takes_nothing(disk: Disk, request_: InputRequest) -> None:
    async with disk.process() as store:
        await store.append(terminates("sesn_1", await store.create(new_session())))

        with pytest.raises(Refused, match=r"sesn_1 is terminated.*start a new one"):
            await store.admit("sesn_1", request_)

        assert (await store.session("sesn_1")).head == 2
        assert await store.inputs("sesn_1") == []


async def test_resume_of_what_is_not_paused_is_refused_and_writes_nothing(disk: Disk) -> None:
    async with disk.process() as store:
        await idle_session(store)
        before = await store.session("sesn_1")

        with pytest.raises(Refused, match="not paused"):
            await store.admit("sesn_1", Resume())

        assert await store.session("sesn_1") == before
        assert await tail(store, 4) == []


async def test_input_for_a_session_that_is_not_there_is_not_found(disk: Disk) -> None:
    async with disk.process() as store:
        await idle_session(store)
        with pytest.raises(NotFound, match="sesn_9"):
            await store.admit("sesn_9", HELLO)
        await store.admit("sesn_1", HELLO)


async def test_inputs_of_a_hundred_clients_all_stand(disk: Disk) -> None:
    async with disk.process() as a, disk.process() as b:
        await idle_session(a)

        events = await asyncio.gather(*[(a, b)[n % 2].admit("sesn_1", HELLO) for n in range(100)])
        ids = [event.id for (event,) in events]

        rows = await a.inputs("sesn_1")
        assert sorted(row.id for row in rows) == sorted(ids)
        types = [record.type for record in await tail(a, 4)]
        assert types.count("session.status_running") == 1
        assert types.count("user.message") == 100


# --- approvals -------------------------------------------------------------------------------------


async def child_that_asks(store: Store) -> int:
    """A running session whose child asks whether it may run sevt_c1; the epoch, at seq 2."""
    epoch = await store.create(new_session())
    child = ThreadRow(CHILD, main("sesn_1"), WORKER.version, "worker", "running", None, None, START, START)
    call = CallRow("sevt_c1", CHILD, "bash", "hash", "asks")
    changes = Changes(RUNNING, threads=(child,), opened=(call,))
    await store.append(Append(session="sesn_1", epoch=epoch, drafts=[], changes=changes))
    return epoch


async def test_approval_is_queued_on_the_thread_of_its_call(disk: Disk) -> None:
    async with disk.process() as driver, disk.process() as person:
        epoch = await child_that_asks(driver)

        id = (await person.admit("sesn_1", Confirm(call="sevt_c1", allow=True)))[0].id

        [record] = await tail(driver, 2)
        assert (record.thread, record.views) == (CHILD, OWN | PRIMARY)
        assert isinstance(record.event, UserToolConfirmation)
        assert (record.event.id, record.event.processed_at, record.event.tool_use_id) == (id, None, "sevt_c1")
        assert await driver.inputs("sesn_1") == [InputRow(id, CHILD, 3, None)]
        assert [call.state for call in await driver.open_calls("sesn_1")] == ["answered"]
        with pytest.raises(Refused, match="input"):
            await driver.append(goes_idle("sesn_1", epoch))
        took = Draft(CHILD, OWN | PRIMARY, START, msgspec.structs.replace(record.event, processed_at=START))
        await driver.append(Append(session="sesn_1", epoch=epoch, drafts=[took], changes=Changes(RUNNING)))
        assert await driver.inputs("sesn_1") == [InputRow(id, CHILD, 3, 4)]


async def test_of_a_hundred_answers_at_once_one_is_accepted(disk: Disk) -> None:
    async with disk.process() as a, disk.process() as b:
        epoch = await child_that_asks(a)
        answers = [Confirm(call="sevt_c1", allow=n % 3 == 0) for n in range(100)]
        busy = [a.append(writes("sesn_1", epoch, said(f"sevt_{n}"))) for n in range(20)]

        outcomes = await asyncio.gather(
            *[(a, b)[n % 2].admit("sesn_1", answer) for n, answer in enumerate(answers)], return_exceptions=True
        )
        await asyncio.gather(*busy)

        [accepted] = [event.id for outcome in outcomes if isinstance(outcome, tuple) for event in outcome]
        assert [type(outcome) for outcome in outcomes if not isinstance(outcome, tuple)] == [Answered] * 99
        written = [record.event for record in await tail(a, 2) if record.type == "user.tool_confirmation"]
        assert [event.id for event in written] == [accepted]
        assert [row.id for row in await b.inputs("sesn_1")] == [accepted]


async def test_admission_sees_every_thread_in_the_order_it_was_made(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await child_that_asks(store)
        earlier = ThreadRow("sthr_0", main("sesn_1"), WORKER.version, "worker", "running", None, None, START, START)
        changes = Changes(RUNNING, threads=(earlier,))
        await store.append(Append(session="sesn_1", epoch=epoch, drafts=[], changes=changes))

        await store.admit("sesn_1", HELLO)

        assert [thread.id for thread in await store.threads("sesn_1")] == [main("sesn_1"), CHILD, "sthr_0"]
        assert [record.thread for record in await tail(store, 2)] == [main("sesn_1")]
