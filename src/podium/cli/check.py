"""`podium check`: is this team file right, before anything is spent."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from podium.cli.agent_lines import agent_parts, told_model
from podium.cli.check_workflow import check_workflow
from podium.cli.options import TEAM, ModelOption
from podium.cli.text import count, one_line, printable
from podium.cli.workflows import is_workflow
from podium.errors import BadInput

if TYPE_CHECKING:
    from podium.config import Config
    from podium.patterns.stages import Stage
    from podium.team import Finding, Team


def check(
    team: Annotated[Path | None, typer.Argument(metavar="TEAM", help=f"{TEAM} Or a workflow, FILE.py:NAME.")] = None,
    model: ModelOption = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of team files, for editors.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Take a team with warnings for a wrong one.")] = False,
) -> None:
    """Check a team file, an agent's or a workflow's, and all it names.

    Agents, stages, tools, schemas, circles, depth, folders, prices, and the rehearsal, which is loaded for it; note
    what of agent files is otherwise here; and warn of what is likely to go wrong, or to cost more than it is worth.
    A workflow's file is run, as Python runs a program; the workflow is not.
    """
    from podium.config import load_config
    from podium.team import json_schema, lint, load_team

    if schema:
        json.dump(json_schema(), sys.stdout, indent=2)
        print()
        return
    if team is None:
        raise typer.BadParameter("name the team file, or use --schema")
    if is_workflow(team):
        check_workflow(team, model, is_strict=strict)
        return
    loaded = load_team(team, model=model)
    config = load_config(env=os.environ)
    findings = lint(loaded, config.facts_of)
    problems = [*_problems(loaded), *(_told(finding) for finding in findings if finding.is_error)]
    if problems:
        raise BadInput(f"{team} is well formed, but cannot be run here:\n" + "\n".join(f"  {it}" for it in problems))
    warnings = [finding for finding in findings if not finding.is_error]
    for line in _summary(loaded, config, warnings):
        print(line)
    if warnings and strict:
        raise BadInput(f"{team} has {count(len(warnings), 'warning')}, and --strict takes none")


def _problems(team: "Team") -> Iterator[str]:
    """What only shows outside the file."""
    from podium.flows import Pins
    from podium.given import existing_folder
    from podium.making import pinned
    from podium.needs import need_of_rehearsal

    flow = team.workflow
    pin = partial(pinned, limits=team.limits) if flow is None else Pins(flow, team.limits.depth, {}).play()
    for agent in team.agents.values() if flow is None else flow.agents:
        try:
            pin(agent)
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


def _told(finding: "Finding") -> str:
    return f"{finding.text} ({finding.section})"


def _summary(team: "Team", config: "Config", warnings: "Sequence[Finding]") -> Iterator[str]:
    found = count(len(warnings), "warning") if warnings else "all is well"
    stages = () if team.workflow is None else team.workflow.stages
    takes = f"'{one_line(team.lead.name)}' gets the task" if team.lead is not None else count(len(stages), "stage")
    yield f"{one_line(team.name)}: {count(len(team.agents), 'agent')}, {takes}; {found}"
    for number, stage in enumerate(stages, 1):
        yield f"  {number}  {one_line(_told_stage(stage))}"
    for name, agent in team.agents.items():
        parts = agent_parts(agent)
        parts += ["not used"] if name in team.unused else []
        parts += [f"from {team.origins[name]}"] if name in team.origins else []
        yield f"  {one_line(name)}: {one_line('; '.join(parts))}"
    for mount in team.mounts:
        yield f"mount {mount.path} at {mount.at}, {'read only' if mount.read_only else 'writable'}"
    if team.rehearsal is not None:
        yield f"rehearsal {team.rehearsal}: no model is called"
    else:
        for model in dict.fromkeys(agent.model for agent in team.agents.values()):
            yield told_model(model, config)
        yield "no rehearsal: it needs its models; `podium run --rehearse` makes replies up"
    for note in team.notes:
        yield printable(f"note: {note}", keep="")
    for warning in warnings:
        yield printable(f"warning: {_told(warning)}", keep="")


def _told_stage(stage: "Stage") -> str:
    """A stage: what it is called, its pattern, who works, and on what."""
    from podium.patterns.stages import called, pattern_of

    pattern = pattern_of(stage)
    who = ", ".join(dict.fromkeys(name for _, name in called(stage)))
    parts = [f"{pattern} of {who}" if who else f"checkpoint '{stage['checkpoint']}'"]
    on = [stage["verify"]["draft"], *stage["verify"].get("against", [])] if pattern == "verify" else stage["context"]
    parts += [f"on {', '.join(on)}"] if on else []
    parts += [f"join {stage['join']}"] if "join" in stage else []
    parts += [f"retries {stage['retries']}"] if "retries" in stage else []
    limits = [f"{name} {value}" for name, value in stage.get("limits", {}).items()]
    parts += [f"limits {', '.join(limits)}"] if limits else []
    return f"{stage['name']}: {'; '.join(parts)}"
