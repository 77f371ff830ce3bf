"""A session under way as a table that is drawn again and again: one row for each thread."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from podium.analysis.trace import ThreadTrace, Trace
from podium.cli.lines import ENDED, taken_over
from podium.cli.text import one_line, printable, seconds, told_call
from podium.cli.tree import branches
from podium.core.facts import DrivingStarted
from podium.core.records import Record

REFRESH_S = 0.125
_STYLES = {"works": "cyan", "waits": "dim", "is done": "green", "reported": "green", "failed": "red"}


class LiveTable:
    """Draws the trace on the console while it is entered."""

    def __init__(self, console: Console, trace: Trace, now: Callable[[], datetime]) -> None:
        self._console = console
        self._trace = trace
        self._now = now
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._drawing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "LiveTable":
        self._live.start()
        self._drawing = asyncio.create_task(self._draw())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._drawing is not None
        self._drawing.cancel()
        with suppress(asyncio.CancelledError):
            await self._drawing
        self._live.update(self.table(), refresh=True)
        self._live.stop()

    def show(self, trace: Trace, record: Record) -> None:
        """Say what the table has no place for."""
        if isinstance(record.event, DrivingStarted):
            self.say(f"{trace.threads[trace.primary].label} {taken_over(trace)}")

    def say(self, text: str) -> None:
        """Print a line above the table."""
        self._console.print(Text(printable(text)))

    async def _draw(self) -> None:
        while True:
            self._live.update(self.table(), refresh=True)
            await asyncio.sleep(REFRESH_S)

    def table(self) -> Group:
        """The table as it stands now; the threads that end first leave it if they are too many."""
        now = self._now()
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=True)
        table.add_column("thread", no_wrap=True, min_width=6, max_width=30)
        table.add_column("status", no_wrap=True, min_width=8)
        table.add_column("doing", no_wrap=True, ratio=1)
        for name in ("turns", "tokens", "elapsed"):
            table.add_column(name, justify="right", no_wrap=True, min_width=7 if name == "elapsed" else 5)
        shown = self._shown(max(5, self._console.size.height - 6))
        for thread in shown:
            table.add_row(*self._row(thread, now))
        hidden = len(self._trace.threads) - len(shown)
        return Group(table, Text(f"and {hidden:,} more threads", style="dim")) if hidden else Group(table)

    def _shown(self, most: int) -> list[ThreadTrace]:
        threads = [thread for thread, _ in branches(self._trace)] if self._trace.primary else []
        if len(threads) <= most:
            return threads
        busy = [thread for thread in threads if thread.status == "running"]
        kept = {thread.id for thread in (busy + [it for it in threads if it.status != "running"][::-1])[:most]}
        return [thread for thread in threads if thread.id in kept]

    def _row(self, thread: ThreadTrace, now: datetime) -> list[Text]:
        status, doing = state_of(self._trace, thread)
        worked = sum(interval.length.total_seconds() for interval in thread.worked(now))
        return [
            Text("  " * thread.depth + one_line(thread.label, 40)),
            Text(status, style=_STYLES.get(status, "yellow")),
            Text(one_line(doing)),
            Text(f"{thread.turns:,}"),
            Text(f"{thread.usage.total_tokens:,}"),
            Text(seconds(worked)),
        ]


def state_of(trace: Trace, thread: ThreadTrace) -> tuple[str, str]:
    """A thread's status and what it does, in words."""
    if thread.status != "running":
        if thread.parent is None and trace.paused:
            return "paused", ""
        return ENDED.get(thread.ended, thread.ended), thread.reason
    if thread.open:
        told = [
            "asks its model" if effect.is_model else told_call(effect.name, effect.input)
            for effect in thread.open.values()
        ]
        return "works", ", ".join(told)
    children = [child.label for child in trace.threads.values() if child.parent == thread.id and not child.ended]
    if children:
        return "waits", "for " + (", ".join(children) if len(children) <= 6 else f"{len(children):,} threads")
    return "waits", "for its turn"
