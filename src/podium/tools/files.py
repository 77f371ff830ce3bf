"""The tools read, write and edit: files of the thread's folders, changed only if nobody else changed them."""

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from podium.core.content import text
from podium.core.json import JSON
from podium.core.ports import Place, Sandbox, ToolCall, ToolOutcome
from podium.tools.beneath import Spot, Unusable, explained, locate, off_loop, opened, parent, rooted, shown

SHOWN_BYTES = 256 << 10
HASHED_BYTES = 64 << 20
LOOKED_BYTES = 256 << 20
CHUNK_BYTES = 1 << 20
LOCKS = 256
LOCK_S = 10.0
MODE = 0o777  # the setuid, setgid and sticky bits are never set again

PATH = {
    "type": "string",
    "description": "Path of the file. A relative one starts at /workspace.",
}
READ_INPUT: dict[str, JSON] = {
    "type": "object",
    "properties": {
        "file_path": PATH,
        "view_range": {
            "type": "array",
            "items": {"type": "integer"},
            "minItems": 2,
            "maxItems": 2,
            "description": "First and last line to show, counted from 1; -1 as last for the end of the file.",
        },
    },
    "required": ["file_path"],
    "additionalProperties": False,
}
WRITE_INPUT: dict[str, JSON] = {
    "type": "object",
    "properties": {"file_path": PATH, "content": {"type": "string", "description": "The file's new content."}},
    "required": ["file_path", "content"],
    "additionalProperties": False,
}
EDIT_INPUT: dict[str, JSON] = {
    "type": "object",
    "properties": {
        "file_path": PATH,
        "old_string": {"type": "string", "description": "The text to replace."},
        "new_string": {"type": "string", "description": "The text to put in its place."},
        "replace_all": {"type": "boolean", "description": "Replace every occurrence."},
    },
    "required": ["file_path", "old_string", "new_string"],
    "additionalProperties": False,
}


class FileTool:
    """What the three have in common: they run off the event loop, and say what went wrong as an error result."""

    name: str
    description: str
    input_schema: dict[str, JSON]
    idempotent = False
    needs_sandbox = True

    async def run(self, call: ToolCall, sandbox: Sandbox | None) -> ToolOutcome:
        """Do it in the sandbox's folders, from outside."""
        assert sandbox is not None
        try:
            spot = locate(sandbox.place, call.input["file_path"])
            with rooted(spot) as root, _locks(sandbox.place) as locks:
                return await off_loop(lambda: self.work(Target(spot, root, locks), call))
        except Unusable as error:
            return ToolOutcome(content=text(str(error)), is_error=True)

    def work(self, target: "Target", call: ToolCall) -> ToolOutcome:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Target:
    """The file of a call. Shape: `root` and `locks` are open folders: the spot's root, and where its lock lies."""

    spot: Spot
    root: int
    locks: int


@contextmanager
def _locks(place: Place) -> Iterator[int]:
    """The folder of locks, in the data folder: no agent can take one there."""
    path = place.data / "locks"
    path.mkdir(mode=0o700, exist_ok=True)
    locks = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield locks
    finally:
        os.close(locks)


class Read(FileTool):
    """Shows a text file with line numbers."""

    name = "read"
    idempotent = True
    description = (
        "Read a text file. Lines come numbered, as 'number<TAB>line'. At most 256 KiB are shown at once; use "
        "view_range [first, last] for a part of a longer file, with -1 as last for its end. Files must be "
        "read before write or edit may change them."
    )
    input_schema = READ_INPUT

    def work(self, target: Target, call: ToolCall) -> ToolOutcome:
        spot = target.spot
        first, last = _lines(call.input.get("view_range"))
        with (
            _errors_told(spot),
            parent(spot, target.root) as (folder, name),
            opened(spot, folder, name) as (fd, status),
        ):
            size = status.st_size
            view = _view(fd, first, last)
        if view.is_binary:
            raise Unusable(f"{shown(spot.inside)} is a binary file ({size} bytes). Look at it with the shell.")
        seen = {spot.inside: view.digest} if view.digest else {}
        return ToolOutcome(content=text(_told(view, first, size)), seen=seen)


@dataclass(slots=True)
class _View:
    """Lines of a file: `digest` of the whole of it, or "" if it is too large to be read whole."""

    shown: bytes
    is_cut: bool
    is_binary: bool
    lines: int
    digest: str


def _lines(view_range: list[int] | None) -> tuple[int, int | None]:
    first, last = view_range or (1, -1)
    if first < 1 or (last != -1 and last < first):
        raise Unusable(f"view_range [{first}, {last}] is no range. Give [first, last], counted from 1, or -1 as last.")
    return first, None if last == -1 else last


