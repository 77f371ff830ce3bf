"""`podium interrupt`: stop what a session's agents do now."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from podium.cli.data import existing, meant, traced
from podium.cli.exit_codes import ExitCode
from podium.cli.options import Data
from podium.cli.text import DATA, command
from podium.core.ports import Store
from podium.core.rows import SessionRow, ThreadRow
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
        store = podium.parts.store
        row = await meant(store, name)
        id = None if thread is None else await _meant_thread(store, row.id, thread)
        rows = [it for it in await store.threads(row.id) if id in (None, it.id)]
        has_run = id is None and row.facts.open_run  # it may rest, and is ended
        if not (has_run or any(_is_open(it) for it in rows)):
            raise BadInput(_nothing_to_stop(row, None if id is None else rows[0], data))
        await podium.interrupt(row.id, id)
        code = await go_on_if_needed(podium, row, data, done="interrupted")
    return ExitCode.SUCCESS if code == ExitCode.INTERRUPTED else code  # that is what was asked for


def _is_open(thread: ThreadRow) -> bool:
    waits = thread.stop_reason is not None and thread.stop_reason.type == "requires_action"
    return thread.status in ("running", "rescheduling") or waits


def _nothing_to_stop(row: SessionRow, thread: ThreadRow | None, data: Path) -> str:
    if thread is not None:
        return (
            f"thread {thread.id} ({thread.agent_name}) is {thread.status}: nothing of it is under way. Without "
            "--thread the whole session is interrupted"
        )
    if row.paused:
        return f"session {row.id} was interrupted before; go on with it: {command('resume', row.id, data)}"
    return f"session {row.id} is idle, and nothing of it is under way; {command('show', row.id, data)} tells more"


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
