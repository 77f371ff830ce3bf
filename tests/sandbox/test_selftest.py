"""The self-test finds every promise kept, and finds each one broken where it is; what it says where none can be had."""

import asyncio
import os
import stat
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from podium.core.ports import Place
from podium.errors import SandboxUnavailable
from podium.sandbox import layout, seccomp, selftest
from podium.sandbox.bubblewrap import Bubblewrap, find
from podium.sandbox.bubblewrap_sandbox import BubblewrapSandbox, Launch
from podium.sandbox.layout import Argument
from podium.sandbox.process import Process

Weaken = Callable[[list[Argument]], list[Argument]]


async def test_every_promise_is_kept(sandboxes: Bubblewrap) -> None:
    promises = await sandboxes.probe()

    assert {promise.name: promise.detail for promise in promises} == dict.fromkeys(selftest.PROMISES, "")
    assert all(promise.is_kept for promise in promises)


async def test_check_names_the_promises_and_the_backend(sandboxes: Bubblewrap) -> None:
    assert await sandboxes.check() == dict.fromkeys(selftest.PROMISES, True)
    assert sandboxes.backend.startswith("bubblewrap 0.")


async def broken_with(weaken: Weaken, before: bytes = b"") -> dict[str, str]:
    """Which promises the self-test finds broken in a sandbox made with changed arguments."""

    async def inside(bait: selftest.Bait) -> bytes:
        bwrap = await asyncio.to_thread(find, None)

        async def launch() -> Launch:
            return partial(Process, bwrap, weaken(layout.arguments(bait.place, seccomp.program())))

        sandbox = BubblewrapSandbox(bait.place, launch)
        return (await sandbox.run(["/bin/bash"], stdin=before + bait.script, timeout_s=20, keep_bytes=1 << 16)).output

    return {promise.name: promise.detail for promise in await selftest.probe(inside) if not promise.is_kept}


def without(*words: str) -> Weaken:
    return lambda arguments: [argument for argument in arguments if argument not in words]


def without_filter(arguments: list[Argument]) -> list[Argument]:
    at = arguments.index("--seccomp")
    return arguments[:at] + arguments[at + 2 :]


def with_more(*words: str) -> Weaken:
    """Further mounts before the seal."""

    def weaken(arguments: list[Argument]) -> list[Argument]:
        at = arguments.index("--remount-ro", arguments.index(layout.WORKDIR))
        return [*arguments[:at], *words, *arguments[at:]]

    return weaken


def without_seal(path: str) -> Weaken:
    def weaken(arguments: list[Argument]) -> list[Argument]:
        pairs = pairwise(arguments)
        at = next(at for at, pair in enumerate(pairs) if pair == ("--remount-ro", path))
        return arguments[:at] + arguments[at + 2 :]

    return weaken


def without_cover(arguments: list[Argument]) -> list[Argument]:
    hidden = arguments.index("/shared/inner/data")
    assert arguments[hidden - 1] == "--tmpfs"
    end = arguments.index("/shared/inner/data", hidden + 1)
    return arguments[: hidden - 5] + arguments[end + 1 :]


def writable_mounts(arguments: list[Argument]) -> list[Argument]:
    return [layout.Folder(argument.path) if isinstance(argument, layout.Folder) else argument for argument in arguments]


WEAKER: dict[str, tuple[str, Weaken]] = {
    "host folder shown": ("read", with_more("--ro-bind", "/tmp", "/tmp")),
    "host folder writable": ("write", with_more("--bind", "/tmp", "/tmp")),
    "root not sealed": ("write", without_seal("/")),
    "devices not sealed": ("write", without_seal("/dev")),
    "mount writable": ("read_only", writable_mounts),
    "data folder not covered": ("data", without_cover),
    "a variable let in": ("environment", lambda arguments: [*arguments, "--setenv", "ANTHROPIC_API_KEY", "x"]),
    "host's processes": ("processes", without("--unshare-pid")),
    "host's network": ("network", without("--unshare-net")),
    "no filter: setuid": ("setuid", without_filter),
    "no filter: told": ("privileges", without_filter),
}


@pytest.mark.parametrize("how", WEAKER)
async def test_a_weaker_sandbox_is_found_out(how: str) -> None:
    promise, weaken = WEAKER[how]

    assert promise in await broken_with(weaken)


