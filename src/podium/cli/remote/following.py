"""A session on a server, followed: the streams of all its threads as one line of what happens.

A stream shows only what happens while it is open, and connections are lost: so each is opened first, then the list of
what was before is read, and each event is taken once. Streams race: what the session's stream tells of a child's status
waits until the child's own stream has told what came before.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from podium.core.json import JSON
from podium.errors import PodiumError

if TYPE_CHECKING:
    from podium.cli.remote.server import Account

_STATUS = "session.thread_status_"
_RESTS = (f"{_STATUS}idle", f"{_STATUS}terminated")
_ENDS = ("session.status_terminated", "session.deleted")
_PATIENCE_S = 2.0  # for a child's stream that the session's is ahead of
_AFTER_S = (0.1, 0.5, 1.0, 2.0, 5.0)  # after how long a lost stream is opened again; the last one counts on


@dataclass(frozen=True)
class Opened:
    """A child thread: its stream is followed from here on."""

    thread: str
    parent: str
    agent_name: str
    agent: str


@dataclass(frozen=True)
class Happened:
    """An event in the stream of a thread, as it came."""

    thread: str
    event: dict[str, JSON]

    @property
    def kind(self) -> str:
        return str(self.event.get("type"))

    @property
    def is_own_rest(self) -> bool:
        """Whether the thread works no more, as its own stream tells it."""
        return self.kind in _RESTS and self.event.get("session_thread_id") == self.thread


@dataclass(frozen=True)
class Heard:
    """A piece of what the primary's model is saying."""

    text: str


@dataclass(frozen=True)
class Lost:
    """A stream broke off, and is opened again; or, with no reason, it is back."""

    reason: str


@dataclass(frozen=True)
class Left:
    """Nobody looks on any more. Shape: `error` is why, if nobody asked for it."""

    error: PodiumError | None = None


Item = Opened | Happened | Heard | Lost | Left


