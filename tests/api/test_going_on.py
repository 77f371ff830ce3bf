"""A session that goes on in the server where it was left: what that costs, and that nothing is passed over."""

import asyncio
from typing import Any

import pytest

from podium import Podium
from podium.core.content import text
from podium.core.inputs import Instruct
from podium.store.sqlite import SqliteStore
from podium.store.sqlite_writer import Writer
from tests.api.calls import Calls, kinds, ok
from tests.api.server import Serve


async def test_a_turn_that_goes_on_is_three_commits_and_no_read(served: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, commits = list[Any](), list[Any]()
    read, commit = SqliteStore._read, Writer.commit

    async def reading(store: SqliteStore, job: Any) -> Any:
        reads.append(job)
        return await read(store, job)

    def committing(writer: Writer, works: Any) -> Any:
        commits.append(works)
        return commit(writer, works)

    monkeypatch.setattr(SqliteStore, "_read", reading)
    monkeypatch.setattr(Writer, "commit", committing)
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        costs = []
        async with calls.stream(f"{id}/events/stream") as stream:
            for number in range(10):  # now and then the server looks about for other reasons
                reads.clear()
                commits.clear()
                ok(await calls.send(id, str(number)))
                assert kinds(await stream.until_idle())[-1] == "session.status_idle"
                costs.append((len(commits), len(reads)))

        assert min(costs) == (3, 0)


async def test_what_another_process_wrote_meanwhile_is_not_passed_over(served: Serve) -> None:
    async with served() as server, Podium(server.podium.folder) as other:
        calls = Calls(server)
        id = (await calls.session())["id"]
        await calls.turn(id, "one")
        [told] = await other.admit(id, Instruct(content=text("two")))

        await calls.turn(id, "three")

        processed = [event["id"] for event in await calls.listed(id) if event["processed_at"] is not None]
        assert told.id in processed


async def test_messages_at_once_are_all_taken_in_their_order(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        await calls.turn(id, "first")

        sent = await asyncio.gather(*(calls.send(id, str(number)) for number in range(30)))
        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await calls.send(id, "last"))
            while (await calls.get(id))["status"] != "idle":
                await stream.until_idle()

        ids = sorted(ok(each)["data"][0]["id"] for each in sent)
        listed = [event["id"] for event in await calls.listed(id) if event["type"] == "user.message"]
        assert listed[1:-1] == ids
        assert len(await server.podium.parts.store.inputs(id)) == 32


async def test_session_is_let_go_in_good_order_while_inputs_come(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        await calls.turn(id, "first")
        sending = asyncio.create_task(calls.send(id, "second"))
        await server.server.serving.close()
        await asyncio.wait([sending])

        ok(sending.result())
        async with asyncio.timeout(30):
            store = server.podium.parts.store
            while (row := await store.session(id)).owner is not None:
                await store.listed(id)
        assert row.facts.status in ("idle", "running")