async def test_an_open_folder_of_the_host_is_found_out() -> None:
    broken = await broken_with(without(), before=b"exec 9</workspace\n")

    assert "found the open folder" in broken["read"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's sandbox could write them at all")
async def test_open_kernel_settings_are_found_out() -> None:
    def uncovered(arguments: list[Argument]) -> list[Argument]:
        at = arguments.index("/proc/sys")
        assert arguments[at - 1] == "--ro-bind-try"
        return arguments[: at - 1] + arguments[at + 2 :]

    assert "kernel/core_pattern" in (await broken_with(uncovered))["settings"]


async def test_new_namespaces_are_found_out() -> None:
    def weaken(arguments: list[Argument]) -> list[Argument]:
        return without("--disable-userns")(without_filter(arguments))

    assert "namespaces" in await broken_with(weaken)


async def test_outside_any_sandbox_nearly_every_promise_is_found_broken() -> None:
    async def outside(bait: selftest.Bait) -> bytes:
        # The same probes on the bare host, with the bait's own folders instead of the sandbox's and of the system's.
        script = bait.script.decode()
        for inside, there in (("W=/workspace", f"W={bait.place.workdir}"), ("/shared", str(bait.place.mounts[0].path))):
            script = script.replace(inside, there)
        script = script.replace(" / /usr /etc /dev /home ", " ")
        process = await asyncio.create_subprocess_exec(
            "/bin/bash", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        return (await process.communicate(script.encode()))[0]

    broken = {promise.name for promise in await selftest.probe(outside) if not promise.is_kept}
    may_hold = {"settings"} if os.geteuid() else set()

    assert broken >= set(selftest.PROMISES) - may_hold


async def test_probes_that_are_cut_short_break_every_promise() -> None:
    async def silent(bait: selftest.Bait) -> bytes:
        return b""

    assert not any(promise.is_kept for promise in await selftest.probe(silent))


async def test_self_test_is_quick(sandboxes: Bubblewrap) -> None:
    async with asyncio.timeout(5):  # 0.05 s on a quiet machine
        await sandboxes.probe()


async def test_missing_bubblewrap_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match=r"does not run.*apt install bubblewrap"):
        await Bubblewrap(tmp_path / "bwrap").check()


def fake(folder: Path, does: str, version: str = "0.11.0") -> Path:
    """A program in bubblewrap's place."""
    program = folder / "bwrap"
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "bubblewrap {version}" && exit\n{does}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


async def test_old_bubblewrap_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match=r"0\.8 or newer.*version 0\.4\.1"):
        await Bubblewrap(fake(tmp_path, "", "0.4.1")).check()


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("bwrap: setting up uid map: Permission denied", "/etc/apparmor.d/bwrap"),
        ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", "/etc/apparmor.d/bwrap"),
        (
            "bwrap: No permissions to creating new namespace, likely because the kernel does not allow non-privileged "
            "user namespaces. On e.g. debian this can be enabled with 'sysctl kernel.unprivileged_userns_clone=1'.",
            "kernel.unprivileged_userns_clone=1",
        ),
        (
            "bwrap: No permissions to create a new namespace, likely because the kernel does not allow non-privileged "
            "user namespaces. See <https://deb.li/bubblewrap> or <file:///usr/share/doc/bubblewrap/README.Debian.gz>.",
            "kernel.unprivileged_userns_clone=1",
        ),
        ("bwrap: Creating new namespace failed: No space left on device", "user.max_user_namespaces=15000"),
        ("bwrap: Creating new namespace failed: Operation not permitted", "docker run"),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "systempaths=unconfined"),
        ("bwrap: something new", "bwrap --unshare-user"),
    ],
)
async def test_machine_without_namespaces_is_told_its_remedy(tmp_path: Path, said: str, remedy: str) -> None:
    (tmp_path / "said").write_text(said)
    sandboxes = Bubblewrap(fake(tmp_path, f"cat {tmp_path}/said >&2; exit 1"))

    with pytest.raises(SandboxUnavailable) as refused:
        await sandboxes.check()

    assert said in str(refused.value)
    assert remedy in str(refused.value)


async def test_sandbox_that_breaks_a_promise_is_refused_and_never_used(tmp_path: Path, place: Place) -> None:
    real = find(None).path
    leaky = fake(
        tmp_path,
        f"sed -z '/^--unshare-net$/d' </proc/self/fd/$2 >{tmp_path}/arguments; exec 9<{tmp_path}/arguments; shift 2\n"
        f'exec {real} --args 9 "$@"',
    )
    sandboxes = Bubblewrap(leaky)

    with pytest.raises(SandboxUnavailable, match=r"not kept: neither the network nor sockets .*connected to a server"):
        await sandboxes.check()
    with pytest.raises(SandboxUnavailable, match="not kept"):
        await sandboxes.open(place).shell("touch was-here", timeout_s=9)
    assert list(place.workdir.iterdir()) == []


def test_filter_is_compiled_once() -> None:
    assert seccomp.program() is seccomp.program()
    assert len(seccomp.program()) % 8 == 0
