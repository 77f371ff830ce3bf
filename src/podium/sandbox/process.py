"""One bubblewrap and everything that runs in it: started, read, killed as a whole."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from podium.errors import BadInput, SandboxUnavailable
from podium.sandbox.cgroups import Groups
from podium.sandbox.layout import Argument, Data

CHUNK_BYTES = 1 << 16
ERRORS_BYTES = 8 << 10
START_S = 15.0
GROUP_TRIES, GROUP_WAIT_S = 50, 0.02
BASH = ("/bin/bash", "-c")
# In every sandbox's command line, and no other's.
MARK = "podium-sandbox"
# What every sandbox starts with: limits that cannot be raised again, then the wait for our word. If we die while
# bubblewrap starts, before it has asked the kernel to die with us, that word never comes and nothing runs.
PRELUDE = """
limit() {{ ulimit "$@" 2>/dev/null || :; }}
limit -c 0; limit -n 1024; limit -f 1048576; limit -t 600; limit -u 1024
unset -f limit; printf '\\006'; read -r -u {gate} REPLY && [ "$REPLY" = go ] || exit 125
exec "$@" {gate}<&-
"""


class StartFailed(Exception):
    """Bubblewrap ended before it ran anything; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Bwrap:
    """A bubblewrap program."""

    path: Path
    version: tuple[int, ...]

    @property
    def binds_open_folders(self) -> bool:
        """From 0.10 on it mounts a folder we have opened, whatever its path leads to by then."""
        return self.version >= (0, 10)


