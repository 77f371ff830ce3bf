"""The system call filter of every sandbox: allow all but what could reach the host, as compiled BPF."""

import errno
import os
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from podium.errors import SandboxUnavailable

if TYPE_CHECKING:
    import pyseccomp

REFUSED = (
    # Mounts: what is visible stays as bubblewrap laid it out.
    *("mount", "umount", "umount2", "pivot_root", "chroot"),
    *("open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr"),
    # Namespaces, and handles that open files without a path.
    *("setns", "unshare", "open_by_handle_at"),
    # Large kernel surface that build tools do not need.
    *("bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register"),
    *("add_key", "request_key", "keyctl"),
    # The machine itself.
    *("kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module"),
    *("swapon", "swapoff", "reboot", "acct", "quotactl", "syslog"),
    # Other processes' memory. Only the sandbox's own are visible anyway.
    *("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd"),
)

# Their flags lie in memory, where a filter cannot look. Told "no such call", the C library falls back to the older
# ones, which can be looked at.
MISSING = ("clone3", "openat2", "fchmodat2")

# Numbers of calls that an older libseccomp has no name for. From 424 on they are the same on every architecture.
NUMBERS = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "clone3": 435,
    "openat2": 437,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
    "fchmodat2": 452,
}

MODE_ARGUMENT = (
    *(("chmod", 1), ("fchmod", 1), ("fchmodat", 2)),
    *(("mkdir", 1), ("mkdirat", 2), ("mknod", 1), ("mknodat", 2), ("creat", 1)),
)
# Calls that look at their mode only when they create: (name, flags argument, mode argument).
CREATING = (("open", 1, 2), ("openat", 2, 3))

CLONE_NEWUSER = 0x10000000
O_TMPFILE = 0o20000000
SETUID, SETGID = 0o4000, 0o2000
INT = 0xFFFFFFFF
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6


@cache
def program() -> bytes:
    """The filter as BPF, compiled once per process.

    Errors: SandboxUnavailable if libseccomp is missing or refuses a rule.
    """
    try:
        import pyseccomp
    except (ImportError, RuntimeError, OSError) as error:
        raise SandboxUnavailable(
            f"the sandbox needs libseccomp to filter system calls, and it could not be loaded ({error}). "
            "Install it: 'apt install libseccomp2', 'dnf install libseccomp' or 'apk add libseccomp', "
            "and the Python package pyseccomp."
        ) from error
    try:
        rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        _fill(rules)
        with os.fdopen(os.memfd_create("filter"), "w+b") as file:
            rules.export_bpf(file)
            file.seek(0)
            return file.read()
    except OSError as error:
        raise SandboxUnavailable(
            f"libseccomp could not build the sandbox's system call filter: {error}. Install libseccomp 2.5 or newer."
        ) from error


def _fill(rules: "pyseccomp.SyscallFilter") -> None:
    from pyseccomp import EQ, ERRNO, GE, MASKED_EQ, Arg

    refuse, missing = ERRNO(errno.EPERM), ERRNO(errno.ENOSYS)
    for name in REFUSED:
        rules.add_rule(refuse, _call(name))
    for name in MISSING:
        rules.add_rule(missing, _call(name))
    for bit in (SETUID, SETGID):
        for name, mode in MODE_ARGUMENT:
            rules.add_rule(refuse, _call(name), Arg(mode, MASKED_EQ, bit, bit))
        for name, flags, mode in CREATING:
            for creates in (os.O_CREAT, O_TMPFILE):
                created = Arg(flags, MASKED_EQ, creates, creates)
                rules.add_rule(refuse, _call(name), created, Arg(mode, MASKED_EQ, bit, bit))
    rules.add_rule(refuse, _call("clone"), Arg(0, MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER))
    # The kernel reads these as 32-bit numbers: a comparison of all 64 could be fooled by the upper half.
    for request in (TIOCSTI, TIOCLINUX):
        rules.add_rule(refuse, _call("ioctl"), Arg(1, MASKED_EQ, INT, request))
    # What the kernel itself would say: name look-ups then go on without the family.
    no_family = ERRNO(errno.EAFNOSUPPORT)
    for name in ("socket", "socketpair"):
        for family in _others(FAMILIES):
            rules.add_rule(no_family, _call(name), Arg(0, EQ, family))
        # Also refuses every value whose upper half is not zero.
        rules.add_rule(no_family, _call(name), Arg(0, GE, max(FAMILIES) + 1))


def _others(families: Iterable[int]) -> list[int]:
    return sorted(set(range(max(families))) - set(families))


def _call(name: str) -> int:
    from pyseccomp import Arch, resolve_syscall

    number = int(resolve_syscall(Arch.NATIVE, name))
    # -1: libseccomp does not know the name. Other negative numbers stand for calls this architecture never had.
    return NUMBERS[name] if number == -1 and name in NUMBERS else number
