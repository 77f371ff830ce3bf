"""`podium resume`: go on with what was left unfinished."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from podium.app import Podium
from podium.cli.data import existing, meant
from podium.cli.exit_codes import ExitCode, of_error
from podium.cli.options import Data, Json
from podium.cli.text import DATA, count, one_line, tell
from podium.core.rows import Owner, SessionRow
from podium.errors import BadInput, Owned, PodiumError, StoreDown


def resume(
    session: Annotated[
        str | None, typer.Argument(help="An id, its beginning or end, or 'last'; every unfinished one if left out.")
    ] = None,
    accept_changed: Annotated[
        bool, typer.Option("--accept-changed", help="Go on although the rehearsal file has changed.")
    ] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="End the live process that drives the session, if there is one.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="End it without asking.")] = False,
    json: Json = False,
    data: Data = DATA,
) -> None:
    """Go on with what was left unfinished.

    One session, from its last record, or every unfinished one, one after another.
    """
    if take_over and session is None:
        raise BadInput("--take-over is of one session: name it. `podium sessions` lists them")
    if yes and not take_over:
        raise BadInput("--yes answers what --take-over asks; give both")
    if take_over and session is not None:
        session = asyncio.run(_id(session, data))  # 'last' may be another one by the time of the answer
    try:
        code = asyncio.run(_resume(session, accept_changed, json, data))
    except (Owned, StoreDown):  # everything else it takes to resume is known to be there by now
        # StoreDown: a driver that was stopped in the middle of a write holds up everybody.
        if not take_over or session is None or not _ends_owner(session, data, is_sure=yes):
            raise
        code = asyncio.run(_resume(session, accept_changed, json, data))
    raise typer.Exit(code)


def _ends_owner(session: str, data: Path, *, is_sure: bool) -> bool:
    """Whether there was a process that drives the session, and it has been ended: a person saw what else it drives.

    Nothing runs in an event loop while the person is asked: it would keep Ctrl-C to itself.
    """
    driving = asyncio.run(_driving(session, data))
    if driving is None:
        return False
    owner, others = driving
    name = f"process {owner.pid}"
    tell(f"{name} {'is stopped, and ' if owner.state == 'stopped' else ''}drives {session}; it will be killed")
    if others:
        tell(f"with it {count(len(others), 'other session')} will be left unfinished:")
    for row in others:
        tell(f"  {row.id} ({one_line(row.title, 40)})")
    if not is_sure and not sys.stdin.isatty():
        raise BadInput(f"{name} was not ended: there is no terminal to ask on. --yes ends it without asking")
    if not is_sure and not _agrees(f"End {name}?"):
        tell("nothing was changed")
        raise typer.Exit(ExitCode.BAD_INPUT)
    asyncio.run(_end(session, owner, data))
    return True


def _agrees(question: str) -> bool:
    # typer.confirm writes a blank to stdout, which is the result's.
    try:
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    except KeyboardInterrupt:
        tell("")
        return False


async def _id(name: str, data: Path) -> str:
    async with existing(data) as podium:
        return (await meant(podium.parts.store, name)).id


async def _driving(session: str, data: Path) -> tuple[Owner, list[SessionRow]] | None:
    """The session's owner, and what else it drives."""
    async with existing(data) as podium:
        store = podium.parts.store
        owner = await store.owner(session)
        if owner is None:
            return None
        return owner, [row for row in await store.sessions() if row.owner == owner.worker and row.id != session]


async def _end(session: str, shown: Owner, data: Path) -> None:
    async with existing(data) as podium:
        store = podium.parts.store
        owner = await store.owner(session)
        if owner is not None and owner.worker != shown.worker:
            raise Owned(f"session {session} is driven by process {owner.pid} by now. Nothing was changed; ask again")
        await store.end_owner(session)


async def _resume(name: str | None, accept_changed: bool, json: bool, data: Path) -> int:
    async with existing(data) as podium:
        if name is not None:
            row = await meant(podium.parts.store, name)
            return (await _go_on(podium, row, accept_changed, json, data))[0]
        codes = [ExitCode.SUCCESS]
        rows = await podium.unfinished()
        if not rows:
            tell("nothing is unfinished here, or live processes are at it (see `podium sessions`)")
        for row in rows:
            try:
                code, is_stopped = await _go_on(podium, row, accept_changed, json, data)
            except PodiumError as error:
                tell(f"podium: cannot resume {row.id} ({one_line(row.title, 40)}): {error}")
                code, is_stopped = of_error(error), False
            codes.append(code)
            if is_stopped:
                break
        return max(codes)


async def _go_on(
    podium: Podium, row: SessionRow, accept_changed: bool, json: bool, data: Path
) -> tuple[ExitCode, bool]:
    """Drive the session to its end; the exit code, and whether a person stopped it."""
    from podium.analysis.trace import trace
    from podium.cli.follow import conclude, follow
    from podium.store.sqlite import read_log

    is_rehearsed = any(need.startswith("rehearsal:") for need in row.needs)
    run = await podium.resume(row.id, accept_changed=accept_changed)
    past = trace(read_log(podium.folder, row.id))
    result, is_asked = await follow(run, past, data, json=json, is_rehearsed=is_rehearsed, podium=podium)
    return conclude(result, past, data, json=json, is_rehearsed=is_rehearsed), is_asked
