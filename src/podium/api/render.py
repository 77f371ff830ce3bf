"""Sessions, their threads and their agents as the API shows them.

Source: the Managed Agents API, sections B.2 and B.4.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from podium.api.answers import written
from podium.api.state import Server
from podium.api.toolsets import tools_of
from podium.core.definitions import SELF, Definition
from podium.core.json import JSON
from podium.core.lists import ListedSession
from podium.core.money import budget_of, snapshot
from podium.core.revisions import model_of
from podium.core.rows import SessionRow, ThreadRow

_SHOWN = ("id", "version", "name", "description", "model", "system", "tools", "mcp_servers", "skills")
_NOBODY: JSON = {"type": "service_account"}
_DISABLED: JSON = {"type": "disabled"}


# --- agents ------------------------------------------------------------------------------------------


def thread_agent(definition: Definition) -> dict[str, JSON]:
    """The agent of a thread, without its team; one that was defined by a call has neither id nor version."""
    wire = definition.wire
    shown: dict[str, JSON] = {
        "type": "agent",
        "id": definition.agent_id,
        "version": definition.agent_number,
        "name": definition.name,
        "description": definition.description or None,
        "model": model_of(definition.model, effort=_effort(definition)),
        "system": definition.system or None,
        "tools": tools_of(definition.tools) if "tools" not in wire else [],
        "mcp_servers": [],
        "skills": [],
        "execution_identity": _NOBODY,
    }
    shown |= {field: wire[field] for field in ("type", *shown) if field in wire}
    if shown["type"] == "inline":
        del shown["id"], shown["version"]
    return shown


def _effort(definition: Definition) -> JSON:
    effort = definition.settings.get("effort")
    return None if effort is None else {"type": effort}


def session_agent(definition: Definition, definitions: Mapping[str, Definition]) -> dict[str, JSON]:
    """The agent of a session with its whole team: references are replaced by full definitions."""
    team: dict[tuple[str, int], Definition] = {}
    for callee in definition.roster:
        each = definition if callee.version == SELF else definitions[callee.version]
        team[each.agent_id, each.agent_number] = each
    multiagent = definition.wire.get("multiagent")
    if multiagent is None and team:  # of a program or a team file
        multiagent = {"type": "coordinator", "agents": [_reference(*place) for place in team]}
    return {**thread_agent(definition), "multiagent": _with_team(multiagent, team)}


def _reference(id: str, version: int) -> dict[str, JSON]:
    return {"type": "agent", "id": id, "version": version}


def _with_team(node: Any, team: Mapping[tuple[str, int], Definition]) -> Any:
    """The value with every reference to an agent of the team replaced."""
    if isinstance(node, list):
        return [_with_team(each, team) for each in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "agent" and "name" not in node:
        found = team.get((node["id"], node["version"]))
        return node if found is None else thread_agent(found)
    return {key: _with_team(value, team) for key, value in node.items()}


# --- sessions ----------------------------------------------------------------------------------------


async def shown_session(server: Server, session: ListedSession) -> dict[str, JSON]:
    """The session as the API answers it."""
    definitions = await server.definitions.of(session.agent)
    return render_session(session, session_agent(definitions[session.agent], definitions), server.clock.now())


def render_session(session: ListedSession, agent: dict[str, JSON], now: datetime) -> dict[str, JSON]:
    """The session as it is now, with its agent."""
    row = session.row
    facts = row.facts
    active_s = facts.active_s + _since(facts.running_since, now)
    threads_s = facts.threads_s + sum(_since(since, now) for since in session.running)
    end = row.updated_at if facts.status == "terminated" else now
    usd = facts.usd if row.has_prices else None
    return {
        "type": "session",
        "id": row.id,
        "agent": agent,
        "environment_id": row.environment,
        "title": row.title or None,
        "metadata": row.about.metadata,
        "status": facts.status,
        "stats": _stats(threads_s, row.created_at, end),
        "usage": msgspec.to_builtins(snapshot(facts.usage, usd, active_s)),
        "budget": msgspec.to_builtins(budget_of(row.about.budget)),
        "resources": [],
        "vault_ids": [],
        "outcome_evaluations": [],
        "deployment_id": None,
        "created_at": written(row.created_at),
        "updated_at": written(row.updated_at),
        "archived_at": written(row.about.archived_at),
    }


async def shown_thread(server: Server, row: SessionRow, thread: ThreadRow) -> dict[str, JSON]:
    """A thread of the session as the API answers it."""
    definitions = await server.definitions.of(thread.agent)
    return render_thread(row, thread, thread_agent(definitions[thread.agent]), server.clock.now())


def render_thread(row: SessionRow, thread: ThreadRow, agent: dict[str, JSON], now: datetime) -> dict[str, JSON]:
    """The thread as it is now, with its agent."""
    is_over = thread.status == "terminated"
    active_s = thread.active_s + _since(thread.running_since, now)
    has_moved = thread.usage is not None or thread.running_since is not None or active_s > 0
    usage = None
    if thread.usage is not None:
        usage = msgspec.to_builtins(snapshot(thread.usage, thread.usd if row.has_prices else None, active_s))
    stats = _stats(active_s, thread.created_at, thread.updated_at if is_over else now)
    return {
        "type": "session_thread",
        "id": thread.id,
        "session_id": row.id,
        "parent_thread_id": thread.parent,
        "agent": agent,
        "status": thread.status,
        "stats": {**stats, "startup_seconds": 0.0} if has_moved else None,
        "usage": usage,
        "workflow_run_id": thread.workflow_run or None,
        "created_at": written(thread.created_at),
        "updated_at": written(thread.updated_at),
        "archived_at": written(thread.updated_at) if is_over else None,
    }


def _since(at: datetime | None, now: datetime) -> float:
    return 0.0 if at is None else max(0.0, (now - at).total_seconds())


def _stats(active_s: float, created_at: datetime, end: datetime) -> dict[str, JSON]:
    return {
        "active_seconds": round(active_s, 6),
        "duration_seconds": round(max(0.0, (end - created_at).total_seconds()), 6),
    }
