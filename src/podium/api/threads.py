"""`/v1/sessions/{id}/threads`: the threads of a session, with their own events."""

import asyncio
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import Response

from podium.api.answers import Once, answered
from podium.api.errors import JSON_TYPE, ApiError
from podium.api.event_lists import list_events
from podium.api.events import STREAM, Deltas, LastEventId, streamed
from podium.api.events import Paged as EventsPaged
from podium.api.paging import Page, cursor_of, many, page_of, paged
from podium.api.render import shown_thread
from podium.api.sessions import Reader, Writer, own
from podium.api.state import Here, Server
from podium.core.facts import ArchiveTaken
from podium.core.inputs import Archive
from podium.core.rows import SessionRow, ThreadRow
from podium.errors import NotFound

router = APIRouter(tags=["threads"])
Status = Literal["running", "idle", "rescheduling", "terminated"]
ARCHIVE_S = 30.0  # so long the session's driver may take to archive a thread


class _Cursor(msgspec.Struct, forbid_unknown_fields=True):
    """A place in a list of threads: behind this one."""

    after: str


@router.get("/v1/sessions/{session_id}/threads", summary="List threads")
async def threads(
    session_id: str,
    caller: Reader,
    server: Here,
    page: Annotated[Page, Depends(paged(usual=1000, most=1000))],
    statuses: Annotated[list[Status], Depends(many("statuses", Status))],
) -> Response:
    """All threads of the session in the order they were made: the primary one first, archived ones too."""
    row = (await own(server, caller, session_id)).row
    cursor = page.after(_Cursor)
    found = await server.podium.parts.store.threads(session_id)
    if cursor is not None:
        ids = [thread.id for thread in found]
        if cursor.after not in ids:
            raise ApiError(400, "page: is no cursor of this list; send the 'next_page' of the page before")
        found = found[ids.index(cursor.after) + 1 :]
    found = [thread for thread in found if not statuses or thread.status in statuses]
    shown = found[: page.limit]
    next_page = cursor_of(_Cursor(shown[-1].id)) if len(found) > len(shown) else None
    return answered(page_of([await shown_thread(server, row, thread) for thread in shown], next_page))


@router.get("/v1/sessions/{session_id}/threads/{thread_id}", summary="Retrieve a thread")
async def retrieve(session_id: str, thread_id: str, caller: Reader, server: Here) -> Response:
    """The thread as it is now."""
    row = (await own(server, caller, session_id)).row
    return answered(await shown_thread(server, row, await _thread(server, row, thread_id)))


@router.post("/v1/sessions/{session_id}/threads/{thread_id}/archive", summary="Archive a thread")
async def archive(session_id: str, thread_id: str, caller: Writer, server: Here, receipt: Once) -> Response:
    """The thread is over for good, and makes room for another. It must not be running.

    While other threads of the session run, its driver archives it; this waits until it has.
    """
    row = (await own(server, caller, session_id)).row
    await _thread(server, row, thread_id)
    await server.podium.admit(session_id, Archive(thread=thread_id), receipt=receipt)
    thread = await _archived(server, row, thread_id)
    return answered(await shown_thread(server, row, thread))


async def _archived(server: Server, row: SessionRow, id: str) -> ThreadRow:
    """The thread, once it is archived.

    Errors: ApiError 400 if it began to work in the meantime, 504 if nobody drives the session.
    """
    parts = server.podium.parts
    with parts.hub.following(parts.store, row.id, after=row.head) as follower:
        try:
            async with asyncio.timeout(ARCHIVE_S):
                is_decided = False
                while True:
                    follower.grown.clear()
                    while page := await follower.page():
                        taken = [each for each in page if each.thread == id and isinstance(each.event, ArchiveTaken)]
                        is_decided = is_decided or bool(taken)
                    thread = await _thread(server, row, id)
                    if thread.status == "terminated":
                        return thread
                    if is_decided:
                        raise ApiError(400, f"thread {id} has begun to work and cannot be archived; interrupt it first")
                    await follower.grown.wait()
        except TimeoutError:
            raise ApiError(
                504, f"thread {id} is to be archived, and whoever drives its session has not done it yet"
            ) from None


async def _thread(server: Server, row: SessionRow, id: str) -> ThreadRow:
    """The thread of this session. Errors: NotFound."""
    for thread in await server.podium.parts.store.threads(row.id):
        if thread.id == id:
            return thread
    raise NotFound(f"there is no thread {id} in session {row.id}")


@router.get("/v1/sessions/{session_id}/threads/{thread_id}/events", summary="List a thread's events")
async def events(session_id: str, thread_id: str, caller: Reader, server: Here, page: EventsPaged) -> Response:
    """The events of the thread, the oldest first. Those of the primary thread are the session's."""
    row = (await own(server, caller, session_id)).row
    thread = await _thread(server, row, thread_id)
    store = server.podium.parts.store
    is_primary = thread.parent is None
    listed = await list_events(store, session_id, thread_id, page, is_primary=is_primary, head=row.head)
    return Response(listed, media_type=JSON_TYPE)


@router.get(
    "/v1/sessions/{session_id}/threads/{thread_id}/stream",
    summary="Stream a thread's events",
    response_class=Response,
    responses=STREAM,
)
async def stream(
    session_id: str,
    thread_id: str,
    caller: Reader,
    server: Here,
    deltas: Deltas,
    last_event_id: LastEventId = None,
) -> Response:
    """What happens in the thread from now on, as it is committed. With `Last-Event-ID` it goes on behind that frame."""
    row = (await own(server, caller, session_id)).row
    thread = await _thread(server, row, thread_id)
    return streamed(
        server,
        caller,
        row,
        thread_id,
        is_primary=thread.parent is None,
        is_over="terminated" in (thread.status, row.facts.status),
        after=last_event_id,
        deltas=deltas,
    )
