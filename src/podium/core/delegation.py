"""What a delegation spawns, and how it ends.

How the parent's call is closed, by what happened to the child:

    reported      the report                                         agent.thread_message_received
    limited       the partial result, marked with the reason         agent.thread_message_received
    failed        error result with the reason; child terminated     delegation.closed alone
    interrupted   error result "interrupted by a person"             delegation.closed alone
    stopped       the parent itself has ended: nobody to tell        delegation.closed alone
"""

from typing import Literal, assert_never

from podium.core.content import Content, text
from podium.core.definitions import SELF, Definition
from podium.core.events import (
    AgentMessage,
    ErrorDetail,
    MessageReceived,
    MessageSent,
    RetryStatus,
    SessionError,
    StopReason,
    ThreadCreated,
    ThreadIdle,
    ThreadRunning,
    ThreadTerminated,
)
from podium.core.facts import CallAnswered, DelegationClosed, DelegationOpened, HarnessCall, LimitReached
from podium.core.json import JSON, canonical
from podium.core.moment import Moment
from podium.core.schema import misfit
from podium.core.session import SessionState
from podium.core.steps import Ending, Failed, Interrupted, Limited, Reported, Stopped
from podium.core.thread import ThreadState

END_TURN = StopReason("end_turn")
CUT_TOOL = "stopped, its outcome is unknown"
# Source: the wire's fixed text for calls that a person's interrupt closes (contract D.4).
INTERRUPTED_TOOL = "Tool execution was interrupted before completion. Please retry."


def task_text(schema: dict[str, JSON] | None, given: dict[str, JSON]) -> str:
    """What the child is told: the task with its context, or the structured input as JSON."""
    if schema is not None:
        return canonical(given).decode()
    parts = [str(given["task"])]
    if given.get("context"):
        parts.append(f"Context:\n{given['context']}")
    if given.get("expected_output"):
        parts.append(f"Expected output:\n{given['expected_output']}")
    return "\n\n".join(parts)


class Spawner:
    """Opens the children that one reply asks for.

    It counts those it has opened itself, since the fold does not know them yet.
    """

    def __init__(self, session: SessionState, thread: ThreadState, at: Moment) -> None:
        self._session = session
        self._thread = thread
        self._at = at
        self._opened = 0
        self._archived: set[str] = set()

    def open(self, call: HarnessCall, version: str) -> None:
        """Record the child with its first message, or the refusal as the call's result."""
        session, thread, at = self._session, self._thread, self._at
        version = thread.agent if version == SELF else version
        definition = session.definitions[version]
        refusal = self._refusal(call, definition)
        if refusal is not None:
            at.private(thread.id, CallAnswered(call=call.id, content=text(refusal), is_error=True))
            return
        child = at.thread_id()
        content = text(task_text(definition.input_schema, call.input))
        at.spawn(
            thread.id,
            DelegationOpened(
                call=call.id,
                thread=child,
                agent=version,
                agent_name=definition.name,
                depth=thread.depth + 1,
                input=call.input,
            ),
        )
        name = definition.name
        at.on_primary(
            child, ThreadCreated(id=at.event_id(), processed_at=at.now, session_thread_id=child, agent_name=name)
        )
        at.cross(
            child,
            session.primary,
            ThreadRunning(id=at.event_id(), processed_at=at.now, session_thread_id=child, agent_name=name),
        )
        at.own(
            thread.id,
            MessageSent(
                id=at.event_id(), processed_at=at.now, to_session_thread_id=child, to_agent_name=name, content=content
            ),
        )
        at.own(
            child,
            MessageReceived(
                id=at.event_id(),
                processed_at=at.now,
                from_session_thread_id=thread.id,
                from_agent_name=thread.definition.name,
                content=content,
            ),
        )
        self._opened += 1

    def _refusal(self, call: HarnessCall, definition: Definition) -> str | None:
        wrong = misfit(definition.called_with(), call.input)
        if wrong is not None:
            return f"the input does not fit the schema of '{call.name}': {wrong}. Nothing was started."
        depth = self._session.settings.depth
        if self._thread.depth >= depth:
            return f"limits.depth is {depth}: an agent this deep cannot delegate further. Do the work yourself."
        most = self._session.settings.live_threads
        if most is not None and not self._make_room(most):
            return f"limits.live_threads is {most}, and all of them are working. Call again when one has reported."
        return None

    def _make_room(self, most: int) -> bool:
        """Whether one more thread may live; the child that has been idle longest gives way if need be."""
        living = [
            thread
            for thread in self._session.threads.values()
            if thread.parent is not None and thread.status != "terminated" and thread.id not in self._archived
        ]
        if len(living) + self._opened < most:
            return True
        idle = [thread for thread in living if thread.status == "idle"]
        if not idle:
            return False
        longest = min(idle, key=lambda thread: thread.status_since)
        self._archived.add(longest.id)
        _terminate(self._session, longest, self._at)
        return True


