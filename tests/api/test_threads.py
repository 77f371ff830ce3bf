"""Threads over HTTP: listed, shown, archived, and each with its own events."""

import asyncio
from typing import Any

import pytest
from anthropic.types.beta.sessions import BetaManagedAgentsSessionThread

from podium import ModelRequest, TextBlock, call, say
from podium.errors import ModelFailed
from tests.api.calls import CUSTOM, TOOLSET, Calls, kinds, of, ok, only, told, words
from tests.api.server import Serve


def is_told(request: ModelRequest) -> bool:
    """Whether the newest thing is a message, and no result."""
    return isinstance(request.messages[-1].content[0], TextBlock)


def delegates(request: ModelRequest) -> Any:
    """The lead has the reader look, and says so; the reader finds it."""
    if request.agent == "reader":
        return "found it"
    return call("reader", task="look") if is_told(request) else "all done"


async def test_a_delegation_is_seen_from_both_sides(served: Serve) -> None:
    async with served(delegates) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.team()))["id"]

        events = await calls.turn(id, "go")

        primary, child = await calls.threads(id)
        assert (primary["parent_thread_id"], child["parent_thread_id"]) == (None, primary["id"])
        assert (child["agent"]["name"], child["agent"]["type"], child["status"]) == ("reader", "agent", "idle")
        assert "multiagent" not in primary["agent"]
        created = only(events, "session.thread_created")
        assert (created["agent_name"], created["workflow_run_id"]) == ("reader", None)
        sent, received = only(events, "agent.thread_message_sent"), only(events, "agent.thread_message_received")
        assert (created["session_thread_id"], sent["to_session_thread_id"]) == (child["id"], child["id"])
        assert (received["from_session_thread_id"], "found it" in words(received)) == (child["id"], True)
        assert words(only(events, "agent.message")) == "all done"
        assert not of(events, "agent.tool_use"), "a delegation is no call of a tool"
        statuses = [event["session_thread_id"] for event in events if "thread_status" in event["type"]]
        assert (statuses[0], set(statuses)) == (primary["id"], {primary["id"], child["id"]})

        own = await calls.listed(f"{id}/threads/{child['id']}")
        assert words(only(own, "agent.message")) == "found it"
        assert words(own[kinds(own).index("agent.thread_message_received")]).startswith("look")
        assert not {"session.status_idle", "session.usage", "session.thread_created"} & set(kinds(own))
        assert await calls.listed(f"{id}/threads/{child['id']}", "limit=2") == own
        assert await calls.listed(f"{id}/threads/{primary['id']}") == await calls.listed(id)


async def test_what_a_thread_has_used_is_known_from_its_first_idle_on(served: Serve) -> None:
    gate = asyncio.Event()

    async def script(request: ModelRequest) -> Any:
        if request.agent == "reader":
            await gate.wait()
        return delegates(request)

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.team()))["id"]
        [fresh] = await calls.threads(id)
        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await calls.send(id, "go"))
            await stream.until_kind("session.thread_created")
            _, working = await calls.threads(id)
            gate.set()
            await stream.until_idle()

        primary, child = await calls.threads(id)
        whole = (await calls.get(id))["usage"]
        assert (fresh["stats"], fresh["usage"], fresh["status"]) == (None, None, "idle")
        assert (working["usage"], working["status"]) == (None, "running")
        assert primary["usage"]["output_tokens"] + child["usage"]["output_tokens"] == whole["output_tokens"]
        assert child["stats"]["startup_seconds"] == 0
        assert child["stats"]["duration_seconds"] >= child["stats"]["active_seconds"] > 0


async def test_threads_are_listed_in_pages_and_by_status(served: Serve) -> None:
    def script(request: ModelRequest) -> Any:
        if request.agent == "reader":
            return "found it"
        return [call("reader", task=str(n)) for n in range(4)] if is_told(request) else "all done"

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.team()))["id"]
        await calls.turn(id, "go")
        every = [thread["id"] for thread in await calls.threads(id)]
        path = f"/v1/sessions/{id}/threads"

        first = ok(await server.get(f"{path}?limit=2"))
        second = ok(await server.get(f"{path}?limit=3&page={first['next_page']}"))

        assert [thread["id"] for thread in first["data"] + second["data"]] == every
        assert (len(every), second["next_page"]) == (5, None)
        assert ok(await server.get(f"{path}?statuses=running"))["data"] == []
        assert len(ok(await server.get(f"{path}?statuses[]=running&statuses[]=idle"))["data"]) == 5
        assert (await server.get(f"{path}?statuses[]=lost")).status == 400
        assert (await server.get(f"{path}?page=x")).error.startswith("page: ")
        one = ok(await server.get(f"{path}/{every[2]}"), BetaManagedAgentsSessionThread)
        assert one["id"] == every[2]


