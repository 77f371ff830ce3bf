"""Where the threads of a session work: their folders in the data folder, and the sandboxes around them."""

import logging
import os
import resource
from pathlib import Path

from podium.core.facts import SessionSettings
from podium.core.ports import Mount, Place, Sandboxes

logger = logging.getLogger(__name__)
MOST_FILES = 65_536


def make_place(data: Path, settings: SessionSettings, session: str, thread: str) -> Place:
    """The thread's folders, made if need be."""
    workdir = workdir_of(data, settings, session)
    folder = data / "sessions" / session / "threads" / thread
    home, tmp = folder / "home", folder / "tmp"
    for made in (home, tmp):
        made.mkdir(parents=True, exist_ok=True)
    mounts = tuple(
        Mount(path=Path(mount["path"]), at=mount["at"], read_only=mount["read_only"]) for mount in settings.mounts
    )
    return Place(workdir=workdir, home=home, tmp=tmp, data=data, mounts=mounts)


def workdir_of(data: Path, settings: SessionSettings, session: str) -> Path:
    """The folder that the session's threads share: the one that was named, or one of its own, made if need be."""
    if settings.workdir:
        return Path(settings.workdir)
    own = data / "sessions" / session / "workdir"
    own.mkdir(parents=True, exist_ok=True)
    return own


def make_sandboxes() -> Sandboxes:
    """What makes sandboxes on this machine; this process may hold many files open from here on."""
    from podium.sandbox.bubblewrap import Bubblewrap  # only who needs a sandbox pays for it

    if os.geteuid() == 0:
        logger.warning("running as root: what agents run is not bounded in processes; see docs/sandbox.md")
    # A live sandbox holds some six descriptors, and the usual soft limit of 1,024 is soon reached.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    return Bubblewrap()
