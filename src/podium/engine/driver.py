"""Drives one session: which threads can move; run them; fold and commit what they record; go idle.

An error of the store ends the driver, and only it: the session goes on from its last record when it is claimed again.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress

import msgspec

from podium.core.delegation import finish
from podium.core.events import SessionIdle, SessionUsage, UserInterrupt, UserMessage
from podium.core.facts import DelegationOpened, DrivingStopped, SandboxTested, SessionPaused
from podium.core.moment import Moment
from podium.core.ports import Append, Sandbox, ToolOffer
from podium.core.records import Draft
from podium.core.reply import offers
from podium.core.session import SessionState
from podium.core.steps import Ending, Failed, Interrupted, Limited, overdue, seconds_left
from podium.core.thread import ThreadState
from podium.engine.parts import Bound, Parts
from podium.engine.recover import recover
from podium.engine.thread_task import ThreadTask
from podium.errors import Refused, StoreError

logger = logging.getLogger(__name__)
GRACE_S = 5.0  # how long a cancelled thread may take to clean up


async def read_state(parts: Parts, session: str) -> tuple[SessionState, int]:
    """The session's state, folded from its whole log, and the seq of the last record in it."""
    row = await parts.store.session(session)
    state = SessionState(session, await parts.store.definitions(row.agent))
    head = 0
    while page := await parts.store.records(session, after=head):
        for record in page:
            state.apply(record.thread, record.at, record.event)
        head = page[-1].seq
    state.changes()  # the projections have them already
    return state, head


