"""Lists of events: a snapshot at the head of their first page, whatever is committed between pages.

Shape: first what was processed up to that head, in the order of the log; then the inputs that were queued by then and
not taken, in the order they came. `desc` is the exact reverse. So each event stands once, in the order of processing.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import msgspec

from podium.api.errors import ApiError, invalid
from podium.api.frames import body_of
from podium.api.paging import Order, Page, cursor_of
from podium.core.events import PublicEvent
from podium.core.lists import EventsWanted, Times
from podium.core.ports import Store
from podium.core.records import Record
from podium.errors import UnknownName

# Source: the Managed Agents API, section C. Those that this version never sends may be asked for, and are not found.
_LATER = (
    "agent.mcp_tool_use",
    "agent.mcp_tool_result",
    "user.define_outcome",
    "user.tool_result",
    "span.outcome_evaluation_start",
    "span.outcome_evaluation_ongoing",
    "span.outcome_evaluation_end",
    "workflow_run.created",
    "workflow_run.status_running",
    "workflow_run.status_idle",
    "workflow_run.phase_started",
    "workflow_run.phase_ended",
    "workflow_run.error",
    "workflow_run.status_ended",
    "event_start",
    "event_delta",
)
KINDS = frozenset([*(str(kind.__struct_config__.tag) for kind in PublicEvent.__args__), *_LATER])

_Seq = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]


class _Cursor(msgspec.Struct, forbid_unknown_fields=True):
    """A place in the list of a thread: behind this seq, in one of its two parts."""

    thread: str
    order: Order
    head: _Seq
    part: Literal["taken", "waiting"]
    seq: _Seq


async def list_events(
    store: Store,
    session: str,
    thread: str,
    page: Page,
    *,
    is_primary: bool,
    head: int,
    order: Order = "asc",
    types: Sequence[str] = (),
    processed: Times | None = None,
) -> bytes:
    """A page of the thread's list as JSON. Shape: `head` is the seq of the log's last record now.

    Errors: ApiError 400 for a cursor of another list, and for a kind that no event has.
    """
    for kind in types:
        if kind not in KINDS:
            raise invalid("types", str(UnknownName("kind of event", f"{kind:.60}", KINDS)))
    cursor = page.after(_Cursor) or _Cursor(thread, order, head, "taken" if order == "asc" else "waiting", 0)
    if cursor.thread != thread or cursor.order != order or cursor.head > head:
        raise ApiError(400, "page: is no cursor of this list; send the 'next_page' of the page before")
    wanted = EventsWanted(
        thread=thread,
        is_primary=is_primary,
        low=0,
        high=cursor.head,
        limit=page.limit + 1,
        newest_first=order == "desc",
        types=frozenset(types),
        processed=processed or Times(),
    )
    found = await _found(store, session, wanted, cursor)
    shown = found[: page.limit]
    bodies = b",".join(body_of(record, is_primary=is_primary, thread=thread) for _, record in shown)
    next_page = None
    if len(found) > len(shown):
        part, last = shown[-1]
        next_page = cursor_of(_Cursor(thread, order, cursor.head, part, last.seq))
    return b'{"data":[' + bodies + b'],"next_page":' + msgspec.json.encode(next_page) + b"}"


_Found = list[tuple[Literal["taken", "waiting"], Record]]


async def _found(store: Store, session: str, wanted: EventsWanted, cursor: _Cursor) -> _Found:
    """What follows the cursor, as much as is wanted."""
    found: _Found = []
    if not wanted.newest_first:
        if cursor.part == "taken":
            low = replace(wanted, low=cursor.seq)
            found += [("taken", record) for record in await store.shown(session, low)]
        if len(found) < wanted.limit:
            after = cursor.seq if cursor.part == "waiting" else 0
            found += await _waiting(store, session, wanted, after, wanted.limit - len(found))
        return found
    if cursor.part == "waiting":
        found += await _waiting(store, session, wanted, cursor.seq, wanted.limit)
    if len(found) < wanted.limit:
        is_in_log = cursor.part == "taken"
        high = replace(wanted, high=cursor.seq - 1 if is_in_log else wanted.high, limit=wanted.limit - len(found))
        found += [("taken", record) for record in await store.shown(session, high)]
    return found


async def _waiting(store: Store, session: str, wanted: EventsWanted, after: int, limit: int) -> _Found:
    """The inputs that waited at the head, behind this one; none with a filter by time, since they have none."""
    if not wanted.processed.is_open:
        return []
    inputs = [
        row.queued_seq
        for row in await store.inputs(session)
        if row.queued_seq <= wanted.high and (row.taken_seq is None or row.taken_seq > wanted.high)
    ]
    if wanted.newest_first:
        inputs = [seq for seq in reversed(inputs) if after == 0 or seq < after]
    else:
        inputs = [seq for seq in inputs if seq > after]
    found: _Found = []
    for seq in inputs:
        [record] = await store.records(session, after=seq - 1, limit=1)
        if wanted.shows(record) and (not wanted.types or record.type in wanted.types):
            found.append(("waiting", record))
            if len(found) == limit:
                break
    return found
