"""Events over HTTP: sent all or none, listed as a snapshot, in the order of processing."""

import asyncio
import base64
from typing import Any

import pytest
from anthropic.types.beta.sessions import BetaManagedAgentsSendSessionEvents

from podium import ModelRequest, ToolResultBlock, call
from podium.core.content import SearchResultBlock
from podium.core.json import JSON
from podium.models.rehearsal import Block
from tests.api.calls import ASKING, CUSTOM, TOOLSET, Calls, kinds, of, ok, only, told, words
from tests.api.server import Serve

CLOSED = "Tool execution was interrupted before completion. Please retry."
PIXEL = base64.b64encode(b"\x89PNG").decode()


def system(text: str) -> dict[str, JSON]:
    return {"type": "system.message", "content": [{"type": "text", "text": text}]}


def allowed(id: str, **more: JSON) -> dict[str, JSON]:
    return {"type": "user.tool_confirmation", "tool_use_id": id, "result": "allow", **more}


def answered(id: str, *content: JSON, **more: JSON) -> dict[str, JSON]:
    return {"type": "user.custom_tool_result", "custom_tool_use_id": id, "content": list(content), **more}


def calls_bash(request: ModelRequest) -> str | Block:
    """Runs a command for each new message, and is done with its result."""
    has_result = isinstance(request.messages[-1].content[0], ToolResultBlock)
    return "done" if has_result else call("bash", command="echo hi")


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

        after = await calls.turn(id, allowed(use["id"], session_thread_id="sthr_echoed"))

        assert words(only(after, "agent.tool_result")).startswith("hi")
        assert after[-1]["stop_reason"] == {"type": "end_turn"}
        again = await calls.send(id, allowed(use["id"]))
        assert (again.status, again.error.split(":")[0]) == (400, "events[0].tool_use_id")


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


# --- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "place"),
    [
        ([], "events"),
        ([{"type": "user.shout"}], "events[0].type"),
        ([{"content": []}], "events[0].type"),
        (["hello"], "events[0]"),
        ([told("x"), {"type": "user.message"}], "events[1].content"),
        ([told(" ")], "events[0].content"),
        ([{"type": "user.message", "content": "x"}], "events[0].content"),
        ([{"type": "user.message", "content": [{"type": "text", "txt": "x"}]}], "events[0].content[0].txt"),
        ([{"type": "user.message", "content": [{"type": "redacted"}]}], "events[0].content[0].type"),
        (
            [{"type": "user.message", "content": [{"type": "search_result", "source": "s", "title": "t"}]}],
            "events[0].content[0].type",
        ),
        ([answered("sevt_1", {"type": "redacted"})], "events[0].content[0].type"),
        (
            [{"type": "user.message", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}],
            "events[0].content[0].source.type",
        ),
        (
            [
                {
                    "type": "user.message",
                    "content": [
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "%"}}
                    ],
                }
            ],
            "events[0].content[0].source.data",
        ),
        (
            [
                {
                    "type": "user.message",
                    "content": [
                        {"type": "image", "source": {"type": "base64", "media_type": "image/x", "data": PIXEL}}
                    ],
                }
            ],
            "events[0].content[0].source.media_type",
        ),
        (
            [
                {
                    "type": "user.message",
                    "content": [{"type": "document", "source": {"type": "url", "url": "file:///x"}}],
                }
            ],
            "events[0].content[0].source.url",
        ),
        ([{"type": "user.define_outcome", "description": "d"}], "events[0].type"),
        ([{"type": "user.tool_result", "tool_use_id": "sevt_1"}], "events[0].type"),
        ([{"type": "user.tool_confirmation", "tool_use_id": "sevt_1", "result": "maybe"}], "events[0].result"),
        ([told("x"), allowed("sevt_none")], "events[1].tool_use_id"),
        ([system("x")], "events[0]"),
        ([system("x"), told("y")], "events[0]"),
        ([told("x"), {"type": "user.interrupt"}, system("y")], "events[2]"),
        ([told("x"), {"type": "system.message", "content": []}], "events[1].content"),
    ],
)
async def test_nothing_is_accepted_if_one_event_is_wrong(served: Serve, events: list[Any], place: str) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]

        refused = await server.post(f"/v1/sessions/{id}/events", {"events": events})

        assert (refused.status, refused.error.split(":")[0]) == (400, place)
        assert await calls.listed(id) == []
        assert (await calls.get(id))["status"] == "idle"


async def test_pictures_and_documents_reach_the_model(served: Serve) -> None:
    requests: list[ModelRequest] = []

    def script(request: ModelRequest) -> str:
        requests.append(request)
        return "ok"

    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PIXEL}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "so"}, "title": "notes"},
    ]
    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session())["id"]

        events = await calls.turn(id, {"type": "user.message", "content": content})

        assert events[0]["content"] == content
        assert len(requests[0].messages[0].content) == 5


@pytest.mark.difference("system-messages-of-any-model")
async def test_the_operators_instructions_reach_the_model(served: Serve) -> None:
    said: list[str] = []

    def script(request: ModelRequest) -> str:
        said.append(str(request.messages[-1].content))
        return "ok"

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session())["id"]

        await calls.turn(id, "hello", system("Be brief."))

        assert "Be brief." in said[0]
        assert kinds(await calls.listed(id))[2:4] == ["user.message", "system.message"]


async def test_confirmations_need_a_scope_of_their_own(served: Serve) -> None:
    async with served(calls_bash) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.agent(tools=[ASKING])))["id"]
        use = only(await calls.turn(id, "go"), "agent.tool_use")
        writer, approver = await server.make_key("sessions:write"), await server.make_key("approvals:write")
        path, body = f"/v1/sessions/{id}/events", {"events": [allowed(use["id"])]}

        assert (await server.post(path, body, key=writer)).status == 403
        assert (await server.post(path, {"events": [{"type": "user.interrupt"}]}, key=approver)).status == 403
        assert (await server.post(path, body, key=approver)).status == 200


async def test_events_are_sent_once_under_one_key(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        path, body, once = f"/v1/sessions/{id}/events", {"events": [told("one")]}, {"idempotency-key": "k1"}

        answers = await asyncio.gather(*(server.post(path, body, headers=once) for _ in range(8)))
        async with calls.stream(f"{id}/events/stream") as stream:
            await stream.until_idle()

        assert len({ok(answer)["data"][0]["id"] for answer in answers}) == 1
        assert kinds(await calls.listed(id)).count("user.message") == 1
        other = await server.post(path, {"events": [told("two")]}, headers=once)
        assert (other.status, other.error.split(":")[0]) == (400, "Idempotency-Key")


# --- lists -------------------------------------------------------------------------------------------


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
        assert await calls.listed(id, "types[]=nothing") == []
        path = f"/v1/sessions/{id}/events"
        assert (await server.get(f"{path}?limit=1001")).error.startswith("limit: ")
        assert (await server.get(f"{path}?order=up")).status == 400


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


async def test_tools_of_the_sandbox_run(served: Serve) -> None:
    async with served(calls_bash) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.agent(tools=[TOOLSET])))["id"]

        events = await calls.turn(id, "go")

        use, result = only(events, "agent.tool_use"), only(events, "agent.tool_result")
        assert (use["evaluated_permission"], result["tool_use_id"], result["is_error"]) == ("allow", use["id"], False)
