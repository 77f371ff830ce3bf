"""Reads a team file into agents. Every problem of a file is told at once; its paths are relative to it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from podium.core.definitions import (
    HARNESS_TOOLS,
    SELF,
    Agent,
    Concurrency,
    Limits,
    SessionLimits,
    check_circles,
    tool_name,
)
from podium.core.ports import Mount
from podium.core.schema import check_schema
from podium.entry import Problem, Where, named
from podium.errors import BadInput, CyclicRoster, UnknownName
from podium.team.shape import AgentEntry, MountEntry, TeamFile, team_problem
from podium.team.source import Source
from podium.tools import BUILT_IN

_MOUNT = re.compile(r"(?P<path>.+?):(?P<at>/[^:]*)(:(?P<mode>ro|rw))?")


@dataclass(frozen=True, kw_only=True)
class Team:
    """What a team file says, ready to be started.

    Shape: `coordinator` leads to the agents it calls; `unused` are the names of those it cannot reach. `folder` is the
    file's own, which `rehearsal` is relative to.
    """

    name: str
    folder: Path
    agents: Mapping[str, Agent]
    coordinator: Agent
    unused: tuple[str, ...]
    workdir: Path | None
    mounts: tuple[Mount, ...]
    limits: SessionLimits
    concurrency: Concurrency
    rehearsal: str | None


def load_team(file: Path) -> Team:
    """The team of this file.

    Errors: BadInput that tells everything that is wrong with it, each thing with its line and the remedy.
    """
    source = Source(file)
    if not isinstance(source.value, dict):
        raise BadInput(f"{file} is no team file: it must be a mapping with 'agents:', this is {named(source.value)}")
    try:
        entry = TeamFile.model_validate(source.value)
    except ValidationError as error:
        source.refuse(team_problem(details) for details in error.errors())
    problems = [found for name, agent in entry.agents.items() for found in _agent_problems(entry, name, agent)]
    problems += [*_coordinator_problems(entry), *_mount_problems(entry), *_concurrency_problems(entry)]
    if problems:
        source.refuse(problems)
    try:
        check_circles({name: agent.callable_agents for name, agent in entry.agents.items()})
    except CyclicRoster as error:
        source.refuse([(("agents",), str(error))])
    return _build(entry, file)


def parse_mount(text: str, folder: Path) -> Mount:
    """The mount that "PATH:AT", "PATH:AT:ro" or "PATH:AT:rw" says; PATH is relative to the folder.

    Errors: BadInput.
    """
    parts = _MOUNT.fullmatch(text)
    if parts is None:
        raise BadInput(
            f"mount '{text}': write PATH:AT, PATH:AT:ro (read only, as without it) or PATH:AT:rw, where AT is an "
            "absolute path inside, such as /source"
        )
    return Mount(path=folder / Path(parts["path"]).expanduser(), at=parts["at"], read_only=parts["mode"] != "rw")


# --- checks that see more than one value -------------------------------------------------------------


def _agent_problems(entry: TeamFile, name: str, agent: AgentEntry) -> Iterator[Problem]:
    place: Where = ("agents", name)
    if not name.strip() or name == SELF or tool_name(name) in HARNESS_TOOLS | set(BUILT_IN):
        yield place, f"an agent cannot be called '{name}': the name is taken; rename it"
    taken: dict[str, str] = {}
    for index, tool in enumerate(agent.tools):
        where = (*place, "tools", index)
        if tool not in BUILT_IN:
            yield where, str(UnknownName("tool", tool, BUILT_IN))
        elif tool in taken:
            yield where, f"the tool '{tool}' is listed twice"
        taken[tool] = f"the tool '{tool}'"
    for tool in agent.permissions:
        if tool not in agent.tools:
            yield (*place, "permissions", tool), str(UnknownName("tool", tool, agent.tools))
    for index, callee in enumerate(agent.callable_agents):
        where = (*place, "callable_agents", index)
        called = tool_name(name if callee == SELF else callee)
        if callee != SELF and callee not in entry.agents:
            yield where, str(UnknownName("agent", callee, entry.agents))
        elif callee == name:
            yield where, f"an agent that may call itself lists 'self', not '{name}'"
        elif called in taken:
            yield where, f"'{callee}' would be called by the name '{called}', and so is {taken[called]}; rename one"
        taken[called] = f"the agent '{callee}'"
    for key, schema in (("input_schema", agent.input_schema), ("output_schema", agent.output_schema)):
        try:
            if schema is not None:
                check_schema(schema, where="")
        except BadInput as error:
            yield (*place, key), str(error).removeprefix(": ")
        except RecursionError:
            yield (*place, key), "is nested too deeply"


def _coordinator_problems(entry: TeamFile) -> Iterator[Problem]:
    if entry.coordinator is None and _only_coordinator(entry) is None:
        yield (), f"'coordinator' is missing: name the agent that gets the task (one of {', '.join(entry.agents)})"
    elif entry.coordinator is not None and entry.coordinator not in entry.agents:
        yield ("coordinator",), str(UnknownName("agent", entry.coordinator, entry.agents))


def _mount_problems(entry: TeamFile) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, mount in enumerate(entry.mounts):
        place: Where = ("mounts", index)
        try:
            at = _mount(mount, Path()).at
        except BadInput as error:
            yield place, str(error)
            continue
        if at in seen:
            yield place, f"another folder is mounted at {at} already"
        seen.add(at)


def _concurrency_problems(entry: TeamFile) -> Iterator[Problem]:
    models = {agent.model for agent in entry.agents.values()}
    for name in entry.concurrency.models:
        if name not in models:
            yield ("concurrency", "models", name), str(UnknownName("model", name, models))


def _mount(mount: str | MountEntry, folder: Path) -> Mount:
    if isinstance(mount, str):
        return parse_mount(mount, folder)
    return Mount(path=folder / Path(mount.path).expanduser(), at=mount.at, read_only=mount.read_only)


def _only_coordinator(entry: TeamFile) -> str | None:
    """The one agent that can be meant: the only one, or the only one that has others work and is called by none."""
    if len(entry.agents) == 1:
        return next(iter(entry.agents))
    calls = {name: set(agent.callable_agents) - {SELF} for name, agent in entry.agents.items()}
    called = set().union(*calls.values())
    tops = [
        name for name, callees in calls.items() if (callees or entry.agents[name].inline_agents) and name not in called
    ]
    return tops[0] if len(tops) == 1 else None


def _build(entry: TeamFile, file: Path) -> Team:
    agents: dict[str, Agent] = {}

    def agent(name: str) -> Agent:
        if name not in agents:
            part = entry.agents[name]
            agents[name] = Agent(
                name,
                model=part.model,
                description=part.description,
                system=part.system,
                tools=part.tools,
                callable_agents=[SELF if callee == SELF else agent(callee) for callee in part.callable_agents],
                input_schema=part.input_schema,
                output_schema=part.output_schema,
                limits=Limits(**part.limits.model_dump()),
                permissions=part.permissions,
                inline_agents=part.inline_agents,
            )
        return agents[name]

    coordinator = agent(entry.coordinator or _only_coordinator(entry) or "")
    used = set(agents)
    folder = file.resolve().parent
    return Team(
        name=entry.name or file.stem,
        folder=folder,
        agents={name: agent(name) for name in entry.agents},
        coordinator=coordinator,
        unused=tuple(name for name in entry.agents if name not in used),
        workdir=None if entry.workdir is None else folder / Path(entry.workdir).expanduser(),
        mounts=tuple(_mount(mount, folder) for mount in entry.mounts),
        limits=SessionLimits(**entry.limits.model_dump()),
        concurrency=Concurrency(**entry.concurrency.model_dump()),
        rehearsal=entry.rehearsal,
    )
