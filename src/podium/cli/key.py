"""`podium key`: who may use the server of a data folder."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from podium.cli.options import Data
from podium.cli.text import DATA, age, one_line, tell
from podium.core.keys import ADMIN, SCOPES, SECRET_BYTES, KeyRow, make_key
from podium.engine.clock import SortedIds
from podium.errors import BadInput, NotFound
from podium.store.keys import SqliteKeys
from podium.store.sqlite_file import FILE

app = typer.Typer(
    no_args_is_help=True, help="Say who may use the server: make, list and revoke keys.", rich_markup_mode=None
)


@app.command("create")
def create(
    name: Annotated[str, typer.Option(help="What it is for, for you.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help=f"What it may do, again for more: {', '.join(SCOPES)}.")
    ] = None,
    workspace: Annotated[str, typer.Option(help="Whose agents and sessions it sees; no others are there for it.")] = (
        "default"
    ),
    expires: Annotated[int | None, typer.Option(metavar="DAYS", min=1, max=36_500, help="How long it is good.")] = None,
    data: Data = DATA,
) -> None:
    """Make a key. It is printed once, on stdout, and kept as a hash alone.

    Without a scope it may do everything. A running server knows it at once.
    """
    asyncio.run(_create(name, scope or [ADMIN], workspace, expires, data))


async def _create(name: str, scopes: list[str], workspace: str, expires: int | None, data: Path) -> None:
    now = datetime.now(UTC)
    until = None if expires is None else now + timedelta(days=expires)
    token, row = make_key(
        SortedIds()("apikey"),
        os.urandom(SECRET_BYTES),
        now,
        name=name,
        scopes=scopes,
        workspace=workspace,
        expires_at=until,
    )
    keys = SqliteKeys.open(data)
    try:
        await keys.create(row)
    finally:
        await keys.close()
    told = f"made {row.id} for workspace '{row.workspace}', which may do: {', '.join(row.scopes)}"
    tell(told + ("" if until is None else f"; good until {until:%Y-%m-%d %H:%M} UTC"))
    tell("this is the only time that the key is shown:")
    print(token, flush=True)


@app.command("list")
def show(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each key.")] = False,
    data: Data = DATA,
) -> None:
    """List the keys, the oldest first. What they are is kept nowhere."""
    asyncio.run(_list(json, data))


async def _list(json: bool, data: Path) -> None:
    async with _existing(data) as keys:
        rows = await keys.keys()
    now = datetime.now(UTC)
    if json:
        for row in rows:
            told = msgspec.structs.asdict(row) | {"standing": _standing(row, now)}
            del told["hash"]
            print(msgspec.json.encode(told).decode())
        return
    if not rows:
        tell(f"no keys in {data} yet; `podium key create` makes one")
        return
    lines = [("id", "name", "workspace", "may", "made", "last used", "is")]
    for row in rows:
        used = "never" if row.last_used_at is None else _ago(now, row.last_used_at)
        made = _ago(now, row.created_at)
        scopes = " ".join(row.scopes)
        lines.append((row.id, one_line(row.name, 30), row.workspace, scopes, made, used, _standing(row, now)))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


@app.command("revoke")
def revoke(
    id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, or the end of it.")],
    data: Data = DATA,
) -> None:
    """Make a key good for nothing, for ever. A running server refuses it within a second."""
    asyncio.run(_revoke(id, data))


async def _revoke(id: str, data: Path) -> None:
    async with _existing(data) as keys:
        found = [row for row in await keys.keys() if row.id == id or (id and row.id.endswith(id))]
        if len(found) > 1:
            raise BadInput(f"'{id}' may be any of {', '.join(row.id for row in found[:5])}; give more of the id")
        if not found:
            raise NotFound(f"there is no key '{one_line(id, 60)}' here; `podium key list` lists them")
        before = found[0].revoked_at is not None
        row = await keys.revoke(found[0].id, datetime.now(UTC))
    name = f" ({one_line(row.name, 60)})" if row.name else ""
    tell(f"{row.id}{name} " + ("was revoked before" if before else "is revoked"))


@asynccontextmanager
async def _existing(data: Path) -> AsyncIterator[SqliteKeys]:
    """The keys of a folder that is there; looking makes none. Errors: NotFound."""
    if not (data / FILE).exists():
        raise NotFound(f"there are no keys in {data}; `podium key create` makes one, or name another with --data")
    keys = SqliteKeys.open(data)
    try:
        yield keys
    finally:
        await keys.close()


def _standing(row: KeyRow, now: datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    if not row.is_good(now):
        return "expired"
    return "good" if row.expires_at is None else f"good for {age((row.expires_at - now).total_seconds())}"


def _ago(now: datetime, at: datetime) -> str:
    return f"{age((now - at).total_seconds())} ago"
