"""`/v1/sessions/{id}/events`: events are sent, listed and streamed."""

from collections.abc import Collection
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Security
from starlette.responses import Response

from podium.api.answers import Once
from podium.api.auth import Caller, allowed, check_scopes
from podium.api.errors import JSON_TYPE, ApiError, invalid
from podium.api.event_lists import list_events
from podium.api.paging import Between, Order, Page, between, many, paged
from podium.api.sessions import Reader, own
from podium.api.shapes.events import EventsSend, UserToolConfirmation, asked_by, field_of
from podium.api.sse import EventStream, View
from podium.api.state import Here, Server
from podium.core.records import encode
from podium.core.rows import SessionRow
from podium.errors import Answered, NotFound, Refused, WrongThread

router = APIRouter(tags=["events"])
Sender = Annotated[Caller, Security(allowed)]
Paged = Annotated[Page, Depends(paged(usual=1000, most=1000))]
Previewed = Literal["agent.message", "agent.thinking"]
Deltas = Annotated[list[Previewed], Depends(many("event_deltas", Previewed))]
LastEventId = Annotated[
    str | None, Header(alias="last-event-id", description="The `id` of the last frame that was seen.")
]
STREAM: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}, "description": "The stream"}}


@router.post("/v1/sessions/{session_id}/events", summary="Send events")
async def send(session_id: str, body: EventsSend, caller: Sender, server: Here, receipt: Once) -> Response:
    """The events with their ids: all of them are accepted, or none. They are processed in their order."""
    needed = {
        "approvals:write" if isinstance(event, UserToolConfirmation) else "sessions:write" for event in body.events
    }
    check_scopes(caller, *sorted(needed))
    head = None if server.heard.is_listening(session_id) else (await own(server, caller, session_id)).row.head
    requests = map(asked_by, body.events)
    try:
        events = await server.podium.admit(session_id, *requests, receipt=receipt, workspace=caller.workspace)
    except Answered as error:  # the official clients would try it again
        said = f"events[{error.request}]{field_of(body.events[error.request])}: {error}"
        raise ApiError(409, said, headers={"x-should-retry": "false"}) from None
    except Refused as error:
        field = ".session_thread_id" if isinstance(error, WrongThread) else field_of(body.events[error.request])
        raise invalid(f"events[{error.request}]{field}", str(error)) from None
    except NotFound as error:
        if error.request is None:  # it is the session that is not there
            raise
        raise NotFound(f"events[{error.request}]{field_of(body.events[error.request])}: {error}") from None
    if head is not None:
        server.heard.accepted(session_id, events[0].id, after=head)
    return Response(b'{"data":[' + b",".join(map(encode, events)) + b"]}", media_type=JSON_TYPE)


@router.get("/v1/sessions/{session_id}/events", summary="List events")
async def events(
    session_id: str,
    caller: Reader,
    server: Here,
    page: Paged,
    processed: Annotated[Between, Depends(between("created_at"))],
    types: Annotated[list[str], Depends(many("types"))],
    order: Annotated[Order, Query(description="By processing; the oldest first is `asc`.")] = "asc",
) -> Response:
    """The events of the session's primary thread, with what its other threads need the client for."""
    session = await own(server, caller, session_id)
    listed = await list_events(
        server.podium.parts.store,
        session_id,
        session.primary,
        page,
        is_primary=True,
        head=session.row.head,
        order=order,
        types=types,
        processed=processed,
    )
    return Response(listed, media_type=JSON_TYPE)


@router.get(
    "/v1/sessions/{session_id}/events/stream", summary="Stream events", response_class=Response, responses=STREAM
)
async def stream(
    session_id: str, caller: Reader, server: Here, deltas: Deltas, last_event_id: LastEventId = None
) -> Response:
    """What happens from now on, as it is committed. With `Last-Event-ID` it goes on behind that frame."""
    session = await own(server, caller, session_id)
    is_over = session.row.facts.status == "terminated"
    return streamed(
        server,
        caller,
        session.row,
        session.primary,
        is_primary=True,
        is_over=is_over,
        after=last_event_id,
        deltas=deltas,
    )


def streamed(
    server: Server,
    caller: Caller,
    row: SessionRow,
    thread: str,
    *,
    is_primary: bool,
    is_over: bool,
    after: str | None,
    deltas: Collection[str],
) -> EventStream:
    """The stream of a thread, behind the frame `after` or from now on. Errors: ApiError 400."""
    seq = _resumed(after, row)
    view = View(
        key=caller.key_id,
        session=row.id,
        thread=thread,
        is_primary=is_primary,
        after=row.head if seq is None else seq,
        resumes=seq is not None,
        is_over=is_over,
        deltas=deltas,
    )
    return EventStream(server, view)


def _resumed(last_event_id: str | None, row: SessionRow) -> int | None:
    """The seq behind which a stream goes on, if its client named one.

    Errors: ApiError 400 for what is no id of a frame of this session.
    """
    if not last_event_id:
        return None
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) <= 10):
        raise ApiError(400, "Last-Event-ID: is no id of a frame of this stream")
    if int(last_event_id) > row.head:
        raise ApiError(400, f"Last-Event-ID: this session has no frame {last_event_id} yet; its last is {row.head}")
    return int(last_event_id)