def finish(session: SessionState, thread: ThreadState, ending: Ending, at: Moment) -> None:
    """Record how a thread ends, with all it has open and everyone below it.

    Shape: after these records nothing of the thread or of its descendants can move. For the primary thread the
    session's own idle records come on top, from the driver.
    """
    _close_open(session, thread, ending, at)
    if isinstance(ending, Limited):
        at.private(thread.id, LimitReached(met=ending.met))
    if thread.parent is None:
        _end_primary(session, thread, ending, at)
        return
    parent = session.threads[thread.parent]
    match ending:
        case Reported(content):
            _deliver(session, parent, thread, content, "reported", at)
        case Limited(met):
            _deliver(session, parent, thread, text(_partial(thread, str(met))), "limit", at)
        case Failed(reason):
            said = f"agent '{thread.definition.name}' failed: {reason}"
            _close(parent, thread, "failed", text(_partial(thread, said)), at)
        case Interrupted():
            _close(parent, thread, "interrupted", text("interrupted by a person"), at)
        case Stopped(reason):
            _close(parent, thread, "stopped", text(reason), at)
        case _:
            assert_never(ending)
    if isinstance(ending, Failed):
        _terminate(session, thread, at)
        return
    _idle(session, thread, END_TURN if not isinstance(ending, Limited) else StopReason("budget_reached"), at)


def _end_primary(session: SessionState, thread: ThreadState, ending: Ending, at: Moment) -> None:
    reason = END_TURN
    if isinstance(ending, Limited):
        reason = StopReason("budget_reached")
    elif isinstance(ending, Failed):
        reason = StopReason("retries_exhausted")
        error = ErrorDetail("model_request_failed_error", ending.reason, RetryStatus("exhausted"))
        at.own(thread.id, SessionError(id=at.event_id(), processed_at=at.now, error=error))
    elif isinstance(ending, Reported) and thread.submitted:
        # A structured result is no text of the model's: the session's stream shows it as a message all the same.
        at.own(thread.id, AgentMessage(id=at.event_id(), processed_at=at.now, content=ending.content))
    _idle(session, thread, reason, at)


def _close_open(session: SessionState, thread: ThreadState, ending: Ending, at: Moment) -> None:
    """Close the model call, the tool calls and the delegations that are open."""
    if thread.span is not None:
        at.model_ended(thread.id, thread.span, is_error=True)
    for call in thread.calls.values():
        if call.child is not None:
            below: Ending = ending if isinstance(ending, Interrupted) else Stopped(f"'{thread.definition.name}' ended")
            finish(session, session.threads[call.child], below, at)
        else:
            at.tool_result(thread.id, call.id, text(_cut(ending)), is_error=True)


def _cut(ending: Ending) -> str:
    if isinstance(ending, Interrupted):
        return INTERRUPTED_TOOL
    reason = str(ending.met) if isinstance(ending, Limited) else "the thread ended"
    return f"{CUT_TOOL}: {reason}"


def _partial(thread: ThreadState, reason: str) -> str:
    said = thread.result_text()
    return f"{reason}. Its last words, a partial result:\n{said}" if said else f"{reason}. It had said nothing yet."


def _deliver(
    session: SessionState,
    parent: ThreadState,
    child: ThreadState,
    content: Content,
    outcome: Literal["reported", "limit"],
    at: Moment,
) -> None:
    received = at.event_id()
    at.own(
        child.id,
        MessageSent(
            id=at.event_id(),
            processed_at=at.now,
            to_session_thread_id=parent.id,
            to_agent_name=parent.definition.name,
            content=content,
        ),
    )
    at.own(
        parent.id,
        MessageReceived(
            id=received,
            processed_at=at.now,
            from_session_thread_id=child.id,
            from_agent_name=child.definition.name,
            content=content,
        ),
    )
    assert child.call is not None
    at.private(
        parent.id,
        DelegationClosed(
            call=child.call, thread=child.id, outcome=outcome, message=received, is_error=outcome == "limit"
        ),
    )


def _close(
    parent: ThreadState,
    child: ThreadState,
    outcome: Literal["failed", "interrupted", "stopped"],
    content: Content,
    at: Moment,
) -> None:
    assert child.call is not None
    fact = DelegationClosed(call=child.call, thread=child.id, outcome=outcome, content=content, is_error=True)
    at.private(parent.id, fact)


def _idle(session: SessionState, thread: ThreadState, reason: StopReason, at: Moment) -> None:
    event = ThreadIdle(
        id=at.event_id(),
        processed_at=at.now,
        session_thread_id=thread.id,
        agent_name=thread.definition.name,
        stop_reason=reason,
    )
    at.cross(thread.id, session.primary, event)


def _terminate(session: SessionState, thread: ThreadState, at: Moment) -> None:
    event = ThreadTerminated(
        id=at.event_id(), processed_at=at.now, session_thread_id=thread.id, agent_name=thread.definition.name
    )
    at.cross(thread.id, session.primary, event)
