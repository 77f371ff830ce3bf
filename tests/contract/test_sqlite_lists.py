"""Lists in SQLite are read along an index, and end where the page does."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from podium.core.lists import Place, SessionsWanted, Times
from podium.store.session_lists import statement
from podium.store.sqlite import SqliteStore
from podium.store.sqlite_file import FILE
from tests.contract.stores import unique
from tests.contract.writing import TickingClock

AT = datetime(2026, 11, 1, tzinfo=UTC)
FIRST = SessionsWanted(workspace="default", limit=20)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (FIRST, "session_created"),
        (replace(FIRST, after=Place(AT, "sesn_1")), "session_created"),
        (replace(FIRST, newest_first=False, after=Place(AT, "sesn_1")), "session_created"),
        (replace(FIRST, statuses=("idle", "running"), made=Times(gte=AT)), "session_created"),
        (replace(FIRST, agent="agent_1", after=Place(AT, "sesn_1")), "session_agent"),
    ],
)
async def test_a_list_of_sessions_is_read_along_an_index(tmp_path: Path, wanted: SessionsWanted, index: str) -> None:
    await SqliteStore.open(tmp_path, TickingClock(), unique).close()
    db = sqlite3.connect(tmp_path / FILE)

    sql, values = statement(wanted)
    plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    db.close()

    assert plan[0].startswith(f"SEARCH session USING INDEX {index} (workspace=?"), plan
    assert plan[1:] in ([], ["USE TEMP B-TREE FOR RIGHT PART OF ORDER BY"]), "those of the same time are sorted alone"
