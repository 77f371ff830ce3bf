"""`/v1/sessions`: sessions are made, shown, changed, listed, archived and deleted."""

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Query, Security
from starlette.responses import Response

from podium.api.answers import Once, answered
from podium.api.auth import Caller, allowed
from podium.api.errors import ApiError, invalid
from podium.api.paging import Between, Order, Page, between, cursor_of, many, page_of, paged
from podium.api.render import session_agent, shown_session
from podium.api.resolve import Resolved, resolve, retooled
from podium.api.shapes.content import content_of
from podium.api.shapes.sessions import SessionCreate, SessionUpdate
from podium.api.state import Here, Server
from podium.api.toolsets import not_offered, stored
from podium.core.admission import check_there
from podium.core.definitions import Definition, SessionLimits
from podium.core.events import UserMessage
from podium.core.inputs import Archive, Delete, Update
from podium.core.json import JSON
from podium.core.lists import ListedSession, Place, SessionsWanted
from podium.core.rows import About
from podium.errors import BadInput, NoPrice, NotFound

router = APIRouter(tags=["sessions"])
Reader = Annotated[Caller, Security(allowed, scopes=["sessions:read"])]
Writer = Annotated[Caller, Security(allowed, scopes=["sessions:write"])]
LIVE_THREADS = 25  # Source: the Managed Agents API, section D.3


@router.post("/v1/sessions", summary="Create a session")
async def create(body: SessionCreate, caller: Writer, server: Here, receipt: Once) -> Response:
    """A session of an agent, idle until it is sent a message. With initial events it runs at once."""
    podium = server.podium
    made = None if receipt is None else await podium.parts.store.made(receipt)
    if made is None:
        team = await _team(body, caller, server)
        tasks = [content_of(event.content) for event in body.initial_events or ()]
        try:
            made = await podium.open_session(
                team.primary,
                team.definitions,
                *tasks,
                about=About(body.title or "", dict(body.metadata or {})),
                limits=SessionLimits(live_threads=LIVE_THREADS, usd=None if body.budget is None else body.budget.usd),
                environment=body.environment_id,
                workspace=caller.workspace,
                notes=_notes(team),
                receipt=receipt,
            )
        except NoPrice as error:
            raise invalid("budget", f"{error} (model_not_budgetable)") from None
        if tasks:
            await _tell(server, made)
    return answered(await shown_session(server, await podium.parts.store.listed(made)))


async def _team(body: SessionCreate, caller: Caller, server: Server) -> Resolved:
    """The agent of the session with its team; the environment was looked at too. Errors: NotFound, BadInput."""
    try:
        environment = await server.catalog.environment(caller.workspace, body.environment_id)
    except NotFound as error:
        raise ApiError(404, f"environment_id: {error}", details={"error_code": "environment_not_found"}) from None
    if environment.archived_at is not None:
        said = f"environment {environment.id} is archived, and takes no new sessions"
        raise invalid("environment_id", said, code="environment_archived")
    return await server.catalog.look(caller.workspace, lambda look: resolve(body.agent, look))


def _notes(team: Resolved) -> list[str]:
    """What of the agents' tools this server does not have."""
    notes = []
    for definition in team.definitions.values():
        if names := not_offered(definition.wire["tools"]):
            tools = " and ".join(f"'{name}'" for name in names)
            notes.append(f"agent '{definition.name}': {tools} cannot be called: this server has no provider of them")
    return notes


async def _tell(server: Server, session: str) -> None:
    """Have the first stream of the session begin with its first event."""
    records = await server.podium.parts.store.records(session)
    first = next(record.event.id for record in records if isinstance(record.event, UserMessage))
    server.heard.accepted(session, first, after=0)


async def own(server: Server, caller: Caller, session: str) -> ListedSession:
    """The session, if it is the caller's. Errors: NotFound."""
    listed = await server.podium.parts.store.listed(session)
    check_there(listed.row, caller.workspace)
    return listed


# --- lists -------------------------------------------------------------------------------------------


class _Cursor(msgspec.Struct, forbid_unknown_fields=True):
    """A place in a list of sessions: pages go on behind it, or back from before it, in this order."""

    order: Order
    place: Place
    back: bool


