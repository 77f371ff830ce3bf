"""What a sandbox shows: the Place's folders, the system, and nothing of the data folder. Decides; starts nothing."""

import os
import posixpath
import pwd
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from podium.core.ports import Place
from podium.errors import BadInput

WORKDIR, HOME, TMP = "/workspace", "/home/agent", "/tmp"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# Not the whole of /etc, nor of /etc/ssl: private keys lie there, and where Podium runs as root it could read them.
ETC = (
    *("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime"),
    *("/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted"),
)
RESERVED = (*SYSTEM, "/etc", "/proc", "/sys", "/dev", WORKDIR, HOME, TMP)
KERNEL = (Path("/proc"), Path("/sys"), Path("/dev"))
SHM_BYTES = 64 << 20

SYNTHETIC = {
    "/etc/passwd": b"root:x:0:0::/root:/usr/sbin/nologin\nagent:x:1000:1000::/home/agent:/bin/bash\n",
    "/etc/group": b"root:x:0:\nagent:x:1000:\n",
    "/etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files\n",
    "/etc/hosts": b"127.0.0.1 localhost\n::1 localhost\n",
}
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": HOME,
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}


@dataclass(frozen=True, slots=True)
class Data:
    """An argument of bubblewrap: the number of a file descriptor that holds these bytes."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Folder:
    """Two arguments of bubblewrap, option and source: the folder at this path, itself and not what a link leads to."""

    path: Path
    read_only: bool = False


Argument = str | Data | Folder


def arguments(place: Place, seccomp: bytes) -> list[Argument]:
    """Bubblewrap's arguments for a place: the whole of what is let in.

    Order matters: later mounts cover earlier ones, and the seal comes after all.
    Errors: BadInput if the place cannot be laid out.
    """
    check(place)
    return [
        *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net"),
        *("--unshare-cgroup-try", "--disable-userns", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"),
        *("--hostname", "sandbox", "--die-with-parent", "--new-session"),
        *_system(place.data),
        *("--proc", "/proc", *_proc_covers(), "--dev", "/dev"),
        *("--size", str(SHM_BYTES), "--perms", "1777", "--tmpfs", "/dev/shm"),
        *_folders(place),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORKDIR, "--clearenv"),
        *(word for name, value in ENVIRONMENT.items() for word in ("--setenv", name, value)),
        *("--seccomp", Data(seccomp)),
    ]


def _system(data: Path) -> Iterator[Argument]:
    for path in SYSTEM:
        if os.path.islink(path):
            yield from ("--symlink", os.readlink(path), path)
        elif os.path.isdir(path):
            yield from ("--ro-bind", path, path)
            yield from _cover(data, Path(path), path, writable=False)
    for path in ETC:
        yield from ("--ro-bind-try", path, path)
    for path, content in SYNTHETIC.items():
        yield from ("--perms", "0444", "--ro-bind-data", Data(content), path)


@cache
def _proc_covers() -> tuple[str, ...]:
    """Make what is global in /proc read-only, or hide it.

    The user inside is the host's user who runs Podium. If that is root, root's own files there would be open to it:
    one write to /proc/sys/kernel/core_pattern runs a command on the host.
    """
    covers: list[str] = []
    for entry in sorted(os.scandir("/proc"), key=lambda entry: entry.name):
        if entry.name.isdigit() or entry.is_symlink():
            continue
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            covers += ["--ro-bind-try", entry.path, entry.path]
        elif mode & 0o222 or not mode & stat.S_IROTH:
            covers += ["--ro-bind-try", "/dev/null", entry.path]
    return tuple(covers)


def _folders(place: Place) -> Iterator[Argument]:
    for source, at, writable in shown(place):
        yield from (Folder(source, read_only=not writable), at)
        yield from _cover(place.data, source, at, writable=writable)


def shown(place: Place) -> list[tuple[Path, str, bool]]:
    """The place's folders: (on the host, inside, writable)."""
    mounts = sorted(place.mounts, key=lambda mount: mount.at)
    return [
        *((mount.path, mount.at, not mount.read_only) for mount in mounts),
        *((place.workdir, WORKDIR, True), (place.home, HOME, True), (place.tmp, TMP, True)),
    ]


