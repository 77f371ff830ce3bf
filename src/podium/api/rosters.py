"""Whom an agent may delegate to: what clients write, with each agent pinned to a version.

Shape: a pinned entry is {"type": "agent", "id", "version"}; an agent that lists itself holds its own id there.
Source: the Managed Agents API, section D.1.
"""

from collections.abc import Callable, Iterable
from typing import Any

from podium.core.catalog import AgentRow, Look
from podium.core.json import JSON
from podium.core.revisions import references, subagents
from podium.errors import BadInput

DEPTH = 2  # levels of delegation below a coordinator


def pinned(sent: dict[str, JSON], row: AgentRow, look: Look) -> dict[str, JSON]:
    """What was sent of an agent, with its rosters pinned; a list of `callable_agents` becomes a coordinator's.

    Shape: `row` is the agent that is to have these rosters, as it is now.
    Errors: BadInput naming the entry: unknown, archived, twice, or itself too deep.
    """

    def pin(entries: Iterable[JSON] | None, field: str) -> list[JSON] | None:
        return None if entries is None else _pinned(entries, row, look, field)

    multiagent = sent.get("multiagent")
    if sent.get("callable_agents") is not None and multiagent is not None:
        raise BadInput("callable_agents: it is the older way to write multiagent; send one of them")
    rest = {field: value for field, value in sent.items() if field != "callable_agents"}
    if "callable_agents" in sent and multiagent is None:
        agents = pin(sent["callable_agents"], "callable_agents")
        return {**rest, "multiagent": {"type": "coordinator", "agents": agents} if agents else None}
    return rest if multiagent is None else {**rest, "multiagent": _with_lists(multiagent, pin)}


def check_places(row: AgentRow, look: Look) -> AgentRow:
    """The agent, if all its team runs in the same place. Errors: BadInput."""
    here = row.body["model"].get("inference_geo")
    for reference in references(row.body["multiagent"]):
        other = row if reference["id"] == row.id else look(reference["id"], reference["version"])
        there = here if other is None else other.body["model"].get("inference_geo")
        if there != here:
            raise BadInput(
                f"multiagent: agent {reference['id']} has the inference_geo {there!r}, its coordinator {here!r}; "
                "they must be the same"
            )
    return row


def _with_lists(multiagent: dict[str, JSON], pin: Callable[[Any, str], Any]) -> dict[str, JSON]:
    if "agents" in multiagent:
        return {**multiagent, "agents": pin(multiagent["agents"], "multiagent.agents")}
    made = dict(multiagent)
    for member in ("subagents", "workflows"):
        team = multiagent.get(member)
        if team is not None and "predefined_agents" in team:
            field = f"multiagent.{member}.predefined_agents"
            made[member] = {**team, "predefined_agents": pin(team["predefined_agents"], field)}
    return made


def _pinned(entries: Iterable[JSON], row: AgentRow, look: Look, field: str) -> list[JSON]:
    kept: list[JSON] = []
    for number, entry in enumerate(entries):
        where = f"{field}[{number}]"
        id, version = _reference(entry, row, look, where)
        if any(other["id"] == id for other in kept):
            raise BadInput(f"{where}: agent {id} is listed already; an agent is listed once, in one version")
        kept.append({"type": "agent", "id": id, "version": version})
    return kept


def _reference(entry: JSON, row: AgentRow, look: Look, where: str) -> tuple[str, int]:
    if entry["type"] == "self":
        return row.id, row.version
    id, version = entry["id"], entry.get("version")
    if id == row.id:
        if version not in (None, row.version):
            raise BadInput(f'{where}: an agent cannot call another version of itself; {{"type": "self"}} is this one')
        return row.id, row.version
    found = look(id, version)
    if found is None:
        which = f"version {version} of agent '{id}'" if version is not None else f"agent '{id}'"
        raise BadInput(f"{where}: there is no {which} here")
    if found.archived_at is not None:
        raise BadInput(f"{where}: agent {id} is archived; list another one")
    chain = _chain(found, look)
    if len(chain) > DEPTH:
        raise BadInput(
            f"{where}: agent {id} delegates {len(chain) - 1} levels deep itself ({' -> '.join(chain)}), and this would "
            f"be one more; at most {DEPTH}"
        )
    return found.id, found.version


def _chain(row: AgentRow, look: Look) -> tuple[str, ...]:
    """The names of the longest chain of agents that begins with this one."""
    below = [each for each in subagents(row.body["multiagent"]) if each["id"] != row.id]
    rows = [found for each in below if (found := look(each["id"], each["version"])) is not None]
    return (row.body["name"], *max((_chain(found, look) for found in rows), key=len, default=()))
