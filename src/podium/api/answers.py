"""What routes answer with, and how requests are done once."""

from datetime import datetime
from hashlib import sha256
from typing import Annotated

import msgspec
from fastapi import Depends, Header, Request
from starlette.responses import Response

from podium.api.errors import JSON_TYPE, ApiError
from podium.api.paging import Between, Page, cursor_of
from podium.core.catalog import Page as Rows
from podium.core.catalog import Row, Wanted
from podium.core.json import JSON
from podium.core.ports import Receipt

_encode = msgspec.json.Encoder().encode


def answered(body: JSON) -> Response:
    """The body as JSON. Times in it are written as the API writes times."""
    return Response(_encode(body), media_type=JSON_TYPE)


def written(at: datetime | None) -> str | None:
    """The time as the API writes it."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")


# --- once --------------------------------------------------------------------------------------------


async def once(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(max_length=255, description="A request that is sent again under the same key is not done again."),
    ] = None,
) -> Receipt | None:
    """A dependency: what tells this request from others, if the client said so. The key is its workspace's own."""
    if not idempotency_key:
        return None
    whole = b"\n".join([request.method.encode(), request.url.path.encode(), await request.body()])
    caller = request.state.caller
    return Receipt(workspace=caller.workspace, key=idempotency_key, fingerprint=sha256(whole).hexdigest())


Once = Annotated[Receipt | None, Depends(once)]


# --- lists of the catalog ------------------------------------------------------------------------------


class _After(msgspec.Struct, forbid_unknown_fields=True):
    """A cursor of the catalog: which list, and the place of the last row that was shown."""

    of: str
    no: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


def wanted(of: str, page: Page, made: Between | None = None, *, archived: bool = True) -> Wanted:
    """The part of the list `of` that is asked for. Errors: ApiError 400 for the cursor of another list."""
    after = page.after(_After)
    if after is not None and after.of != of:
        raise ApiError(400, "page: is no cursor of this list; send the 'next_page' of the page before")
    made = made or Between()
    return Wanted(
        limit=page.limit,
        after=None if after is None else after.no,
        archived=archived,
        gt=made.gt,
        gte=made.gte,
        lt=made.lt,
        lte=made.lte,
    )


def next_of(of: str, rows: Rows[Row]) -> str | None:
    """The cursor of the page behind these rows of the list `of`."""
    return None if rows.next is None else cursor_of(_After(of, rows.next))
