"""What is inside cannot reach what is outside: hostile commands, each from the shell of a real sandbox."""

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from podium.core.ports import Mount, Place
from podium.errors import SandboxUnavailable
from podium.sandbox import layout, seccomp
from podium.sandbox.bubblewrap import Bubblewrap, find
from podium.sandbox.orphans import kill_orphans
from podium.sandbox.process import Process, memory
from tests.sandbox.conftest import Opened
from tests.sandbox.places import folder, make_place, processes_with, sibling, until

LONG_S = 60.0


@pytest.fixture
def victim() -> Iterator["subprocess.Popen[bytes]"]:
    """A process of the host that waits to be found."""
    with subprocess.Popen(["/bin/sh", "-c", "read _", secrets.token_hex(8)], stdin=subprocess.PIPE) as process:
        yield process


async def said(opened: Opened, place: Place, command: str) -> str:
    async with opened(place) as sandbox:
        return (await sandbox.shell(command, timeout_s=LONG_S)).output.decode()


# --- files -------------------------------------------------------------------------------------------


async def test_root_and_system_folders_cannot_be_written(opened: Opened, place: Place) -> None:
    folders = "/ /usr /usr/local /etc /dev /home /proc /proc/sys /bin"
    said_ = await said(opened, place, f"for f in {folders}; do touch $f/x 2>/dev/null && echo $f; done; echo tried")

    assert said_ == "tried\n"


async def test_link_to_the_root_leads_to_the_sandboxs_own(opened: Opened, place: Place, tmp_path: Path) -> None:
    folder(tmp_path, ".", canary="secret")

    assert await said(opened, place, f"ln -s / root; cat root{tmp_path}/canary 2>&1 | grep -c secret; ls root") == (
        "0\n" + await said(opened, place, "ls /")
    )


async def test_hard_link_across_mounts_cannot_be_made(opened: Opened, tmp_path: Path) -> None:
    shared = folder(tmp_path, "shared", file="x")
    place = make_place(tmp_path, mounts=[Mount(path=shared, at="/shared")])

    assert "cross-device" in (await said(opened, place, "ln /shared/file here 2>&1")).lower()


@pytest.mark.parametrize(
    "command",
    [
        "touch f; chmod 4755 f",
        "touch f; chmod 2755 f",
        "mkdir d; chmod g+s d",
        "mkdir -m 2755 d && test ! -g d",
        "install -m 4755 /bin/true f",
        "cp /bin/true f; chmod u+s f",
        """perl -e 'use Fcntl; sysopen(F, "f", O_CREAT|O_WRONLY, 04755) or exit 1'""",
        "perl -e 'mkdir(q(d), 02755) or exit 1'",
    ],
)
async def test_setuid_and_setgid_files_cannot_be_made(opened: Opened, place: Place, command: str) -> None:
    async with opened(place) as sandbox:
        ran = await sandbox.shell(command, timeout_s=LONG_S)

        assert ran.exit_code != 0 or "! -g" in command
        assert [path for path in place.workdir.iterdir() if path.stat().st_mode & 0o6000] == []


async def test_ordinary_modes_still_work(opened: Opened, place: Place) -> None:
    await said(
        opened, place, "umask 022; touch f; chmod 0751 f; mkdir -m 700 d; mkdir -m 1777 sticky; tar cf t f d; tar xf t"
    )

    assert [oct((place.workdir / name).stat().st_mode & 0o7777) for name in ("f", "d", "sticky")] == [
        "0o751",
        "0o700",
        "0o1777",
    ]


async def test_shared_memory_is_private_and_bounded(opened: Opened, place: Place) -> None:
    name = f"podium-{secrets.token_hex(6)}"
    async with opened(place) as sandbox:
        ran = await sandbox.shell(
            f"head -c 200000000 /dev/zero >/dev/shm/{name}; stat -c %s /dev/shm/{name}", timeout_s=9
        )

        assert int(ran.output.split()[-1]) == 64 << 20
        assert name not in os.listdir("/dev/shm")