@pytest.mark.difference("twenty-sixth-child")
async def test_the_twenty_sixth_child_makes_the_one_that_was_idle_longest_give_way(served: Serve) -> None:
    def script(request: ModelRequest) -> Any:
        if request.agent == "reader":
            return "found it"
        if not is_told(request):
            return "all done"
        return [call("reader", task=str(n)) for n in range(25 if "go" in str(request.messages[-1]) else 1)]

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.team()))["id"]
        await calls.turn(id, "go")
        first = await calls.threads(id)
        idle = [event["session_thread_id"] for event in of(await calls.listed(id), "session.thread_status_idle")]

        events = await calls.turn(id, "once more")

        threads = await calls.threads(id)
        assert (len(first), len(threads)) == (26, 27), "the primary and its children"
        [gone] = [thread for thread in threads if thread["status"] == "terminated"]
        children = [thread["id"] for thread in first if thread["parent_thread_id"] is not None]
        assert gone["id"] == next(thread for thread in idle if thread in children)
        assert gone["archived_at"] is not None
        assert only(events, "session.thread_status_terminated")["session_thread_id"] == gone["id"]
        assert words(of(events, "agent.message")[-1]) == "all done"


async def test_a_thread_is_of_one_session_alone(served: Serve) -> None:
    async with served(delegates) as server:
        calls = Calls(server)
        team = await calls.team()
        one, other = (await calls.session(team))["id"], (await calls.session(team))["id"]
        await calls.turn(one, "go")
        child = await calls.child(one)

        for path in ("", "/events", "/stream"):
            assert (await server.get(f"/v1/sessions/{other}/threads/{child['id']}{path}")).status == 404
        assert (await server.post(f"/v1/sessions/{other}/threads/{child['id']}/archive")).status == 404


async def test_a_childs_stream_is_its_own(served: Serve) -> None:
    gate = asyncio.Event()

    async def script(request: ModelRequest) -> Any:
        if request.agent == "reader":
            await gate.wait()
        return delegates(request)

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.team()))["id"]
        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await calls.send(id, "go"))
            child = (await stream.until_kind("session.thread_created"))[-1]["session_thread_id"]
            async with calls.stream(f"{id}/threads/{child}/stream") as own:
                gate.set()
                seen = await own.until_kind("session.thread_status_idle")
            await stream.until_idle()

        assert words(only(seen, "agent.message")) == "found it"
        assert {event["session_thread_id"] for event in of(seen, "session.thread_status_idle")} == {child}
        assert seen == (await calls.listed(f"{id}/threads/{child}"))[-len(seen) :]


# --- archive -----------------------------------------------------------------------------------------


async def test_an_idle_thread_is_archived_and_makes_room(served: Serve) -> None:
    async with served(delegates) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.team()))["id"]
        await calls.turn(id, "go")
        primary, child = await calls.threads(id)
        path = f"/v1/sessions/{id}/threads"

        async with calls.stream(f"{id}/threads/{child['id']}/stream") as own:
            archived = ok(await server.post(f"{path}/{child['id']}/archive"), BetaManagedAgentsSessionThread)
            assert kinds(await own.rest()) == ["session.thread_status_terminated"]

        assert (archived["status"], archived["archived_at"]) == ("terminated", archived["updated_at"])
        assert kinds(await calls.listed(id))[-1] == "session.thread_status_terminated"
        listed = ok(await server.get(f"{path}?statuses[]=terminated"))["data"]
        assert [thread["id"] for thread in listed] == [child["id"]]
        assert ok(await server.post(f"{path}/{child['id']}/archive")) == archived, "once and for all"
        refused = await server.post(f"{path}/{primary['id']}/archive")
        assert (refused.status, refused.error_type) == (400, "invalid_request_error")
        interrupt = {"type": "user.interrupt", "session_thread_id": child["id"]}
        assert (await calls.send(id, interrupt)).error.startswith("events[0].session_thread_id: ")


