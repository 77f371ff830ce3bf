"""Folders for a thread's sandbox, and a way to look for what it left behind."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from podium.core.ports import Mount, Place


def make_place(root: Path, *, mounts: Sequence[Mount] = ()) -> Place:
    """A place as the app lays it out: everything below the data folder."""
    data = root.resolve() / "data"
    place = Place(
        workdir=data / "session" / "workdir",
        home=data / "session" / "a" / "home",
        tmp=data / "session" / "a" / "tmp",
        data=data,
        mounts=tuple(mounts),
    )
    for folder in (place.workdir, place.home, place.tmp):
        folder.mkdir(parents=True, exist_ok=True)
    (data / "secret").write_text("of the data folder\n")
    return place


def folder(root: Path, name: str, **files: str) -> Path:
    """A folder with these files in it."""
    made = root.resolve() / name
    made.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (made / file).write_text(content)
    return made


def sibling(place: Place) -> Place:
    """The place of another thread of the same session."""
    home, tmp = (place.data / "session" / "b" / name for name in ("home", "tmp"))
    for folder in (home, tmp):
        folder.mkdir(parents=True, exist_ok=True)
    return replace(place, home=home, tmp=tmp)


def processes_with(word: str) -> list[int]:
    """The host's processes that have this word in their command line."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                line = Path("/proc", name, "cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in line:
                found.append(int(name))
    return found


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    for _ in range(2000):
        if is_so():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen within 10 s")
