"""Lists of events: by kind and time, a page at a time, a snapshot whatever happens between its pages."""

import asyncio

import pytest

from podium import ModelRequest
from tests.api.calls import Calls, kinds, of, ok, words
from tests.api.server import Serve


async def test_events_are_listed_by_kind_and_time(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        for text in ("one", "two", "three"):
            await calls.turn(id, text)

        found = await calls.listed(id, "types[]=user.message&types[]=agent.message&limit=2")
        second = of(found, "user.message")[1]["processed_at"]

        assert kinds(found) == ["user.message", "agent.message"] * 3
        messages = "types=user.message"
        assert [words(it) for it in await calls.listed(id, f"{messages}&created_at[gt]={second}")] == ["three"]
        assert [words(it) for it in await calls.listed(id, f"{messages}&created_at[lte]={second}")] == ["one", "two"]
        assert [words(it) for it in await calls.listed(id, f"{messages}&order=desc")] == ["three", "two", "one"]
        assert await calls.listed(id, "types[]=agent.mcp_tool_use") == []
        path = f"/v1/sessions/{id}/events"
        assert (await server.get(f"{path}?limit=1001")).error.startswith("limit: ")
        assert (await server.get(f"{path}?order=up")).status == 400


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("types[]=agent.mesage", "types: unknown kind of event 'agent.mesage', did you mean 'agent.message'?"),
        ("types=user.message&types=running", "types: unknown kind of event 'running'"),
        ("limit=1&limit=2", "limit: may be given once, not 2 times"),
        ("order=asc&order=desc", "order: may be given once, not 2 times"),
    ],
)
async def test_what_no_list_can_mean_is_refused(served: Serve, query: str, said: str) -> None:
    async with served() as server:
        id = (await Calls(server).session())["id"]

        refused = await server.get(f"/v1/sessions/{id}/events?{query}")

        assert refused.status == 400
        assert refused.error.startswith(said)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_list_is_a_snapshot_whatever_happens_between_its_pages(served: Serve, order: str) -> None:
    gate = asyncio.Event()

    async def script(request: ModelRequest) -> str:
        if len(request.messages) > 1:
            await gate.wait()
        return "ok"

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        await calls.turn(id, "one")
        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await calls.send(id, "two"))
            await stream.until_kind("span.model_request_start")
            ok(await calls.send(id, "three", "four"))
            whole = await calls.listed(id, f"order={order}")
            assert {words(event) for event in (whole[-2:] if order == "asc" else whole[:2])} == {"three", "four"}

            seen, page = [], ""
            while True:
                got = ok(await server.get(f"/v1/sessions/{id}/events?order={order}&limit=3{page}"))
                seen += got["data"]
                if not gate.is_set():  # what waited is taken, and much more is written
                    gate.set()
                    await stream.until_idle()
                if got["next_page"] is None:
                    break
                page = f"&page={got['next_page']}"

        assert seen == whole
        now = await calls.listed(id, f"order={order}")
        assert [event["id"] for event in now].count(seen[-1]["id"]) == 1


async def test_a_cursor_is_of_one_list_alone(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        one, other = (await calls.session())["id"], (await calls.session())["id"]
        await calls.turn(one, "hello")
        page = ok(await server.get(f"/v1/sessions/{one}/events?limit=2"))["next_page"]

        for path in (f"{one}/events?order=desc&page={page}", f"{other}/events?page={page}", f"{one}/events?page=x"):
            refused = await server.get(f"/v1/sessions/{path}")
            assert (refused.status, refused.error.split(":")[0]) == (400, "page")
