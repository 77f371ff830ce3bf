"""Calls of a workflow: made when they are written down, awaited whenever; and what came of them."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from decimal import Decimal
from typing import Any, Generic, TypeVar

from podium.core.content import plain
from podium.core.definitions import Agent
from podium.core.events import Usage
from podium.core.json import JSON
from podium.core.program import Told
from podium.core.rows import ZERO
from podium.errors import CallEnd, CallFailed, Denied

T = TypeVar("T")
NOTHING = Usage()


class CallResult:
    """What an agent gave back.

    Shape: `output` is its structured output (an instance of the schema, if that is a Pydantic model) or its last words;
    `text` the same as text. `agent` is the name of who made it, `made_by` the agent itself as it was called, with the
    call's `output_schema`. `attempts` is how often the call was made, `corrections` how often the agent was told in the
    last of them that it owes a result, or why its output does not fit. As JSON, and so as a part of what a workflow
    returns, it is its output.
    Units: `usage` in tokens, of the thread itself; `cost_usd` in dollars at list price, of the thread and those below.
    """

    def __init__(
        self,
        *,
        name: str,
        agent: str,
        made_by: Agent,
        output: Any,
        text: str,
        thread_id: str = "",
        attempts: int = 1,
        corrections: int = 0,
        usage: Usage = NOTHING,
        cost_usd: Decimal = ZERO,
    ) -> None:
        self.name = name
        self.agent = agent
        self.made_by = made_by
        self.output = output
        self.text = text
        self.thread_id = thread_id
        self.attempts = attempts
        self.corrections = corrections
        self.usage = usage
        self.cost_usd = cost_usd

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<CallResult of '{self.name}': {self.text:.60}>"

    def __podium_json__(self) -> JSON:
        return self.output

    def __podium_context__(self) -> list[tuple[str, str]]:
        return [(self.name, self.text)]


class Call(Coroutine[Any, Any, T], Generic[T]):
    """A call that was made. Await it once or more, give it to `run.gather`, `asyncio.gather` or `asyncio.create_task`.

    One that nobody awaits is an error when the workflow returns: its failure would go unnoticed. One whose waiters are
    all stopped is stopped with them, and so is one that nobody awaited yet when the task that made it is stopped or
    fails.
    """

    def __init__(
        self, key: str, name: str, place: str, loop: asyncio.AbstractEventLoop, withdraw: "Callable[[Call[T]], None]"
    ) -> None:
        self.key = self.asked = key  # asked: of its last attempt
        self.attempts = 1
        self.name = name
        self.place = place
        self.is_awaited = False
        self.is_over = False
        self._loop = loop
        self._withdraw = withdraw
        self._give: Callable[[asyncio.Future[T]], object]
        self._waiters: list[asyncio.Future[T]] = []
        self._steps: Generator[Any, Any, T] | None = None

    def waiting(self) -> "asyncio.Future[T]":
        """A future of its result, for one who waits for it. The call is stopped when it is the last to be cancelled."""
        self.is_awaited = True
        waiter: asyncio.Future[T] = self._loop.create_future()
        if self.is_over:
            self._give(waiter)
        else:
            self._waiters.append(waiter)
            waiter.add_done_callback(self._left)
        return waiter

    def __await__(self) -> Generator[Any, Any, T]:
        self.is_awaited = True
        if self.is_over:  # who awaits it again and again in a loop lets others run
            yield
        return (yield from self.waiting().__await__())

    def cancel(self) -> None:
        """Its result is not needed: what is under way of it is stopped."""
        self.is_awaited = True
        if not self.is_over:
            self._end(lambda waiter: waiter.cancel())
            self._withdraw(self)

    def gave(self, result: T) -> None:
        """It is over, with this result."""
        self._end(lambda waiter: waiter.set_result(result))

    def failed(self, error: CallFailed) -> None:
        """It is over, without one."""
        self._end(lambda waiter: waiter.set_exception(error))

    def _end(self, give: "Callable[[asyncio.Future[T]], object]") -> None:
        self.is_over, self._give = True, give
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                give(waiter)

    def _left(self, waiter: "asyncio.Future[T]") -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)
            if not self._waiters:
                self.cancel()

    # A coroutine, so that asyncio.create_task takes it.

    def _iterate(self) -> Generator[Any, Any, T]:
        if self._steps is None:
            self._steps = self.__await__()
        return self._steps

    def send(self, value: Any) -> Any:
        return self._iterate().send(value)

    def throw(self, *error: Any) -> Any:
        return self._iterate().throw(*error)

    def close(self) -> None:
        if self._steps is not None:
            self._steps.close()

    def __repr__(self) -> str:
        return f"<Call {self.key} '{self.name}'>"


class Unawaited:
    """The calls that nobody has awaited, by the task that made them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._under_way: dict[asyncio.Task[Any] | None, list[Call[Any]]] = {}
        self._left: list[Call[Any]] = []  # by tasks that have ended well

    def add(self, call: Call[Any]) -> None:
        """A call was made, by the task that runs now."""
        maker = asyncio.current_task(self._loop)
        if maker not in self._under_way:
            self._under_way[maker] = []
            if maker is not None:
                maker.add_done_callback(self._ended)
        self._under_way[maker].append(call)

    def left(self) -> list[Call[Any]]:
        """Those of tasks that have ended well. What is still under way may yet await its own."""
        return [call for call in (*self._left, *self._under_way.get(None, ())) if not call.is_awaited]

    def _ended(self, maker: asyncio.Task[Any]) -> None:
        calls = [call for call in self._under_way.pop(maker) if not call.is_awaited]
        if maker.cancelled() or maker._exception is not None:  # by its method it would count as looked at
            for call in calls:
                call.cancel()
        else:
            self._left += calls


Result = Callable[[Told, int], Any]  # what came of the call, and its attempts, as the code sees it


def failure(told: Told, name: str, place: str) -> CallFailed:
    """The call gave no result, and why."""
    where = f" ({place})" if place else ""
    partial = ""
    end: CallEnd = "failed"
    match told.outcome:
        case "denied":
            why = f": {told.reason}" if told.reason else ""
            return Denied(
                f"a person said no at checkpoint '{name}'{why}",
                end="denied",
                name=name,
                reason=told.reason,
                keys=[told.key],
            )
        case "limit":
            end = "timed_out" if told.limit == "seconds" else "over_budget"
            partial = plain(told.content)
        case "unknown":
            end = "unknown"
        case _:
            pass
    said = f"call '{name}'{where} {_ENDED[end]}: {told.reason}"
    return CallFailed(
        said, end=end, name=name, reason=told.reason, partial=partial, thread_id=told.thread, keys=[told.key]
    )


_ENDED: dict[CallEnd, str] = {
    "failed": "failed",
    "timed_out": "ran out of time",
    "over_budget": "met a limit",
    "unknown": "was cut off",
}
