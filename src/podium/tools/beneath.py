"""Files of a Place, from outside the sandbox: opened below their root in one step, with no more power than inside.

A path is never resolved first and opened then: the thread's shell could swap a folder for a link in between. openat2
refuses, in the kernel, whatever leaves the root.
"""

import asyncio
import ctypes
import errno
import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from podium.core.ports import Place

T = TypeVar("T")

OPENAT2 = 437  # the same on every architecture
RESOLVE_NO_MAGICLINKS, RESOLVE_BENEATH = 0x02, 0x08
RETRIES = 100
LINKS = 8
THREADS = 8
CAPABILITIES_V3 = 0x20080522


class Unusable(Exception):
    """A file cannot be read or written as asked; the text is for the model."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a file lies.

    Shape: `inside` is its normal absolute path in the sandbox; `root` the host's folder it is below, `relative` its
    path from there ("." for the root itself).
    """

    inside: str
    at: str
    root: Path
    relative: str
    is_writable: bool
    data: Path


def locate(place: Place, path: str) -> Spot:
    """Find the file that an agent means; a relative path starts at /workspace.

    Errors: Unusable if it is not in one of the place's folders.
    """
    if "\0" in path or not path:
        raise Unusable("the path is empty or holds a NUL character. Give a path such as /workspace/notes.txt.")
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise Unusable(f"{shown(path)} holds characters that no file name can have.") from error
    inside = "/" + posixpath.normpath(posixpath.join("/workspace", path)).lstrip("/")
    roots = [
        *(("/workspace", place.workdir, True), ("/home/agent", place.home, True), ("/tmp", place.tmp, True)),
        *((mount.at, mount.path, not mount.read_only) for mount in place.mounts),
    ]
    for at, root, is_writable in roots:
        if inside == at or inside.startswith(at + "/"):
            return Spot(inside, at, root, inside[len(at) + 1 :] or ".", is_writable, place.data)
    where = ", ".join(at for at, _, _ in roots)
    raise Unusable(f"{shown(inside)} is outside the workspace. File tools reach only {where}.")


def shown(path: str) -> str:
    """A path for people and models: control and broken characters escaped, a very long one cut."""
    text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in path)
    return text if len(text) <= 300 else f"{text[:300]}... ({len(path)} characters)"


async def off_loop(work: Callable[[], T]) -> T:
    """Do file work in a thread that has no capabilities: root, outside the sandbox, may do what it could inside.

    A cancelled call waits for the work to end, so that nothing is written after it.
    """

    def powerless() -> T:
        with _without_capabilities():
            return work()

    task = asyncio.get_running_loop().run_in_executor(_pool(), powerless)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="podium-files")


@contextmanager
def _without_capabilities() -> Iterator[None]:
    """Linux keeps capabilities per thread: none of the calling one's has effect until this is left.

    They are not given up for good. The C library changes a program's user in all threads, and ends the program if one
    of them may not.
    """
    header, own = (ctypes.c_uint32 * 2)(CAPABILITIES_V3, 0), _Capabilities()
    _checked("capget", ctypes.byref(header), ctypes.byref(own))
    none = _Capabilities(*(_Set(0, each.permitted, each.inheritable) for each in (own.low, own.high)))
    _checked("capset", ctypes.byref(header), ctypes.byref(none))
    try:
        yield
    finally:
        with suppress(PermissionError):  # the program has given them up meanwhile
            _checked("capset", ctypes.byref(header), ctypes.byref(own))


