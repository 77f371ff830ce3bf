"""`podium compare`: is the team worth it, or is one agent enough."""

import asyncio
import os
from contextlib import aclosing
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from podium.app import Podium
from podium.cli.exit_codes import ExitCode, of_session
from podium.cli.options import Data as DataOption
from podium.cli.options import Json, ModelOption, TeamArgument
from podium.cli.run import GENERATED
from podium.cli.signals import on_signals
from podium.cli.teams import loaded_team, whole_task, with_mounts
from podium.cli.text import DATA, command, tell
from podium.core.definitions import Agent, Limits
from podium.errors import BadInput, UnknownName
from podium.running import Run

if TYPE_CHECKING:
    from podium.comparison import Comparing, Comparison
    from podium.team import Team


def compare(
    team: TeamArgument,
    task: Annotated[str, typer.Argument(metavar="TASK", help="What each of the two is to do.")],
    runs: Annotated[int, typer.Option(help="How often each of the two does it; below 3 nothing is concluded.")] = 3,
    judge: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Have the answers compared by this model, or this agent of the team file."),
    ] = None,
    model: ModelOption = None,
    mount: Annotated[
        list[str] | None, typer.Option(metavar="PATH:AT[:ro]", help="Show a folder to the agents at AT, read only.")
    ] = None,
    workdir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Each run works on a copy of it, instead of the team's.")
    ] = None,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Make replies up from schemas and rosters; no model is called.")
    ] = False,
    turns: Annotated[int | None, typer.Option(help="Stop everything after so many model replies.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop everything after so many seconds of work.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Stop everything after so many tokens.")] = None,
    usd: Annotated[
        str | None, typer.Option(metavar="USD", help="Stop before all of it, the judge too, costs more dollars.")
    ] = None,
    json: Json = False,
    data: DataOption = DATA,
) -> None:
    """Compare a team with one agent on the same task.

    The one agent has the coordinator's model, the tools of the whole team and its prompts joined. Both run in turn, as
    sessions like any others. The table goes to stdout, with what follows from it: that one agent is enough, that the
    team is worth it, that it is a trade, or that the figures do not tell. Ctrl-C pauses the session under way and shows
    what is over.
    """
    raise typer.Exit(
        asyncio.run(
            _compare(
                team,
                task,
                runs=runs,
                judge=judge,
                model=model,
                mounts=mount or [],
                workdir=workdir,
                rehearse=rehearse,
                total=Limits(turns=turns, seconds=seconds, tokens=tokens, usd=usd),
                json=json,
                data=data,
            )
        )
    )


async def _compare(
    file: Path,
    task: str,
    *,
    runs: int,
    judge: str | None,
    model: str | None,
    mounts: list[str],
    workdir: Path | None,
    rehearse: bool,
    total: Limits,
    json: bool,
    data: Path,
) -> int:
    from podium.cli.compared import said, step_line, table
    from podium.comparison import Comparing

    team = loaded_team(file, model)
    if team.lead is None:
        raise BadInput(
            f"team '{team.name}' has a workflow, and no coordinator, whose model the one agent would have. Compare a "
            "team that has one"
        )
    rehearsal = GENERATED if rehearse else team.rehearsal

    def began(what: str, run: Run) -> None:
        tell(f"{what}: session {run.id}")

    async with Podium(data) as podium:
        comparing = Comparing(
            podium,
            team.lead,
            whole_task(team, task),
            runs=runs,
            judge=None if judge is None else _judge(judge, team, podium),
            workdir=workdir or team.workdir,
            mounts=with_mounts(team, mounts),
            rehearsal=rehearsal,
            rehearsal_folder=team.folder,
            limits=team.limits,
            total=total,
            concurrency=team.concurrency,
            began=began,
        )
        with on_signals(_Stop(comparing).ask):
            async with aclosing(comparing.steps()) as steps:
                async for step in steps:
                    line = step_line(step)
                    if json:
                        _print_json(said(step))
                    else:
                        tell(line)
    made = comparing.so_far
    code = _exit_code(made)
    if json:
        _print_json({**said(made), "exit_code": int(code)})
        return code
    for line in table(made, team.lead.name):
        print(line)
    if waiting := next((run for run in made.measured if run.stop_reason == "requires_action"), None):
        tell(
            f"a run that waits for a person is not finished; its answer comes too late for this comparison: "
            f"{command('approve', waiting.session, data)}"
        )
    if made.measured:
        tell(command("show", made.measured[-1].session, data))
    return code


def _print_json(line: object) -> None:
    import msgspec

    print(msgspec.json.encode(line).decode(), flush=True)


def _judge(name: str, team: "Team", podium: Podium) -> Agent | str:
    """The agent of the team file, or the model, of this name.

    Errors: UnknownName for a model that nobody knows and that looks like an agent of the team.
    """
    if name in team.agents:
        return team.agents[name]
    facts = podium.facts_of(name)
    is_known = name in podium.config.models or facts.price is not None or facts.context_window is not None
    if not is_known and get_close_matches(name, team.agents, n=1):
        raise UnknownName("judge", name, team.agents, remedy="A judge is an agent of the team file, or a model.")
    return name


def _exit_code(made: "Comparison") -> ExitCode:
    if made.stopped == "interrupted":
        return ExitCode.INTERRUPTED
    if made.stopped == "limit_reached":
        return ExitCode.LIMIT_REACHED
    if any(run.stop_reason == "requires_action" for run in made.measured):
        return ExitCode.WAITS_FOR_PERSON
    if made.stopped:
        return ExitCode.FAILED
    reasons = [reason for side in (made.single, made.team) if not side.finished for reason in side.stop_reasons]
    codes = {of_session(reason, interrupted=False) for reason in reasons} or {ExitCode.SUCCESS}
    return codes.pop() if len(codes) == 1 else ExitCode.FAILED


class _Stop:
    """What signals do: the first one stops the comparison, the next one quits."""

    def __init__(self, comparing: "Comparing") -> None:
        self._comparing = comparing
        self._stopping: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """A signal came."""
        if self._stopping is not None:
            tell("quit at once; `podium sessions` lists what was under way")
            os._exit(ExitCode.INTERRUPTED)  # waits for nothing: the log is whole at every moment
        tell("stopping: the session under way is interrupted and paused (Ctrl-C again quits at once)")
        self._stopping = asyncio.create_task(self._comparing.stop())
