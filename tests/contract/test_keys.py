"""Keys in SQLite: what is kept, and when a change is seen."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from podium.core.keys import SECRET_BYTES, KeyRow, make_key
from podium.errors import NotFound
from podium.store.keys import BELIEVED_S, SqliteKeys
from podium.store.sqlite_file import FILE

NOW = datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC)


class Watch:
    """A time that stands still until it is moved."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@asynccontextmanager
async def opened(folder: Path, watch: Watch | None = None) -> AsyncIterator[SqliteKeys]:
    keys = SqliteKeys(folder, now_s=watch or Watch())
    try:
        yield keys
    finally:
        await keys.close()


def row(id: str = "apikey_1", **how: object) -> KeyRow:
    return make_key(id, b"s" * SECRET_BYTES, NOW, **how)[1]  # type: ignore[arg-type]


async def test_key_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    made = row(name="ci", scopes=["sessions:read", "agents:read"], workspace="w", expires_at=NOW + timedelta(days=1))
    async with opened(tmp_path) as keys:
        await keys.create(made)
    async with opened(tmp_path) as keys:
        assert await keys.key("apikey_1") == made
        assert await keys.key("apikey_2") is None
        assert await keys.keys() == [made]


async def test_change_of_this_process_is_seen_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as keys:
        assert await keys.key("apikey_1") is None
        await keys.create(row())
        assert await keys.key("apikey_1") == row()

        await keys.revoke("apikey_1", NOW)
        found = await keys.key("apikey_1")

        assert found is not None
        assert found.revoked_at == NOW
        assert not found.is_good(NOW)


async def test_change_of_another_process_is_seen_within_a_second(tmp_path: Path) -> None:
    watch = Watch()
    async with opened(tmp_path, watch) as keys, opened(tmp_path) as elsewhere:
        await elsewhere.create(row())
        assert await keys.key("apikey_1") == row()

        await elsewhere.revoke("apikey_1", NOW)
        watch.now_s = BELIEVED_S
        found = await keys.key("apikey_1")

        assert BELIEVED_S <= 1
        assert found is not None
        assert found.revoked_at == NOW


async def test_key_that_was_revoked_before_stays_as_it_was(tmp_path: Path) -> None:
    async with opened(tmp_path) as keys:
        await keys.create(row())
        await keys.revoke("apikey_1", NOW)

        again = await keys.revoke("apikey_1", NOW + timedelta(days=1))

        assert again.revoked_at == NOW
        with pytest.raises(NotFound, match="there is no key 'apikey_9' here; `podium key list`"):
            await keys.revoke("apikey_9", NOW)


async def test_use_is_written_once_a_minute(tmp_path: Path) -> None:
    async with opened(tmp_path) as keys, opened(tmp_path) as elsewhere:
        await keys.create(row())
        written = []
        for second in (0, 1, 59, 60, 61, 119, 121):
            await keys.key("apikey_1")
            await keys.used("apikey_1", NOW + timedelta(seconds=second))
            [kept] = await elsewhere.keys()
            assert kept.last_used_at is not None
            written.append((kept.last_used_at - NOW).total_seconds())

        assert written == [0, 0, 0, 60, 60, 60, 121]


async def test_nothing_of_a_secret_is_in_the_file(tmp_path: Path) -> None:
    token, made = make_key("apikey_1", b"\xfe" * SECRET_BYTES, NOW)
    async with opened(tmp_path) as keys:
        await keys.create(made)

    db = sqlite3.connect(tmp_path / FILE)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    assert token.split("_")[2].encode() not in (tmp_path / FILE).read_bytes()
