"""Pages, cursors, arrays and times of lists, on a route of this test."""

from typing import Annotated, Any, Literal

import httpx2
import msgspec
import pytest
from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError

from podium.api.errors import ApiError, handled
from podium.api.paging import Between, Page, between, cursor_of, many, page_of, paged

Kind = Literal["a", "b"]


class After(msgspec.Struct, frozen=True):
    number: int


def app() -> FastAPI:
    app = FastAPI(exception_handlers={ApiError: handled, RequestValidationError: handled})

    @app.get("/numbers")
    async def numbers(
        page: Annotated[Page, Depends(paged(usual=2, most=5))],
        made: Annotated[Between, Depends(between("created_at"))],
        kinds: Annotated[list[Kind], Depends(many("kinds", Kind))],
    ) -> dict[str, Any]:
        after = page.after(After)
        first = 0 if after is None else after.number
        found = list(range(10))[first : first + page.limit]
        following = cursor_of(After(found[-1] + 1)) if found and found[-1] < 9 else None
        return page_of(found, following, kinds=kinds, made=[str(it) for it in (made.gt, made.gte, made.lt, made.lte)])

    return app


async def get(query: str) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=app())
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get(f"/numbers?{query}")


async def test_pages_follow_each_other_to_the_end() -> None:
    seen, page = [], ""
    while True:
        body = (await get(f"limit=3&page={page}")).json()
        seen.append(body["data"])
        if body["next_page"] is None:
            break
        page = body["next_page"]

    assert seen == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


@pytest.mark.parametrize("cursor", ["x", "eyJ9", "!!!", "e30", cursor_of({"number": "1"}), "ü", "A" * 3000])
async def test_made_up_cursor_is_refused(cursor: str) -> None:
    got = await get(f"page={cursor}")

    assert got.status_code == 400
    assert got.json()["error"]["message"] == (
        "page: is no cursor of this list; send the 'next_page' of the page before"
    )


@pytest.mark.parametrize("query", ["kinds=a&kinds=b", "kinds[]=a&kinds[]=b", "kinds%5B%5D=a&kinds%5B%5D=b&kinds=a"])
async def test_both_ways_to_write_an_array_are_read(query: str) -> None:
    assert sorted((await get(query)).json()["kinds"]) == ["a", "b"]


async def test_entry_of_an_array_that_cannot_be_is_named() -> None:
    got = await get("kinds[]=a&kinds[]=c")

    assert got.json()["error"]["message"] == "kinds[1]: must be 'a' or 'b', not 'c'"


async def test_times_are_read_in_their_zones() -> None:
    got = await get("created_at[gte]=2026-11-01T12:00:00Z&created_at%5Blt%5D=2026-11-01T12:00:00%2B02:00")
    plain = await get("created_at[gt]=2026-11-01T12:00:00")

    assert got.json()["made"] == ["None", "2026-11-01 12:00:00+00:00", "2026-11-01 10:00:00+00:00", "None"]
    assert plain.json()["made"][0] == "2026-11-01 12:00:00+00:00"


async def test_time_that_is_none_is_named() -> None:
    got = await get("created_at[gte]=yesterday")

    assert got.json()["error"]["message"].startswith("created_at[gte]: must be a valid datetime")
