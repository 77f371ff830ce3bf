"""Keeps what sessions that have gone idle need to go on at once: their folded state, and their sandboxes with a shell.

All of it can be had again from the log, but for the shells; so it may be thrown away at any time.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from podium.core.ports import Sandbox
from podium.core.session import SessionState
from podium.engine.bound import Bound

logger = logging.getLogger(__name__)
KEPT_S = 600.0
MOST = 128  # sessions: a state holds all that its threads' models are sent


@dataclass(frozen=True, kw_only=True)
class Left:
    """What a driver left behind when its session went idle.

    Shape: `state` is folded up to `head`. `epoch` is that driver's; `sandboxes` are by thread.
    """

    epoch: int
    head: int
    state: SessionState
    bound: Bound
    sandboxes: Mapping[str, Sandbox]


class Shelf:
    """One for the process, on one event loop. What is kept too long, or was overtaken by another driver, is let go."""

    def __init__(self, kept_s: float = KEPT_S, most: int = MOST) -> None:
        self._kept_s = kept_s
        self._most = most
        self._kept: dict[str, tuple[Left, asyncio.TimerHandle]] = {}  # the one kept longest is first
        self._closing: set[asyncio.Task[None]] = set()

    def keep(self, left: Left) -> None:
        """Keep what the driver left of its session."""
        session = left.state.id
        timer = asyncio.get_running_loop().call_later(self._kept_s, lambda: self._drop(session))
        self._kept[session] = left, timer
        if len(self._kept) > self._most:
            self._drop(next(iter(self._kept)))

    def look(self, session: str, epoch: int | None = None) -> Left | None:
        """What the driver with this epoch left, or the last one here. It stays; its state is not to be changed."""
        left, _ = self._kept.get(session, (None, None))
        return left if left is not None and epoch in (None, left.epoch) else None

    def take(self, session: str, epoch: int) -> Left | None:
        """What was left, for the driver with this epoch: nothing, if another one drove the session in between."""
        if session not in self._kept:
            return None
        if self._kept[session][0].epoch != epoch - 1:
            self._drop(session)
            return None
        left, timer = self._kept.pop(session)
        timer.cancel()
        return left

    def drop(self, session: str) -> None:
        """Nobody goes on with the session: what is kept of it is let go."""
        if session in self._kept:
            self._drop(session)

    def let_go(self, left: Left) -> None:
        """What was taken is of no use."""
        if left.sandboxes:
            task = asyncio.get_running_loop().create_task(_close(left.state.id, left.sandboxes))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close everything that is kept."""
        for session in list(self._kept):
            self._drop(session)
        if self._closing:
            await asyncio.wait(self._closing)

    def _drop(self, session: str) -> None:
        left, timer = self._kept.pop(session)
        timer.cancel()
        self.let_go(left)


async def _close(session: str, sandboxes: Mapping[str, Sandbox]) -> None:
    for sandbox in sandboxes.values():
        try:
            await sandbox.close()
        except Exception:  # nobody waits for it, and the next one is to be closed all the same
            logger.exception("a sandbox of session %s could not be closed", session)
