"""Every log of an earlier release folds to the state that was stored with it."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from podium.core.definitions import Definition
from podium.core.records import Record, Unknown, decode
from podium.core.session import fold

GOLDEN = sorted(Path(__file__).parent.glob("*.json"))


class Entry(msgspec.Struct):
    thread: str
    views: int
    at: datetime
    body: msgspec.Raw


class Stored(msgspec.Struct):
    facts: dict[str, Any]
    paused: bool
    head: int


class Golden(msgspec.Struct):
    definitions: dict[str, Definition]
    records: list[Entry]
    session: Stored
    threads: list[dict[str, Any]]
    open_calls: list[dict[str, Any]]


def _as_stored(rows: Sequence[Any], stored: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with those fields that the release had."""
    return [{key: msgspec.to_builtins(row)[key] for key in old} for row, old in zip(rows, stored, strict=True)]


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_log_of_a_release_folds_to_its_stored_state(file: Path) -> None:
    golden = msgspec.json.decode(file.read_bytes(), type=Golden)
    records = [
        Record("golden", seq, entry.thread, entry.views, entry.at, bytes(entry.body), decode(bytes(entry.body)))
        for seq, entry in enumerate(golden.records, 1)
    ]

    folded = fold("golden", golden.definitions, records).projection()

    assert [record.type for record in records if isinstance(record.event, Unknown)] == []
    assert _as_stored([folded.session], [golden.session.facts]) == [golden.session.facts]
    assert folded.paused == golden.session.paused
    assert _as_stored(folded.threads, golden.threads) == golden.threads
    assert _as_stored(folded.opened, golden.open_calls) == golden.open_calls
    assert golden.session.head == len(records)


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_definitions_of_a_release_keep_their_version(file: Path) -> None:
    golden = msgspec.json.decode(file.read_bytes(), type=Golden)

    assert {version: definition.version for version, definition in golden.definitions.items()} == {
        version: version for version in golden.definitions
    }