def _cover(data: Path, source: Path, at: str, *, writable: bool) -> Iterator[Argument]:
    """Hide the data folder where it lies in a shown folder.

    The folders on the way to it are mounted onto themselves: a mount cannot be renamed, so the data folder cannot be
    moved to where the next sandbox would not hide it.
    """
    if source not in data.parents:
        return
    inside = data.relative_to(source)
    for parent in reversed(inside.parents[:-1]):
        yield from (Folder(source / parent, read_only=not writable), posixpath.join(at, str(parent)))
    hidden = posixpath.join(at, str(inside))
    yield from ("--size", "4096", "--perms", "0555", "--tmpfs", hidden, "--remount-ro", hidden)


def check(place: Place) -> None:
    """Refuse a place that cannot be laid out safely.

    Errors: BadInput.
    """
    for what, path in (
        ("workdir", place.workdir),
        ("home", place.home),
        ("tmp", place.tmp),
        ("data folder", place.data),
    ):
        _check_folder(what, path)
    if place.data in (place.workdir, place.home, place.tmp):
        raise BadInput(f"the data folder {place.data} cannot be shown to agents. Name another workdir.")
    for index, mount in enumerate(place.mounts):
        _check_at(mount.at, [other.at for other in place.mounts[:index]])
        _check_folder(f"mount at {mount.at}", mount.path)
        if mount.path == place.data or place.data in mount.path.parents:
            raise BadInput(
                f"the mount at {mount.at} shows {mount.path}, which is in the data folder {place.data}: "
                "it holds the log and other sessions' files. Mount a folder outside it."
            )


def _check_at(at: str, taken: Sequence[str]) -> None:
    if not at.startswith("/") or posixpath.normpath(at) != at or at.startswith("//") or not at.isprintable():
        raise BadInput(f"mount at {at!a}: the place inside must be an absolute, plain path such as '/source'.")
    for reserved in RESERVED:
        if _overlap(at, reserved):
            raise BadInput(
                f"mount at '{at}': {reserved} is the sandbox's own. Choose another place, such as '/source'."
            )
    for other in taken:
        if _overlap(at, other):
            raise BadInput(f"mount at '{at}': it overlaps with the mount at '{other}'. Put them side by side.")


def _overlap(a: str, b: str) -> bool:
    return a == b or (a.rstrip("/") + "/").startswith(b + "/") or (b + "/").startswith(a.rstrip("/") + "/")


def _check_folder(what: str, path: Path) -> None:
    if not path.is_absolute():
        raise BadInput(f"{what}: '{path}' is not an absolute path. Give the full path of the folder.")
    try:
        real = path.resolve(strict=True)
        if not stat.S_ISDIR(real.stat().st_mode):
            raise BadInput(f"{what}: {path} is not a folder. Name a folder.")
    except (OSError, ValueError, RuntimeError) as error:
        raise BadInput(
            f"{what}: the folder {str(path)!r} cannot be used: {_reason(error)}. Create it first."
        ) from error
    if real == Path("/") or any(kernel == real or kernel in real.parents for kernel in KERNEL):
        raise BadInput(f"{what}: {path} holds the machine's own devices and processes. Name a folder of files.")
    if real != path:
        raise BadInput(
            f"{what}: {path} leads through a symbolic link to {real}, and a link may be changed while agents run. "
            f"Name {real} itself."
        )
    for closed in real.parents if os.geteuid() == 0 else ():
        if not _passes(closed.stat()):
            raise BadInput(
                f"{what}: {path} lies below {closed}, which belongs to {owner(closed)}. Inside the sandbox root is an "
                f"ordinary user and cannot pass it. Allow it with 'chmod o+x {closed}', or run Podium as its owner."
            )


def _passes(status: os.stat_result) -> bool:
    """Whether root could enter this folder if it were an ordinary user."""
    bit = 0o100 if status.st_uid == 0 else 0o010 if status.st_gid in (0, *os.getgroups()) else 0o001
    return bool(status.st_mode & bit)


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def owner(path: Path) -> str:
    """Who owns a folder and what its mode is, for a person to read."""
    status = path.stat()
    return f"{user(status.st_uid)}, mode {stat.S_IMODE(status.st_mode):04o}"


def user(uid: int) -> str:
    """A user's name and number."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
