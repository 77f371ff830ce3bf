"""read, write and edit reach nothing but the thread's folders, whatever its shell does meanwhile."""

import asyncio
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from podium.core.content import plain
from podium.core.ports import Mount, Place
from tests.sandbox.places import folder, make_place, until
from tests.tools.conftest import Begun

TRIES = 3000

ATTEMPTS: list[tuple[str, dict[str, str]]] = [
    ("read", {}),
    ("write", {"content": "pwned"}),
    ("edit", {"old_string": "secret", "new_string": "pwned"}),
]


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "/workspace/../etc/passwd",
        "//etc/passwd",
        "/proc/self/environ",
        "/proc/self/root/etc/passwd",
        "/proc/1/environ",
        "/dev/null",
        "/dev/shm/x",
        "/usr/bin/env",
        "/workspacex/f",
        "/tmpx",
        "/home/agent2/f",
        "/home",
        "/",
        "~/f/../../../../etc/passwd",
    ],
)
async def test_path_outside_is_refused_and_the_places_are_named(begun: Begun, place: Place, path: str) -> None:
    async with begun(place) as thread:
        for tool, given in ATTEMPTS:
            told = await thread.fails(tool, file_path=path, **given)
            assert "outside the workspace. File tools reach only /workspace, /home/agent, /tmp, /source" in told
        for tool, given in (("glob", {"pattern": "*"}), ("grep", {"pattern": "x"})):
            assert "outside the workspace" in await thread.fails(tool, path=path, **given)


@pytest.mark.parametrize(
    "make",
    [
        "ln -s {outside}/canary f",
        "ln -s /proc/self/root{outside}/canary f",
        "ln -s ../../../../../../../../../../..{outside}/canary f",
        "ln -s {outside} d; ln -s d/canary f",
        "ln -s /workspace/there f; ln -s {outside}/canary there",
        "ln -s f f",
        "ln -s /proc/self/fd/0 f",
    ],
)
async def test_link_that_leads_out_is_refused(begun: Begun, place: Place, tmp_path: Path, make: str) -> None:
    outside = folder(tmp_path, "outside", canary="secret")
    async with begun(place) as thread:
        await thread.does("bash", command=make.format(outside=outside))
        thread.seen["/workspace/f"] = "0" * 64
        for tool, given in ATTEMPTS:
            told = await thread.fails(tool, file_path="f", **given)
            assert "symbolic link" in told or "too many others" in told

        assert (outside / "canary").read_text() == "secret"
        assert os.listdir(outside) == ["canary"]


async def test_folder_that_is_a_link_out_is_refused(begun: Begun, place: Place, tmp_path: Path) -> None:
    outside = folder(tmp_path, "outside", canary="secret")
    async with begun(place) as thread:
        await thread.does("bash", command=f"ln -s {outside} d")
        for path in ("d/canary", "d/new", "d/new/deeper"):
            for tool, given in ATTEMPTS:
                await thread.fails(tool, file_path=path, **given)

        assert os.listdir(outside) == ["canary"]


async def test_what_is_no_regular_file_is_refused_at_once(begun: Begun, place: Place) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place.tmp / "socket"))
    async with begun(place) as thread:
        await thread.does("bash", command="mkfifo fifo; mkdir folder")
        async with asyncio.timeout(5):
            for path in ("fifo", "folder", "/tmp/socket", "/workspace"):
                thread.seen[f"/workspace/{path}"] = thread.seen[path] = "0" * 64
                for tool, given in ATTEMPTS:
                    told = await thread.fails(tool, file_path=path, **given)
                    assert "not a regular file" in told
    listener.close()


async def test_names_of_all_kinds_are_handled_or_told(begun: Begun, place: Place) -> None:
    async with begun(place) as thread:
        for name in ("a\nb", "\u202egnp.exe", "-rf", "a b'\"$x", "\udcff\udcfe", "*", "\u4e2d"):
            told = await thread.does("write", file_path=name, content="x")
            told.encode()
            assert "\n" not in told
            assert "x" in await thread.does("read", file_path=name)
        assert "too long" in await thread.fails("write", file_path="x" * 5000, content="")
        assert "too long" in await thread.fails("write", file_path="y/" * 3000 + "x", content="")
        listed = await thread.does("glob", pattern="*")

        listed.encode()
        assert len(listed.splitlines()) == 7
        assert "/workspace/a\\nb" in listed
        assert "/workspace/\\xff\\xfe" in listed


