"""What to do where no sandbox can be had: the words of SandboxUnavailable."""

from collections.abc import Iterable

APPARMOR = """\
This system lets only known programs make user namespaces (AppArmor, as on Ubuntu 23.10 and later). Allow bubblewrap: \
'apt install bubblewrap', then write to /etc/apparmor.d/bwrap

    abi <abi/4.0>,
    include <tunables/global>
    profile bwrap /usr/bin/bwrap flags=(unconfined) {
      userns,
    }

and run 'systemctl reload apparmor'. This is narrower than 'sysctl kernel.apparmor_restrict_unprivileged_userns=0'."""

NAMESPACES = (
    "User namespaces are switched off. Switch them on with 'sysctl -w kernel.unprivileged_userns_clone=1' where that "
    "setting exists, and see that 'sysctl user.max_user_namespaces' is not 0. In a container they must be allowed by "
    "its runtime, for instance by 'docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined'."
)
COUNT = (
    "The number of user namespaces is used up, or limited to 0. Raise it with "
    "'sysctl -w user.max_user_namespaces=15000'. Inside another sandbox that forbids them it cannot be raised: "
    "run Podium outside it."
)
PROC = (
    "This container hides parts of /proc, and then no new /proc can be mounted. Start it with "
    "'docker run --security-opt systempaths=unconfined', or run Podium outside the container."
)
UNKNOWN = "See that 'bwrap --unshare-user --ro-bind / / true' works on this machine."

# Words of bubblewrap, in the order they are looked for.
REMEDIES = (
    ("setting up uid map: Permission denied", APPARMOR),
    ("RTM_NEWADDR: Operation not permitted", APPARMOR),
    ("No permissions to creat", NAMESPACES),
    ("Creating new namespace failed: Operation not permitted", NAMESPACES),
    ("No space left on device", COUNT),
    ("max_user_namespaces", COUNT),
    ("Can't mount proc", PROC),
)


def start_refusal(said: str) -> str:
    """Why bubblewrap could not start a sandbox, and what to do."""
    remedy = next((remedy for words, remedy in REMEDIES if words in said), UNKNOWN)
    return f"no sandbox could be started, so tools that need one are refused. bubblewrap said: {said}\n{remedy}"


def promise_refusal(broken: Iterable[tuple[str, str]]) -> str:
    """Which promises, given as (promise, what was found), are not kept."""
    lines = "\n".join(f"  - not kept: {promise} ({found})" for promise, found in broken)
    return (
        f"the sandbox was tried and does not hold on this machine, so tools that need one are refused:\n{lines}\n"
        "Update bubblewrap, libseccomp and the kernel, or run Podium in a virtual machine; "
        "'podium doctor' shows every promise."
    )
