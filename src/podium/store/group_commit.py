"""One writer thread, one batch under way: what gathers meanwhile is the next batch. No timer.

Under load many appends share one fsync; alone, an append waits for nobody.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

Work = TypeVar("Work")
T = TypeVar("T")
Batch = list[tuple[Work, "asyncio.Future[Any]"]]


class GroupCommit(Generic[Work]):
    """Hands work from one event loop to one thread, in order, in batches.

    `commit(works)` runs in that thread and returns for each work its result, or the exception its waiter gets. It must
    not raise. `close` waits for what was handed over.
    """

    def __init__(self, commit: Callable[[Sequence[Work]], Sequence[Any]], *, name: str) -> None:
        self._commit = commit
        self._loop = asyncio.get_running_loop()
        self._gathered: Batch[Work] = []
        self._is_busy = False
        self._is_closed = False
        self._idle: asyncio.Future[None] | None = None  # `close` waits for it
        # Each is done in the thread; what it returns is called in the loop, and settles its futures.
        self._jobs: queue.SimpleQueue[Callable[[], Callable[[], None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> "asyncio.Future[Any]":
        """Hand work over; the future has its result once the batch it went into is committed."""
        if self._is_closed:
            raise RuntimeError("the store is closed")
        done = self._loop.create_future()
        self._gathered.append((work, done))
        self._kick()
        return done

    def between(self, ask: Callable[[], T]) -> "asyncio.Future[T]":
        """Have this done in the thread, between batches; the future has what it returns or raises."""
        if self._is_closed:
            raise RuntimeError("the store is closed")
        done: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(partial(_asked, ask, done))
        return done

    async def close(self) -> None:
        """Finish what was handed over and end the thread. May be called twice."""
        self._is_closed = True
        while self._is_busy:
            self._idle = self._loop.create_future()
            await self._idle
        self._jobs.put(None)
        self._thread.join()

    def _kick(self) -> None:
        if not self._is_busy:
            self._is_busy = True
            self._loop.call_soon(self._hand_over)  # after everything else that is ready now

    def _hand_over(self) -> None:
        batch, self._gathered = self._gathered, []
        self._jobs.put(partial(self._write, batch))

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            settle = job()
            try:
                self._loop.call_soon_threadsafe(settle)
            except RuntimeError:  # the loop was closed while this was done: nobody waits any more
                return

    def _write(self, batch: Batch[Work]) -> Callable[[], None]:
        return partial(self._settle, batch, self._commit([work for work, _ in batch]))

    def _settle(self, batch: Batch[Work], outcomes: Sequence[Any]) -> None:
        self._is_busy = False
        if self._gathered:
            self._kick()
        elif self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
        for (_, done), outcome in zip(batch, outcomes, strict=True):
            _settle(done, outcome)


def _asked(ask: Callable[[], Any], done: "asyncio.Future[Any]") -> Callable[[], None]:
    try:
        return partial(_settle, done, ask())
    except Exception as error:  # whatever it is, it is the asker's: the thread must live
        return partial(_settle, done, error)


def _settle(done: "asyncio.Future[Any]", outcome: object) -> None:
    if done.done():  # its waiter was cancelled; the work is done all the same
        return
    if isinstance(outcome, BaseException):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)
