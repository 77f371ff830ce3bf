"""Asks the program's own callback to approve each call that waits for it, while the rest of the session goes on."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from podium.core.inputs import Confirm
from podium.core.json import JSON, digest
from podium.core.session import SessionState
from podium.engine.parts import Parts
from podium.errors import Refused
from podium.tools.functions import in_thread

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A call that waits for a person: exactly what will be done. `input_hash` binds the answer to this input."""

    session_id: str
    call_id: str
    thread_id: str
    agent: str
    tool: str
    input: dict[str, JSON]

    @property
    def input_hash(self) -> str:
        """SHA-256 of the input in canonical JSON."""
        return digest(self.input)


# True allows the call; False denies it, and so does a text, which is the reason.
Approve = Callable[[Approval], Awaitable[bool | str] | bool | str]


def waiting(state: SessionState) -> list[Approval]:
    """The calls of the session that wait for approval, in the order of its threads."""
    return [
        Approval(
            session_id=state.id,
            call_id=call.id,
            thread_id=thread.id,
            agent=thread.definition.name,
            tool=call.name,
            input=call.input,
        )
        for thread, call in state.waiting_calls()
        if not call.custom  # the client's own tools are no matter of approval
    ]


class Asking:
    """Asks for each call once, and queues the answers. The callback may take as long as it likes."""

    def __init__(self, parts: Parts, session: str, approve: Approve, answered: Callable[[], Awaitable[None]]) -> None:
        self._parts = parts
        self._session = session
        self._approve = approve
        self._answered = answered
        self._asked: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.error: Exception | None = None

    def look(self, state: SessionState) -> None:
        """Ask for what waits now and was not asked for."""
        for approval in waiting(state):
            if approval.call_id not in self._asked:
                self._asked.add(approval.call_id)
                task = asyncio.create_task(self._ask(approval), name=f"approval of {approval.call_id}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _ask(self, approval: Approval) -> None:
        try:
            if inspect.iscoroutinefunction(self._approve):
                said = self._approve(approval)
            else:  # it may wait for a key to be pressed
                said = await in_thread(lambda: self._approve(approval), "approve")
            answer = await said if isinstance(said, Awaitable) else said
            if not isinstance(answer, bool | str):
                raise TypeError(f"approve must return True, False or a reason for denying, not {answer!r:.80}")
            reason = answer if isinstance(answer, str) else ""
            request = Confirm(
                call=approval.call_id, allow=answer is True, reason=reason, input_hash=approval.input_hash
            )
            await self._parts.store.admit(self._session, request)
        except Refused as error:  # somebody else has answered, or it no longer waits
            logger.info("call %s: %s", approval.call_id, error)
        except Exception as error:  # the callback is the program's own: its caller is told
            self.error = self.error or error
        await self._answered()

    async def close(self) -> None:
        """Ask no more; what was asked and not answered goes on waiting in the log."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
