"""The real command line, as a process of its own on real files."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOON_S = 20.0  # a limit for what takes a moment, on a busy machine

REPLY = """
import asyncio
from pathlib import Path
from podium import call, say

async def reply(request):
    turn = sum(message.role == "assistant" for message in request.messages)
    if request.agent == "lead":
        return [call("alpha", task="count"), call("beta", task="measure")] if turn == 0 else "all done"
    while not (Path(__file__).parent / "go").exists():
        await asyncio.sleep(0.01)
    return f"{request.agent} is done"
"""
TEAM = """
name: pair
agents:
  lead: {model: any, callable_agents: [alpha, beta]}
  alpha: {model: any}
  beta: {model: any}
rehearsal: reply.py:reply
"""


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def lines(self) -> list[dict[str, Any]]:
        """Its stdout as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Folder:
    """A folder to run `podium` in."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str) -> Path:
        file = self.path / name
        file.write_text(text)
        return file

    def team_that_waits(self) -> None:
        """Two children that answer once a file `go` is there."""
        self.write("team.yaml", TEAM)
        self.write("reply.py", REPLY)

    def go(self) -> None:
        (self.path / "go").touch()

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "podium.cli", *arguments],
            cwd=self.path,
            env=_env(env),
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *arguments: str, env: dict[str, str] | None = None) -> "Started":
        with (self.path / "stderr").open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "podium.cli", *arguments],
                cwd=self.path,
                env=_env(env),
                stdout=subprocess.PIPE,
                stderr=err,
            )
        return Started(process, self.path / "stderr")

    def trace(self, session: str = "last") -> dict[str, Any]:
        """`podium show --json`."""
        shown: dict[str, Any] = json.loads(self.run("show", session, "--json").out)
        return shown

    def program(self, text: str) -> Path:
        """Run a program of the library to its end; its file."""
        file = self.write("program.py", text)
        subprocess.run([sys.executable, str(file)], cwd=self.path, env=_env(None), check=False, timeout=60)
        return file

    def log(self) -> list[str]:
        """The types of the last session's records."""
        from podium.store.sqlite import read_log

        return [record.type for record in read_log(self.path / ".podium", self.trace()["session"])]


class Started:
    """A command under way."""

    def __init__(self, process: "subprocess.Popen[bytes]", err: Path) -> None:
        self.process = process
        self._err = err

    def until(self, holds: Callable[[str], bool]) -> str:
        """Wait until stderr says what is waited for; all of it."""
        deadline = time.monotonic() + SOON_S
        while time.monotonic() < deadline:
            said = self._err.read_text()
            if holds(said):
                return said
            time.sleep(0.02)
        raise AssertionError(f"not within {SOON_S} s; stderr was:\n{self._err.read_text()}")

    def until_both_work(self) -> None:
        """Wait until both children have been started."""
        self.until(lambda said: "alpha: starts" in said and "beta: starts" in said)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> Done:
        out, _ = self.process.communicate(timeout=SOON_S)
        return Done(self.process.returncode, out.decode(), self._err.read_text())


def _env(more: dict[str, str] | None) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PODIUM_")} | (more or {})
