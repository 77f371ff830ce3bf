"""Fold: the state of a session, which is everything its log says."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import assert_never

from podium.core.content import Content, TextBlock, ToolUseBlock, text
from podium.core.definitions import SUBMIT, Definition
from podium.core.events import (
    AgentMessage,
    AgentToolResult,
    AgentToolUse,
    MessageReceived,
    MessageSent,
    ModelRequestEnd,
    ModelRequestStart,
    SessionError,
    SessionIdle,
    SessionRunning,
    SessionUsage,
    StopReason,
    ThreadCreated,
    ThreadIdle,
    ThreadRunning,
    ThreadTerminated,
    Usage,
    UserInterrupt,
    UserMessage,
)
from podium.core.facts import (
    AttemptFailed,
    CallAnswered,
    CorrectionSent,
    DelegationClosed,
    DelegationOpened,
    DrivingStarted,
    DrivingStopped,
    FilesSeen,
    LimitReached,
    ModelReplied,
    ResultSubmitted,
    SandboxRestarted,
    SandboxTested,
    SessionCreated,
    SessionPaused,
    SessionResumed,
    SessionSettings,
    ToolStarted,
)
from podium.core.json import digest
from podium.core.records import Event, Record, Unknown, is_queued
from podium.core.rows import CallRow, Changes, SessionFacts, Status
from podium.core.thread import OpenCall, ThreadState

SHELL_TOOL = "bash"


class SessionState:
    """What the log says about a session.

    `apply` takes records in the order of the log. An input's queued record commutes with every record of the driver, so
    a driver may fold it late: nothing of the driver's depends on it before it is taken.
    """

    def __init__(self, id: str, definitions: Mapping[str, Definition]) -> None:
        self.id = id
        self.definitions = definitions
        self.settings = SessionSettings()
        self.needs: tuple[str, ...] = ()
        self.program = ""
        self.title = ""
        self.created_at: datetime | None = None
        self.primary = ""
        self.threads: dict[str, ThreadState] = {}
        self.status: Status = "idle"
        self.stop_reason: StopReason | None = None
        self.paused = False
        self.usage = Usage()
        self.turns = 0
        self.queue: dict[str, UserMessage | UserInterrupt] = {}
        self._moot: set[str] = set()  # inputs that waited when the session went idle: such an interrupt stops nothing
        self._last_at: datetime | None = None  # of the last record of a driver, or of what woke the session
        self._changed: dict[str, None] = {}
        self._opened: dict[str, tuple[str, OpenCall]] = {}  # by call: its thread's id, and the call
        self._closed: list[str] = []
        self._set_paused: bool | None = None

    @property
    def main(self) -> ThreadState:
        """The primary thread."""
        return self.threads[self.primary]

    @property
    def has_message(self) -> bool:
        """Whether a person's message waits to be taken."""
        return any(isinstance(event, UserMessage) for event in self.queue.values())

    @property
    def is_interrupted(self) -> bool:
        """Whether a person's interrupt waits to be taken, and something may be left for it to stop."""
        return any(isinstance(event, UserInterrupt) and id not in self._moot for id, event in self.queue.items())

    def changes(self) -> Changes:
        """What changed in the projections since the last call of this."""
        changes = Changes(
            SessionFacts(self.status, self.stop_reason, self.usage),
            self._set_paused,
            tuple([self.threads[id].row() for id in self._changed]) if self._changed else (),
            tuple(_call_row(thread, call) for thread, call in self._opened.values()) if self._opened else (),
            tuple(self._closed),
        )
        if self._changed:
            self._changed = {}
        if self._opened:
            self._opened = {}
        if self._closed:
            self._closed = []
        self._set_paused = None
        return changes

    def projection(self) -> Changes:
        """The whole of the projections, as this fold has them."""
        calls = [
            _call_row(thread.id, call)
            for thread in self.threads.values()
            for call in thread.calls.values()
            if call.attempt == 0
        ]
        return Changes(
            SessionFacts(self.status, self.stop_reason, self.usage),
            self.paused,
            tuple(thread.row() for thread in self.threads.values()),
            tuple(calls),
        )

    def apply(self, thread_id: str, at: datetime, event: Event) -> None:
        """Take one record into the state. Records that this version does not know are skipped."""
        if isinstance(event, SessionCreated):
            self._create(thread_id, at, event)
            return
        thread = self.threads.get(thread_id)
        if thread is None:  # a record of a thread whose opening this version could not read
            return
        match event:
            case ModelRequestStart():
                thread.span = event.id
                thread.transcript.send()
            case ModelRequestEnd():
                thread.span = None
                thread.usage += event.model_usage
                self.usage += event.model_usage
            case ModelReplied():
                self._reply(thread, event)
            case AgentToolUse():
                thread.reply_calls[event.id] = ToolUseBlock(event.id, event.name, event.input)
            case ToolStarted():
                self._start(thread, event)
            case AgentToolResult():
                if (call := thread.calls.get(event.tool_use_id)) is not None and call.name == SHELL_TOOL:
                    thread.has_shell = True
                self._answer(thread, event.tool_use_id, event.content, event.is_error)
            case AgentMessage():
                thread.reply_texts[event.id] = TextBlock("\n".join(block.text for block in event.content))
            case CallAnswered():
                if (call := thread.calls.get(event.call)) is not None and call.name == SUBMIT and event.is_error:
                    thread.corrections += 1
                self._answer(thread, event.call, event.content, event.is_error)
            case FilesSeen():
                thread.seen.update(event.seen)
            case DelegationOpened():
                self._delegate(thread, at, event)
            case DelegationClosed():
                content = thread.received.pop(event.message, ()) if event.message else event.content
                self._answer(thread, event.call, content, event.is_error)
            case MessageReceived():
                self._receive(thread, event)
            case ResultSubmitted():
                thread.submitted = True
                thread.output = event.output
                self._answer(thread, event.call, text("accepted"), False)
            case CorrectionSent():
                thread.corrections += 1
                thread.transcript.tell(text(event.text))
            case ThreadRunning():
                self._set_status(thread, "running", at, None)
            case ThreadIdle():
                self._set_status(thread, "idle", at, event.stop_reason)
            case ThreadTerminated():
                self._set_status(thread, "terminated", at, None)
            case SessionRunning():
                self.status, self.stop_reason = "running", None
                self.paused = self._set_paused = False
            case SessionIdle():
                self.status, self.stop_reason = "idle", event.stop_reason
                self._moot = set(self.queue)
            case SessionPaused():
                self.paused = self._set_paused = True
            case UserMessage() | UserInterrupt():
                self._input(thread, event)
            case DrivingStarted():
                self._skip_dead_time(at)
            case SessionResumed() | SessionError() | SessionUsage() | DrivingStopped() | SandboxRestarted():
                pass
            case MessageSent() | ThreadCreated() | LimitReached() | AttemptFailed() | SandboxTested() | Unknown():
                pass
            case _:
                assert_never(event)
        if not (is_queued(event) or isinstance(event, SessionPaused)):  # those others write, with or without a driver
            self._last_at = at

    # --- one record each ---------------------------------------------------------------------------

    def _create(self, thread_id: str, at: datetime, event: SessionCreated) -> None:
        self.primary = thread_id
        self.created_at = self._last_at = at
        self.settings, self.needs, self.program, self.title = event.settings, event.needs, event.program, event.title
        definition = self.definitions[event.agent]
        self.threads[thread_id] = ThreadState(thread_id, agent=event.agent, definition=definition, created_at=at)
        self._changed[thread_id] = None

    def _reply(self, thread: ThreadState, event: ModelReplied) -> None:
        thread.replied(event)
        self.turns += 1
        for call in thread.calls.values():
            self._opened[call.id] = (thread.id, call)

    def _start(self, thread: ThreadState, event: ToolStarted) -> None:
        call = thread.calls.get(event.call)
        if call is not None:
            if call.attempt == 0:
                self._stops_waiting(call.id)
            call.attempt = event.attempt

    def _answer(self, thread: ThreadState, call: str, content: Content, is_error: bool) -> None:
        answered = thread.answered(call, content, is_error)
        if answered is not None and answered.attempt == 0:
            self._stops_waiting(call)

    def _stops_waiting(self, call: str) -> None:
        if self._opened.pop(call, None) is None:
            self._closed.append(call)

    def _delegate(self, thread: ThreadState, at: datetime, event: DelegationOpened) -> None:
        call = thread.calls.get(event.call)
        if call is None:
            call = thread.calls[event.call] = OpenCall(event.call, event.agent_name, event.input)
        call.child = event.thread
        self.threads[event.thread] = ThreadState(
            event.thread,
            agent=event.agent,
            definition=self.definitions[event.agent],
            created_at=at,
            parent=thread.id,
            call=event.call,
            depth=event.depth,
        )
        self._changed[event.thread] = None

    def _receive(self, thread: ThreadState, event: MessageReceived) -> None:
        if event.from_session_thread_id == thread.parent:
            thread.transcript.tell(event.content)
        else:  # a child's report: delegation.closed, which follows it, gives it to the call
            thread.received[event.id] = event.content

    def _set_status(self, thread: ThreadState, status: Status, at: datetime, stop_reason: StopReason | None) -> None:
        if thread.running_since is not None:
            thread.worked_s = thread.worked(at)
        thread.running_since = at if status == "running" else None
        thread.status, thread.status_since, thread.stop_reason = status, at, stop_reason
        if status != "running":
            thread.idle_usage = thread.usage
        self._changed[thread.id] = None

    def _input(self, thread: ThreadState, event: UserMessage | UserInterrupt) -> None:
        if event.processed_at is None:
            self.queue[event.id] = event
            return
        self.queue.pop(event.id, None)
        if isinstance(event, UserMessage):
            thread.submitted = False  # a new task, and a new answer
            thread.corrections = 0
            thread.transcript.tell(event.content)

    def _skip_dead_time(self, at: datetime) -> None:
        for thread in self.threads.values():
            if thread.running_since is not None and self._last_at is not None:
                thread.worked_s = thread.worked(self._last_at)
                thread.running_since = at


def _call_row(thread: str, call: OpenCall) -> CallRow:
    return CallRow(call.id, thread, call.name, digest(call.input))


def fold(id: str, definitions: Mapping[str, Definition], records: Iterable[Record]) -> SessionState:
    """The state after these records, which begin at the log's first."""
    state = SessionState(id, definitions)
    for record in records:
        state.apply(record.thread, record.at, record.event)
    state.changes()  # they are in the projections already
    return state
