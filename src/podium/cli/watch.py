"""`podium watch`: look on while any process drives a session."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from podium.analysis.trace import Trace
from podium.app import Podium
from podium.cli.data import LAST, existing, meant
from podium.cli.exit_codes import ExitCode, of_session
from podium.cli.options import Data, Json
from podium.cli.text import DATA, command, tell
from podium.core.rows import SessionRow

if TYPE_CHECKING:
    from podium.cli.views import View
    from podium.running import Run

LOOK_S = 2.0  # between looks for the process that drives the session


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

    async with existing(data) as podium:
        row = await meant(podium.parts.store, name)
        trace = Trace()
        run = await _look_on(podium, row, trace, data, json=json)
        if run is not None:
            tell("answered here, and no other process goes on with it: this one does now")
            result, _ = await follow(run, trace, data, json=json, is_rehearsed=trace.is_rehearsed, podium=podium)
            return conclude(result, trace, data, json=json, is_rehearsed=trace.is_rehearsed)
    if not trace.needs_nobody:
        tell(f"left; the session goes on by itself. Look again with: {command('watch', row.id, data)}")
        return ExitCode.SUCCESS
    if trace.clients.ended:
        return ExitCode.SUCCESS
    if not trace.stop_reason:
        tell(f"it has no task yet; give it one with: {command('send', row.id, data, 'TEXT')}")
        return ExitCode.SUCCESS
    tell(command("resume" if trace.paused else "show", row.id, data))
    return of_session(trace.stop_reason, interrupted=trace.is_interrupted)


async def _look_on(podium: Podium, row: SessionRow, trace: Trace, data: Path, *, json: bool) -> "Run | None":
    """Show the session until it needs nobody or we are to leave; a run if this process is to drive it on."""
    from podium.cli.follow import Desk, Feed, end, unless, woken
    from podium.cli.signals import on_signals
    from podium.cli.views import view

    desk = Desk(podium, row.id)
    shown = view(trace, data, json=json, answer=desk.take)
    shown.say(f"session {row.id}")
    leave = asyncio.Event()
    with on_signals(leave.set):
        async with shown:
            feed = Feed(row.id, trace, shown)
            await feed.catch_up(podium.parts.store)
            if trace.needs_nobody:
                return None
            looking = asyncio.create_task(_tell_if_left(podium, trace, shown, data))
            try:
                return await unless(leave, woken(podium, feed, takes_up=lambda: desk.has_answered, within_s=1.0))
            finally:
                await end(looking)


async def _tell_if_left(podium: Podium, trace: Trace, shown: "View", data: Path) -> None:
    """Say so each time the session is found to be left unfinished, by a process that died."""
    was_left = False
    while True:
        is_left = trace.status != "idle" and await podium.parts.store.owner(trace.id) is None
        if is_left and not was_left:
            shown.say(f"no process drives it; go on with: {command('resume', trace.id, data)}")
        was_left = is_left
        await asyncio.sleep(LOOK_S)
