"""`podium watch`: look on while any process drives a session."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from podium.analysis.trace import Trace
from podium.app import Podium
from podium.cli.data import LAST, existing, meant
from podium.cli.exit_codes import ExitCode, of_session
from podium.cli.options import Data, Json
from podium.cli.text import DATA, command, tell
from podium.core.rows import SessionRow


def watch(
    session: Annotated[str, typer.Argument(help="An id, its beginning or end, or 'last'.")] = LAST,
    json: Json = False,
    data: Data = DATA,
) -> None:
    """Watch a session that any process drives.

    It ends when the session is idle and needs nobody. Ctrl-C leaves, and changes nothing in the session. A call that
    waits for a person can be answered here.
    """
    raise typer.Exit(asyncio.run(_watch(session, json, data)))


async def _watch(name: str, json: bool, data: Path) -> int:
    from podium.cli.follow import conclude, follow
    from podium.running import Run

    async with existing(data) as podium:
        row = await meant(podium.parts.store, name)
        trace = Trace()
        run = await _look_on(podium, row, trace, data, json=json)
        if isinstance(run, Run):
            tell("answered here, and no other process goes on with it: this one does now")
            result, _ = await follow(run, trace, data, json=json, is_rehearsed=trace.is_rehearsed, podium=podium)
            return conclude(result, trace, data, json=json, is_rehearsed=trace.is_rehearsed)
    if not trace.needs_nobody:
        tell(f"left; the session goes on by itself. Look again with: {command('watch', row.id, data)}")
        return ExitCode.SUCCESS
    tell(command("resume" if trace.paused else "show", row.id, data))
    return of_session(trace.stop_reason, paused=trace.paused)


async def _look_on(podium: Podium, row: SessionRow, trace: Trace, data: Path, *, json: bool) -> object:
    """Show the session until it needs nobody or we are to leave; a run if this process is to drive it on."""
    from podium.cli.follow import Desk, on_signals, take_in, woken
    from podium.cli.views import view

    desk = Desk(podium, row.id)
    shown = view(trace, data, json=json, answer=desk.take)
    shown.say(f"session {row.id}")
    if row.facts.status != "idle" and await podium.parts.store.owner(row.id) is None:
        shown.say(f"no process drives it; go on with: {command('resume', row.id, data)}")
    leave = asyncio.Event()
    with on_signals(leave.set):
        async with shown:
            while trace.head < row.head:
                for record in await podium.parts.store.records(row.id, after=trace.head):
                    take_in(record, trace, shown)
            if trace.needs_nobody:
                return None
            work = asyncio.create_task(woken(podium, trace, shown, takes_up=lambda: desk.has_answered, within_s=1.0))
            left = asyncio.create_task(leave.wait())
            try:
                await asyncio.wait([work, left], return_when=asyncio.FIRST_COMPLETED)
                return await work if work.done() else None
            finally:
                for task in (work, left):
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
