"""Events over HTTP: sent all or none, listed as a snapshot, in the order of processing."""

import asyncio
from typing import Any

from anthropic.types.beta.sessions import BetaManagedAgentsSendSessionEvents

from podium import ModelRequest, ToolResultBlock, call
from podium.core.content import SearchResultBlock
from podium.models.rehearsal import Block
from tests.api.calls import (
    ASKING,
    CUSTOM,
    TOOLSET,
    Calls,
    allowed,
    answered,
    calls_bash,
    kinds,
    of,
    ok,
    only,
    system,
    words,
)
from tests.api.server import Serve

CLOSED = "Tool execution was interrupted before completion. Please retry."


def looks_up(request: ModelRequest) -> str | Block:
    has_result = isinstance(request.messages[-1].content[0], ToolResultBlock)
    return "done" if has_result else call("lookup", id="7")


# --- turns -------------------------------------------------------------------------------------------


async def test_a_turn_is_streamed_and_listed_in_its_order(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        session = await calls.session()

        events = await calls.turn(session["id"], "hello")

        assert kinds(events) == [
            "user.message",
            "session.status_running",
            "session.thread_status_running",
            "user.message",
            "span.model_request_start",
            "agent.message",
            "span.model_request_end",
            "session.thread_status_idle",
            "session.usage",
            "session.status_idle",
        ]
        assert [event["processed_at"] is None for event in events[:4]] == [True, False, False, False]
        assert events[0]["id"] == events[3]["id"]
        assert words(only(events, "agent.message")) == "ok"
        assert (await calls.get(session["id"]))["status"] == "idle", "as soon as the stream says so"
        assert await calls.listed(session["id"]) == events[1:]
        assert await calls.listed(session["id"], "limit=2") == events[1:]
        assert await calls.listed(session["id"], "order=desc&limit=2") == events[:0:-1]


async def test_a_message_that_comes_while_it_works_is_queued(served: Serve) -> None:
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

            sent = ok(await calls.send(id, "two"), BetaManagedAgentsSendSessionEvents)["data"][0]
            listed = await calls.listed(id)
            gate.set()
            events = await stream.until_idle()

        assert sent["processed_at"] is None
        assert listed[-1] == sent, "what waits stands last"
        echoes = [event for event in events if event["id"] == sent["id"]]
        assert [event["processed_at"] is None for event in echoes] == [True, False]
        assert len(of(events, "agent.message")) == 2
        after = await calls.listed(id)
        assert [event["id"] for event in after].count(sent["id"]) == 1
        assert kinds(after).index("agent.message") < [event["id"] for event in after].index(sent["id"])


async def test_an_interrupt_ends_the_turn(served: Serve) -> None:
    asked: list[ModelRequest] = []

    async def script(request: ModelRequest) -> str:
        asked.append(request)
        if len(asked) == 1:
            await asyncio.Event().wait()
        return "ok"

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await calls.send(id, "one"))
            await stream.until_kind("span.model_request_start")
            ok(await calls.send(id, {"type": "user.interrupt"}))
            events = await stream.until_idle()

        assert events[-1]["stop_reason"] == {"type": "end_turn"}
        assert not of(events, "agent.message")
        assert words(only(await calls.turn(id, "two"), "agent.message")) == "ok"


async def test_an_interrupt_of_what_is_idle_stops_nothing(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        await calls.turn(id, "one")
        before = await calls.listed(id)

        [event] = ok(await calls.send(id, {"type": "user.interrupt"}))["data"]

        assert event["processed_at"] is not None
        assert await calls.listed(id) == [*before, event]
        unknown = await calls.send(id, {"type": "user.interrupt", "session_thread_id": "sthr_none"})
        assert (unknown.status, unknown.error.split(":")[0]) == (404, "events[0].session_thread_id")


# --- what waits for the client -----------------------------------------------------------------------


async def test_a_call_waits_until_it_is_allowed(served: Serve) -> None:
    async with served(calls_bash) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.agent(tools=[ASKING])))["id"]
        events = await calls.turn(id, "go")
        use = only(events, "agent.tool_use")
        assert (use["evaluated_permission"], events[-1]["stop_reason"]["event_ids"]) == ("ask", [use["id"]])
        assert (await calls.send(id, "are you there?")).status == 400

        after = await calls.turn(id, allowed(use["id"], session_thread_id=None))

        assert words(only(after, "agent.tool_result")).startswith("hi")
        assert after[-1]["stop_reason"] == {"type": "end_turn"}
        again = await calls.send(id, allowed(use["id"]))
        assert (again.status, again.error.split(":")[0]) == (409, "events[0].tool_use_id")