class _Set(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


class _Capabilities(ctypes.Structure):
    _fields_ = (("low", _Set), ("high", _Set))


def _checked(call: str, *given: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, call)(*given) != 0:
        raise OSError(ctypes.get_errno(), call)


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def openat2(folder: int, path: str) -> int:
    """Open a folder below another; links may be followed, but never out of it.

    Errors: OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    how = _How(os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
    for _ in range(RETRIES):
        fd = libc.syscall(
            ctypes.c_long(OPENAT2),
            ctypes.c_long(folder),
            ctypes.c_char_p(os.fsencode(path)),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if fd >= 0:
            return int(fd)
        code = ctypes.get_errno()
        # The kernel saw a rename while it walked, and could not tell whether it was still below.
        if code not in (errno.EAGAIN, errno.EINTR):
            raise OSError(code, os.strerror(code), path)
    raise OSError(errno.EAGAIN, "the folders on the way keep changing", path)


@contextmanager
def rooted(spot: Spot) -> Iterator[int]:
    """The root of a spot as a descriptor. Not for `off_loop`: the way to it may be open to root alone.

    Errors: Unusable.
    """
    try:
        root = os.open(spot.root, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise Unusable(f"the folder behind {spot.at} cannot be opened: {error.strerror}. Tell the user.") from error
    try:
        if os.readlink(f"/proc/self/fd/{root}") != str(spot.root):
            raise Unusable(f"the folder behind {spot.at} was replaced by a symbolic link. Tell the user.")
        yield root
    finally:
        os.close(root)


@contextmanager
def parent(spot: Spot, root: int, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The folder a file lies in, as a descriptor, and its name there. A link at the end is followed.

    Errors: FileNotFoundError if it is not there, unless with `make`, which makes missing folders; Unusable and OSError
    for all else.
    """
    relative = spot.relative
    for _ in range(LINKS):
        above, name = posixpath.split(relative)
        if name in ("", ".", ".."):
            raise Unusable(f"{shown(spot.inside)} is a folder, not a regular file. Name a file in it.")
        folder = _folder(spot, root, above or ".", make=make)
        try:
            link = _link(folder, name)
            if link is None:
                yield folder, name
                return
        finally:
            os.close(folder)
        if link.startswith("/"):
            raise _leads_out(spot)
        relative = posixpath.join(above, link)
    raise Unusable(f"{shown(spot.inside)} is a link that leads through too many others. Name the file itself.")


@contextmanager
def opened(spot: Spot, folder: int, name: str) -> Iterator[tuple[int, os.stat_result]]:
    """A regular file in a folder that `parent` gave, open for reading, and its status. Never waits for a FIFO.

    Errors: FileNotFoundError; Unusable if it is a folder, FIFO, device or socket; OSError.
    """
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            raise Unusable(f"{shown(spot.inside)} is a folder, not a regular file. List it with glob or 'ls'.")
        if not stat.S_ISREG(status.st_mode):
            raise Unusable(f"{shown(spot.inside)} is not a regular file (a FIFO, device or socket).")
        yield fd, status
    finally:
        os.close(fd)


def _folder(spot: Spot, root: int, relative: str, *, make: bool) -> int:
    """Open a folder below the root. Nothing in the data folder is opened, made, or told to be there or not."""
    try:
        folder = openat2(root, relative)
    except FileNotFoundError:
        above, name = posixpath.split(relative)
        if not name:
            raise
        folder = _folder(spot, root, above or ".", make=make)
        try:
            if not make:
                raise
            with suppress(FileExistsError):  # made meanwhile, or a link to nowhere: opening it tells
                os.mkdir(name, dir_fd=folder)
            made = openat2(folder, name)
        finally:
            os.close(folder)
        folder = made
    try:
        _refuse_data(spot, folder)
    except BaseException:
        os.close(folder)
        raise
    return folder


def _link(folder: int, name: str) -> str | None:
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError:
        return None


def _refuse_data(spot: Spot, fd: int) -> None:
    """Refuse what lies in the data folder, unless it is below one of the place's own folders there.

    The path the kernel gives for an open file is its real one. Agents cannot move anything into or out of the data
    folder, nor the data folder itself: the sandbox does not show it.
    """
    if spot.data in (spot.root, *spot.root.parents):
        return
    real = Path(os.readlink(f"/proc/self/fd/{fd}"))
    if spot.data in (real, *real.parents):
        raise Unusable(f"{shown(spot.inside)} is in Podium's own data folder, which agents cannot see.")


def _leads_out(spot: Spot) -> Unusable:
    return Unusable(
        f"{shown(spot.inside)} leads through a symbolic link that is absolute or goes out of {spot.at}, "
        "and file tools do not follow those. Name the real file, or use the shell."
    )


def explained(spot: Spot, error: OSError) -> Unusable:
    """What the system refused, in words a model can act on."""
    name = shown(spot.inside)
    match error.errno:
        case errno.EXDEV | errno.ELOOP:
            return _leads_out(spot)
        case errno.EACCES | errno.EPERM:
            return Unusable(f"{name}: permission denied. Its owner or mode does not let agents do this.")
        case errno.ENOTDIR:
            return Unusable(f"{name}: a part of the path is a file, not a folder.")
        case errno.ENAMETOOLONG:
            return Unusable(f"{name}: the name is too long for the file system.")
        case errno.ENXIO | errno.ENODEV:
            return Unusable(f"{name} is not a regular file (a FIFO, device or socket).")
        case errno.EISDIR:
            return Unusable(f"{name} is a folder, not a regular file.")
        case errno.ENOSPC | errno.EDQUOT:
            return Unusable(f"{name}: the disk is full.")
        case errno.EROFS:
            return Unusable(f"{name} lies on a read-only file system.")
        case errno.ENOSYS:
            return Unusable("file tools need Linux 5.6 or newer (openat2), and this kernel has it not.")
        case _:
            return Unusable(f"{name}: {error.strerror}.")
