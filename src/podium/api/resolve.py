"""The agent of a new session: a stored version, with what the session overrides, as definitions that can be pinned.

Shape: a definition's `wire` is the agent as the session shows it: the fields of the API's SessionAgent. In its
`multiagent` agents that it may delegate to stand as references, to be found in the definition's roster; those of
workflows, which no roster has, stand whole.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from podium.api.shapes.agents import AgentWithOverrides, SessionAgent
from podium.api.shapes.tools import LOCAL, WEB
from podium.api.toolsets import specs_of, stored
from podium.core.catalog import AgentRow, Look
from podium.core.definitions import HARNESS_TOOLS, SELF, Callee, Definition, ToolSpec, tool_name
from podium.core.json import JSON
from podium.core.revisions import may_define_agents, model_of, subagents, workflow_agents
from podium.errors import BadInput, NotFound

_SHOWN = ("name", "description", "model", "system", "tools", "mcp_servers", "skills", "execution_identity")
_RESERVED = frozenset([*LOCAL, *WEB, *HARNESS_TOOLS])


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """The agent of a new session: the stored row, its definition with the overrides, and all definitions by version."""

    row: AgentRow
    primary: Definition
    definitions: Mapping[str, Definition]


def resolve(agent: SessionAgent, look: Look, field: str = "agent") -> Resolved:
    """What a session of this agent pins. Overrides act on it and on copies of itself, not on others of its team.

    Shape: for `Catalog.look`. `field` is where the agent stands in the request, for errors.
    Errors: NotFound for an unknown agent or version; BadInput for an archived one; both name the field.
    """
    assert not isinstance(agent, str)  # the shape reads an id to an object
    row = look(agent.id, agent.version)
    if row is None:
        version = "" if agent.version is None else f" in version {agent.version}"
        raise NotFound(f"{field}: there is no agent '{agent.id}'{version} here")
    if row.archived_at is not None:
        raise BadInput(f"{field}: agent {row.id} is archived, and starts no new sessions")
    body = _overridden(row.body, agent) if isinstance(agent, AgentWithOverrides) else row.body
    known: dict[tuple[str, int], Definition] = {}
    primary = _definition(msgspec.structs.replace(row, body=body), look, known)
    definitions = {definition.version: definition for definition in (primary, *known.values())}
    return Resolved(row=row, primary=primary, definitions=definitions)


def retooled(definition: Definition, tools: Sequence[JSON], definitions: Mapping[str, Definition]) -> Definition:
    """The definition with these stored tools in place of its own, for a session whose agent is changed."""
    specs = specs_of(tools)
    names = [
        definition.name if callee.version == SELF else definitions[callee.version].name for callee in definition.roster
    ]
    tool_names = _tool_names(names, specs)
    roster = tuple(
        msgspec.structs.replace(callee, tool=name) for name, callee in zip(tool_names, definition.roster, strict=True)
    )
    wire = {**definition.wire, "tools": list(tools)}
    return msgspec.structs.replace(definition, tools=specs, roster=roster, wire=wire)


def _overridden(body: Mapping[str, JSON], agent: AgentWithOverrides) -> dict[str, JSON]:
    """Errors: none; what was sent fits its shape already."""
    made = dict(body)
    sent = agent.model_dump(exclude_unset=True)
    if "model" in sent:  # Source: the Managed Agents API, section B.2: an override says nothing of effort
        made["model"] = model_of(**{**sent["model"], "effort": body["model"].get("effort")})
    if "system" in sent:
        made["system"] = sent["system"] or None
    if "tools" in sent:
        made["tools"] = stored(agent.tools or ())
    return made


def _definition(row: AgentRow, look: Look, known: dict[tuple[str, int], Definition]) -> Definition:
    body = row.body
    specs = specs_of(body["tools"])
    names: list[str] = []
    versions: list[str] = []
    for reference in subagents(body["multiagent"]):
        if reference["id"] == row.id:
            names.append(body["name"])
            versions.append(SELF)
            continue
        place = reference["id"], reference["version"]
        if place not in known:
            known[place] = _definition(_row(reference, row, look), look, known)
        names.append(known[place].name)
        versions.append(known[place].version)
    limits = body.get("limits") or {}
    seconds, usd = limits.get("seconds"), limits.get("usd")
    return Definition(
        name=body["name"],
        model=body["model"]["id"],
        description=body["description"] or "",
        system=body["system"] or "",
        tools=specs,
        roster=tuple(map(Callee, _tool_names(names, specs), versions)),
        input_schema=body.get("input_schema"),
        output_schema=body.get("output_schema"),
        turns=limits.get("turns"),
        seconds=None if seconds is None else float(seconds),
        tokens=limits.get("tokens"),
        usd=None if usd is None else Decimal(usd),
        inline=may_define_agents(body["multiagent"]),
        settings=_settings(body["model"]),
        wire={**_shown(row), "multiagent": _with_workflow_agents(row, look)},
    )


def _settings(model: Mapping[str, JSON]) -> dict[str, JSON]:
    """The model's settings that are other than the usual ones."""
    effort, speed = model.get("effort"), model["speed"]
    said = {
        "effort": None if effort is None else effort["type"],
        "speed": None if speed == "standard" else speed,
        "inference_geo": model.get("inference_geo"),
    }
    return {name: value for name, value in said.items() if value is not None}


def _row(reference: JSON, row: AgentRow, look: Look) -> AgentRow:
    """The row that a pinned reference of this one names; versions are never deleted."""
    if reference["id"] == row.id:
        return row
    found = look(reference["id"], reference["version"])
    if found is None:
        raise NotFound(f"agent {row.id} lists agent {reference['id']}, which is not here; update its multiagent")
    return found


def _shown(row: AgentRow) -> dict[str, JSON]:
    return {"type": "agent", "id": row.id, "version": row.version, **{field: row.body[field] for field in _SHOWN}}


def _with_workflow_agents(row: AgentRow, look: Look) -> JSON:
    multiagent = row.body["multiagent"]
    references = workflow_agents(multiagent)
    if not references:
        return multiagent
    agents = [_shown(_row(reference, row, look)) for reference in references]
    return {**multiagent, "workflows": {**multiagent["workflows"], "predefined_agents": agents}}


def _tool_names(names: Sequence[str], specs: Collection[ToolSpec]) -> list[str]:
    """What a coordinator's model calls these agents: their names, numbered where a tool or another one is called so."""
    taken = {*_RESERVED, *(spec.name for spec in specs)}
    given = []
    for name in names:
        tool = first = tool_name(name)
        number = 1
        while tool in taken:
            number += 1
            tool = f"{first[: 63 - len(str(number))]}_{number}"
        taken.add(tool)
        given.append(tool)
    return given
