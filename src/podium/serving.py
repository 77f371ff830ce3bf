"""Drives every session of a data folder that this process can drive: what `podium serve` does besides HTTP.

A session is taken up when it has work, nobody drives it, and what it needs is here: at the start, when somebody writes
to it (here or in another process), and when the process that drove it is gone. One that is paused is left alone, and
one that needs a program's own functions or models stays as it is: that program must resume it, which is logged once.
"""

import asyncio
import logging
import os
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from podium.app import Podium
from podium.errors import BadInput, NotFound, Owned, PodiumError, SandboxUnavailable
from podium.running import Run

logger = logging.getLogger(__name__)

PROBE_S = 1.0  # how often it is asked whether those who drive sessions live
TIDY_S = 60.0  # how often deleted sessions are taken out
AT_ONCE = 8  # sessions that are taken up at the same time
FIRST_PATIENCE_S, LAST_PATIENCE_S = 1.0, 60.0  # before a session that failed here is tried again


class Serving:
    """The sessions of a data folder, driven. Use it as an async context manager, inside that of its Podium."""

    def __init__(self, podium: Podium, *, probe_s: float = PROBE_S, first_patience_s: float = FIRST_PATIENCE_S) -> None:
        self._podium = podium
        self._probe_s = probe_s
        self._first_patience_s = first_patience_s
        self._runs: dict[str, Run] = {}
        self._waiting: set[str] = set()  # sessions with work that others drove when it was last looked
        self._unmet: dict[str, str] = {}  # sessions that cannot be driven here, and why
        self._failures: dict[str, int] = {}  # how often in a row a session failed here
        self._again: dict[str, asyncio.TimerHandle] = {}
        self._looking: set[str] = set()
        self._moved: set[str] = set()  # sessions that were written to while they were taken up or driven
        self._rounds: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._is_closing = False

    @property
    def running(self) -> int:
        """How many sessions are driven here now."""
        return sum(not run.is_over for run in self._runs.values())

    @property
    def unmet(self) -> dict[str, str]:
        """The sessions that this process cannot drive, and why."""
        return dict(self._unmet)

    async def __aenter__(self) -> Self:
        self._podium.when_moved(self.look)
        self._podium.when_going_on(self._drives)
        for row in await self._podium.parts.store.sessions():
            if row.is_unfinished:  # whoever drives it now: it is looked after from here on
                self.look(row.id)
        self._rounds = [asyncio.create_task(self._probe()), asyncio.create_task(self._tidy())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def look(self, session: str) -> None:
        """Somebody wrote to the session: drive it, if that is called for."""
        if self._is_closing:
            return
        if session in self._runs or session in self._looking:  # one that is just ending may not have seen it
            self._moved.add(session)
            return
        self._looking.add(session)
        self._do(self._look(session), f"take up {session}")

    async def close(self) -> None:
        """Let go of all sessions in good order. They can be taken up by anybody then. May be called twice."""
        self._is_closing = True
        self._podium.when_going_on(None)
        for alarm in self._again.values():
            alarm.cancel()
        for task in self._rounds:
            task.cancel()
        # What is being taken up is waited for: cancelled in its middle, it would be claimed and not driven.
        if working := {*self._rounds, *self._tasks}:
            await asyncio.wait(working)
        if runs := [run for run in self._runs.values() if not run.is_over]:
            await asyncio.gather(*(run.close() for run in runs))

    # --- taking up -----------------------------------------------------------------------------------

    def _do(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look(self, session: str) -> None:
        try:
            async with self._room:
                if not self._is_closing:
                    await self._take_up(session)
        except Exception as error:  # the edge: the trouble of one session is no other's
            self._later(session, error)
        finally:
            self._looking.discard(session)
            if session not in self._runs:
                self._look_again(session)

    def _look_again(self, session: str) -> None:
        """Somebody may have written to it in the last moment."""
        if session in self._moved:
            self._moved.discard(session)
            self.look(session)

    async def _take_up(self, session: str) -> None:
        """Drive the session, if it has work and nobody else does."""
        store = self._podium.parts.store
        self._waiting.discard(session)
        try:
            row = await store.session(session)
        except NotFound:  # it was deleted
            self._unmet.pop(session, None)
            return
        if row.facts.status not in ("running", "rescheduling") or row.paused:
            self._unmet.pop(session, None)
            return
        owner = None if row.owner is None else await store.owner(session)
        if owner is not None and owner.pid != os.getpid():  # one that failed here is still this process's
            self._waiting.add(session)
            return
        try:
            run = await self._podium.resume(session, imports=False)
        except Owned:  # in the last moment
            self._waiting.add(session)
            return
        except (BadInput, SandboxUnavailable) as error:
            await self._cannot(session, error)
            return
        self._drives(run)

    def _drives(self, run: Run) -> None:
        """The session is driven here from now on."""
        self._unmet.pop(run.id, None)
        self._runs[run.id] = run
        run.when_over(lambda: self._over(run.id, run))

    async def _cannot(self, session: str, error: PodiumError) -> None:
        """It cannot be driven here: its needs are not met, there is no sandbox, or it came to an end meanwhile."""
        row = await self._podium.parts.store.session(session)
        if not row.is_unfinished or self._unmet.get(session) == str(error):
            return
        self._unmet[session] = str(error)
        logger.warning("session %s cannot be driven by this server: %s", session, error)

    def _over(self, session: str, run: Run) -> None:
        if self._runs.get(session) is run:
            del self._runs[session]
        if self._is_closing:
            return
        error = run.error
        if error is None:
            self._failures.pop(session, None)
            self._look_again(session)
        else:
            self._later(session, error)

    def _later(self, session: str, error: BaseException) -> None:
        """Try again after a while, longer each time."""
        if self._is_closing:
            return
        failures = self._failures[session] = self._failures.get(session, 0) + 1
        patience_s = min(self._first_patience_s * 2 ** min(failures - 1, 20), LAST_PATIENCE_S)
        is_known = isinstance(error, PodiumError)
        logger.error(
            "session %s cannot go on now, and is tried again in %g s: %s",
            session,
            patience_s,
            error if is_known else f"{type(error).__name__}: {error}",
            exc_info=None if is_known else error,
        )
        if (alarm := self._again.pop(session, None)) is not None:
            alarm.cancel()
        self._again[session] = asyncio.get_running_loop().call_later(patience_s, self._try_again, session)

    def _try_again(self, session: str) -> None:
        self._again.pop(session, None)
        self.look(session)

    async def _tidy(self) -> None:
        """Take out what was deleted, and forget which requests were done long ago."""
        while True:
            try:
                await self._podium.purge()
                await self._podium.forget_receipts()
            except Exception:  # the edge: nothing waits for it, and it is tried again
                logger.exception("deleted sessions and old receipts could not be taken out")
            await asyncio.sleep(TIDY_S)

    async def _probe(self) -> None:
        """Notice when a process that drove sessions is gone: it writes nothing any more that would tell."""
        store = self._podium.parts.store
        while True:
            await asyncio.sleep(self._probe_s)
            for session in tuple(self._waiting):
                try:
                    if await store.owner(session) is None:
                        self.look(session)
                except NotFound:  # it was deleted
                    self._waiting.discard(session)
                except PodiumError as error:  # the store's own trouble; it is asked again
                    logger.debug("cannot ask who drives %s: %s", session, error)
