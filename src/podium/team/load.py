"""Reads a team file into agents. Every problem of a file is told at once; its paths are relative to it.

A file of one agent, a folder of them, or an agent's name makes a team too.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from podium.agents import main
from podium.core.definitions import INHERIT, SELF, Agent, Concurrency, Limits, SessionLimits, check_circles
from podium.core.ports import Mount
from podium.entry import Problem, named
from podium.errors import BadInput, CyclicRoster
from podium.patterns.staged import StagedWorkflow, of_stages
from podium.team.agent_file import SUFFIX, Found, load_file
from podium.team.checks import agent_problems, concurrency_problems, coordinator_problems, only_coordinator
from podium.team.gathering import Gathering, unknown_agent
from podium.team.mounts import mount_of, mount_problems
from podium.team.places import AGENTS, Places, places_around, places_from
from podium.team.shape import AgentEntry, TeamFile, team_problem
from podium.team.source import Source, read
from podium.team.stage_checks import named_agents, stage_problems, stages_of

logger = logging.getLogger(__name__)
_MAIN = "main"
_HEIR = "agent '{}' inherits its model, and a workflow has no coordinator who has one: say 'model', or use --model"
_Refuse = Callable[[Iterable[Problem]], NoReturn]


@dataclass(frozen=True, kw_only=True)
class Team:
    """What a team file says, ready to be started.

    Shape: `coordinator` leads to the agents it calls; there is none beside a `workflow`, whose stages do so, and whose
    input is the task. `unused` are the names of those that cannot be reached. `folder` is the file's own, which
    `rehearsal` is relative to. `origins` say of agents that the file does not define where they are from; `notes`, what
    of their files is otherwise here. `initial_prompt` comes before the task.
    """

    name: str
    folder: Path
    agents: Mapping[str, Agent]
    lead: Agent | None
    unused: tuple[str, ...]
    workdir: Path | None
    mounts: tuple[Mount, ...]
    limits: SessionLimits
    concurrency: Concurrency
    rehearsal: str | None
    origins: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    initial_prompt: str = ""
    workflow: StagedWorkflow | None = None

    @property
    def coordinator(self) -> Agent:
        """Who gets the task. Errors: BadInput where a workflow does."""
        if self.lead is None:
            raise BadInput(f"team '{self.name}' has a workflow, whose stages say who does what, and no coordinator")
        return self.lead


def load_team(file: Path, *, model: str | None = None) -> Team:
    """The team of this file; `model` is that of the coordinator, or in a workflow of those who inherit theirs.

    Shape: also of an agent file (NAME.md), with those that it calls; of a folder of agent files, led by an agent "main"
    that may call each of them; or of an agent's name, which is looked for from the current folder on.
    Errors: BadInput that tells everything that is wrong with it, each thing with its line and the remedy.
    """
    if file.is_dir():
        return _team_of_folder(file, model)
    if file.suffix == SUFFIX:
        return _team_of_agent(load_file(file), Gathering(places_around(file)), file.resolve().parent, file, model)
    if file.exists() or file.suffix or len(file.parts) > 1:
        return _team_of_file(file, model)
    places = places_from(Path())
    found = places.find(str(file))
    if found is None:
        raise BadInput(f"there is no file {file}, and as an agent: {unknown_agent(str(file), (), places)}")
    return _team_of_agent(found, Gathering(places), Path().resolve(), file, model)


def load_agent(file: Path | str) -> Agent:
    """The agent of an agent file (NAME.md), with those that it calls. What is otherwise here is logged as a warning.

    Errors: BadInput that tells everything that is wrong with it, each thing with its line and the remedy.
    """
    found, gathering = load_file(Path(file)), Gathering(places_around(Path(file)))
    gathering.add(found)
    if found.grant.calls_any:
        gathering.add_every()
    return _loaded(gathering, file, found.name)[found.name]


def load_agents(folder: Path | str | None = None) -> dict[str, Agent]:
    """The agents of a folder of agent files, by name. What is otherwise here is logged as a warning.

    Shape: without a folder, those of the project that the current folder is in, and the user's, as Claude Code finds
    them. Where they inherit their model, it is that of the coordinator whom they are given to.
    Errors: BadInput that tells everything that is wrong with any of the files; none is loaded then.
    """
    if folder is not None and not Path(folder).is_dir():
        raise BadInput(f"there is no folder {folder}")
    gathering = Gathering(places_from(Path()) if folder is None else Places([Path(folder)]))
    gathering.add_every()
    agents = _loaded(gathering, folder or ".claude/agents", None)
    return {name: agents[name] for name, found in gathering.found.items() if not found.is_ready_made}


# --- teams -------------------------------------------------------------------------------------------


def _team_of_file(file: Path, model: str | None) -> Team:
    source = Source(file, read(file, "a team file", "YAML"))
    if source.value is None:
        raise BadInput(f"{file} is empty; a team file has at least 'agents:'")
    if not isinstance(source.value, dict):
        raise BadInput(f"{file} is no team file: it must be a mapping with 'agents:', this is {named(source.value)}")
    try:
        entry = TeamFile.model_validate(source.value)
    except ValidationError as error:
        source.refuse(team_problem(details, source.value) for details in error.errors())
    gathering = Gathering(places_from(file.parent))
    for name, agent in entry.agents.items():
        gathering.define(name, agent, file.parent)
    return _team(gathering, entry, file.resolve().parent, entry.name or file.stem, model, source.refuse)


def _team_of_agent(found: Found, gathering: Gathering, folder: Path, file: Path, model: str | None) -> Team:
    gathering.add(found)
    if found.grant.calls_any:
        gathering.add_every()
    entry = TeamFile(agents=gathering.agents, coordinator=found.name)
    return _team(gathering, entry, folder, found.name, model, _refuser(file))


def _team_of_folder(folder: Path, model: str | None) -> Team:
    if (folder / AGENTS).is_dir():  # a project: its other files are none of ours
        folder = folder / AGENTS
    gathering = Gathering(Places([folder]))
    callees = gathering.add_every()
    if all(found.is_ready_made for found in gathering.found.values()):
        raise BadInput(f"{folder} is a folder; name the team file in it, or a folder that has agent files")
    if _MAIN in gathering.agents:
        raise BadInput(
            f"{gathering.found[_MAIN].origin}: an agent called '{_MAIN}' leads those of the folder; rename it"
        )
    gathering.agents = {_MAIN: AgentEntry(**main(callees)), **gathering.agents}
    entry = TeamFile(agents=gathering.agents, coordinator=_MAIN)
    return _team(gathering, entry, folder.resolve(), folder.resolve().name, model, _refuser(folder))


def _team(gathering: Gathering, entry: TeamFile, folder: Path, name: str, model: str | None, refuse: _Refuse) -> Team:
    stages = stages_of(entry.workflow or ())
    for place, called in named_agents(stages):
        gathering.need(place, called)
    coordinator = None if stages else entry.coordinator or only_coordinator(gathering.agents)
    lead = gathering.agents.get(coordinator or "")
    if coordinator is not None and lead is not None and model is not None:
        gathering.agents[coordinator] = lead.model_copy(update={"model": model})
    gathering.complete(coordinator if lead is not None else None)
    _check(
        gathering,
        [
            *coordinator_problems(entry, coordinator),
            *stage_problems(entry.workflow or (), stages, gathering.agents),
            *mount_problems(entry.mounts),
            *concurrency_problems(entry, gathering.agents),
        ],
        refuse,
    )
    top = (model if coordinator is None else gathering.agents[coordinator].model) or INHERIT
    found = gathering.found.get(coordinator or "")
    agents = _built(gathering.agents, top)
    first = {called: place for place, called in named_agents(stages)} if stages else {coordinator or "": ()}
    reached = _reached(gathering.agents, first)
    if heirs := [each for each in reached if stages and agents[each].model == INHERIT]:
        refuse([(first.get(each, ("agents",)), _HEIR.format(each)) for each in heirs])
    return Team(
        name=name,
        folder=folder,
        agents=agents,
        lead=None if coordinator is None else agents[coordinator],
        unused=tuple(each for each in agents if each not in reached),
        workdir=None if entry.workdir is None else folder / Path(entry.workdir).expanduser(),
        mounts=tuple(mount_of(mount, folder) for mount in entry.mounts),
        limits=SessionLimits(**entry.limits.model_dump()),
        concurrency=Concurrency(**entry.concurrency.model_dump()),
        rehearsal=entry.rehearsal,
        origins={each: made.origin for each, made in gathering.found.items()},
        notes=tuple(gathering.notes(coordinator)),
        initial_prompt="" if found is None else found.initial_prompt,
        workflow=of_stages(name, agents, stages) if stages else None,
    )


# --- agents ------------------------------------------------------------------------------------------


def _check(gathering: Gathering, problems: Iterable[Problem], refuse: _Refuse) -> None:
    """Refuse what is wrong with completed agents, and circles."""
    own = [found for name, agent in gathering.agents.items() for found in agent_problems(name, agent)]
    if found := [*gathering.problems, *own, *problems]:
        refuse(found)
    try:
        check_circles({name: agent.callable_agents for name, agent in gathering.agents.items()})
    except CyclicRoster as error:
        refuse([(("agents",), str(error))])


def _built(entries: Mapping[str, AgentEntry], top: str) -> dict[str, Agent]:
    """The agents of these entries, which are right; `top` is the model that is inherited."""
    agents: dict[str, Agent] = {}

    def agent(name: str) -> Agent:
        if name not in agents:
            part = entries[name]
            agents[name] = Agent(
                name,
                model=top if part.model in (None, INHERIT) else part.model,
                description=part.description,
                system=part.system,
                tools=part.tools,
                callable_agents=[SELF if callee == SELF else agent(callee) for callee in part.callable_agents],
                input_schema=part.input_schema,
                output_schema=part.output_schema,
                limits=Limits(**part.limits.model_dump()),
                permissions=part.permissions,
                inline_agents=part.inline_agents,
                effort=part.effort,
                retries=part.retries,
                join=part.join,  # type: ignore[arg-type]  # it is one of the rules
            )
        return agents[name]

    return {name: agent(name) for name in entries}


def _reached(entries: Mapping[str, AgentEntry], first: Iterable[str]) -> list[str]:
    """The names of those that the first ones can reach, their own too."""
    reached = dict.fromkeys(first)
    waiting = list(reached)
    for name in waiting:
        below = [callee for callee in entries[name].callable_agents if callee != SELF and callee not in reached]
        reached |= dict.fromkeys(below)
        waiting += below
    return list(reached)


def _loaded(gathering: Gathering, file: Path | str, first: str | None) -> dict[str, Agent]:
    """The agents of a program, by name. Shape: `first` is the one whose prompt to begin with nobody sends."""
    gathering.complete(first)
    _check(gathering, (), _refuser(file))
    for note in gathering.notes(first):
        logger.warning("%s", note)
    for found in gathering.found.values():
        if found.initial_prompt:
            logger.warning("%s, initialPrompt: has no effect here: write it before the task", found.origin)
    return _built(gathering.agents, INHERIT)


def _refuser(file: Path | str) -> _Refuse:
    """Tells what is wrong with agents that no team file defines."""

    def refuse(problems: Iterable[Problem]) -> NoReturn:
        told = [f"agent '{place[1]}': {said}" if len(place) > 1 else said for place, said in problems]
        raise BadInput(f"{file}: {'; '.join(told)}")

    return refuse
