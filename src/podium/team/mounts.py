"""Further folders that a team works on, as a team file or the command line says them."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from podium.core.ports import Mount
from podium.entry import Problem, Where
from podium.errors import BadInput
from podium.team.shape import MountEntry

_MOUNT = re.compile(r"(?P<path>.+?):(?P<at>/[^:]*)(:(?P<mode>ro|rw))?")


def parse_mount(text: str, folder: Path) -> Mount:
    """The mount that "PATH:AT", "PATH:AT:ro" or "PATH:AT:rw" says; PATH is relative to the folder.

    Errors: BadInput.
    """
    parts = _MOUNT.fullmatch(text)
    if parts is None:
        raise BadInput(
            f"mount '{text}': write PATH:AT, PATH:AT:ro (read only, as without it) or PATH:AT:rw, where AT is an "
            "absolute path inside, such as /source"
        )
    return Mount(path=folder / Path(parts["path"]).expanduser(), at=parts["at"], read_only=parts["mode"] != "rw")


def mount_of(mount: str | MountEntry, folder: Path) -> Mount:
    """The mount that a team file in this folder says. Errors: BadInput."""
    if isinstance(mount, str):
        return parse_mount(mount, folder)
    return Mount(path=folder / Path(mount.path).expanduser(), at=mount.at, read_only=mount.read_only)


def mount_problems(mounts: Sequence[str | MountEntry]) -> Iterator[Problem]:
    """What is wrong with the mounts of a team file."""
    seen: set[str] = set()
    for index, mount in enumerate(mounts):
        place: Where = ("mounts", index)
        try:
            at = mount_of(mount, Path()).at
        except BadInput as error:
            yield place, str(error)
            continue
        if at in seen:
            yield place, f"another folder is mounted at {at} already"
        seen.add(at)