async def test_a_working_thread_is_not_archived(served: Serve) -> None:
    gate = asyncio.Event()

    async def script(request: ModelRequest) -> Any:
        if request.agent == "reader":
            await gate.wait()
        return delegates(request)

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.team()))["id"]
        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await calls.send(id, "go"))
            child = (await stream.until_kind("session.thread_created"))[-1]["session_thread_id"]

            refused = await server.post(f"/v1/sessions/{id}/threads/{child}/archive")
            gate.set()
            await stream.until_idle()

        assert (refused.status, refused.error_type) == (400, "invalid_request_error")
        assert (await calls.child(id))["status"] == "idle"


async def test_an_idle_thread_of_a_session_that_works_is_archived_by_its_driver(served: Serve) -> None:
    gate, has_report = asyncio.Event(), asyncio.Event()

    async def script(request: ModelRequest) -> Any:
        if request.agent == "lead" and not is_told(request):
            has_report.set()
            await gate.wait()
        return delegates(request)

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.team()))["id"]
        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await calls.send(id, "go"))
            await has_report.wait()
            child = await calls.child(id)

            archived = ok(await server.post(f"/v1/sessions/{id}/threads/{child['id']}/archive"))
            working = await calls.get(id)
            gate.set()
            events = await stream.until_idle()

        assert (archived["status"], working["status"]) == ("terminated", "running")
        assert only(events, "session.thread_status_terminated")["session_thread_id"] == child["id"]
        assert events[-1]["stop_reason"] == {"type": "end_turn"}


async def test_a_thread_that_waits_for_the_client_counts_as_idle(served: Serve) -> None:
    def script(request: ModelRequest) -> Any:
        if request.agent == "lead":
            return delegates(request)
        return call("lookup", id="7") if is_told(request) else "found it"

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.team(tools=[CUSTOM])))["id"]
        events = await calls.turn(id, "go")
        assert events[-1]["stop_reason"]["type"] == "requires_action"
        child = await calls.child(id)
        assert child["status"] == "idle"

        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await server.post(f"/v1/sessions/{id}/threads/{child['id']}/archive"))
            after = await stream.until_idle()

        assert after[-1]["stop_reason"] == {"type": "end_turn"}, "the coordinator was told, and went on"
        assert words(only(after, "agent.message")) == "all done"


# --- one of many -------------------------------------------------------------------------------------


async def test_one_thread_is_stopped_alone(served: Serve) -> None:
    async def script(request: ModelRequest) -> Any:
        if request.agent == "reader":
            await asyncio.Event().wait()
        return delegates(request)

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.team()))["id"]
        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await calls.send(id, "go"))
            child = (await stream.until_kind("session.thread_created"))[-1]["session_thread_id"]
            async with calls.stream(f"{id}/threads/{child}/stream", {"last-event-id": "0"}) as own:
                await own.until_kind("span.model_request_start")
                ok(await calls.send(id, {"type": "user.interrupt", "session_thread_id": child}))
                stopped = (await own.until_kind("session.thread_status_idle"))[-1]
            events = await stream.until_idle()

        assert stopped["stop_reason"] == {"type": "end_turn"}
        assert not of(events, "agent.thread_message_received"), "no report goes to the coordinator"
        assert words(only(events, "agent.message")) == "all done"


@pytest.mark.parametrize("generation", ["coordinator", "multiagent_20261001"])
async def test_an_agent_that_delegates_to_itself_is_a_thread_like_others(served: Serve, generation: str) -> None:
    def script(request: ModelRequest) -> Any:
        if "look" in str(request.messages[0].content):
            return say("found it")
        return call("solo", task="look") if is_told(request) else "all done"

    roster = [{"type": "self"}]
    old = {"type": "coordinator", "agents": roster}
    new = {"type": "multiagent_20261001", "subagents": {"type": "enabled", "predefined_agents": roster}}
    async with served(script) as server:
        calls = Calls(server)
        agent = await calls.agent("solo", multiagent=old if generation == "coordinator" else new)
        id = (await calls.session(agent, initial_events=[told("go")]))["id"]
        async with calls.stream(f"{id}/events/stream") as stream:
            events = await stream.until_idle()

        primary, child = await calls.threads(id)
        assert child["agent"] == primary["agent"]
        assert words(of(events, "agent.message")[-1]) == "all done"


