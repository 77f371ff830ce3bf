"""Keeps the sandboxes of sessions that wait for a person, so that a shell is still there when they go on."""

import asyncio
import logging
from collections.abc import Mapping

from podium.core.ports import Sandbox

logger = logging.getLogger(__name__)
KEPT_S = 600.0


class Shelf:
    """One for the process, on one event loop. What is kept too long, or was overtaken by another driver, is closed."""

    def __init__(self, kept_s: float = KEPT_S) -> None:
        self._kept_s = kept_s
        self._kept: dict[str, tuple[int, dict[str, Sandbox], asyncio.TimerHandle]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def keep(self, session: str, epoch: int, sandboxes: Mapping[str, Sandbox]) -> None:
        """Keep the sandboxes, by thread, of the driver with this epoch."""
        if sandboxes:
            timer = asyncio.get_running_loop().call_later(self._kept_s, lambda: self._drop(session))
            self._kept[session] = (epoch, dict(sandboxes), timer)

    def take(self, session: str, epoch: int) -> dict[str, Sandbox]:
        """The sandboxes for the driver with this epoch: none, if another one drove the session in between."""
        if session not in self._kept:
            return {}
        if self._kept[session][0] != epoch - 1:
            self._drop(session)
            return {}
        _, sandboxes, timer = self._kept.pop(session)
        timer.cancel()
        return sandboxes

    async def close(self) -> None:
        """Close everything that is kept."""
        for session in list(self._kept):
            self._drop(session)
        if self._closing:
            await asyncio.wait(self._closing)

    def _drop(self, session: str) -> None:
        _, sandboxes, timer = self._kept.pop(session)
        timer.cancel()
        task = asyncio.get_running_loop().create_task(_close(session, sandboxes))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _close(session: str, sandboxes: Mapping[str, Sandbox]) -> None:
    for sandbox in sandboxes.values():
        try:
            await sandbox.close()
        except Exception:  # nobody waits for it, and the next one is to be closed all the same
            logger.exception("a sandbox of session %s could not be closed", session)
