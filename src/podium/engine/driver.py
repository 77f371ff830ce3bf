"""Drives one session: which threads can move; run them; fold and commit what they record; go idle.

An error of the store ends the driver, and only it: the session goes on from its last record when it is claimed again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Sequence
from contextlib import suppress

from podium.core.ending import archive, finish
from podium.core.events import (
    MessageReceived,
    SystemMessage,
    ThreadRunning,
    UserInterrupt,
    UserMessage,
    UserToolConfirmation,
)
from podium.core.facts import ArchiveTaken, DelegationClosed, DrivingStopped, SandboxTested, SessionPaused
from podium.core.moment import Moment
from podium.core.ports import Append, ToolOffer
from podium.core.records import Draft, Input
from podium.core.reply import offers
from podium.core.rows import Changes, InputRow
from podium.core.session import SessionState
from podium.core.standing import lift, record_idle, settle, settle_session, standing, wake_for_message
from podium.core.steps import Interrupted
from podium.core.thread import ThreadState
from podium.engine.bound import Bound
from podium.engine.parts import Parts
from podium.engine.program_task import CannotGoOn
from podium.engine.recover import recover
from podium.engine.shelf import Left
from podium.engine.threads import Threads
from podium.errors import Refused, StoreError

logger = logging.getLogger(__name__)
PAGE = 1000  # records that are read at once


async def read_state(parts: Parts, session: str) -> tuple[SessionState, int]:
    """The session's state, folded from its whole log, and the seq of the last record in it."""
    row = await parts.store.session(session)
    state = SessionState(session, await parts.store.definitions(row.agent))
    return state, await fold_on(parts, state, 0)


async def fold_on(parts: Parts, state: SessionState, head: int) -> int:
    """Fold what stands in the log behind this seq; the seq of the last record."""
    while True:
        page = await parts.store.records(state.id, after=head, limit=PAGE)
        for record in page:
            state.apply(record.thread, record.at, record.event)
        head = page[-1].seq if page else head
        if len(page) < PAGE:
            state.changes()  # the projections have them already
            return head


