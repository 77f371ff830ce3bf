"""`podium resume`: go on with what was left unfinished."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from podium.app import Podium
from podium.cli.data import existing, meant
from podium.cli.exit_codes import ExitCode, of_error
from podium.cli.options import Data, Json
from podium.cli.text import DATA, one_line, tell
from podium.core.rows import SessionRow
from podium.errors import PodiumError


def resume(
    session: Annotated[
        str | None, typer.Argument(help="An id, its beginning or end, or 'last'; every unfinished one if left out.")
    ] = None,
    accept_changed: Annotated[
        bool, typer.Option("--accept-changed", help="Go on although the rehearsal file has changed.")
    ] = False,
    json: Json = False,
    data: Data = DATA,
) -> None:
    """Go on with what was left unfinished.

    One session, from its last record, or every unfinished one, one after another.
    """
    raise typer.Exit(asyncio.run(_resume(session, accept_changed, json, data)))


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
    result, is_asked = await follow(run, past, data, json=json, is_rehearsed=is_rehearsed)
    return conclude(result, past, data, json=json, is_rehearsed=is_rehearsed), is_asked
