"""Events over HTTP: sent all or none, listed as a snapshot, in the order of processing."""

from tests.api.calls import Calls, kinds, ok, only, told, words
from tests.api.server import Serve


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


async def test_nothing_is_accepted_if_one_event_is_wrong(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        session = await calls.session()
        unknown = {"type": "user.tool_confirmation", "tool_use_id": "sevt_none", "result": "allow"}

        refused = await calls.send(session["id"], told("fine"), unknown)

        assert refused.status == 400
        assert refused.error.startswith("events[1].tool_use_id: ")
        assert await calls.listed(session["id"]) == []
        assert ok(await calls.send(session["id"], "fine"))["data"][0]["processed_at"] is None
