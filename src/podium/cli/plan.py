"""`podium plan`: have a plan written, look at it, change it, run it."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from podium.app import Podium
from podium.cli.exit_codes import ExitCode
from podium.cli.options import Data, Json, ModelOption, TeamArgument
from podium.cli.run import GENERATED
from podium.cli.teams import loaded_team, whole_task, with_mounts
from podium.cli.text import DATA, count, one_line, tell
from podium.errors import BadInput

if TYPE_CHECKING:
    from podium.core.plan import Plan
    from podium.running import RunResult
    from podium.team import Team

app = typer.Typer(name="plan", help="Plans: steps for the agents of a team.", no_args_is_help=True)

PlanArgument = Annotated[Path, typer.Argument(metavar="PLAN.yaml", help="The plan file.")]
MaybeTeam = Annotated[
    Path | None, typer.Argument(metavar="TEAM.yaml", help="The team file that the agents' names are checked by.")
]
Mounts = Annotated[
    list[str] | None,
    typer.Option(metavar="PATH:AT[:ro|rw]", help="Show a folder to the agents at AT; read only unless rw."),
]
Workdir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The folder all agents share, instead of the team's.")
]
Rehearse = Annotated[
    bool, typer.Option("--rehearse", help="Make replies up from schemas and rosters; no model is called.")
]
Rehearsal = Annotated[
    str | None, typer.Option(metavar="FILE.py:FUNCTION", help="Have this script answer for every model.")
]
Turns = Annotated[int | None, typer.Option(help="Stop the session after so many model replies.")]
Seconds = Annotated[float | None, typer.Option(help="Stop it after so many seconds of work.")]
Tokens = Annotated[int | None, typer.Option(help="Stop it after so many tokens.")]
Usd = Annotated[str | None, typer.Option(metavar="USD", help="Stop it before it costs more dollars.")]


@app.command("make")
def make(
    team: TeamArgument,
    task: Annotated[str, typer.Argument(metavar="TASK", help="What is to be planned.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="PLAN.yaml", help="Write it there, as JSON if it ends so.")
    ] = None,
    planner: Annotated[
        str, typer.Option(metavar="AGENT", help="Who writes it, instead of the team's coordinator.")
    ] = "",
    mount: Mounts = None,
    workdir: Workdir = None,
    rehearse: Rehearse = False,
    rehearsal: Rehearsal = None,
    model: ModelOption = None,
    turns: Turns = None,
    seconds: Seconds = None,
    tokens: Tokens = None,
    usd: Usd = None,
    json: Json = False,
    data: Data = DATA,
) -> None:
    """Have a plan written for a task, and print it.

    The planner is told the agents of the team. A plan that cannot be run is told back to it, twice at most.
    """
    from podium.patterns.planned import to_plan

    loaded = loaded_team(team, model)
    if output is not None and output.exists():
        raise BadInput(f"{output} exists already, and is not written over; name another file, or remove it")
    if output is not None and not output.absolute().parent.is_dir():
        raise BadInput(f"there is no folder {output.parent} to write the plan into; make it first")
    workflow, input = to_plan(whole_task(loaded, task), planner or _usual(loaded, "--planner AGENT"), loaded.agents)
    ending = Written(output)
    how = _how(
        loaded,
        mount,
        workdir,
        GENERATED if rehearse else rehearsal,
        {"turns": turns, "seconds": seconds, "tokens": tokens, "usd": usd},
    )
    raise typer.Exit(asyncio.run(_run(workflow, input, how, ending, json=json, data=data)))


@app.command("show")
def show(plan: PlanArgument, team: MaybeTeam = None, json: Json = False) -> None:
    """Show a plan: its steps by levels, what they wait for, and the longest chain of them.

    Steps of one level may run at once. Nothing waits for a level: a step starts when what it depends on is there.
    """
    from podium.cli.plan_picture import as_json, picture
    from podium.team import load_plan

    loaded = load_plan(plan, _agents(team))
    for line in as_json(loaded) if json else picture(loaded):
        print(line)


@app.command("edit")
def edit(plan: PlanArgument, team: MaybeTeam = None) -> None:
    """Change a plan in your editor ($VISUAL or $EDITOR); it is kept if it can be run.

    What is wrong is told, and you may edit again. What you leave wrong is kept beside the plan, which stays as it was.
    """
    from podium.cli.plan_edit import edited

    agents = _agents(team)
    changed = edited(plan, agents)
    if changed is None:
        tell("nothing was changed")
    else:
        tell(f"{plan}: {_told(changed)}")


@app.command("run")
def run(
    plan: PlanArgument,
    team: TeamArgument,
    synthesis: Annotated[
        str, typer.Option(metavar="AGENT", help="Who puts the results together, instead of the team's coordinator.")
    ] = "",
    no_synthesis: Annotated[
        bool, typer.Option("--no-synthesis", help="Print the last steps' results as they are, as JSON.")
    ] = False,
    mount: Mounts = None,
    workdir: Workdir = None,
    rehearse: Rehearse = False,
    rehearsal: Rehearsal = None,
    model: ModelOption = None,
    turns: Turns = None,
    seconds: Seconds = None,
    tokens: Tokens = None,
    usd: Usd = None,
    json: Json = False,
    data: Data = DATA,
) -> None:
    """Run a plan: each step as soon as what it depends on is there, then a synthesis.

    The plan and its agents are frozen in the session, which goes on after a crash whatever became of the files.
    """
    from podium.patterns.planned import to_run
    from podium.team import load_plan

    if synthesis and no_synthesis:
        raise BadInput("--synthesis names who puts the results together, and --no-synthesis says nobody; give one")
    loaded = loaded_team(team, model)
    made = load_plan(plan, loaded.agents)
    if not no_synthesis:
        synthesis = synthesis or _usual(loaded, "--synthesis AGENT, or --no-synthesis")
    workflow, input = to_run(made, loaded.agents, synthesis)
    tell(f"{plan}: {_told(made)}")
    how = _how(
        loaded,
        mount,
        workdir,
        GENERATED if rehearse else rehearsal,
        {"turns": turns, "seconds": seconds, "tokens": tokens, "usd": usd},
    )
    raise typer.Exit(asyncio.run(_run(workflow, input, how, Taken(made), json=json, data=data)))


def _usual(team: "Team", otherwise: str) -> str:
    """The name of the team's coordinator. Errors: BadInput for a team that has a workflow instead."""
    if team.lead is None:
        raise BadInput(f"team '{team.name}' has a workflow, and nobody coordinates it; say {otherwise}")
    return team.lead.name


