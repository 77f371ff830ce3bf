"""What to do where no sandbox can be had: the words of SandboxUnavailable."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from podium.errors import SandboxUnavailable

SYSTEMS = Path("/usr/bin/bwrap")

APPARMOR = """\
This system lets only known programs make user namespaces (AppArmor, as on Ubuntu 23.10, 24.04 and later). Allow \
bubblewrap: write to /etc/apparmor.d/bwrap

    abi <abi/4.0>,
    include <tunables/global>
    profile bwrap "{program}" flags=(unconfined) {{
      userns,
    }}

and run 'systemctl reload apparmor'. That is narrower than 'sysctl kernel.apparmor_restrict_unprivileged_userns=0'."""
NARROWER = (
    f" Narrower still: 'apt install bubblewrap' and name {SYSTEMS} there, which only root can replace; "
    "Podium prefers it."
)

NAMESPACES = (
    "User namespaces are switched off for all but root. Switch them on with "
    "'sysctl -w kernel.unprivileged_userns_clone=1' where that setting exists (Debian and its kin). In a container "
    "they must be allowed by its runtime, for instance by "
    "'docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined'."
)
CONTAINER = (
    "Making namespaces is forbidden here, as in a container. Its runtime must allow it, for instance by "
    "'docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined'; on Debian and its kin see that "
    "'sysctl kernel.unprivileged_userns_clone=1' is set on the host."
)
COUNT = (
    "The number of user namespaces is used up, or limited to 0. Raise it with "
    "'sysctl -w user.max_user_namespaces=15000'. Inside another sandbox that forbids them it cannot be raised: "
    "run Podium outside it."
)
KERNEL = (
    "This kernel was built without user namespaces (CONFIG_USER_NS). Run Podium on another, or in a virtual machine."
)
PROC = (
    "This container hides parts of /proc, and then no new /proc can be mounted. Start it with "
    "'docker run --security-opt systempaths=unconfined', or run Podium outside the container."
)
UNKNOWN = "See that '{command} --unshare-user --ro-bind / / true' works on this machine."

# Words of bubblewrap, in the order they are looked for.
REMEDIES = (
    ("setting up uid map: Permission denied", APPARMOR),
    ("RTM_NEWADDR: Operation not permitted", APPARMOR),
    ("No permissions to creat", NAMESPACES),
    ("Creating new namespace failed: Operation not permitted", CONTAINER),
    ("kernel does not support user namespaces", KERNEL),
    ("No space left on device", COUNT),
    ("ENOSPC", COUNT),
    ("max_user_namespaces", COUNT),
    ("Can't mount proc", PROC),
)


def start_refusal(said: str, program: Path | None = None) -> str:
    """Why bubblewrap could not start a sandbox, and what to do. `program` is which one, unless it is the usual."""
    program = program or _chosen()
    remedy = next((remedy for words, remedy in REMEDIES if words in said), UNKNOWN)
    told = remedy.format(program=program.resolve(), command=shlex.quote(str(program)))
    if remedy is APPARMOR and program.resolve() != SYSTEMS:
        told += NARROWER
    return f"no sandbox could be started, so tools that need one are refused. bubblewrap said: {said}\n{told}"


def _chosen() -> Path:
    from podium.sandbox.bubblewrap import find  # which itself needs the words here

    try:
        return find(None).path
    except SandboxUnavailable:
        return SYSTEMS


def promise_refusal(broken: Iterable[tuple[str, str]]) -> str:
    """Which promises, given as (promise, what was found), are not kept."""
    lines = "\n".join(f"  - not kept: {promise} ({found})" for promise, found in broken)
    return (
        f"the sandbox was tried and does not hold on this machine, so tools that need one are refused:\n{lines}\n"
        "Update bubblewrap, libseccomp and the kernel, or run Podium in a virtual machine; "
        "'podium doctor' shows every promise."
    )
