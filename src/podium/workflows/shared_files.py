"""Files that a workflow puts into the workdir for its agents to read."""

import hashlib
import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from podium.errors import BadInput

FOLDER = "handoffs"  # in the workdir
REMEDY = "Let this process write there; in a pattern, handoff=False has all go whole"
MODE = 0o444  # what was handed over is not changed by accident


def path_of(name: str, data: bytes) -> str:
    """Where it lies, from the workdir. The path tells the content: the same content, the same file."""
    stem, kind = re.fullmatch(r"(.*?)(\.[A-Za-z0-9]{1,8})?", name, re.DOTALL).groups()  # type: ignore[union-attr]
    slug = re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:40].rstrip("-") or "part"
    return f"{FOLDER}/{slug}-{hashlib.sha256(data).hexdigest()[:12]}{kind or '.txt'}"


def put(workdir: Path, path: str, data: bytes) -> None:
    """See that the file has this content: written whole or not at all, and not again if it is there.

    No link is followed: agents write to the workdir, and could lay one that leads out of it.
    Errors: BadInput for a workdir, or a folder in it, that is none, or cannot be written to.
    """
    try:
        root = os.open(workdir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise BadInput(f"the workdir {workdir} cannot be opened: {error.strerror}") from None
    try:
        folder = _folder(root)
    except OSError as error:
        raise BadInput(
            f"{workdir / FOLDER} is no folder that hand-offs can go to: {error.strerror}. {REMEDY}"
        ) from None
    finally:
        os.close(root)
    try:
        name = path.removeprefix(f"{FOLDER}/")
        if not _holds(folder, name, data):
            _write(folder, name, data)
    except OSError as error:
        raise BadInput(f"the hand-off {workdir / path} cannot be written: {error.strerror}. {REMEDY}") from error
    finally:
        os.close(folder)


def _folder(root: int) -> int:
    """The folder for them, open; a new one is no part of the repository that it may stand in."""
    is_new = FOLDER not in os.listdir(root)
    if is_new:
        with suppress(FileExistsError):  # another call has made it meanwhile
            os.mkdir(FOLDER, dir_fd=root)
    folder = os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
    if is_new:
        try:
            _write(folder, ".gitignore", b"*\n")
        except OSError:
            os.close(folder)
            raise
    return folder


def _holds(folder: int, name: str, data: bytes) -> bool:
    """Whether a file of this name lies there with this content."""
    try:  # what lies there may be a link, or wait for a writer
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return False
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        return stat.S_ISREG(status.st_mode) and status.st_size == len(data) and file.read(len(data) + 1) == data


def _write(folder: int, name: str, data: bytes) -> None:
    new = f".{secrets.token_hex(8)}"
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, MODE, dir_fd=folder)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        os.replace(new, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        os.unlink(new, dir_fd=folder)
        raise
