"""Sessions over HTTP: what is answered fits the SDK's types exactly, and what cannot be is refused by its name."""

from tests.api.calls import Calls, told
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
        async with calls.stream(f"{session['id']}/events/stream") as stream:
            events = await stream.until_idle()
        assert [event["content"][0]["text"] for event in events if event["type"] == "user.message"][:2] == [
            "one",
            "two",
        ]