async def test_data_folder_is_refused_wherever_it_lies(begun: Begun, tmp_path: Path) -> None:
    workdir = folder(tmp_path, "project")
    laid = make_place(folder(workdir, ".podium"), mounts=[Mount(path=workdir, at="/source")])
    place = replace(laid, workdir=workdir)
    async with begun(place) as thread:
        for path in (".podium/data/secret", "/source/.podium/data/secret", ".podium/data/session/a/home/x"):
            for tool, given in ATTEMPTS[: 1 if path.startswith("/source") else 3]:
                assert "data folder" in await thread.fails(tool, file_path=path, **given)
        await thread.does("bash", command="ln -s .podium/data/secret link; ln -s .podium/data folder")
        for path in ("link", "folder/secret", "folder/new", "folder/new/deeper", ".podium/data/new/deeper"):
            for tool, given in ATTEMPTS:
                assert "data folder" in await thread.fails(tool, file_path=path, **given)
        await thread.does("write", file_path="/home/agent/x", content="fine")

        assert set(os.listdir(place.data)) == {"secret", "session", "locks"}
        assert (place.data / "secret").read_text() == "of the data folder\n"
        assert (place.home / "x").read_text() == "fine"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could read it outside")
async def test_root_has_no_more_power_over_files_than_inside(begun: Begun, tmp_path: Path) -> None:
    shared = folder(tmp_path, "shared", private="secret", public="fine")
    os.chown(shared / "private", 65534, 65534)
    (shared / "private").chmod(0o600)
    os.chown(shared, 65534, 65534)
    place = make_place(tmp_path, mounts=[Mount(path=shared, at="/theirs", read_only=False)])
    async with begun(place) as thread:
        assert "permission denied" in await thread.fails("read", file_path="/theirs/private")
        assert "fine" in await thread.does("read", file_path="/theirs/public")
        assert "permission denied" in await thread.fails("write", file_path="/theirs/new", content="x")
        assert "ermission denied" in await thread.fails("bash", command="cat /theirs/private")


CHANGES_USER = """
import asyncio, os
from podium.tools.beneath import off_loop

asyncio.run(off_loop(lambda: None))
os.setresuid(65534, 65534, 0)
os.setresuid(0, 0, 0)
asyncio.run(off_loop(lambda: None))
os.setresuid(65534, 65534, 65534)
print(asyncio.run(off_loop(os.getuid)))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change its user")
def test_program_may_change_its_user_after_work_with_files() -> None:
    """The C library ends a program in which one thread has no right to what the others do."""
    done = subprocess.run([sys.executable, "-c", CHANGES_USER], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "65534\n", "")


async def test_setuid_bit_is_not_carried_over(begun: Begun, place: Place) -> None:
    (place.workdir / "tool").write_text("old")
    (place.workdir / "tool").chmod(0o6755)
    async with begun(place) as thread:
        await thread.does("read", file_path="tool")
        await thread.does("edit", file_path="tool", old_string="old", new_string="new")

        assert (place.workdir / "tool").stat().st_mode & 0o7777 == 0o755


SWAPS = {
    "folder and link": "mkdir -p real; echo inside > real/canary; ln -sfn {outside} link; touch begun; "
    "while :; do mv -T real d; mv -T d real; mv -T link d; mv -T d link; done",
    "file and link": "echo inside > real; ln -sfn {outside}/canary link; mkdir d; touch begun; "
    "while :; do mv -T real d/canary; mv -T d/canary real; mv -T link d/canary; mv -T d/canary link; done",
    "exchange in one step": "mkdir real; echo inside > real/canary; ln -sfn {outside} d; touch begun; "
    """perl -e 'my ($a, $b) = ("d", "real"); while (1) {{ syscall(316, -100, $a, -100, $b, 2) }}'""",
}


@pytest.mark.parametrize("swap", SWAPS)
async def test_swapping_links_while_files_are_read_and_written_leaks_nothing(
    begun: Begun, place: Place, tmp_path: Path, swap: str
) -> None:
    outside = folder(tmp_path, "outside", canary="secret")
    async with begun(place) as thread, begun(place) as swapper:
        swapping = asyncio.ensure_future(swapper.call("bash", command=SWAPS[swap].format(outside=outside)))
        await until((place.workdir / "begun").exists)
        told = []
        for _ in range(TRIES // 3):
            outcomes = await asyncio.gather(
                thread.call("read", file_path="d/canary"),
                thread.call("write", file_path="d/canary", content="inside\n"),
                thread.call("edit", file_path="d/canary", old_string="inside", new_string="inside too"),
            )
            told += [(outcome.is_error, plain(outcome.content)) for outcome in outcomes]
        swapping.cancel()
        await asyncio.wait((swapping,))

    assert [text for _, text in told if "secret" in text] == []
    assert (outside / "canary").read_text() == "secret"
    assert os.listdir(outside) == ["canary"]
    assert {is_error for is_error, _ in told} == {False, True}  # it was a race
