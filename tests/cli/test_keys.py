"""Keys from a real terminal, which is put back whichever way we leave."""

import asyncio
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from podium.cli.keys import Keys

PROGRAM = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from rich.console import Console
from podium.analysis.trace import Trace
from podium.cli.follow import on_signals
from podium.cli.live import LiveView

async def answer(it): ...

async def main():
    made, asked = Trace(), asyncio.Event()
    view = LiveView(Console(stderr=True), made, lambda: datetime.now(UTC), place=Path("."), answer=answer, keyboard=0)
    with on_signals(asked.set):
        async with view:
            assert not (__import__("termios").tcgetattr(0)[3] & __import__("termios").ICANON)
            if sys.argv[1] == "raise":
                raise ValueError("trouble")
            if sys.argv[1] == "exit":
                view.restore()
                os._exit(9)
            os.kill(os.getpid(), int(sys.argv[1]))
            await asked.wait()

asyncio.run(main())
"""


@dataclass
class Terminal:
    """A terminal without a screen: what is written to `typed` is typed at `device`."""

    typed: int
    device: int

    @property
    def settings(self) -> list[Any]:
        return termios.tcgetattr(self.device)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    typed, device = os.openpty()
    yield Terminal(typed, device)
    os.close(typed)
    os.close(device)


class Pressed:
    """The keys that were pressed, for a test that waits for them."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self._more = asyncio.Event()

    def press(self, key: str) -> None:
        self.keys.append(key)
        self._more.set()

    async def until(self, number: int) -> list[str]:
        while len(self.keys) < number:
            self._more.clear()
            await self._more.wait()
        return self.keys


async def test_each_key_comes_at_once_and_an_escape_sequence_as_one(terminal: Terminal) -> None:
    pressed = Pressed()
    with Keys(terminal.device, pressed.press, lambda: False):
        for number, typed in enumerate(("y", "\x1b[B", "é"), start=1):
            os.write(terminal.typed, typed.encode())
            await pressed.until(number)

    assert pressed.keys == ["y", "\x1b[B", "é"]


async def test_what_comes_in_one_piece_is_no_key(terminal: Terminal) -> None:
    pressed, pasted = Pressed(), asyncio.Event()

    def takes_text() -> bool:
        pasted.set()
        return False

    with Keys(terminal.device, pressed.press, takes_text):
        os.write(terminal.typed, b"yes")
        await pasted.wait()
        os.write(terminal.typed, b"n")
        await pressed.until(1)

    assert pressed.keys == ["n"]


async def test_text_in_one_piece_is_taken_where_text_is_asked_for(terminal: Terminal) -> None:
    pressed = Pressed()
    with Keys(terminal.device, pressed.press, lambda: True):
        os.write(terminal.typed, b"no\x7f\n")

        assert await pressed.until(4) == ["n", "o", "\x7f", "\n"]


@pytest.mark.parametrize("how", ["leave", "raise", "cancel"])
async def test_terminal_is_put_back(terminal: Terminal, how: str) -> None:
    before = terminal.settings

    async def listen() -> None:
        with Keys(terminal.device, lambda key: None, lambda: False):
            assert terminal.settings != before
            if how == "raise":
                raise ValueError("trouble")
            if how == "cancel":
                await asyncio.Event().wait()

    task = asyncio.create_task(listen())
    await asyncio.sleep(0)
    if how == "cancel":
        task.cancel()
    await asyncio.wait([task])

    assert terminal.settings == before


@pytest.mark.parametrize(
    "how", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, "raise", "exit"], ids=lambda how: str(how)
)
def test_process_that_ends_leaves_the_terminal_as_it_was(terminal: Terminal, how: signal.Signals | str) -> None:
    before = terminal.settings
    argument = how if isinstance(how, str) else str(int(how))

    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, argument],
        stdin=terminal.device,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )

    expected = {"raise": 1, "exit": 9, signal.SIGQUIT: -signal.SIGQUIT, signal.SIGHUP: -signal.SIGHUP}.get(how, 0)
    assert (ended.returncode, b"Assertion" in ended.stderr) == (expected, False)
    assert terminal.settings == before
