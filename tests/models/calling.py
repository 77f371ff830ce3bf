"""Calls of a model against the tests' own server."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from podium.core.content import Message
from podium.core.content import text as said
from podium.core.ports import Delta, ModelRequest, Reply
from podium.errors import ModelFailed
from podium.models.messages import MessagesClient, MessagesModel
from podium.models.upstream import Deadlines, Upstream
from tests.models.server import Answer, MessagesServer, Received, says, text

PATIENT = Deadlines(connect_s=20, first_event_s=20, progress_s=20, call_s=20)


def asking(*messages: Message, on_delta: Callable[[Delta], None] = lambda delta: None, **changed: Any) -> ModelRequest:
    """A request, of a plain question if no messages are given."""
    given: dict[str, Any] = {"agent": "solo", "model": "claude-test", "system": "Be brief.", "tools": ()}
    sent = messages or (Message("user", said("hello?")),)
    return ModelRequest(**{**given, "messages": sent, "on_delta": on_delta, **changed})


@asynccontextmanager
async def connected(
    url: str, *, deadlines: Deadlines = PATIENT, upstream: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[MessagesModel]:
    """A model of the provider 'house' at this URL."""
    given: dict[str, Any] = {"provider": "house", "base_url": url, "deadlines": deadlines, "api_key": "key-1"}
    client = MessagesClient(Upstream(**{**given, **(upstream or {})}))
    try:
        yield MessagesModel(client, "claude-test", **options)
    finally:
        await client.close()


async def reply_to(answer: Answer, request: ModelRequest | None = None, **options: Any) -> Reply:
    """The reply that this answer makes."""
    async with MessagesServer(answer) as server, connected(server.url, **options) as model:
        return await model.reply(request or asking())


async def failure_of(answer: Answer, request: ModelRequest | None = None, **options: Any) -> ModelFailed:
    """The failure that this answer makes."""
    async with MessagesServer(answer) as server, connected(server.url, **options) as model:
        with pytest.raises(ModelFailed) as raised:
            await model.reply(request or asking())
    assert server.url.removeprefix("http://") in str(raised.value)
    assert "key-1" not in str(raised.value)
    return raised.value


async def sent_by(request: ModelRequest, **options: Any) -> Received:
    """What goes over the wire for this request."""
    async with MessagesServer(says(text("ok"))) as server, connected(server.url, **options) as model:
        await model.reply(request)
    [received] = server.requests
    return received