class Following:
    """Everything that happens in the session, from its first event on.

    Shape: with `hears`, pieces of what the primary's model says come too. Each event comes once, in the order of its
    stream. It ends after `leave`.
    """

    def __init__(self, account: "Account", session: str, primary: str, *, hears: bool) -> None:
        self._account = account
        self._session = session
        self._primary = primary
        self._hears = hears
        self._items: asyncio.Queue[Item] = asyncio.Queue()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._seen: dict[str, dict[str, bool]] = {}  # by thread and event: whether it was processed
        self._told: Counter[str] = Counter()  # statuses of children that the session's stream has told
        self._own: Counter[str] = Counter()  # and those that their own streams have
        self._over: set[str] = set()  # threads whose streams have told their last
        self._held: deque[Item] = deque()  # what is told once these are even

    def leave(self, error: PodiumError | None = None) -> None:
        """Look on no more, once what came before was told."""
        self._items.put_nowait(Left(error))

    async def items(self) -> AsyncGenerator[Item, None]:
        """What happens. Errors: PodiumError if the server will not show it any more."""
        self._follow(self._primary)
        try:
            while True:
                item = self._held.popleft() if self._held else await self._items.get()
                if isinstance(item, Left):
                    if item.error is not None:
                        raise item.error
                    return
                child = self._counted(item)
                if child is not None:
                    async for earlier in self._told_by(child):
                        yield earlier
                yield item
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _counted(self, item: Item) -> str | None:
        """Count a status of a child; which child, if it is the session's stream that tells it."""
        if not isinstance(item, Happened) or not item.kind.startswith(_STATUS):
            return None
        if item.thread != self._primary:
            self._own[item.thread] += 1
            return None
        child = str(item.event.get("session_thread_id"))
        self._told[child] += child != self._primary
        return child

    async def _told_by(self, child: str) -> AsyncGenerator[Item, None]:
        """What the child's own stream tells up to the status that the session's stream has told; that waits for it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE_S
        while self._own[child] < self._told[child]:
            try:
                async with asyncio.timeout_at(deadline):
                    item = await self._items.get()
            except TimeoutError:  # its stream is lost, say: what it tells comes later then, and nothing waits for it
                self._told[child] = self._own[child]
                return
            if isinstance(item, Opened) or (isinstance(item, Happened) and item.thread != self._primary):
                self._counted(item)
                yield item
            else:
                self._held.append(item)

    # --- one stream ----------------------------------------------------------------------------------

    def _follow(self, thread: str) -> None:
        if thread not in self._tasks:
            self._tasks[thread] = asyncio.create_task(self._keep_following(thread), name=f"stream of {thread}")

    async def _keep_following(self, thread: str) -> None:
        import anthropic
        import httpx2

        failures = 0
        while True:
            why = "it was ended"
            try:
                async with await self._open(thread) as stream:
                    await self._read_list(thread)
                    if failures:
                        self._items.put_nowait(Lost(""))
                    failures = 0
                    async for event in stream:
                        await self._take(thread, event.to_dict(mode="json", warnings=False))
                if thread in self._over:
                    return
            except anthropic.APIStatusError as error:
                if error.status_code < 500 and error.status_code not in (408, 409, 429):
                    self._refused(error)
                    return
                why = f"status {error.status_code}"
            except (anthropic.APIError, httpx2.HTTPError, httpx2.StreamError, OSError) as error:
                why = str(error.__cause__ or error) or type(error).__name__
            if not failures and thread == self._primary:
                self._items.put_nowait(Lost(why))
            await asyncio.sleep(_AFTER_S[min(failures, len(_AFTER_S) - 1)])
            failures += 1

    def _refused(self, error: Exception) -> None:
        try:
            with self._account.told():
                raise error
        except PodiumError as refusal:
            self.leave(refusal)

    async def _open(self, thread: str) -> Any:
        sessions = self._account.client.beta.sessions
        if thread != self._primary:
            return await sessions.threads.events.stream(thread, session_id=self._session)
        if self._hears:
            return await sessions.events.stream(self._session, event_deltas=["agent.message"])
        return await sessions.events.stream(self._session)

    async def _read_list(self, thread: str) -> None:
        """Take what the server's list of the thread's events has, and was not taken before."""
        sessions = self._account.client.beta.sessions
        pages: Any = (
            sessions.events.list(self._session, limit=1000)
            if thread == self._primary
            else sessions.threads.events.list(thread, session_id=self._session, limit=1000)
        )
        async with aclosing(aiter(pages)) as events:
            async for event in events:
                await self._take(thread, event.to_dict(mode="json", warnings=False))

    async def _take(self, thread: str, event: dict[str, JSON]) -> None:
        kind = str(event.get("type"))
        if kind == "event_delta":
            said = event.get("delta", {}).get("content", {}).get("text", "")
            self._items.put_nowait(Heard(said))
        about = event.get("session_thread_id", thread)
        if kind == "session.thread_created" and about not in self._tasks:
            await self._open_child(about)  # before the event counts as taken: where this fails, it is tried again
        if kind in ("event_start", "event_delta") or not self._is_new(thread, event):
            return
        if kind in _ENDS or (kind == f"{_STATUS}terminated" and about == thread):
            self._over.add(thread)
        self._items.put_nowait(Happened(thread, event))

    def _is_new(self, thread: str, event: dict[str, JSON]) -> bool:
        """Whether it was not taken yet: a queued input comes again when it is processed, and then it is that."""
        id, is_processed = str(event.get("id")), event.get("processed_at") is not None
        seen = self._seen.setdefault(thread, {})
        if seen.get(id, False) or (id in seen and not is_processed):
            return False
        seen[id] = is_processed
        return True

    async def _open_child(self, thread: str) -> None:
        found = await self._account.client.beta.sessions.threads.retrieve(thread, session_id=self._session)
        about = found.to_dict(mode="json", warnings=False)
        agent: Any = about.get("agent") or {}
        parent = str(about.get("parent_thread_id") or self._primary)
        self._items.put_nowait(Opened(thread, parent, str(agent.get("name", "")), str(agent.get("id", ""))))
        self._follow(thread)