async def test_a_denied_call_tells_the_agent_why(served: Serve) -> None:
    async with served(calls_bash) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.agent(tools=[ASKING])))["id"]
        use = only(await calls.turn(id, "go"), "agent.tool_use")
        deny = {"type": "user.tool_confirmation", "tool_use_id": use["id"], "result": "deny", "deny_message": "no"}

        result = only(await calls.turn(id, deny), "agent.tool_result")

        assert result["is_error"]
        assert words(result).startswith("Permission to use bash has been denied")
        contradiction = await calls.send(id, {**deny, "result": "allow"})
        assert contradiction.error.startswith("events[0].deny_message: ")


async def test_open_calls_are_closed_by_an_interrupt(served: Serve) -> None:
    async with served(calls_bash) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.agent(tools=[ASKING])))["id"]
        use = only(await calls.turn(id, "go"), "agent.tool_use")

        events = await calls.turn(id, {"type": "user.interrupt"})

        result = only(events, "agent.tool_result")
        assert (result["tool_use_id"], result["is_error"], words(result)) == (use["id"], True, CLOSED)
        assert not of(events, "span.model_request_start"), "the model is not asked"


async def test_the_rest_waits_on_when_a_part_is_answered(served: Serve) -> None:
    def script(request: ModelRequest) -> Any:
        return "done" if len(request.messages) > 1 else [call("lookup", id="1"), call("lookup", id="2")]

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.agent(tools=[CUSTOM])))["id"]
        first, second = (event["id"] for event in of(await calls.turn(id, "go"), "agent.custom_tool_use"))

        again = await calls.turn(id, answered(first, {"type": "text", "text": "Ann"}))
        assert again[-1]["stop_reason"] == {"type": "requires_action", "event_ids": [second]}
        assert kinds(again)[-3:] == ["session.thread_status_idle", "session.usage", "session.status_idle"]

        last = await calls.turn(id, answered(second, {"type": "text", "text": "Bob"}))
        assert last[-1]["stop_reason"] == {"type": "end_turn"}


async def test_a_result_of_the_clients_tool_is_processed_as_it_comes(served: Serve) -> None:
    seen: list[ToolResultBlock] = []

    def script(request: ModelRequest) -> str | Block:
        said = looks_up(request)
        seen.extend(block for block in request.messages[-1].content if isinstance(block, ToolResultBlock))
        return said

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.agent(tools=[CUSTOM])))["id"]
        use = only(await calls.turn(id, "go"), "agent.custom_tool_use")
        found = {
            "type": "search_result",
            "source": "https://example.com",
            "title": "Ann",
            "content": [{"type": "text", "text": "Ann is a customer."}],
            "citations": {"enabled": False},
        }

        events = await calls.turn(id, answered(use["id"], found), system("Be brief."))

        result = only(events, "user.custom_tool_result")
        assert result["processed_at"] is not None
        assert result["content"] == [found]
        assert isinstance(seen[0].content[0], SearchResultBlock)
        assert kinds(await calls.listed(id)).count("user.custom_tool_result") == 1
        nothing = await calls.send(id, answered("sevt_none"))
        assert (nothing.status, nothing.error.split(":")[0]) == (400, "events[0].custom_tool_use_id")


async def test_a_childs_call_is_shown_with_its_thread_and_answered_by_its_id(served: Serve) -> None:
    def script(request: ModelRequest) -> Any:
        if request.agent == "lead":
            has_result = isinstance(request.messages[-1].content[0], ToolResultBlock)
            return "all done" if has_result else call("reader", task="look")
        return calls_bash(request)

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.team(tools=[ASKING])))["id"]
        events = await calls.turn(id, "go")
        child = await calls.child(id)
        crossed = only(events, "agent.tool_use")
        original = only(await calls.listed(f"{id}/threads/{child['id']}"), "agent.tool_use")
        assert crossed == {**original, "session_thread_id": child["id"]}
        assert "session_thread_id" not in original
        assert only(await calls.listed(id), "agent.tool_use") == crossed

        after = await calls.turn(id, allowed(crossed["id"]))

        assert after[-1]["stop_reason"] == {"type": "end_turn"}
        assert of(after, "user.tool_confirmation")[0]["session_thread_id"] == child["id"]
        own = await calls.listed(f"{id}/threads/{child['id']}")
        assert of(own, "user.tool_confirmation")[0]["tool_use_id"] == original["id"]
        assert only(own, "agent.tool_result")["tool_use_id"] == original["id"]
        assert not of(await calls.listed(id), "agent.tool_result")


async def test_tools_of_the_sandbox_run(served: Serve) -> None:
    async with served(calls_bash) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.agent(tools=[TOOLSET])))["id"]

        events = await calls.turn(id, "go")

        use, result = only(events, "agent.tool_use"), only(events, "agent.tool_result")
        assert (use["evaluated_permission"], result["tool_use_id"], result["is_error"]) == ("allow", use["id"], False)