def _view(fd: int, first: int, last: int | None) -> _View:
    """Read a file once, in pieces: its hash, and the wanted lines up to the bound."""
    hasher = sha256()
    wanted = bytearray()
    line, read, is_cut, is_binary, last_byte = 1, 0, False, False, b""
    while chunk := os.read(fd, CHUNK_BYTES):
        is_binary = is_binary or (read == 0 and b"\0" in chunk[:8192])
        read, last_byte = read + len(chunk), chunk[-1:]
        if read <= HASHED_BYTES:
            hasher.update(chunk)
        elif is_binary or is_cut or (last is not None and line > last) or read > LOOKED_BYTES:
            break
        start = _after(chunk, first - line)
        end = len(chunk) if last is None else _after(chunk, last + 1 - line)
        room = SHOWN_BYTES - len(wanted)
        is_cut = is_cut or end - start > room
        wanted += chunk[start : min(end, start + room)]
        line += chunk.count(b"\n")
    lines = line - (last_byte == b"\n")
    return _View(bytes(wanted), is_cut, is_binary, lines, hasher.hexdigest() if read <= HASHED_BYTES else "")


def _after(chunk: bytes, lines: int) -> int:
    """Where in the chunk this many lines have ended; its length if they have not."""
    at = 0
    for _ in range(lines):
        at = chunk.find(b"\n", at) + 1
        if at == 0:
            return len(chunk)
    return at


def _told(view: _View, first: int, size: int) -> str:
    if not view.shown:
        if size > LOOKED_BYTES:
            looked = f"{LOOKED_BYTES >> 20} MiB"
            return f"(line {first} is not in the first {looked}, which is as far as read looks: use the shell)"
        return "(the file is empty)" if size == 0 else f"(there is no line {first}: the file has {view.lines} lines)"
    notes = []
    try:
        content = view.shown.decode()
    except UnicodeDecodeError as error:
        content = view.shown.decode(errors="replace")
        # A character cut by the bound is no fault of the file.
        if not (view.is_cut and error.start >= len(view.shown) - 3):
            notes.append("not valid UTF-8: bytes that are no text are shown as \ufffd")
    rows = content.removesuffix("\n").split("\n")
    if view.is_cut:
        notes.append(
            f"cut after {SHOWN_BYTES >> 10} KiB, in line {first + len(rows) - 1}; the file has {size} bytes. "
            f"Read on with view_range [{first + len(rows) - 1}, -1], or search it with grep"
        )
    if not view.digest:
        notes.append(f"larger than {HASHED_BYTES >> 20} MiB: write and edit cannot change it, the shell can")
    numbered = "\n".join(f"{number:6}\t{row}" for number, row in enumerate(rows, first))
    return numbered + "".join(f"\n[{note}]" for note in notes)


class Write(FileTool):
    """Makes a file or replaces its content."""

    name = "write"
    description = (
        "Write a whole file; folders on the way are made. A file that exists must have been read in this thread first, "
        "and must not have changed since: then this fails and the file must be read again. Changes that shell commands "
        "make are not protected in this way."
    )
    input_schema = WRITE_INPUT

    def work(self, target: Target, call: ToolCall) -> ToolOutcome:
        content = _encoded(call.input["content"], "content")

        def change(spot: Spot, old: bytes | None) -> tuple[bytes, str]:
            did = "created" if old is None else "replaced"
            return content, f"{did} {shown(spot.inside)} ({len(content)} bytes)"

        return _change(target, call, change, make=True)


class Edit(FileTool):
    """Replaces text in a file."""

    name = "edit"
    description = (
        "Replace old_string by new_string in a file. old_string must match exactly, white space included and without "
        "the line numbers that read shows, and must occur once unless replace_all is true. The file must have been "
        "read in this thread first, and must not have changed since: then this fails and the file must be read again. "
        "Changes that shell commands make are not protected in this way."
    )
    input_schema = EDIT_INPUT

    def work(self, target: Target, call: ToolCall) -> ToolOutcome:
        old_string = _encoded(call.input["old_string"], "old_string")
        new_string = _encoded(call.input["new_string"], "new_string")
        every = bool(call.input.get("replace_all"))
        if not old_string:
            raise Unusable("old_string is empty. Give the text to replace, or use write for a whole file.")
        if old_string == new_string:
            raise Unusable("old_string and new_string are the same: there is nothing to change.")

        def change(spot: Spot, old: bytes | None) -> tuple[bytes, str]:
            if old is None:
                raise FileNotFoundError
            count = old.count(old_string)
            if count == 0:
                raise Unusable(_not_found(spot, old, old_string))
            if count > 1 and not every:
                raise Unusable(
                    f"old_string occurs {count} times in {shown(spot.inside)}. Give more of the text around the one "
                    "you mean, or set replace_all."
                )
            if len(old) + count * (len(new_string) - len(old_string)) > HASHED_BYTES:
                raise Unusable(f"the file would be larger than {HASHED_BYTES >> 20} MiB. Change it with the shell.")
            places = "1 place" if count == 1 else f"{count} places"
            return old.replace(old_string, new_string), f"edited {shown(spot.inside)} in {places}"

        return _change(target, call, change, make=False)


