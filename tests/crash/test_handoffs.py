"""kill -9 between the writing of a file that is handed over and its reader: the same path, the same text."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from podium.core.facts import DelegationOpened, StepAsked
from tests.crash.hunt import ROOT
from tests.crash.test_workflow_kills import kept

VICTIM = Path(__file__).with_name("handoff_victim.py")


def victim(mode: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    argv = [sys.executable, str(VICTIM), mode, str(folder)]
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.crash
@pytest.mark.parametrize("harm", ["as it was", "gone", "changed"])
@pytest.mark.parametrize("mode", ["written", "called"])
def test_what_was_handed_over_is_there_again_after_a_kill(tmp_path: Path, mode: str, harm: str) -> None:
    (tmp_path / "work").mkdir()
    killed = victim(mode, tmp_path)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    [file] = [each for each in (tmp_path / "work" / "handoffs").iterdir() if not each.name.startswith(".")]
    text = file.read_text()
    if harm != "as it was":
        file.unlink()
    if harm == "changed":
        file.write_text("something else")

    finished = victim("finish", tmp_path)

    assert finished.returncode == 0, finished.stderr
    assert "The first line says what it is." in finished.stdout
    assert finished.stdout.count("The first line") == 2
    assert file.read_text() == text
    [session] = asyncio.run(kept(tmp_path))
    asked = [r.event.name for r in session.records if isinstance(r.event, StepAsked)]
    assert list(dict.fromkeys(asked)) == ["birds", "file report", "for", "against"]  # one cut off is asked for again
    opened = [r.event.input for r in session.records if isinstance(r.event, DelegationOpened)]
    assert [file.name in str(each.get("context", "")) for each in opened] == [False, True, True]
