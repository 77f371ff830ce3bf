"""`podium interrupt`: stop what a session's agents do now."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from podium.cli.data import existing, meant, traced
from podium.cli.options import Data
from podium.cli.text import DATA
from podium.core.ports import Store
from podium.errors import BadInput, UnknownName


def interrupt(
    session: Annotated[str, typer.Argument(help="An id, its beginning or end, or 'last'.")],
    thread: Annotated[
        str | None, typer.Option(help="Only this one: a thread's id or its end, or its name in `podium show`.")
    ] = None,
    data: Data = DATA,
) -> None:
    """Stop what a session's agents do now, or one of them.

    What is open is closed as interrupted. The session is idle then, and takes the next message.
    """
    raise typer.Exit(asyncio.run(_interrupt(session, thread, data)))


async def _interrupt(name: str, thread: str | None, data: Path) -> int:
    from podium.cli.follow import go_on_if_needed

    async with existing(data) as podium:
        row = await meant(podium.parts.store, name)
        await podium.interrupt(
            row.id, None if thread is None else await _meant_thread(podium.parts.store, row.id, thread)
        )
        return await go_on_if_needed(podium, row, data, done="interrupted")


async def _meant_thread(store: Store, session: str, name: str) -> str:
    """The id of the thread that is meant. Errors: UnknownName; BadInput if several are."""
    threads = (await traced(store, session)).threads
    found = [id for id, thread in threads.items() if name in (id, thread.label)]
    found = found or [id for id in threads if name and id.endswith(name)]
    if not found:
        raise UnknownName("thread", name, [thread.label for thread in threads.values()])
    if len(found) > 1:
        raise BadInput(f"thread '{name}' may be any of {', '.join(found[:5])}; give more of the id")
    return found[0]
