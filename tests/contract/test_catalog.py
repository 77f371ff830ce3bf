"""The catalog: what is kept is there, whole, in its workspace, and what two change at once is changed one by one."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from podium.core.catalog import AgentRow, Catalog, EnvironmentRow, Look, Wanted
from podium.core.json import JSON
from podium.core.ports import Receipt
from podium.core.revisions import archived, check_current, first_version, next_version
from podium.errors import BadInput, Conflict, NotFound
from podium.store.catalog import SqliteCatalog
from podium.store.sqlite import SqliteStore
from tests.contract.stores import unique
from tests.contract.writing import TickingClock, new_session

START = datetime(2026, 1, 1, 12, 0, 0, 123457, tzinfo=UTC)
HERE, THERE = "default", "elsewhere"


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = SqliteCatalog.open(tmp_path)
    yield catalog
    asyncio.run(catalog.close())


def agent(id: str, workspace: str = HERE, at: datetime = START, **sent: JSON) -> AgentRow:
    row = AgentRow(id=id, workspace=workspace, version=0, created_at=at, updated_at=at, body={})
    return first_version(row, {"name": id, "model": {"id": "m"}, **sent})


async def put(catalog: Catalog, row: AgentRow, receipt: Receipt | None = None) -> AgentRow:
    return await catalog.create_agent(row.workspace, lambda _: row, receipt)


async def update(
    catalog: Catalog, id: str, sent: Mapping[str, JSON], version: int | None = None, workspace: str = HERE
) -> AgentRow:
    at = START + timedelta(seconds=5)

    def change(row: AgentRow, _: Look) -> AgentRow:
        check_current(row, version)
        return next_version(row, sent, at)

    return await catalog.change_agent(workspace, id, change)


def environment(id: str, workspace: str = HERE, at: datetime = START) -> EnvironmentRow:
    body: dict[str, JSON] = {"name": id, "description": None, "metadata": {}}
    return EnvironmentRow(id=id, workspace=workspace, created_at=at, updated_at=at, body=body)


def ids(page: object) -> list[str]:
    return [row.id for row in getattr(page, "rows")]  # noqa: B009 - rows of either kind


# --- agents ------------------------------------------------------------------------------------------


async def test_created_agent_is_there_as_it_was_made(catalog: Catalog) -> None:
    row = agent("agent_1", system="Be kind.", metadata={"team": "ä"})

    assert await put(catalog, row) == row
    assert await catalog.agent(HERE, "agent_1") == row
    assert await catalog.agent(HERE, "agent_1", 1) == row


async def test_agents_outlive_the_process(tmp_path: Path) -> None:
    first = SqliteCatalog.open(tmp_path)
    row = await put(first, agent("agent_1"))
    await first.close()

    second = SqliteCatalog.open(tmp_path)
    assert await second.agent(HERE, "agent_1") == row
    await second.close()


async def test_every_version_stays_as_it_was(catalog: Catalog) -> None:
    first = await put(catalog, agent("agent_1"))
    second = await update(catalog, "agent_1", {"system": "Be brief."})

    assert (second.version, second.body["system"]) == (2, "Be brief.")
    assert await catalog.agent(HERE, "agent_1") == second
    assert await catalog.agent(HERE, "agent_1", 1) == first


async def test_change_without_effect_makes_no_version(catalog: Catalog) -> None:
    row = await put(catalog, agent("agent_1", system="Be brief."))

    assert await update(catalog, "agent_1", {"system": "Be brief."}) == row
    assert ids(await catalog.versions(HERE, "agent_1", Wanted(limit=10))) == ["agent_1"]


async def test_of_updates_that_saw_the_same_version_one_wins(catalog: Catalog) -> None:
    await put(catalog, agent("agent_1"))

    tries = [update(catalog, "agent_1", {"system": f"by {number}"}, version=1) for number in range(20)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)

    assert sum(isinstance(outcome, AgentRow) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 19
    assert (await catalog.agent(HERE, "agent_1")).version == 2


async def test_of_updates_of_two_processes_one_wins(tmp_path: Path) -> None:
    catalogs = [SqliteCatalog.open(tmp_path) for _ in range(2)]
    await put(catalogs[0], agent("agent_1"))

    tries = [update(catalog, "agent_1", {"system": f"by {id(catalog)}"}, version=1) for catalog in catalogs]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AgentRow", "Conflict"]
    for each in catalogs:
        await each.close()


async def test_updates_without_a_version_all_count(catalog: Catalog) -> None:
    await put(catalog, agent("agent_1"))

    await asyncio.gather(*[update(catalog, "agent_1", {"metadata": {f"k{number}": "v"}}) for number in range(10)])

    newest = await catalog.agent(HERE, "agent_1")
    assert newest.version == 11
    assert len(newest.body["metadata"]) == 10


async def test_what_forbids_a_change_leaves_no_trace(catalog: Catalog) -> None:
    row = await put(catalog, agent("agent_1"))

    def refuse(row: AgentRow, look: Look) -> AgentRow:
        raise BadInput("name: is not to my taste")

    with pytest.raises(BadInput, match="not to my taste"):
        await catalog.change_agent(HERE, "agent_1", refuse)
    with pytest.raises(BadInput, match="not to my taste"):
        await catalog.create_agent(HERE, lambda look: refuse(row, look))
    assert await catalog.agent(HERE, "agent_1") == row
    assert ids(await catalog.agents(HERE, Wanted(limit=10))) == ["agent_1"]


async def test_unknown_agents_and_versions_are_not_found(catalog: Catalog) -> None:
    await put(catalog, agent("agent_1"))

    with pytest.raises(NotFound, match="no agent 'agent_2'"):
        await catalog.agent(HERE, "agent_2")
    with pytest.raises(NotFound, match="agent agent_1 has no version 2"):
        await catalog.agent(HERE, "agent_1", 2)
    with pytest.raises(NotFound):
        await update(catalog, "agent_2", {})
    with pytest.raises(NotFound):
        await catalog.versions(HERE, "agent_2", Wanted(limit=10))


async def test_other_workspaces_see_nothing(catalog: Catalog) -> None:
    await put(catalog, agent("agent_1"))
    await put(catalog, agent("agent_2", THERE))

    for attempt in (
        catalog.agent(THERE, "agent_1"),
        catalog.agent(THERE, "agent_1", 1),
        catalog.versions(THERE, "agent_1", Wanted(limit=10)),
        update(catalog, "agent_1", {"system": "mine now"}, workspace=THERE),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert ids(await catalog.agents(THERE, Wanted(limit=10))) == ["agent_2"]
    assert await catalog.look(THERE, lambda look: look("agent_1", None)) is None
    assert (await catalog.agent(HERE, "agent_1")).version == 1


async def test_one_look_sees_agents_and_their_versions(catalog: Catalog) -> None:
    await put(catalog, agent("agent_1"))
    await update(catalog, "agent_1", {"system": "2"})

    def versions(look: Look) -> list[int | None]:
        rows = [look("agent_1", None), look("agent_1", 1), look("agent_1", 3), look("agent_2", None)]
        return [None if row is None else row.version for row in rows]

    assert await catalog.look(HERE, versions) == [2, 1, None, None]


async def test_list_is_newest_first_and_its_pages_are_stable_while_agents_are_made(catalog: Catalog) -> None:
    for number in range(5):
        await put(catalog, agent(f"agent_{number}"))

    first = await catalog.agents(HERE, Wanted(limit=2))
    await put(catalog, agent("agent_5"))
    await update(catalog, "agent_1", {"system": "newer"})
    second = await catalog.agents(HERE, Wanted(limit=2, after=first.next))
    third = await catalog.agents(HERE, Wanted(limit=2, after=second.next))

    assert [ids(first), ids(second), ids(third)] == [["agent_4", "agent_3"], ["agent_2", "agent_1"], ["agent_0"]]
    assert second.rows[1].version == 2
    assert third.next is None


async def test_last_page_that_is_full_has_no_next(catalog: Catalog) -> None:
    await put(catalog, agent("agent_1"))
    await put(catalog, agent("agent_2"))

    assert (await catalog.agents(HERE, Wanted(limit=2))).next is None


async def test_archived_agents_are_listed_only_if_asked_for(catalog: Catalog) -> None:
    await put(catalog, agent("agent_1"))
    await put(catalog, agent("agent_2"))
    at = START + timedelta(days=1)
    row = await catalog.change_agent(HERE, "agent_1", lambda row, _: archived(row, at))

    assert (row.archived_at, row.version) == (at, 1)
    assert await catalog.agent(HERE, "agent_1", 1) == row
    assert ids(await catalog.agents(HERE, Wanted(limit=10))) == ["agent_2"]
    assert ids(await catalog.agents(HERE, Wanted(limit=10, archived=True))) == ["agent_2", "agent_1"]


async def test_list_is_bounded_by_when_agents_were_made(catalog: Catalog) -> None:
    times = [START + timedelta(microseconds=number) for number in range(4)]
    for number, at in enumerate(times):
        await put(catalog, agent(f"agent_{number}", at=at))

    async def listed(**bounds: datetime) -> list[str]:
        return ids(await catalog.agents(HERE, Wanted(limit=10, **bounds)))  # type: ignore[arg-type]

    assert await listed(gte=times[2]) == ["agent_3", "agent_2"]
    assert await listed(gt=times[2]) == ["agent_3"]
    assert await listed(lte=times[1]) == ["agent_1", "agent_0"]
    assert await listed(lt=times[1]) == ["agent_0"]
    assert await listed(gt=times[0], lt=times[3]) == ["agent_2", "agent_1"]


async def test_versions_are_listed_newest_first_a_page_at_a_time(catalog: Catalog) -> None:
    await put(catalog, agent("agent_1"))
    for number in range(2, 6):
        await update(catalog, "agent_1", {"system": str(number)})

    first = await catalog.versions(HERE, "agent_1", Wanted(limit=3))
    await update(catalog, "agent_1", {"system": "6"})
    second = await catalog.versions(HERE, "agent_1", Wanted(limit=3, after=first.next))

    assert [row.version for row in (*first.rows, *second.rows)] == [5, 4, 3, 2, 1]
    assert second.next is None


# --- environments ------------------------------------------------------------------------------------


async def test_environment_is_kept_changed_and_deleted(catalog: Catalog) -> None:
    row = environment("env_1")
    assert await catalog.create_environment(row) == row

    def rename(row: EnvironmentRow) -> EnvironmentRow:
        return EnvironmentRow(
            id=row.id,
            workspace=row.workspace,
            created_at=row.created_at,
            updated_at=START + timedelta(days=1),
            body={**row.body, "name": "other"},
        )

    changed = await catalog.change_environment(HERE, "env_1", rename)
    assert changed.body["name"] == "other"
    assert await catalog.environment(HERE, "env_1") == changed

    await catalog.delete_environment(HERE, "env_1", lambda row, sessions: None)
    with pytest.raises(NotFound, match="no environment 'env_1'"):
        await catalog.environment(HERE, "env_1")


async def test_environment_stays_if_its_sessions_forbid_that_it_is_deleted(catalog: Catalog) -> None:
    row = await catalog.create_environment(environment("env_1"))
    counts = []

    def check(row: EnvironmentRow, sessions: int) -> None:
        counts.append(sessions)
        raise BadInput("it is in use")

    with pytest.raises(BadInput, match="in use"):
        await catalog.delete_environment(HERE, "env_1", check)
    assert counts == [0]
    assert await catalog.environment(HERE, "env_1") == row


async def test_sessions_that_refer_to_an_environment_are_counted(tmp_path: Path) -> None:
    catalog = SqliteCatalog.open(tmp_path)
    store = SqliteStore.open(tmp_path, TickingClock(), unique)
    await catalog.create_environment(environment("env_1"))
    await catalog.create_environment(environment("env_1", workspace=THERE))
    for number, (workspace, used) in enumerate([(HERE, "env_1"), (HERE, "env_1"), (HERE, ""), (THERE, "env_1")]):
        await store.create(replace(new_session(f"sesn_{number}"), workspace=workspace, environment=used))
    counts = []

    await catalog.delete_environment(HERE, "env_1", lambda row, sessions: counts.append(sessions))

    assert counts == [2]
    await store.close()
    await catalog.close()


async def test_environments_are_listed_newest_first_a_page_at_a_time(catalog: Catalog) -> None:
    for number in range(3):
        await catalog.create_environment(environment(f"env_{number}"))

    first = await catalog.environments(HERE, Wanted(limit=2))
    await catalog.create_environment(environment("env_3"))
    second = await catalog.environments(HERE, Wanted(limit=2, after=first.next))

    assert [ids(first), ids(second)] == [["env_2", "env_1"], ["env_0"]]


async def test_other_workspaces_see_no_environment(catalog: Catalog) -> None:
    await catalog.create_environment(environment("env_1"))

    for attempt in (
        catalog.environment(THERE, "env_1"),
        catalog.change_environment(THERE, "env_1", lambda row: row),
        catalog.delete_environment(THERE, "env_1", lambda row, sessions: None),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert ids(await catalog.environments(THERE, Wanted(limit=10))) == []


# --- once --------------------------------------------------------------------------------------------


async def test_request_that_is_sent_again_makes_nothing_again(catalog: Catalog) -> None:
    receipt = Receipt(workspace=HERE, key="k", fingerprint="f")

    rows = await asyncio.gather(*[put(catalog, agent(f"agent_{number}"), receipt) for number in range(10)])

    assert len({row.id for row in rows}) == 1
    assert ids(await catalog.agents(HERE, Wanted(limit=20))) == [rows[0].id]


async def test_key_of_a_request_fits_no_other_request(catalog: Catalog) -> None:
    await put(catalog, agent("agent_1"), Receipt(workspace=HERE, key="k", fingerprint="f"))

    with pytest.raises(Conflict):
        await put(catalog, agent("agent_2"), Receipt(workspace=HERE, key="k", fingerprint="g"))
    assert ids(await catalog.agents(HERE, Wanted(limit=20))) == ["agent_1"]


async def test_keys_of_requests_are_the_workspaces_own(catalog: Catalog) -> None:
    await put(catalog, agent("agent_1"), Receipt(workspace=HERE, key="k", fingerprint="f"))
    await put(catalog, agent("agent_2", THERE), Receipt(workspace=THERE, key="k", fingerprint="g"))

    assert ids(await catalog.agents(THERE, Wanted(limit=20))) == ["agent_2"]


async def test_environment_is_made_once_for_a_request(catalog: Catalog) -> None:
    receipt = Receipt(workspace=HERE, key="k", fingerprint="f")

    first = await catalog.create_environment(environment("env_1"), receipt)

    assert await catalog.create_environment(environment("env_2"), receipt) == first
