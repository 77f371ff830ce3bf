"""The database file: opening it, bringing it up to date, and its errors in our own words."""

import sqlite3
import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

import msgspec

from podium.errors import StoreCorrupt, StoreDown, StoreError

FILE = "podium.db"
BUSY_S = 5.0
_APPLICATION_ID = 0x506F6469  # "Podi": tells our file from any other database


def connect(file: Path, explain: Callable[[sqlite3.Error], StoreError], busy_s: float) -> sqlite3.Connection:
    """A connection to the database, which is made or migrated first if need be.

    Errors: StoreDown, StoreCorrupt.
    """
    try:
        db = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=busy_s)
        try:
            steps = _steps()
            db.execute("BEGIN")
            _version(db, file, len(steps))  # before the first write: what is not ours stays as it is
            db.execute("COMMIT")
            _patiently(lambda: db.execute("PRAGMA journal_mode = WAL"), busy_s)
            db.execute("PRAGMA synchronous = FULL")
            # 16 MB: the pages that every commit touches are copied back a few times less.
            db.execute("PRAGMA wal_autocheckpoint = 4000")
            _migrate(db, file, steps)
        except BaseException:
            db.close()
            raise
    except sqlite3.Error as error:
        raise explain(error) from error
    return db


def _steps() -> list[str]:
    folder = files("podium.store") / "migrations"
    return [step.read_text() for step in sorted(folder.iterdir(), key=lambda step: step.name) if ".sql" in step.name]


def _migrate(db: sqlite3.Connection, file: Path, steps: Sequence[str]) -> None:
    if db.execute("PRAGMA user_version").fetchone()[0] == len(steps):
        return
    db.execute("BEGIN IMMEDIATE")  # two processes may open a new folder at once
    try:
        for script in steps[_version(db, file, len(steps)) :]:
            for statement in _statements(script):
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(steps)}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _version(db: sqlite3.Connection, file: Path, known: int) -> int:
    """The schema's version, 0 for a new file. Asked in a transaction, so that the three answers belong together.

    Errors: StoreCorrupt if the file is not ours, or of a newer version.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    application = db.execute("PRAGMA application_id").fetchone()[0]
    is_empty = db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is None
    if application != _APPLICATION_ID and (application != 0 or version > 0 or not is_empty):
        raise StoreCorrupt(f"{file} is a database of another program; name another data folder with --data")
    if version > known:
        raise StoreCorrupt(
            f"{file} was written by a newer version of Podium (its schema is {version}, this one knows {known}). "
            "Update Podium, or name another data folder with --data"
        )
    return version


def _patiently(change: Callable[[], object], busy_s: float) -> None:
    """Change the journal mode. SQLite does not wait for others that do the same at that moment, so this does."""
    until = time.monotonic() + busy_s
    while True:
        try:
            change()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _statements(script: str) -> list[str]:
    statements, text = [], ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            statements.append(text)
            text = ""
    return statements


def explain(error: Exception, file: Path, live: Sequence[str] = (), busy_s: float = BUSY_S) -> StoreError:
    """The error in our own words, with the remedy. `live` are the other processes that use the file."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    others = f" Others that use it: {', '.join(live)}." if live else ""
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        stopped = " A stopped process keeps its locks: continue it (kill -CONT) or end it." if live else ""
        return StoreDown(f"{file} has been locked by another process for {busy_s:g} s.{others}{stopped}")
    if primary == sqlite3.SQLITE_FULL:
        return StoreDown(f"the disk with {file} is full. Nothing acknowledged is lost: free some space and resume")
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StoreDown(f"{file} cannot be opened for writing ({error}). Check its owner and permissions")
    is_unreadable = isinstance(error, msgspec.DecodeError) or "Could not decode to UTF-8" in str(error)
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or is_unreadable:
        return StoreCorrupt(f"{file} is damaged ({error}). Restore it from a copy, or name another folder with --data")
    return StoreDown(f"{file} could not be read or written: {error}")
