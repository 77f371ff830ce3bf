"""Lists a page at a time: limits, cursors, order, filters by time, and both ways to write an array in a query.

Shape: dependencies of routes, as in `page: Annotated[Page, Depends(paged(usual=20, most=100))]`. They are coroutines:
FastAPI runs plain functions in threads, which costs more than they do.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from fastapi import Query

from podium.api.errors import ApiError
from podium.core.json import JSON
from podium.core.lists import Times

Order = Literal["asc", "desc"]
T = TypeVar("T")
_MOST_CURSOR = 2000


@dataclass(frozen=True, kw_only=True)
class Page:
    """Which part of a list is asked for. Shape: `cursor` is what `cursor_of` made, not read yet."""

    limit: int
    cursor: str | None = None

    def after(self, kind: type[T]) -> T | None:
        """Where the page begins, as the list's own kind of cursor, or None for the first page.

        Errors: ApiError 400 for what is no cursor of this list.
        """
        return None if self.cursor is None else read_cursor(self.cursor, kind)


def paged(*, usual: int, most: int) -> Callable[..., Awaitable[Page]]:
    """A dependency that reads `limit` and `page`."""

    async def page(
        limit: Annotated[int, Query(ge=1, le=most, description="How many at most.")] = usual,
        page: Annotated[str | None, Query(description="The `next_page` of the page before.")] = None,
    ) -> Page:
        return Page(limit=limit, cursor=page or None)

    return page


def cursor_of(place: object) -> str:
    """A cursor that clients hand back as it is. Shape: `place` is a msgspec struct."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def read_cursor(cursor: str, kind: type[T], field: str = "page") -> T:
    """The place that a cursor names. Errors: ApiError 400."""
    try:
        if len(cursor) > _MOST_CURSOR or not cursor.isascii():
            raise ValueError("no cursor")
        padded = cursor + "=" * (-len(cursor) % 4)
        return msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=kind, strict=True)
    except (ValueError, binascii.Error, msgspec.DecodeError):  # one that was made by somebody else
        raise ApiError(400, f"{field}: is no cursor of this list; send the 'next_page' of the page before") from None


def page_of(data: Sequence[JSON], next_page: str | None, **more: JSON) -> dict[str, JSON]:
    """A page as the API writes it."""
    return {"data": list(data), "next_page": next_page, **more}


Between = Times


def between(name: str) -> Callable[..., Awaitable[Between]]:
    """A dependency that reads `name[gt]`, `name[gte]`, `name[lt]` and `name[lte]`. A time without a zone is UTC."""
    kind = datetime | None

    async def bounds(
        gt: Annotated[kind, Query(alias=f"{name}[gt]", description="After this time.")] = None,
        gte: Annotated[kind, Query(alias=f"{name}[gte]", description="At this time or later.")] = None,
        lt: Annotated[kind, Query(alias=f"{name}[lt]", description="Before this time.")] = None,
        lte: Annotated[kind, Query(alias=f"{name}[lte]", description="At this time or earlier.")] = None,
    ) -> Between:
        return Between(gt=_aware(gt), gte=_aware(gte), lt=_aware(lt), lte=_aware(lte))

    return bounds


def _aware(at: datetime | None) -> datetime | None:
    if at is None:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def many(name: str, kind: Any = str, *, most: int = 100) -> Callable[..., Awaitable[list[Any]]]:
    """A dependency that reads an array, written `name=a&name=b` or `name[]=a&name[]=b`; empty if it is left out.

    Shape: `kind` is the type of its entries, such as a Literal.
    """

    async def entries(
        plain: Annotated[list[kind] | None, Query(alias=name, max_length=most)] = None,
        bracketed: Annotated[list[kind] | None, Query(alias=f"{name}[]", max_length=most)] = None,
    ) -> list[Any]:
        return list(dict.fromkeys([*(plain or ()), *(bracketed or ())]))

    return entries
