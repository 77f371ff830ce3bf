"""What outlives the processes of a test, and one process on it, which can be killed at any boundary of its ports."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from podium.core.definitions import Definition
from podium.core.events import PublicEvent
from podium.core.inputs import InputRequest
from podium.core.lists import EventsWanted, ListedSession, SessionsWanted
from podium.core.ports import (
    Append,
    Clock,
    Model,
    ModelRequest,
    NewSession,
    Onto,
    Receipt,
    Reply,
    Sandbox,
    Store,
    Tool,
    ToolCall,
    ToolOutcome,
)
from podium.core.records import Record
from podium.core.rows import CallRow, InputRow, Owner, SessionRow, ThreadRow
from podium.errors import StoreDown, StoreError
from podium.store.memory import MemoryLog, MemoryStore

T = TypeVar("T")


class Killed(KeyboardInterrupt):
    """kill -9, here and now. A KeyboardInterrupt leaves an event loop at once, whoever is running."""


class Dead(BaseException):
    """A call of a process that has been killed: it has no effect."""


class Fuse:
    """Counts the boundaries that a process crosses in its calls of the ports, and kills it at one of them.

    Shape: `at` counts from 0, None never; `crossed` says which boundary each was.
    """

    def __init__(self, at: int | None = None) -> None:
        self._at = at
        self.crossed: list[str] = []
        self.is_blown = False

    def cross(self, boundary: str) -> None:
        """Raise Killed if this is the boundary, and Dead after it."""
        if self.is_blown:
            raise Dead
        self.crossed.append(boundary)
        if len(self.crossed) - 1 == self._at:
            self.is_blown = True
            raise Killed(boundary)


class Ids:
    """Ids in order, never the same twice."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count:06}"


@dataclass(frozen=True)
class Effect:
    """Something a tool did to the world, and how far the log had come by then."""

    call: str
    tool: str
    key: str
    head: int
    at_s: float


@dataclass
class World:
    """What outlives the processes: the log, what tools did, and the time."""

    log: MemoryLog = field(default_factory=MemoryLog)
    new_id: Ids = field(default_factory=Ids)
    effects: list[Effect] = field(default_factory=list)
    requests: list[ModelRequest] = field(default_factory=list)
    now_s: float = 0.0
    fuse: Fuse = field(default_factory=Fuse)  # of the process that lives now

    def effect(self, call: ToolCall, key: str, at_s: float) -> None:
        """Something happens outside, once and for all. Its process may be killed just before and just after."""
        self.fuse.cross("before an effect")
        self.effects.append(Effect(call.id, call.name, key, self.head(), at_s))
        self.fuse.cross("after an effect")

    def asking(self, tool: str, nth: int = 0) -> CallRow:
        """The nth of this tool's calls that wait for a person."""
        return self._calls(tool, "asks")[nth]

    def waiting(self, tool: str, nth: int = 0) -> CallRow:
        """The nth of this tool's calls that wait for the client."""
        return self._calls(tool, "client")[nth]

    def _calls(self, tool: str, state: str) -> list[CallRow]:
        calls = [call for kept in self.log.sessions.values() for call in kept.calls.values()]
        return [call for call in calls if (call.name, call.state) == (tool, state)]

    def head(self) -> int:
        """How many records all sessions have."""
        return sum(kept.row.head for kept in self.log.sessions.values())


