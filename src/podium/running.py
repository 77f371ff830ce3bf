"""A session under way in this process, and how it ended."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from podium.approvals import Approval, Approve, Asking, waiting
from podium.core.content import Content
from podium.core.events import AgentToolUse, SessionError, StopReason, Usage
from podium.core.inputs import Interrupt, SendMessage
from podium.core.json import JSON
from podium.core.records import Record
from podium.core.rows import ThreadRow
from podium.core.session import SessionState
from podium.engine.driver import Driver
from podium.engine.hub import Preview
from podium.errors import BadInput, Owned
from podium.given import checked_content
from podium.store.sqlite import read_log
from podium.workflows.workflow import Workflow


@dataclass(frozen=True, kw_only=True)
class CallMade:
    """A call of a workflow.

    Shape: `key` is its place in the program, `kind` "agent", "function" or "checkpoint". `outcome` is "done", "failed",
    "limit", "denied", "unknown" or "stopped" with the `reason`, "" if it is open. `thread_id` is "" without one.
    `corrections` counts how often an agent was told that it owes a result, or why its output does not fit.
    Units: `seconds` from when it was asked for until it was over, `usage` in tokens, `cost_usd` at list price.
    """

    key: str
    kind: str
    name: str
    phase: str
    outcome: str
    reason: str
    attempt: int
    thread_id: str
    corrections: int
    seconds: float | None
    usage: Usage
    cost_usd: Decimal


def calls_of(state: SessionState) -> tuple[CallMade, ...]:
    """The calls of the session's workflow, in the order in which they were first made."""
    run = state.run
    made = []
    for step in run.steps.values() if run is not None else ():
        thread = state.threads.get(step.thread or "")
        below = list(state.below(thread)) if thread is not None else []
        call = CallMade(
            key=step.key,
            kind=step.kind,
            name=step.name,
            phase=step.phase,
            outcome=step.outcome,
            reason=step.reason if step.outcome != "done" else "",
            attempt=step.attempt,
            thread_id=step.thread or "",
            corrections=thread.corrections if thread is not None else 0,
            seconds=None if step.ended_at is None else (step.ended_at - step.asked_at).total_seconds(),
            usage=sum((each.usage for each in below), Usage()),
            cost_usd=thread.usd if thread is not None else Decimal(0),
        )
        made.append(call)
    return tuple(made)


class RunResult:
    """How a session ended.

    Shape: `output` is the structured output (an instance of the output_schema, if that is a Pydantic model) or the last
    words as text; `stop_reason` is "end_turn" if the work is done, "budget_reached" at a limit, "retries_exhausted" if
    it failed and "refusal" if the model refused (`error` says why), "requires_action" if `waiting` has calls that wait
    for approval; `paused` after an interrupt. `threads` holds every thread, the primary first. Of a workflow, `output`
    is what it returned, None if it has not, and `calls` has a row for each call it made.
    Units: `usage` in tokens and `cost_usd` in dollars at list price, over all threads, as far as prices are known.
    """

    def __init__(self, state: SessionState, folder: Path, error: str, schema: Any = None) -> None:
        main = state.main
        self.session_id = state.id
        self.stop_reason = state.stop_reason.type if state.stop_reason is not None else ""
        self.paused = state.paused
        self.error = error
        self.text = main.result_text()
        self.output: Any = self.text
        if main.submitted:
            self.output = main.output
            if hasattr(schema, "model_validate"):
                try:
                    self.output = schema.model_validate(main.output)
                except ValueError as refusal:  # a validator of its own, which the JSON Schema does not say
                    self.error = f"the output fits the schema, but not {schema.__name__}: {refusal}"
        if state.run is not None:
            self._read_run(state.run.output, schema)
        self.calls: tuple[CallMade, ...] = calls_of(state)
        self.usage: Usage = state.usage
        self.cost_usd: Decimal = state.usd
        self.waiting: tuple[Approval, ...] = tuple(waiting(state))
        self.threads: tuple[ThreadRow, ...] = tuple(thread.row() for thread in state.threads.values())
        self._folder = folder

    def _read_run(self, output: JSON, schema: Any) -> None:
        """What the workflow returned, as its annotation says."""
        self.output = output
        if output is not None and isinstance(schema, Workflow):
            try:
                self.output = schema.returned(output)
            except BadInput as refusal:
                self.error = str(refusal)

    @cached_property
    def records(self) -> list[Record]:
        """The session's whole log, read from the data folder when asked for."""
        return read_log(self._folder, self.session_id)

    def __repr__(self) -> str:
        return f"<RunResult {self.session_id} {self.stop_reason!r} {len(self.threads)} threads>"


