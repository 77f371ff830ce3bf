"""What of a session's threads is under way in this process: their tasks, alarms and sandboxes."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from podium.core.ending import finish, taken_along
from podium.core.limits import overdue, seconds_left
from podium.core.ports import Sandbox
from podium.core.session import SessionState
from podium.core.standing import settle
from podium.core.steps import Failed, Limited
from podium.core.thread import ThreadState
from podium.core.turn import record_limit
from podium.engine.program_task import CannotGoOn
from podium.engine.stopping import stop
from podium.engine.thread_task import ThreadTask
from podium.errors import StoreError

if TYPE_CHECKING:
    from podium.engine.driver import Driver

logger = logging.getLogger(__name__)
HAND_OVER_S = 60.0  # how long the last short turn of a thread that met a limit may take


class Threads:
    """The threads of the session that this driver has claimed, as far as they are at work."""

    def __init__(self, driver: "Driver", sandboxes: Mapping[str, Sandbox]) -> None:
        self._driver = driver
        self._threads: dict[str, ThreadTask] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._alarms: dict[str, Callable[[], None]] = {}
        self._sandboxes = dict(sandboxes)
        self._halted: Counter[str] = Counter()  # threads that are being halted, how often: none of them is started
        self._cut: set[str] = set()  # threads that were, and may have left something open
        self._released: set[str] = set()  # threads that the workflow of this process has asked for, and may run

    @property
    def _state(self) -> SessionState:
        return self._driver.state

    def runs(self, thread: str) -> bool:
        """Whether something of the thread is under way here."""
        return thread in self._tasks

    @property
    def is_any_under_way(self) -> bool:
        """Whether something of any thread is under way here."""
        return bool(self._tasks)

    def wake(self, thread: str) -> None:
        """Something happened that the thread may wait for."""
        if thread in self._threads:
            self._threads[thread].wake()

    def start(self, *threads: ThreadState) -> None:
        """Set those to work whose turns are open, and that are not at work."""
        for thread in threads:
            self._start(thread)

    def _start(self, thread: ThreadState) -> None:
        if not thread.is_open or thread.id in self._tasks or self._driver.lets_go or self._is_held(thread):
            return
        if self._halted[thread.id]:  # whoever does that says what becomes of it
            return
        self._threads[thread.id] = ThreadTask(self._driver, thread)
        self._tasks[thread.id] = asyncio.create_task(self._run(thread), name=f"thread {thread.id}")
        self.set_alarm(thread)

    def release(self, *threads: str) -> None:
        """The workflow asks for these threads' results: they, and those below them, may run from here on."""
        self._released.update(threads)

    def start_released(self) -> None:
        """Set to work what was held back while the workflow was told what had been done before."""
        for thread in list(self._state.threads.values()):
            if thread.workflow_run:
                self._start(thread)

    def _is_held(self, thread: ThreadState) -> bool:
        """Whether it is a workflow's, and the workflow has not asked for it in this process yet."""
        if not thread.workflow_run:
            return False
        step = next(each for each in self._state.above(thread) if each.parent == self._state.primary)
        return step.id not in self._released

    def set_alarm(self, thread: ThreadState) -> None:
        """Have the thread stopped when its time is over, if it runs; its last short turn has a time of its own."""
        if thread.id in self._alarms:
            self._alarms.pop(thread.id)()
        left = seconds_left(self._state, thread, self._driver.parts.clock.now())
        if thread.limited is not None:
            left = HAND_OVER_S
        if left is not None and thread.running_since is not None:
            self._alarms[thread.id] = self._driver.parts.clock.alarm(max(left, 0.001), lambda: self._ring(thread))

    async def _run(self, thread: ThreadState) -> None:
        """Run a thread; no exception of it reaches another."""
        try:
            await self._threads[thread.id].run()
            if thread.parent is not None:
                await self._close_sandbox(thread.id)
        except (StoreError, CannotGoOn) as error:
            self._driver.fail(error)
        except Exception as error:
            logger.exception("thread %s of session %s failed", thread.id, self._state.id)
            if not self._driver.has_failed:
                self._driver.errand(self._stop(thread, Failed(f"internal error, {type(error).__name__}: {error}")))
        else:
            self._forget(thread.id)
            self._start(thread)  # it may have been woken again while its end was being written
        finally:
            if self._tasks.get(thread.id) is asyncio.current_task():
                self._forget(thread.id)

    def _forget(self, id: str) -> None:
        """The thread's task has ended."""
        self._tasks.pop(id, None)
        self._threads.pop(id, None)
        if id in self._alarms:
            self._alarms.pop(id)()

    # --- ended from outside ------------------------------------------------------------------------

    def _ring(self, thread: ThreadState) -> None:
        met = thread.limited or overdue(self._state, thread, self._driver.parts.clock.now())
        if met is not None:
            self._driver.errand(self._stop(thread, Limited(met)))
        elif thread.id in self._tasks:
            self.set_alarm(thread)

    async def _stop(self, thread: ThreadState, ending: Limited | Failed) -> None:
        """End a thread's turn from outside, and those it waits for; at a limit it may still hand over."""
        children = taken_along(self._state, thread, ending)
        await self.halt(thread, *children)
        await self._driver.idling()  # whether the session is idle decides whose this is
        if self._driver.is_ending:
            return
        if not thread.is_open:
            self.start(*children)
            return
        at = self._driver.moment()
        if isinstance(ending, Limited) and thread.limited is None:
            record_limit(self._state, thread, ending.met, at)
        else:
            finish(self._state, thread, ending, at)
        settle(self._state, thread, at)
        if thread.is_open:
            await self._driver.commit(at)
            self.start(thread, *children)
        else:
            self.start(*children)
            await self._driver.rest(thread, at)

    async def halt(self, *threads: ThreadState, all_below: bool = False) -> None:
        """Cancel what runs of threads and of those they wait for, or of all below them. What they had recorded stands.

        Shape: when it returns, nothing of them is under way, whatever set one going again while others were ending; who
        asked for it says at once what becomes of them. Cancelled itself, it has them go on.
        """
        held: set[str] = set()
        is_done = False
        try:
            while family := [id for thread in threads for id in self._family(thread, all_below=all_below)]:
                self._halted.update(new := set(family) - held)
                held |= new
                if running := [id for id in family if id in self._tasks]:
                    self._cut.update(running)
                    await self._cancel(list(dict.fromkeys(running)))
                elif boxed := [id for id in family if id in self._sandboxes and id != self._state.primary]:
                    await self._close_sandbox(boxed[0])
                else:
                    break
            is_done = True
        finally:
            self._halted.subtract(held)
            if not is_done:
                self.start(*(self._state.threads[id] for id in held))

    def was_cut(self, thread: ThreadState) -> bool:
        """Whether the thread was halted since this was asked last: then it goes on with what that has left open."""
        is_cut = thread.id in self._cut
        self._cut.discard(thread.id)
        return is_cut

    async def _cancel(self, ids: list[str]) -> None:
        tasks = {id: self._tasks[id] for id in ids}
        await stop(tasks.values(), self._state.id)
        for id, task in tasks.items():
            if self._tasks.get(id) is task:  # cancelled before its first step, it has not done it; or it is stubborn
                self._forget(id)

    async def halt_all(self) -> None:
        """Cancel what runs of any thread."""
        await self._cancel(list(self._tasks))

    def _family(self, thread: ThreadState, *, all_below: bool) -> list[str]:
        """The thread and those below it: all of them, or those that it waits for."""
        if all_below:
            return [each.id for each in self._state.below(thread)]
        family = [thread.id]
        for call in thread.calls.values():
            if call.child is not None:
                family += self._family(self._state.threads[call.child], all_below=False)
        return family

    # --- sandboxes -----------------------------------------------------------------------------------

    def sandbox(self, thread: ThreadState) -> Sandbox:
        """The thread's sandbox, made at the first use."""
        sandbox = self._sandboxes.get(thread.id)
        if sandbox is None:
            place = self._driver.parts.place(self._state, thread.id)
            sandbox = self._sandboxes[thread.id] = self._driver.parts.sandboxes().open(place)
        return sandbox

    async def _close_sandbox(self, id: str) -> None:
        """Close the thread's sandbox, if it has one. Where this is cancelled, the driver's end does it again."""
        sandbox = self._sandboxes.get(id)
        if sandbox is None:
            return
        try:
            await sandbox.close()
        except Exception:  # it is nobody's fault, and must not keep the session from going on
            logger.exception("the sandbox of thread %s of session %s could not be closed", id, self._state.id)
        if self._sandboxes.get(id) is sandbox:  # closed twice at once, it may have given way to a new one
            del self._sandboxes[id]

    def leave(self) -> dict[str, Sandbox]:
        """The sandboxes, for who drives the session next in this process."""
        left, self._sandboxes = self._sandboxes, {}
        return left

    async def close(self) -> None:
        """Close the sandboxes."""
        for id in list(self._sandboxes):
            await self._close_sandbox(id)
