"""The writer thread of the SQLite store: whatever one caller gives it, it goes on for the others."""

import asyncio
import sqlite3
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from podium.core.content import text
from podium.core.inputs import SendMessage
from podium.core.rows import Changes
from podium.errors import StoreDown
from podium.store.sqlite import SqliteStore
from podium.store.sqlite_file import FILE
from tests.contract.stores import unique
from tests.contract.writing import RUNNING, TickingClock, new_session, said, thread_row, writes


class BrokenClock(TickingClock):
    def now(self) -> datetime:
        raise OSError("the clock is gone")


async def test_work_that_breaks_while_it_is_written_fails_alone(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path, TickingClock(), unique)
    epoch = await store.create(new_session())
    unwritable = msgspec.structs.replace(thread_row("sesn_1"), id="sthr_x", agent_name="\ud800")
    broken = writes("sesn_1", epoch, said("sevt_lost"))
    broken = type(broken)(session="sesn_1", epoch=epoch, drafts=[], changes=Changes(RUNNING, threads=(unwritable,)))

    outcomes = await asyncio.gather(
        store.append(writes("sesn_1", epoch, said("sevt_a"))),
        store.append(broken),
        store.append(writes("sesn_1", epoch, said("sevt_b"))),
        return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes] == [int, UnicodeEncodeError, int]
    assert [record.event.id for record in await store.records("sesn_1", after=2)] == ["sevt_a", "sevt_b"]
    await store.close()


async def test_error_of_a_port_reaches_the_caller_and_nobody_else(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path, BrokenClock(), unique)
    epoch = await store.create(new_session())

    with pytest.raises(OSError, match="the clock is gone"):
        await store.admit("sesn_1", SendMessage(content=text("hello")))

    assert await store.append(writes("sesn_1", epoch, said("sevt_a"))) == 3
    await store.close()


async def test_driver_that_lost_an_append_writes_nothing_more_until_it_claims_again(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path, TickingClock(), unique, busy_s=0.05)
    epoch = await store.create(new_session("sesn_1"))
    other = await store.create(new_session("sesn_2"))
    holder = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    lost = asyncio.ensure_future(store.append(writes("sesn_1", epoch, said("sevt_lost"))))
    with pytest.raises(StoreDown, match="locked by another process"):
        await lost
    holder.close()

    with pytest.raises(StoreDown, match="locked by another process"):
        await store.append(writes("sesn_1", epoch, said("sevt_decided_on_the_lost_one")))
    assert await store.append(writes("sesn_2", other, said("sevt_a"))) == 3
    store.dropped("sesn_1")
    assert await store.append(writes("sesn_1", await store.claim("sesn_1"), said("sevt_b"))) == 3

    assert [record.event.id for record in await store.records("sesn_1", after=2)] == ["sevt_b"]
    await store.close()


async def test_handed_over_appends_are_finished_by_close(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path, TickingClock(), unique)
    epoch = await store.create(new_session())
    waiting = [asyncio.ensure_future(store.append(writes("sesn_1", epoch, said(f"sevt_{n}")))) for n in range(50)]

    await store.close()
    await store.close()

    assert [future.done() and future.result() for future in waiting] == list(range(3, 53))
    with pytest.raises(RuntimeError, match="closed"):
        await store.append(writes("sesn_1", epoch, said("sevt_late")))


async def test_question_that_fails_is_its_askers_trouble_alone(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path, TickingClock(), unique)
    epoch = await store.create(new_session())
    vandal = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    vandal.execute("ALTER TABLE session RENAME TO gone")

    with pytest.raises(StoreDown, match="could not be read or written: no such table: session"):
        await store.moved_elsewhere()

    vandal.execute("ALTER TABLE gone RENAME TO session")
    vandal.execute("UPDATE session SET moved = moved + 1")
    vandal.close()
    assert await store.moved_elsewhere() == ["sesn_1"]
    assert await store.append(writes("sesn_1", epoch, said("sevt_a"))) == 3
    await store.close()


async def test_question_under_way_is_answered_by_close(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path, TickingClock(), unique)
    asked = [asyncio.ensure_future(store.moved_elsewhere()) for _ in range(3)]
    given_up = asyncio.ensure_future(store.moved_elsewhere())
    await asyncio.sleep(0)
    given_up.cancel()

    await store.close()

    assert [await one for one in asked] == [[], [], []]
    with pytest.raises(RuntimeError, match="closed"):
        await store.moved_elsewhere()
