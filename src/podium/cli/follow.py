"""Drives a session while a person watches: what happens goes to stderr, the result to stdout.

With `--json` stdout gets lines: one of type "session", every record, and one of type "result". The first Ctrl-C (or
SIGTERM) interrupts and pauses the session, the second quits at once; either way it can be resumed.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import msgspec
from rich.console import Console

from podium.analysis.trace import Trace
from podium.cli.exit_codes import ExitCode, of_session
from podium.cli.lines import Lines
from podium.cli.live import LiveTable
from podium.cli.text import command, count, printable, seconds, tell, unbroken
from podium.core.records import PRIVATE, Record
from podium.errors import PodiumError
from podium.running import Run, RunResult

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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


View = JsonLines | Lines | LiveTable


def view(trace: Trace, *, json: bool) -> View:
    """How this process shows what happens: JSON lines, a live table if stderr is a terminal, or plain lines."""
    if json:
        return JsonLines(sys.stdout)
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return Lines(sys.stderr)
    console = Console(stderr=True, highlight=False, markup=False)
    return LiveTable(console, trace, lambda: datetime.now(UTC))


async def follow(run: Run, trace: Trace, data: Path, *, json: bool, is_rehearsed: bool) -> tuple[RunResult, bool]:
    """Show the run to its end; its result, and whether this process was asked to stop.

    Shape: the trace has taken in what was recorded before.
    """
    shown = view(trace, json=json)
    if isinstance(shown, JsonLines):
        shown.write({"type": "session", "id": run.id})
    shown.say(f"session {run.id}" + (", rehearsed: no model is called" if is_rehearsed else ""))
    with _stopping(run, shown, data) as stop:
        async with shown:
            async for record in run.records():
                if record.seq > trace.head:
                    trace.apply(record)
                shown.show(trace, record)
        result = await run.result()
        if isinstance(shown, JsonLines):
            shown.write(_result_line(result, trace))
    return result, stop.is_asked


class _Stop:
    """What signals do: the first one interrupts, the next one quits."""

    def __init__(self, run: Run, shown: View, data: Path) -> None:
        self._run = run
        self._shown = shown
        self._resume = command("resume", run.id, data)
        self._asking: asyncio.Task[None] | None = None

    @property
    def is_asked(self) -> bool:
        """Whether a signal came."""
        return self._asking is not None

    def ask(self) -> None:
        """A signal came."""
        if self._asking is not None:
            if isinstance(self._shown, LiveTable):
                sys.stderr.write("\x1b[?25h")  # the cursor, which the live table hides
            tell(f"quit at once; go on with: {self._resume}")
            os._exit(ExitCode.INTERRUPTED)  # waits for nothing: the log is whole at every moment
        self._asking = asyncio.create_task(self._interrupt())

    async def _interrupt(self) -> None:
        self._shown.say("stopping: what is open is closed as interrupted (Ctrl-C again quits at once)")
        try:
            await self._run.interrupt(pause=True)
        except PodiumError as error:  # it has just ended by itself, say
            self._shown.say(f"not interrupted: {error}")


@contextmanager
def _stopping(run: Run, shown: View, data: Path) -> Iterator[_Stop]:
    loop, stop = asyncio.get_running_loop(), _Stop(run, shown, data)
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.ask)
    try:
        yield stop
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def conclude(result: RunResult, trace: Trace, data: Path, *, json: bool, is_rehearsed: bool) -> ExitCode:
    """Print the result and how it came about; the exit code."""
    code = of_session(result.stop_reason, paused=result.paused)
    if not json and not result.paused and code != ExitCode.FAILED:
        margin = "\n" if sys.stderr.isatty() and sys.stdout.isatty() else ""
        sys.stdout.write(f"{margin}{_told_result(result)}{margin}")
        sys.stdout.flush()
    main = trace.threads[trace.primary]
    said = {
        ExitCode.SUCCESS: "done",
        ExitCode.LIMIT_REACHED: f"stopped, {main.reason or 'a limit was reached'}",
        ExitCode.WAITS_FOR_PERSON: "waits for a person",
        ExitCode.INTERRUPTED: "interrupted and paused",
        ExitCode.FAILED: f"failed: {result.error or result.stop_reason}",
    }.get(code, result.stop_reason)
    wall = ((trace.last_at or main.opened_at) - main.opened_at).total_seconds()
    figures = [
        count(len(trace.threads), "thread"),
        count(trace.turns, "turn"),
        count(trace.usage.total_tokens, "token") + (" (estimated; no model was called)" if is_rehearsed else ""),
        seconds(wall),
    ]
    tell(unbroken(f"{said} · {', '.join(figures)}"))
    tell(command("resume" if result.paused else "show", result.session_id, data))
    return code


def _told_result(result: RunResult) -> str:
    if isinstance(result.output, str):
        return printable(result.output.rstrip("\n")) + "\n"
    return msgspec.json.format(msgspec.json.encode(result.output), indent=2).decode() + "\n"


def _result_line(result: RunResult, trace: Trace) -> dict[str, object]:
    return {
        "type": "result",
        "session": result.session_id,
        "stop_reason": result.stop_reason,
        "paused": result.paused,
        "exit_code": int(of_session(result.stop_reason, paused=result.paused)),
        "output": result.output,
        "error": result.error,
        "threads": len(trace.threads),
        "turns": trace.turns,
        "usage": result.usage,
    }
