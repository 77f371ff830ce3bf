"""`podium doctor`: does everything Podium needs work here."""

import asyncio
import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from pathlib import Path

import typer

from podium.app import Podium
from podium.cli.exit_codes import ExitCode
from podium.cli.options import Data
from podium.cli.text import DATA, count, printable
from podium.errors import PodiumError
from podium.store.sqlite_file import FILE

OLDEST_PYTHON = (3, 11)
OLDEST_SQLITE = (3, 37)  # STRICT tables
LOW_BYTES = 100 << 20

Finding = tuple[bool, str]  # whether it is well, and what was found


def doctor(data: Data = DATA) -> None:
    """Look whether all that Podium needs is well.

    Python, SQLite, the data folder and every session in it, the sandbox. Exits with 1 if anything is wrong.
    """
    is_well = asyncio.run(_examine(data))
    print("all is well" if is_well else "something is wrong: see the lines with ✗")
    raise typer.Exit(ExitCode.SUCCESS if is_well else ExitCode.FAILED)


async def _examine(data: Path) -> bool:
    is_well = True
    async for well, found in _findings(data):
        print(printable(f"{'✓' if well else '✗'} {found}"), flush=True)
        is_well &= well
    return is_well


async def _findings(data: Path) -> AsyncIterator[Finding]:
    for finding in _programs():
        yield finding
    async for finding in _data(data):
        yield finding
    async for finding in _sandbox():
        yield finding


def _programs() -> Iterator[Finding]:
    yield True, f"podium {version('podium-agents')} on {platform.platform(terse=True)}"
    yield sys.version_info >= OLDEST_PYTHON, f"Python {platform.python_version()} ({sys.executable})"
    yield sqlite3.sqlite_version_info >= OLDEST_SQLITE, f"SQLite {sqlite3.sqlite_version}"


async def _data(data: Path) -> AsyncIterator[Finding]:
    from podium.analysis.integrity import damaged

    if (missing := _no_data(data)) is not None:
        yield missing
        return
    try:
        async with Podium(data) as podium:
            free = shutil.disk_usage(podium.folder).free
            yield free >= LOW_BYTES, f"data folder {podium.folder}, {free >> 20:,} MB free on its disk"
            for line in await asyncio.to_thread(_check_file, podium.folder / FILE):
                yield False, f"{FILE}: {line}"
            rows = await podium.parts.store.sessions()
            found = await damaged(podium.parts.store)
            yield (
                not found,
                f"{count(len(rows), 'session')}, each as its log says" if not found else "damaged sessions:",
            )
            for line in found:
                yield False, f"  {line}"
            unfinished = await podium.unfinished()
            if unfinished:
                yield True, f"{count(len(unfinished), 'session')} unfinished: `podium resume` goes on with them"
    except PodiumError as error:
        yield False, str(error)


def _no_data(data: Path) -> Finding | None:
    if (data / FILE).exists():
        return None
    place = data.absolute()
    while not place.exists():
        place = place.parent
    can_write = os.access(place, os.W_OK | os.X_OK)
    return can_write, f"no data in {data} yet, and {place} can{'' if can_write else 'not'} be written"


def _check_file(file: Path) -> list[str]:
    """What SQLite itself finds wrong with the file."""
    db = sqlite3.connect(file)
    try:
        rows = [str(row[0]) for row in db.execute("PRAGMA integrity_check(20)")]
    except sqlite3.Error as error:
        rows = [str(error)]
    finally:
        db.close()
    return [row for row in rows if row != "ok"]


async def _sandbox() -> AsyncIterator[Finding]:
    from podium.sandbox.bubblewrap import Bubblewrap, find

    try:
        bwrap = await asyncio.to_thread(find, None)
        promises = await Bubblewrap(bwrap.path).probe()
    except PodiumError as error:
        yield False, f"sandbox: {error}"
        return
    yield True, f"sandbox: {bwrap.path}, version {'.'.join(map(str, bwrap.version))}; tried from inside:"
    for promise in promises:
        yield promise.is_kept, f"  {promise.text}" + (f": {promise.detail}" if promise.detail else "")
