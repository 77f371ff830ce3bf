"""`podium check`: is this team file right, before anything is spent."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from podium.cli.options import TEAM, ModelOption
from podium.cli.text import count, one_line, printable
from podium.core.definitions import INHERIT
from podium.errors import BadInput

if TYPE_CHECKING:
    from podium.config import Config
    from podium.team import Finding, Team


def check(
    team: Annotated[Path | None, typer.Argument(metavar="TEAM", help=TEAM)] = None,
    model: ModelOption = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of team files, for editors.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Take a team with warnings for a wrong one.")] = False,
) -> None:
    """Check a team file or an agent's, and all it names.

    Agents, tools, schemas, circles, depth, folders, prices, and the rehearsal, which is loaded for it; note what of
    agent files is otherwise here; and warn of what is likely to go wrong, or to cost more than it is worth.
    """
    from podium.config import load_config
    from podium.team import json_schema, lint, load_team

    if schema:
        json.dump(json_schema(), sys.stdout, indent=2)
        print()
        return
    if team is None:
        raise typer.BadParameter("name the team file, or use --schema")
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
    from podium.app import pinned
    from podium.given import existing_folder
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


def _told(finding: "Finding") -> str:
    return f"{finding.text} ({finding.section})"


def _summary(team: "Team", config: "Config", warnings: "Sequence[Finding]") -> Iterator[str]:
    lead = one_line(team.coordinator.name)
    found = count(len(warnings), "warning") if warnings else "all is well"
    yield f"{one_line(team.name)}: {count(len(team.agents), 'agent')}, '{lead}' gets the task; {found}"
    for name, agent in team.agents.items():
        calls = ", ".join(callee if isinstance(callee, str) else callee.name for callee in agent.callable_agents)
        parts = [f"model {agent.model}", *([f"effort {agent.effort}"] if agent.effort else [])]
        parts += [f"tools {', '.join(map(str, agent.tools))}"] if agent.tools else []
        asks = [tool for tool, permission in agent.permissions.items() if permission == "always_ask"]
        parts += [f"asks before {', '.join(asks)}"] if asks else []
        parts += [f"calls {calls}"] if calls else []
        parts += ["defines agents"] if agent.inline_agents else []
        limits = [f"{name} {value}" for name, value in vars(agent.limits).items() if value is not None]
        parts += [f"limits {', '.join(limits)}"] if limits else []
        parts += ["not used"] if name in team.unused else []
        parts += [f"from {team.origins[name]}"] if name in team.origins else []
        yield f"  {one_line(name)}: {one_line('; '.join(parts))}"
    for mount in team.mounts:
        yield f"mount {mount.path} at {mount.at}, {'read only' if mount.read_only else 'writable'}"
    if team.rehearsal is not None:
        yield f"rehearsal {team.rehearsal}: no model is called"
    else:
        for model in dict.fromkeys(agent.model for agent in team.agents.values()):
            yield _told_model(model, config)
        yield "no rehearsal: it needs its models; `podium run --rehearse` makes replies up"
    for note in team.notes:
        yield printable(f"note: {note}", keep="")
    for warning in warnings:
        yield printable(f"warning: {_told(warning)}", keep="")


def _told_model(model: str, config: "Config") -> str:
    """Who serves it, for how much, and what is missing for it."""
    if model == INHERIT:
        return f"model {model}: nobody is there to inherit it from; --model names one"
    price, missing, named = config.facts_of(model).price, config.missing_key(model), config.name_of(model)
    parts = [f"provider {config.provider_of(model).upstream.provider}"]
    parts += [f"there {named}"] if named != model else []
    if price is None:
        parts.append("price unknown")
    else:
        parts.append(f"{_dollars(price.input)} in, {_dollars(price.output)} out for a million tokens")
    parts += [f"its key is missing: ${missing} is not set"] if missing is not None else []
    return one_line(f"model {model}: {'; '.join(parts)}")


def _dollars(amount: Decimal) -> str:
    return f"${amount.normalize():f}"
