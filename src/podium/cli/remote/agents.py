"""A team as agents of the Managed Agents API, and what of it that API has no place for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from podium.core.definitions import INHERIT, SELF, Agent, Concurrency, SessionLimits, with_all_below
from podium.core.json import JSON
from podium.core.money import cents
from podium.errors import BadInput
from podium.team import Team

TOOLSET = "agent_toolset_20260401"
MARK = "podium_team"  # the key of an agent's metadata that says whose it is: other agents are left alone
EXTENSIONS = ("input_schema", "output_schema", "limits")  # Podium's own, which the hosted service does not have


@dataclass(frozen=True, kw_only=True)
class WireAgent:
    """An agent to create or to bring up to date.

    Shape: `body` is all of it but its roster, and `callees` are the names of that: agents of the same team, or "self".
    With `inline` it may define agents as it works.
    """

    name: str
    body: Mapping[str, JSON]
    callees: tuple[str, ...]
    inline: bool = False

    def whole(self, known: Mapping[str, tuple[str, int]]) -> dict[str, JSON]:
        """The body with the roster; `known` are the ids and versions of those it calls, its own as "self" if any."""
        entries = [_entry(callee, known) for callee in self.callees]
        if self.inline:
            return {**self.body, "multiagent": _with_inline(entries)}
        return {**self.body, "multiagent": {"type": "coordinator", "agents": entries} if entries else None}


def wire_agents(team: Team) -> list[WireAgent]:
    """The agents that the coordinator can reach, those who are called before those who call them."""
    made: dict[str, WireAgent] = {}

    def visit(agent: Agent) -> None:
        if agent.name in made:
            return
        for callee in agent.callable_agents:
            if isinstance(callee, Agent):
                visit(callee)
        made[agent.name] = _wire(agent, team.name)

    visit(team.coordinator)
    return list(made.values())


def budget(limits: SessionLimits) -> dict[str, JSON] | None:
    """The session's limit in dollars, as its budget on the wire."""
    if not isinstance(limits.usd, Decimal):
        return None
    amount = cents(limits.usd)
    return {"type": "limit", "max_list_cost": {"amount": amount.amount, "currency": amount.currency}}


def check(team: Team, limits: SessionLimits, given: Mapping[str, bool]) -> None:
    """Refuse what only a run on this machine has. Shape: `given` says which options of that kind were used.

    Errors: BadInput that names all of it.
    """
    if team.workflow is not None:
        raise BadInput(f"team '{team.name}' has a workflow, and a server takes none; run it here, without --server")
    if team.coordinator.model == INHERIT:
        raise BadInput(f"agent '{team.coordinator.name}' inherits its model, and nobody above it has one: use --model")
    found = [f"{option} ({_WHY[option]})" for option, is_given in given.items() if is_given]
    found += [f"'{part}' of the team file ({_WHY[part]})" for part in _parts(team, limits)]
    if found:
        raise BadInput(
            f"with --server the team runs where the server is, and this cannot go along: {'; '.join(found)}. "
            "Leave it out, or run the team here, without --server"
        )


_FOLDER = "the server gives each session a folder of its own"
_LIMIT = "a session there has a limit in dollars alone; agents may have limits of their own"
_WHY = {
    "--mount": _FOLDER,
    "--workdir": _FOLDER,
    "--rehearse": "the server calls the models that its own podium.toml has",
    "--turns": _LIMIT,
    "--seconds": _LIMIT,
    "--tokens": _LIMIT,
    "mounts": _FOLDER,
    "workdir": _FOLDER,
    "rehearsal": "the server calls the models that its own podium.toml has",
    "concurrency": "the server's podium.toml says how many calls may be under way",
    "limits.turns": _LIMIT,
    "limits.seconds": _LIMIT,
    "limits.tokens": _LIMIT,
    "limits.depth": "the server has its own",
    "limits.live_threads": "the server has its own",
    "retries": "an agent of the server's API has no such field",
    "join": "an agent of the server's API has no such field",
}


def _parts(team: Team, limits: SessionLimits) -> Iterator[str]:
    """What the team file says that has no place on the wire."""
    usual = SessionLimits()
    if team.mounts:
        yield "mounts"
    if team.workdir is not None:
        yield "workdir"
    if team.rehearsal is not None:
        yield "rehearsal"
    if team.concurrency != Concurrency():
        yield "concurrency"
    for name in ("turns", "seconds", "tokens", "depth", "live_threads"):
        if getattr(limits, name) != getattr(usual, name):
            yield f"limits.{name}"
    agents = with_all_below(team.coordinator)
    if any(agent.retries for agent in agents):
        yield "retries"
    if any(agent.join != "best_effort" for agent in agents):
        yield "join"


def _wire(agent: Agent, team: str) -> WireAgent:
    body: dict[str, JSON] = {
        "name": agent.name,
        "model": agent.model if agent.effort is None else {"id": agent.model, "effort": {"type": agent.effort}},
        "description": agent.description or None,
        "system": agent.system or None,
        "tools": [_toolset(agent)] if agent.tools else [],
        "metadata": {MARK: team},
    }
    limits = {name: _plain(value) for name, value in vars(agent.limits).items() if value is not None}
    extensions = {"input_schema": agent.input_schema, "output_schema": agent.output_schema, "limits": limits or None}
    callees = tuple(SELF if callee == SELF else _name(callee) for callee in agent.callable_agents)
    more = {name: value for name, value in extensions.items() if value is not None}
    return WireAgent(name=agent.name, body={**body, **more}, callees=callees, inline=agent.inline_agents)


def _toolset(agent: Agent) -> dict[str, JSON]:
    """The built-in tools it has: all others of the toolset are off."""
    configs = [
        {
            "name": name,
            "enabled": True,
            "permission_policy": {"type": agent.permissions.get(name, "always_allow")},
        }
        for name in agent.tools
    ]
    defaults = {"enabled": False, "permission_policy": {"type": "always_allow"}}
    return {"type": TOOLSET, "default_config": defaults, "configs": configs}


def _with_inline(entries: list[JSON]) -> dict[str, JSON]:
    off, on = {"type": "disabled"}, {"type": "enabled"}
    subagents = {**on, "inline_agents": on, "predefined_agents": entries}
    return {"type": "multiagent_20261001", "subagents": subagents, "workflows": off, "advisor": off}


def _entry(callee: str, known: Mapping[str, tuple[str, int]]) -> dict[str, JSON]:
    if callee not in known:
        return {"type": "self"}
    id, version = known[callee]
    return {"type": "agent", "id": id, "version": version}


def _name(callee: Any) -> str:
    return str(callee.name)


def _plain(value: Any) -> JSON:
    return str(value) if isinstance(value, Decimal) else value