@router.get("/v1/sessions", summary="List sessions")
async def sessions(
    caller: Reader,
    server: Here,
    page: Annotated[Page, Depends(paged(usual=20, most=100))],
    made: Annotated[Between, Depends(between("created_at"))],
    statuses: Annotated[
        list[Literal["rescheduling", "running", "idle", "terminated"]],
        Depends(many("statuses", Literal["rescheduling", "running", "idle", "terminated"])),
    ],
    agent_id: Annotated[str | None, Query(description="Of this agent.")] = None,
    agent_version: Annotated[
        int | None, Query(ge=1, lt=2**63, description="Of this version; goes with `agent_id`.")
    ] = None,
    deployment_id: Annotated[str | None, Query(description="Of this deployment: there are none.")] = None,
    memory_store_id: Annotated[str | None, Query(description="With this memory store: there are none.")] = None,
    include_archived: Annotated[bool, Query(description="Archived sessions too.")] = False,
    order: Annotated[Order, Query(description="By creation; the newest first is `desc`.")] = "desc",
) -> Response:
    """The sessions of the workspace, those that other programs began in the same data folder too."""
    if agent_version is not None and agent_id is None:
        raise invalid("agent_version", "goes with 'agent_id' alone")
    cursor = page.after(_Cursor)
    if cursor is not None and cursor.order != order:
        raise ApiError(400, f"page: this cursor is of a list in the order '{cursor.order}', and this one is '{order}'")
    if deployment_id or memory_store_id:
        return answered(page_of([], None, prev_page=None))
    is_back = cursor is not None and cursor.back
    wanted = SessionsWanted(
        workspace=caller.workspace,
        limit=page.limit + 1,
        newest_first=(order == "desc") != is_back,
        after=None if cursor is None else cursor.place,
        agent=agent_id,
        number=agent_version,
        statuses=tuple(statuses),
        archived=include_archived,
        made=made,
    )
    found = await server.podium.parts.store.page_of_sessions(wanted)
    has_more, found = len(found) > page.limit, found[: page.limit]
    if is_back:
        found.reverse()
    has_next, has_previous = (bool(found), has_more) if is_back else (has_more, bool(found) and cursor is not None)
    return answered(
        page_of(
            [await shown_session(server, session) for session in found],
            _cursor(order, found[-1], back=False) if has_next else None,
            prev_page=_cursor(order, found[0], back=True) if has_previous else None,
        )
    )


def _cursor(order: Order, session: ListedSession, *, back: bool) -> str:
    return cursor_of(_Cursor(order, Place(session.row.created_at, session.row.id), back))


# --- one session -------------------------------------------------------------------------------------


@router.get("/v1/sessions/{session_id}", summary="Retrieve a session")
async def retrieve(session_id: str, caller: Reader, server: Here) -> Response:
    """The session as it is now."""
    return answered(await shown_session(server, await own(server, caller, session_id)))


@router.post("/v1/sessions/{session_id}", summary="Update a session")
async def update(session_id: str, body: SessionUpdate, caller: Writer, server: Here, receipt: Once) -> Response:
    """The session with what was changed, which its stream tells too. Nothing happens where nothing changes."""
    session = await own(server, caller, session_id)
    given = body.model_fields_set
    definition, snapshot = await _other_tools(body, session.agent, server)
    request = Update(
        title=None if "title" not in given else body.title or "",
        metadata=body.metadata,
        budget=None if body.budget is None else body.budget.usd,
        has_budget=not ("budget" in given and body.budget is None),
        definition=definition,
        snapshot=snapshot,
    )
    await server.podium.admit(session_id, request, receipt=receipt)
    return await _answer(server, session_id)


async def _other_tools(
    body: SessionUpdate, agent: str, server: Server
) -> tuple[Definition | None, dict[str, JSON] | None]:
    """What the update makes of the session's agent, and how that is shown."""
    if body.agent is None or "tools" not in body.agent.model_fields_set:
        return None, None
    definitions = await server.definitions.of(agent)
    if not definitions[agent].wire:
        raise BadInput("agent: the agent of this session is a program's; only the program can change its tools")
    changed = retooled(definitions[agent], stored(body.agent.tools or ()), definitions)
    return changed, session_agent(changed, definitions)


@router.post("/v1/sessions/{session_id}/archive", summary="Archive a session")
async def archive(session_id: str, caller: Writer, server: Here, receipt: Once) -> Response:
    """The session is over for good; what it did can still be read. It must not be running."""
    await server.podium.admit(session_id, Archive(), receipt=receipt, workspace=caller.workspace)
    return await _answer(server, session_id)


@router.delete("/v1/sessions/{session_id}", summary="Delete a session")
async def delete(session_id: str, caller: Writer, server: Here) -> Response:
    """The session is gone with its threads, events and files. It must not be running."""
    await server.podium.admit(session_id, Delete(), workspace=caller.workspace)
    return answered({"id": session_id, "type": "session_deleted"})


async def _answer(server: Server, session: str) -> Response:
    return answered(await shown_session(server, await server.podium.parts.store.listed(session)))
