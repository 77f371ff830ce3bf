"""Sessions over HTTP: what is answered fits the SDK's types exactly, and what cannot be is refused by its name."""

import asyncio
from typing import Any

import pytest
from anthropic.types.beta import BetaManagedAgentsDeletedSession, BetaManagedAgentsSession

from podium import ModelRequest
from tests.api.calls import CUSTOM, TOOLSET, Calls, kinds, ok, only, told, words
from tests.api.server import Serve


async def test_a_session_is_idle_until_it_is_told_something(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)

        session = await calls.session(title="first", metadata={"a": "1"})

        assert (session["status"], session["title"], session["metadata"]) == ("idle", "first", {"a": "1"})
        assert (session["environment_id"], session["vault_ids"]) == (await calls.environment(), [])
        assert await calls.get(session["id"]) | {"stats": None} == session | {"stats": None}
        assert await calls.listed(session["id"]) == []


async def test_a_session_with_first_events_runs_at_once(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)

        session = await calls.session(initial_events=[told("one"), told("two")])

        assert session["status"] in ("running", "idle")
        assert session["title"] is None
        async with calls.stream(f"{session['id']}/events/stream") as stream:
            events = await stream.until_idle()
        messages = [words(event) for event in events if event["type"] == "user.message"]
        assert messages == ["one", "two", "one", "two"], "queued, and taken together"


