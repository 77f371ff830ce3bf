"""May this input be accepted now, and what does accepting it write.

Pure rules over the projections. A store runs them inside the transaction that writes what they return, so that no
race can come between the question and the answer.

While a session is not idle its driver alone writes statuses, and an input is only queued. While it is idle nobody
drives it, so accepting an input writes the statuses that wake it: no client sees idle after its input was accepted.
"""

from typing import assert_never

import msgspec

from podium.core.events import SessionRunning, UserInterrupt, UserMessage
from podium.core.facts import SessionPaused, SessionResumed
from podium.core.moment import Moment
from podium.core.ports import InputRequest, Interrupt, Resume, SendMessage
from podium.core.rows import Changes, SessionFacts, SessionRow, ThreadRow
from podium.errors import Refused


def admit(row: SessionRow, primary: ThreadRow, request: InputRequest, at: Moment) -> tuple[str, Changes]:
    """Record the input, and what it wakes.

    Shape: (id of the input's event, what changes in the projections); the records are in `at`.
    Errors: Refused with the reason; nothing is to be written then.
    """
    if row.facts.status == "terminated":
        raise Refused(f"session {row.id} is terminated and takes no more inputs; start a new one")
    is_idle = row.facts.status == "idle"
    id = at.event_id()
    match request:
        case SendMessage(content=content):
            at.own(primary.id, UserMessage(id=id, processed_at=None, content=content))
            return id, _wake(row, primary, at) if is_idle else Changes(row.facts)
        case Interrupt(pause=pause):
            # Nothing moves in an idle session: the interrupt is processed as it comes, and closes nothing.
            at.own(primary.id, UserInterrupt(id=id, processed_at=at.now if is_idle else None))
            if pause and not is_idle:
                at.private(primary.id, SessionPaused())
            return id, Changes(row.facts, paused=True if pause and not is_idle else None)
        case Resume():
            if not row.paused or not is_idle:
                raise Refused(f"session {row.id} is not paused, so there is nothing to resume")
            at.private(primary.id, SessionResumed())
            return id, _wake(row, primary, at)
        case _:
            assert_never(request)


def _wake(row: SessionRow, primary: ThreadRow, at: Moment) -> Changes:
    at.own(primary.id, SessionRunning(id=at.event_id(), processed_at=at.now))
    at.thread_running(primary.id, primary.id, primary.agent_name)
    running = msgspec.structs.replace(primary, status="running", stop_reason=None)
    return Changes(SessionFacts("running", None, row.facts.usage), False, (running,))