class Run:
    """A session under way in this process.

    With `approve`, calls that ask are answered by it, and the session goes on; without, the run is over when all that
    is left waits for a person.
    """

    def __init__(
        self,
        driver: Driver,
        folder: Path,
        *,
        schema: Any,
        caps: Mapping[str, int],
        takes_over: bool,
        approve: Approve | None = None,
        take_up: Callable[[], Awaitable[Driver]] | None = None,
    ) -> None:
        self.id = driver.state.id
        self._driver = driver
        self._parts = driver.parts
        self._folder = folder
        self.caps = caps
        self._schema = schema
        self._take_up = take_up
        self._moved = asyncio.Event()
        self._asking = None if approve is None else Asking(driver.parts, self.id, approve, self.notice)
        self._is_over = asyncio.Event()
        self._first_seq = driver.head + 1 if takes_over else 1
        self._work = asyncio.create_task(self._drive(takes_over=takes_over), name=f"driver of {self.id}")
        self._work.add_done_callback(self._over)

    def _over(self, work: "asyncio.Task[None]") -> None:
        if not work.cancelled():
            work.exception()  # looked at, whether or not anybody asks for the result
        self._is_over.set()
        self._parts.hub.look(self.id)

    # --- driving ---------------------------------------------------------------------------------------

    async def _drive(self, *, takes_over: bool) -> None:
        if self._asking is None:
            await self._driver.drive(takes_over=takes_over)
            return
        watching = asyncio.create_task(self._watch(self._asking))
        try:
            await self._driver.drive(takes_over=takes_over)
            while self._driver.state.stop_reason is not None and self._waits_for_us(self._asking):
                if await self._goes_on():
                    await self._driver.drive(takes_over=True)
        finally:
            watching.cancel()
            await self._asking.close()

    async def _watch(self, asking: Asking) -> None:
        """Have calls that ask answered, as they come."""
        asking.look(self._driver.state)
        until = asyncio.Event()
        parts = self._parts
        async with aclosing(parts.hub.follow(parts.store, self.id, after=self._driver.head, until=until)) as records:
            async for record in records:
                if isinstance(record.event, AgentToolUse) and record.event.evaluated_permission == "ask":
                    asking.look(self._driver.state)

    def _waits_for_us(self, asking: Asking) -> bool:
        if asking.error is not None:
            raise asking.error
        asking.look(self._driver.state)
        reason = self._driver.state.stop_reason
        return reason is not None and reason.type == "requires_action"

    async def _goes_on(self) -> bool:
        """Wait until something was answered, by us or elsewhere; whether this process drives on."""
        await self._moved.wait()
        self._moved.clear()
        row = await self._parts.store.session(self.id)
        if row.facts.status == "idle" or self._take_up is None:
            return False
        try:
            self._driver = await self._take_up()
        except Owned:  # the process that answered drives it; its end is noticed too
            return False
        return True

    async def notice(self) -> None:
        """Somebody else has written to the session."""
        self._moved.set()
        await self._driver.noticed()

    # --- looking ---------------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether nothing of it runs here any more."""
        return self._is_over.is_set()

    @property
    def error(self) -> BaseException | None:
        """What ended it before its time, once it is over; None if it ended by itself or was let go."""
        return None if not self._work.done() or self._work.cancelled() else self._work.exception()

    def when_over(self, then: Callable[[], None]) -> None:
        """Call this when nothing of it runs here any more."""
        self._work.add_done_callback(lambda _: then())

    async def result(self) -> RunResult:
        """Wait until the session is idle. Cancelled, the session is let go in good order and can be resumed."""
        try:
            await asyncio.shield(self._work)
        except asyncio.CancelledError:
            await self.close()
            raise
        error = ""
        if self._driver.state.stop_reason == StopReason("retries_exhausted"):
            error = await self._last_error()
        elif self._driver.state.stop_reason == StopReason("refusal"):
            refusal = self._driver.state.main.refusal
            error = "the model refused" + (f": {refusal.explanation}" if refusal and refusal.explanation else "")
        return RunResult(self._driver.state, self._folder, error, self._schema)

    async def records(self) -> AsyncGenerator[Record, None]:
        """The session's records of this run, as they are committed, until it is over."""
        parts = self._parts
        async for record in parts.hub.follow(parts.store, self.id, after=self._first_seq - 1, until=self._is_over):
            yield record
        if not self._work.cancelled() and (error := self._work.exception()) is not None:
            raise error

    def previews(self, listener: Callable[[Preview], None]) -> AbstractContextManager[None]:
        """While this is entered, `listener` is called with each piece of a reply as it comes. Nothing of it is kept."""
        return self._parts.hub.listening(self.id, listener)

    # --- steering --------------------------------------------------------------------------------------

    async def interrupt(self, thread: str | None = None, *, pause: bool = False) -> None:
        """Stop all threads at once, or one; what is open is closed as interrupted. With `pause`, for a resume."""
        await self._parts.store.admit(self.id, Interrupt(thread=thread, pause=pause))
        await self.notice()

    async def send(self, message: str | Content) -> None:
        """Queue a message for the primary agent: it is taken with its next model call.

        Errors: Refused for a session that is over; BadInput for an empty message.
        """
        await self._parts.store.admit(self.id, SendMessage(content=checked_content(message, "message")))
        await self.notice()

    async def close(self) -> None:
        """Let the session go, unfinished if it is; open calls count as interrupted by a crash."""
        await asyncio.sleep(0)  # a task that is cancelled before its first step would never let go of the session
        self._work.cancel()
        await asyncio.wait([self._work])

    async def _last_error(self) -> str:
        said, after = "", 0
        while page := await self._parts.store.records(self.id, after=after):
            for record in page:
                if isinstance(record.event, SessionError):
                    said = record.event.error.message
            after = page[-1].seq
        return said