class Process:
    """A running sandbox. Made on the event loop's own thread: bubblewrap dies with the thread that started it.

    Whoever makes one awaits `ready` once and `kill` in the end, whatever happened. After `kill` nothing of it is left.
    Shape: `stdin` is a file descriptor that this takes over. `ended` is done when all its processes are gone and all
    their output is read; `errors` is the beginning of its stderr; `exit_code` is None while it runs.
    """

    def __init__(
        self,
        bwrap: Bwrap,
        arguments: Sequence[Argument],
        argv: Sequence[str],
        *,
        stdin: int,
        on_output: Callable[[bytes], None],
        groups: Groups | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_output = on_output
        self._init = -1  # a pidfd of the first process inside: when it dies, the kernel kills all the others
        self._status = b""
        self._open: set[int] = set()
        self._started: asyncio.Future[None] = self._loop.create_future()
        self._init_known: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.errors = b""
        self.is_killed = False
        with ExitStack() as theirs, ExitStack() as on_failure:
            theirs.callback(os.close, stdin)
            self._group = groups.make() if groups is not None else None
            on_failure.callback(self._give_back_group)
            output, to_output = _pipe(on_failure, theirs)
            errors, to_errors = _pipe(on_failure, theirs)
            status, to_status = _pipe(on_failure, theirs)
            block, self._unblock = _pipe(theirs, on_failure)
            gate, self._gate = _pipe(theirs, on_failure)
            words = ["--json-status-fd", str(to_status), "--block-fd", str(block)]
            inherited = [to_status, block, gate]
            for argument in arguments:
                words += _words(argument, bwrap, theirs, inherited)
            listed = memory(b"".join(os.fsencode(word) + b"\0" for word in words))
            theirs.callback(os.close, listed)
            self._popen = subprocess.Popen(
                [bwrap.path, "--args", str(listed), "--", *BASH, PRELUDE.format(gate=gate), MARK, *argv],
                stdin=stdin,
                stdout=to_output,
                stderr=to_errors,
                env={},  # /proc/1/environ inside shows the environment that bubblewrap itself was given
                cwd="/",
                pass_fds=[*inherited, listed],
                start_new_session=True,
            )
            on_failure.pop_all()
        self._watch(output, self._take_output)
        self._watch(errors, self._take_errors)
        self._watch(status, self._take_status)
        self._exit = os.pidfd_open(self._popen.pid)
        self._open.add(self._exit)
        self._loop.add_reader(self._exit, self._reap)

    @property
    def exit_code(self) -> int | None:
        return self._popen.returncode

    @property
    def outer_pid(self) -> int:
        """Bubblewrap's own process, which waits for the first one inside."""
        return self._popen.pid

    async def ready(self) -> None:
        """Wait until it runs what it was started for.

        Errors: StartFailed with bubblewrap's own words; SandboxUnavailable if nothing happens.
        """
        await asyncio.wait((self._started, self.ended), timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
        if self._started.done():
            return
        if self.ended.done():
            raise StartFailed(self.errors.decode(errors="replace").strip() or f"exit code {self.exit_code}")
        raise SandboxUnavailable(
            f"a sandbox did not start within {START_S:.0f} s. The machine may be out of memory or processes: "
            "look at its load, then try again."
        )

    async def kill(self) -> None:
        """Kill everything in it and wait until it is gone. May be called again."""
        self.is_killed = True
        await to_the_end(self._kill())

    async def _kill(self) -> None:
        if not self.ended.done():
            # Killing bubblewrap itself would be quicker, but while it starts its child is not yet bound to die with it.
            await asyncio.wait((self._init_known, self.ended), timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
            if self._init >= 0:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._init, signal.SIGKILL)
            else:
                self._popen.kill()
            await asyncio.wait((self.ended,))
        self._forget("_init")
        self._forget("_gate")
        self._forget("_unblock")
        for _ in range(GROUP_TRIES):
            if self._give_back_group():
                return
            await asyncio.sleep(GROUP_WAIT_S)

    def _give_back_group(self) -> bool:
        return self._group is None or self._group.remove()

    def _forget(self, name: str) -> None:
        fd = getattr(self, name)
        if fd >= 0:
            setattr(self, name, -1)
            os.close(fd)

    def _watch(self, fd: int, take: Callable[[bytes], None]) -> None:
        os.set_blocking(fd, False)
        self._open.add(fd)
        self._loop.add_reader(fd, self._read, fd, take)

    def _read(self, fd: int, take: Callable[[bytes], None]) -> None:
        try:
            data = os.read(fd, CHUNK_BYTES)
        except BlockingIOError:
            return
        take(data)
        if not data:
            self._close(fd)

    def _reap(self) -> None:
        if self._popen.poll() is not None:
            self._close(self._exit)

    def _close(self, fd: int) -> None:
        self._loop.remove_reader(fd)
        os.close(fd)
        self._open.discard(fd)
        if not self._open and not self.ended.done():
            self.ended.set_result(None)

    def _take_output(self, data: bytes) -> None:
        if data and not self._started.done():
            data = data[1:]  # the prelude's first word
            self._started.set_result(None)
            with suppress(BrokenPipeError):
                os.write(self._gate, b"go\n")
            self._forget("_gate")
        if data:
            self._on_output(data)

    def _take_errors(self, data: bytes) -> None:
        self.errors = (self.errors + data)[:ERRORS_BYTES]

    def _take_status(self, data: bytes) -> None:
        if not self._init_known.done():
            self._status += data
            if b"\n" in self._status:
                self._take_init(int(json.loads(self._status.partition(b"\n")[0])["child-pid"]))
            if b"\n" in self._status or not data:
                self._init_known.set_result(None)

    def _take_init(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            self._init = os.pidfd_open(pid)
            try:
                if self._group is not None:
                    self._group.add(pid)
            except OSError as error:  # unbounded it must not run
                self.errors = f"control group: {error}".encode()
                signal.pidfd_send_signal(self._init, signal.SIGKILL)
        with suppress(BrokenPipeError):
            os.write(self._unblock, b"\n")
        self._forget("_unblock")


async def to_the_end(work: Coroutine[None, None, None]) -> None:
    """Do the work even if cancelled meanwhile; the cancellation is passed on afterwards."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled


def memory(content: bytes) -> int:
    """A file descriptor from which these bytes can be read."""
    fd = os.memfd_create("podium")
    with open(fd, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _pipe(reading: ExitStack, writing: ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    reading.callback(os.close, ends[0])
    writing.callback(os.close, ends[1])
    return ends


def _words(argument: Argument, bwrap: Bwrap, theirs: ExitStack, inherited: list[int]) -> list[str]:
    if isinstance(argument, str):
        return [argument]
    fd = memory(argument.content) if isinstance(argument, Data) else _open_folder(argument.path)
    theirs.callback(os.close, fd)
    if isinstance(argument, Data):
        inherited.append(fd)
        return [str(fd)]
    option = "--ro-bind" if argument.read_only else "--bind"
    if bwrap.binds_open_folders:
        inherited.append(fd)
        return [f"{option}-fd", str(fd)]
    # Not handed on: a bubblewrap that does not take it would leave it open inside, and from there ".." leads out.
    return [option, str(argument.path)]


def _open_folder(path: Path) -> int:
    try:
        fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise BadInput(f"the folder {path} cannot be shown to agents: {error.strerror}. Put it back.") from error
    if os.readlink(f"/proc/self/fd/{fd}") != str(path):
        os.close(fd)
        raise BadInput(f"the folder {path} was replaced by a symbolic link. Put the folder back.")
    return fd
