"""`/v1/environments`: where tools of sessions run."""

from collections.abc import Awaitable
from typing import Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Query, Security
from starlette.responses import Response

from podium.api.answers import Once, answered, next_of, wanted, written
from podium.api.auth import Caller, allowed
from podium.api.errors import ApiError, invalid
from podium.api.paging import Page, page_of, paged
from podium.api.shapes.environments import PACKAGES, Cloud, EnvironmentCreate, EnvironmentUpdate
from podium.api.state import Here
from podium.core.catalog import EnvironmentRow
from podium.core.json import JSON
from podium.core.revisions import next_environment
from podium.errors import NotFound

router = APIRouter(tags=["environments"])
Reader = Annotated[Caller, Security(allowed, scopes=["agents:read"])]
Writer = Annotated[Caller, Security(allowed, scopes=["agents:write"])]
T = TypeVar("T")
_OF = "environments"


@router.post("/v1/environments", summary="Create an environment")
async def create(body: EnvironmentCreate, caller: Writer, server: Here, receipt: Once) -> Response:
    """A new environment. Each session has a sandbox of its own in it."""
    at = server.clock.now()
    row = EnvironmentRow(
        id=server.new_id("env"),
        workspace=caller.workspace,
        created_at=at,
        updated_at=at,
        body={
            "name": body.name,
            "description": body.description,
            "config": _config(body.config),
            "metadata": dict(body.metadata or {}),
            "scope": "organization",
        },
    )
    return answered(shown(await server.catalog.create_environment(row, receipt)))


@router.get("/v1/environments", summary="List environments")
async def environments(
    caller: Reader,
    server: Here,
    page: Annotated[Page, Depends(paged(usual=20, most=100))],
    include_archived: Annotated[bool, Query(description="Archived environments too.")] = False,
) -> Response:
    """The environments, newest first."""
    rows = await server.catalog.environments(caller.workspace, wanted(_OF, page, archived=include_archived))
    return answered(page_of([shown(row) for row in rows.rows], next_of(_OF, rows)))


@router.get("/v1/environments/{environment_id}", summary="Retrieve an environment")
async def retrieve(environment_id: str, caller: Reader, server: Here) -> Response:
    """An environment."""
    return answered(shown(await _found(server.catalog.environment(caller.workspace, environment_id))))


@router.post("/v1/environments/{environment_id}", summary="Update an environment")
async def update(environment_id: str, body: EnvironmentUpdate, caller: Writer, server: Here) -> Response:
    """The environment with what was sent; it holds for new sessions."""
    at = server.clock.now()
    # A description may be null; any other null says nothing.
    given = body.model_dump(exclude_unset=True, exclude={"config"})
    sent = {field: value for field, value in given.items() if value is not None or field == "description"}

    def change(row: EnvironmentRow) -> EnvironmentRow:
        if row.archived_at is not None:
            said = f"environment {row.id} is archived, and can no longer be updated; create another one"
            raise ApiError(400, said, details={"error_code": "environment_archived"})
        if body.config is None:
            return next_environment(row, sent, at)
        if not isinstance(body.config, Cloud):
            said = f"the environment is of type '{row.body['config']['type']}', which cannot change; create another one"
            raise invalid("config.type", said, code="invalid_config_type_change")
        return next_environment(row, {**sent, "config": _config(body.config, row.body["config"])}, at)

    changing = server.catalog.change_environment(caller.workspace, environment_id, change)
    return answered(shown(await _found(changing)))


@router.delete("/v1/environments/{environment_id}", summary="Delete an environment")
async def delete(environment_id: str, caller: Writer, server: Here) -> Response:
    """For good; only while no session refers to it."""
    await _found(server.catalog.delete_environment(caller.workspace, environment_id, _check_unused))
    return answered({"id": environment_id, "type": "environment_deleted"})


@router.post("/v1/environments/{environment_id}/archive", summary="Archive an environment")
async def archive(environment_id: str, caller: Writer, server: Here) -> Response:
    """For good: no new session may use it. Those that do go on."""
    at = server.clock.now()

    def change(row: EnvironmentRow) -> EnvironmentRow:
        return row if row.archived_at is not None else msgspec.structs.replace(row, archived_at=at)

    changing = server.catalog.change_environment(caller.workspace, environment_id, change)
    return answered(shown(await _found(changing)))


def shown(row: EnvironmentRow) -> dict[str, JSON]:
    """The environment as the API answers it."""
    return {
        "type": "environment",
        "id": row.id,
        **row.body,
        "created_at": written(row.created_at),
        "updated_at": written(row.updated_at),
        "archived_at": written(row.archived_at),
    }


def _config(sent: Cloud | None, before: JSON = None) -> JSON:
    """The configuration, whole: networking that is not sent is as before, or unrestricted."""
    networking: JSON = {"type": "unrestricted"} if before is None else before["networking"]
    if sent is not None and sent.networking is not None:
        networking = {"type": sent.networking.type}
        if sent.networking.type == "limited":
            networking |= {"allowed_hosts": [], "allow_mcp_servers": False, "allow_package_managers": False}
    packages: JSON = {"type": "packages", **{name: [] for name in PACKAGES}}
    return {"type": "cloud", "networking": networking, "packages": packages}


def _check_unused(row: EnvironmentRow, sessions: int) -> None:
    if sessions:
        ones = "1 session refers" if sessions == 1 else f"{sessions} sessions refer"
        raise ApiError(400, f"environment {row.id} cannot be deleted: {ones} to it; archive it instead")


async def _found(asked: Awaitable[T]) -> T:
    """What was asked for; official clients tell an environment that is not there by a code."""
    try:
        return await asked
    except NotFound as error:
        raise ApiError(404, str(error), details={"error_code": "environment_not_found"}) from None
