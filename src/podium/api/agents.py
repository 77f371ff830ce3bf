"""`/v1/agents`: agents, and their versions."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Security
from starlette.responses import Response

from podium.api.answers import Once, answered, next_of, wanted, written
from podium.api.auth import Caller, allowed
from podium.api.paging import Between, Page, between, page_of, paged
from podium.api.rosters import check_places, pinned
from podium.api.shapes.agents import AgentCreate, AgentUpdate
from podium.api.state import Here
from podium.api.toolsets import stored
from podium.core.catalog import AgentRow, Look
from podium.core.json import JSON
from podium.core.revisions import archived, check_current, first_version, next_version

router = APIRouter(tags=["agents"])
Reader = Annotated[Caller, Security(allowed, scopes=["agents:read"])]
Writer = Annotated[Caller, Security(allowed, scopes=["agents:write"])]
Paged = Annotated[Page, Depends(paged(usual=20, most=100))]
Made = Annotated[Between, Depends(between("created_at"))]


@router.post("/v1/agents", summary="Create an agent")
async def create(body: AgentCreate, caller: Writer, server: Here, receipt: Once) -> Response:
    """A new agent, in version 1. Its model need not be configured before a session is started."""
    at = server.clock.now()
    sent = sent_of(body)
    blank = AgentRow(
        id=server.new_id("agent"), workspace=caller.workspace, version=1, created_at=at, updated_at=at, body={}
    )

    def make(look: Look) -> AgentRow:
        return check_places(first_version(blank, pinned(sent, blank, look)), look)

    return answered(shown(await server.catalog.create_agent(caller.workspace, make, receipt)))


@router.get("/v1/agents", summary="List agents")
async def agents(
    caller: Reader,
    server: Here,
    page: Paged,
    made: Made,
    include_archived: Annotated[bool, Query(description="Archived agents too.")] = False,
) -> Response:
    """The newest version of each agent, newest agents first."""
    want = wanted("agents", page, made, archived=include_archived)
    rows = await server.catalog.agents(caller.workspace, want)
    return answered(page_of([shown(row) for row in rows.rows], next_of("agents", rows)))


@router.get("/v1/agents/{agent_id}", summary="Retrieve an agent")
async def retrieve(
    agent_id: str,
    caller: Reader,
    server: Here,
    version: Annotated[int | None, Query(ge=1, lt=2**63, description="That version; the newest one if absent.")] = None,
) -> Response:
    """An agent, in its newest version or the one that is named."""
    return answered(shown(await server.catalog.agent(caller.workspace, agent_id, version)))


@router.post("/v1/agents/{agent_id}", summary="Update an agent")
async def update(agent_id: str, body: AgentUpdate, caller: Writer, server: Here) -> Response:
    """The version that this makes, or the same one if it changes nothing. What is left out stays, null clears."""
    at = server.clock.now()
    sent = sent_of(body)

    def change(row: AgentRow, look: Look) -> AgentRow:
        check_current(row, body.version)
        return check_places(next_version(row, pinned(sent, row, look), at), look)

    return answered(shown(await server.catalog.change_agent(caller.workspace, agent_id, change)))


@router.post("/v1/agents/{agent_id}/archive", summary="Archive an agent")
async def archive(agent_id: str, caller: Writer, server: Here) -> Response:
    """For good: it starts no new sessions, and can no longer be updated. Sessions that run go on."""
    at = server.clock.now()
    row = await server.catalog.change_agent(caller.workspace, agent_id, lambda row, _: archived(row, at))
    return answered(shown(row))


@router.get("/v1/agents/{agent_id}/versions", summary="List an agent's versions")
async def versions(agent_id: str, caller: Reader, server: Here, page: Paged) -> Response:
    """All versions of the agent, newest first."""
    of = f"versions of {agent_id:.100}"
    rows = await server.catalog.versions(caller.workspace, agent_id, wanted(of, page))
    return answered(page_of([shown(row) for row in rows.rows], next_of(of, rows)))


def shown(row: AgentRow) -> dict[str, JSON]:
    """The agent as the API answers it."""
    return {
        "type": "agent",
        "id": row.id,
        "version": row.version,
        **row.body,
        "created_at": written(row.created_at),
        "updated_at": written(row.updated_at),
        "archived_at": written(row.archived_at),
    }


def sent_of(body: AgentCreate | AgentUpdate) -> dict[str, JSON]:
    """The fields that were sent, as they are stored; their rosters are not pinned yet."""
    sent = body.model_dump(exclude_unset=True, exclude={"version"})
    if body.tools is not None:
        sent["tools"] = stored(body.tools)
    if body.limits is not None:
        given = body.limits.model_dump(exclude_none=True)
        # Amounts as texts: exact.
        kept = {name: str(value) if isinstance(value, Decimal) else value for name, value in given.items()}
        sent["limits"] = kept or None
    return sent