def _not_found(spot: Spot, old: bytes, old_string: bytes) -> str:
    said = f"old_string does not occur in {shown(spot.inside)}."
    if b"\r\n" in old and old_string.replace(b"\n", b"\r\n") in old:
        return f"{said} The file's lines end in \\r\\n: write them so in old_string and new_string."
    if b" ".join(old_string.split()) in b" ".join(old.split()):
        return f"{said} It does with other white space: read the lines again and copy them exactly."
    return f"{said} Read the file again and copy the text exactly, without line numbers."


Change = Callable[[Spot, bytes | None], tuple[bytes, str]]


def _change(target: Target, call: ToolCall, change: Change, *, make: bool) -> ToolOutcome:
    """Replace a file in one step, if it still is what this thread has seen.

    Check and rename happen under a lock that every thread and process with this data folder takes.
    """
    spot = target.spot
    if not spot.is_writable:
        raise Unusable(f"{spot.at} is mounted read-only. Write elsewhere, for example below /workspace.")
    with _errors_told(spot), parent(spot, target.root, make=make) as (folder, name), _lock(target, folder, name):
        old, mode = _content(spot, folder, name, call)
        new, told = change(spot, old)
        _replace(folder, name, new, mode)
    return ToolOutcome(content=text(told), seen={spot.inside: sha256(new).hexdigest()})


def _content(spot: Spot, folder: int, name: str, call: ToolCall) -> tuple[bytes | None, int | None]:
    """What the file holds and its mode, None if it does not exist."""
    try:
        with opened(spot, folder, name) as (fd, status), open(fd, "rb", closefd=False) as file:
            known = call.seen.get(spot.inside)
            if known is None:
                raise Unusable(f"{shown(spot.inside)} exists and was not read in this thread. Read it first.")
            content = file.read(HASHED_BYTES + 1)
    except FileNotFoundError:
        return None, None
    if len(content) > HASHED_BYTES:
        raise Unusable(f"{shown(spot.inside)} is larger than {HASHED_BYTES >> 20} MiB. Change it with the shell.")
    if sha256(content).hexdigest() != known:
        raise Unusable(f"{shown(spot.inside)} has changed since you read it. Read it again, then repeat your change.")
    return content, status.st_mode & MODE


def _replace(folder: int, name: str, content: bytes, mode: int | None) -> None:
    """Put the content there as a new file, complete or not at all. A file that appeared meanwhile is not replaced."""
    fresh = f".podium-{secrets.token_hex(8)}"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=folder)
    try:
        with open(fd, "wb") as file:
            file.write(content)
            if mode is not None:
                os.fchmod(fd, mode)
        if mode is None and _linked(folder, fresh, name):
            return
        os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=folder)


def _linked(folder: int, fresh: str, name: str) -> bool:
    """Give the new file its name if that is free; False on file systems that know no second names."""
    try:
        os.link(fresh, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            return False
        raise
    return True


@contextmanager
def _lock(target: Target, folder: int, name: str) -> Iterator[None]:
    """One holder per file, over all threads and processes that share the data folder."""
    status = os.fstat(folder)
    key = sha256(f"{status.st_dev}:{status.st_ino}:{name}".encode("utf-8", "surrogateescape")).digest()[0] % LOCKS
    deadline = time.monotonic() + LOCK_S
    with open(os.open(f"{key:02x}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=target.locks), "rb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unusable("another session holds this file's lock for long. Try again later.") from None
                time.sleep(0.001)
        yield


@contextmanager
def _errors_told(spot: Spot) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise Unusable(f"{shown(spot.inside)} does not exist. Look for it with glob.") from error
    except FileExistsError as error:
        raise Unusable(f"{shown(spot.inside)} has just been made by another. Read it first.") from error
    except OSError as error:
        raise explained(spot, error) from error


def _encoded(value: Any, what: str) -> bytes:
    try:
        return str(value).encode()
    except UnicodeEncodeError as error:
        raise Unusable(f"{what} holds characters that are no valid text (lone surrogates).") from error
