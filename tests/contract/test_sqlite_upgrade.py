"""A database of version 0.1.0, opened by this one."""

import sqlite3
from contextlib import ExitStack
from pathlib import Path

import pytest

from podium.analysis.integrity import damaged
from podium.core.records import type_of
from podium.core.rows import CallRow
from podium.store.sqlite import SqliteStore
from podium.store.sqlite_file import FILE
from tests.contract.processes import process
from tests.contract.stores import unique
from tests.contract.writing import TickingClock

DUMP = Path(__file__).with_name("podium-0.1.0.sql")
SESSION = "sesn_Vbc5ODD6kXx000001"
LEAD, ALPHA, BETA, GAMMA = [f"sthr_Vbc5ODD6kXx0000{n}" for n in ("02", "0a", "0f", "18")]
CALLS = {"sevt_Vbc5ODD6kXx000007": ALPHA, "sevt_Vbc5ODD6kXx000008": BETA, "sevt_Vbc5ODD6kXx000016": GAMMA}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A data folder of 0.1.0 with an unfinished session."""
    db = sqlite3.connect(tmp_path / FILE)
    db.executescript(DUMP.read_text())
    db.close()
    return tmp_path


def changed(folder: Path, statement: str) -> None:
    """Change the old database before it is opened."""
    db = sqlite3.connect(folder / FILE)
    assert db.execute(statement).rowcount > 0
    db.commit()
    db.close()


async def children(folder: Path) -> dict[str, str]:
    """The threads that the open calls wait for, by call."""
    store = SqliteStore.open(folder, TickingClock(), unique)
    calls = await store.open_calls(SESSION)
    await store.close()
    assert [(call.id, call.state) for call in calls] == [(id, "delegated") for id in CALLS]
    return {call.id: call.child for call in calls}


async def test_session_of_0_1_0_is_there_and_goes_on(old: Path) -> None:
    store = SqliteStore.open(old, TickingClock(), unique)
    row = await store.session(SESSION)
    records = await store.records(SESSION)

    assert (row.title, row.head, row.facts.status, row.facts.usage.output_tokens) == ("do both", 28, "running", 51)
    assert (str(row.facts.usd), row.facts.wake_at) == ("0", None)
    assert [record.seq for record in records] == list(range(1, 29))
    assert (records[0].type, type_of(records[-1].event)) == ("session.created", "span.model_request_start")
    assert [thread.id for thread in await store.threads(SESSION)] == [LEAD, ALPHA, BETA, GAMMA]
    assert await store.claim(SESSION) == 2
    await store.close()


async def test_doctor_finds_nothing_wrong_with_what_0_1_0_wrote(old: Path) -> None:
    store = SqliteStore.open(old, TickingClock(), unique)

    assert await damaged(store) == []

    await store.close()


async def test_open_calls_of_0_1_0_are_delegations_to_their_children(old: Path) -> None:
    store = SqliteStore.open(old, TickingClock(), unique)
    [alpha, *_, gamma] = await store.open_calls(SESSION)
    await store.close()

    hash = "efc9b0937d8f49713374c95ec31956e64033cad00c43827608b37c450b2e001b"
    assert alpha == CallRow("sevt_Vbc5ODD6kXx000007", LEAD, "alpha", hash, "delegated", ALPHA)
    assert (gamma.thread, gamma.name, gamma.state, gamma.child) == (BETA, "gamma", "delegated", GAMMA)


async def test_child_is_found_in_a_body_that_is_kept_apart(old: Path) -> None:
    changed(old, "INSERT INTO blob SELECT 'h', body FROM record WHERE key & 0xffffffff = 9")
    changed(old, "UPDATE record SET body = NULL, blob = 'h' WHERE key & 0xffffffff = 9")

    assert await children(old) == CALLS


@pytest.mark.parametrize("damage", ["DELETE FROM record WHERE", "UPDATE record SET body = x'7bff' WHERE"])
async def test_call_whose_delegation_is_damaged_leads_nowhere_and_the_others_stand(old: Path, damage: str) -> None:
    changed(old, f"{damage} key & 0xffffffff = 9")

    assert await children(old) == {**CALLS, "sevt_Vbc5ODD6kXx000007": ""}


async def test_call_of_another_session_with_the_same_id_is_another(old: Path) -> None:
    changed(old, "UPDATE open_call SET session = 2 WHERE name = 'alpha'")
    store = SqliteStore.open(old, TickingClock(), unique)
    await store.close()

    db = sqlite3.connect(old / FILE)
    assert db.execute("SELECT session, child FROM open_call ORDER BY id").fetchall() == [(2, ""), (1, BETA), (1, GAMMA)]
    db.close()


async def test_upgraded_database_is_not_upgraded_again(old: Path) -> None:
    assert await children(old) == CALLS
    changed(old, "UPDATE open_call SET child = 'sthr_later'")

    assert set((await children(old)).values()) == {"sthr_later"}


async def test_many_processes_upgrade_at_once(old: Path) -> None:
    with ExitStack() as stack:
        starters = [stack.enter_context(process("open_and_close", old)) for _ in range(4)]
        for starter in starters:
            starter.heard()
        for starter in starters:
            starter.tell()
        created = [starter.heard()["created"] for starter in starters]

    store = SqliteStore.open(old, TickingClock(), unique)
    assert sorted(row.id for row in await store.sessions()) == sorted([SESSION, *created])
    await store.close()
    assert await children(old) == CALLS
