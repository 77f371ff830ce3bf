"""Events over HTTP that are refused, whole, with the place; those that just fit; and who may send them."""

import asyncio
import base64
from typing import Any

import pytest

from podium import ModelRequest
from tests.api.calls import ASKING, Calls, allowed, answered, calls_bash, kinds, ok, only, system, told
from tests.api.server import Serve

PIXEL = base64.b64encode(b"\x89PNG").decode()


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


async def test_refusals_say_what_would_fit(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        agent = await calls.agent()
        id = (await calls.session(agent))["id"]
        first = await calls.post_session(agent=agent["id"], initial_events=[{"type": "user.interrupt"}])

        assert first.error == "initial_events[0].type: 'user.interrupt' is not allowed here"
        empty = await server.post(f"/v1/sessions/{id}/events", {"events": []})
        assert empty.error == "events: must have at least 1 entry"
        typed = await server.post("/v1/agents", {"name": "a", "model": 5})
        assert typed.error == "model: must be a text or an object, not a number"
        assert (await server.get("/v1/sessions?statuses[]=busy")).error.startswith("statuses[0]: ")
        ok(await server.post(f"/v1/sessions/{id}/archive", {}))
        assert "is archived" in (await calls.send(id, "hello")).error


async def test_an_answer_names_the_thread_of_its_call_or_none(served: Serve) -> None:
    async with served(calls_bash) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.agent(tools=[ASKING])))["id"]
        [primary] = await calls.threads(id)
        for named in (primary["id"], None):
            use = only(await calls.turn(id, "go"), "agent.tool_use")

            wrong = await calls.send(id, allowed(use["id"], session_thread_id="sthr_other"))

            assert (wrong.status, wrong.error.split(":")[0]) == (400, "events[0].session_thread_id")
            assert primary["id"] in wrong.error
            async with calls.stream(f"{id}/events/stream") as stream:
                ok(await calls.send(id, allowed(use["id"], session_thread_id=named)))
                await stream.until_idle()


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
