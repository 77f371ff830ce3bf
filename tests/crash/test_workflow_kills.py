"""kill -9 of a real process that runs workflows: a gather with a branch that fails, a draft that is checked and
revised, functions, a checkpoint.
"""

import asyncio
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from podium.core.events import UserMessage
from podium.core.facts import StepAsked
from podium.core.records import Record
from podium.core.session import fold
from podium.engine.clock import SortedIds, SystemClock
from podium.store.sqlite import SqliteStore
from tests.crash.hunt import Spoken
from tests.crash.rules import workflow_violations
from tests.invariants import Kept, read, violations

VICTIM = Path(__file__).with_name("workflow_victim.py")
KILLS = int(os.environ.get("PODIUM_WORKFLOW_KILLS", "40"))


def victim(mode: str, folder: Path) -> Spoken:
    return Spoken(VICTIM, folder, mode, str(folder))


async def kept(folder: Path) -> list[Kept]:
    store = SqliteStore.open(folder / "data", SystemClock(), SortedIds())
    try:
        return [await read(store, row.id) for row in await store.sessions()]
    finally:
        await store.close()


def name_of(records: list[Record]) -> str:
    [said] = [r.event for r in records if isinstance(r.event, UserMessage) and r.event.processed_at is None]
    return said.content[0].text  # type: ignore[union-attr]


@pytest.mark.crash
def test_workflows_that_are_killed_come_to_the_same_end_and_repeat_nothing_that_is_finished(tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    chance, killed = random.Random(seed), 0
    for _ in range(KILLS):
        process = victim("work", tmp_path)
        killed += process.wait_for("begins", timeout_s=60) is not None
        if acts := chance.randint(0, 6):
            process.wait_for("did", nth=acts, timeout_s=60)
        time.sleep(chance.uniform(0.0, 0.2))
        process.kill()
        assert process.said_wrong.count("Traceback") == 0, (seed, process.said_wrong)
    last = victim("finish", tmp_path)
    assert last.end() == 0, (seed, last.said_wrong)

    sessions = asyncio.run(kept(tmp_path))
    journal = Counter((tmp_path / "journal").read_text().splitlines())
    print(f"\n{killed} kills, {len(sessions)} sessions, seed {seed}")
    assert killed == KILLS
    assert sessions
    for each in sessions:
        records, name = list(each.records), name_of(list(each.records))
        assert violations(each) == [], seed
        assert workflow_violations(records) == [], seed
        run = fold(each.row.id, each.definitions, records).run
        assert run is not None
        assert run.output == [
            f"careful did {name}.1 again {name}.f1",
            f"careful did {name}.2 again {name}.f2",
            f"quick did {name}.q",
            "a good draft",
            2,
            f"once {name}.o",
            "failed",
        ], seed
        asked = Counter(r.event.key for r in records if isinstance(r.event, StepAsked) and r.event.name == "once")
        assert journal[f"once {name}.o"] <= sum(asked.values()), seed
