"""The session's states over HTTP: what takes it from one to the next, in the order that clients rely on.

Source: the Managed Agents API, sections C.9 and F.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from podium import ModelRequest, Reply, call
from podium.core.events import StopDetails, Usage
from podium.core.money import ModelFacts, Price
from podium.errors import ModelFailed
from podium.models.rehearsal import Rehearsal, Script
from tests.api.calls import TOOLSET, Calls, kinds, of, ok, only, told, words
from tests.api.server import Got, Serve

ONE = Decimal(1)
GOING_IDLE = ["session.thread_status_idle", "session.usage", "session.status_idle"]


class Dollar(Rehearsal):
    """Each call of it costs a dollar, whatever it says."""

    facts = ModelFacts(price=Price(input=ONE, output=ONE, cache_write=ONE, cache_read=ONE), max_tokens=10_000)

    async def reply(self, request: ModelRequest) -> Reply:
        reply = await super().reply(request)
        return Reply(reply.content, usage=Usage(input_tokens=999_000, output_tokens=1_000))


def in_turn(*acts: Callable[[], Any]) -> Script:
    """One act for each call; the last for all that follow."""
    left = list(acts)

    def script(request: ModelRequest) -> Any:
        return (left.pop(0) if len(left) > 1 else left[0])()

    return script


def fails(kind: Any, **how: Any) -> Callable[[], Any]:
    def act() -> Any:
        raise ModelFailed("as it was told", kind=kind, **how)

    return act


def says(words: str) -> Callable[[], Any]:
    return lambda: words


async def test_a_new_session_is_idle_and_nothing_is_told(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        session = await calls.session()

        assert (session["status"], await calls.listed(session["id"])) == ("idle", [])


async def test_a_new_session_with_first_events_is_running(served: Serve) -> None:
    gate = asyncio.Event()

    async def script(request: ModelRequest) -> str:
        await gate.wait()
        return "ok"

    async with served(script) as server:
        calls = Calls(server)
        session = await calls.session(initial_events=[told("go")])
        assert session["status"] == "running"
        async with calls.stream(f"{session['id']}/events/stream") as stream:
            gate.set()
            events = await stream.until_idle()

        assert kinds(events)[:3] == ["user.message", "session.status_running", "session.thread_status_running"]
        assert kinds(events)[-3:] == GOING_IDLE
        assert events[-1]["stop_reason"] == {"type": "end_turn"}
        assert [event["stop_details"] for event in (events[-3], events[-1])] == [None, None], "said, not left out"


async def test_a_fault_that_passes_is_rescheduled_and_goes_on(served: Serve) -> None:
    script = in_turn(fails("overloaded", retry_after_s=0.05), says("ok"))
    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session())["id"]

        events = await calls.turn(id, "go")

        order = kinds(events)
        error = only(events, "session.error")["error"]
        assert (error["type"], error["retry_status"]) == ("model_overloaded_error", {"type": "retrying"})
        rescheduled = order.index("session.status_rescheduled")
        assert order.index("session.error") < rescheduled < order.index("agent.message")
        assert "session.thread_status_rescheduled" in order
        assert "session.status_running" in order[rescheduled:]
        spans = [event["is_error"] for event in of(events, "span.model_request_end")]
        assert spans == [True, False]
        assert events[-1]["stop_reason"] == {"type": "end_turn"}


async def test_retries_that_are_used_up_leave_it_idle_until_it_is_told_more(served: Serve) -> None:
    async with served(in_turn(fails("failed"), says("ok"))) as server:
        calls = Calls(server)
        id = (await calls.session())["id"]

        events = await calls.turn(id, "go")

        assert only(events, "session.error")["error"]["type"] == "model_request_failed_error"
        assert (kinds(events)[-3:], events[-1]["stop_reason"]) == (GOING_IDLE, {"type": "retries_exhausted"})
        assert (await calls.get(id))["status"] == "idle"
        assert words(only(await calls.turn(id, "again"), "agent.message")) == "ok"


async def test_a_refusal_leaves_it_idle_until_it_is_told_more(served: Serve) -> None:
    details = StopDetails(category="cyber", explanation="as it was told")
    refusal = Reply((), stop_reason="refusal", stop_details=details, usage=Usage(input_tokens=1))
    async with served(in_turn(lambda: refusal, says("ok"))) as server:
        calls = Calls(server)
        id = (await calls.session())["id"]

        events = await calls.turn(id, "go")

        assert events[-1]["stop_reason"] == {"type": "refusal"}
        assert events[-1]["stop_details"] == {
            "type": "refusal",
            "category": "cyber",
            "explanation": "as it was told",
        }
        assert words(only(await calls.turn(id, "again"), "agent.message")) == "ok"


async def test_a_budget_that_is_reached_holds_it_until_it_is_raised(served: Serve) -> None:
    def script(request: ModelRequest) -> Any:
        return call("bash", command="true") if len(request.messages) == 1 else "done"

    def budget(cents: str) -> dict[str, Any]:
        return {"type": "limit", "max_list_cost": {"amount": cents, "currency": "USD"}}

    async with served(given={"dollar": Dollar(script)}) as server:
        calls = Calls(server)
        agent = await calls.agent(model="dollar", tools=[TOOLSET])
        id = (await calls.session(agent, budget=budget("101")))["id"]

        events = await calls.turn(id, "go")

        assert (kinds(events)[-3:], events[-1]["stop_reason"]) == (GOING_IDLE, {"type": "budget_reached"})
        assert events[-3]["stop_reason"] == {"type": "budget_reached"}
        assert (await calls.get(id))["status"] == "idle"
        assert (await calls.send(id, "more")).status == 400
        assert (await calls.send(id, {"type": "user.interrupt"})).status == 200

        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await server.post(f"/v1/sessions/{id}", {"budget": budget("100000")}))
            after = await stream.until_idle()
        assert kinds(after)[:3] == ["user.interrupt", "session.updated", "session.status_running"]
        assert after[-1]["stop_reason"] == {"type": "end_turn"}
        assert words(of(after, "agent.message")[-1]) == "done"


@pytest.mark.parametrize("way", ["archive", "delete"])
async def test_only_what_is_idle_ends(served: Serve, way: str) -> None:
    async def script(request: ModelRequest) -> str:
        await asyncio.Event().wait()
        return "never"

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session())["id"]

        async def end() -> int:
            path = f"/v1/sessions/{id}"
            answer: Got = await (server.post(f"{path}/archive") if way == "archive" else server.delete(path))
            return answer.status

        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await calls.send(id, "go"))
            await stream.until_kind("span.model_request_start")
            assert await end() == 400
            ok(await calls.send(id, {"type": "user.interrupt"}))
            assert (await stream.until_idle())[-1]["stop_reason"] == {"type": "end_turn"}
            assert await end() == 200
            last = (await stream.rest())[-1]["type"]

        assert last == ("session.status_terminated" if way == "archive" else "session.deleted")


async def test_the_server_drives_on_what_it_left_when_it_is_started_again(served: Serve) -> None:
    async def waits(request: ModelRequest) -> str:
        await asyncio.Event().wait()
        return "never"

    async with served(waits) as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await calls.send(id, "go"))
            await stream.until_kind("span.model_request_start")
            seen = stream.ids[-1]

    async with served() as server:
        calls = Calls(server)
        async with calls.stream(f"{id}/events/stream", {"last-event-id": seen}) as stream:
            events = await stream.until_idle()

        assert words(only(events, "agent.message")) == "ok"
        assert events[-1]["stop_reason"] == {"type": "end_turn"}
