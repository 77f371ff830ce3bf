"""What the store tests write: small sessions, one event at a time."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from podium.core.content import text
from podium.core.definitions import Callee, Definition
from podium.core.events import AgentMessage, AgentToolResult, SessionIdle, StopReason, Usage, UserMessage
from podium.core.facts import ModelReplied, SessionCreated, SessionSettings
from podium.core.ports import Append, NewSession
from podium.core.records import OWN, PRIVATE, Draft, KnownEvent
from podium.core.rows import About, CallRow, Changes, SessionFacts, Status, ThreadRow

START = datetime(2025, 1, 1, tzinfo=UTC)
WORKER = Definition(name="worker", model="fake")
LEAD = Definition(name="lead", model="fake", roster=(Callee("worker", WORKER.version),))
TEAM = {definition.version: definition for definition in (WORKER, LEAD)}
RUNNING = SessionFacts("running", None, Usage())
END_TURN = StopReason("end_turn")
IDLE = SessionFacts("idle", END_TURN, Usage(3, 4))


class TickingClock:
    """Each look at it takes a second."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now

    def alarm(self, after_s: float, ring: Callable[[], None]) -> Callable[[], None]:
        raise NotImplementedError("a store sets no alarms")


def main(session: str) -> str:
    """The id of the session's primary thread."""
    return session.replace("sesn", "sthr")


def thread_row(session: str, status: Status = "running", stop_reason: StopReason | None = None) -> ThreadRow:
    return ThreadRow(main(session), None, LEAD.version, LEAD.name, status, stop_reason, None, START, START)


def new_session(id: str = "sesn_1", *, title: str = "audit", needs: tuple[str, ...] = ()) -> NewSession:
    """A running session of the lead, with a person's first message."""
    created = SessionCreated(agent=LEAD.version, title=title, settings=SessionSettings(), needs=needs)
    message = UserMessage(id=f"sevt_first_{id}", processed_at=START, content=text("go"))
    return NewSession(
        id=id,
        about=About(title),
        agent=LEAD.version,
        agent_name=LEAD.name,
        needs=needs,
        program="",
        drafts=(Draft(main(id), PRIVATE, START, created), Draft(main(id), OWN, START, message)),
        changes=Changes(RUNNING, threads=(thread_row(id),)),
        definitions=TEAM,
    )


def draft(session: str, event: KnownEvent) -> Draft:
    return Draft(main(session), PRIVATE if event.id is None else OWN, START, event)


def said(id: str, words: str = "so") -> AgentMessage:
    return AgentMessage(id=id, processed_at=START, content=text(words))


def result(id: str, call: str) -> AgentToolResult:
    return AgentToolResult(id=id, processed_at=START, tool_use_id=call, content=text("done"))


def taken(id: str, words: str) -> UserMessage:
    """The second record of a person's message: the driver takes it."""
    return UserMessage(id=id, processed_at=START, content=text(words))


def writes(
    session: str,
    epoch: int,
    *events: KnownEvent,
    opened: Sequence[str] = (),
    answered: Sequence[str] = (),
    closed: Sequence[str] = (),
    release: bool = False,
) -> Append:
    """A driver's append to a session that goes on running; the calls it opens ask for approval."""
    calls = tuple(CallRow(call, main(session), "bash", "hash", "asks") for call in opened)
    changes = Changes(RUNNING, opened=calls, answered=tuple(answered), closed=tuple(closed))
    drafts = [draft(session, event) for event in events]
    return Append(session=session, epoch=epoch, drafts=drafts, changes=changes, release=release)


def goes_idle(session: str, epoch: int, *first: KnownEvent) -> Append:
    """A driver's last append: these events, and then idle, unless an input waits after it."""
    events = (
        *first,
        ModelReplied(parts=(), stop_reason="end_turn"),
        SessionIdle(id="sevt_idle", processed_at=START, stop_reason=END_TURN),
    )
    row = thread_row(session, "idle", END_TURN)
    return Append(
        session=session,
        epoch=epoch,
        drafts=[draft(session, event) for event in events],
        changes=Changes(IDLE, threads=(row,)),
        no_input_after=0,
        release=True,
    )


def terminates(session: str, epoch: int) -> Append:
    """The session ends for good."""
    changes = Changes(SessionFacts("terminated", StopReason("retries_exhausted"), Usage()))
    return Append(session=session, epoch=epoch, drafts=[], changes=changes, release=True)
