"""A process that uses a data folder, for tests that stop, kill or starve it: `process.py ROLE FOLDER [...]`.

It says one JSON line for each thing that happened, and then waits until its standard input ends.
"""

import asyncio
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from podium.errors import PodiumError
from podium.store.sqlite import SqliteStore
from podium.store.sqlite_file import FILE
from tests.contract.stores import unique
from tests.contract.writing import TickingClock, new_session, said, writes


def say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def wait_for_end_of_input() -> None:
    sys.stdin.read()


async def opened(folder: Path) -> SqliteStore:
    return SqliteStore.open(folder, TickingClock(), unique, busy_s=20)


async def open_and_close(folder: Path) -> None:
    """Open the folder once the test says so, and create a session in it."""
    say(ready=True)
    sys.stdin.readline()
    store = await opened(folder)
    session = unique("sesn")
    await store.create(new_session(session))
    await store.close()
    say(created=session)


async def drive(folder: Path, *sessions: str) -> None:
    """Own these sessions and do nothing with them."""
    store = await opened(folder)
    for session in sessions:
        await store.create(new_session(session))
    say(driving=sessions, pid=os.getpid())
    wait_for_end_of_input()


async def drive_with_children(folder: Path, session: str) -> None:
    """Own a session, and leave a forked child and one that runs another program."""
    store = await opened(folder)
    await store.create(new_session(session))
    say(children=[forked(), program()], pid=os.getpid())
    wait_for_end_of_input()


def forked() -> int:
    """A child that has come to run."""
    told, tells = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tells, b".")
        signal.pause()
    os.read(told, 1)
    return child


def program() -> int:
    return subprocess.Popen(["sleep", "600"]).pid


async def hold_the_write_lock(folder: Path) -> None:
    """Be in the middle of a write."""
    store = await opened(folder)
    db = sqlite3.connect(folder / FILE, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    say(holding=store.folder.name, pid=os.getpid())
    wait_for_end_of_input()


async def drive_and_hold_the_write_lock(folder: Path, session: str) -> None:
    """Own a session, and be in the middle of a write."""
    store = await opened(folder)
    await store.create(new_session(session))
    db = sqlite3.connect(folder / FILE, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    say(driving=session, pid=os.getpid())
    wait_for_end_of_input()


async def write_until_refused(folder: Path, most_bytes: str) -> None:
    """Write until the disk gives out or files may not grow; then make room, and read again what was acknowledged."""
    store = await opened(folder)
    epoch = await store.create(new_session())
    (folder / "ballast").write_bytes(bytes(500_000))
    if int(most_bytes):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(most_bytes), resource.RLIM_INFINITY))
    acknowledged = 2
    refusals = []
    for n in range(10_000):
        try:
            await store.append(writes("sesn_1", epoch, said(f"sevt_{n}", "x" * 5000)))
            acknowledged += 1
        except PodiumError as error:
            refusals.append(f"{type(error).__name__}: {error}")
            if len(refusals) == 3:
                break
    here = len(await store.records("sesn_1", limit=100_000))
    await store.close()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    (folder / "ballast").unlink(missing_ok=True)
    again = await opened(folder)
    log = await again.records("sesn_1", limit=100_000)
    await again.append(writes("sesn_1", await again.claim("sesn_1"), said("sevt_more")))
    await again.close()
    say(refusals=refusals, acknowledged=acknowledged, here=here, after=[record.seq for record in log])


async def try_to_open(folder: Path) -> None:
    try:
        await (await opened(folder)).close()
        say(opened=True)
    except PodiumError as error:
        say(refused=f"{type(error).__name__}: {error}")


ROLES = {
    role.__name__: role
    for role in (
        open_and_close,
        drive,
        drive_with_children,
        hold_the_write_lock,
        drive_and_hold_the_write_lock,
        write_until_refused,
        try_to_open,
    )
}


if __name__ == "__main__":
    asyncio.run(ROLES[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:]))
