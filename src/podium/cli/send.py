"""`podium send`: a message to a session's primary agent."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from podium.cli.data import existing, meant
from podium.cli.options import Data
from podium.cli.text import DATA
from podium.errors import BadInput


def send(
    session: Annotated[str, typer.Argument(help="An id, its beginning or end, or 'last'.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to tell the agent.")],
    data: Data = DATA,
) -> None:
    """Send a message to a session's primary agent.

    The agent's next model call takes it. An idle session goes on with it: here, if no other process takes it up.
    """
    if not text.strip():
        raise BadInput("the message is empty; say what the agent is to know or do")
    raise typer.Exit(asyncio.run(_send(session, text, data)))


async def _send(name: str, text: str, data: Path) -> int:
    from podium.cli.follow import go_on_if_needed

    async with existing(data) as podium:
        row = await meant(podium.parts.store, name)
        await podium.send(row.id, text)
        return await go_on_if_needed(podium, row, data, done="sent")