class Driver:
    """The one driver of a session it has claimed.

    Shape: `left` is what the driver before it left in this process: then nothing was under way when this one came.
    It is abreast if nothing was written behind `head` that it is not told of from here on.
    """

    def __init__(
        self,
        parts: Parts,
        bound: Bound,
        state: SessionState,
        *,
        epoch: int,
        head: int,
        left: Left | None = None,
        is_abreast: bool = False,
    ) -> None:
        self.parts = parts
        self.bound = bound
        self.state = state
        self._epoch = epoch
        self.head = head  # the last seq this driver knows to be committed
        self._noticed = head  # the last seq up to which it knows every input
        self._is_clean = left is not None
        self._is_abreast = is_abreast
        self._errands: set[asyncio.Task[None]] = set()
        self._offers: dict[tuple[str, bool], tuple[ToolOffer, ...]] = {}
        self._known: set[str] = set(state.queue)  # inputs that were folded: they are not noticed again
        self._money: list[asyncio.Future[None]] = []  # calls that wait for others' to settle
        self._settlements = 0  # how many had, when those were last woken
        self._idling: asyncio.Task[None] | None = None  # waits for the append by which the session is idle
        self._error: Exception | None = None
        self._turn = asyncio.Event()  # something happened that `drive` must look at
        self._is_released = False
        self.lets_go = False
        self.threads = Threads(self, {} if left is None else left.sandboxes)

    async def drive(self, *, takes_over: bool) -> None:
        """Until nothing can move: then the session is idle and has no driver.

        Shape: `takes_over` if another driver may have left something open. Cancelled, it lets go in good order and the
        session stays unfinished.
        Errors: StoreError; what was acknowledged is in the log, and the session can be claimed again.
        """
        try:
            while self.state.status in ("idle", "terminated"):  # it came to its end before it was claimed
                self.lets_go = True  # what is noticed meanwhile has no place in this state
                if await self._hand_back():
                    return
                # An input came, whose records may have set the session going.
                self.state, self.head = await read_state(self.parts, self.state.id)
                self._noticed, self._known = self.head, set(self.state.queue)
            self.lets_go = False
            at = self.moment()
            if takes_over and not self._is_clean:
                recover(self.state, self._epoch, at)
            self._take_moot(at)
            if self.bound.sandbox_promises and not self._is_clean:
                promises = dict(self.bound.sandbox_promises)
                at.private(self.state.primary, SandboxTested(backend=self.bound.sandbox_backend, promises=promises))
            await self.commit(at)
            await (self._react() if self._is_abreast else self.notice())
            self._start_threads()
            while not self._is_released:
                await self._next_turn()
        except CannotGoOn as stopped:  # the session is let go in good order: nothing is wrong with it
            self._error = None
            raise stopped.error from None
        except Exception as error:
            self._error = error
            raise
        finally:
            await self._let_go()

    async def _hand_back(self) -> bool:
        """Let go of a session that is idle as it was; False if somebody wrote to it meanwhile."""
        handed_back = Append(
            session=self.state.id,
            epoch=self._epoch,
            drafts=(),
            changes=self.state.changes(),
            at_head=self.head,
            release=True,
        )
        try:
            await self.parts.store.append(handed_back)
        except Refused:
            return False
        self._is_released = True
        return True

    async def _next_turn(self) -> None:
        await self._turn.wait()
        self._turn.clear()
        if self._error is not None:
            raise self._error
        for interrupt in list(self.state.interrupts()):
            await self._interrupt(interrupt)
        for wish, thread in list(self.state.archiving.items()):
            await self._archive(wish, thread)
        if self.state.is_quiet:
            await self._rest(self.moment())

    # --- the log -------------------------------------------------------------------------------------

    def moment(self) -> Moment:
        """Now, to record with."""
        return Moment(self.parts.clock.now(), self.parts.new_id)

    def fold(self, at: Moment) -> None:
        """Apply what was recorded to the state, before it is committed: the next step is decided on it."""
        self.state.fold(at)
        if self._money and self.state.settlements != self._settlements:
            self._settlements = self.state.settlements
            self._look_at_money()

    def _look_at_money(self) -> None:
        """Have calls that wait for money ask again whether there is enough."""
        waiting, self._money = self._money, []
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)

    async def commit(self, at: Moment) -> None:
        """Return once everything recorded is durable; threads that it set going are then at work."""
        self.fold(at)
        if at.drafts:
            await self._append(at)

    async def rest(self, thread: ThreadState, at: Moment) -> None:
        """Commit what a thread recorded before it waits or ends; if nothing moves any more, the session is idle."""
        self.fold(at)
        if thread.parent is not None and not thread.is_open:
            self.threads.wake(thread.parent)  # its records follow these in the same queue, and so never come first
        await self._rest(at)

    async def money_moves(self, at: Moment) -> Moment:
        """Commit, and wait until a call of the session has settled."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._money.append(turn)
        if at.drafts:
            await self._append(at)
        await turn
        return self.moment()

    async def _append(self, at: Moment) -> None:
        starts, drafts = at.starts, at.take()
        done = self._hand_over(drafts, self.state.changes())
        try:
            first = await done
        except asyncio.CancelledError:
            if starts:  # it was handed over all the same, and what they record follows it
                self._start_moved(drafts)
            raise
        self._written(first, drafts)
        if starts:
            self._start_moved(drafts)

    def _hand_over(self, drafts: Sequence[Draft], changes: Changes, *, release: bool = False) -> Awaitable[int]:
        """Give records to the store, which writes in the order of these calls; idle ones only if no input came."""
        idles = release and changes.session.status == "idle"
        append = Append(
            session=self.state.id,
            epoch=self._epoch,
            drafts=drafts,
            changes=changes,
            no_input_after=self._noticed if idles else None,
            release=release,
        )
        try:
            return self.parts.store.append(append)
        except Exception as error:  # a record that cannot be encoded: it was folded, and the log will never have it
            self.fail(error)
            raise

    def _written(self, first: int, drafts: Sequence[Draft]) -> None:
        """The records are durable, from this seq on."""
        if first != self.head + 1:  # somebody queued an input in between
            self.errand(self.notice())
        self.head = first + len(drafts) - 1
        self.parts.hub.wrote(self.state.id, first, drafts)

    def _start_moved(self, drafts: Sequence[Draft]) -> None:
        for draft in drafts:
            if isinstance(draft.event, ThreadRunning):
                self.threads.start(self.state.threads[draft.event.session_thread_id])
            if isinstance(draft.event, ThreadRunning | MessageReceived | DelegationClosed):
                self.threads.wake(draft.thread)

    async def noticed(self) -> None:
        """Somebody else has written: fold it. What goes wrong ends the driver; whoever wrote is not told of it."""
        await asyncio.wait([self._begin(self.notice())])

    async def notice(self) -> None:
        """Fold what others have queued. It may be folded late: nothing of ours depends on it before it is taken."""
        rows = await self.parts.store.inputs(self.state.id, after=self._noticed)
        if rows:
            self.parts.hub.moved(self.state.id)
        for row in rows:
            if row.queued_seq > self._noticed and row.id not in self._known:
                await self._fold_input(row)
            if self.is_ending:  # what was not folded is not known: the idle append is refused for it
                return
            self._noticed = max(self._noticed, row.queued_seq)
        await self._react()

    async def _fold_input(self, row: InputRow) -> None:
        page = await self.parts.store.records(self.state.id, after=row.queued_seq - 1, limit=2)
        if row.id in self._known or self.is_ending:  # noticed twice at once, or too late
            return
        self._known.add(row.id)
        for record in page:
            if record.seq == row.queued_seq or isinstance(record.event, SessionPaused):  # which stands right behind
                self.state.apply(record.thread, record.at, record.event)
        self._look_at_money()  # the budget may be another now
        self.threads.wake(row.thread)

    async def _react(self) -> None:
        """See to inputs that no thread at work takes by itself."""
        if self.is_ending:
            return
        if not any(self.state.interrupts()):
            at = self.moment()
            self._take_moot(at)
            wake_for_message(self.state, at)
            lift(self.state, at)
            if at.drafts:
                settle_session(self.state, at)
                await self.commit(at)
        if self._is_stopping or self.state.is_quiet:
            self._turn.set()

    def take_messages(self, thread: ThreadState, at: Moment) -> None:
        """Record that the primary takes all queued messages, in order."""
        if thread.parent is None and self.state.queue:
            for event in list(self.state.queue.values()):
                if isinstance(event, UserMessage | SystemMessage):
                    self._take(event, at)

    def _take_moot(self, at: Moment) -> None:
        """Take what can have no effect any more: interrupts that came too late, answers to calls that are over."""
        interrupts = list(self.state.interrupts())
        for event in list(self.state.queue.values()):
            is_late = isinstance(event, UserInterrupt) and event not in interrupts
            if is_late or (isinstance(event, UserToolConfirmation) and not self._is_open(event.tool_use_id)):
                self._take(event, at)

    def _is_open(self, call: str) -> bool:
        return any(call in thread.calls for thread in self.state.threads.values())

    def _take(self, event: Input, at: Moment) -> None:
        of_child = event.session_thread_id if isinstance(event, UserToolConfirmation) else None
        at.taken(of_child or self.state.primary, self.state.primary, event)

    # --- going idle ------------------------------------------------------------------------------------

    async def _interrupt(self, event: UserInterrupt) -> None:
        """Stop all threads, or the one that is named, with those it waits for; what they had recorded stands."""
        named = event.session_thread_id
        threads = [self.state.threads[named]] if named is not None else list(self.state.threads.values())
        await self.threads.halt(*threads)
        at = self.moment()
        self._take(event, at)
        for thread in threads:
            self.fold(at)
            if thread.is_open:
                finish(self.state, thread, Interrupted(), at)
        self.fold(at)
        for thread in threads:
            settle(self.state, thread, at)
        wake_for_message(self.state, at)
        if self.state.is_quiet:
            await self._rest(at)
            return
        await self.commit(at)
        self._start_threads()
        for thread in threads:
            if thread.parent is not None:
                self.threads.wake(thread.parent)

    async def _archive(self, wish: str, id: str) -> None:
        """End a thread for good, with all below it, as somebody wishes; one that works is left as it is."""
        thread = self.state.threads[id]
        if is_at_rest := self._is_at_rest(thread):
            await self.threads.halt(thread, all_below=True)
        at = self.moment()
        at.private(id, ArchiveTaken(input=wish))
        if is_at_rest and thread.status != "terminated":  # what was cut is not taken up again: the wish came first
            archive(self.state, thread, at)
        self.fold(at)
        settle(self.state, thread, at)
        if self.state.is_quiet:
            await self._rest(at)
            return
        await self.commit(at)
        self._start_threads()
        if thread.parent is not None:
            self.threads.wake(thread.parent)

    def _is_at_rest(self, thread: ThreadState) -> bool:
        status = standing(self.state, thread, self.parts.clock.now())[0] if thread.is_open else thread.status
        return status == "idle"

    @property
    def _is_stopping(self) -> bool:
        """Whether somebody wants something stopped, which comes first."""
        return any(self.state.interrupts()) or bool(self.state.archiving)

    @property
    def is_ending(self) -> bool:
        """Whether it lets go, or is about to: what others write now is refused room, or another driver's."""
        return self.lets_go or self._is_released or self._idling is not None

    async def _rest(self, at: Moment) -> None:
        """Commit; if nothing moves any more, then with it that the session is idle."""
        if self.state.is_quiet and not self.is_ending:
            self._look_at_inputs(at)
        if self._is_stopping:  # taken first
            self._turn.set()
            await self.commit(at)
        elif self.state.is_quiet and not self.is_ending:
            await self._go_idle(at)
        else:
            await self.commit(at)

    def _look_at_inputs(self, at: Moment) -> None:
        """Record what inputs that are known have set going: what waits for them may not have seen them yet."""
        state = self.state
        lift(state, at)
        if not (state.queue or state.has_results):
            return
        if not state.main.is_open and not state.paused and state.main.stop_reason is not None:
            # No model call will take them: what stopped this one still stands.
            if state.main.stop_reason.type in ("budget_reached", "retries_exhausted"):
                self.take_messages(state.main, at)
            else:
                wake_for_message(state, at)
        self._take_moot(at)
        for thread in list(state.threads.values()):
            if thread.is_open:
                settle(state, thread, at)
        self.fold(at)

    async def _go_idle(self, at: Moment) -> None:
        """Commit, and with it that the session is idle, unless an input came meanwhile: then it goes on.

        Shape: both are handed over at once, and so written in one transaction. What is idle is folded once it stands.
        """
        self.fold(at)
        ended = at.take()
        appends = [self._hand_over(ended, self.state.changes())] if ended else []
        idle = self.moment()
        facts = self.state.facts_once_idle(record_idle(self.state, idle), idle.now)
        appends.append(self._hand_over(idle.drafts, Changes(facts), release=True))
        self._idling = asyncio.create_task(self._idled(appends, ended, idle))
        await asyncio.shield(self._idling)

    async def _idled(self, appends: Sequence[Awaitable[int]], ended: Sequence[Draft], idle: Moment) -> None:
        """Wait until it stands that the session is idle, or was refused. Never cancelled: who drives it hangs on it."""
        *before, last = await asyncio.gather(*appends, return_exceptions=True)
        self._idling = None
        errors = [error for error in (*before, last) if isinstance(error, BaseException)]
        if (errors and errors != [last]) or not isinstance(last, int | Refused):
            assert isinstance(errors[0], Exception)
            self._error = self._error or errors[0]
            self._turn.set()
            return
        for first in before:
            assert isinstance(first, int)
            self._written(first, ended)
        if isinstance(last, int):
            self._is_released = True
            self._written(last, idle.drafts)
            self.state.fold(idle)
            self._turn.set()
        else:
            self.errand(self.notice())  # which sets it going, or tries again with what it then knows

    # --- threads -------------------------------------------------------------------------------------

    def offers(self, thread: ThreadState) -> tuple[ToolOffer, ...]:
        """The tools the thread's model is offered."""
        key = thread.agent, thread.is_heard
        offered = self._offers.get(key)
        if offered is None:
            has_prices = self.state.settings.has_prices
            offered = offers(thread.definition, self.state.definitions, is_child=key[1], has_prices=has_prices)
            self._offers[key] = offered
        return offered

    def _start_threads(self) -> None:
        if self._is_stopping or self.state.is_quiet:  # taken first: nothing is to begin
            self._turn.set()
            return
        self.threads.start(*self.state.threads.values())

    @property
    def has_failed(self) -> bool:
        """Whether an error ends the driver."""
        return self._error is not None

    async def idling(self) -> None:
        """Wait until it is known whether the session is idle, if that is being written."""
        if self._idling is not None:
            await asyncio.wait([self._idling])

    def fail(self, error: Exception) -> None:
        """End the driver with this error."""
        self._error = self._error or error
        self._turn.set()

    def errand(self, work: Coroutine[None, None, None]) -> None:
        """Do this beside the threads; its errors end the driver."""
        _ = self._begin(work)

    def _begin(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errand_done)
        return task

    def _errand_done(self, task: "asyncio.Task[None]") -> None:
        self._errands.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._error = self._error or error
            self._turn.set()

    async def _let_go(self) -> None:
        """End everything of this driver; a session that is not idle is left to the next one."""
        self.lets_go = True
        await self.idling()
        while self.threads.is_any_under_way or self._errands:
            for errand in self._errands:
                errand.cancel()
            if self.threads.is_any_under_way:
                await self.threads.halt_all()
            if self._errands:
                await asyncio.wait(self._errands)
        if self._is_released and self._error is None:
            sandboxes = self.threads.leave()
            left = Left(epoch=self._epoch, head=self.head, state=self.state, bound=self.bound, sandboxes=sandboxes)
            self.parts.shelf.keep(left)
        await self.threads.close()
        if not self._is_released and self._error is None:
            at = self.moment()
            at.private(self.state.primary, DrivingStopped())
            self.fold(at)
            with suppress(StoreError):  # it goes on from its last record all the same
                await self._hand_over(at.take(), self.state.changes(), release=True)
        self.parts.store.dropped(self.state.id)
        if not self._is_released:
            self.parts.hub.moved(self.state.id)
