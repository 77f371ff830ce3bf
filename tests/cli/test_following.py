"""A session on a server, followed by all its streams: everything once, and in an order that makes sense."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from podium import call, say
from podium.cli.remote.following import Following, Happened, Heard, Item, Opened
from podium.cli.remote.server import Account, Begun, connected
from podium.core.ports import ModelRequest
from podium.errors import BadInput
from tests.api.conftest import served
from tests.api.server import MODEL, Serve, Served

__all__ = ["served"]


@asynccontextmanager
async def begun(server: Served, *roster: str) -> AsyncIterator[tuple[Account, Begun]]:
    """A session of a lead with these agents, and who follows it."""
    async with connected(server.url, server.key) as client:
        agents = [(await client.beta.agents.create(name=name, model=MODEL)).id for name in roster]
        multiagent: Any = {"type": "coordinator", "agents": agents} if agents else None
        lead = await client.beta.agents.create(name="lead", model=MODEL, multiagent=multiagent)
        account = Account(client, server.url)
        yield account, await account.begin((lead.id, lead.version), await account.environment(), "go", "go", None)


async def followed(account: Account, session: Begun, *, hears: bool = False) -> list[Item]:
    """What happened up to the session's first rest."""
    found: list[Item] = []
    following = Following(account, session.id, session.primary, hears=hears)
    async with aclosing(following.items()) as items:
        async for item in items:
            found.append(item)
            if isinstance(item, Happened) and item.kind == "session.status_idle":
                following.leave()
    return found


def kinds(items: list[Item], thread: str) -> list[str]:
    return [item.kind for item in items if isinstance(item, Happened) and item.thread == thread]


async def test_children_have_told_all_when_the_session_tells_that_they_rest(served: Serve) -> None:
    def script(request: ModelRequest) -> Any:
        if request.agent == "lead" and len(request.messages) == 1:
            return [call(f"w{number}", task="go") for number in range(5)]
        return request.agent

    async with served(script) as server, begun(server, *(f"w{number}" for number in range(5))) as (account, session):
        items = await followed(account, session)

    opened = [item for item in items if isinstance(item, Opened)]
    assert sorted(item.agent_name for item in opened) == [f"w{number}" for number in range(5)]
    for child in opened:
        own = [at for at, item in enumerate(items) if isinstance(item, Happened) and item.thread == child.thread]
        rest = next(
            at
            for at, item in enumerate(items)
            if isinstance(item, Happened)
            and item.thread == session.primary
            and item.kind == "session.thread_status_idle"
            and item.event["session_thread_id"] == child.thread
        )
        assert items.index(child) < own[0] < own[-1] < rest
        assert kinds(items, child.thread)[-1] == "session.thread_status_idle"


async def test_each_event_of_a_list_comes_once_and_in_its_order(served: Serve) -> None:
    def script(request: ModelRequest) -> Any:
        return [say("first"), call("nothing")] if len(request.messages) == 1 else "last"

    async with served(script) as server, begun(server) as (account, session):
        items = await followed(account, session)
        listed = (await server.get(f"/v1/sessions/{session.id}/events")).json["data"]

    came = [item.event["id"] for item in items if isinstance(item, Happened) and item.event["processed_at"] is not None]
    assert came == [event["id"] for event in listed]


async def test_words_of_the_primary_are_heard_as_they_come(served: Serve) -> None:
    async with served(lambda request: "a few words") as server, begun(server) as (account, session):
        items = await followed(account, session, hears=True)

    heard = "".join(item.text for item in items if isinstance(item, Heard))
    assert "a few words".startswith(heard)  # none, if the reply was there before anybody listened


async def test_thread_that_is_over_is_followed_no_more(served: Serve) -> None:
    ended = asyncio.Event()

    async def script(request: ModelRequest) -> Any:
        if request.agent == "child":
            raise RuntimeError("out of paper")
        if len(request.messages) == 1:
            return call("child", task="go")
        await ended.wait()
        return "done"

    async with served(script) as server, begun(server, "child") as (account, session):
        following = Following(account, session.id, session.primary, hears=False)
        async with aclosing(following.items()) as items, asyncio.timeout(20):
            async for item in items:
                if isinstance(item, Happened) and item.thread != session.primary and "terminated" in item.kind:
                    await asyncio.gather(
                        *(it for it in asyncio.all_tasks() if it.get_name() == f"stream of {item.thread}")
                    )
                    ended.set()
                if isinstance(item, Happened) and item.kind == "session.status_idle":
                    following.leave()


async def test_session_that_is_not_there_is_told(served: Serve) -> None:
    async with served() as server, begun(server) as (account, session):
        following = Following(account, "sesn_unknown", session.primary, hears=False)

        with pytest.raises(BadInput, match="answers 404"):
            async for _ in following.items():
                pass
