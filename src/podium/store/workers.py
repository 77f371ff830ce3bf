"""Who is alive: every process holds an exclusive flock on a file of its own for as long as it lives.

The kernel frees the lock when the process dies, however it dies; a stopped process keeps it. So "its lock can be taken"
means "it is dead", with no clock and no heartbeat. flock(2), never fcntl record locks: those vanish when any descriptor
of the file is closed.
"""

import fcntl
import os
import signal
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from weakref import WeakSet

import msgspec

from podium.core.rows import Owner
from podium.errors import Refused, StoreDown

END_S = 5.0  # how long a killed process may take to be gone


class _Holder(msgspec.Struct):
    pid: int
    started: str


class Workers:
    """This process's lock, and a view of the others'."""

    def __init__(self, folder: Path, id: str) -> None:
        """Take the lock.

        Errors: StoreDown if the folder cannot be written.
        """
        self.id = id
        self._folder = folder
        self._fd = -1
        try:
            folder.mkdir(exist_ok=True)
            self._fd = _locked(self._path(id), create=True)
            os.write(self._fd, msgspec.json.encode(_Holder(os.getpid(), _start_time(os.getpid()))))
        except OSError as error:
            self.close(owns_sessions=False)
            raise StoreDown(
                f"cannot take a worker's lock in {folder}: {error.strerror}. It must be writable and have space left"
            ) from None
        _open.add(self)
        _let_go_in_children()

    def is_alive(self, id: str) -> bool:
        """Whether that worker's process lives. Never creates its file: a missing one means dead."""
        if id == self.id:
            return True
        try:
            fd = os.open(self._path(id), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError:  # it cannot be looked at: no reason to rob it
            return True
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def owner(self, id: str) -> Owner | None:
        """The process behind a live worker, or None if it is dead."""
        if not self.is_alive(id):
            return None
        holder = self._holder(id)
        if holder is None:
            return Owner(worker=id, pid=0, state="running")
        return Owner(worker=id, pid=holder.pid, state=_state(holder.pid))

    def live(self) -> list[Owner]:
        """All live workers but this one."""
        ids = [path.stem for path in sorted(self._folder.glob("*.lock"))]
        owners = [self.owner(id) for id in ids if id != self.id]
        return [owner for owner in owners if owner is not None]

    def end(self, id: str) -> None:
        """Kill the process behind a worker, stopped or not; its lock is free when this returns. Blocks for a while.

        Errors: Refused with the reason; a process is only killed if it is beyond doubt the one that took the lock.
        """
        if not self.is_alive(id):
            return
        holder = self._holder(id)
        if holder is None:
            raise Refused(f"worker {id} lives, but its file {self._path(id)} does not say which process it is")
        if holder.pid == os.getpid():
            raise Refused(f"worker {id} is this very process ({holder.pid}), which does not end itself")
        if not _kill(holder) and self.is_alive(id):
            raise Refused(
                f"worker {id} lives, but process {holder.pid} here is another one: it may run in a container, where "
                "that number has its own meaning. End it there"
            )
        until = time.monotonic() + END_S
        while self.is_alive(id):
            if time.monotonic() > until:
                raise Refused(f"process {holder.pid} was killed and is not gone after {END_S:g} s. Try again later")
            time.sleep(0.01)

    def forget_dead(self, owned: set[str]) -> None:
        """Remove the files of dead workers that own no session; `owned` are the workers that do."""
        for path in self._folder.glob("*.lock"):
            if path.stem == self.id or path.stem in owned:
                continue
            with suppress(OSError):  # it lives, it is gone already, or it is another user's: then it stays
                fd = _locked(path, create=False)
                try:
                    path.unlink()  # under the lock: a worker that starts waits for it, and sees that its file is gone
                finally:
                    os.close(fd)

    def close(self, *, owns_sessions: bool) -> None:
        """Let go. The file goes too, unless a session still names this worker. May be called twice."""
        if self._fd < 0:
            return
        if not owns_sessions:
            self._path(self.id).unlink(missing_ok=True)
        self._forget()

    def _forget(self) -> None:
        fd, self._fd = self._fd, -1
        _open.discard(self)
        if fd >= 0:
            with suppress(OSError):
                os.close(fd)

    def _holder(self, id: str) -> _Holder | None:
        try:
            return msgspec.json.decode(self._path(id).read_bytes(), type=_Holder)
        except (OSError, msgspec.DecodeError):
            return None

    def _path(self, id: str) -> Path:
        return self._folder / f"{id}.lock"


_open: "WeakSet[Workers]" = WeakSet()


@cache  # once for each process: what is registered there is never forgotten
def _let_go_in_children() -> None:
    os.register_at_fork(after_in_child=_let_go)


def _let_go() -> None:
    """A forked child must not hold the locks; closing its copies leaves the parent's in place."""
    for workers in list(_open):
        workers._forget()


def _kill(holder: _Holder) -> bool:
    """Whether it was still there, and the one that took the lock, and was killed.

    Errors: Refused if it may not be killed from here.
    """
    try:
        pidfd = os.pidfd_open(holder.pid)
        try:
            # Asked once the pidfd is open: it goes on to mean this process, whoever gets the number afterwards.
            if not holder.started or _start_time(holder.pid) != holder.started:
                return False
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            return True
        finally:
            os.close(pidfd)
    except ProcessLookupError:
        return False
    except OSError as error:
        raise Refused(
            f"process {holder.pid} cannot be ended by this one: {error.strerror}. End it as the user it belongs to"
        ) from None


def _locked(path: Path, *, create: bool) -> int:
    """The file, made or opened, and locked exclusively.

    Errors: BlockingIOError if it was to be opened and another process holds it; OSError.
    """
    while True:
        # Close-on-exec: a child that kept the descriptor would keep a dead worker alive.
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if create else 0), 0o644)
        try:
            # A new file is nobody's yet, and may be taken for a dead worker's: then wait for who looks at it.
            fcntl.flock(fd, fcntl.LOCK_EX if create else fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(fd), path.stat()):
                    return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # it was removed before it was locked


def _stat_field(pid: int, index: int) -> str:
    # Source: proc(5). The command in field 2 may hold spaces and parentheses, so count from its end.
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[index - 3]


def _start_time(pid: int) -> str:
    return _stat_field(pid, 22)


def _state(pid: int) -> str:
    return "stopped" if _stat_field(pid, 3) in ("T", "t") else "running"
