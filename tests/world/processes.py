"""Several processes on one data folder, watched through the log they share."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from podium.core.events import AgentToolUse
from podium.core.records import Record
from podium.store.sqlite import read_log

SOON_S = 30.0  # a limit for what takes a moment, on a busy machine
LOOK_S = 0.01
KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "TERM")  # of the environment: no keys and no settings of Podium's
GATES = """
import asyncio
from pathlib import Path
from podium import call, say

async def gate(name):
    while not (Path(__file__).parent / name).exists():
        await asyncio.sleep(0.01)

def turn(request):
    return sum(message.role == "assistant" for message in request.messages)

def told(request):
    blocks = request.messages[-1].content
    return " | ".join(getattr(block, "text", "") or block.content[0].text for block in blocks)
"""


class Seen:
    """The log of the newest session in a data folder, as far as it is written."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def records(self) -> list[Record]:
        """The records; none while there is no session."""
        session = self.session()
        return read_log(self._data, session) if session else []

    def session(self) -> str:
        """The session's id, or ""."""
        file = self._data / "podium.db"
        if not file.exists():
            return ""
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as db:
            try:
                rows = db.execute("SELECT id FROM session ORDER BY no DESC LIMIT 1").fetchall()
            except sqlite3.OperationalError:  # it is being made
                return ""
        return str(rows[0][0]) if rows else ""

    def types(self) -> list[str]:
        """The types of its records."""
        return [record.type for record in self.records()]

    def asked(self) -> list[str]:
        """The ids of the calls that asked a person."""
        uses = [record.event for record in self.records() if isinstance(record.event, AgentToolUse)]
        return [use.id for use in uses if use.evaluated_permission == "ask"]


async def until(holds: Callable[[], bool]) -> None:
    """Return once it holds. Fails where it does not within a bounded time."""
    async with asyncio.timeout(SOON_S):
        while not holds():  # noqa: ASYNC110  # no event tells what another process has written
            await asyncio.sleep(LOOK_S)


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


class Site:
    """A folder in which `podium` is run, by many processes at once.

    Shape: replies come from reply.py; `gate(name)` in it waits until `open_gate(name)`. Whatever still runs at the end
    of `async with` is killed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = Seen(path / ".podium")
        self._going: list[Going] = []

    def team(self, yaml: str, script: str) -> None:
        """Write team.yaml, rehearsed by the script."""
        (self.path / "team.yaml").write_text(yaml + "workdir: work\nrehearsal: reply.py:reply\n")
        (self.path / "reply.py").write_text(GATES + script)
        (self.path / "work").mkdir(exist_ok=True)

    def open_gate(self, name: str) -> None:
        (self.path / name).touch()

    def work(self, name: str) -> Path:
        """A file in the folder that the agents share."""
        return self.path / "work" / name

    async def run(self, *arguments: str, **env: str) -> Done:
        """Run a command to its end."""
        return await (await self.start(*arguments, **env)).end()

    async def start(self, *arguments: str, **env: str) -> "Going":
        """Start `podium` with these arguments."""
        return await self.start_program("-m", "podium.cli", *arguments, **env)

    async def start_program(self, *arguments: str, **env: str) -> "Going":
        """Start a Python program."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            cwd=self.path,
            env={name: value for name, value in os.environ.items() if name in KEPT} | env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._going.append(Going(process))
        return self._going[-1]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for going in self._going:
            await going.kill()


class Going:
    """A command under way, and what it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.out = self.err = ""
        self._reading = [
            asyncio.create_task(self._read(process.stdout, "out")),
            asyncio.create_task(self._read(process.stderr, "err")),
        ]

    async def _read(self, stream: asyncio.StreamReader | None, name: str) -> None:
        assert stream is not None
        while read := await stream.read(65_536):
            setattr(self, name, getattr(self, name) + read.decode())

    async def says(self, text: str) -> None:
        """Return once it has said this."""
        try:
            await until(lambda: text in self.out + self.err or self.process.returncode is not None)
        except TimeoutError:
            raise AssertionError(f"it did not say {text!r}, but:\n{self.out}\n{self.err}") from None
        assert text in self.out + self.err, f"it ended with {self.process.returncode}:\n{self.out}\n{self.err}"

    async def end(self) -> Done:
        """Wait for its end."""
        try:
            async with asyncio.timeout(SOON_S):
                code = await self.process.wait()
                await asyncio.gather(*self._reading)
        except TimeoutError:
            raise AssertionError(f"it does not end:\n{self.out}\n{self.err}") from None
        return Done(code, self.out, self.err)

    async def kill(self) -> None:
        """End it as `kill -9` does, if it still runs."""
        if self.process.returncode is None:
            self.process.kill()
        await self.end()
