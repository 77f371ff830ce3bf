"""`/v1/sessions/{id}/events`: events are sent, listed and streamed."""

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
from podium.api.state import Here
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
    head = None if server.heard.is_listening(session_id) else (await own(server, caller, session_id)).head
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
    row = await own(server, caller, session_id)
    store = server.podium.parts.store
    primary = (await store.listed(session_id)).primary
    listed = await list_events(
        store,
        session_id,
        primary,
        page,
        is_primary=True,
        head=row.head,
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
    row = await own(server, caller, session_id)
    primary = (await server.podium.parts.store.listed(session_id)).primary
    after = resumed(last_event_id, row)
    return EventStream(
        server,
        View(
            key=caller.key_id,
            session=session_id,
            thread=primary,
            is_primary=True,
            after=row.head if after is None else after,
            resumes=after is not None,
            is_over=row.facts.status == "terminated",
            deltas=deltas,
        ),
    )


def resumed(last_event_id: str | None, row: SessionRow) -> int | None:
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
