"""The SQLite store among real processes: killed, stopped, forked, started at once, and on a disk that is full."""

import gc
import os
import signal
import threading
import weakref
from contextlib import ExitStack
from pathlib import Path

import pytest

from podium.errors import Owned, Refused, StoreDown
from podium.store.sqlite import SqliteStore
from podium.store.workers import Workers
from tests.contract.processes import another_user, mounted, process
from tests.contract.stores import unique
from tests.contract.writing import TickingClock, new_session, said, writes


def opened(folder: Path) -> SqliteStore:
    return SqliteStore.open(folder, TickingClock(), unique, busy_s=0.2)


def worker_files(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / "workers").iterdir())


def open_to_everybody(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)


# --- owners that are gone, and owners that are not -------------------------------------------------


async def test_killed_owner_is_succeeded_at_once(tmp_path: Path) -> None:
    with process("drive", tmp_path, "sesn_1", "sesn_2") as owner:
        owner.heard()
        store = opened(tmp_path)
        with pytest.raises(Owned, match=rf"sesn_1 is driven by process {owner.pid}, which lives\. Nothing"):
            await store.claim("sesn_1")

        owner.kill()

        assert [await store.claim(session) for session in ("sesn_1", "sesn_2")] == [2, 2]
        await store.close()


async def test_stopped_owner_keeps_its_session(tmp_path: Path) -> None:
    with process("drive", tmp_path, "sesn_1") as owner:
        owner.heard()
        owner.stop()
        store = opened(tmp_path)

        with pytest.raises(
            Owned, match=rf"process {owner.pid}, which lives; it is stopped: continue it \(kill -CONT\)"
        ):
            await store.claim("sesn_1")

        driving = await store.owner("sesn_1")
        assert driving is not None
        assert (driving.pid, driving.state) == (owner.pid, "stopped")
        await store.close()


async def test_children_of_a_killed_owner_do_not_keep_its_session(tmp_path: Path) -> None:
    with process("drive_with_children", tmp_path, "sesn_1") as owner:
        children = owner.heard()["children"]
        store = opened(tmp_path)
        with pytest.raises(Owned):
            await store.claim("sesn_1")

        owner.kill()
        try:
            for child in children:
                os.kill(child, 0)
            assert await store.claim("sesn_1") == 2
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
        await store.close()


async def test_owner_whose_lock_file_is_missing_is_dead(tmp_path: Path) -> None:
    with process("drive", tmp_path, "sesn_1") as owner:
        owner.heard()
        owner.kill()
    [lock] = (tmp_path / "workers").iterdir()
    lock.unlink()
    store = opened(tmp_path)

    assert await store.claim("sesn_1") == 2
    assert len(worker_files(tmp_path)) == 1
    await store.close()


# --- ending an owner -------------------------------------------------------------------------------


async def test_stopped_owner_is_ended(tmp_path: Path) -> None:
    with process("drive", tmp_path, "sesn_1") as owner:
        owner.heard()
        owner.stop()
        store = opened(tmp_path)

        await store.end_owner("sesn_1")

        assert owner.ended() == -signal.SIGKILL
        assert await store.claim("sesn_1") == 2
        await store.close()


async def test_owner_that_was_stopped_in_the_middle_of_a_write_is_ended(tmp_path: Path) -> None:
    with process("drive_and_hold_the_write_lock", tmp_path, "sesn_1") as owner:
        owner.heard()
        owner.stop()
        store = opened(tmp_path)
        with pytest.raises(StoreDown, match="locked by another process"):
            await store.claim("sesn_1")

        await store.end_owner("sesn_1")

        assert await store.claim("sesn_1") == 2
        await store.close()


async def test_owned_session_is_refused_with_the_command_that_takes_it_over(tmp_path: Path) -> None:
    with process("drive", tmp_path, "sesn_1") as owner:
        owner.heard()
        store = opened(tmp_path)

        with pytest.raises(Owned, match=r"`podium resume --take-over` ends that process and goes on$"):
            await store.claim("sesn_1")
        await store.close()


@pytest.mark.parametrize("said", ['{"pid":PID,"started":"1"}', '{"pid":PID,"started":""}'])
async def test_process_that_got_the_number_of_the_owner_is_left_alone(tmp_path: Path, said: str) -> None:
    with process("drive", tmp_path) as bystander, process("drive", tmp_path, "sesn_1") as owner:
        bystander.heard(), owner.heard()
        store = opened(tmp_path)
        own = (await store.session("sesn_1")).owner
        (tmp_path / "workers" / f"{own}.lock").write_text(said.replace("PID", str(bystander.pid)))

        with pytest.raises(Refused, match=rf"lives, but process {bystander.pid} here is another one: it may run in a"):
            await store.end_owner("sesn_1")

        assert [bystander.ended(), owner.ended()] == [None, None]
        await store.close()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ('{"pid":4194999,"started":"1"}', "process 4194999 here is another one"),  # above what Linux ever gives
        ("", "does not say which process it is"),
        ("half a li", "does not say which process it is"),
    ],
)
async def test_owner_that_cannot_be_found_is_left_alone(tmp_path: Path, said: str, why: str) -> None:
    with process("drive", tmp_path, "sesn_1") as owner:
        owner.heard()
        store = opened(tmp_path)
        own = (await store.session("sesn_1")).owner
        (tmp_path / "workers" / f"{own}.lock").write_text(said)

        with pytest.raises(Refused, match=why):
            await store.end_owner("sesn_1")

        assert owner.ended() is None
        await store.close()


