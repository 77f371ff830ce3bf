"""Fold: the state of a session, which is everything its log says."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import assert_never

from msgspec import UNSET
from msgspec.structs import replace

from podium.core.content import Content, TextBlock, plain, text
from podium.core.definitions import SELF, SUBMIT, Definition
from podium.core.events import (
    AgentCustomToolUse,
    AgentMessage,
    AgentThinking,
    AgentToolResult,
    AgentToolUse,
    ContextCompacted,
    MessageReceived,
    MessageSent,
    ModelRequestEnd,
    ModelRequestStart,
    SessionDeleted,
    SessionError,
    SessionIdle,
    SessionRescheduled,
    SessionRunning,
    SessionTerminated,
    SessionUpdated,
    SessionUsage,
    StopReason,
    SystemMessage,
    ThreadCreated,
    ThreadIdle,
    ThreadRescheduled,
    ThreadRunning,
    ThreadTerminated,
    Usage,
    UserCustomToolResult,
    UserInterrupt,
    UserMessage,
    UserToolConfirmation,
    WorkflowPhaseEnded,
    WorkflowPhaseStarted,
    WorkflowRunCreated,
    WorkflowRunEnded,
    WorkflowRunError,
    WorkflowRunIdle,
    WorkflowRunRunning,
)
from podium.core.facts import (
    AgentReplaced,
    AgentsPinned,
    ArchiveAsked,
    ArchiveTaken,
    AttemptFailed,
    BudgetReserved,
    BudgetSettled,
    CallAnswered,
    CheckpointAnswered,
    ContextSummarized,
    CorrectionSent,
    DelegationClosed,
    DelegationDetached,
    DelegationOpened,
    DelegationTriedAgain,
    DrivingStarted,
    DrivingStopped,
    FilesSeen,
    LimitLifted,
    LimitMet,
    LimitReached,
    ModelCalled,
    ModelReplied,
    NoticeSent,
    PhaseBegun,
    ResultSubmitted,
    SandboxRestarted,
    SandboxTested,
    SessionCreated,
    SessionPaused,
    SessionResumed,
    SessionSettings,
    StepAsked,
    StepEnded,
    StepWithdrawn,
    ToolStarted,
    WorkflowFailed,
    WorkflowOpened,
    WorkflowReturned,
    WorkflowTold,
)
from podium.core.json import JSON
from podium.core.moment import Moment
from podium.core.money import dollars_of
from podium.core.projection import News, call_row
from podium.core.records import RECEIVED, Event, Input, Record, Unknown, is_queued
from podium.core.rows import ZERO, About, Changes, SessionFacts, Status
from podium.core.run_fold import Runs
from podium.core.runs import RunState, Step
from podium.core.thread import OpenCall, ThreadState

_OF_OTHERS = (SessionPaused, *RECEIVED)
SHELL_TOOL = "bash"
INSTRUCTED = "Instructions from the operator of this session, which hold from here on:"
BUDGET_CHANGED = "(The session's budget was changed, and you can go on. Do what is left to be done.)"


class SessionState:
    """What the log says about a session.

    `apply` takes records in the order of the log. An input's queued record commutes with every record of the driver, so
    a driver may fold it late: nothing of the driver's depends on it before it is taken.
    """

    def __init__(self, id: str, definitions: Mapping[str, Definition]) -> None:
        self.id = id
        self.definitions = dict(definitions)
        self.settings = SessionSettings()
        self.needs: tuple[str, ...] = ()
        self.program = ""
        self.input: JSON = None  # of its workflow
        self.about = About("")
        self.created_at: datetime | None = None
        self.active_s = 0.0  # in which it was running, up to its last change of status
        self.threads_s = 0.0  # the sum of its threads' working times, up to their last changes of status
        self.running_since: datetime | None = None
        self.primary = ""
        self.threads: dict[str, ThreadState] = {}
        self.status: Status = "idle"
        self.stop_reason: StopReason | None = None
        self.paused = False
        self.usage = Usage()
        self.usd = ZERO
        self.reserved_usd = ZERO
        self.settlements = 0  # how often a call turned out to cost what it cost
        self.turns = 0
        self.cap: LimitMet | None = None  # a limit of the session itself that was met
        self.queue: dict[str, Input] = {}
        self.runs = Runs()  # of workflows
        self.archiving: dict[str, str] = {}  # threads that somebody wants archived, by the wish's id
        self._moot: set[str] = set()  # inputs that waited when the session went idle: such an interrupt stops nothing
        self._last_at: datetime | None = None  # of the last record of a driver, or of what woke the session
        self._news = News()  # for the projections
        self._children: dict[str, list[str]] = {}  # the threads that each has opened
        self._moving: dict[str, None] = {}  # threads that are running
        self._rescheduled: dict[str, datetime | None] = {}  # threads that wait for a time, and until when

    @property
    def main(self) -> ThreadState:
        """The primary thread."""
        return self.threads[self.primary]

    @property
    def run(self) -> RunState | None:
        """The last run of a workflow, or None."""
        return self.runs.last

    def step_of(self, call: str) -> Step | None:
        """The step of a workflow whose open call this is, if it is one."""
        found = self.runs.open.get(call)
        return None if found is None else found[1]

    @property
    def has_message(self) -> bool:
        """Whether a person's message waits to be taken."""
        return any(isinstance(event, UserMessage) for event in self.queue.values())

    @property
    def has_results(self) -> bool:
        """Whether a result that the client gave waits to be taken: it is in no queue, since it is processed already."""
        return any(
            isinstance(call.answer, UserCustomToolResult) and call.attempt == 0
            for thread in self.threads.values()
            for call in thread.calls.values()
        )

    def interrupts(self) -> Iterator[UserInterrupt]:
        """Interrupts that wait to be taken and may have something to stop."""
        for id, event in self.queue.items():
            if isinstance(event, UserInterrupt) and id not in self._moot and not self._is_of_run(event):
                yield event

    def _is_of_run(self, event: UserInterrupt) -> bool:
        """Whether it names a thread of a workflow run, which it does not stop."""
        thread = self.threads.get(event.session_thread_id or "")
        return thread is not None and bool(thread.workflow_run)

    @property
    def is_quiet(self) -> bool:
        """Whether no thread moves, nor will by itself."""
        return not self._moving and not self._rescheduled

    @property
    def standing(self) -> Status:
        """What the threads' statuses make of the session's."""
        return "running" if self._moving else "rescheduling" if self._rescheduled else "idle"

    @property
    def is_lifted(self) -> bool:
        """Whether the session was stopped by a limit in dollars that is another now."""
        cap, usd = self.cap, self.settings.usd
        return cap is not None and cap.kind == "usd" and (usd is None or float(usd) > cap.limit)

    @property
    def _is_over_budget(self) -> bool:
        return self.cap is not None and self.cap.kind == "usd"

    def waiting_calls(self) -> Iterator[tuple[ThreadState, OpenCall]]:
        """The calls that ask a person and have no answer yet, with their threads."""
        for thread in self.threads.values():
            for call in thread.calls.values():
                if call.asks and call.answer is None and call.attempt == 0:
                    yield thread, call

    def above(self, thread: ThreadState) -> Iterator[ThreadState]:
        """The thread, its parent, and so on up to the primary."""
        yield thread
        while thread.parent is not None:
            thread = self.threads[thread.parent]
            yield thread

    def children(self, thread: ThreadState) -> Iterator[ThreadState]:
        """The threads that this one opened, in their order."""
        return (self.threads[id] for id in tuple(self._children.get(thread.id, ())))

    def below(self, thread: ThreadState) -> Iterator[ThreadState]:
        """The thread, and all that it and those below it have opened."""
        yield thread
        for child in self.children(thread):
            yield from self.below(child)

    def team(self) -> dict[str, Definition]:
        """The agents that may work from here on, by version: those of the threads that live, and all whom they call."""
        found: dict[str, Definition] = {}
        wanted = [thread.agent for thread in self.threads.values() if thread.status != "terminated"]
        while wanted:
            version = wanted.pop()
            if version != SELF and version not in found:
                found[version] = self.definitions[version]
                wanted += [callee.version for callee in found[version].roster]
        return found

    def fold(self, at: Moment) -> None:
        """Apply what was recorded in this moment and not yet applied: the next step is decided on it."""
        for draft in at.drafts[at.folded :] if at.folded else at.drafts:
            self.apply(draft.thread, draft.at, draft.event)
        at.folded = len(at.drafts)

    @property
    def _facts(self) -> SessionFacts:
        times = [at for at in self._rescheduled.values() if at is not None] if self._rescheduled else []
        return SessionFacts(
            self.status,
            self.stop_reason,
            self.usage,
            self.usd,
            min(times, default=None),
            self.active_s,
            self.threads_s,
            self.running_since,
            self._is_over_budget,
            self.runs.open_run,
        )

    def facts_once_idle(self, reason: StopReason, at: datetime) -> SessionFacts:
        """What the session's row will hold when it has gone idle."""
        over = self._is_over_budget
        return SessionFacts(
            "idle", reason, self.usage, self.usd, None, self.active(at), self.threads_s, None, over, self.runs.open_run
        )

    def active(self, now: datetime) -> float:
        """Seconds in which the session was running, up to now."""
        since = self.running_since
        return self.active_s + ((now - since).total_seconds() if since is not None else 0.0)

    def changes(self) -> Changes:
        """What changed in the projections since the last call of this."""
        return self._news.taken(self._facts, self.threads)

    def projection(self) -> Changes:
        """The whole of the projections, as this fold has them."""
        calls = [
            call_row(thread.id, call)
            for thread in self.threads.values()
            for call in thread.calls.values()
            if call.attempt == 0
        ]
        return Changes(
            self._facts,
            self.paused,
            tuple(thread.row() for thread in self.threads.values()),
            tuple(calls),
            about=self.about,
        )

    def apply(self, thread_id: str, at: datetime, event: Event) -> None:
        """Take one record into the state. Records that this version does not know are skipped."""
        if isinstance(event, SessionCreated):
            self._create(thread_id, at, event)
            return
        thread = self.threads.get(thread_id)
        if thread is None:  # a record of a thread whose opening this version could not read
            return
        match event:  # those of every turn stand first: the cases are tried in their order
            case ModelRequestStart():
                thread.span, thread.purpose, thread.retry_at = event.id, "turn", None
                thread.transcript.send()
            case AgentToolUse() | AgentCustomToolUse():
                thread.reply_calls[event.id] = event
            case ModelReplied():
                self._reply(thread, event)
            case ModelRequestEnd():
                self._end_call(thread, event)
            case ToolStarted():
                self._start(thread, event)
            case AgentToolResult():
                if (call := thread.calls.get(event.tool_use_id)) is not None and call.name == SHELL_TOOL:
                    thread.has_shell = thread.has_shell or call.attempt > 0
                self._answer(thread, event.tool_use_id, event.content, event.is_error)
                self.runs.end_checkpoint(event.tool_use_id)
            case AgentMessage():
                thread.reply_texts[event.id] = TextBlock(plain(event.content))
            case ModelCalled():
                thread.purpose = event.purpose
                thread.handed_over = thread.handed_over or event.purpose == "hand_over"
            case BudgetReserved():
                thread.span_reserved_usd = event.usd
                self._reserve(thread, event.usd)
            case BudgetSettled():
                self._settle(thread, event.usd)
            case AttemptFailed():
                thread.attempt_failed(event, at)
            case ContextSummarized():
                thread.summarized(event.summary)
            case CallAnswered():
                if (call := thread.calls.get(event.call)) is not None and call.name == SUBMIT and event.is_error:
                    thread.corrections += 1
                    thread.misfit = plain(event.content)
                self._answer(thread, event.call, event.content, event.is_error)
                if (made := thread.delegated.get(event.call)) is not None:
                    made.came_to = "refused"
                self.runs.refuse(event.call, event.content, at)
            case FilesSeen():
                thread.seen.update(event.seen)
            case DelegationOpened():
                self._delegate(thread, at, event)
            case DelegationTriedAgain():
                if (child := self.threads.get(event.thread)) is not None:
                    child.background = True  # what it says from here on comes as a message
            case DelegationDetached():
                if (child := self.threads.get(event.thread)) is not None:
                    child.background = True
            case DelegationClosed():
                content = thread.received.pop(event.message, ()) if event.message else event.content
                if event.call:
                    self._answer(thread, event.call, content, event.is_error)
                    if (made := thread.delegated.get(event.call)) is not None:
                        made.came_to = event.outcome
                elif event.outcome not in ("interrupted", "stopped"):
                    thread.transcript.tell((*text(_told_by(self.threads.get(event.thread), event)), *content))
                if (child := self.threads.get(event.thread)) is not None:
                    child.background = True  # what it says from here on comes as a message
                    self.runs.end_agent(event, child, content, at)
            case MessageReceived():
                self._receive(thread, event)
            case ResultSubmitted():
                thread.submitted = True
                thread.output = event.output
                self._answer(thread, event.call, text("accepted"), False)
            case CorrectionSent():
                thread.corrections += 1
                thread.is_cut = False
                thread.transcript.tell(text(event.text))
            case NoticeSent():
                thread.noticed.add(event.kind)
                thread.transcript.tell((*text(event.text), *thread.received.pop(event.message, ())))
            case LimitReached():
                thread.limited = event.met
                if event.met.of == "session":
                    self.cap = event.met
            case LimitLifted():
                self._go_on()
            case ThreadRunning():
                self._set_status(thread, "running", at, None)
            case ThreadRescheduled():
                self._set_status(thread, "rescheduling", at, None)
            case ThreadIdle():
                self._set_status(thread, "idle", at, event.stop_reason)
            case ThreadTerminated():
                self._set_status(thread, "terminated", at, None)
            case SessionRunning():
                if self.status == "idle":  # one that only waited for a time goes on as it was
                    self.paused = False
                    self._news.paused(False)
                self._stand("running", at)
            case SessionRescheduled():
                self._stand("rescheduling", at)
            case SessionIdle():
                self._stand("idle", at, event.stop_reason)
                self._moot = set(self.queue)
            case SessionTerminated():
                self._stand("terminated", at)
                self.about = replace(self.about, archived_at=at)
            case SessionDeleted():
                self.about = replace(self.about, deleted_at=at)
            case SessionUpdated():
                self._update(event)
            case AgentReplaced():
                self._define(event.definition)
                thread.agent, thread.definition = event.definition.version, event.definition
                self._news.thread(thread.id)
            case ArchiveAsked():
                self.archiving[event.input] = event.thread
            case ArchiveTaken():
                self.archiving.pop(event.input, None)
            case SessionPaused():
                self.paused = True
                self._news.paused(True)
            case UserMessage() | SystemMessage() | UserInterrupt() | UserToolConfirmation():
                self._input(thread, event)
            case UserCustomToolResult():
                if (call := thread.calls.get(event.custom_tool_use_id)) is not None:
                    call.answer = event
            case DrivingStarted():
                self._skip_dead_time(at)
            case SessionResumed():
                if (last := self.run) is not None and last.is_failed:
                    last.reopen()
            case SessionError() | SessionUsage() | DrivingStopped() | SandboxRestarted():
                pass
            case AgentsPinned():
                for definition in event.definitions:
                    self._define(definition)
            case WorkflowOpened() | WorkflowTold() | WorkflowReturned() | WorkflowFailed():
                self.runs.apply_program(thread, event)
            case StepAsked():
                asked = self.runs.ask(thread, event, at)
                if asked is not None and event.kind != "function":
                    self._news.call(thread.id, asked)
            case StepEnded():
                self._answer(thread, event.call, (), event.outcome != "done")
                self.runs.end_function(event, at)
            case StepWithdrawn() | CheckpointAnswered() | PhaseBegun():
                self.runs.apply_step(event, at)
            case WorkflowRunCreated() | WorkflowRunRunning() | WorkflowRunIdle() | WorkflowRunEnded():
                self.runs.apply_run(event)
            case WorkflowPhaseStarted():
                self.runs.apply_run(event)
            case WorkflowPhaseEnded() | WorkflowRunError():
                pass
            case MessageSent() | ThreadCreated() | SandboxTested() | AgentThinking() | ContextCompacted() | Unknown():
                pass
            case _:
                assert_never(event)
        if not (is_queued(event) or isinstance(event, _OF_OTHERS)):  # those others write, with or without a driver
            self._last_at = at

    # --- one record each ---------------------------------------------------------------------------

    def _create(self, thread_id: str, at: datetime, event: SessionCreated) -> None:
        self.primary = thread_id
        self.created_at = self._last_at = at
        self.settings, self.needs, self.program = event.settings, event.needs, event.program
        self.input = event.input
        self.about = About(event.title, event.metadata, event.settings.usd)
        definition = self.definitions[event.agent]
        self.threads[thread_id] = ThreadState(thread_id, agent=event.agent, definition=definition, created_at=at)
        self._news.thread(thread_id)

    def _reply(self, thread: ThreadState, event: ModelReplied) -> None:
        thread.replied(event)
        self.turns += 1
        for call in thread.calls.values():
            self._news.call(thread.id, call)

    def _start(self, thread: ThreadState, event: ToolStarted) -> None:
        call = thread.calls.get(event.call)
        if call is not None:
            if call.attempt == 0:
                self._news.no_call(call.id)
            call.attempt = event.attempt

    def _answer(self, thread: ThreadState, call: str, content: Content, is_error: bool) -> None:
        answered = thread.answered(call, content, is_error)
        if answered is not None and answered.attempt == 0:
            self._news.no_call(call)

    def _end_call(self, thread: ThreadState, event: ModelRequestEnd) -> None:
        if thread.span_reserved_usd is not None:  # nobody said what it cost
            self._settle(thread, thread.span_reserved_usd)
        thread.span = None
        thread.usage += event.model_usage
        self.usage += event.model_usage
        if not event.is_error:
            thread.context_tokens = event.model_usage.total_tokens

    def _reserve(self, thread: ThreadState, usd: Decimal) -> None:
        for each in self.above(thread):
            each.reserved_usd += usd
        self.reserved_usd += usd

    def _settle(self, thread: ThreadState, usd: Decimal) -> None:
        reserved, thread.span_reserved_usd = thread.span_reserved_usd or ZERO, None
        self.settlements += 1
        self._reserve(thread, -reserved)
        for each in self.above(thread):
            each.usd += usd
        thread.own_usd += usd
        self.usd += usd

    def _delegate(self, thread: ThreadState, at: datetime, event: DelegationOpened) -> None:
        if not event.background:
            call = thread.calls.get(event.call)
            if call is None:
                call = thread.calls[event.call] = OpenCall(event.call, event.agent_name, event.input)
            call.child, call.tries = event.thread, call.tries + 1
            if (made := thread.delegated.get(event.call)) is not None:
                made.agent, call.joined = event.agent_name, thread.definition.join != "best_effort"
            if call.tries > 1:
                self._news.child(thread.id, call)
            if call.step:
                call.input = event.input
                self.runs.open[event.call][1].thread = event.thread
        if event.definition is not None:
            self._define(event.definition)
        if event.thread not in self.threads:
            self._children.setdefault(thread.id, []).append(event.thread)
        self.threads[event.thread] = ThreadState(
            event.thread,
            agent=event.agent,
            definition=self.definitions[event.agent],
            created_at=at,
            parent=thread.id,
            call=event.call,
            depth=event.depth,
            background=event.background,
            limits=event.limits,
            workflow_run=thread.workflow_run or (self.runs.open_run if thread.definition.program else ""),
            is_heard=not thread.definition.program,
        )
        self._news.thread(event.thread)

    def _receive(self, thread: ThreadState, event: MessageReceived) -> None:
        sender = self.threads.get(event.from_session_thread_id)
        if sender is not None and sender.id == thread.parent:
            if not thread.is_open:
                thread.asked()
            thread.transcript.tell(event.content)
        else:  # what follows says whether it answers a call (delegation.closed) or is told (notice.sent)
            thread.received[event.id] = event.content

    def _set_status(self, thread: ThreadState, status: Status, at: datetime, stop_reason: StopReason | None) -> None:
        if status == "running" and thread.status == "idle" and not thread.is_open:
            thread.woken()
        moved = status in ("running", "rescheduling")
        self._work(thread, at)
        thread.running_since = at if status == "running" else None
        thread.status, thread.status_since, thread.stop_reason = status, at, stop_reason
        thread.is_open = moved or (stop_reason is not None and stop_reason.type == "requires_action")
        if not moved:
            thread.idle_usage, thread.idle_usd = thread.usage, thread.own_usd
            thread.has_more_to_say = thread.has_more_to_say and thread.is_open
        self._moving.pop(thread.id, None)
        self._rescheduled.pop(thread.id, None)
        if status == "running":
            self._moving[thread.id] = None
        elif status == "rescheduling":
            self._rescheduled[thread.id] = thread.retry_at
        if status == "terminated":
            self._end(thread)
        self._news.thread(thread.id)

    def _end(self, thread: ThreadState) -> None:
        """Nothing of the thread goes on: what it has open is never answered."""
        for call in thread.calls.values():
            if call.attempt == 0:
                self._news.no_call(call.id)
        thread.calls.clear()

    def _work(self, thread: ThreadState, at: datetime) -> None:
        """Count the thread's working time up to now."""
        if thread.running_since is not None:
            before, thread.worked_s = thread.worked_s, thread.worked(at)
            self.threads_s += thread.worked_s - before

    def _stand(self, status: Status, at: datetime, reason: StopReason | None = None) -> None:
        """The session's status changes."""
        self.active_s = self.active(at)
        self.running_since = at if status == "running" else None
        self.status, self.stop_reason = status, reason

    def _define(self, definition: Definition) -> None:
        """An agent that the session was not started with."""
        self.definitions[definition.version] = definition
        self._news.definition(definition)

    def _update(self, event: SessionUpdated) -> None:
        if event.title is not UNSET:
            self.about = replace(self.about, title=event.title or "")
        if event.metadata is not UNSET:
            self.about = replace(self.about, metadata=event.metadata)
        if event.budget is not UNSET:
            usd = None if event.budget is None else dollars_of(event.budget)
            self.about, self.settings = replace(self.about, budget=usd), replace(self.settings, usd=usd)

    def _go_on(self) -> None:
        """The session's budget is another: who stopped at it has more to do."""
        main = self.main
        self.cap = None
        if main.limited is not None and main.limited.of == "session" and main.limited.kind == "usd":
            main.woken()
            main.limited, main.handed_over = None, False
            main.noticed.discard("limit")
            main.transcript.tell(text(BUDGET_CHANGED))

    def _input(self, thread: ThreadState, event: Input) -> None:
        if event.processed_at is None:
            self.queue[event.id] = event
            if isinstance(event, UserToolConfirmation) and (call := thread.calls.get(event.tool_use_id)) is not None:
                call.answer = event
            return
        self.queue.pop(event.id, None)
        if isinstance(event, UserMessage):
            thread.asked()  # a new task, and a new answer
            self.cap = None
            thread.transcript.tell(event.content)
        elif isinstance(event, SystemMessage):
            thread.transcript.tell((*text(INSTRUCTED), *event.content))

    def _skip_dead_time(self, at: datetime) -> None:
        last = self._last_at
        if self.running_since is not None and last is not None:
            self.active_s = self.active(last)
            self.running_since = at
        for thread in self.threads.values():
            if thread.running_since is not None and last is not None:
                self._work(thread, last)
                thread.running_since = at
                self._news.thread(thread.id)
            if thread.failing_since is not None:
                thread.failing_since = at  # nobody tried in between


def _told_by(child: ThreadState | None, event: DelegationClosed) -> str:
    name = child.definition.name if child is not None else "?"
    return f"{'Report of' if event.outcome == 'reported' else 'News of'} agent '{name}', thread {event.thread}:"


def fold(id: str, definitions: Mapping[str, Definition], records: Iterable[Record]) -> SessionState:
    """The state after these records, which begin at the log's first."""
    state = SessionState(id, definitions)
    for record in records:
        state.apply(record.thread, record.at, record.event)
    state.changes()  # they are in the projections already
    return state
