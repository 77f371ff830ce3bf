"""kill -9 of real processes with real tools on SQLite, spread over model calls, tools, delegation and commits."""

import asyncio
import os
import random
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from podium.core.content import plain
from podium.core.events import AgentToolResult, AgentToolUse, SessionIdle
from podium.core.facts import ToolStarted
from podium.core.records import INPUTS, Record
from podium.engine.recover import UNKNOWN_OUTCOME
from podium.tools import BUILT_IN
from tests.crash.hunt import BESIDES, CLASSES, Hunt
from tests.crash.rules import approval_violations, attempt_violations, money_violations

KILLS = int(os.environ.get("PODIUM_KILLS", "200"))
LEAST = KILLS // 10  # of each class
IDEMPOTENT = {"again"}
CAPS = {"": Decimal(5), "middle": Decimal("0.3")}

pytestmark = pytest.mark.crash


@pytest.fixture(scope="module")
def hunt(tmp_path_factory: pytest.TempPathFactory) -> Hunt:
    """All the kills; each thing that must hold is a test of its own."""
    seed = random.randrange(1 << 32)
    hunt = Hunt(tmp_path_factory.mktemp("hunt"), random.Random(seed))
    hit: list[str] = []
    try:
        while len(hit) < KILLS or (not is_enough(hunt) and len(hit) < 2 * KILLS):
            hit.append(hunt.kill_one())
        hunt.finish()
    finally:
        hunt.person.kill()
    counts = ", ".join(f"{kind} {hunt.hits[kind]}" for kind in (*CLASSES, "other"))
    besides = ", ".join(f"{kind} {hunt.besides[kind]}" for kind in BESIDES)
    print(f"\n{len(hit)} kills: {counts}; besides: {besides}")
    print(f"{len(hunt.sessions)} sessions, {len(hunt.cut)} calls cut, {len(hunt.told)} inputs, seed {seed}")
    return hunt


def is_enough(hunt: Hunt) -> bool:
    return min(*(hunt.hits[kind] for kind in CLASSES), *(hunt.besides[kind] for kind in BESIDES)) >= LEAST


def records(hunt: Hunt) -> list[Record]:
    return [record for session in hunt.sessions for record in hunt.log(session)]


def test_every_kind_of_point_was_hit(hunt: Hunt) -> None:
    assert is_enough(hunt), (hunt.hits, hunt.besides)


def test_every_session_has_come_to_its_end(hunt: Hunt) -> None:
    for session in hunt.sessions:
        last = hunt.log(session)[-1].event
        assert isinstance(last, SessionIdle)
        assert last.stop_reason.type == "end_turn"


def test_every_log_holds_the_invariants_and_the_caps(hunt: Hunt) -> None:
    for kept in asyncio.run(hunt.read(hunt.sessions)):
        wrong = approval_violations(kept.records, ())
        wrong += attempt_violations(kept.records)
        wrong += money_violations(kept.row.id, kept.definitions, kept.records, CAPS)
        assert not wrong


def test_every_input_that_was_accepted_was_taken(hunt: Hunt) -> None:
    taken = {
        (record.session, record.event.id)
        for record in records(hunt)
        if isinstance(record.event, INPUTS) and record.event.processed_at is not None
    }

    assert hunt.told
    assert hunt.told - taken == set()


def test_nothing_acknowledged_is_lost(hunt: Hunt) -> None:
    there = {(record.session, record.seq): record.type for record in records(hunt)}

    assert hunt.acknowledged
    assert {key: there.get(key) for key in hunt.acknowledged} == hunt.acknowledged


def test_nothing_that_must_not_happen_twice_has_happened_twice(hunt: Hunt) -> None:
    happened = journal(hunt)

    twice = [line for line, times in happened.items() if times > 1 and line.split(" ")[0] not in IDEMPOTENT]
    assert twice == []
    assert {line.split(" ")[0] for line in happened} == {"once", "again", "bash", "ask"}


def test_nothing_has_happened_without_a_call_that_was_started_for_it(hunt: Hunt) -> None:
    keys: dict[str, str] = {}
    starts: Counter[str] = Counter()
    for record in records(hunt):
        if isinstance(record.event, AgentToolUse) and record.event.name != "write":
            given = record.event.input
            words = f"{record.event.name} {given['key']}" if "key" in given else str(given["command"]).split("'")[1]
            keys[words] = record.event.id
        elif isinstance(record.event, ToolStarted):
            starts[record.event.call] += 1

    assert [line for line, times in journal(hunt).items() if times > starts[keys[line]]] == []


def test_every_call_that_was_cut_is_reported_as_such_or_repeated_if_it_may_be(hunt: Hunt) -> None:
    names: dict[tuple[str, str], str] = {}
    unknown: set[tuple[str, str]] = set()
    repeated: set[tuple[str, str]] = set()
    for record in records(hunt):
        event = record.event
        if isinstance(event, AgentToolUse):
            names[record.session, event.id] = event.name
        elif isinstance(event, AgentToolResult) and plain(event.content) == UNKNOWN_OUTCOME:
            unknown.add((record.session, event.tool_use_id))
        elif isinstance(event, ToolStarted) and event.attempt > 1:
            repeated.add((record.session, event.call))
    may_be_repeated = {call for call in hunt.cut if names[call] in idempotent_tools()}

    assert unknown - may_be_repeated == hunt.cut - may_be_repeated
    assert repeated == may_be_repeated
    assert unknown & may_be_repeated <= repeated  # those that ended their process again and again


def test_no_process_of_a_sandbox_is_left(hunt: Hunt) -> None:
    assert hunt.left_behind == []


def idempotent_tools() -> set[str]:
    return IDEMPOTENT | {name for name, tool in BUILT_IN.items() if tool.idempotent}


def journal(hunt: Hunt) -> Counter[str]:
    """What happened, from the two journals: of the program's functions, and of its commands in the sandbox."""
    files: list[Path] = [hunt.folder / "journal", hunt.folder / "workdir" / "journal"]
    return Counter(line for file in files for line in file.read_text().splitlines())