class Driver:
    """The one driver of a session it has claimed."""

    def __init__(self, parts: Parts, bound: Bound, state: SessionState, *, epoch: int, head: int) -> None:
        self.parts = parts
        self.bound = bound
        self.state = state
        self._epoch = epoch
        self.head = head  # the last seq this driver knows to be committed
        self._threads: dict[str, ThreadTask] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._alarms: dict[str, Callable[[], None]] = {}
        self._sandboxes: dict[str, Sandbox] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._offers: dict[str, tuple[ToolOffer, ...]] = {}
        self._taken: set[str] = set()  # inputs this driver has taken
        self._ending: Ending | None = None  # how the primary's turn ended
        self._error: Exception | None = None
        self._turn = asyncio.Event()  # something happened that `drive` must look at
        self._is_released = False

    async def drive(self, *, takes_over: bool) -> None:
        """Until nothing can move: then the session is idle and has no driver.

        Shape: `takes_over` if another driver may have left something open. Cancelled, it lets go in good order and the
        session stays unfinished.
        Errors: StoreError; what was acknowledged is in the log, and the session can be claimed again.
        """
        try:
            if self.state.status == "idle" and await self._release():
                return  # it came to its end before it was claimed
            at = self.moment()
            if takes_over:
                recover(self.state, self._epoch, at)
            if not self.state.is_interrupted:
                self._take(UserInterrupt, at)  # those that came too late to stop anything
            if self.bound.sandbox_promises:
                promises = dict(self.bound.sandbox_promises)
                at.private(self.state.primary, SandboxTested(backend=self.bound.sandbox_backend, promises=promises))
            await self.commit(at)
            await self.notice()
            self._start_threads()
            while not self._is_released:
                await self._next_turn()
        except Exception as error:
            self._error = error
            raise
        finally:
            await self._let_go()

    async def _next_turn(self) -> None:
        await self._turn.wait()
        self._turn.clear()
        if self._error is not None:
            raise self._error
        if self.state.is_interrupted:
            await self._halt(self.state.main)
            await self._go_idle(Interrupted())
        elif self._ending is not None:
            await self._go_idle(self._ending)

    # --- the log -------------------------------------------------------------------------------------

    def moment(self) -> Moment:
        """Now, to record with."""
        return Moment(self.parts.clock.now(), self.parts.new_id)

    def fold(self, at: Moment) -> None:
        """Apply what was recorded to the state, before it is committed: the next step is decided on it."""
        for draft in at.drafts[at.folded :] if at.folded else at.drafts:
            self.state.apply(draft.thread, draft.at, draft.event)
        at.folded = len(at.drafts)

    async def commit(self, at: Moment) -> None:
        """Return once everything recorded is durable; children that it opened are then at work."""
        self.fold(at)
        if at.drafts:
            await self._append(at)

    async def _append(self, at: Moment, *, if_no_input: bool = False, release: bool = False) -> None:
        drafts = at.take()
        first = await self.parts.store.append(
            Append(
                session=self.state.id,
                epoch=self._epoch,
                drafts=drafts,
                changes=self.state.changes(),
                if_no_input=if_no_input,
                release=release,
            )
        )
        if first != self.head + 1:  # somebody queued an input in between
            self._errand(self.notice())
        self.head = first + len(drafts) - 1
        self.parts.hub.moved(self.state.id)
        if at.spawned:
            self._start_children(drafts)

    def _start_children(self, drafts: Sequence[Draft]) -> None:
        for draft in drafts:
            if isinstance(draft.event, DelegationOpened):
                self._start(self.state.threads[draft.event.thread])

    async def notice(self) -> None:
        """Fold what others have queued. It may be folded late: nothing of ours depends on it before it is taken."""
        for row in await self.parts.store.inputs(self.state.id):
            if row.taken_seq is not None or self._knows(row.id):
                continue
            page = await self.parts.store.records(self.state.id, after=row.queued_seq - 1, limit=2)
            if self._knows(row.id):  # noticed twice at once
                continue
            for record in page:
                if record.seq == row.queued_seq or isinstance(record.event, SessionPaused):  # which stands right behind
                    self.state.apply(record.thread, record.at, record.event)
        self.parts.hub.moved(self.state.id)
        if self.state.is_interrupted:
            self._turn.set()

    def _knows(self, input: str) -> bool:
        return input in self.state.queue or input in self._taken

    def take_messages(self, thread: ThreadState, at: Moment) -> None:
        """Record that the primary takes all queued messages, in order."""
        if thread.parent is None and self.state.queue:
            self._take(UserMessage, at)

    def _take(self, kind: type[UserMessage] | type[UserInterrupt], at: Moment) -> None:
        for event in list(self.state.queue.values()):
            if isinstance(event, kind):
                self._taken.add(event.id)
                at.own(self.state.primary, msgspec.structs.replace(event, processed_at=at.now))

    async def _go_idle(self, ending: Ending) -> None:
        """End the primary's turn and the session's work in one append, unless an input came meanwhile."""
        self._ending = None
        state, at = self.state, self.moment()
        self._take(UserInterrupt, at)
        if isinstance(ending, Limited | Failed):  # no model call will take them: what stopped this one still stands
            self._take(UserMessage, at)
        finish(state, state.main, ending, at)
        self.fold(at)
        if state.has_message and not state.paused:
            at.thread_running(state.primary, state.primary, state.main.definition.name)
            await self.commit(at)
            self._start_threads()
            return
        assert state.main.stop_reason is not None
        at.own(state.primary, SessionUsage(id=at.event_id(), processed_at=at.now, usage=state.usage))
        at.own(state.primary, SessionIdle(id=at.event_id(), processed_at=at.now, stop_reason=state.main.stop_reason))
        self.fold(at)
        if not await self._release(at):
            await self.notice()
            self._start_threads()

    async def _release(self, at: Moment | None = None) -> bool:
        """Let go of the session that is idle by these records, unless an input came meanwhile."""
        self._is_released = True
        try:
            await self._append(at or self.moment(), if_no_input=not self.state.paused, release=True)
        except Refused:
            # The fold may be ahead of the log now: drop it. No thread is under way that could hold on to it.
            self._is_released = False
            self.state, self.head = await read_state(self.parts, self.state.id)
        return self._is_released

    # --- threads -------------------------------------------------------------------------------------

    def offers(self, thread: ThreadState) -> tuple[ToolOffer, ...]:
        """The tools the thread's model is offered."""
        offered = self._offers.get(thread.agent)
        if offered is None:
            offered = self._offers[thread.agent] = offers(thread.definition, self.state.definitions)
        return offered

    def sandbox(self, thread: ThreadState) -> Sandbox:
        """The thread's sandbox, made at the first use."""
        sandbox = self._sandboxes.get(thread.id)
        if sandbox is None:
            place = self.parts.place(self.state, thread.id)
            sandbox = self._sandboxes[thread.id] = self.parts.sandboxes().open(place)
        return sandbox

    async def _close_sandbox(self, id: str) -> None:
        """Close the thread's sandbox, if it has one. Where this is cancelled, the driver's end does it again."""
        if id not in self._sandboxes:
            return
        try:
            await self._sandboxes[id].close()
        except Exception:  # it is nobody's fault, and must not keep the session from going on
            logger.exception("the sandbox of thread %s of session %s could not be closed", id, self.state.id)
        self._sandboxes.pop(id, None)

    def wake(self, thread: str) -> None:
        """A call of that thread was answered."""
        if thread in self._threads:
            self._threads[thread].wake()

    def _start_threads(self) -> None:
        if self.state.is_interrupted:  # taken first: nothing is to begin
            self._turn.set()
            return
        for thread in list(self.state.threads.values()):
            self._start(thread)

    def _start(self, thread: ThreadState) -> None:
        if thread.status != "running" or thread.id in self._tasks:
            return
        self._threads[thread.id] = ThreadTask(self, thread)
        self._tasks[thread.id] = asyncio.create_task(self._run(thread), name=thread.id)
        left = seconds_left(self.state, thread, self.parts.clock.now())
        if left is not None:
            self._alarms[thread.id] = self.parts.clock.alarm(left, lambda: self._ring(thread))

    async def _run(self, thread: ThreadState) -> None:
        """Run a thread; no exception of it reaches another."""
        try:
            ending = await self._threads[thread.id].run()
            if thread.parent is not None:
                await self._close_sandbox(thread.id)
            if ending is not None:
                self._ending = ending
                self._turn.set()
        except StoreError as error:
            self._error = self._error or error
            self._turn.set()
        except Exception as error:
            logger.exception("thread %s of session %s failed", thread.id, self.state.id)
            self._errand(self._stop(thread, Failed(f"internal error, {type(error).__name__}: {error}")))
        finally:
            self._forget(thread.id)

    def _forget(self, id: str) -> None:
        """The thread's task has ended."""
        self._tasks.pop(id, None)
        self._threads.pop(id, None)
        if id in self._alarms:
            self._alarms.pop(id)()

    def _ring(self, thread: ThreadState) -> None:
        now = self.parts.clock.now()
        met = overdue(self.state, thread, now)
        if met is not None:
            self._errand(self._stop(thread, Limited(met)))
        elif (left := seconds_left(self.state, thread, now)) is not None and thread.id in self._tasks:
            self._alarms[thread.id] = self.parts.clock.alarm(max(left, 0.001), lambda: self._ring(thread))

    async def _stop(self, thread: ThreadState, ending: Limited | Failed) -> None:
        """End a thread from outside, and everyone below it."""
        await self._halt(thread)
        if thread.status != "running" or self._is_released:
            return
        if thread.parent is None:
            self._ending = self._ending or ending
            self._turn.set()
            return
        at = self.moment()
        finish(self.state, thread, ending, at)
        self.fold(at)
        self.wake(thread.parent)
        await self.commit(at)

    async def _halt(self, thread: ThreadState) -> None:
        """Cancel what runs of a thread and below it. What they had recorded stands."""
        while ids := [id for id in self._family(thread) if id in self._tasks]:
            await self._cancel(ids)
        for id in self._family(thread):
            if id != self.state.primary:
                await self._close_sandbox(id)

    async def _cancel(self, ids: list[str]) -> None:
        tasks = [self._tasks[id] for id in ids]
        for task in tasks:
            task.cancel()
        _, stubborn = await asyncio.wait(tasks, timeout=GRACE_S)
        for task in stubborn:  # it swallows cancellation. What it still returns is dropped: see `is_cancelled`
            logger.warning("thread %s of session %s does not let itself be stopped", task.get_name(), self.state.id)
        for id in ids:
            self._forget(id)  # a task that was cancelled before its first step has not done it

    def _family(self, thread: ThreadState) -> list[str]:
        family = {thread.id: None}
        for other in self.state.threads.values():  # parents stand before their children
            if other.parent in family:
                family[other.id] = None
        return list(family)

    def _errand(self, work: Coroutine[None, None, None]) -> None:
        """Do this beside the threads; its errors end the driver."""
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errand_done)

    def _errand_done(self, task: "asyncio.Task[None]") -> None:
        self._errands.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._error = self._error or error
            self._turn.set()

    async def _let_go(self) -> None:
        """End everything of this driver; a session that is not idle is left to the next one."""
        while self._tasks or self._errands:
            for errand in self._errands:
                errand.cancel()
            if self._tasks:
                await self._cancel(list(self._tasks))
            if self._errands:
                await asyncio.wait(self._errands)
        for id in list(self._sandboxes):
            await self._close_sandbox(id)
        if not self._is_released and self._error is None:
            at = self.moment()
            at.private(self.state.primary, DrivingStopped())
            self.fold(at)
            with suppress(StoreError):  # it goes on from its last record all the same
                await self._append(at, release=True)
        self.parts.store.dropped(self.state.id)
        self.parts.hub.moved(self.state.id)
