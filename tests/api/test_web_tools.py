"""Tools of the hosted service that this server keeps and does not have: its clients are told."""

import pytest

from tests.api.calls import TOOLSET, Calls, kinds, of, told
from tests.api.server import Serve, Served


async def listed(server: Served, session: str) -> list[dict[str, object]]:
    answer = await server.get(f"/v1/sessions/{session}/events")
    events: list[dict[str, object]] = answer.json["data"]
    return events


@pytest.mark.difference("web-tools-kept")
async def test_first_event_says_which_tools_are_not_offered(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        reader = await calls.agent("reader", tools=[{"type": "web_fetch"}])
        lead = await calls.agent("lead", tools=[TOOLSET], callable_agents=[reader["id"]])
        session = await calls.session(lead, initial_events=[told("hello")])

        events = await listed(server, session["id"])

        errors = [event["error"] for event in of(events, "session.error")]
        assert [error["message"] for error in errors] == [
            "agent 'lead': 'web_fetch' and 'web_search' cannot be called: this server has no provider of them",
            "agent 'reader': 'web_fetch' cannot be called: this server has no provider of them",
        ]
        assert {error["retry_status"]["type"] for error in errors} == {"retrying"}
        assert kinds(events)[:2] == ["session.error", "session.error"]


async def test_nothing_is_said_where_all_tools_are_offered(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        session = await calls.session(await calls.agent("reader", tools=[{"type": "read"}]))

        assert await listed(server, session["id"]) == []
