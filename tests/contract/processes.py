"""Starts real processes on a data folder, and tells them when to stop."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("process.py")


class Process:
    """A process of `process.py` in a role."""

    def __init__(self, role: str, folder: Path, *args: str, under: tuple[str, ...] = ()) -> None:
        self._popen = subprocess.Popen(
            [*under, sys.executable, "-W", "ignore", str(SCRIPT), role, str(folder), *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            text=True,
        )
        self.pid = self._popen.pid

    def heard(self) -> dict[str, Any]:
        """The next thing it says."""
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        assert line, f"process {self.pid} ended without a word: {self._popen.wait()}"
        said: dict[str, Any] = json.loads(line)
        return said

    def tell(self) -> None:
        """Let it go on."""
        assert self._popen.stdin is not None
        self._popen.stdin.write("\n")
        self._popen.stdin.flush()

    def stop(self) -> None:
        """SIGSTOP; it has stopped when this returns."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)

    def ended(self) -> int | None:
        """Its exit code, negative for a signal; None while it lives."""
        return self._popen.poll()

    def kill(self) -> None:
        """kill -9; it is gone when this returns."""
        self._popen.kill()
        self._popen.wait()


@contextmanager
def process(role: str, folder: Path, *args: str, under: tuple[str, ...] = ()) -> Iterator[Process]:
    """A process, killed at the end if it still lives."""
    started = Process(role, folder, *args, under=under)
    try:
        yield started
    finally:
        started.kill()
        for stream in (started._popen.stdin, started._popen.stdout):
            assert stream is not None
            stream.close()


def mounted(*mount: str) -> tuple[str, ...]:
    """Run a command where this is mounted and nobody else sees it; skips where the machine allows no mounts.

    Shape: `mount` are the arguments of mount(8).
    """
    for unshare in (["unshare", "-m"], ["unshare", "-Urm"]):
        tried = subprocess.run([*unshare, "mount", *mount], capture_output=True, check=False)
        if tried.returncode == 0:
            return (*unshare, "sh", "-c", 'mount_args="$0"; eval "mount $mount_args" && exec "$@"', " ".join(mount))
    pytest.skip("this machine lets nobody mount a filesystem, not even in a namespace of its own")


@contextmanager
def another_user() -> Iterator[None]:
    """Be somebody without rights: root may write anywhere, so nothing would be refused to it."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
