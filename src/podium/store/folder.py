"""The data folder: may it be one, and what lies where in it."""

import os
from pathlib import Path

from podium.errors import StoreDown

# Locks on these are advisory at best, and a database there can be damaged. Source: SQLite, "How To Corrupt", 2.1.
_WITHOUT_LOCKS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ncpfs", "fuse.rclone")


def open_folder(folder: Path, mounts: str | None = None) -> Path:
    """The data folder, made if need be, absolute and without symlinks.

    Shape: `mounts` is the text of /proc/self/mounts, read if not given.
    Errors: StoreDown naming the folder and the remedy.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds prompts, and what tools said
        folder = folder.resolve(strict=True)
    except (FileExistsError, NotADirectoryError):
        raise StoreDown(f"{folder} is not a folder; name another one with --data") from None
    except OSError as error:
        raise StoreDown(f"cannot make the data folder {folder}: {error.strerror}. Name one with --data") from None
    kind = _filesystem(folder, _mounts() if mounts is None else mounts)
    if kind in _WITHOUT_LOCKS:
        raise StoreDown(
            f"the data folder {folder} lies on {kind}, where file locks cannot be trusted so the log could be damaged. "
            "Name a folder on a local disk with --data"
        )
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        raise StoreDown(f"the data folder {folder} lies on a read-only filesystem; name another one with --data")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreDown(
            f"the data folder {folder} cannot be written by this user; change its owner or name another one"
        )
    return folder


def _mounts() -> str:
    try:
        return Path("/proc/self/mounts").read_text(errors="replace")
    except OSError:  # no Linux: nothing to know
        return ""


def _filesystem(folder: Path, mounts: str) -> str:
    """The type of the filesystem the folder lies on: that of the deepest mount above it, the last one if stacked."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        # Source: proc(5): space, tab, newline and backslash are written in octal.
        at = fields[1].encode().decode("unicode_escape").encode("latin-1").decode(errors="replace")
        if (folder == Path(at) or Path(at) in folder.parents) and len(at) >= best:
            best, kind = len(at), fields[2]
    return kind
