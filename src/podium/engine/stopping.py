"""Stops tasks that run code of others, which may not let itself be stopped."""

import asyncio
import logging
import threading
from collections.abc import Iterable

logger = logging.getLogger(__name__)
GRACE_S = 5.0  # how long what is cancelled may take to clean up


async def stop(tasks: Iterable["asyncio.Task[None]"], session: str, *, grace_s: float = GRACE_S) -> None:
    """Cancel these tasks of the session, and wait until they have ended, or have had their time for it.

    Shape: a task that swallows cancellation goes on alone, and the end of its event loop does not wait for it. What it
    still returns is to be dropped: see `is_cancelled`.
    """
    tasks = list(tasks)
    if not tasks:
        return
    for task in tasks:
        task.cancel()
    _, stubborn = await asyncio.wait(tasks, timeout=grace_s)
    for task in stubborn:
        logger.warning("%s of session %s does not let itself be stopped", task.get_name(), session)
        _leave_alone(task)


def _leave_alone(task: "asyncio.Task[None]") -> None:
    """Have the end of the process not wait for the task."""
    asyncio.tasks._unregister_task(task)  # asyncio.run waits without end for those that it knows
    # Python would end its code once more before it forgets it: what swallows that too, without a loop, goes in circles.
    ended = threading.Event()
    task.add_done_callback(lambda _: ended.set())
    threading.Thread(target=_hold, args=(task, ended), name=f"holds {task.get_name()}", daemon=True).start()


def _hold(task: object, ended: threading.Event) -> None:
    ended.wait()