# --- what comes of a session ---------------------------------------------------------------------------------------


class Written:
    """A plan that was made goes to its file, or to stdout."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def take(self, result: "RunResult") -> None:
        """What is printed of the result, if it came to its end."""
        from podium.core.plan import Plan
        from podium.team import plan_text

        plan = Plan.of(result.output)
        text = plan_text(plan, as_json=self._file is not None and self._file.suffix == ".json")
        if self._file is None:
            result.output = text
            return
        self._file.write_text(text, encoding="utf-8")
        tell(f"{self._file}: {_told(plan)}")
        result.output = ""


class Taken:
    """A plan that was run: what gave no result is told."""

    def __init__(self, plan: "Plan") -> None:
        self._plan = plan

    def take(self, result: "RunResult") -> None:
        """Tell which steps have no result."""
        ended = {call.name: call for call in result.calls if call.phase == "steps"}
        for step in self._plan.steps:
            call = ended.get(step.id)
            if call is None:
                tell(f"step {one_line(step.id)} was skipped: what it depends on gave no result")
            elif call.outcome != "done":
                tell(f"step {one_line(step.id)} gave no result: {one_line(call.reason or call.outcome)}")


def _how(
    team: "Team", mounts: list[str] | None, workdir: Path | None, rehearsal: str | None, limits: Mapping[str, Any]
) -> dict[str, Any]:
    """How a session of the team is started, as `Podium.start` takes it."""
    return {
        "workdir": workdir or team.workdir,
        "mounts": with_mounts(team, mounts or ()),
        "rehearsal": rehearsal or team.rehearsal,
        "rehearsal_folder": Path.cwd() if rehearsal else team.folder,
        "limits": replace(team.limits, **{name: value for name, value in limits.items() if value is not None}),
        "concurrency": team.concurrency,
    }


async def _run(
    workflow: Any, input: Any, how: Mapping[str, Any], ending: Written | Taken, *, json: bool, data: Path
) -> ExitCode:
    from podium.analysis.trace import Trace
    from podium.cli.follow import conclude, follow

    trace, is_rehearsed = Trace(), how["rehearsal"] is not None
    async with Podium(data) as podium:
        under_way = await podium.start(workflow, input, **how)
        result, _ = await follow(under_way, trace, data, json=json, is_rehearsed=is_rehearsed, podium=podium)
    if result.stop_reason == "end_turn" and not result.error and not trace.is_interrupted:
        ending.take(result)
    return conclude(result, trace, data, json=json, is_rehearsed=is_rehearsed)


def _agents(team: Path | None) -> Mapping[str, Any] | None:
    return None if team is None else loaded_team(team, None).agents


def _told(plan: "Plan") -> str:
    from podium.core.plan import levels

    return f"{count(len(plan.steps), 'step')}, {count(len(levels(plan)), 'level')}, sha256 {plan.sha256[:12]}"
