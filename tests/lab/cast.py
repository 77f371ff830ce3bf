"""Who plays in a test: scripted models, and plain tools that note what they did to the world."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from podium import ModelRequest, Rehearsal, Reply
from podium.core.content import text
from podium.core.definitions import ToolSpec
from podium.core.json import JSON
from podium.core.ports import Sandbox, ToolCall, ToolOutcome
from podium.models.rehearsal import Said
from tests.lab.world import World

Line = Said | Callable[[ModelRequest], Said | Awaitable[Said]]


def after(seconds: float, said: Line) -> Line:
    """A line that takes its time."""

    async def later(request: ModelRequest) -> Said:
        await asyncio.sleep(seconds)
        return await speak(said, request)

    return later


def raises(error: BaseException, *, after_s: float = 0.0) -> Line:
    """A line that fails."""

    async def fail(request: ModelRequest) -> Said:
        await asyncio.sleep(after_s)
        raise error

    return fail


async def hangs(request: ModelRequest) -> Said:
    """A line that never comes."""
    await asyncio.sleep(1e9)
    return "at last"


async def speak(line: Line, request: ModelRequest) -> Said:
    """What the line says to this request."""
    if not callable(line):
        return line
    said = line(request)
    return await said if isinstance(said, Awaitable) else said


def turn_of(request: ModelRequest) -> int:
    """How many replies the thread has had already."""
    return sum(message.role == "assistant" for message in request.messages)


class Script:
    """A model that plays every agent, each from its own lines: one line a turn, the last one again and again.

    Shape: an agent's lines are a list, or a single line.

    It notes how many calls were under way at once, for each agent and for all ("*").
    """

    provider = "rehearsal"

    def __init__(self, lines: Mapping[str, Any]) -> None:
        self._lines: dict[str, list[Line]] = {
            name: said if isinstance(said, list) else [said] for name, said in lines.items()
        }
        self._rehearsal = Rehearsal(self._say)
        self._under_way: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.began: list[tuple[str, float]] = []

    def says(self, agent: str, line: Line) -> None:
        """From now on this agent says only this."""
        self._lines[agent] = [line]

    async def reply(self, request: ModelRequest) -> Reply:
        keys = ("*", request.agent, f"model:{request.model}")
        self._under_way.update(keys)
        for key in keys:
            self.most[key] = max(self.most[key], self._under_way[key])
        self.began.append((request.agent, asyncio.get_running_loop().time()))
        try:
            return await self._rehearsal.reply(request)
        finally:
            self._under_way.subtract(keys)

    async def _say(self, request: ModelRequest) -> Said:
        lines = self._lines[request.agent]
        return await speak(lines[min(turn_of(request), len(lines) - 1)], request)


class ClientTool:
    """A tool whose calls the client answers."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def spec(self) -> ToolSpec:
        """The tool as a session pins it."""
        return ToolSpec(self.name, f"does {self.name}", PlainTool.input_schema, source="custom")


class PlainTool:
    """A tool that waits, does something to the world once, and waits again.

    Shape: its effect is known by the input's `key`. With `fails` it raises in the end.
    """

    needs_sandbox = False
    input_schema: ClassVar[dict[str, JSON]] = {
        "type": "object",
        "properties": {"key": {"type": "string"}},
        "additionalProperties": False,
    }

    def __init__(
        self,
        name: str,
        world: World,
        *,
        seconds: float = 0.0,
        idempotent: bool = False,
        fails: BaseException | None = None,
        says: object = None,
    ) -> None:
        self.name = name
        self.description = f"does {name}"
        self.idempotent = idempotent
        self._world = world
        self._seconds = seconds
        self._fails = fails
        self._says = says

    async def run(self, call: ToolCall, sandbox: Sandbox | None) -> ToolOutcome:
        key = str(call.input.get("key", ""))
        await asyncio.sleep(self._seconds / 2)
        self._world.effect(call, key, asyncio.get_running_loop().time())
        await asyncio.sleep(self._seconds / 2)
        if self._fails is not None:
            raise self._fails
        if self._says is not None:
            return self._says  # type: ignore[return-value]  # rubbish, on purpose
        return ToolOutcome(content=text(f"{self.name} {key}".strip()))
