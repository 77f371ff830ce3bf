"""Streams of a thread's events, as they are committed.

A stream reads when its client is ready for more: the records are those that all streams of the session share, and a
client that is slow holds up nobody. One that takes nothing for a while is cut off; it goes on behind the last event it
has seen with `Last-Event-ID`.

Source: the Managed Agents API, sections A.7 and C.7.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from podium.api.connection import CUT
from podium.api.frames import HEARTBEAT, frame_of
from podium.api.previews import Previews
from podium.api.state import Server
from podium.core.events import SessionDeleted, SessionTerminated, ThreadTerminated
from podium.core.lists import is_shown
from podium.core.records import Record
from podium.engine.hub import Follower, Preview
from podium.errors import StoreError

logger = logging.getLogger(__name__)
PIECE = 16 * 1024  # bytes that are written at once: a client that takes nothing leaves that much more lying about
_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


@dataclass(frozen=True, kw_only=True)
class View:
    """What a stream shows, and to the key of which id. Shape: it begins behind the seq `after`, which its client named
    if it `resumes`.

    `is_over` if nothing will come behind what is in the log now.
    """

    key: str
    session: str
    thread: str
    is_primary: bool
    after: int
    resumes: bool = False
    is_over: bool = False
    deltas: Collection[str] = ()


class Outlet:
    """Where a stream writes to: small parts together, large ones piece by piece, never ahead of the client."""

    def __init__(self, send: Send, stalled_s: float) -> None:
        self._send = send
        self._stalled_s = stalled_s
        self._parts: list[bytes] = []
        self._size = 0

    async def write(self, part: bytes) -> None:
        """Errors: TimeoutError if the client takes nothing."""
        if len(part) < PIECE:
            self._parts.append(part)
            self._size += len(part)
            if self._size >= PIECE:
                await self.flush()
            return
        await self.flush()
        for start in range(0, len(part), PIECE):
            await self._put(part[start : start + PIECE])

    async def flush(self) -> None:
        """Errors: as `write`."""
        if self._parts:
            parts, self._parts, self._size = self._parts, [], 0
            await self._put(b"".join(parts))

    async def close(self) -> None:
        """Nothing more is written. Errors: as `write`."""
        await self.flush()
        await self._put(b"", is_last=True)

    async def _put(self, piece: bytes, *, is_last: bool = False) -> None:
        async with asyncio.timeout(self._stalled_s):
            await self._send({"type": "http.response.body", "body": piece, "more_body": not is_last})


class EventStream(Response):
    """The stream as an ASGI response. It ends with the session or thread, the server, its client, or its key."""

    def __init__(self, server: Server, view: View) -> None:
        super().__init__(headers=_HEADERS, media_type="text/event-stream")
        del self.headers["content-length"]
        self._server = server
        self._view = view
        self._first: str | None = None  # the event that it begins with
        self._previews = Previews(view.thread, view.deltas)
        self._is_refused = False  # from now on: its key is no longer good

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        view, parts, settings = self._view, self._server.podium.parts, self._server.settings
        with ExitStack() as stack:
            follower = stack.enter_context(parts.hub.following(parts.store, view.session, after=view.after))
            if view.is_primary:
                unheard = self._server.heard.opened(view.session)
                stack.callback(self._server.heard.closed, view.session)
                if unheard is not None and not view.resumes:
                    follower.after, self._first = unheard.after, unheard.event
            if view.deltas:
                stack.enter_context(parts.hub.listening(view.session, lambda preview: self._hear(preview, follower)))
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            stream = self._stream(follower, Outlet(send, settings.stalled_s))
            work = asyncio.create_task(stream, name=f"stream of {view.session}")
            watching = [
                asyncio.create_task(_left(receive, work)),
                asyncio.create_task(_woken(self._server.closing, follower)),
                asyncio.create_task(self._refused(follower)),
            ]
            try:
                await asyncio.wait([work])
            finally:
                for task in (work, *watching):
                    task.cancel()
            if not work.cancelled() and (error := work.exception()) is not None:
                if not isinstance(error, TimeoutError):
                    raise error
                logger.info("a stream of %s is cut off: its client took nothing", view.session)
                await _cut(scope, receive)

    def _hear(self, preview: Preview, follower: Follower) -> None:
        if self._previews.hear(preview):
            follower.grown.set()

    async def _refused(self, follower: Follower) -> None:
        """End the stream when its key was revoked or has expired."""
        keys, settings = self._server.keys, self._server.settings
        while True:
            await asyncio.sleep(settings.key_s)
            try:
                row = await keys.key(self._view.key)
            except StoreError as error:  # the store's own trouble; it is asked again
                logger.debug("cannot ask whether key %s is good: %s", self._view.key, error)
                continue
            if row is None or not row.is_good(self._server.clock.now()):
                self._is_refused = True
                follower.grown.set()
                return

    async def _stream(self, follower: Follower, out: Outlet) -> None:
        """Write what is committed, and what is coming, until there can be no more."""
        settings = self._server.settings
        while True:
            is_over = self._view.is_over or self._server.closing.is_set()
            if self._is_refused:
                await out.close()
                return
            follower.grown.clear()
            while page := await follower.page():
                if await self._write(page, out):
                    await out.close()
                    return
            for frame in self._previews.now():
                await out.write(frame)
            if is_over:
                await out.close()
                return
            await out.flush()
            try:
                async with asyncio.timeout(settings.heartbeat_s):
                    await follower.grown.wait()
            except TimeoutError:
                await out.write(HEARTBEAT)

    async def _write(self, page: Iterable[Record], out: Outlet) -> bool:
        """Write the frames of these records; whether the last one was the last of all that may be told."""
        view = self._view
        for record in page:
            if self._is_refused:
                return True
            event, is_own = record.event, record.thread == view.thread
            is_last = self._is_last(record)
            if not is_shown(record.views, is_own=is_own, is_primary=view.is_primary):
                if is_last:
                    return True
                continue
            if self._first is not None and (event.id is None or event.id < self._first):  # later ids sort after
                continue
            self._first = None
            if is_own:
                for frame in self._previews.before(event):
                    await out.write(frame)
            for part in frame_of(record, is_primary=view.is_primary, thread=view.thread):
                await out.write(part)
            if is_own:
                self._previews.after(event)
            if is_last:
                return True
        return False

    def _is_last(self, record: Record) -> bool:
        """Whether nothing of this stream comes behind the record."""
        if isinstance(record.event, SessionDeleted | SessionTerminated):
            return True
        view, event = self._view, record.event
        return not view.is_primary and isinstance(event, ThreadTerminated) and event.session_thread_id == view.thread


async def _left(receive: Receive, work: "asyncio.Task[None]") -> None:
    """End the stream when its client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    work.cancel()


async def _cut(scope: Scope, receive: Receive) -> None:
    """End the connection. In good order it would not end: that waits until the client has taken what is left."""
    cut: Callable[[], None] = scope[CUT]
    cut()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _woken(closing: asyncio.Event, follower: Follower) -> None:
    """Have the stream say its last when the server is to end."""
    await closing.wait()
    follower.grown.set()
