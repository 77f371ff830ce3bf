"""`podium run` on a terminal: a person answers calls with keys, seen through the real engine."""

import asyncio
import fcntl
import os
import re
import struct
import sys
import termios
from pathlib import Path
from typing import Self

import pytest

from podium.core.events import UserToolConfirmation
from podium.core.records import is_queued
from tests.world.processes import KEPT, SOON_S, Site, until

ASKING = """
name: one
agents:
  lead: {model: any, tools: [bash], permissions: {bash: always_ask}}
"""
ASKS = """
def reply(request):
    if turn(request) == 0:
        return call("bash", command="echo ran >> effects\\n" + "\\n".join(f"# line {number}" for number in range(60)))
    return "told: " + told(request)
"""
WAITS = "1 of 1 waits for your answer"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Screen:
    """A command on a terminal of its own: what it draws, and keys for it."""

    def __init__(self, site: Site, *arguments: str) -> None:
        self._site = site
        self._arguments = arguments
        self._drawn = ""
        self._looked = 0

    async def __aenter__(self) -> Self:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        self.before = termios.tcgetattr(theirs)
        env = {name: value for name, value in os.environ.items() if name in KEPT} | {"TERM": "xterm-256color"}
        self._theirs = theirs
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "podium.cli", *self._arguments,
            cwd=self._site.path, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.set_blocking(self._ours, False)
        asyncio.get_running_loop().add_reader(self._ours, self._read)
        return self

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._ours)
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def _read(self) -> None:
        self._drawn += os.read(self._ours, 65_536).decode(errors="replace")

    @property
    def settings(self) -> object:
        """The terminal's settings."""
        return termios.tcgetattr(self._theirs)

    @property
    def drawn(self) -> str:
        """Everything it has drawn, without colours and movements."""
        return _ESCAPES.sub("", self._drawn)

    async def shows(self, text: str) -> None:
        """Return once it has drawn this, after what was waited for before."""
        try:
            await until(lambda: text in self.drawn[self._looked :] or self.process.returncode is not None)
        except TimeoutError:
            raise AssertionError(f"it did not show {text!r}, but:\n{self.drawn[-3000:]}") from None
        assert text in self.drawn[self._looked :], self.drawn[-3000:]
        self._looked = self.drawn.index(text, self._looked) + len(text)

    async def press(self, key: str, *, until_shown: str) -> None:
        """Press the key until it does this: one that comes too soon after the call appeared does not count."""
        async with asyncio.timeout(SOON_S):
            while until_shown not in self.drawn[self._looked :]:
                os.write(self._ours, key.encode())
                await self._drawn_again()
        self._looked = self.drawn.index(until_shown, self._looked)

    async def _drawn_again(self) -> None:
        before = len(self._drawn)
        await until(lambda: len(self._drawn) > before or self.process.returncode is not None)

    def type(self, text: str) -> None:
        """Type text, at once."""
        os.write(self._ours, text.encode())

    async def end(self) -> int:
        """Its exit code."""
        async with asyncio.timeout(SOON_S):
            return await self.process.wait()


def answers(site: Site) -> list[tuple[str, str | None]]:
    """What a person answered, by the log."""
    events = [record.event for record in site.log.records()]
    return [(it.result, it.deny_message) for it in events if isinstance(it, UserToolConfirmation) and not is_queued(it)]


async def test_key_y_allows_the_call_and_the_run_goes_on_to_its_result(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        site.team(ASKING, ASKS)
        async with Screen(site, "run", "team.yaml", "go") as screen:
            await screen.shows(WAITS)
            await screen.press("y", until_shown="told: (no output)")
            code = await screen.end()
            await screen.shows(f"podium show {site.log.session()}")

            assert (code, screen.settings) == (0, screen.before)
        assert answers(site) == [("allow", None)]
        assert site.work("effects").read_text() == "ran\n"


async def test_key_n_asks_for_a_reason_and_the_agent_is_told_it(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        site.team(ASKING, ASKS)
        async with Screen(site, "run", "team.yaml", "go") as screen:
            await screen.shows(WAITS)
            await screen.press("n", until_shown="refuse, because")
            screen.type("\x15not on a Sunday\n")
            await screen.shows("told: Permission to use bash has been denied. ")

            assert await screen.end() == 0
        [(result, reason)] = answers(site)
        assert result == "deny"
        assert str(reason).endswith("not on a Sunday")
        assert not site.work("effects").exists()


async def test_key_e_shows_the_whole_call_before_it_is_answered(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        site.team(ASKING, ASKS)
        async with Screen(site, "run", "team.yaml", "go") as screen:
            await screen.shows(WAITS)
            assert "# line 15" not in screen.drawn
            await screen.press("e", until_shown="# line 15")
            for _ in range(6):
                screen.type(" ")
            await screen.press(" ", until_shown="# line 59")
            await screen.press("y", until_shown="told: (no output)")

            assert await screen.end() == 0


@pytest.mark.parametrize("command", ["run", "watch"])
async def test_call_answered_elsewhere_leaves_the_bar(command: str, tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        site.team(ASKING, ASKS)
        if command == "watch":
            assert (await site.run("run", "team.yaml", "go")).code == 3
        arguments = ["run", "team.yaml", "go"] if command == "run" else ["watch"]
        async with Screen(site, *arguments) as screen:
            await screen.shows(WAITS)
            answered = await site.run("approve", "last", "--allow")
            code = await screen.end()

        assert (answered.code, code) == (0, 0)
        assert answers(site) == [("allow", None)]
        assert site.work("effects").read_text() == "ran\n"
        assert ("told: (no output)" in answered.out) != ("told: (no output)" in screen.drawn)


async def test_interrupt_key_leaves_a_call_that_waits_as_it_is(tmp_path: Path) -> None:
    async with Site(tmp_path) as site:
        site.team(ASKING, ASKS)
        async with Screen(site, "run", "team.yaml", "go") as screen:
            await screen.shows(WAITS)
            screen.process.terminate()
            code = await screen.end()
            await screen.shows(f"podium approve {site.log.session()}")

            assert (code, screen.settings) == (3, screen.before)
        assert "session.paused" not in site.log.types()
        answered = await site.run("approve", "last", "--allow")
        assert answered.out == "told: (no output)\n"
