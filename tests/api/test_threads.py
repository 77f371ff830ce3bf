"""Threads over HTTP: listed, shown, archived, and each with its own events."""

from podium.core.ports import ModelRequest
from podium.models.rehearsal import Block, call, say
from tests.api.calls import Calls, kinds, of, ok, only, words
from tests.api.server import Serve


def delegates(request: ModelRequest) -> list[Block]:
    """The lead has the reader look, and says so; the reader finds it."""
    if request.agent == "reader":
        return [say("found it")]
    last = request.messages[-1].content[-1]
    return [call("reader", task="look")] if last.__class__.__name__ == "TextBlock" else [say("all done")]


async def test_a_delegation_is_seen_from_both_sides(served: Serve) -> None:
    async with served(delegates) as server:
        calls = Calls(server)
        session = await calls.session(await calls.team())
        id = session["id"]

        events = await calls.turn(id, "go")

        primary, child = await calls.threads(id)
        assert (primary["parent_thread_id"], child["parent_thread_id"]) == (None, primary["id"])
        assert (child["agent"]["name"], child["agent"]["type"], child["status"]) == ("reader", "agent", "idle")
        assert "multiagent" not in primary["agent"]
        assert only(events, "session.thread_created")["session_thread_id"] == child["id"]
        assert words(only(events, "agent.message")) == "all done"
        own = await calls.listed(f"{id}/threads/{child['id']}")
        assert words(only(own, "agent.message")) == "found it"
        assert not {"session.status_idle", "session.usage", "session.thread_created"} & set(kinds(own))
        assert await calls.listed(f"{id}/threads/{child['id']}", "limit=2") == own
        assert await calls.listed(f"{id}/threads/{primary['id']}") == await calls.listed(id)
        assert of(own, "session.thread_status_idle")[0]["session_thread_id"] == child["id"]


async def test_an_idle_thread_is_archived_and_can_be_told_from_the_others(served: Serve) -> None:
    async with served(delegates) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.team()))["id"]
        await calls.turn(id, "go")
        primary, child = await calls.threads(id)

        archived = ok(await server.post(f"/v1/sessions/{id}/threads/{child['id']}/archive"))

        assert (archived["status"], archived["archived_at"]) == ("terminated", archived["updated_at"])
        listed = ok(await server.get(f"/v1/sessions/{id}/threads?statuses[]=terminated"))["data"]
        assert [thread["id"] for thread in listed] == [child["id"]]
        refused = await server.post(f"/v1/sessions/{id}/threads/{primary['id']}/archive")
        assert (refused.status, refused.error_type) == (400, "invalid_request_error")
