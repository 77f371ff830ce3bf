"""The event loop that a workflow's code runs on: it has tasks and futures, and nothing of the world.

It runs its callbacks in the order they were made until none is left, so what the code does depends on nothing but what
it is told. What would bring in something else is refused: timers, threads, sockets, processes.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, NoReturn

from podium.errors import BadInput
from podium.workflows.calls import Call
from podium.workflows.scope import task_context

logger = logging.getLogger(__name__)
MOST_TURNS = 1_000_000  # of the loop without the code waiting for anything: it goes in circles
NO_CLOCK = (
    "a workflow has no clock, so asyncio.sleep, asyncio.timeout and wait_for cannot be used in it: bound a call with "
    "limits=Limits(seconds=...), or wait in a function, by run.step"
)
NO_WORLD = (
    "a workflow does nothing to the world by itself ({}): put that into a function, and call it by run.step(function, "
    "...), which runs it once and keeps its result"
)


class Spinning(Exception):
    """The code never waits."""


class _Task(asyncio.Task[Any]):
    """A task that stands in sets where it was made, and not where it lies in memory: asyncio.wait gives sets."""

    def __init__(self, number: int, coro: Coroutine[Any, Any, Any], **how: Any) -> None:
        self.number = number  # first: asyncio keeps every task in a set of its own
        super().__init__(coro, **how)

    def __hash__(self) -> int:
        return self.number


class _Future(asyncio.Future[Any]):
    """A future that does the same."""

    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self.number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.number


class ProgramLoop(asyncio.AbstractEventLoop):
    """An event loop without a clock, inside another one's callback."""

    def __init__(self) -> None:
        self._ready: deque[asyncio.Handle] = deque()
        self._is_dropped = False
        self._made = 0  # tasks and futures
        self._tasks: dict[int, _Task] = {}  # those that have not ended
        self._failed: list[_Task] = []

    def run_until_quiet(self) -> None:
        """Run what is ready, and what that makes ready, until nothing is. Errors: Spinning."""
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            turns = 0
            while self._ready:
                turns += 1
                if turns > MOST_TURNS:
                    self._ready.clear()
                    raise Spinning
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            asyncio._set_running_loop(outer)

    # --- what there is -------------------------------------------------------------------------------

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        self._made += 1
        return _Future(self._made, self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None, **more: Any
    ) -> asyncio.Task[Any]:
        if context is None and not isinstance(coro, Call):
            context = task_context()
        self._made += 1
        number = self._made
        task = self._tasks[number] = _Task(number, coro, loop=self, name=name, context=context)
        task.add_done_callback(self._ended, context=context)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        assert isinstance(task, _Task)
        self._tasks.pop(task.number, None)
        if not task.cancelled() and task._exception is not None:  # by its method it would count as looked at
            self._failed.append(task)

    def unnoticed(self) -> list[BaseException]:
        """The errors of tasks that have failed, which nobody has looked at."""
        failed = [task for task in self._failed if task._log_traceback]
        return [error for task in failed if (error := task.exception()) is not None]

    def drop(self) -> bool:
        """End the code where it stands, and never run it again; whether it let itself be ended."""
        ends = self._is_dropped = True
        for task in list(self._tasks.values()):
            try:
                task.get_coro().close()
            except RuntimeError:  # it goes on waiting
                ends = False
            except BaseException:  # the edge: it may raise anything, and nobody is left to be told
                logger.debug("a workflow that was dropped raised an error", exc_info=True)
        self._tasks.clear()
        self._ready.clear()
        return ends

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """An error that nobody waits for. Nobody is told of one in code that was dropped."""
        if context.get("exception") is not None and not self._is_dropped:
            logger.warning("in a workflow: %s", context.get("message"), exc_info=context["exception"])

    # --- what there is not ---------------------------------------------------------------------------

    def time(self) -> NoReturn:
        raise BadInput(NO_CLOCK)

    def call_later(self, *args: Any, **more: Any) -> NoReturn:  # type: ignore[override]
        raise BadInput(NO_CLOCK)

    def call_at(self, *args: Any, **more: Any) -> NoReturn:  # type: ignore[override]
        raise BadInput(NO_CLOCK)

    def call_soon_threadsafe(self, *args: Any, **more: Any) -> NoReturn:  # type: ignore[override]
        raise BadInput(NO_WORLD.format("a thread"))

    def run_in_executor(self, *args: Any) -> NoReturn:  # type: ignore[override]
        raise BadInput(NO_WORLD.format("a thread"))

    async def getaddrinfo(self, *args: Any, **more: Any) -> NoReturn:
        raise BadInput(NO_WORLD.format("the network"))

    async def create_connection(self, *args: Any, **more: Any) -> NoReturn:
        raise BadInput(NO_WORLD.format("the network"))

    async def create_server(self, *args: Any, **more: Any) -> NoReturn:
        raise BadInput(NO_WORLD.format("the network"))

    async def subprocess_exec(self, *args: Any, **more: Any) -> NoReturn:
        raise BadInput(NO_WORLD.format("a process"))

    async def subprocess_shell(self, *args: Any, **more: Any) -> NoReturn:
        raise BadInput(NO_WORLD.format("a process"))
