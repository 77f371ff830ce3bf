"""Two real processes at one session: a live driver is left alone, even stopped; a dead one's session is taken over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from podium.core.content import plain
from podium.core.events import AgentToolResult
from podium.core.records import Record
from podium.engine.recover import UNKNOWN_OUTCOME
from podium.store.sqlite import read_log
from tests.crash.hunt import Victim, sandboxes_of

pytestmark = pytest.mark.crash


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Victim]:
    """A process whose coordinator's tool and children are at work, and which writes nothing at the moment."""
    victim = Victim("slow", tmp_path)
    assert victim.wait_for("tool-begin"), victim.lines
    while victim.hear(0.1):
        pass
    yield victim
    victim.kill()
    assert sandboxes_of(tmp_path) == []


def session_of(victim: Victim) -> str:
    return victim.heard("session")[0]


def take(folder: Path, session: str) -> Victim:
    """A second process tries to take the session; it has ended when this returns."""
    other = Victim("take", folder, session)
    assert other.end() == 0, other.said_wrong
    return other


def log(folder: Path, session: str) -> list[Record]:
    return read_log(folder / "data", session)


def ended(victim: Victim) -> str:
    """How the driver's session ended, once it has."""
    assert victim.wait_for("over"), victim.lines
    return victim.heard("over")[0].split(" ", 1)[1]


def test_second_process_beside_a_live_run_is_refused_and_changes_nothing(tmp_path: Path, driver: Victim) -> None:
    session = session_of(driver)
    before = len(log(tmp_path, session))

    other = take(tmp_path, session)

    [refusal] = other.heard("refused")
    assert refusal.startswith(
        f"Owned: session {session} is driven by process {driver.pid}, which lives. Nothing was changed"
    )
    assert ended(driver) == "end_turn done"
    whole = log(tmp_path, session)
    assert len(whole) > before
    assert [record.type for record in whole if record.type.startswith("driving.")] == []
    acknowledged = [line.split(" ") for line in driver.heard("ack")]
    assert [(int(seq), kind) for _, seq, kind in acknowledged] == [(record.seq, record.type) for record in whole]


def test_process_that_resumes_all_that_is_unfinished_passes_over_a_live_run(tmp_path: Path, driver: Victim) -> None:
    other = Victim("finish", tmp_path)

    assert other.end() == 0, other.said_wrong
    assert other.lines == []
    assert ended(driver) == "end_turn done"
    assert [record.type for record in log(tmp_path, session_of(driver)) if record.type.startswith("driving.")] == []


def test_stopped_driver_is_not_robbed_and_goes_on_when_it_is_continued(tmp_path: Path, driver: Victim) -> None:
    session = session_of(driver)
    driver.stop()
    before = log(tmp_path, session)

    other = take(tmp_path, session)

    [refusal] = other.heard("refused")
    assert f"is driven by process {driver.pid}, which lives; it is stopped: continue it" in refusal
    assert log(tmp_path, session) == before
    driver.go_on()
    assert ended(driver) == "end_turn done"
    assert [record.type for record in log(tmp_path, session) if record.type.startswith("driving.")] == []


def test_killed_driver_is_taken_over_at_once(tmp_path: Path, driver: Victim) -> None:
    session = session_of(driver)
    driver.kill()

    other = take(tmp_path, session)

    assert other.heard("refused") == []
    assert other.heard("over") == [f"{session} end_turn done"]
    whole = log(tmp_path, session)
    assert [record.type for record in whole if record.type.startswith("driving.")] == ["driving.started"]
    results = [record.event for record in whole if isinstance(record.event, AgentToolResult)]
    assert UNKNOWN_OUTCOME in [plain(result.content) for result in results]


def test_killed_while_it_was_stopped_it_is_taken_over_too(tmp_path: Path, driver: Victim) -> None:
    driver.stop()
    driver.kill()

    other = take(tmp_path, session_of(driver))

    assert [line.split(" ", 1)[1] for line in other.heard("over")] == ["end_turn done"]
