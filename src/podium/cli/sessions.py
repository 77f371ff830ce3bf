"""`podium sessions`: what is in the data folder."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from podium.cli.data import existing, standing
from podium.cli.options import Data
from podium.cli.text import DATA, age, one_line, tell


def sessions(
    limit: Annotated[int, typer.Option(min=0, help="The newest so many; 0 for all.")] = 30,
    all: Annotated[bool, typer.Option("--all", help="Also those that were archived.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each session.")] = False,
    data: Data = DATA,
) -> None:
    """List the sessions in the data folder, the newest first."""
    asyncio.run(_sessions(limit, all, json, data))


async def _sessions(limit: int, everything: bool, json: bool, data: Path) -> None:
    import msgspec

    async with existing(data) as podium:
        store = podium.parts.store
        stored = await store.sessions()
        rows = [row for row in stored if everything or row.about.archived_at is None]
        shown = rows[: limit or None]
        stands = [standing(row, await store.owner(row.id)) for row in shown]
        threads = [len(await store.threads(row.id)) for row in shown]
    now = datetime.now(UTC)
    lines = [("id", "title", "agent", "status", "age", "threads", "tokens")]
    for row, stand, number in zip(shown, stands, threads, strict=True):
        tokens = row.facts.usage.total_tokens
        if json:
            told = {"id": row.id, "title": row.title, "agent": row.agent_name, "standing": stand}
            told |= {"created_at": row.created_at.isoformat()}
            print(msgspec.json.encode({**told, "threads": number, "tokens": tokens}).decode())
            continue
        old = age((now - row.created_at).total_seconds())
        lines.append(
            (row.id, one_line(row.title, 40), one_line(row.agent_name, 20), stand, old, f"{number:,}", f"{tokens:,}")
        )
    if json:
        return
    if not stored:
        tell(f"no sessions in {data} yet; `podium run` makes one")
        return
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines if rows else []:
        cells = [
            cell.rjust(w) if i >= 4 else cell.ljust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
    if len(rows) > len(shown):
        print(f"and {len(rows) - len(shown):,} older ones (--limit 0 lists all)")
    if hidden := len(stored) - len(rows):
        print(f"and {hidden:,} archived (--all lists them too)")
