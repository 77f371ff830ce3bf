"""`podium check`: is this team file right, before anything is spent."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from podium.cli.text import count, one_line
from podium.errors import BadInput

if TYPE_CHECKING:
    from podium.team import Team


def check(
    team: Annotated[Path | None, typer.Argument(metavar="TEAM.yaml", help="The team file.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of team files, for editors.")] = False,
) -> None:
    """Check a team file and all it names.

    Agents, tools, schemas, circles, depth, folders, and the rehearsal, which is loaded for it.
    """
    from podium.team import json_schema, load_team

    if schema:
        json.dump(json_schema(), sys.stdout, indent=2)
        print()
        return
    if team is None:
        raise typer.BadParameter("name the team file, or use --schema")
    loaded = load_team(team)
    problems = list(_problems(loaded))
    if problems:
        raise BadInput(f"{team} is well formed, but cannot be run here:\n" + "\n".join(f"  {it}" for it in problems))
    for line in _summary(loaded):
        print(line)


def _problems(team: "Team") -> Iterator[str]:
    """What only shows outside the file."""
    from podium.app import existing_folder, pinned
    from podium.needs import need_of_rehearsal

    for agent in team.agents.values():
        try:
            pinned(agent, team.limits)
        except BadInput as error:
            yield str(error)
    named = [] if team.workdir is None else [(team.workdir, "workdir")]
    for path, what in [*named, *((mount.path, f"mount at {mount.at}") for mount in team.mounts)]:
        try:
            existing_folder(path, what)
        except BadInput as error:
            yield str(error)
    if team.rehearsal is not None:
        try:
            need_of_rehearsal(team.rehearsal, team.folder)
        except BadInput as error:
            yield str(error)


def _summary(team: "Team") -> Iterator[str]:
    lead = one_line(team.coordinator.name)
    yield f"{one_line(team.name)}: {count(len(team.agents), 'agent')}, '{lead}' gets the task; all is well"
    for name, agent in team.agents.items():
        calls = ", ".join(callee if isinstance(callee, str) else callee.name for callee in agent.callable_agents)
        parts = [f"model {agent.model}"]
        parts += [f"tools {', '.join(map(str, agent.tools))}"] if agent.tools else []
        parts += [f"calls {calls}"] if calls else []
        parts += ["not used"] if name in team.unused else []
        yield f"  {one_line(name)}: {one_line('; '.join(parts))}"
    for mount in team.mounts:
        yield f"mount {mount.path} at {mount.at}, {'read only' if mount.read_only else 'writable'}"
    if team.rehearsal is not None:
        yield f"rehearsal {team.rehearsal}: no model is called"
    else:
        yield "no rehearsal: it needs its models; `podium run --rehearse` makes replies up"
