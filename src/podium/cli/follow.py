"""Drives a session while a person watches: what happens goes to stderr, the result to stdout.

With `--json` stdout gets lines: one of type "session", every record, and one of type "result". The first Ctrl-C (or
SIGTERM) interrupts and pauses the session, the second quits at once; either way it can be resumed. While the session
waits for a person nothing is to be stopped: then Ctrl-C leaves it as it is.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path

from podium.analysis.trace import ASKS, Trace
from podium.app import Podium
from podium.cli.bar import Answer
from podium.cli.conclude import conclude, result_line
from podium.cli.data import traced
from podium.cli.exit_codes import ExitCode
from podium.cli.live import LiveView
from podium.cli.signals import on_signals
from podium.cli.text import command, tell
from podium.cli.views import JsonLines, View, view
from podium.core.ports import Store
from podium.core.records import Record
from podium.core.rows import SessionRow
from podium.engine.hub import Preview
from podium.errors import NeedsUnmet, PodiumError
from podium.running import Run, RunResult

__all__ = ["conclude", "follow", "go_on_if_needed"]


class Desk:
    """Hands a person's answers to the session. `has_answered` once one was taken."""

    def __init__(self, podium: Podium, session: str) -> None:
        self.has_answered = False
        self._podium = podium
        self._session = session

    async def take(self, answer: Answer) -> None:
        """Errors: Refused if the call waits no more, or its input is not what was shown."""
        await self._podium.approve(
            self._session, answer.call, allow=answer.allow, reason=answer.reason, input_hash=answer.input_hash
        )
        self.has_answered = True


class Feed:
    """Takes records into the trace and shows them, each once, from wherever they come."""

    def __init__(self, session: str, trace: Trace, shown: View) -> None:
        self.session = session
        self.trace = trace
        self.shown = shown
        self._seen = 0

    def take(self, record: Record) -> None:
        """Fold the record, unless the trace has it already, and show it, unless it was shown."""
        if record.seq > self.trace.head:
            self.trace.apply(record)
        if record.seq > self._seen:
            self._seen = record.seq
            self.shown.show(self.trace, record)

    async def catch_up(self, store: Store) -> None:
        """Take what the log holds by now."""
        while page := await store.records(self.session, after=self.trace.head):
            for record in page:
                self.take(record)


async def follow(
    run: Run, trace: Trace, data: Path, *, json: bool, is_rehearsed: bool, podium: Podium | None = None
) -> tuple[RunResult, bool]:
    """Show the run to its end; its result, and whether this process was asked to stop.

    Shape: the trace has taken in what was recorded before. With `podium`, a person at this terminal answers the calls
    that ask, and the session is driven on, until it needs nobody: the result is that of the last run.
    """
    desk = None if podium is None else Desk(podium, run.id)
    shown = view(trace, data, json=json, answer=None if desk is None else desk.take)
    if isinstance(shown, JsonLines):
        shown.write({"type": "session", "id": run.id})
    shown.say(f"session {run.id}" + (", rehearsed: no model is called" if is_rehearsed else ""))
    with _stopping(run, shown, data) as stop:
        async with shown:
            feed = Feed(run.id, trace, shown)
            result = await _show(run, feed)
            can_answer = isinstance(shown, LiveView) and shown.takes_answers
            while podium is not None and can_answer and result.stop_reason == ASKS and not stop.is_asked:
                again = await stop.unless_asked(woken(podium, feed, takes_up=lambda: True, within_s=0.0))
                if again is None:
                    break
                stop.drives(again)
                result = await _show(again, feed)
        if isinstance(shown, JsonLines):
            shown.write(result_line(result, trace))
    return result, stop.is_asked


async def _show(run: Run, feed: Feed) -> RunResult:
    def hear(preview: Preview) -> None:
        if isinstance(feed.shown, LiveView) and preview.thread == feed.trace.primary and preview.delta.kind == "text":
            feed.shown.heard(preview.delta.text)

    with run.previews(hear):
        async for record in run.records():
            feed.take(record)
    return await run.result()


