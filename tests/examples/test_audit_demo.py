"""The demo as `make demo` plays it: real commands, a real kill -9 in the middle, the same figures afterwards."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from podium import Record
from podium.core.content import plain
from podium.core.events import AgentToolResult
from podium.core.facts import DrivingStarted, ToolStarted
from podium.store.sqlite import read_log
from tests.examples import trees
from tests.examples.auditing import EXAMPLE, figures_of

CLI = [sys.executable, "-m", "podium.cli"]
TASK = "Audit the code base at /source."


@pytest.fixture
def source(tmp_path: Path) -> Path:
    trees.package(tmp_path / "source")
    return tmp_path / "source"


def play(example: Path, source: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """The demo, fast, with its folder below tmp_path."""
    environment = {**os.environ, "PODIUM_REHEARSAL_PACE": "0.2", "TMPDIR": str(tmp_path)}
    command = [sys.executable, str(example / "demo.py"), str(source)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def log_of(folder: Path, session: str) -> list[Record]:
    return read_log(folder / "data", session)


def started(records: list[Record]) -> dict[str, int]:
    """How often each tool call was started."""
    calls: dict[str, int] = {}
    for record in records:
        if isinstance(record.event, ToolStarted):
            calls[record.event.call] = calls.get(record.event.call, 0) + 1
    return calls


@pytest.mark.slow
def test_the_demo_survives_its_kill_with_true_figures(source: Path, tmp_path: Path) -> None:
    played = play(EXAMPLE, source, tmp_path)

    assert played.returncode == 0, played.stdout + played.stderr
    (folder,) = tmp_path.glob("podium-demo-*")
    text = (folder / "workdir/audit.md").read_text()
    true = trees.truth(source)
    true["dependencies"]["declared dependencies"] = 3
    assert figures_of(text) == true
    assert text in played.stdout
    shown = ["$ podium run", "$ kill -9", "$ podium show", "$ podium resume", "# Audit of /source"]
    assert sorted(shown, key=played.stdout.index) == shown
    assert "No model was called and no token was spent" in played.stdout.rstrip().splitlines()[-1]

    found = re.search(r"^session (\w+)", played.stdout, re.M)
    assert found is not None
    records = log_of(folder, found[1])
    assert sum(isinstance(record.event, DrivingStarted) for record in records) == 1
    unknown = [
        record.event for record in records if isinstance(record.event, AgentToolResult) and record.event.is_error
    ]
    assert unknown
    assert all("outcome is unknown" in plain(event.content) for event in unknown)
    assert not {event.tool_use_id for event in unknown} & {
        call for call, times in started(records).items() if times > 1
    }


@pytest.mark.slow
def test_without_the_grep_tool_the_demo_fails_visibly(source: Path, tmp_path: Path) -> None:
    example = shutil.copytree(EXAMPLE, tmp_path / "example", ignore=shutil.ignore_patterns("__pycache__"))
    team = (example / "team.yaml").read_text()
    assert team.count("[bash, grep, read, write]") == 2
    (example / "team.yaml").write_text(team.replace("[bash, grep, read, write]", "[bash, read, write]"))

    played = play(example, source, tmp_path)

    assert played.returncode == 1
    assert "**Incomplete:** see what failed." in played.stdout
    assert (
        "FAILED  risks: lines with bare excepts: agent 'risks' called 'grep', which it was not given" in played.stdout
    )


def run_and_kill(words: list[str], data: Path, after_lines: int) -> bool:
    """Whether the command was killed after so many lines of progress, before its end."""
    child = subprocess.Popen([*CLI, *words, "--data", str(data)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    with child:
        assert child.stderr is not None
        for number, _ in enumerate(child.stderr, 1):
            if number == after_lines:
                child.send_signal(signal.SIGKILL)
                break
    return child.returncode == -signal.SIGKILL


@pytest.mark.crash
@pytest.mark.parametrize("kills", [(3, 5, 8, 13), (21, 17, 12, 9), (34, 26, 20, 15), (55, 30, 14, 7)])
def test_killed_again_and_again_the_audit_is_the_same(kills: tuple[int, ...], source: Path, tmp_path: Path) -> None:
    data, workdir = tmp_path / "data", tmp_path / "workdir"
    workdir.mkdir()
    words = ["run", str(EXAMPLE / "team.yaml"), TASK, "--mount", f"{source}:/source:ro", "--workdir", str(workdir)]

    for after_lines in kills:
        assert run_and_kill(words, data, after_lines)
        words = ["resume", "last"]
    resumed = subprocess.run(
        [*CLI, *words, "--data", str(data)], capture_output=True, text=True, check=False, timeout=60
    )

    assert resumed.returncode == 0, resumed.stderr
    true = trees.truth(source)
    true["dependencies"]["declared dependencies"] = 3
    text = (workdir / "audit.md").read_text()
    assert figures_of(text) == true
    assert "Complete. " in text