async def test_an_agent_that_was_defined_on_the_way_has_neither_id_nor_version(served: Serve) -> None:
    def script(request: ModelRequest) -> Any:
        if request.agent == "scout":
            return "found it"
        scout = call("create_agent", name="scout", system="You scout.", task="look", tools=["bash"])
        return scout if is_told(request) else "all done"

    inline = {"type": "enabled", "inline_agents": {"type": "enabled"}, "predefined_agents": []}
    async with served(script) as server:
        calls = Calls(server)
        multiagent = {"type": "multiagent_20261001", "subagents": inline}
        agent = await calls.agent("lead", tools=[TOOLSET], multiagent=multiagent)
        id = (await calls.session(agent))["id"]

        events = await calls.turn(id, "go")

        shown = (await calls.child(id))["agent"]
        assert (shown["type"], shown["name"], shown["system"]) == ("inline", "scout", "You scout.")
        assert not {"id", "version"} & shown.keys()
        assert shown["model"] == agent["model"]
        assert only(events, "session.thread_created")["agent_name"] == "scout"


@pytest.mark.difference("messages-beside-waiting-threads")
async def test_a_message_reaches_the_primary_while_only_another_thread_waits(served: Serve) -> None:
    def script(request: ModelRequest) -> Any:
        if request.agent == "reader":
            return call("lookup", id="7") if is_told(request) else "found it"
        return call("reader", task="look") if len(request.messages) == 1 else "I am here"

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.team(tools=[CUSTOM])))["id"]
        await calls.turn(id, "go")

        events = await calls.turn(id, "are you there?")

        assert words(only(events, "agent.message")) == "I am here"
        assert events[-1]["stop_reason"]["type"] == "requires_action"


async def test_a_thread_that_fails_is_over_and_its_coordinator_is_told(served: Serve) -> None:
    def script(request: ModelRequest) -> Any:
        if request.agent == "reader":
            raise ModelFailed("as it was told", kind="failed")
        return delegates(request)

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.team()))["id"]

        events = await calls.turn(id, "go")

        child = await calls.child(id)
        assert child["status"] == "terminated"
        assert only(events, "session.thread_status_terminated")["session_thread_id"] == child["id"]
        assert words(only(events, "agent.message")) == "all done"
        own = kinds(await calls.listed(f"{id}/threads/{child['id']}"))
        assert own[-1] == "session.thread_status_terminated"
        assert not {"session.error", "session.status_idle"} & set(own)


async def test_children_work_on_while_one_of_them_waits_for_the_client(served: Serve) -> None:
    gate = asyncio.Event()

    async def script(request: ModelRequest) -> Any:
        if request.agent == "lead":
            both = [call("reader", task="ask"), call("reader", task="look")]
            return both if is_told(request) else "all done"
        if "ask" in str(request.messages[0].content):
            return call("lookup", id="7") if is_told(request) else "Ann"
        await gate.wait()
        return "found it"

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.team(tools=[CUSTOM])))["id"]
        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await calls.send(id, "go"))
            use = (await stream.until_kind("agent.custom_tool_use"))[-1]
            waits = (await stream.until_kind("session.thread_status_idle"))[-1]
            assert (waits["session_thread_id"], waits["stop_reason"]["event_ids"]) == (
                use["session_thread_id"],
                [use["id"]],
            )
            assert (await calls.get(id))["status"] == "running", "the other one works"
            gate.set()
            idle = (await stream.until_idle())[-1]
            assert idle["stop_reason"] == {"type": "requires_action", "event_ids": [use["id"]]}

            given = {"type": "user.custom_tool_result", "custom_tool_use_id": use["id"], "content": []}
            ok(await calls.send(id, given))
            events = await stream.until_idle()

        assert of(events, "user.custom_tool_result")[0]["session_thread_id"] == use["session_thread_id"]
        assert words(only(events, "agent.message")) == "all done"
