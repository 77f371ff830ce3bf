"""`podium run`: give a team a task, and watch."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from podium.app import Podium
from podium.cli.options import TEAM, Data, Json, ModelOption
from podium.cli.teams import loaded_team, whole_task, with_mounts
from podium.cli.text import DATA, tell
from podium.cli.workflows import is_workflow, workflow_given
from podium.errors import BadInput

if TYPE_CHECKING:
    from podium.team import Team

GENERATED = "generated"


def run(
    team: Annotated[Path, typer.Argument(metavar="TEAM", help=f"{TEAM} Or a workflow, FILE.py:NAME.")],
    task: Annotated[str, typer.Argument(metavar="TASK", help="What the team is to do, or the workflow's input.")],
    mount: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH:AT[:ro|rw]", help="Show a folder to the agents at AT; read only unless rw."),
    ] = None,
    workdir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder all agents share, instead of the team's.")
    ] = None,
    model: ModelOption = None,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Make replies up from schemas and rosters; no model is called.")
    ] = False,
    rehearsal: Annotated[
        str | None, typer.Option(metavar="FILE.py:FUNCTION", help="Have this script answer for every model.")
    ] = None,
    turns: Annotated[int | None, typer.Option(help="Stop the session after so many model replies.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop it after so many seconds of work.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Stop it after so many tokens.")] = None,
    usd: Annotated[str | None, typer.Option(metavar="USD", help="Stop it before it costs more dollars.")] = None,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Run the team on a Podium server, or any Managed Agents server.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The server's key; better in PODIUM_SERVER_KEY or ANTHROPIC_API_KEY.")
    ] = None,
    json: Json = False,
    data: Data = DATA,
) -> None:
    """Give a team a task, or a workflow its input, and watch it work.

    A team file that has a workflow takes the task through its stages. A workflow of a Python file takes a text, or JSON
    where its input is something else.
    The result is printed on stdout, everything else on stderr. Ctrl-C pauses the session; again, it quits at once.
    With --server the team runs there: Ctrl-C interrupts the session, and it can be told to go on.
    """
    if is_workflow(team) and (server is not None or model is not None):
        raise BadInput("a workflow runs here, with the models of its agents: leave --server and --model out")
    raise typer.Exit(
        asyncio.run(
            _run(
                team,
                task,
                mounts=mount or [],
                workdir=workdir,
                model=model,
                rehearsal=GENERATED if rehearse else rehearsal,
                limits={"turns": turns, "seconds": seconds, "tokens": tokens, "usd": usd},
                json=json,
                data=data,
            )
            if server is None
            else _run_there(
                team,
                task,
                given={
                    "--mount": bool(mount),
                    "--workdir": workdir is not None,
                    "--rehearse": rehearse,
                    "--rehearsal": rehearsal is not None,
                    "--turns": turns is not None,
                    "--seconds": seconds is not None,
                    "--tokens": tokens is not None,
                },
                usd=usd,
                model=model,
                url=server,
                key=key,
                json=json,
            )
        )
    )


async def _run_there(
    file: Path,
    task: str,
    *,
    given: Mapping[str, bool],
    usd: str | None,
    model: str | None,
    url: str,
    key: str | None,
    json: bool,
) -> int:
    from podium.cli.remote.agents import check
    from podium.cli.remote.run import run_there
    from podium.cli.remote.server import key_for

    team = loaded_team(file, model)
    limits = team.limits if usd is None else replace(team.limits, usd=usd)
    check(team, limits, given)
    return await run_there(team, whole_task(team, task), limits, url=url.rstrip("/"), key=key_for(url, key), json=json)


async def _run(
    file: Path,
    task: str,
    *,
    mounts: list[str],
    workdir: Path | None,
    model: str | None,
    rehearsal: str | None,
    limits: Mapping[str, Any],
    json: bool,
    data: Path,
) -> int:
    from podium.analysis.trace import Trace
    from podium.cli.follow import conclude, follow

    own = {name: value for name, value in limits.items() if value is not None}
    if is_workflow(file):
        what = workflow_given(file, task, mounts=mounts, workdir=workdir, limits=own)
        what["rehearsal"] = rehearsal
    else:
        what = _team_given(loaded_team(file, model), task, mounts, workdir, own)
    if rehearsal is not None:
        what |= {"rehearsal": rehearsal, "rehearsal_folder": Path.cwd()}
    async with Podium(data) as podium:
        under_way = await podium.start(**what)
        trace, is_rehearsed = Trace(), what["rehearsal"] is not None
        result, _ = await follow(under_way, trace, data, json=json, is_rehearsed=is_rehearsed, podium=podium)
    return conclude(result, trace, data, json=json, is_rehearsed=is_rehearsed)


def _team_given(
    team: "Team", task: str, mounts: list[str], workdir: Path | None, limits: Mapping[str, Any]
) -> dict[str, Any]:
    """What a session of the team is started with."""
    more = with_mounts(team, mounts)
    if team.lead is not None and team.lead.name in team.origins and not (workdir or team.workdir or more):
        tell("note: it works in a fresh folder. `--mount .:/source` shows it this one, `--workdir .` gives it this one")
    return {
        "agent": team.workflow or team.coordinator,
        "task": whole_task(team, task),
        "workdir": workdir or team.workdir,
        "mounts": more,
        "rehearsal": team.rehearsal,
        "rehearsal_folder": team.folder,
        "limits": replace(team.limits, **limits),
        "concurrency": team.concurrency,
    }
