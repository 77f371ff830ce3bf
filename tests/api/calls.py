"""What tests of sessions ask for again and again."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from anthropic.types.beta import BetaManagedAgentsSession
from anthropic.types.beta.sessions import (
    BetaManagedAgentsSessionEvent,
    BetaManagedAgentsSessionThread,
    BetaManagedAgentsStreamSessionEvents,
)

from podium import ModelRequest, ToolResultBlock, call
from podium.core.json import JSON
from podium.models.rehearsal import Block
from tests.api.sdk.strict import faults
from tests.api.server import MODEL, Got, Served

TOOLSET = {"type": "agent_toolset_20260401"}
ASKING = {**TOOLSET, "default_config": {"permission_policy": {"type": "always_ask"}}}
CUSTOM = {
    "type": "custom",
    "name": "lookup",
    "description": "Looks up a customer.",
    "input_schema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
}
PATIENCE_S = 20.0


def fits(value: Any, kind: Any) -> Any:
    """The value, after it was held against the SDK's type."""
    assert list(faults(value, kind, "it")) == []
    return value


def ok(answer: Got, kind: Any = None) -> Any:
    """What was answered, after it was held against the SDK's type."""
    assert answer.status == 200, answer.text
    return answer.json if kind is None else fits(answer.json, kind)


def told(text: str) -> dict[str, JSON]:
    return {"type": "user.message", "content": [{"type": "text", "text": text}]}


def words(event: Any) -> str:
    """What an event says."""
    return "".join(block["text"] for block in event["content"])


def kinds(events: Iterable[Any]) -> list[str]:
    return [event["type"] for event in events]


def of(events: Iterable[Any], kind: str) -> list[Any]:
    return [event for event in events if event["type"] == kind]


def only(events: Iterable[Any], kind: str) -> Any:
    [event] = of(events, kind)
    return event


class Calls:
    """A client of a server that is served, with an environment of its own."""

    def __init__(self, server: Served) -> None:
        self.server = server
        self._environment = ""

    async def environment(self) -> str:
        if not self._environment:
            made = await self.server.post("/v1/environments", {"name": "here", "config": {"type": "cloud"}})
            self._environment = ok(made)["id"]
        return self._environment

    async def agent(self, name: str = "worker", **sent: JSON) -> Any:
        return ok(await self.server.post("/v1/agents", {"name": name, "model": MODEL, **sent}))

    async def team(self, **sent: JSON) -> Any:
        """A coordinator "lead" with one agent "reader", of which `sent` is."""
        reader = await self.agent("reader", **sent)
        return await self.agent("lead", multiagent={"type": "coordinator", "agents": [reader["id"]]})

    async def post_session(self, **sent: JSON) -> Got:
        body = {"environment_id": await self.environment(), **sent}
        return await self.server.post("/v1/sessions", body)

    async def session(self, agent: Any = None, **sent: JSON) -> Any:
        agent = agent or await self.agent()
        made = await self.post_session(agent=agent["id"] if "created_at" in agent else agent, **sent)
        return ok(made, BetaManagedAgentsSession)

    async def get(self, session: str) -> Any:
        return ok(await self.server.get(f"/v1/sessions/{session}"), BetaManagedAgentsSession)

    async def ids(self, query: str = "") -> list[str]:
        """The sessions of a list."""
        return [session["id"] for session in ok(await self.server.get(f"/v1/sessions?{query}"))["data"]]

    async def send(self, session: str, *events: Any) -> Got:
        sent = [told(event) if isinstance(event, str) else event for event in events]
        return await self.server.post(f"/v1/sessions/{session}/events", {"events": sent})

    async def listed(self, session: str, query: str = "") -> list[Any]:
        """The whole list of the session's events, or of what `session` names: SESSION/threads/THREAD."""
        events: list[Any] = []
        page = ""
        while True:
            answer = ok(await self.server.get(f"/v1/sessions/{session}/events?{query}{page}"))
            events += [fits(event, BetaManagedAgentsSessionEvent) for event in answer["data"]]
            if answer["next_page"] is None:
                return events
            page = f"&page={answer['next_page']}"

    async def threads(self, session: str) -> list[Any]:
        found = ok(await self.server.get(f"/v1/sessions/{session}/threads"))["data"]
        return [fits(thread, BetaManagedAgentsSessionThread) for thread in found]

    async def child(self, session: str) -> Any:
        [child] = [thread for thread in await self.threads(session) if thread["parent_thread_id"] is not None]
        return child

    @asynccontextmanager
    async def stream(self, path: str, headers: dict[str, str] | None = None) -> AsyncIterator["Frames"]:
        """A stream, such as `SESSION/events/stream`; it is open when the block is entered."""
        sent = {"x-api-key": self.server.key, **(headers or {})}
        url = f"{self.server.url}/v1/sessions/{path}"
        async with self.server.client.stream("GET", url, headers=sent) as answer:
            assert answer.status_code == 200, await answer.aread()
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield Frames(answer.aiter_lines())

    async def turn(self, session: str, *events: Any, query: str = "") -> list[Any]:
        """Open a stream, send, and read until the session is idle."""
        async with self.stream(f"{session}/events/stream{query}") as stream:
            ok(await self.send(session, *events))
            return await stream.until_idle()


class Frames:
    """What comes over a stream. Shape: `ids` are those of the frames that were read, "" for one without."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.ids: list[str] = []

    async def next(self) -> Any | None:
        """The next event, or None at the end."""
        frame: dict[str, str] = {}
        async for line in self._lines:
            if line.startswith(":"):
                continue
            if line:
                name, _, value = line.partition(": ")
                frame[name] = value
            elif frame:
                assert frame["event"] == "message"
                self.ids.append(frame.get("id", ""))
                return fits(json.loads(frame["data"]), BetaManagedAgentsStreamSessionEvents)
        assert not frame, "a frame was not whole"
        return None

    async def silent_for(self, heartbeats: int) -> None:
        """Until so many comments have come, and nothing else."""
        async with asyncio.timeout(PATIENCE_S):
            async for line in self._lines:
                assert line.startswith(":") or not line, line
                heartbeats -= line.startswith(":")
                if heartbeats == 0:
                    return

    async def until(self, is_it: Callable[[Any], bool]) -> list[Any]:
        """The events up to and including the first one that is it."""
        seen = []
        async with asyncio.timeout(PATIENCE_S):
            while (event := await self.next()) is not None:
                seen.append(event)
                if is_it(event):
                    return seen
        raise AssertionError(f"the stream ended; it said {kinds(seen)}")

    async def until_kind(self, kind: str) -> list[Any]:
        return await self.until(lambda event: bool(event["type"] == kind))

    async def until_idle(self) -> list[Any]:
        return await self.until_kind("session.status_idle")

    async def rest(self) -> list[Any]:
        """All events to the end."""
        seen = []
        async with asyncio.timeout(PATIENCE_S):
            while (event := await self.next()) is not None:
                seen.append(event)
        return seen


# --- what clients send, and what models do ---------------------------------------------------------


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
