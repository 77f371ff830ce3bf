"""How agents become definitions: all of a team, each checked."""

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from podium.core.definitions import (
    HARNESS_TOOLS,
    INHERIT,
    SELF,
    Agent,
    Callee,
    Definition,
    ToolSpec,
    tool_name,
)
from podium.core.joins import rule_of
from podium.core.json import JSON
from podium.core.schema import check_schema
from podium.errors import BadInput, CyclicRoster, UnknownName

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def pin(agent: Agent, tool_spec: Callable[[Any, str], ToolSpec]) -> tuple[Definition, dict[str, Definition]]:
    """The agent and everyone below it as definitions.

    Shape: (the agent's own, all by version). `tool_spec(tool, where)` describes an entry of `tools`.
    Errors: BadInput for colliding names, unusable schemas, rosters that go round in circles.
    """
    known: dict[str, Definition] = {}
    done: dict[int, Definition] = {}
    named: dict[str, Definition] = {}
    top = agent.model

    def visit(agent: Agent, path: tuple[Agent, ...]) -> Definition:
        if any(agent is above for above in path):
            names = [above.name for above in path]
            raise CyclicRoster([*names[names.index(agent.name) :], agent.name])
        if id(agent) in done:
            return done[id(agent)]
        where = f"agent '{agent.name}'"
        specs = _permitted(where, tuple(tool_spec(tool, where) for tool in agent.tools), agent.permissions)
        roster = []
        for callee in agent.callable_agents:
            if isinstance(callee, Agent):
                version = visit(callee, (*path, agent)).version
                roster.append(Callee(tool_name(callee.name), version, _retries(agent, callee.name)))
            else:
                roster.append(Callee(tool_name(agent.name), SELF, _retries(agent, SELF)))
        _check_names(where, specs, roster)
        definition = Definition(
            name=agent.name,
            model=top if agent.model == INHERIT else agent.model,
            description=agent.description,
            system=agent.system,
            tools=specs,
            roster=tuple(roster),
            input_schema=_schema(agent.input_schema, f"{where}, input_schema"),
            output_schema=_schema(agent.output_schema, f"{where}, output_schema"),
            turns=agent.limits.turns,
            # A float: what is read back from the store must have the same version.
            seconds=float(agent.limits.seconds) if agent.limits.seconds is not None else None,
            tokens=agent.limits.tokens,
            usd=agent.limits.usd if isinstance(agent.limits.usd, Decimal) else None,
            inline=agent.inline_agents,
            settings={} if agent.effort is None else {"effort": agent.effort},
            join=rule_of(agent.join),
        )
        if named.setdefault(agent.name, definition) != definition:
            raise BadInput(f"two different agents are called '{agent.name}'; rename one of them")
        known[definition.version] = definition
        done[id(agent)] = definition
        return definition

    return visit(agent, ()), known


def _retries(agent: Agent, callee: str) -> int:
    return agent.retries if isinstance(agent.retries, int) else agent.retries.get(callee, 0)


def _permitted(where: str, specs: tuple[ToolSpec, ...], permissions: Mapping[str, str]) -> tuple[ToolSpec, ...]:
    if not permissions:
        return specs
    names = [spec.name for spec in specs]
    for name in permissions:
        if name not in names:
            raise UnknownName("tool", name, names, where=f"{where}, permissions")
    # These very words: msgspec leaves out what is identical to a default, not what is equal to it.
    asks = {name for name, permission in permissions.items() if permission == "always_ask"}
    return tuple(
        msgspec.structs.replace(spec, permission="always_ask" if spec.name in asks else "always_allow")
        for spec in specs
    )


def _check_names(where: str, specs: Iterable[ToolSpec], roster: Iterable[Callee]) -> None:
    taken: dict[str, str] = {}
    entries = [(spec.name, "tool") for spec in specs] + [(callee.tool, "agent") for callee in roster]
    for name, kind in entries:
        if not _TOOL_NAME.fullmatch(name):
            raise BadInput(f"{where}: {kind} name {name!r} must be 1 to 64 of A-Z a-z 0-9 _ -")
        if name in HARNESS_TOOLS:
            raise BadInput(f"{where}: {kind} '{name}' has the name of one of Podium's own tools; rename it")
        if name in taken:
            raise BadInput(f"{where}: {taken[name]} and {kind} are both called '{name}'; rename one of them")
        taken[name] = kind


def _schema(schema: Any, where: str) -> dict[str, JSON] | None:
    if schema is None:
        return None
    to_schema = getattr(schema, "model_json_schema", None)  # a Pydantic model, without importing Pydantic
    value = to_schema() if to_schema is not None else schema
    check_schema(value, where=where)
    return dict(value)
