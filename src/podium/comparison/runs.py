"""Runs a comparison: one agent and the team in turn, each run a session of its own, each pair judged when it is there.

The runs go a b b a a b …, one at a time, so that a slow hour of the provider meets both, and neither slows the other.
"""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from podium.analysis.spending import spending
from podium.analysis.trace import Trace, trace
from podium.app import DATA, Podium
from podium.approvals import Approve
from podium.comparison.allowance import Allowance
from podium.comparison.figures import LIMITED, SIDES, Comparison, Judgement, Measured, Side, Stopped
from podium.comparison.judging import judge_of, named, question, verdict
from podium.comparison.single import single_of
from podium.core.content import Content, plain
from podium.core.definitions import Agent, Concurrency, Limits, SessionLimits, with_all_below
from podium.core.ports import Model, Mount
from podium.core.records import Record
from podium.errors import BadInput, PodiumError, Refused
from podium.given import checked_content, existing_folder
from podium.models.connection import import_client
from podium.running import Run, RunResult

RUNS = 3
Began = Callable[[str, Run], None]


class Comparing:
    """A comparison under way in this process.

    Shape: `steps` makes it; `so_far` is what it has come to at any time. `began` is told of each session as it starts,
    with what it is for.
    """

    def __init__(
        self,
        podium: Podium,
        team: Agent,
        task: str | Content,
        *,
        runs: int = RUNS,
        judge: Agent | str | None = None,
        workdir: Path | str | None = None,
        mounts: Sequence[Mount] = (),
        models: Mapping[str, Model] | None = None,
        rehearsal: str | None = None,
        rehearsal_folder: Path | None = None,
        limits: SessionLimits | None = None,
        total: Limits | None = None,
        concurrency: Concurrency | None = None,
        approve: Approve | None = None,
        began: Began = lambda what, run: None,
    ) -> None:
        """As `compare`.

        Errors: BadInput.
        """
        if isinstance(runs, bool) or not isinstance(runs, int) or runs < 1:
            raise BadInput(f"runs must be a whole number above 0, not {runs!r:.40}: so often each of the two is run")
        if total is not None and not isinstance(total, Limits):
            raise BadInput("total is Limits(turns=, seconds=, tokens=, usd=), of all sessions together")
        if not isinstance(team, Agent):
            raise BadInput(f"the team is its coordinator, an Agent, not {team!r:.80}")
        for mount in mounts:
            if not mount.read_only:
                raise BadInput(
                    f"the mount at {mount.at} is writable: a run would find there what the one before it left. Mount "
                    "it read only, or make it the workdir, of which each run gets a copy"
                )
        self._podium = podium
        self._task = checked_content(task, "task")
        self._runs = runs
        self._agents: dict[Side, Agent] = {"single": single_of(team), "team": team}
        self._judge = None if judge is None else judge_of(judge)
        self._workdir = None if workdir is None else existing_folder(Path(workdir), "workdir")
        self._copies = podium.folder.resolve() / "comparisons"
        if self._workdir is not None and self._workdir.resolve() in (self._copies, self._copies.parent):
            raise BadInput(f"the workdir {workdir} is where each run's copy of it would lie; name another")
        self._limits = limits or SessionLimits()
        self._allowance = Allowance(total or Limits())
        self._how: dict[str, Any] = {
            "mounts": mounts,
            "models": models,
            "rehearsal": rehearsal,
            "rehearsal_folder": rehearsal_folder,
            "concurrency": concurrency,
        }
        self._approve = approve
        self._began = began
        self._run: Run | None = None
        self._stopped: Stopped = ""
        self._why = ""
        self._measured: list[Measured] = []
        self._judgements: list[Judgement] = []

    @property
    def so_far(self) -> Comparison:
        """What is over of it."""
        return Comparison(
            task=plain(self._task),
            runs=self._runs,
            measured=tuple(self._measured),
            judge="" if self._judge is None else named(self._judge),
            judgements=tuple(self._judgements),
            stopped=self._stopped,
            why=self._why,
        )

    async def stop(self) -> None:
        """Begin nothing more, and interrupt the session that is under way; it is paused, and can be resumed."""
        self._end("interrupted", "somebody stopped it")
        if self._run is not None:
            await _interrupt(self._run)

    async def steps(self) -> AsyncGenerator[Measured | Judgement, None]:
        """Make the comparison; each session of it, when it is over.

        Errors: as `Podium.start`, before anything is run; later ones end it, and are told as `stopped`.
        """
        judges = () if self._judge is None else (self._judge,)
        for agent in (self._agents["team"], self._agents["single"], *judges):  # whose agents the user knows comes first
            limits = self._allowance.within(SessionLimits() if agent is self._judge else self._limits)
            await self._podium.check(agent, self._task, workdir=self._workdir, limits=limits, **self._how)
        called = {agent.model for agent in (*with_all_below(self._agents["team"]), *judges)}
        if self._how["rehearsal"] is None and not called <= set(self._how["models"] or ()):
            await asyncio.to_thread(import_client)  # which would be a second or two of the first run, one agent's
        folder = self._copies / self._podium.parts.new_id("cmpr")
        try:
            for number in range(1, self._runs + 1):
                for side in SIDES if number % 2 else reversed(SIDES):
                    if self._is_over():
                        return
                    measured = await self._measure(side, number, folder / f"{side}-{number}")
                    self._measured.append(measured)
                    yield measured
                async with aclosing(self._judged(number)) as judgements:
                    async for judgement in judgements:
                        yield judgement
            if self._measured[-1].stop_reason == LIMITED:
                self._is_over()
        except PodiumError as error:
            self._end("failed", str(error))

    def _end(self, stopped: Stopped, why: str) -> None:
        if not self._stopped:
            self._stopped, self._why = stopped, why

    def _is_over(self) -> bool:
        if self._allowance.met:
            self._end("limit_reached", self._allowance.met)
        return bool(self._stopped)

    async def _measure(self, side: Side, number: int, folder: Path) -> Measured:
        workdir = None
        if self._workdir is not None:
            workdir = await asyncio.to_thread(_copied, self._workdir, folder, self._copies.parent)
        who = "one agent" if side == "single" else "the team"
        result, made = await self._play(
            self._agents[side],
            self._task,
            f"run {number} of {self._runs}, {who}",
            self._limits,
            workdir=workdir,
            approve=self._approve,
        )
        start, main = made.started_at or made.last_at, made.threads[made.primary]
        return Measured(
            side=side,
            number=number,
            session=result.session_id,
            stop_reason="interrupted" if made.is_interrupted else result.stop_reason,
            error=result.error or (main.reason if result.stop_reason == LIMITED else ""),
            output=result.output,
            wall_s=(made.last_at - start).total_seconds() if made.last_at and start else 0.0,
            spent=spending(made, {}).total,
            is_rehearsed=made.is_rehearsed,
        )

    async def _judged(self, number: int) -> AsyncGenerator[Judgement, None]:
        """The pair judged in both orders; nobody is asked about a run that did not finish."""
        runs = {run.side: run for run in self._measured if run.number == number and run.is_finished}
        if self._judge is None or len(runs) < len(SIDES):
            return
        for nth, (one, other) in enumerate((SIDES, SIDES[::-1]), 1):
            if self._is_over():
                return
            asked = question(self._task, runs[one], runs[other])
            what = f"pair {number} of {self._runs}, judged, {'first' if nth == 1 else 'second'} order"
            result, made = await self._play(self._judge, asked, what, SessionLimits())
            better, reason = None, f"the judge ended with {result.stop_reason}: {result.error}".removesuffix(": ")
            if made.is_interrupted:
                reason = "the judge was interrupted"
            elif result.stop_reason == "end_turn":
                better, reason = verdict(result.output, (one, other))
            judgement = Judgement(
                number=number,
                first=one,
                session=result.session_id,
                better=better,
                reason=reason,
                spent=spending(made, {}).total,
            )
            self._judgements.append(judgement)
            yield judgement

    async def _play(
        self, agent: Agent, task: Content, what: str, limits: SessionLimits, **more: Any
    ) -> tuple[RunResult, Trace]:
        """A session to its end, within what is left for all."""
        given = self._allowance.within(limits)
        run = await self._podium.start(agent, task, limits=given, **self._how, **more)
        self._run = run
        try:
            self._began(what, run)
            if self._stopped:  # while it was made
                await _interrupt(run)
            result = await run.result()
        finally:
            self._run = None
        records: list[Record] = await asyncio.to_thread(lambda: result.records)
        made = trace(records)
        self._allowance.take(made, given, records)
        return result, made


