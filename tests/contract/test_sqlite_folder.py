"""Data folders that cannot be used, each with words a stranger can act on."""

import os
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from podium.core.inputs import Interrupt
from podium.errors import StoreCorrupt, StoreDown, StoreError
from podium.store.folder import open_folder
from podium.store.sqlite import SqliteStore
from podium.store.sqlite_file import FILE
from tests.contract.processes import another_user, mounted, process
from tests.contract.stores import unique
from tests.contract.writing import LEAD, TickingClock, new_session, said, writes


def opened(folder: Path) -> SqliteStore:
    return SqliteStore.open(folder, TickingClock(), unique, busy_s=0.2)


async def written(folder: Path, records: int = 0) -> None:
    """A data folder with a session in it."""
    store = opened(folder)
    epoch = await store.create(new_session(title="a title", needs=("tool:count",)))
    for n in range(records):
        await store.append(writes("sesn_1", epoch, said(f"sevt_{n}", "x" * 2000)))
    await store.close()


def protect_files(folder: Path) -> None:
    """Everybody may make files in the folder, nobody may change those that are there."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o444)


# --- the folder ------------------------------------------------------------------------------------


async def test_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    store = opened(tmp_path / "a" / "b")
    await store.create(new_session())
    await store.close()

    assert (tmp_path / "a" / "b" / FILE).exists()


@pytest.mark.parametrize("below", ["data", "data/below"])
def test_folder_that_is_a_file(tmp_path: Path, below: str) -> None:
    (tmp_path / "data").write_text("a file")

    with pytest.raises(StoreDown, match=r"data.* is not a folder; name another one with --data"):
        open_folder(tmp_path / below)


def test_folder_that_this_user_cannot_write(public_folder: Path) -> None:
    public_folder.chmod(0o555)

    with another_user(), pytest.raises(StoreDown, match=r"cannot be written by this user; change its owner or name"):
        open_folder(public_folder)


def test_folder_that_this_user_cannot_make(public_folder: Path) -> None:
    public_folder.chmod(0o555)

    with (
        another_user(),
        pytest.raises(StoreDown, match=r"cannot make .*/data: Permission denied\. Name one with --data"),
    ):
        open_folder(public_folder / "data")


async def test_database_that_this_user_cannot_write(public_folder: Path) -> None:
    await written(public_folder)
    protect_files(public_folder)

    with another_user():
        store = opened(public_folder)
        with pytest.raises(StoreDown, match=r"podium.db cannot be opened for writing .*Check its owner"):
            await store.create(new_session("sesn_2"))
        await store.close()


async def test_folder_on_a_read_only_mount(tmp_path: Path) -> None:
    await written(tmp_path)
    read_only = mounted("--bind", "-o", "ro", str(tmp_path), str(tmp_path))

    with process("try_to_open", tmp_path, under=read_only) as reader:
        refused = reader.heard()["refused"]

    assert (
        refused == f"StoreDown: the data folder {tmp_path} lies on a read-only filesystem; name another one with --data"
    )


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"])
def test_folder_on_a_filesystem_without_locks(tmp_path: Path, kind: str) -> None:
    mounts = f"/dev/vda / ext4 rw 0 0\nserver:/x {tmp_path} {kind} rw 0 0\n"

    with pytest.raises(StoreDown, match=rf"data lies on {kind}, where file locks .* Name a folder on a local disk"):
        open_folder(tmp_path / "data", mounts)


@pytest.mark.parametrize(
    "mounts",
    [
        "server:/x / nfs rw 0 0\n/dev/vda {folder} ext4 rw 0 0\n",  # a local disk below it
        "server:/x {folder} nfs rw 0 0\n/dev/vda {folder} ext4 rw 0 0\n",  # one on top of it
        "/dev/vda / ext4 rw 0 0\nserver:/x {folder}/data2 nfs rw 0 0\n",  # a neighbour of the same beginning
        "half a line\n\n/dev/vda / ext4 rw 0 0\n",
        "",
    ],
)
def test_folder_on_a_local_disk_near_one_without_locks(tmp_path: Path, mounts: str) -> None:
    assert open_folder(tmp_path / "data", mounts.format(folder=tmp_path)) == (tmp_path / "data").resolve()


@pytest.mark.parametrize("name", ["with space", "mit-ü", "back\\slash", "tab\tinside"])
def test_mount_with_a_name_that_is_written_in_octal(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    # Source: proc(5): these are octal, other bytes stand as they are.
    octal = str(folder).replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011")

    with pytest.raises(StoreDown, match="nfs"):
        open_folder(folder, f"/dev/vda / ext4 rw 0 0\nserver:/x {octal} nfs rw 0 0\n")


def test_symlink_to_a_filesystem_without_locks(tmp_path: Path) -> None:
    (tmp_path / "mounted").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "mounted")

    with pytest.raises(StoreDown, match="nfs"):
        open_folder(tmp_path / "data", f"server:/x {tmp_path}/mounted nfs rw 0 0\n")


# --- the database ----------------------------------------------------------------------------------


def test_database_that_is_garbage(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(os.urandom(64 * 1024))

    with pytest.raises(StoreCorrupt, match=r"podium.db is damaged .*Restore it from a copy, or name another folder"):
        opened(tmp_path)


async def refusals_of(folder: Path) -> list[StoreError]:
    """What a store says of a damaged folder, asked everything."""
    try:
        store = opened(folder)
    except StoreError as error:
        return [error]
    questions: list[Callable[[], Awaitable[object]]] = [
        store.sessions,
        lambda: store.session("sesn_1"),
        lambda: store.records("sesn_1"),
        lambda: store.threads("sesn_1"),
        lambda: store.definitions(LEAD.version),
        lambda: store.admit("sesn_1", Interrupt()),
        lambda: store.claim("sesn_1"),
    ]
    refusals = []
    for ask in questions:
        try:
            await ask()
        except StoreError as error:
            refusals.append(error)
    await store.close()
    return refusals


async def test_database_that_was_cut_off(tmp_path: Path) -> None:
    await written(tmp_path, records=50)
    os.truncate(tmp_path / FILE, 20_000)

    refusals = await refusals_of(tmp_path)

    assert [type(refusal) for refusal in refusals] == [StoreCorrupt] * len(refusals) != []
    assert f"{FILE} is damaged" in str(refusals[0])


async def test_damaged_pages_are_called_damage(tmp_path: Path) -> None:
    await written(tmp_path, records=50)
    whole = (tmp_path / FILE).read_bytes()

    refusals = []
    for start in range(0, 20 * 4096, 4096):
        (tmp_path / FILE).write_bytes(whole[:start] + bytes(range(256)) * 16 + whole[start + 4096 :])
        refusals += await refusals_of(tmp_path)

    assert len(refusals) > 20
    assert [type(refusal) for refusal in refusals] == [StoreCorrupt] * len(refusals)
    assert all(f"{FILE} is damaged" in str(refusal) for refusal in refusals)


@pytest.mark.parametrize(
    ("stored", "damaged"),
    [
        (b'["tool:count"]', b'["tool:count"!'),  # of the session's row
        (b'"input_tokens":0', b'"input_tokens":x'),
        (b"a title", b"\xff title"),
        (b'"name":"lead"', b'"name":"lead!'),
    ],
)
async def test_damaged_row_is_called_damage(tmp_path: Path, stored: bytes, damaged: bytes) -> None:
    await written(tmp_path)
    content = (tmp_path / FILE).read_bytes()
    assert stored in content
    (tmp_path / FILE).write_bytes(content.replace(stored, damaged))

    refusals = await refusals_of(tmp_path)

    assert [type(refusal) for refusal in refusals] == [StoreCorrupt] * len(refusals) != []


@pytest.mark.parametrize("damage", ["usd = '1.2.3'", "status = CAST(x'72756e6eff6e67' AS TEXT)"])
async def test_damaged_value_is_called_damage(tmp_path: Path, damage: str) -> None:
    await written(tmp_path)
    db = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    db.execute(f"UPDATE session SET {damage}")
    db.close()

    refusals = await refusals_of(tmp_path)

    assert [type(refusal) for refusal in refusals] == [StoreCorrupt] * len(refusals) != []


@pytest.mark.parametrize("marks", ["", "PRAGMA user_version = 3", "PRAGMA application_id = 1234"])
def test_database_of_another_program_is_refused_and_left_alone(tmp_path: Path, marks: str) -> None:
    db = sqlite3.connect(tmp_path / FILE)
    db.execute("CREATE TABLE photo (name TEXT)")
    db.execute(marks)
    db.close()
    before = (tmp_path / FILE).read_bytes()

    with pytest.raises(StoreCorrupt, match=r"podium.db is a database of another program; name another data folder"):
        opened(tmp_path)

    assert (tmp_path / FILE).read_bytes() == before


async def test_database_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    await written(tmp_path)
    db = sqlite3.connect(tmp_path / FILE)
    db.execute("PRAGMA user_version = 999")
    db.close()
    before = (tmp_path / FILE).read_bytes()

    with pytest.raises(StoreCorrupt, match=r"newer version of Podium \(its schema is 999.* Update Podium, or name"):
        opened(tmp_path)

    assert (tmp_path / FILE).read_bytes() == before


def test_refused_database_leaves_no_worker_behind(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all, but long enough to be read as one" * 100)

    with pytest.raises(StoreCorrupt):
        opened(tmp_path)

    assert list((tmp_path / "workers").iterdir()) == []
