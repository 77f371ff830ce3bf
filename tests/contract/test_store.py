"""The log of every store: what is written is there, in order, whole, and refused appends leave no trace."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from podium.core.events import StopReason
from podium.core.facts import CallAnswered, DelegationClosed
from podium.core.ports import Append, Store
from podium.core.records import Record, encode
from podium.core.rows import CallRow, CallState, Changes, SessionFacts, ThreadRow
from podium.errors import Fenced, NotFound, Refused
from tests.contract.stores import Disk
from tests.contract.writing import (
    LEAD,
    RUNNING,
    START,
    TEAM,
    WORKER,
    draft,
    main,
    new_session,
    result,
    said,
    taken,
    thread_row,
    writes,
)

SOON = datetime(2025, 1, 1, 0, 0, 5, 123457, tzinfo=UTC)


async def whole_log(store: Store, session: str) -> list[Record]:
    return await store.records(session, limit=100_000)


async def types(store: Store, session: str) -> list[str]:
    return [record.type for record in await whole_log(store, session)]


async def gathered(store: Store, appends: Sequence[Append]) -> list[Any]:
    """What becomes of appends that are handed over together."""
    return await asyncio.gather(*[store.append(append) for append in appends], return_exceptions=True)


async def test_created_session_is_there_with_its_records_and_rows(disk: Disk) -> None:
    async with disk.process() as store:
        new = new_session(title="a title", needs=("tool:count",))
        epoch = await store.create(new)

        row = await store.session("sesn_1")
        assert (row.id, row.title, row.agent, row.agent_name) == ("sesn_1", "a title", LEAD.version, "lead")
        assert (row.needs, row.created_at, row.facts, row.paused) == (("tool:count",), START, RUNNING, False)
        assert (row.head, row.epoch, epoch) == (2, 1, 1)
        assert row.owner is not None
        assert [record.seq for record in await whole_log(store, "sesn_1")] == [1, 2]
        assert [record.event for record in await whole_log(store, "sesn_1")] == [d.event for d in new.drafts]
        assert await store.threads("sesn_1") == [thread_row("sesn_1")]


async def test_record_keeps_everything_of_its_draft(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())
        event = said("sevt_a", "ünï \0 \U0001f600")
        await store.append(writes("sesn_1", epoch, event))

        assert (await whole_log(store, "sesn_1"))[-1] == Record(
            "sesn_1", 3, main("sesn_1"), draft("sesn_1", event).views, START, encode(event), event
        )


async def test_same_session_is_created_once(disk: Disk) -> None:
    async with disk.process() as store:
        await store.create(new_session(title="first"))

        with pytest.raises(Refused):
            await store.create(new_session(title="second"))

        assert (await store.session("sesn_1")).title == "first"
        assert (await store.session("sesn_1")).head == 2


async def test_refused_creation_leaves_nothing(disk: Disk) -> None:
    async with disk.process() as store:
        new = new_session()
        stray = msgspec.structs.replace(new.drafts[1], thread="sthr_unknown")
        with pytest.raises(Refused):
            await store.create(replace(new, drafts=(new.drafts[0], stray)))

        assert await store.sessions() == []
        await store.create(new)


async def test_seqs_are_dense_and_in_commit_order_under_concurrent_sessions(disk: Disk) -> None:
    sessions = [f"sesn_{n}" for n in range(5)]
    async with disk.process() as store:
        epochs = {session: await store.create(new_session(session)) for session in sessions}

        async def drive(session: str) -> list[int]:
            waiting = []
            for n in range(40):
                events = [said(f"sevt_{session}_{n}_{part}") for part in range(n % 3 + 1)]
                waiting.append(asyncio.ensure_future(store.append(writes(session, epochs[session], *events))))
                if n % 7 == 0:
                    await waiting[-1]
            return await asyncio.gather(*waiting)

        firsts = await asyncio.gather(*[drive(session) for session in sessions])

        for session, first in zip(sessions, firsts, strict=True):
            log = await whole_log(store, session)
            assert [record.seq for record in log] == list(range(1, len(log) + 1))
            assert first == sorted(first)
            handed_over = [f"sevt_{session}_{n}_{part}" for n in range(40) for part in range(n % 3 + 1)]
            assert [record.event.id for record in log[2:]] == handed_over
            assert [log[seq - 1].event.id for seq in first] == [f"sevt_{session}_{n}_0" for n in range(40)]
            assert (await store.session(session)).head == len(log)


async def test_call_that_another_child_works_on_is_open_as_before(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())
        first, second = (
            CallRow("sevt_c1", main("sesn_1"), "grep", "h", "joined", child) for child in ("sthr_x", "sthr_y")
        )

        async def appended(**changed: Any) -> list[CallRow]:
            changes = Changes(RUNNING, **changed)
            await store.append(Append(session="sesn_1", epoch=epoch, drafts=[], changes=changes))
            return await store.open_calls("sesn_1")

        assert await appended(opened=(first,)) == [first]
        assert await appended(moved=(second,)) == [second]
        assert await appended(moved=(first,), closed=("sevt_c1",)) == []


async def test_projections_are_what_was_given(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())
        child = ThreadRow("sthr_child", main("sesn_1"), WORKER.version, "worker", "running", None, None, START, START)
        calls = (
            CallRow("sevt_c1", main("sesn_1"), "bash", "h1", "asks"),
            CallRow("sevt_c2", "sthr_child", "grep", "h2", "delegated", "sthr_x"),
        )
        opened = Changes(RUNNING, threads=(child,), opened=calls)
        await store.append(Append(session="sesn_1", epoch=epoch, drafts=[], changes=opened))
        assert await store.open_calls("sesn_1") == list(calls)

        waits = StopReason("requires_action", ("sevt_c1",))
        blocked = thread_row("sesn_1", "idle", waits)
        usage = msgspec.structs.replace(RUNNING.usage, input_tokens=7)
        facts = SessionFacts("idle", waits, usage, Decimal("1234567890.000000000000000000012300"), SOON)
        closed = Changes(facts, paused=True, threads=(blocked,), closed=("sevt_c2", "sevt_never_opened"))
        await store.append(Append(session="sesn_1", epoch=epoch, drafts=[], changes=closed))

        assert await store.threads("sesn_1") == [blocked, child]
        assert await store.open_calls("sesn_1") == [calls[0]]
        row = await store.session("sesn_1")
        assert row.facts == facts
        assert str(row.facts.usd) == str(facts.usd)
        assert row.paused
        await store.append(writes("sesn_1", epoch))
        assert (await store.session("sesn_1")).facts.wake_at is None


async def test_thread_that_is_new_in_one_append_may_change_in_the_next_of_the_same_burst(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())
        child = ThreadRow("sthr_child", main("sesn_1"), WORKER.version, "worker", "running", None, None, START, START)
        ended = msgspec.structs.replace(child, status="terminated")
        born, dies = [
            Append(session="sesn_1", epoch=epoch, drafts=[], changes=Changes(RUNNING, threads=(row,)))
            for row in (child, ended)
        ]

        await gathered(store, [born, dies])

        assert await store.threads("sesn_1") == [thread_row("sesn_1"), ended]


async def test_thread_of_a_refused_append_is_made_by_the_next_that_brings_it(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())
        await store.append(writes("sesn_1", epoch, said("sevt_listed")))
        child = ThreadRow("sthr_child", main("sesn_1"), WORKER.version, "worker", "running", None, None, START, START)
        changes = Changes(RUNNING, threads=(child,))
        refused, made = [
            Append(
                session="sesn_1",
                epoch=epoch,
                drafts=[msgspec.structs.replace(draft("sesn_1", said(id)), thread=child.id)],
                changes=changes,
            )
            for id in ("sevt_listed", "sevt_new")
        ]

        outcomes = await gathered(store, [refused, made])

        assert [type(outcome) for outcome in outcomes] == [Refused, int]
        assert await store.threads("sesn_1") == [thread_row("sesn_1"), child]
        assert [record.thread for record in await store.records("sesn_1", after=3)] == [child.id]


async def test_fenced_append_in_a_burst_fails_alone(disk: Disk) -> None:
    async with disk.process() as store:
        epochs = {id: await store.create(new_session(id)) for id in ("sesn_1", "sesn_2")}
        store.dropped("sesn_1")
        newer = await store.claim("sesn_1")

        outcomes = await gathered(
            store,
            [
                writes("sesn_2", epochs["sesn_2"], said("sevt_a")),
                writes("sesn_1", epochs["sesn_1"], said("sevt_b")),
                writes("sesn_1", newer, said("sevt_c")),
                writes("sesn_2", epochs["sesn_2"], said("sevt_d")),
            ],
        )

        assert [type(outcome) for outcome in outcomes] == [int, Fenced, int, int]
        assert [record.event.id for record in (await whole_log(store, "sesn_1"))[2:]] == ["sevt_c"]
        assert [record.event.id for record in (await whole_log(store, "sesn_2"))[2:]] == ["sevt_a", "sevt_d"]


REFUSED = {
    "second result of a call": [result("sevt_r2", "sevt_call")],
    "answer to an answered call": [CallAnswered(call="sevt_call", content=())],
    "closing of an answered delegation": [DelegationClosed(call="sevt_call", thread="x", outcome="failed")],
    "id that is listed": [said("sevt_r1")],
    "same id twice in one append": [said("sevt_twice"), said("sevt_twice")],
}


@pytest.mark.parametrize("events", REFUSED.values(), ids=REFUSED.keys())
async def test_append_against_the_rules_is_refused_alone(disk: Disk, events: list[Any]) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())
        await store.append(writes("sesn_1", epoch, result("sevt_r1", "sevt_call")))

        outcomes = await gathered(
            store,
            [
                writes("sesn_1", epoch, said("sevt_before"), opened=["sevt_c1"]),
                writes("sesn_1", epoch, said("sevt_lost"), *events, opened=["sevt_c2"], closed=["sevt_c1"]),
                writes("sesn_1", epoch, said("sevt_after")),
            ],
        )

        assert [type(outcome) for outcome in outcomes] == [int, Refused, int]
        log = await whole_log(store, "sesn_1")
        assert [record.event.id for record in log[3:]] == ["sevt_before", "sevt_after"]
        assert [record.seq for record in log] == [1, 2, 3, 4, 5]
        assert [call.id for call in await store.open_calls("sesn_1")] == ["sevt_c1"]


async def call_states(store: Store) -> list[tuple[str, str]]:
    return [(call.id, call.state) for call in await store.open_calls("sesn_1")]


async def test_approval_is_answered_once_in_a_burst(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())

        outcomes = await gathered(
            store,
            [
                writes("sesn_1", epoch, said("sevt_asks"), opened=["sevt_c1", "sevt_c2"]),
                writes("sesn_1", epoch, said("sevt_yes"), answered=["sevt_c1"]),
                writes("sesn_1", epoch, said("sevt_again"), opened=["sevt_c3"], answered=["sevt_c1"]),
                writes("sesn_1", epoch, said("sevt_goes_on"), closed=["sevt_c1"]),
                writes("sesn_1", epoch, said("sevt_late"), answered=["sevt_c1"]),
                writes("sesn_1", epoch, said("sevt_other"), answered=["sevt_c2"]),
            ],
        )

        assert [type(outcome) for outcome in outcomes] == [int, int, Refused, int, Refused, int]
        written = [record.event.id for record in (await whole_log(store, "sesn_1"))[2:]]
        assert written == ["sevt_asks", "sevt_yes", "sevt_goes_on", "sevt_other"]
        assert await call_states(store) == [("sevt_c2", "answered")]


@pytest.mark.parametrize("state", ["answered", "delegated", "waits"])
async def test_call_that_does_not_ask_cannot_be_answered(disk: Disk, state: CallState) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())
        call = CallRow("sevt_c1", main("sesn_1"), "bash", "hash", state)
        await store.append(Append(session="sesn_1", epoch=epoch, drafts=[], changes=Changes(RUNNING, opened=(call,))))

        for id in ("sevt_c1", "sevt_never_opened"):
            with pytest.raises(Refused, match=rf"{id} waits for no approval"):
                await store.append(writes("sesn_1", epoch, said("sevt_yes"), answered=[id]))

        assert await call_states(store) == [("sevt_c1", state)]
        assert (await store.session("sesn_1")).head == 2


async def test_call_of_another_session_is_not_answered(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session("sesn_1"))
        other = await store.create(new_session("sesn_2"))
        await store.append(writes("sesn_1", epoch, opened=["sevt_c1"]))

        with pytest.raises(Refused):
            await store.append(writes("sesn_2", other, answered=["sevt_c1"]))

        assert await call_states(store) == [("sevt_c1", "asks")]


async def test_same_call_twice_in_one_answer_is_refused(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())
        await store.append(writes("sesn_1", epoch, opened=["sevt_c1"]))

        with pytest.raises(Refused):
            await store.append(writes("sesn_1", epoch, answered=["sevt_c1", "sevt_c1"]))

        assert await call_states(store) == [("sevt_c1", "asks")]


async def test_open_call_is_not_opened_again(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())

        outcomes = await gathered(store, [writes("sesn_1", epoch, opened=["sevt_c1"])] * 2)

        assert [type(outcome) for outcome in outcomes] == [int, Refused]
        await store.append(writes("sesn_1", epoch, closed=["sevt_c1"]))
        await store.append(writes("sesn_1", epoch, opened=["sevt_c1"]))
        assert await call_states(store) == [("sevt_c1", "asks")]


async def test_call_ids_and_event_ids_are_unique_per_session_only(disk: Disk) -> None:
    async with disk.process() as store:
        for session in ("sesn_1", "sesn_2"):
            epoch = await store.create(new_session(session))
            await store.append(writes(session, epoch, said("sevt_same"), result("sevt_r", "sevt_call")))

        assert await types(store, "sesn_1") == await types(store, "sesn_2")


@pytest.mark.parametrize("thread", ["sthr_unknown", main("sesn_2")])
async def test_record_of_a_thread_that_is_not_the_sessions_is_refused(disk: Disk, thread: str) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session("sesn_1"))
        await store.create(new_session("sesn_2"))
        stray = msgspec.structs.replace(draft("sesn_1", said("sevt_a")), thread=thread)
        append = Append(session="sesn_1", epoch=epoch, drafts=[stray], changes=Changes(RUNNING))

        outcomes = await gathered(store, [append, writes("sesn_1", epoch, said("sevt_b"))])

        assert [type(outcome) for outcome in outcomes] == [Refused, int]
        assert [record.event.id for record in (await whole_log(store, "sesn_1"))[2:]] == ["sevt_b"]


async def test_append_to_a_session_that_is_not_there_is_fenced(disk: Disk) -> None:
    async with disk.process() as store:
        await store.create(new_session())
        with pytest.raises(Fenced):
            await store.append(writes("sesn_9", 1, said("sevt_a")))


async def test_what_was_acknowledged_is_there_for_the_next_process(disk: Disk) -> None:
    async with disk.process() as first:
        epoch = await first.create(new_session())
        await first.append(writes("sesn_1", epoch, said("sevt_a")))
        written = await whole_log(first, "sesn_1")

    async with disk.process() as second:
        assert await whole_log(second, "sesn_1") == written


async def test_append_whose_waiter_gave_up_is_written_all_the_same(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())
        given_up = asyncio.ensure_future(store.append(writes("sesn_1", epoch, said("sevt_a"))))
        given_up.cancel()

        assert await store.append(writes("sesn_1", epoch, said("sevt_b"))) == 4
        assert [record.event.id for record in (await whole_log(store, "sesn_1"))[2:]] == ["sevt_a", "sevt_b"]


@pytest.mark.parametrize("size", [256 * 1024 - 200, 256 * 1024 + 1, 5_000_000])
async def test_large_body_survives(disk: Disk, size: int) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())
        events = [said("sevt_a", "x" * size), said("sevt_b", "y"), said("sevt_c", "x" * size)]
        await store.append(writes("sesn_1", epoch, *events))

        log = await whole_log(store, "sesn_1")
        assert [record.event for record in log[2:]] == events
        assert [record.body for record in log[2:]] == [encode(event) for event in events]


async def test_log_is_read_in_pages(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session("sesn_1"))
        await store.create(new_session("sesn_2"))
        await store.append(writes("sesn_1", epoch, *[said(f"sevt_{n}") for n in range(8)]))

        pages, after = [], 0
        while page := await store.records("sesn_1", after=after, limit=4):
            pages.append([record.seq for record in page])
            after = page[-1].seq

        assert pages == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
        assert await store.records("sesn_1", after=10) == []
        assert [record.seq for record in await store.records("sesn_1", after=9)] == [10]


async def test_sessions_are_listed_newest_first(disk: Disk) -> None:
    async with disk.process() as store:
        epochs = {id: await store.create(new_session(id)) for id in ("sesn_b", "sesn_c", "sesn_a")}
        await store.append(writes("sesn_b", epochs["sesn_b"], said("sevt_x")))

        assert [row.id for row in await store.sessions()] == ["sesn_a", "sesn_c", "sesn_b"]


async def test_definition_comes_with_everyone_below_it(disk: Disk) -> None:
    async with disk.process() as store:
        await store.create(new_session())

        assert await store.definitions(LEAD.version) == TEAM
        assert await store.definitions(WORKER.version) == {WORKER.version: WORKER}


async def test_what_is_not_there_is_not_found(disk: Disk) -> None:
    async with disk.process() as store:
        await store.create(new_session())
        asked = [
            store.session("sesn_9"),
            store.records("sesn_9"),
            store.threads("sesn_9"),
            store.open_calls("sesn_9"),
            store.inputs("sesn_9"),
            store.owner("sesn_9"),
            store.claim("sesn_9"),
            store.definitions("no such version"),
        ]
        for answer in asked:
            with pytest.raises(NotFound, match=r"sesn_9|no such version"):
                await answer

        assert await store.append(writes("sesn_1", 1, taken("sevt_a", "still there"))) == 3
