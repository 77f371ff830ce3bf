"""Keys as they are pressed: the terminal gives each at once, and is put back whichever way we leave."""

import asyncio
import codecs
import os
import signal
import termios
import tty
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

# These end a process without another word; SIGINT and SIGTERM are for whoever drives or watches.
_DEADLY = (signal.SIGQUIT, signal.SIGHUP)


class Keys:
    """Calls `press` for what is typed, while it is entered.

    Shape: `press` gets one key: a character, or an escape sequence such as "\\x1b[A" whole. What was typed before it is
    entered is thrown away, and so is what comes in one piece, as from the clipboard, unless `takes_text()`.
    """

    def __init__(self, terminal: int, press: Callable[[str], None], takes_text: Callable[[], bool]) -> None:
        self._terminal = terminal
        self._press = press
        self._takes_text = takes_text
        self._decode = codecs.getincrementaldecoder("utf-8")("ignore").decode
        self._before: list[Any] | None = None
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._terminal)
        for number in _DEADLY:
            self._handlers[number] = signal.signal(number, self._die)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCONT, self._listen)  # a shell may have changed it while we were stopped
        self._listen()
        loop.add_reader(self._terminal, self._read)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._terminal)
        loop.remove_signal_handler(signal.SIGCONT)
        self.restore()
        for number, before in self._handlers.items():
            signal.signal(number, before)

    def restore(self) -> None:
        """Put the terminal back, as for a process that ends at once. May be called twice."""
        if self._before is not None:
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)
            self._before = None

    def _listen(self) -> None:
        if self._before is not None and not self._is_in_background():
            tty.setcbreak(self._terminal, termios.TCSAFLUSH)

    def _is_in_background(self) -> bool:
        """Whether the terminal is another job's now: who touches it then is stopped."""
        try:
            return os.tcgetpgrp(self._terminal) != os.getpgrp()
        except OSError:  # it controls no jobs
            return False

    def _die(self, number: int, frame: FrameType | None) -> None:
        self.restore()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _read(self) -> None:
        try:
            typed = os.read(self._terminal, 4096)
        except OSError:  # the terminal has gone
            typed = b""
        if not typed:
            asyncio.get_running_loop().remove_reader(self._terminal)
            return
        text = self._decode(typed)
        if text.startswith("\x1b") or len(text) == 1:
            self._press(text)
        elif self._takes_text():
            for char in text:
                self._press(char)