class QueuedStore:
    """The Store port on a memory store whose calls take their time, as a real one's do: appends queue up and are
    committed in order, `commit_s` after the first of them was handed over.

    `before_append` sees each append as it is handed over, and may raise, as a store does that cannot encode it.
    `before_commit` may raise StoreDown: then the disk fails for this one. `after_commit` comes before the driver learns
    of it.
    """

    def __init__(self, store: MemoryStore, fuse: Fuse, loop: asyncio.AbstractEventLoop, commit_s: float) -> None:
        self.memory = store
        self._fuse = fuse
        self._loop = loop
        self._commit_s = commit_s
        self._queue: list[tuple[Append, asyncio.Future[int]]] = []
        self.before_append: Callable[[Append], None] = lambda append: None
        self.before_commit: Callable[[Append], None] = lambda append: None
        self.after_commit: Callable[[str], None] = lambda session: None

    def append(self, append: Append) -> Awaitable[int]:
        self._fuse.cross("an append is handed over")
        self.before_append(append)
        done: asyncio.Future[int] = self._loop.create_future()
        self._queue.append((append, done))
        if len(self._queue) == 1:
            self._loop.call_later(self._commit_s, self._commit)
        return done

    def _commit(self) -> None:
        if self._fuse.is_blown:
            return
        batch, self._queue = self._queue, []
        outcomes = []
        for append, _ in batch:
            self._fuse.cross("an append is about to be committed")
            outcomes.append(self._write(append))
            self._fuse.cross("an append was committed, and its driver does not know")
        for (_, done), outcome in zip(batch, outcomes, strict=True):
            if done.done():  # its waiter was cancelled
                continue
            if isinstance(outcome, StoreError):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)

    def _write(self, append: Append) -> int | StoreError:
        try:
            self.before_commit(append)
        except StoreDown as error:
            self.memory.log.trouble = error
        written = self.memory.append(append)
        self.memory.log.trouble = None
        assert isinstance(written, asyncio.Future)
        refusal = written.exception()
        if refusal is not None:
            assert isinstance(refusal, StoreError)
            return refusal
        self.after_commit(append.session)
        return int(written.result())

    async def _cross(self, what: str, work: Callable[[], Awaitable[T]]) -> T:
        self._fuse.cross(f"before {what}")
        await asyncio.sleep(0)
        done = await work()
        self._fuse.cross(f"after {what}")
        await asyncio.sleep(0)
        return done

    async def create(self, new: NewSession, receipt: Receipt | None = None) -> int:
        return await self._cross("create", lambda: self.memory.create(new, receipt))

    async def made(self, receipt: Receipt) -> str | None:
        return await self._cross("made", lambda: self.memory.made(receipt))

    async def listed(self, id: str) -> ListedSession:
        return await self._cross("listed", lambda: self.memory.listed(id))

    async def page_of_sessions(self, wanted: SessionsWanted) -> list[ListedSession]:
        return await self._cross("page_of_sessions", lambda: self.memory.page_of_sessions(wanted))

    async def shown(self, session: str, wanted: EventsWanted) -> list[Record]:
        return await self._cross("shown", lambda: self.memory.shown(session, wanted))

    async def claim(self, session: str) -> int:
        return await self._cross("claim", lambda: self.memory.claim(session))

    def dropped(self, session: str) -> None:
        if not self._fuse.is_blown:
            self.memory.dropped(session)

    async def admit(
        self,
        session: str,
        *requests: InputRequest,
        receipt: Receipt | None = None,
        workspace: str | None = None,
        onto: Onto | None = None,
    ) -> tuple[PublicEvent, ...]:
        how: dict[str, Any] = {"receipt": receipt, "workspace": workspace, "onto": onto}
        return await self._cross("admit", lambda: self.memory.admit(session, *requests, **how))

    async def records(self, session: str, *, after: int = 0, limit: int = 1000) -> list[Record]:
        return await self._cross("records", lambda: self.memory.records(session, after=after, limit=limit))

    async def session(self, id: str) -> SessionRow:
        return await self._cross("session", lambda: self.memory.session(id))

    async def sessions(self) -> list[SessionRow]:
        return await self._cross("sessions", lambda: self.memory.sessions())

    async def threads(self, session: str) -> list[ThreadRow]:
        return await self._cross("threads", lambda: self.memory.threads(session))

    async def open_calls(self, session: str) -> list[CallRow]:
        return await self._cross("open_calls", lambda: self.memory.open_calls(session))

    async def inputs(self, session: str, *, after: int = 0) -> list[InputRow]:
        return await self._cross("inputs", lambda: self.memory.inputs(session, after=after))

    async def definitions(self, version: str) -> dict[str, Definition]:
        return await self._cross("definitions", lambda: self.memory.definitions(version))

    async def owner(self, session: str) -> Owner | None:
        return await self._cross("owner", lambda: self.memory.owner(session))

    async def moved_elsewhere(self) -> list[str]:
        return await self._cross("moved_elsewhere", lambda: self.memory.moved_elsewhere())

    async def end_owner(self, session: str) -> None:
        await self._cross("end_owner", lambda: self.memory.end_owner(session))

    async def deleted(self, before: datetime) -> list[str]:
        return await self._cross("deleted", lambda: self.memory.deleted(before))

    async def purge(self, before: datetime) -> list[str]:
        return await self._cross("purge", lambda: self.memory.purge(before))

    async def forget_receipts(self, before: datetime) -> None:
        await self._cross("forget_receipts", lambda: self.memory.forget_receipts(before))

    async def close(self) -> None:
        await self.memory.close()


class FusedClock:
    """A clock whose alarms do not ring in a process that was killed."""

    def __init__(self, clock: Clock, fuse: Fuse) -> None:
        self._clock = clock
        self._fuse = fuse

    def now(self) -> datetime:
        return self._clock.now()

    def alarm(self, after_s: float, ring: Callable[[], None]) -> Callable[[], None]:
        self._fuse.cross("an alarm is set")

        def rings() -> None:
            self._fuse.cross("an alarm rings")
            ring()

        return self._clock.alarm(after_s, rings)


class FusedModel:
    """A model whose process may be killed before and after each call; it keeps what it was sent."""

    def __init__(self, model: Model, world: World, fuse: Fuse) -> None:
        self.provider = model.provider
        self._model = model
        self._world = world
        self._fuse = fuse

    async def reply(self, request: ModelRequest) -> Reply:
        self._fuse.cross("before a model call")
        self._world.requests.append(request)
        reply = await self._model.reply(request)
        self._fuse.cross("after a model call")
        return reply


class FusedTool:
    """A tool whose process may be killed before and after each call."""

    def __init__(self, tool: Tool, fuse: Fuse) -> None:
        self.name = tool.name
        self.description = tool.description
        self.input_schema = tool.input_schema
        self.idempotent = tool.idempotent
        self.needs_sandbox = tool.needs_sandbox
        self._tool = tool
        self._fuse = fuse

    async def run(self, call: ToolCall, sandbox: Sandbox | None) -> ToolOutcome:
        self._fuse.cross("before a tool")
        outcome = await self._tool.run(call, sandbox)
        self._fuse.cross("after a tool")
        return outcome


def keeps_the_contract(store: QueuedStore) -> Store:
    """For the type checker: this store is one."""
    return store
