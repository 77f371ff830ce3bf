"""The self-test: each promise of a sandbox is tried from inside by hostile probes before anything runs there."""

import os
import secrets
import shlex
import socket
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from podium.core.ports import Mount, Place
from podium.sandbox import layout

DEADLINE_S = 20.0
PRINTED_BYTES = 1 << 16

PROMISES = {
    "read": "host files outside the session's folders cannot be read",
    "write": "nothing outside the session's folders can be written",
    "read_only": "a read-only mount cannot be written",
    "data": "the data folder is hidden, also inside a mounted folder",
    "environment": "the host's environment variables cannot be seen",
    "processes": "host processes can be neither seen nor killed",
    "network": "neither the network nor sockets of the host can be reached",
    "settings": "settings and memory maps of the host's kernel are closed",
    "setuid": "no setuid or setgid file can be left behind",
    "namespaces": "no namespace and no mount can be made",
    "privileges": "there are no capabilities, no way to gain them, and a system call filter",
}
# What bubblewrap and bash set themselves.
OWN_VARIABLES = (*layout.ENVIRONMENT, "PWD", "OLDPWD", "SHLVL", "_")


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise and what trying it found. Shape: `detail` is empty if it is kept."""

    name: str
    text: str
    is_kept: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Bait:
    """What the probes try to reach.

    Shape: `place` has a mount at /shared, read-only, with the data folder in it; `script` is what runs inside, in bash.
    """

    place: Place
    script: bytes


Inside = Callable[[Bait], Awaitable[bytes]]


async def probe(inside: Inside) -> tuple[Promise, ...]:
    """Lay out bait on the host, run the probes by `inside`, which gives back what they print, and judge.

    A promise whose probe did not come to its end counts as broken.
    """
    with ExitStack() as stack:
        root = _folder(stack)
        token = secrets.token_hex(12)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        abstract.bind(f"\0podium-{token}")
        abstract.listen()
        victim = stack.enter_context(_victim(token))
        stack.callback(victim.kill)
        printed = await inside(_bait(root, token, int(listener.getsockname()[1])))
        broken = _broken(printed.decode(errors="replace").splitlines()) + _seen_from_outside(root, victim)
    details = {name: "; ".join(detail for other, detail in broken if other == name) for name in PROMISES}
    return tuple(Promise(name, PROMISES[name], not detail, detail) for name, detail in details.items())


def _broken(printed: Sequence[str]) -> list[tuple[str, str]]:
    if printed[-1:] != ["done"]:
        return [(name, "the probes did not come to their end") for name in PROMISES]
    return [(name, detail) for name, _, detail in (line.partition("\t") for line in dict.fromkeys(printed[:-1]))]


def _folder(stack: ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="podium-"))).resolve()


def _victim(token: str) -> "subprocess.Popen[bytes]":
    """A process of the host that waits: the probes look for it and try to kill it. It ends with its stdin."""
    return subprocess.Popen(["/bin/sh", "-c", "read _", f"podium-{token}"], stdin=subprocess.PIPE, env={})


def _bait(root: Path, token: str, port: int) -> Bait:
    shared, outside = root / "shared", root / "outside"
    place = Place(
        workdir=root / "workdir",
        home=root / "home",
        tmp=root / "tmp",
        data=shared / "inner" / "data",
        mounts=(Mount(path=shared, at="/shared"),),
    )
    for folder in (place.workdir, place.home, place.tmp, place.data, outside):
        folder.mkdir(parents=True)
    (outside / "canary").write_text(f"{token}\n")
    (place.data / "canary").write_text(f"{token}\n")
    given = {
        "TOKEN": token,
        "W": layout.WORKDIR,
        "CANARY": str(outside / "canary"),
        "READ_ONLY": "/shared",
        "HIDDEN": "/shared/inner/data",
        "VARIABLES": " ".join(OWN_VARIABLES),
        "PORT": str(port),
        "PID_NAMESPACE": os.readlink("/proc/self/ns/pid"),
        "NET_NAMESPACE": os.readlink("/proc/self/ns/net"),
    }
    return Bait(place, script(given, [str(outside), "/", "/usr", "/etc", "/dev", "/home", "/shared/inner/data"]))


def script(given: dict[str, str], write_to: Sequence[str]) -> bytes:
    """The probes, with what they are given."""
    lines = [f"{name}={shlex.quote(value)}" for name, value in given.items()]
    lines.append(f"WRITE_TO=({shlex.join(write_to)})")
    return "\n".join([*lines, (files(__package__) / "selftest.sh").read_text()]).encode()


def _seen_from_outside(root: Path, victim: "subprocess.Popen[bytes]") -> list[tuple[str, str]]:
    seen = []
    if victim.poll() is not None:
        seen.append(("processes", "a host process was killed"))
    if [path.name for path in (root / "outside").iterdir()] != ["canary"]:
        seen.append(("write", "a file appeared outside"))
    if any(path.stat(follow_symlinks=False).st_mode & 0o6000 for path in (root / "workdir").iterdir()):
        seen.append(("setuid", "a setuid or setgid file was left on the host"))
    return seen