async def test_other_store_of_this_very_process_is_not_ended(tmp_path: Path) -> None:
    first, second = opened(tmp_path), opened(tmp_path)
    await first.create(new_session())

    with pytest.raises(Refused, match=rf"is this very process \({os.getpid()}\), which does not end itself"):
        await second.end_owner("sesn_1")

    await first.close()
    await second.close()


async def test_owner_of_another_user_is_not_ended(public_folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can play two users")
    with process("drive", public_folder, "sesn_1") as owner:
        owner.heard()
        open_to_everybody(public_folder)
        with another_user():
            store = opened(public_folder)
            with pytest.raises(Refused, match=rf"process {owner.pid} cannot be ended by this one: .* the user it"):
                await store.end_owner("sesn_1")
            await store.close()

        assert owner.ended() is None


# --- the workers' files ----------------------------------------------------------------------------


def test_forked_child_lets_go_of_every_lock_it_was_born_with(tmp_path: Path) -> None:
    workers = [Workers(tmp_path, name) for name in ("a", "b")]
    is_born, says_so = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(says_so, b"!")
        signal.pause()
    os.read(is_born, 1)
    try:
        for one in workers:
            one.close(owns_sessions=True)
        watcher = Workers(tmp_path, "watcher")

        assert [watcher.is_alive(name) for name in ("a", "b")] == [False, False]
        watcher.close(owns_sessions=False)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(is_born)
        os.close(says_so)


def test_closed_workers_are_forgotten(tmp_path: Path) -> None:
    worker = Workers(tmp_path, "a")
    seen = weakref.ref(worker)
    worker.close(owns_sessions=False)

    del worker

    gc.collect()
    assert seen() is None


async def test_files_of_dead_workers_go_once_they_own_nothing(tmp_path: Path) -> None:
    with process("drive", tmp_path) as idler, process("drive", tmp_path, "sesn_1") as owner:
        idler.heard(), owner.heard()
        first = opened(tmp_path)
        own = (await first.session("sesn_1")).owner
        assert len(worker_files(tmp_path)) == 3
        idler.kill()
        owner.kill()

        await first.close()
        assert worker_files(tmp_path) == [own]

        second = opened(tmp_path)
        epoch = await second.claim("sesn_1")
        await second.append(writes("sesn_1", epoch, said("sevt_a"), release=True))
        await second.close()
        assert worker_files(tmp_path) == []


async def test_file_of_a_living_worker_stays(tmp_path: Path) -> None:
    with process("drive", tmp_path) as idler:
        idler.heard()
        store = opened(tmp_path)
        await store.close()

        assert len(worker_files(tmp_path)) == 1


def test_worker_that_starts_is_never_taken_for_a_dead_one(tmp_path: Path) -> None:
    cleaner = Workers(tmp_path, "cleaner")
    is_done = threading.Event()

    def clean() -> None:
        while not is_done.is_set():
            cleaner.forget_dead(set())

    thread = threading.Thread(target=clean)
    thread.start()
    try:
        for n in range(1000):
            worker = Workers(tmp_path, f"worker{n}")
            assert cleaner.is_alive(worker.id)
            worker.close(owns_sessions=False)
    finally:
        is_done.set()
        thread.join()
        cleaner.close(owns_sessions=False)


# --- a database in use -----------------------------------------------------------------------------


async def test_database_that_stays_locked_is_an_error_that_names_who(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with process("hold_the_write_lock", tmp_path) as holder, process("drive", tmp_path) as other:
        holder.heard(), other.heard()
        holder.stop()

        with pytest.raises(StoreDown) as refusal:
            await store.create(new_session())

        message = str(refusal.value)
        assert f"{tmp_path}/podium.db has been locked by another process for 0.2 s" in message
        assert f"process {holder.pid} (stopped)" in message
        assert f"process {other.pid} (running)" in message
        assert "kill -CONT" in message
        assert await store.sessions() == []
        holder.kill()
        assert await store.create(new_session()) == 1
    await store.close()


@pytest.mark.parametrize("attempt", range(3))
async def test_many_processes_open_a_new_folder_at_once(tmp_path: Path, attempt: int) -> None:
    with ExitStack() as stack:
        starters = [stack.enter_context(process("open_and_close", tmp_path / "data")) for _ in range(6)]
        for starter in starters:
            starter.heard()
        for starter in starters:
            starter.tell()
        created = [starter.heard()["created"] for starter in starters]

    store = opened(tmp_path / "data")
    assert sorted(row.id for row in await store.sessions()) == sorted(created)
    await store.close()


# --- a disk in trouble -----------------------------------------------------------------------------


def test_nothing_acknowledged_is_lost_on_a_full_disk(tmp_path: Path) -> None:
    small_disk = mounted("-t", "tmpfs", "-o", "size=3m", "tmpfs", str(tmp_path))

    with process("write_until_refused", tmp_path, "0", under=small_disk) as writer:
        heard = writer.heard()

    full = f"StoreDown: the disk with {tmp_path}/podium.db is full. Nothing acknowledged is lost: free some space"
    assert heard["refusals"][0].startswith(full)
    assert heard["acknowledged"] > 20
    assert heard["here"] == heard["acknowledged"]
    assert heard["after"] == list(range(1, heard["acknowledged"] + 1))


def test_nothing_acknowledged_is_lost_when_files_may_not_grow(tmp_path: Path) -> None:
    with process("write_until_refused", tmp_path, str(2_000_000)) as writer:
        heard = writer.heard()

    assert heard["refusals"][0].startswith(f"StoreDown: {tmp_path}/podium.db could not be read or written")
    assert heard["acknowledged"] > 20
    assert heard["here"] == heard["acknowledged"]
    assert heard["after"] == list(range(1, heard["acknowledged"] + 1))