async def woken(podium: Podium, feed: Feed, *, takes_up: Callable[[], bool], within_s: float) -> Run | None:
    """Show what others record, until the session needs nobody; a run if this process is to drive it from here on.

    Shape: it is taken up when it runs, `takes_up()` says so, and no other process has within so many seconds. The trace
    knows the session's log as it was.
    """
    trace = feed.trace
    async with aclosing(podium.watch(feed.session)) as records:
        async for record in records:
            if record.seq <= trace.head:
                continue
            feed.take(record)
            if trace.status == "running" and takes_up():
                run = await podium.take_up_if_needed(feed.session, within_s=within_s)
                if run is not None:
                    await feed.catch_up(podium.parts.store)  # the run tells only what comes after it was taken up
                    return run
            if trace.needs_nobody:
                return None
    return None


async def go_on_if_needed(podium: Podium, row: SessionRow, data: Path, *, done: str) -> ExitCode:
    """Drive the session on if an input has set it to work and no other process does; the exit code.

    Shape: `done` is what is told if there is nothing to drive here.
    """
    try:
        run = await podium.take_up_if_needed(row.id)
    except NeedsUnmet as error:  # what was given is in the log all the same
        tell(f"{done}; it is taken when the session goes on elsewhere: {error}")
        return ExitCode.SUCCESS
    if run is None:
        owner = await podium.parts.store.owner(row.id)
        facts = (await podium.parts.store.session(row.id)).facts
        waits = facts.stop_reason is not None and facts.stop_reason.type == ASKS
        if owner is not None:
            done += f"; process {owner.pid} goes on with it"
        elif waits and any(call.state == "asks" for call in await podium.parts.store.open_calls(row.id)):
            done += f"; the session waits for a person's answer first: {command('approve', row.id, data)}"
        elif waits:
            done += f"; the session waits for a result of its client first: {command('show', row.id, data)}"
        tell(done)
        return ExitCode.SUCCESS
    past = await traced(podium.parts.store, row.id)
    is_rehearsed = past.is_rehearsed
    result, _ = await follow(run, past, data, json=False, is_rehearsed=is_rehearsed, podium=podium)
    return conclude(result, past, data, json=False, is_rehearsed=is_rehearsed)


class _Stop:
    """What signals do: the first one interrupts, the next one quits; where nothing runs here, the first one leaves."""

    def __init__(self, run: Run, shown: View, data: Path) -> None:
        self._run: Run | None = run
        self._shown = shown
        self._resume = command("resume", run.id, data)
        self._asked = asyncio.Event()
        self._interrupting: asyncio.Task[None] | None = None

    @property
    def is_asked(self) -> bool:
        """Whether a signal came."""
        return self._asked.is_set()

    def drives(self, run: Run) -> None:
        """This run is what is to be stopped."""
        self._run = run

    def ask(self) -> None:
        """A signal came."""
        if self.is_asked:
            if isinstance(self._shown, LiveView):
                self._shown.restore()
            tell(f"quit at once; go on with: {self._resume}")
            os._exit(ExitCode.INTERRUPTED)  # waits for nothing: the log is whole at every moment
        self._asked.set()
        if self._run is not None:
            self._interrupting = asyncio.create_task(self._interrupt(self._run))

    async def unless_asked(self, waiting: Coroutine[object, object, Run | None]) -> Run | None:
        """What was waited for, or None as soon as a signal came."""
        self._run = None
        return await unless(self._asked, waiting)

    async def _interrupt(self, run: Run) -> None:
        self._shown.say("stopping: what is open is closed as interrupted (Ctrl-C again quits at once)")
        try:
            await run.interrupt(pause=True)
        except PodiumError as error:  # it has just ended by itself, say
            self._shown.say(f"not interrupted: {error}")


@contextmanager
def _stopping(run: Run, shown: View, data: Path) -> Iterator[_Stop]:
    stop = _Stop(run, shown, data)
    with on_signals(stop.ask):
        yield stop


async def unless(asked: asyncio.Event, waiting: Coroutine[object, object, Run | None]) -> Run | None:
    """What was waited for, or None as soon as the event is set."""
    work, stop = asyncio.create_task(waiting), asyncio.create_task(asked.wait())
    try:
        await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
        return await work if work.done() else None
    finally:
        await end(work, stop)


async def end(*tasks: asyncio.Task[object]) -> None:
    """Cancel the tasks and wait until they are over."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
