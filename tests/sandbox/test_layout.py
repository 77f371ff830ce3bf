"""Which places are accepted, and what is told about those that are not."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from podium.core.ports import Mount, Place
from podium.errors import BadInput
from podium.sandbox import layout
from podium.sandbox.bubblewrap import Bubblewrap
from tests.sandbox.places import folder, make_place


@pytest.mark.parametrize(
    "at",
    [
        *("/", "/usr", "/usr/local/x", "/proc", "/proc/1", "/sys", "/dev/shm", "/etc", "/etc/ssl", "/bin", "/lib64"),
        *("/workspace", "/workspace/sub", "/tmp", "/tmp/x", "/home", "/home/agent", "/home/agent/x"),
        *("", "source", "./source", "/source/", "/a/../b", "/a/./b", "//source", "/a//b", "/a\nb", "/a\0b", "/\udc80"),
    ],
)
def test_mount_at_a_reserved_or_odd_place_is_refused(tmp_path: Path, at: str) -> None:
    place = make_place(tmp_path, mounts=[Mount(path=folder(tmp_path, "shared"), at=at)])

    with pytest.raises(BadInput, match="mount at") as refused:
        layout.check(place)
    str(refused.value).encode()


@pytest.mark.parametrize("second", ["/source", "/source/sub", "/sour"])
def test_mounts_may_lie_side_by_side_only(tmp_path: Path, second: str) -> None:
    shared = folder(tmp_path, "shared")
    place = make_place(tmp_path, mounts=[Mount(path=shared, at="/source"), Mount(path=shared, at=second)])

    if second == "/sour":
        layout.check(place)
    else:
        with pytest.raises(BadInput, match="overlaps"):
            layout.check(place)


def test_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    place = make_place(tmp_path, mounts=[Mount(path=tmp_path.resolve() / "absent", at="/source")])

    with pytest.raises(BadInput, match=r"/absent' cannot be used: No such file.*Create it first"):
        layout.check(place)


def test_file_in_a_folders_place_is_named(tmp_path: Path) -> None:
    place = make_place(tmp_path, mounts=[Mount(path=folder(tmp_path, "shared", file="") / "file", at="/source")])

    with pytest.raises(BadInput, match="is not a folder"):
        layout.check(place)


def test_relative_folder_is_refused(tmp_path: Path) -> None:
    place = make_place(tmp_path, mounts=[Mount(path=Path("shared"), at="/source")])

    with pytest.raises(BadInput, match="not an absolute path"):
        layout.check(place)


def test_folder_reached_through_a_link_is_refused_and_the_real_one_named(tmp_path: Path) -> None:
    real = folder(tmp_path, "real")
    (real.parent / "link").symlink_to(real)
    place = make_place(tmp_path, mounts=[Mount(path=real.parent / "link", at="/source")])

    with pytest.raises(BadInput, match=re.escape(f"Name {real} itself")):
        layout.check(place)


@pytest.mark.parametrize("path", ["/", "/proc", "/proc/sys", "/sys", "/dev"])
def test_the_machines_own_folders_are_refused(tmp_path: Path, path: str) -> None:
    place = make_place(tmp_path, mounts=[Mount(path=Path(path), at="/source")])

    with pytest.raises(BadInput, match="the machine's own"):
        layout.check(place)


def test_mount_of_the_data_folder_or_of_a_folder_in_it_is_refused(tmp_path: Path) -> None:
    place = make_place(tmp_path)

    for path in (place.data, place.workdir):
        with pytest.raises(BadInput, match="in the data folder"):
            layout.check(replace(place, mounts=(Mount(path=path, at="/source"),)))
    with pytest.raises(BadInput, match="cannot be shown"):
        layout.check(replace(place, workdir=place.data))


def test_later_mounts_cover_earlier_ones_and_the_seal_comes_last(tmp_path: Path) -> None:
    """The workdir lies in the data folder, which lies in a mount."""
    place = make_place(folder(tmp_path, "base/a"), mounts=[Mount(path=folder(tmp_path, "base"), at="/source")])
    arguments = layout.arguments(place, b"")

    def after(word: str) -> int:
        return arguments.index(word)

    assert after("/source") < after("/source/a") < after("/source/a/data") < after("/workspace")
    assert arguments.index("/", after("/workspace")) > after("/tmp")
    assert arguments[arguments.index("/source/a/data") - 5 : arguments.index("/source/a/data")] == [
        *("--size", "4096", "--perms", "0555", "--tmpfs"),
    ]


async def test_place_that_works_passes(sandboxes: Bubblewrap, place: Place, tmp_path: Path) -> None:
    mounts = (
        Mount(path=folder(tmp_path, "one", file="x"), at="/one"),
        Mount(path=folder(tmp_path, "two"), at="/two words", read_only=False),
    )
    await sandboxes.check_mounts(replace(place, mounts=mounts))

    assert list((tmp_path / "two").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs folders of another user")
@pytest.mark.parametrize(
    ("mode", "read_only", "act"), [(0o700, True, "read"), (0o755, False, "write"), (0o700, False, "read")]
)
async def test_mount_of_another_users_folder_is_refused_with_its_owner(
    sandboxes: Bubblewrap, tmp_path: Path, mode: int, read_only: bool, act: str
) -> None:
    theirs = folder(tmp_path, "theirs")
    os.chown(theirs, 65534, 65534)
    theirs.chmod(mode)
    place = make_place(tmp_path, mounts=[Mount(path=theirs, at="/theirs", read_only=read_only)])

    with pytest.raises(BadInput, match=rf"/theirs .*uid 65534.*mode {mode:04o}.*cannot {act} it.*setfacl"):
        await sandboxes.check_mounts(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs folders of another user")
async def test_workdir_of_another_user_is_refused(sandboxes: Bubblewrap, tmp_path: Path) -> None:
    theirs = folder(tmp_path, "theirs")
    os.chown(theirs, 65534, 65534)

    with pytest.raises(BadInput, match=r"the workdir.*cannot write it"):
        await sandboxes.check_mounts(replace(make_place(tmp_path), workdir=theirs))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a folder that only root can pass")
async def test_place_below_a_folder_that_is_closed_to_others_is_refused_with_its_owner(tmp_path: Path) -> None:
    """As with sudo, in another user's home."""
    home = folder(tmp_path, "home-of-another")
    place = make_place(folder(home, "own"))
    os.chown(home, 65534, 65534)
    home.chmod(0o700)

    with pytest.raises(BadInput, match=r"below .*/home-of-another, which belongs to .*uid 65534.*chmod o\+x"):
        layout.check(place)


async def test_folder_swapped_for_a_link_between_two_starts_is_refused(sandboxes: Bubblewrap, tmp_path: Path) -> None:
    outside = folder(tmp_path, "outside", canary="secret")
    workdir = folder(tmp_path, "project")
    place = replace(make_place(tmp_path), workdir=workdir)
    sandbox = sandboxes.open(place)
    await sandbox.shell("true", timeout_s=9)
    workdir.rename(tmp_path / "moved")
    workdir.symlink_to(outside)

    with pytest.raises(BadInput, match="symbolic link"):
        await sandbox.run(["cat", "canary"], timeout_s=9, keep_bytes=99)
    await sandbox.close()
