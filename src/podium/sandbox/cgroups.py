"""What one sandbox may use of the machine: processes and memory, by control groups the operator lets Podium make.

Without such a folder processes are bounded by RLIMIT_NPROC, which the kernel does not enforce for root, and memory
is not bounded. Podium never makes groups on its own: most belong to systemd or to a container's runtime.
"""

import errno
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from podium.errors import SandboxUnavailable

PROCESSES = 1024
# Version 2 has one file for memory, version 1 two; where a controller is not there, neither is its file.
FILES = {
    "pids.max": "processes",
    "memory.max": "memory",
    "memory.swap.max": "swap",
    "memory.limit_in_bytes": "memory",
    "memory.memsw.limit_in_bytes": "memory",
}


@dataclass(frozen=True, slots=True)
class Group:
    """The control groups of one sandbox: one in version 2, one per controller in version 1."""

    folders: tuple[Path, ...]

    def add(self, pid: int) -> None:
        """Bound this process and all that it will start.

        Errors: ProcessLookupError if it is gone; OSError.
        """
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def remove(self) -> bool:
        """Give the groups back. False while one is still busy: the kernel lets go of dead processes a little later."""
        for folder in self.folders:
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                return False
        return True


class Groups:
    """Makes one group per sandbox in each of the folders that were delegated to Podium."""

    def __init__(self, delegated: Sequence[Path] = ()) -> None:
        half = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
        self._values = {"processes": PROCESSES, "memory": min(4 << 30, half), "swap": 0}
        self._delegated = tuple(delegated)

    def make(self) -> Group | None:
        """The groups of a new sandbox, or None where none were delegated.

        Errors: SandboxUnavailable if a delegated folder cannot be used, or bounds nothing.
        """
        made = Group(tuple(parent / f"podium-{secrets.token_hex(6)}" for parent in self._delegated))
        try:
            for folder in made.folders:
                folder.mkdir()
                if not self._bound(folder):
                    raise FileNotFoundError(errno.ENOENT, "it has neither pids.max nor a bound for memory")
        except OSError as error:
            made.remove()
            raise SandboxUnavailable(
                f"the control groups {', '.join(map(str, self._delegated))} cannot be used: {error.strerror}. Delegate "
                "folders in which this user may make groups with the controllers pids or memory, or name none."
            ) from error
        return made if made.folders else None

    def _bound(self, folder: Path) -> bool:
        bounds = 0
        for file, what in FILES.items():
            with suppress(OSError), open(folder / file, "r+") as bound:
                bounds += bool(bound.write(str(self._values[what])))
        return bounds > 0