async def test_file_larger_than_its_bound_is_cut(opened: Opened, place: Place) -> None:
    async with opened(place) as sandbox:
        await sandbox.shell("truncate -s 1G sparse && truncate -s +1 sparse", timeout_s=LONG_S)

        assert (place.workdir / "sparse").stat().st_size == 1 << 30


# --- the data folder ---------------------------------------------------------------------------------


async def test_data_folder_inside_a_mount_is_hidden_and_cannot_be_moved(opened: Opened, tmp_path: Path) -> None:
    base = folder(tmp_path, "base")
    place = make_place(folder(base, "a/b"), mounts=[Mount(path=base, at="/source", read_only=False)])
    listed = await said(opened, place, "ls -A /source/a/b/data; touch /source/a/b/data/x 2>&1; touch /source/a/fine")
    moved = await said(opened, place, "for p in /source/a /source/a/b /source/a/b/data; do mv $p $p-2 2>&1; done")
    removed = await said(opened, place, "rm -rf /source/a/b; echo done")

    assert "secret" not in listed
    assert "Read-only" in listed
    assert (base / "a" / "fine").exists()
    assert moved.count("busy") == 3
    assert removed.endswith("done\n")
    assert (place.data / "secret").read_text() == "of the data folder\n"


async def test_data_folder_inside_the_workdir_is_hidden(opened: Opened, tmp_path: Path) -> None:
    workdir = folder(tmp_path, "project", code="")
    place = replace(make_place(folder(workdir, ".podium")), workdir=workdir)

    assert await said(opened, place, "ls; ls -A .podium/data; ls -d /home/agent") == "code\n/home/agent\n"


async def test_other_sessions_folders_are_not_there(opened: Opened, place: Place) -> None:
    (place.data / "neighbour").mkdir()

    assert await said(opened, place, f"ls {place.data} 2>/dev/null; find / -name neighbour 2>/dev/null") == ""


async def test_read_only_mount_can_be_read_and_not_written(opened: Opened, tmp_path: Path) -> None:
    shared = folder(tmp_path, "shared", file="content\n")
    place = make_place(tmp_path, mounts=[Mount(path=shared, at="/deep/er/source")])
    out = await said(opened, place, "cd /deep/er/source; cat file; touch x; echo y >> file; rm -f file; chmod 777 file")

    assert out.startswith("content\n")
    assert out.count("Read-only file system") == 4


# --- host ----------------------------------------------------------------------------------------------


