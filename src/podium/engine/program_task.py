"""Runs the workflow of a session beside its threads: tells it what came of its calls, and records what it asks for.

It is told one result at a time, in the order in which they ended, and runs until it waits. Nothing is recorded while it
runs: it is no part of the log's order. A new process runs it from its top and tells it what is recorded; what it asks
for must be what was recorded, and nothing new is done before that is known.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from podium.core.ending import archive
from podium.core.facts import StepEnded
from podium.core.moment import Moment
from podium.core.program import (
    Ask,
    AskAgent,
    AskFunction,
    AskPerson,
    BeginPhase,
    Move,
    Playing,
    Program,
    Raised,
    Returned,
    Withdraw,
)
from podium.core.replay import Replay
from podium.core.run_records import run_works
from podium.core.runs import RunState, Step
from podium.core.thread import ThreadState
from podium.core.workflow import (
    begin_phase,
    open_run,
    record_ask,
    record_failed,
    record_returned,
    record_told,
    record_withdrawn,
    take_answers,
    told_of,
)
from podium.engine.acceptance import is_cancelled, mended
from podium.engine.play_again import play_again
from podium.engine.stopping import stop
from podium.errors import BadInput, PodiumError, StoreError, WorkflowChanged

if TYPE_CHECKING:
    from podium.engine.driver import Driver

logger = logging.getLogger(__name__)
GRACE_S = 4.0  # how long a function that is cancelled may take: less than the thread that waits for it
STUCK = (
    "the workflow waits for something that never comes: none of its calls is open. It may only wait for run.agent, "
    "run.step, run.checkpoint, and for tasks of its own that wait for these"
)
NOT_REPEATABLE = (
    "the workflow does not do the same when it is run again with the same results, so it could not be resumed after a "
    "crash: it may not read a clock, random numbers, files or the network but by run.step. What differs: "
)


class CannotGoOn(Exception):
    """The program is not the one that was recorded, or lacks what it needs: the session stays as it is."""

    def __init__(self, error: PodiumError) -> None:
        super().__init__(str(error))
        self.error = error


class ProgramTask:
    """The program of one session, in this process. `wake` sets its thread going."""

    def __init__(self, driver: "Driver", thread: ThreadState, wake: Callable[[], None]) -> None:
        self._driver = driver
        self._thread = thread
        self._wake = wake
        self._playing: Playing | None = None
        self._told = 0  # how many results it was told
        self._held: list[Move] = []  # what it asked for at a limit of the session: that is not begun
        self._asked: dict[str, Ask] = {}  # what it asked for and was not told of: begun, by key
        self._functions: dict[str, asyncio.Task[None]] = {}
        # What it withdrew and what it asked for or began, by key: how many results it had been told by then.
        self._withdrawn: dict[str, int] = {}
        self._made: dict[str, int] = {}
        self._retried: set[str] = set()  # calls that it made once more

    @property
    def _program(self) -> Program:
        program = self._driver.bound.program
        if program is None:
            raise CannotGoOn(BadInput(f"session {self._driver.state.id} runs a workflow, and this process has none"))
        return program

    @property
    def _run(self) -> RunState:
        run = self._driver.state.run
        assert run is not None
        return run

    async def close(self) -> None:
        """Drop the program, and stop its functions. It is told nothing, as at a crash."""
        if self._playing is not None:
            self._playing.close()
        await stop(self._functions.values(), self._driver.state.id, grace_s=GRACE_S)

    # --- beginning -----------------------------------------------------------------------------------

    async def begin(self, at: Moment) -> Moment:
        """Begin the program, or bring a new one to where it was; the records of what it asks for beyond that."""
        driver, state = self._driver, self._driver.state
        program = self._program
        if state.run is None:
            driver.take_messages(self._thread, at)
            driver.fold(at)
            open_run(state, program, at)
        elif state.run.is_over:
            return at
        if at.drafts:
            await driver.commit(at)
        replay = Replay(state, self._run)
        try:
            moves = await self._replay(program, replay)
            self._asked = {key: ask for key, ask in replay.asked.items() if self._is_open(key)}
            await self._bind(list(self._asked.values()))
        except PodiumError as error:
            raise CannotGoOn(error) from error
        at = driver.moment()
        if self._run.is_reopened:
            open_run(state, program, at)
            for key, name in list(self._run.phases.items())[-1:]:  # the one that it was in
                begin_phase(state, BeginPhase(key=key, name=name), at)
        elif self._thread.status != "idle":  # it may wait for a person alone, as before
            run_works(state, at)
            driver.fold(at)
        driver.threads.release(
            *(step.thread for step in self._run.steps.values() if step.thread and step.state == "open")
        )
        if at.drafts:
            await driver.commit(at)
        driver.threads.start_released()
        return await self._do(moves, driver.moment())

    async def _replay(self, program: Program, replay: Replay) -> list[Move]:
        """Tell the program what it was told before; what it did beyond that. Errors: WorkflowChanged."""
        self._playing = playing = program.play(self._run.input)
        moves = replay.take(await playing.go_on(None))
        for key in self._run.order[: self._run.told]:
            replay.check_told(key)
            self._told += 1
            done = told_of(self._driver.state, self._run.steps[key])
            moves += replay.take(self._noted(await playing.go_on(done)))
        replay.check_complete()
        return moves

    def _is_open(self, key: str) -> bool:
        step = self._run.steps.get(key)
        return step is not None and step.state == "open"

    # --- going on ------------------------------------------------------------------------------------

    async def go_on(self, at: Moment) -> Moment:
        """Take answers, tell the program what is over, and do what it asks for."""
        driver = self._driver
        if self._run.is_over:  # the session's budget was changed too late for it
            return at
        take_answers(driver.state, at)
        if at.drafts:
            await driver.commit(at)
        playing, run = self._playing, self._run
        assert playing is not None
        moves, self._held = [*self._cut(), *self._held], []
        before, done = self._told, list[Step]()
        while self._told < len(run.order) and not _ends(moves):
            step = run.steps[run.order[self._told]]
            self._told += 1
            self._asked.pop(step.key, None)
            done.append(step)
            moves += self._noted(await playing.go_on(told_of(driver.state, step)))
        if self._told == before and not moves and not self._thread.calls:
            moves = [Raised(error=STUCK)]
        await self._halt(step.thread for step in done)
        at = driver.moment()
        self._archive([step.thread for step in done], at)
        record_told(driver.state, self._told, self._retried, at)
        return await self._do(moves, at)

    def _cut(self) -> list[Ask]:
        """The calls that a limit of the session cut short, once it is another: they are made anew."""
        if self._driver.state.cap is not None:
            return []
        steps = self._run.steps
        keys = [key for key in self._asked if steps[key].state == "again" and not steps[key].is_withdrawn]
        return [self._asked.pop(key) for key in keys]

    def _noted(self, moves: Sequence[Move]) -> list[Move]:
        """The moves; what they make and withdraw is remembered with the time."""
        for move in moves:
            if isinstance(move, Withdraw):
                self._withdrawn[move.key] = self._told
            elif not isinstance(move, Returned | Raised):
                self._made[move.key] = self._told
                self._retried.add(move.instead_of)
        return list(moves)

    async def _do(self, moves: Sequence[Move], at: Moment) -> Moment:
        """Do what the program asks for."""
        driver, state = self._driver, self._driver.state
        moves = _without_moot(moves, state.run)
        withdrawn = [move.key for move in moves if isinstance(move, Withdraw)]
        end = next((move for move in moves if isinstance(move, Returned | Raised)), None)
        asks = [move for move in moves if isinstance(move, AskAgent | AskFunction | AskPerson)]
        if state.cap is not None and end is None:  # nothing more is begun until the limit is another
            self._held = [move for move in moves if not isinstance(move, Withdraw)]
            moves = [move for move in moves if isinstance(move, Withdraw)]
            asks = []
        if end is None and asks:
            if at.drafts and any(self._is_new(ask) for ask in asks):
                await driver.commit(at)
                at = driver.moment()
            try:
                await self._bind(asks)
            except PodiumError as error:
                end = Raised(error=str(error))
        if end is not None:
            if isinstance(
                end, Returned
            ):  # of one that failed they may still be changed, with the code behind its calls
                for move in moves:
                    if isinstance(move, BeginPhase):
                        begin_phase(state, move, at)
            return await self._end(end, at)
        if withdrawn:
            at = await self._stop(withdrawn, at)
        for move in moves:
            match move:
                case Withdraw():
                    step = self._run.steps.get(move.key)
                    if step is not None and step.state != "over":
                        record_withdrawn(state, step, at)
                case BeginPhase():
                    begin_phase(state, move, at)
                case Returned() | Raised():
                    pass
                case AskAgent() | AskFunction() | AskPerson():
                    record_ask(state, move, at)
                    self._asked[move.key] = move
                    if (thread := self._run.steps[move.key].thread) is not None:
                        driver.threads.release(thread)
        functions = [move for move in moves if isinstance(move, AskFunction)]
        if functions:
            await driver.commit(at)
            for ask in functions:
                task = asyncio.create_task(self._call(ask), name=f"function '{ask.name}'")
                self._functions[ask.key] = task
                task.add_done_callback(lambda task, key=ask.key: self._forget(key, task))  # type: ignore[misc]
            at = driver.moment()
        return at

    def _is_new(self, ask: Move) -> bool:
        return isinstance(ask, AskAgent) and ask.definition.version not in self._driver.bound.agents

    async def _bind(self, asks: Sequence[Move]) -> None:
        """See that this process has what these agents need. Errors: PodiumError."""
        for ask in asks:
            if isinstance(ask, AskAgent) and ask.definition.version not in self._driver.bound.agents:
                extend = self._driver.bound.extend
                if extend is None:
                    raise BadInput(f"agent '{ask.definition.name}' cannot be called here")
                self._driver.bound = await extend(self._driver.bound, ask.team)

    async def _stop(self, keys: Collection[str], at: Moment) -> Moment:
        """Stop what is under way of these calls; what was recorded before is committed."""
        if at.drafts:
            await self._driver.commit(at)
        steps = [self._run.steps[key] for key in keys if key in self._run.steps]
        tasks = {step.key: self._functions[step.key] for step in steps if step.key in self._functions}
        await stop(tasks.values(), self._driver.state.id, grace_s=GRACE_S)
        for key, task in tasks.items():
            self._forget(key, task)
        await self._halt(step.thread for step in steps)
        return self._driver.moment()

    async def _halt(self, threads: Iterable[str | None]) -> None:
        """Cancel what runs of these threads, and of those below them."""
        state = self._driver.state
        found = [state.threads[id] for id in threads if id is not None]
        while running := [each for thread in found for each in state.below(thread) if each.is_open]:
            await self._driver.threads.halt(*running)
            if not any(self._driver.threads.runs(each.id) for each in running):
                return

    def _archive(self, threads: Sequence[str | None], at: Moment) -> None:
        """Record that these threads are over for good."""
        state = self._driver.state
        for id in threads:
            if id is not None and state.threads[id].status != "terminated":
                archive(state, state.threads[id], at)
                state.fold(at)

    # --- functions -----------------------------------------------------------------------------------

    async def _call(self, ask: AskFunction) -> None:
        """Run the function, and record what came of it."""
        driver, step = self._driver, self._run.steps[ask.key]
        try:
            output = await ask.do()
            ended = StepEnded(run=step.run, key=step.key, call=step.call, outcome="done", output=output)
        except asyncio.CancelledError:
            ended = self._failed(step, "CancelledError")
        except PodiumError as error:
            ended = self._failed(step, str(error))
        except (Exception, SystemExit) as error:  # the edge: a function may raise anything
            ended = self._failed(step, f"{type(error).__name__}: {error}")
        if is_cancelled():  # nobody waits for it any more, whatever it made of that
            raise asyncio.CancelledError
        at = driver.moment()
        at.private(self._thread.id, ended)
        try:
            driver.fold(at)
            self._wake()  # what it records follows this in the same queue
            await driver.commit(at)
        except StoreError as error:
            driver.fail(error)

    def _forget(self, key: str, task: "asyncio.Task[None]") -> None:
        if self._functions.get(key) is task:  # one that did not let itself be stopped may end when it is made anew
            del self._functions[key]

    def _failed(self, step: Step, reason: str) -> StepEnded:
        return StepEnded(run=step.run, key=step.key, call=step.call, outcome="failed", reason=mended(reason))

    # --- ending --------------------------------------------------------------------------------------

    async def _end(self, end: Returned | Raised, at: Moment) -> Moment:
        """Record how the program ended; what it has open is stopped."""
        driver, state, run = self._driver, self._driver.state, self._run
        if at.drafts:
            await driver.commit(at)
        if isinstance(end, Returned) and driver.bound.is_rehearsed:
            end = await self._rehearsed(end)
        again = await self._again(end) if isinstance(end, Raised) else set[str]()
        left = [step.key for step in run.steps.values() if step.state == "open"]
        threads = [each.id for each in state.children(state.main) if each.status != "terminated"]
        at = await self._stop(left, at)
        await self._halt(threads)
        at = driver.moment()
        for key in left:
            if run.steps[key].state == "open":
                record_withdrawn(state, run.steps[key], at)
        self._archive(threads, at)
        if isinstance(end, Returned):
            record_returned(state, end.output, at)
        else:
            # What failed in the same moment: the program was not told, and has decided nothing on it.
            again |= {key for key in run.order[self._told :] if run.steps[key].outcome in ("failed", "limit")}
            keys = [key for key in {**run.steps, **run.phases} if key in again or key in left]
            record_failed(state, mended(end.error), keys, at)
        return at

    async def _again(self, end: Raised) -> set[str]:
        """What a resumed run makes anew: the calls whose failure ended it, what was withdrawn, and what it did on its
        way out: what it asks for and begins only because it was told of the failure.

        Shape: only if the program, told all but these, does the rest as before. Else it is told the failure again.
        """
        run = self._run
        failed = {key for key in end.because if key in run.order}
        if not failed:
            return set()
        since = min(run.order.index(key) for key in failed)
        cut = {key for key, told in self._withdrawn.items() if told > since and key in run.steps}
        failed |= {key for key in cut if run.steps[key].outcome != "done"}
        later = {key for key, told in self._made.items() if told > since}
        return failed if await self._differs(failed, may_lack=later) is None else set()

    async def _rehearsed(self, end: Returned) -> Returned | Raised:
        """Run the program once more on what was recorded: it must do the same again."""
        differs = await self._differs(set(), end)
        return end if differs is None else Raised(error=NOT_REPEATABLE + differs)

    async def _differs(
        self, without: set[str], end: Returned | None = None, may_lack: Collection[str] = ()
    ) -> str | None:
        """What the program does otherwise when it is run once more and told the same without these; None if nothing.

        Shape: what it may lack and does not do is no difference, and is added to `without`.
        """
        try:
            new = await play_again(self._program, self._driver.state, self._told, without, may_lack)
        except WorkflowChanged as error:
            return str(error)
        if end is not None and end not in new:
            return f"it returned {end.output!r:.200}, and then did not"
        return None


def _ends(moves: Sequence[Move]) -> bool:
    return any(isinstance(move, Returned | Raised) for move in moves)


def _without_moot(moves: Sequence[Move], run: RunState | None) -> list[Move]:
    """The moves without calls that are withdrawn at once: nothing was begun for them."""
    recorded = run.steps if run is not None else {}
    gone = {move.key for move in moves if isinstance(move, Withdraw)}
    asked = {move.key for move in moves if isinstance(move, AskAgent | AskFunction | AskPerson)}
    again = {key for key in asked if key in recorded and recorded[key].state == "again"}
    moot = {key for key in gone & asked if key not in recorded or key in again}
    return [move for move in moves if isinstance(move, Returned | Raised) or move.key not in moot]
