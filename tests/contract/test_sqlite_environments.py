"""SQLite: no session is made in an environment that is gone or archived by the time it is written."""

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from podium.core.catalog import EnvironmentRow
from podium.errors import NotFound, Refused
from podium.store.catalog import SqliteCatalog
from podium.store.sqlite import SqliteStore
from tests.contract.stores import unique
from tests.contract.writing import START, TickingClock, new_session


async def test_session_is_made_in_an_environment_that_is_there_and_not_archived(tmp_path: Path) -> None:
    store, catalog = SqliteStore.open(tmp_path, TickingClock(), unique), SqliteCatalog.open(tmp_path)
    row = EnvironmentRow(id="env_1", workspace="default", created_at=START, updated_at=START, body={})
    new = replace(new_session(), environment="env_1")
    try:
        with pytest.raises(NotFound, match="env_1"):
            await store.create(new)
        await catalog.create_environment(row)
        with pytest.raises(NotFound, match="env_1"):
            await store.create(replace(new, workspace="other"))
        await store.create(new)
        await catalog.change_environment("default", "env_1", lambda row: structs.replace(row, archived_at=START))
        with pytest.raises(Refused, match="archived"):
            await store.create(replace(new_session("sesn_2"), environment="env_1"))
        assert [each.id for each in await store.sessions()] == ["sesn_1"]
    finally:
        await catalog.close()
        await store.close()