async def test_one_wrong_first_event_leaves_no_session(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        agent = await calls.agent()
        interrupt = {"type": "user.interrupt"}

        refused = await calls.post_session(agent=agent["id"], initial_events=[told("fine"), interrupt])

        assert (refused.status, refused.error.split(":")[0]) == (400, "initial_events[1].type")
        too_many = await calls.post_session(agent=agent["id"], initial_events=[told("x")] * 51)
        assert (too_many.status, too_many.error.split(":")[0]) == (400, "initial_events")
        assert ok(await server.get("/v1/sessions"))["data"] == []


@pytest.mark.difference("session-parts-later")
@pytest.mark.parametrize(
    ("sent", "place"),
    [
        ({"agent": None}, "agent"),
        ({"agent": "agent_none"}, "agent"),
        ({"environment_id": None}, "environment_id"),
        ({"environment_id": "env_none"}, "environment_id"),
        ({"titel": "x"}, "titel"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"vault_ids": ["vlt_1"]}, "vault_ids"),
        ({"resources": [{"type": "file", "file_id": "file_1"}]}, "resources"),
        (
            {"budget": {"type": "limit", "max_list_cost": {"amount": "-1", "currency": "USD"}}},
            "budget.max_list_cost.amount",
        ),
        (
            {"budget": {"type": "limit", "max_list_cost": {"amount": 5, "currency": "USD"}}},
            "budget.max_list_cost.amount",
        ),
        ({"initial_events": [{"type": "user.define_outcome", "description": "d"}]}, "initial_events[0].type"),
        ({"initial_events": [{"type": "user.message", "content": []}]}, "initial_events[0].content"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_name(served: Serve, sent: dict[str, Any], place: str) -> None:
    async with served() as server:
        calls = Calls(server)
        agent = await calls.agent()

        refused = await calls.post_session(**{"agent": agent["id"], **sent})

        assert refused.status in (400, 404)
        assert refused.error.startswith(f"{place}: ")


async def test_what_is_empty_says_nothing(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)

        session = await calls.session(resources=[], vault_ids=[], initial_events=[], title=None, budget=None)

        assert session["status"] == "idle"


async def test_an_environment_that_is_archived_takes_no_sessions(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        agent = await calls.agent()
        ok(await server.post(f"/v1/environments/{await calls.environment()}/archive"))

        refused = await calls.post_session(agent=agent["id"])

        assert (refused.status, refused.json["error"]["details"]) == (400, {"error_code": "environment_archived"})


async def test_overrides_are_shown_under_the_agents_own_name(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        agent = await calls.agent(system="You read.", tools=[TOOLSET], description="Reads.")
        over = {"type": "agent_with_overrides", "id": agent["id"], "system": "You write.", "tools": [CUSTOM]}

        shown = (await calls.session(over))["agent"]

        assert (shown["id"], shown["version"], shown["description"]) == (agent["id"], 1, "Reads.")
        assert (shown["system"], [tool["type"] for tool in shown["tools"]]) == ("You write.", ["custom"])


async def test_a_team_is_shown_whole(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        reader = await calls.agent("reader", system="You read.")
        roster = [reader["id"], {"type": "self"}]
        old = await calls.agent("lead", multiagent={"type": "coordinator", "agents": roster})
        new = await calls.agent(
            "lead",
            multiagent={
                "type": "multiagent_20261001",
                "subagents": {"type": "enabled", "predefined_agents": roster},
                "workflows": {"type": "disabled"},
            },
        )

        coordinator = (await calls.session(old))["agent"]["multiagent"]
        today = (await calls.session(new))["agent"]["multiagent"]

        assert [agent["name"] for agent in coordinator["agents"]] == ["reader", "lead"]
        assert coordinator["agents"][0]["system"] == "You read."
        assert "multiagent" not in coordinator["agents"][1]
        assert [agent["name"] for agent in today["subagents"]["predefined_agents"]] == ["reader", "lead"]


async def test_a_session_keeps_the_version_it_began_with(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        agent = await calls.agent(system="one")
        first = await calls.session(agent)
        ok(await server.post(f"/v1/agents/{agent['id']}", {"system": "two"}))

        second = await calls.session(agent)
        pinned = await calls.session({"type": "agent", "id": agent["id"], "version": 1})

        assert [it["agent"]["system"] for it in (first, second, pinned)] == ["one", "two", "one"]
        assert (await calls.get(first["id"]))["agent"]["system"] == "one"


# --- updates -----------------------------------------------------------------------------------------


async def test_an_update_changes_what_it_names_and_tells_it(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session(title="first", metadata={"a": "1", "b": "2"}))["id"]
        path = f"/v1/sessions/{id}"

        async with calls.stream(f"{id}/events/stream") as stream:
            changed = ok(await server.post(path, {"metadata": {"a": None, "c": "3"}}), BetaManagedAgentsSession)
            [event] = await stream.until_kind("session.updated")

        assert (changed["title"], changed["metadata"]) == ("first", {"b": "2", "c": "3"})
        assert event["metadata"] == {"b": "2", "c": "3"}
        assert not {"title", "budget", "agent"} & event.keys(), "what was not changed is absent"
        assert ok(await server.post(path, {"title": "second"}))["title"] == "second"
        assert ok(await server.post(path, {"title": None}))["title"] is None
        assert (await calls.listed(id))[-1]["title"] is None
        assert ok(await server.post(path, {"metadata": {"c": ""}}))["metadata"] == {"b": "2", "c": ""}
        before = await calls.listed(id)
        ok(await server.post(path, {"metadata": {"b": "2"}}))
        assert await calls.listed(id) == before, "nothing changed, and nothing is told"
        refused = await server.post(path, {"metadata": {str(n): "x" for n in range(17)}})
        assert (refused.status, refused.error.split(":")[0]) == (400, "metadata")
        assert (await server.post(path, {"vault_ids": ["vlt_1"]})).error.startswith("vault_ids: ")
        assert (await server.post(path, {"agent": {"name": "other"}})).error.startswith("agent.name: ")


async def test_an_agent_gets_other_tools_for_one_session(served: Serve) -> None:
    offered: list[list[str]] = []

    def script(request: ModelRequest) -> str:
        offered.append([tool.name for tool in request.tools])
        return "ok"

    async with served(script) as server:
        calls = Calls(server)
        agent = await calls.agent(tools=[TOOLSET])
        id = (await calls.session(agent))["id"]
        await calls.turn(id, "one")

        changed = ok(await server.post(f"/v1/sessions/{id}", {"agent": {"tools": [CUSTOM]}}), BetaManagedAgentsSession)
        await calls.turn(id, "two")

        assert [tool["type"] for tool in changed["agent"]["tools"]] == ["custom"]
        assert (await calls.get(id))["agent"] == changed["agent"]
        assert ok(await server.get("/v1/sessions"))["data"][0]["agent"] == changed["agent"]
        assert ("bash" in offered[0], offered[1]) == (True, ["lookup"])
        event = only(await calls.listed(id), "session.updated")
        assert event["agent"] == changed["agent"]
        kept = ok(await server.get(f"/v1/agents/{agent['id']}"))
        assert kept["tools"][0]["type"] == TOOLSET["type"], "the agent itself is as it was"


# --- the end -----------------------------------------------------------------------------------------


async def test_an_archived_session_is_read_and_takes_nothing(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        await calls.turn(id, "one")

        archived = ok(await server.post(f"/v1/sessions/{id}/archive"), BetaManagedAgentsSession)

        assert (archived["status"], archived["archived_at"]) == ("terminated", archived["updated_at"])
        assert kinds(await calls.listed(id))[-2:] == ["session.thread_status_terminated", "session.status_terminated"]
        assert (await calls.send(id, "more")).status == 400
        assert (await server.post(f"/v1/sessions/{id}", {"title": "x"})).status == 400
        again = ok(await server.post(f"/v1/sessions/{id}/archive"))
        assert again == archived, "once and for all"
        assert ok(await server.delete(f"/v1/sessions/{id}"))["type"] == "session_deleted"


async def test_a_deleted_session_is_there_for_nobody(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]

        async with calls.stream(f"{id}/events/stream") as stream:
            deleted = ok(await server.delete(f"/v1/sessions/{id}"), BetaManagedAgentsDeletedSession)
            assert kinds(await stream.rest()) == ["session.deleted"]

        assert deleted == {"id": id, "type": "session_deleted"}
        assert await calls.ids("include_archived=true") == []
        for path in ("", "/events", "/events/stream", "/threads"):
            assert (await server.get(f"/v1/sessions/{id}{path}")).error_type == "not_found_error"
        assert (await server.delete(f"/v1/sessions/{id}")).status == 404
        assert (await calls.send(id, "more")).status == 404


async def test_a_running_session_is_neither_archived_nor_deleted(served: Serve) -> None:
    gate = asyncio.Event()

    async def script(request: ModelRequest) -> str:
        await gate.wait()
        return "ok"

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await calls.send(id, "one"))
            await stream.until_kind("span.model_request_start")

            assert (await server.post(f"/v1/sessions/{id}/archive")).status == 400
            assert (await server.delete(f"/v1/sessions/{id}")).status == 400
            assert (await server.post(f"/v1/sessions/{id}", {"agent": {"tools": [CUSTOM]}})).status == 400
            assert ok(await server.post(f"/v1/sessions/{id}", {"title": "still"}))["title"] == "still"
            gate.set()
            await stream.until_idle()
        assert ok(await server.post(f"/v1/sessions/{id}/archive"))["status"] == "terminated"


# --- once --------------------------------------------------------------------------------------------


async def test_of_many_equal_requests_under_one_key_one_makes_a_session(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        body = {
            "agent": (await calls.agent())["id"],
            "environment_id": await calls.environment(),
            "initial_events": [told("one")],
        }
        once = {"idempotency-key": "k1"}

        made = await asyncio.gather(*(server.post("/v1/sessions", body, headers=once) for _ in range(8)))

        assert len({ok(answer)["id"] for answer in made}) == 1
        assert len(await calls.ids()) == 1
        other = await server.post("/v1/sessions", {**body, "title": "x"}, headers=once)
        assert (other.status, other.error.split(":")[0]) == (400, "Idempotency-Key")


async def test_a_session_needs_a_key_of_its_workspace(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        session = await calls.session()
        stranger = await server.make_key(workspace="elsewhere")

        assert (await server.get(f"/v1/sessions/{session['id']}", key=stranger)).status == 404
        assert ok(await server.get("/v1/sessions", key=stranger))["data"] == []


async def test_an_update_is_done_once_under_one_key(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        path, once = f"/v1/sessions/{id}", {"idempotency-key": "k1"}
        ok(await server.post(path, {"title": "one"}, headers=once))
        ok(await server.post(path, {"title": "two"}))

        again = ok(await server.post(path, {"title": "one"}, headers=once))

        assert again["title"] == "two"
        assert kinds(await calls.listed(id)) == ["session.updated"] * 2
        other = await server.post(path, {"title": "three"}, headers=once)
        assert (other.status, other.error.split(":")[0]) == (400, "Idempotency-Key")
