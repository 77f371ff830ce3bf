"""One thread, step by step, until its turn has ended.

Every step is decided on the fold with the records of the last one applied, and those records are committed with the
next one's where they can be: so a turn with a tool waits for two commits, reply and result. Nothing is done outside
before what announces it is committed.
"""

import asyncio
from typing import TYPE_CHECKING, Any, assert_never

from podium.core.ending import finish, taken_along
from podium.core.moment import Moment
from podium.core.standing import settle
from podium.core.steps import (
    CallModel,
    CallOff,
    Correct,
    Detach,
    EndWaits,
    Finish,
    Lift,
    Limited,
    RunProgram,
    RunTools,
    Stop,
    Wait,
    Warn,
    next_step,
)
from podium.core.thread import OpenCall, ThreadState
from podium.core.turn import record_step, take_answers
from podium.engine.model_call import ModelCall
from podium.engine.program_task import ProgramTask
from podium.engine.recover import recover_thread
from podium.engine.tool_call import record_outcome, run_tool

if TYPE_CHECKING:
    from podium.engine.driver import Driver


class ThreadTask:
    """Runs one thread for a driver."""

    def __init__(self, driver: "Driver", thread: ThreadState) -> None:
        self._driver = driver
        self._thread = thread
        self._wake: asyncio.Future[None] | None = None
        self._tools: dict[str, asyncio.Task[Moment]] = {}  # calls that run, by id
        self._facts = driver.bound.facts_of(thread.definition.model)
        self._program = ProgramTask(driver, thread, self.wake) if thread.definition.program else None

    def wake(self) -> None:
        """Something happened that the thread may wait for."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def run(self) -> None:
        """Until the thread's turn has ended. If nothing of the session moves then, the driver has the last records."""
        try:
            await self._run()
        finally:
            if self._program is not None:
                await self._program.close()
            for tool in self._tools.values():
                tool.cancel()
            if self._tools:
                await asyncio.wait(self._tools.values())

    async def _run(self) -> None:
        driver, thread = self._driver, self._thread
        at = driver.moment()
        if driver.threads.was_cut(thread):
            recover_thread(driver.state, thread, at)
        settle(driver.state, thread, at)
        if self._program is not None:
            at = await self._program.begin(at)
            driver.fold(at)
        while thread.is_open:
            step = next_step(driver.state, thread, at.now, self._facts.context_window)
            match step:
                case CallModel(purpose):
                    if purpose == "hand_over":
                        driver.threads.set_alarm(thread)  # a time of its own, whichever limit was met
                    at = await ModelCall(driver, thread, self._facts, purpose).make(at)
                case RunProgram():
                    at = await self._play(at)
                case RunTools(calls):
                    at = await self._run_tools(calls, at)
                case Lift() if self._program is not None:
                    record_step(driver.state, thread, step, at)
                    at = await self._play(at)  # what it asked for meanwhile can begin
                case CallOff(calls):
                    if at.drafts:
                        await driver.commit(at)
                    children = [driver.state.threads[call.child] for call in calls if call.child is not None]
                    await driver.threads.halt(*children, all_below=True)
                    at = driver.moment()
                    record_step(driver.state, thread, step, at)
                case EndWaits() | Detach() | Correct() | Warn() | Lift():
                    record_step(driver.state, thread, step, at)
                case Wait():
                    at = await self._wait(step, at)
                case Finish() | Stop():
                    ending = step.ending if isinstance(step, Finish) else Limited(step.met)
                    if children := taken_along(driver.state, thread, ending):
                        await driver.commit(at)
                        await driver.threads.halt(*children)
                        at = driver.moment()
                    if isinstance(step, Finish):
                        finish(driver.state, thread, ending, at)
                    else:
                        record_step(driver.state, thread, step, at)
                    driver.fold(at)
                    driver.threads.start(*children)  # one that is not ended after all
                case _:
                    assert_never(step)
            driver.fold(at)
        settle(driver.state, thread, at)
        await driver.rest(thread, at)

    async def _play(self, at: Moment) -> Moment:
        assert self._program is not None
        return await self._program.go_on(at)

    async def _wait(self, step: Wait, at: Moment) -> Moment:
        """Wait until somebody wakes the thread, or the time has come; then say that it runs again."""
        driver, thread = self._driver, self._thread
        settle(driver.state, thread, at)
        self._wake = asyncio.get_running_loop().create_future()
        await driver.rest(thread, at)
        if step.until is None:
            await self._wake
        else:
            left = (step.until - driver.parts.clock.now()).total_seconds()
            unset = driver.parts.clock.alarm(max(left, 0.0), self.wake)
            try:
                await self._wake
            finally:
                unset()
        self._wake = None
        at = driver.moment()
        settle(driver.state, thread, at)
        driver.threads.set_alarm(thread)
        return at

    async def _run_tools(self, calls: tuple[OpenCall, ...], at: Moment) -> Moment:
        """Run the calls together; each result is committed when it is there, and the last one is returned.

        A call that a person allows meanwhile joins them.
        """
        driver, thread = self._driver, self._thread
        self._wake = asyncio.get_running_loop().create_future()  # for what a person allows while this is committed
        take_answers(driver.state, thread, at)
        settle(driver.state, thread, at)
        await driver.commit(at)
        calls = tuple(call for call in thread.calls.values() if call.attempt > 0 and call.id not in self._tools)
        if len(calls) == len(thread.calls) == 1:  # nothing can join it
            return await self._run_tool(calls[0])
        for call in calls:
            self._tools[call.id] = asyncio.create_task(self._run_tool(call))
        if not self._tools:
            return driver.moment()
        waited: list[asyncio.Future[Any]] = [self._wake, *self._tools.values()]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        self._wake = None
        done = [id for id, task in self._tools.items() if task.done()]
        results = [self._tools.pop(id).result() for id in done]
        for result in results[:-1]:
            await driver.commit(result)
        return results[-1] if results else driver.moment()

    async def _run_tool(self, call: OpenCall) -> Moment:
        driver, thread = self._driver, self._thread
        tool = driver.bound.tool(thread.definition, call.name)
        outcome = await run_tool(tool, call, thread, driver.threads.sandbox)
        at = driver.moment()
        record_outcome(thread, call, outcome, at)
        return at
