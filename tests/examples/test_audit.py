"""The audit's figures are true, what cannot be counted is said, and a falsified figure is caught."""

from collections.abc import Callable
from pathlib import Path

import pytest

from podium import ModelRequest, Record, Reply
from podium.core.events import AgentToolResult, ThreadCreated
from podium.core.facts import ToolStarted
from podium.models.rehearsal import Rehearsal
from podium.models.script_file import load
from tests.examples import trees
from tests.examples.auditing import EXAMPLE, SPECIALISTS, audit, figures_of, without


@pytest.mark.parametrize("make", [trees.package, trees.odd, trees.empty])
async def test_every_figure_is_what_python_counts(make: Callable[[Path], None], tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    make(source)

    audited = await audit(source, tmp_path / "run")

    true = trees.truth(source)
    if make is trees.package:
        true["dependencies"]["declared dependencies"] = 3
    assert figures_of(audited.text) == true
    assert all(row.specialist == row.verifier and row.note == "agreed" for row in audited.rows.values())
    assert audited.result.output["complete"]
    assert audited.result.output["figures"] == sum(map(len, true.values()))
    assert list(source.rglob("pwned*")) == []


async def test_findings_name_file_and_line(tmp_path: Path) -> None:
    source = tmp_path / "source"
    trees.package(source)

    audited = await audit(source, tmp_path / "run")

    assert "- Lines with bare excepts, for example: `src/pkg/core.py:17`" in audited.text
    assert "- The longest files over 400 lines: `src/pkg/long.py:401`" in audited.text
    assert "- Dependencies are declared: `pyproject.toml:3`" in audited.text
    assert ".venv" not in audited.text


class Tampering:
    """The rehearsal; but before the verifier first answers, a figure in a findings file is changed on disk."""

    provider = "rehearsal"

    def __init__(self, file: Path, old: str, new: str) -> None:
        self._rehearsal: Rehearsal = load("rehearsal.py:reply", EXAMPLE)[0]
        self._file, self._old, self._new = file, old, new

    async def reply(self, request: ModelRequest) -> Reply:
        if request.agent == "verifier" and len(request.messages) == 1:
            content = self._file.read_text()
            assert content.count(self._old) == 1
            self._file.write_text(content.replace(self._old, self._new))
        return await self._rehearsal.reply(request)


async def test_a_falsified_figure_is_caught_and_both_numbers_stand_in_the_audit(tmp_path: Path) -> None:
    source = tmp_path / "source"
    trees.package(source)
    true = trees.truth(source)["tests"]["test functions"]
    file = tmp_path / "run/workdir/findings/tests.md"
    model = Tampering(file, f"| test functions | {true} |", f"| test functions | {true + 90} |")

    audited = await audit(source, tmp_path / "run", model=model)

    row = audited.rows["tests", "test functions"]
    assert (row.specialist, row.verifier) == (true + 90, true)
    assert row.note == f"**DISAGREEMENT**; was reported as {true}: the findings file has changed since"
    assert f"**1 of {len(audited.rows)} figures are disputed:**" in audited.text
    assert audited.result.output["disagreements"] == 1


async def test_a_figure_taken_out_of_the_findings_file_is_missed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    trees.package(source)
    model = Tampering(tmp_path / "run/workdir/findings/risks.md", "| lines with shell=True | 1 |\n", "")

    audited = await audit(source, tmp_path / "run", model=model)

    assert audited.rows["risks", "lines with shell=True"].verifier is None
    assert audited.result.output["failed"] == ["risks, not counted again: lines with shell=True"]


async def test_lines_that_grep_skips_as_binary_are_a_disagreement(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "binary.py").write_bytes(b"# TODO\n\0\n")

    audited = await audit(source, tmp_path / "run")

    row = audited.rows["risks", "lines with open marks"]
    assert (row.specialist, row.verifier, row.note) == (0, 1, "**DISAGREEMENT**")


async def test_more_hits_than_grep_shows_are_counted_by_the_shell(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "many.py").write_text(f"# TODO {'x' * 400}\n" * 1000)

    audited = await audit(source, tmp_path / "run")

    row = audited.rows["risks", "lines with open marks"]
    assert (row.specialist, row.verifier, row.note) == (1000, 1000, "agreed")


async def test_without_the_grep_tool_the_audit_is_incomplete_and_says_why(tmp_path: Path) -> None:
    source = tmp_path / "source"
    trees.package(source)

    audited = await audit(source, tmp_path / "run", lead=without("grep", ("tests", "risks")))

    assert "**Incomplete:** see what failed." in audited.text
    why = "agent 'tests' called 'grep', which it was not given (it has: 'bash', 'read', 'write')"
    assert f"- tests: test functions: {why}" in audited.text
    assert not audited.result.output["complete"]
    assert len(audited.result.output["failed"]) == 6
    assert ("tests", "test functions") not in audited.rows
    assert audited.rows["tests", "test files"].note == "agreed"


async def test_a_part_whose_specialist_cannot_write_is_reported_and_the_others_stand(tmp_path: Path) -> None:
    source = tmp_path / "source"
    trees.package(source)

    audited = await audit(source, tmp_path / "run", lead=without("write", ("structure",)))

    assert audited.rows["structure", "files"].note == "not counted again"
    assert "structure: /workspace/findings/structure.md could not be written" in "".join(
        audited.result.output["failed"]
    )
    assert audited.rows["risks", "lines with bare excepts"].note == "agreed"


async def test_specialists_have_calls_under_way_at_the_same_time(tmp_path: Path) -> None:
    source = tmp_path / "source"
    trees.package(source)

    audited = await audit(source, tmp_path / "run")

    names = _threads(audited.result.records)
    assert sorted(names.values()) == sorted([*SPECIALISTS, "verifier"])
    together = max(len({names[thread] for thread in under_way}) for under_way in _under_way(audited.result.records))
    assert together >= 2


def _threads(records: list[Record]) -> dict[str, str]:
    created = [record.event for record in records if isinstance(record.event, ThreadCreated)]
    return {event.session_thread_id: event.agent_name for event in created}


def _under_way(records: list[Record]) -> list[list[str]]:
    """After each record, the child threads whose tool calls have started and have no result."""
    children, open_calls, seen = _threads(records), dict[str, str](), []
    for record in records:
        if isinstance(record.event, ToolStarted) and record.thread in children:
            open_calls[record.event.call] = record.thread
        elif isinstance(record.event, AgentToolResult):
            open_calls.pop(record.event.tool_use_id, None)
        seen.append(list(open_calls.values()))
    return seen
