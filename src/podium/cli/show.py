"""`podium show`: what a session did when, from its log."""

import asyncio
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from podium.cli.data import LAST, existing, meant, standing, traced
from podium.cli.options import Data
from podium.cli.picture import bounded, picture
from podium.cli.text import DATA, command
from podium.cli.tree import MOST
from podium.cli.under_way import how_it_goes_on, under_way, waits_for_a_person, waits_for_its_client

WIDTH = 120  # where there is no terminal


def show(
    session: Annotated[str, typer.Argument(help="An id, its beginning or end, or 'last'.")] = LAST,
    all: Annotated[bool, typer.Option("--all", help=f"Show every thread, also of more than {MOST}.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")] = False,
    data: Data = DATA,
) -> None:
    """Show what a session did when.

    Its threads with their times, turns, tokens, costs and attempts, how far siblings overlapped, what is under way,
    and what waits for a person.
    """
    asyncio.run(_show(session, all, json, data))


async def _show(name: str, everything: bool, json: bool, data: Path) -> None:
    async with existing(data) as podium:
        row = await meant(podium.parts.store, name)
        owner = await podium.parts.store.owner(row.id)
        made = await traced(podium.parts.store, row.id)
    last = made.last_at or row.created_at
    is_driven = owner is not None and row.facts.status != "idle"
    until = datetime.now(UTC) if is_driven or made.asking or made.clients.waiting else last
    if json:
        import msgspec

        from podium.analysis.report import report

        told = {**report(made, until), "agent": row.agent_name, "standing": standing(row, owner)}
        print(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH
    most, for_all = None if everything else MOST, f"{command('show', made.id, data)} --all"
    for line in picture(made, standing(row, owner), until, width, most=most, for_all=for_all):
        print(line)
    if made.status != "idle":
        print("\nunder way:" if owner is not None else "\nunder way when its process ended:")
        for line in bounded(under_way(made), most, for_all):
            print(f"  {line}")
    if made.asking:
        print(f"\nwaits for a person, who answers with: {command('approve', made.id, data)}")
        for line in bounded(waits_for_a_person(made, until), most, for_all):
            print(f"  {line}")
    if made.clients.waiting:
        print("\nwaits for its client, the program that has these tools: its user.custom_tool_result answers")
        for line in bounded(waits_for_its_client(made, until), most, for_all):
            print(f"  {line}")
    if goes_on := how_it_goes_on(row, owner, data):
        print(f"\n{goes_on}")
