"""How a process shows what happens in a session: JSON lines, a live picture, or plain lines."""

import os
import sys
from datetime import UTC, datetime
from typing import TextIO

import msgspec
from rich.console import Console

from podium.analysis.trace import Trace
from podium.cli.lines import Lines
from podium.cli.live import Answering, LiveView
from podium.cli.text import Place, tell
from podium.core.records import PRIVATE, Record


class JsonLines:
    """Writes every record as a line of JSON."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    async def __aenter__(self) -> "JsonLines":
        return self

    async def __aexit__(self, *_: object) -> None: ...

    def show(self, trace: Trace, record: Record) -> None:
        """Write the record."""
        private = {"private": True} if record.views == PRIVATE else {}
        line = {"seq": record.seq, "thread": record.thread, "type": record.type, "at": record.at, **private}
        self.write({**line, "event": msgspec.Raw(record.body)})

    def say(self, text: str) -> None:
        """Nothing but JSON is written to stdout."""
        tell(text)

    def write(self, line: object) -> None:
        """Write anything as a line."""
        self._out.write(msgspec.json.encode(line).decode() + "\n")
        self._out.flush()


View = JsonLines | Lines | LiveView


def view(trace: Trace, place: Place, *, json: bool, answer: Answering | None = None) -> View:
    """JSON lines, a live picture if stderr is a terminal, or plain lines.

    Shape: the live picture gives `answer` what a person says to calls that ask, if stdin is a terminal too.
    """
    if json:
        return JsonLines(sys.stdout)
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return Lines(sys.stderr, place)
    console = Console(stderr=True, highlight=False, markup=False)
    keyboard = sys.stdin.fileno() if sys.stdin.isatty() else None
    return LiveView(console, trace, lambda: datetime.now(UTC), place=place, answer=answer, keyboard=keyboard)
