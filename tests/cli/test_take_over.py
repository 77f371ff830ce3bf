"""`podium resume --take-over`: a live driver is ended once a person has seen what else it drives, and not before."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cli.podium import SOON_S, Folder, Started

MIDDLE_OF_A_WRITE = """
import asyncio
import sqlite3
from pathlib import Path
from podium import Agent, Podium

async def main():
    async with Podium() as podium:
        agent = Agent("alpha", model="any")
        run = await podium.start(agent, "work", rehearsal="reply.py:reply", rehearsal_folder=Path.cwd())
        async for record in run.records():
            if record.type == "span.model_request_start":
                db = sqlite3.connect(".podium/podium.db", isolation_level=None)
                db.execute("BEGIN IMMEDIATE")
                print("writes", flush=True)

asyncio.run(main())
"""
TWO_SESSIONS = """
import asyncio
from pathlib import Path
from podium import Agent, Podium

async def main():
    agent = Agent("alpha", model="any")
    async with Podium() as podium:
        how = {"rehearsal": "reply.py:reply", "rehearsal_folder": Path.cwd()}
        runs = [await podium.start(agent, task, **how) for task in ("the first", "the second")]
        print(*[run.id for run in runs], flush=True)
        await asyncio.gather(*[run.result() for run in runs])

asyncio.run(main())
"""


@contextmanager
def under_way(folder: Folder) -> Iterator[Started]:
    """A run whose children are at work; it is gone at the end."""
    folder.team_that_waits()
    run = folder.start("run", "team.yaml", "do both")
    try:
        run.until_both_work()
        yield run
    finally:
        run.process.kill()
        run.end()


class Asked:
    """A command with a terminal to ask on, at its question."""

    def __init__(self, folder: Folder, *arguments: str) -> None:
        self._keyboard, terminal = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "podium.cli", *arguments],
            cwd=folder.path,
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        os.close(terminal)
        assert self.process.stderr is not None
        self.said = ""
        while "[y/N] " not in self.said:
            read = os.read(self.process.stderr.fileno(), 4096).decode()
            assert read, f"it ended without a question: {self.said}"
            self.said += read

    def answered(self, keys: str) -> tuple[int, str, str]:
        """Its exit code, its result, and what it said afterwards."""
        os.write(self._keyboard, keys.encode())
        return self.end()

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=SOON_S)
        os.close(self._keyboard)
        return self.process.returncode, out.decode(), err.decode()


def test_driver_is_ended_and_its_session_finished(folder: Folder) -> None:
    with under_way(folder) as run:
        run.signal(signal.SIGSTOP)
        folder.go()

        done = folder.run("resume", "last", "--take-over", "--yes")

        assert (done.code, done.out) == (0, "all done\n")
        assert done.err.startswith(f"process {run.process.pid} is stopped, and drives sesn_")
        assert "other session" not in done.err
        assert "is taken over: its process had died" in done.err
        assert run.end().code == -signal.SIGKILL
    assert folder.log().count("driving.started") == 1


def test_owned_session_is_refused_with_the_remedy(folder: Folder) -> None:
    with under_way(folder) as run:
        refused = folder.run("resume", "last")

        assert refused.code == 2
        assert "`podium resume --take-over` ends that process and goes on" in refused.err
        assert run.process.poll() is None


def test_without_a_terminal_nobody_is_ended_unasked(folder: Folder) -> None:
    with under_way(folder) as run:
        before = folder.log()

        refused = folder.run("resume", "last", "--take-over")

        assert (refused.code, refused.out) == (2, "")
        assert f"process {run.process.pid} was not ended: there is no terminal to ask on. --yes ends" in refused.err
        assert run.process.poll() is None
        assert folder.log() == before


@pytest.mark.parametrize("keys", ["y\n", " Yes\n"])
def test_person_who_agrees_gets_the_result(folder: Folder, keys: str) -> None:
    with under_way(folder) as run:
        asked = Asked(folder, "resume", "last", "--take-over")
        assert f"End process {run.process.pid}? [y/N] " in asked.said
        run.signal(signal.SIGSTOP)
        folder.go()

        code, out, _ = asked.answered(keys)

        assert (code, out) == (0, "all done\n")


@pytest.mark.parametrize("keys", ["\n", "n\n", "what\n", "\x04"])
def test_person_who_does_not_agree_changes_nothing(folder: Folder, keys: str) -> None:
    with under_way(folder) as run:
        before = folder.log()

        code, out, said = Asked(folder, "resume", "last", "--take-over").answered(keys)

        assert (code, out, said) == (2, "", "nothing was changed\n")
        assert run.process.poll() is None
        assert folder.log() == before


def test_interrupted_question_changes_nothing(folder: Folder) -> None:
    with under_way(folder) as run:
        asked = Asked(folder, "resume", "last", "--take-over")

        asked.process.send_signal(signal.SIGINT)

        assert asked.end() == (2, "", "\nnothing was changed\n")
        assert run.process.poll() is None


def test_what_else_the_driver_drives_is_shown(folder: Folder) -> None:
    folder.team_that_waits()
    program = folder.write("program.py", TWO_SESSIONS)
    with subprocess.Popen([sys.executable, program], cwd=folder.path, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        first, second = driver.stdout.readline().split()
        try:
            asked = Asked(folder, "resume", first, "--take-over")
            assert asked.said.splitlines()[:3] == [
                f"process {driver.pid} drives {first}; it will be killed",
                "with it 1 other session will be left unfinished:",
                f"  {second} (the second)",
            ]
            driver.send_signal(signal.SIGSTOP)
            folder.go()
            code, out, _ = asked.answered("y\n")
        finally:
            driver.kill()

    assert (code, out) == (0, "alpha is done\n")
    assert folder.run("resume", second).out == "alpha is done\n"


def test_driver_that_was_stopped_in_the_middle_of_a_write_is_ended(folder: Folder) -> None:
    folder.team_that_waits()
    program = folder.write("program.py", MIDDLE_OF_A_WRITE)
    with subprocess.Popen([sys.executable, program], cwd=folder.path, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "writes\n"
        try:
            driver.send_signal(signal.SIGSTOP)
            folder.go()

            done = folder.run("resume", "last", "--take-over", "--yes")
        finally:
            driver.kill()

    assert (done.code, done.out) == (0, "alpha is done\n")


def test_driver_is_not_ended_for_a_session_that_cannot_be_resumed(folder: Folder) -> None:
    with under_way(folder) as run:
        folder.write("reply.py", (folder.path / "reply.py").read_text() + "# changed\n")

        refused = folder.run("resume", "last", "--take-over", "--yes")

        assert refused.code == 2
        assert "has changed since this session was started" in refused.err
        assert run.process.poll() is None


def test_session_that_nobody_drives_is_resumed_without_a_question(folder: Folder) -> None:
    with under_way(folder) as run:
        run.signal(signal.SIGKILL)
        run.end()
        folder.go()

        done = folder.run("resume", "last", "--take-over")

        assert (done.code, done.out) == (0, "all done\n")


@pytest.mark.parametrize(
    ("options", "remedy"),
    [(["--take-over"], "name it"), (["--take-over", "--yes"], "name it"), (["last", "--yes"], "give both")],
)
def test_options_that_make_no_sense_are_refused(folder: Folder, options: list[str], remedy: str) -> None:
    refused = folder.run("resume", *options)

    assert (refused.code, refused.out) == (2, "")
    assert remedy in refused.err