async def test_environment_of_the_server_is_nowhere(
    opened: Opened, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODIUM_CANARY", canary := secrets.token_hex(16))
    out = await said(opened, place, "env; cat /proc/*/environ | tr '\\0' '\\n'; set")

    assert canary not in out
    assert "PODIUM_CANARY" not in out
    assert "HOME=/home/agent" in out


async def test_command_lines_inside_show_no_host_path(opened: Opened, place: Place) -> None:
    out = await said(opened, place, "cat /proc/*/cmdline | tr '\\0' ' '")

    assert str(place.data) not in out


async def test_host_processes_are_not_seen_and_not_killed(
    opened: Opened, place: Place, victim: "subprocess.Popen[bytes]"
) -> None:
    word = str(victim.args[-1])  # type: ignore[index]
    out = await said(opened, place, f"cat /proc/*/cmdline | tr '\\0' '\\n'; kill -9 {victim.pid}; kill -9 -1")

    assert word not in out
    assert processes_with(word) == [victim.pid]
    assert victim.poll() is None


async def test_hosts_network_is_not_reached(opened: Opened, place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        targets = f"127.0.0.1/{port} 169.254.169.254/80 1.1.1.1/53"
        out = await said(
            opened,
            place,
            f"for t in {targets}; do (exec 3<>/dev/tcp/$t) 2>/dev/null && echo $t; done; cat /proc/net/dev",
        )

        assert "/" not in out.split("Inter-|")[0]
        assert [line.split(":")[0].strip() for line in out.splitlines() if ":" in line] == ["lo"]


async def test_own_loopback_works(opened: Opened, place: Place) -> None:
    async with opened(place) as sandbox:
        ran = await sandbox.shell(
            "perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(Listen=>1,LocalPort=>8000,LocalAddr=>q(127.0.0.1));"
            " open(F,q(>up)); $s->accept->print(qq(hi\\n))' & until [ -e up ]; do sleep 0.01; done; "
            "exec 3<>/dev/tcp/localhost/8000; cat <&3",
            timeout_s=LONG_S,
        )

        assert ran.output == b"hi\n"


@pytest.mark.parametrize(
    "command",
    [
        "unshare -U true",
        "unshare -Ur true",
        "unshare -m true",
        "mount -t tmpfs none /workspace",
        "mount --bind /workspace /home/agent",
        "umount /workspace",
        "mount -o remount,rw /usr",
        "chroot / true",
        "nsenter -t 1 -m true",
        "setpriv --reuid 0 true",
        "echo x >/proc/sys/kernel/core_pattern",
        "cat /proc/kcore",
        "head -c1 /proc/kpagecount | grep -q .",
        "dmesg",
        "mknod dev b 8 0",
        "cat /proc/1/mem",
        "echo 1 > /proc/sysrq-trigger",
        "ls /sys/kernel",
        "cat /etc/shadow",
        "ls /etc/ssl/private",
        "ls /root",
        "ls /var",
    ],
)
async def test_what_would_change_or_show_the_machine_is_refused(opened: Opened, place: Place, command: str) -> None:
    async with opened(place) as sandbox:
        ran = await sandbox.shell(command, timeout_s=LONG_S)

        assert ran.exit_code != 0


# System calls by number on x86-64, tried by a small C program where a compiler is there.
CALLS = {
    "bpf": 321,
    "perf_event_open": 298,
    "userfaultfd": 323,
    "io_uring_setup": 425,
    "keyctl": 250,
    "add_key": 248,
    "ptrace": 101,
    "open_by_handle_at": 304,
    "kexec_load": 246,
    "init_module": 175,
    "unshare": 272,
    "setns": 308,
    "mount_setattr": 442,
    "open_tree": 428,
    "fsopen": 430,
}
NO_SUCH_CALL = {"clone3": 435, "openat2": 437, "fchmodat2": 452}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86-64's")
async def test_filtered_system_calls_are_refused(opened: Opened, place: Place) -> None:
    calls = " ".join(str(number) for number in (*CALLS.values(), *NO_SUCH_CALL.values()))
    script = f"for (qw({calls})) {{ $! = 0; syscall($_, 0, 0, 0, 0, 0, 0); print $! + 0, qq(\\n) }}"
    out = await said(opened, place, f"perl -e '{script}'")

    assert out.split() == ["1"] * len(CALLS) + ["38"] * len(NO_SUCH_CALL)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86-64's")
async def test_only_local_and_internet_sockets_can_be_made_also_with_a_dirty_upper_half(
    opened: Opened, place: Place
) -> None:
    # socket(2) is call 41; the kernel reads the family as 32 bits.
    families = "1, 2, 10, 16, 17, 40, (1 << 32) + 16, (1 << 32) + 40"
    script = f"for ({families}) {{ $! = 0; syscall(41, $_, 2, 0); print $! + 0, qq( ) }}"
    out = await said(opened, place, f"perl -e '{script}'")

    assert out.split() == ["0", "0", "0", "97", "97", "97", "97", "97"]


async def test_terminal_input_cannot_be_pushed(opened: Opened, place: Place) -> None:
    script = "for (0x5412, 0x541C, (1 << 32) + 0x5412) { $! = 0; syscall(16, 0, $_, 0); print $! + 0, qq( ) }"

    assert (await said(opened, place, f"perl -e '{script}'")).split() == ["1", "1", "1"]


async def test_no_capabilities_no_new_privileges_and_a_filter_also_for_the_first_process(
    opened: Opened, place: Place
) -> None:
    out = await said(
        opened, place, "id -u; grep -hE '^(Cap(Prm|Eff|Bnd)|NoNewPrivs|Seccomp):' /proc/1/status /proc/self/status"
    )

    assert out.split("\n", 1)[0] == "1000"
    values = [line.split()[1] for line in out.splitlines()[1:]]
    assert values == ["0" * 16, "0" * 16, "0" * 16, "1", "2"] * 2


async def test_no_file_descriptor_of_the_server_is_open_inside(opened: Opened, place: Place) -> None:
    out = await said(opened, place, "for p in 1 self; do for f in /proc/$p/fd/*; do readlink $f; done; done; exec 3<&-")

    assert {line.split(":")[0] for line in out.splitlines() if not line.startswith("/proc/")} <= {
        "/dev/null",
        "pipe",
        "anon_inode",  # bubblewrap's own: eventfd, signalfd
    }


# --- threads of one session -----------------------------------------------------------------------------


async def test_two_threads_share_the_workdir_and_nothing_else(opened: Opened, place: Place) -> None:
    async with opened(place) as a, opened(sibling(place)) as b:
        await a.shell(
            "x=of-a; cd /tmp; echo a > /tmp/f; echo a > ~/f; echo a > /dev/shm/f; echo a > /workspace/f", timeout_s=9
        )
        seen = await b.shell(
            "echo [$x]; pwd; ls /tmp ~ /dev/shm; cat /workspace/f; ps ax 2>/dev/null | grep -c of-a", timeout_s=9
        )
        sleeper = await a.shell("sleep 100 & echo $!", timeout_s=9)
        killed = await b.shell(f"kill {int(sleeper.output)}", timeout_s=9)
        alive = await a.shell("jobs -r | wc -l", timeout_s=9)

        assert seen.output.decode().startswith("[]\n/workspace\n/dev/shm:\n\n/home/agent:\n\n/tmp:\na\n")
        assert killed.exit_code != 0
        assert alive.output.strip() == b"1"


async def test_home_and_tmp_outlive_the_shell(opened: Opened, place: Place) -> None:
    await said(opened, place, "echo kept > ~/f; echo kept > /tmp/f")

    assert await said(opened, place, "cat ~/f /tmp/f") == "kept\nkept\n"


# --- bounds ---------------------------------------------------------------------------------------------


async def test_limits_hold_and_cannot_be_raised(opened: Opened, place: Place) -> None:
    out = await said(
        opened, place, "ulimit -Hc; ulimit -Hn; ulimit -Hf; ulimit -Ht; ulimit -Hu; ulimit -c 1; ulimit -n 2048"
    )

    assert out.split()[:5] == ["0", "1024", "1048576", "600", "1024"]
    assert out.count("cannot modify limit") == 2


def delegated() -> Path | None:
    """Where this machine lets the test make control groups, if anywhere."""
    for parent in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")):
        controllers = parent / "cgroup.subtree_control"
        bounds = parent.name == "pids" or (controllers.exists() and "pids" in controllers.read_text().split())
        if bounds and os.access(parent, os.W_OK):
            return parent
    return None


@pytest.mark.skipif(delegated() is None, reason="no control groups to try with")
async def test_fork_bomb_is_contained_by_a_control_group(place: Place) -> None:
    parent = delegated()
    assert parent is not None
    ours = folder(parent, f"podium-test-{secrets.token_hex(4)}")
    try:
        sandbox = Bubblewrap(cgroups=[ours]).open(place)
        await sandbox.shell("true", timeout_s=LONG_S)
        (group,) = (path for path in ours.iterdir() if path.is_dir())
        bomb = asyncio.ensure_future(sandbox.shell("f() { f | f & }; f; sleep 100", timeout_s=LONG_S))
        await until(lambda: int((group / "pids.current").read_text()) >= 1000)
        peak = int((group / "pids.current").read_text())
        await sandbox.close()
        ran = await bomb

        assert peak <= 1024
        assert ran.lost_shell
        assert [path.name for path in ours.iterdir() if path.is_dir()] == []
    finally:
        ours.rmdir()


@pytest.mark.parametrize("path", ["/proc/self", "/sys/kernel"])
async def test_control_group_that_cannot_be_used_is_told(place: Place, path: str) -> None:
    sandbox = Bubblewrap(cgroups=[Path(path)]).open(place)

    with pytest.raises(SandboxUnavailable, match=f"control groups {path} cannot be used"):
        await sandbox.shell("true", timeout_s=LONG_S)


# For running the test as another user where the interpreter lies in root's home.
INTERPRETER = os.environ.get("PODIUM_TEST_INTERPRETER", sys.executable)
FORKS = """
import asyncio, sys
from pathlib import Path
from podium.errors import SandboxUnavailable
from podium.sandbox import layout, seccomp
from podium.sandbox.bubblewrap import Bubblewrap, find
from podium.sandbox.orphans import kill_orphans
from podium.sandbox.process import Process, memory
from tests.sandbox.places import make_place

async def main():
    sandboxes = Bubblewrap()
    place = make_place(Path(sys.argv[1]))
    one, other = sandboxes.open(place), sandboxes.open(place)
    await one.shell("true", timeout_s=9)
    bomb = asyncio.ensure_future(one.shell("for i in {1..1200}; do sleep 100 & done; echo all", timeout_s=4))
    await asyncio.sleep(3)
    print((await other.shell("echo fine", timeout_s=9)).output.decode().strip())
    print("all" in (await bomb).output.decode())
    await one.close()
    await other.close()

asyncio.run(main())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes an ordinary user, which only root can")
def test_fork_bomb_of_an_ordinary_user_is_contained_by_its_limit() -> None:
    """The limit counts per user namespace: one sandbox does not use up another's."""
    path = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory() as root:
        os.chown(root, 65534, 65534)
        try:
            ran = subprocess.run(
                [INTERPRETER, "-c", FORKS, root],
                env=path,
                capture_output=True,
                text=True,
                check=False,
                user=65534,
                group=65534,
                extra_groups=[],
            )
        except PermissionError:
            pytest.skip("the interpreter cannot be run by an ordinary user here")

    assert ran.stdout.split() == ["fine", "False"], ran.stderr


# --- the server's death --------------------------------------------------------------------------------

SERVER = """
import asyncio, sys
from pathlib import Path
from podium.errors import SandboxUnavailable
from podium.sandbox import layout, seccomp
from podium.sandbox.bubblewrap import Bubblewrap, find
from podium.sandbox.orphans import kill_orphans
from podium.sandbox.process import Process, memory
from tests.sandbox.places import make_place

async def main():
    sandbox = Bubblewrap().open(make_place(Path(sys.argv[1])))
    await sandbox.run(["true"], timeout_s=9, keep_bytes=0)
    print("checked", flush=True)
    word = ["bash", "-c", "sleep 300; :", "w" + sys.argv[2]]
    await asyncio.gather(sandbox.run(word, timeout_s=300, keep_bytes=9), sandbox.shell(" ".join(word[:1]), timeout_s=9))

asyncio.run(main())
"""


@pytest.mark.parametrize("after_ms", [0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 50])
async def test_sandbox_dies_with_the_server_whenever_that_is_killed(place: Place, after_ms: int) -> None:
    word = secrets.token_hex(8)
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVER, str(place.data.parent), word),
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert server.stdout is not None
    await server.stdout.readline()
    await asyncio.sleep(after_ms / 1000)
    server.kill()
    await server.wait()

    # A bubblewrap cut off in the middle of its start runs nothing, but needs to be swept away.
    await until(lambda: kill_orphans() == 0 and processes_with(f"w{word}") == [])


async def test_sandbox_without_its_outer_process_is_swept_away(place: Place, opened: Opened) -> None:
    word = secrets.token_hex(8)
    arguments = [word for word in layout.arguments(place, seccomp.program()) if word != "--die-with-parent"]
    process = Process(find(None), arguments, ["bash", "-c", "sleep 300; :", word], stdin=memory(b""), on_output=print)
    await process.ready()
    async with opened(place) as sound:
        await sound.shell("x=5", timeout_s=LONG_S)
        os.kill(process.outer_pid, signal.SIGKILL)
        await until(lambda: kill_orphans() == 1)

        assert (await sound.shell("echo $x", timeout_s=LONG_S)).output == b"5\n"
    await process.kill()
    assert processes_with(word) == []
