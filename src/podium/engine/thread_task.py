"""One thread, step by step, until its turn has ended.

Every step is decided on the fold with the records of the last one applied, and those records are committed with the
next one's where they can be: so a turn with a tool waits for two commits, reply and result. Nothing is done outside
before what announces it is committed.
"""

import asyncio
from typing import TYPE_CHECKING, assert_never

from podium.core.delegation import finish
from podium.core.facts import CorrectionSent
from podium.core.moment import Moment
from podium.core.reply import record_reply
from podium.core.steps import CallModel, Correct, Ending, Failed, Finish, RunTools, Wait, limit_met, next_step
from podium.core.thread import OpenCall, ThreadState
from podium.engine.model_call import call_model, record_start
from podium.engine.tool_call import record_outcome, run_tool
from podium.errors import ModelFailed

if TYPE_CHECKING:
    from podium.engine.driver import Driver


class ThreadTask:
    """Runs one thread for a driver."""

    def __init__(self, driver: "Driver", thread: ThreadState) -> None:
        self._driver = driver
        self._thread = thread
        self._wake: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """A call of the thread was answered by somebody else."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def run(self) -> Ending | None:
        """Until the thread's turn has ended; how, if it is the primary, whose end the driver records."""
        driver, thread = self._driver, self._thread
        at = driver.moment()
        while True:
            step = next_step(driver.state, thread, at.now)
            match step:
                case CallModel():
                    try:
                        at = await self._call_model(at)
                    except ModelFailed as error:
                        at = driver.moment()
                        assert thread.span is not None
                        at.attempt_failed(thread.id, thread.span, f"{error}{error.place}")
                        driver.fold(at)
                        return await self._finish(Failed(str(error)), at)
                case RunTools(calls):
                    await driver.commit(at)
                    at = await self._run_tools(calls)
                case Correct(text):
                    at.private(thread.id, CorrectionSent(text=text))
                case Wait():
                    self._wake = asyncio.get_running_loop().create_future()
                    await driver.commit(at)
                    await self._wake
                    at = driver.moment()
                case Finish(ending):
                    return await self._finish(ending, at)
                case _:
                    assert_never(step)
            driver.fold(at)

    async def _call_model(self, at: Moment) -> Moment:
        """Send the transcript; the records of the reply."""
        driver, thread = self._driver, self._thread
        model = driver.bound.models[thread.definition.model]
        limiter = driver.parts.limiter
        slot = limiter.slot(driver.state.id, thread.definition.model, model.provider)
        if not limiter.take(slot):
            await driver.commit(at)
            await limiter.wait(slot)
            at = driver.moment()
        try:
            if slot and limit_met(driver.state, thread, at.now):
                return at  # met while it waited: the next step says so
            driver.take_messages(thread, at)
            record_start(thread, at)
            await driver.commit(at)
            reply = await call_model(model, thread, driver.offers(thread))
        finally:
            limiter.give_back(slot)
        at = driver.moment()
        record_reply(driver.state, thread, reply, at)
        return at

    async def _run_tools(self, calls: tuple[OpenCall, ...]) -> Moment:
        """Run the calls together; each result is committed when it is there, but the last one is returned."""
        if len(calls) == 1:
            return await self._run_tool(calls[0])
        tasks = {asyncio.create_task(self._run_tool(call)) for call in calls}
        try:
            while True:
                done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                results = [task.result() for task in done]
                for at in results if tasks else results[:-1]:
                    await self._driver.commit(at)
                if not tasks:
                    return results[-1]
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)

    async def _run_tool(self, call: OpenCall) -> Moment:
        driver, thread = self._driver, self._thread
        tool = driver.bound.tools[thread.definition.name, call.name]
        outcome = await run_tool(tool, call, thread, driver.sandbox)
        at = driver.moment()
        record_outcome(thread, call, outcome, at)
        return at

    async def _finish(self, ending: Ending, at: Moment) -> Ending | None:
        driver, thread = self._driver, self._thread
        if thread.parent is None:
            await driver.commit(at)
            return ending
        finish(driver.state, thread, ending, at)
        driver.fold(at)
        driver.wake(thread.parent)  # its records follow these in the same queue, and so never come first
        await driver.commit(at)
        return None