async def _interrupt(run: Run) -> None:
    with suppress(Refused):  # it has just ended by itself
        await run.interrupt(pause=True)


def _copied(workdir: Path, folder: Path, data: Path) -> Path:
    """A copy of the workdir, so that no run finds what another one wrote.

    Shape: the data folder is left out if it lies in it, as no agent sees it either; so are sockets, pipes and devices.
    """

    def left_out(at: str, names: list[str]) -> list[str]:
        here = Path(at)
        return [name for name in names if is_own(here / name) or is_special(here / name)]

    def is_own(path: Path) -> bool:
        return path.name == data.name and path.resolve() == data

    def is_special(path: Path) -> bool:
        return not (path.is_symlink() or path.is_file() or path.is_dir())

    try:
        return Path(shutil.copytree(workdir, folder, symlinks=True, ignore=left_out))
    except shutil.Error as error:
        first, *others = error.args[0]
        more = f", and {len(others)} more" if others else ""
        said = f"{first[0]}: {first[-1]}{more}"
    except OSError as error:
        said = str(error)
    shutil.rmtree(folder, ignore_errors=True)
    raise BadInput(f"the workdir {workdir} cannot be copied for a run: {said:.500}")


async def compare(
    team: Agent,
    task: str | Content,
    *,
    runs: int = RUNS,
    judge: Agent | str | None = None,
    data: Path | str = DATA,
    **how: Any,
) -> Comparison:
    """Run the task with one agent that has the team's tools and prompts, and with the team, so often each.

    Shape: `team` is its coordinator. `judge` compares the answers, blind and in both orders: the name of a model, or an
    agent. Other arguments as of `Podium.start`, and `total`, the `Limits` of all sessions together, the judge's too;
    `limits` are those of each run. Each run works on a copy of `workdir`.
    Errors: BadInput for what cannot be compared, SandboxUnavailable, StoreError; nothing was run then. What happens
    later is told by `Comparison.stopped`, and what is over by then is kept.
    """
    async with Podium(data) as podium:
        comparing = Comparing(podium, team, task, runs=runs, judge=judge, **how)
        async with aclosing(comparing.steps()) as steps:
            async for _ in steps:
                pass
        return comparing.so_far
