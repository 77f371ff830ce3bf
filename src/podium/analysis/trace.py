"""Fold: what a session did when. It needs the records alone, and serves live views and looking back alike.

Shape: a thread works from when it was opened (or woken) until it ends its turn, or waits for a person or for its next
attempt; time in which no process drove the session counts for nobody. What was under way when a driver died ends, in a
trace, with the last record before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from podium.analysis.clients import Clients
from podium.analysis.cost import Cost
from podium.analysis.effects import Approval, Effect, Notice, Outcome
from podium.analysis.flow import FlowTrace
from podium.analysis.intervals import Interval
from podium.analysis.thread import ThreadTrace
from podium.core.content import plain
from podium.core.definitions import SUBMIT
from podium.core.ending import CUT_TOOL, INTERRUPTED_TOOL
from podium.core.events import (
    AgentToolResult,
    AgentToolUse,
    ModelRequestEnd,
    ModelRequestStart,
    SessionDeleted,
    SessionError,
    SessionIdle,
    SessionRescheduled,
    SessionRunning,
    SessionTerminated,
    SessionUpdated,
    ThreadIdle,
    ThreadRescheduled,
    ThreadRunning,
    ThreadTerminated,
    Usage,
    UserInterrupt,
    UserToolConfirmation,
)
from podium.core.facts import (
    AttemptFailed,
    BudgetReserved,
    BudgetSettled,
    CallAnswered,
    ContextSummarized,
    CorrectionSent,
    DelegationClosed,
    DelegationDetached,
    DelegationOpened,
    DelegationTriedAgain,
    DrivingStarted,
    DrivingStopped,
    HarnessCall,
    LimitReached,
    ModelCalled,
    ModelReplied,
    NoticeSent,
    SandboxRestarted,
    SandboxTested,
    SessionCreated,
    SessionPaused,
    ToolStarted,
)
from podium.core.records import Event, Record
from podium.core.session import SHELL_TOOL

__all__ = ["ASKS", "Approval", "Effect", "Takeover", "ThreadTrace", "Trace", "trace"]

ASKS = "requires_action"

_ToolEvent = AgentToolUse | ToolStarted | AgentToolResult | SandboxRestarted
_ModelEvent = ModelRequestEnd | AttemptFailed | ModelCalled | BudgetReserved | BudgetSettled
_DelegationFact = DelegationOpened | DelegationTriedAgain | DelegationDetached | DelegationClosed
_ThreadStatus = ThreadRunning | ThreadRescheduled | ThreadIdle | ThreadTerminated


@dataclass(frozen=True, slots=True)
class Takeover:
    """A driver took the session up: after a crash, after one that let go before the end, or woken from idleness.

    Shape: nobody drove it in `gap`. `took_shells`: threads had shells, and all of them are gone.
    """

    gap: Interval
    epoch: int
    after: Literal["crash", "letting_go", "rest"]
    took_shells: bool


class Trace:
    """What a session's records say. `apply` takes them in the order of the log.

    Shape: `approvals` are all calls that ever asked a person, `asking` those that wait for an answer now; `clients` has
    those that its clients run themselves, `flow` is its workflow.
    """

    def __init__(self) -> None:
        self.id = ""
        self.title = ""
        self.primary = ""
        self.is_rehearsed = False
        self.windows: Mapping[str, int] = {}  # context windows by definition, in tokens
        self.started_at: datetime | None = None
        self.last_at: datetime | None = None
        self.head = 0
        self.status = "idle"
        self.stop_reason = ""
        self.paused = False
        self.error = ""
        self.threads: dict[str, ThreadTrace] = {}
        self.batches: dict[tuple[str, int], list[str]] = {}  # (parent, its turn): the children that reply opened
        self.approvals: list[Approval] = []
        self.asking: dict[str, Approval] = {}  # by call, the longest waiting first
        self.clients = Clients()
        self.flow = FlowTrace()
        self.takeovers: list[Takeover] = []
        self.rests: list[Interval] = []  # it was idle until an input woke it, or waited for its first driver
        self.idle_since: datetime | None = None
        self._unclosed: dict[str, Approval] = {}
        # What a driver that came now would come after.
        self._before: Literal["nobody", "crash", "letting_go", "rest"] = "nobody"
        self._names: dict[str, int] = {}  # how many threads an agent has
        self._tries: dict[str, int] = {}  # attempts of the calls that are to be made again

    @property
    def usage(self) -> Usage:
        """Tokens of all threads."""
        return sum((thread.usage for thread in self.threads.values()), Usage())

    @property
    def cost(self) -> Cost:
        """What the model calls of all threads cost."""
        return sum((thread.cost for thread in self.threads.values()), Cost())

    @property
    def turns(self) -> int:
        """Model replies of all threads."""
        return sum(thread.turns for thread in self.threads.values())

    @property
    def is_interrupted(self) -> bool:
        """Whether a person stopped it, and it has not gone on since."""
        return (
            self.status == "idle"
            and self.primary in self.threads
            and (self.paused or self.threads[self.primary].ended == "interrupted")
        )

    @property
    def needs_nobody(self) -> bool:
        """Whether it is over, or idle and no call waits for somebody outside."""
        return self.status == "terminated" or (self.status == "idle" and self.stop_reason != ASKS and self.head > 0)

    def apply(self, record: Record) -> None:
        """Take one record in."""
        event, at = record.event, record.at
        if isinstance(event, SessionCreated):
            self.id, self.title, self.primary, self.started_at = record.session, event.title, record.thread, at
            self.is_rehearsed = any(need.startswith("rehearsal:") for need in event.needs)
            self.windows = event.settings.context_windows
            primary = ThreadTrace(record.thread, "", at, definition=event.agent)
            primary.context_window = self.windows.get(event.agent)
            self.threads[record.thread] = primary
        elif isinstance(event, DrivingStarted):
            self._take_over(event, at)
        elif isinstance(event, UserToolConfirmation):
            self._take_answer(event, at)
        elif (thread := self.threads.get(record.thread)) is not None:
            self._apply_to(thread, event, at)
        if isinstance(event, ModelRequestStart | ToolStarted | SandboxTested):
            self._before = "crash"  # a driver is at work: one that goes on after a rest does not say so otherwise
        self.clients.apply(record.thread, event, at)
        self.flow.apply(event, at)
        self.last_at, self.head = at, record.seq

    def _apply_to(self, thread: ThreadTrace, event: Event, at: datetime) -> None:
        match event:
            case AgentToolUse() | ToolStarted() | AgentToolResult() | SandboxRestarted():
                self._apply_tool(thread, event, at)
            case ModelRequestStart():
                thread.begin_model(event.id, at, is_free=self.is_rehearsed)
            case ModelRequestEnd() | AttemptFailed() | ModelCalled() | BudgetReserved() | BudgetSettled():
                _apply_model(thread, event, at)
            case ModelReplied():
                thread.turns += 1
                for effect in thread.open.values():
                    effect.model = effect.model or (event.model if effect.is_model else "")
                calls = [part for part in event.parts if isinstance(part, HarnessCall)]
                thread.submits.update(part.id for part in calls if part.name == SUBMIT)
            case CorrectionSent():
                thread.corrections += 1
            case CallAnswered() if event.is_error and event.call in thread.submits:
                thread.corrections += 1
            case ContextSummarized():
                thread.compactions += 1
                thread.context_tokens = 0
            case NoticeSent():
                thread.notices.append(Notice(at, event.kind, event.text))
            case LimitReached():
                thread.reason = str(event.met)
            case DelegationOpened() | DelegationTriedAgain() | DelegationDetached() | DelegationClosed():
                self._apply_delegation(thread, event, at)
            case ThreadRunning() | ThreadRescheduled() | ThreadIdle() | ThreadTerminated():
                self._apply_status(thread, event, at)
            case _:
                self._apply_to_session(thread, event, at)

    def _apply_to_session(self, thread: ThreadTrace, event: Event, at: datetime) -> None:
        match event:
            case SessionRunning():
                self._wake(at)
            case SessionRescheduled():
                self.status = "rescheduling"
            case SessionIdle():
                self.status, self.stop_reason = "idle", event.stop_reason.type
                if event.stop_details is not None:
                    self.error = f"the model refused: {event.stop_details.explanation or 'it did not say why'}"
                self._before, self.idle_since = "rest", at
            case SessionUpdated(title=str(title)):
                self.title = title
            case SessionTerminated() | SessionDeleted():
                self.status, self.stop_reason = "terminated", "" if self.stop_reason == ASKS else self.stop_reason
            case SessionError() if event.error.retry_status.type != "retrying":
                self.error = thread.reason = event.error.message
            case UserInterrupt() if event.processed_at is not None and event.session_thread_id in (None, self.primary):
                main = self.threads[self.primary]
                main.ended = main.ended or "interrupted"  # the wire calls it the end of a turn, as any other
            case SessionPaused():
                self.paused = True
            case DrivingStopped():
                self._before = "letting_go"
            case _:
                pass

    def _apply_tool(self, thread: ThreadTrace, event: _ToolEvent, at: datetime) -> None:
        match event:
            case AgentToolUse():
                thread.calls[event.id] = event
                if event.evaluated_permission == "ask":
                    asked = Approval(event.id, thread.id, event.name, event.input, at)
                    self.approvals.append(asked)
                    self.asking[event.id] = self._unclosed[event.id] = asked
            case ToolStarted():
                call = thread.calls.get(event.call)
                name, given = (call.name, call.input) if call is not None else ("?", {})
                thread.begin(Effect(event.call, name, at, attempt=event.attempt, turn=thread.turns, input=given))
                self._close(event.call, at)
                if name == SHELL_TOOL and thread.shell == "none":
                    thread.shell = "live"
            case AgentToolResult():
                self._close(event.tool_use_id, at)
                _answer(thread, event, at)
            case SandboxRestarted():
                thread.shells_lost += thread.shell != "taken"
                thread.shell = "live"

    def _apply_delegation(self, thread: ThreadTrace, event: _DelegationFact, at: datetime) -> None:
        child = self.threads.get(event.thread)
        match event:
            case DelegationOpened() if child is not None:  # set to work again
                child.given, child.is_background = event.input, event.background
            case DelegationOpened():
                self._names[event.agent_name] = number = self._names.get(event.agent_name, 0) + 1
                self.threads[event.thread] = ThreadTrace(
                    event.thread,
                    event.agent_name,
                    at,
                    number=number,
                    parent=thread.id,
                    depth=event.depth,
                    definition=event.agent,
                    is_background=event.background,
                    given=event.input,
                    call=event.call,
                    attempt=self._tries.pop(event.call, 0) + 1,
                    # One that the call itself defined has the model of the thread that called.
                    context_window=self.windows.get(event.agent) if event.definition is None else thread.context_window,
                )
                turn = thread.turns
                if (step := self.flow.steps.get(event.call)) is not None:  # what a workflow calls at once
                    self.threads[event.thread].called = step.name if step.name != event.agent_name else ""
                    turn = self.flow.told
                if self.threads[event.thread].attempt == 1:
                    self.batches.setdefault((thread.id, turn), []).append(event.thread)
            case DelegationTriedAgain():
                self._tries[event.call] = event.attempt
                if child is not None:
                    child.ended, child.reason = event.outcome, child.reason or event.reason
            case DelegationDetached() if child is not None:
                child.is_background = True
            case DelegationClosed() if child is not None:
                child.ended, child.reason = event.outcome, child.reason or plain(event.content)
            case _:
                pass

    def _apply_status(
        self,
        thread: ThreadTrace,
        event: ThreadRunning | ThreadRescheduled | ThreadIdle | ThreadTerminated,
        at: datetime,
    ) -> None:
        match event:
            case ThreadRunning():
                if not thread.agent:
                    self._names[event.agent_name] = 1
                thread.run(event.agent_name, at)
            case ThreadRescheduled():
                thread.rest(at, "rescheduling")
                thread.wait("retry", at)
            case ThreadIdle() if event.stop_reason.type == ASKS:
                thread.rest(at, "idle")
                ids = event.stop_reason.event_ids
                is_for_client = bool(ids) and all(id in self.clients.waiting for id in ids)
                thread.wait("client" if is_for_client else "person", at)
                thread.asks = event.stop_reason.event_ids
            case ThreadIdle():
                thread.rest(at, "idle")
                thread.ended = thread.ended or event.stop_reason.type
                if event.stop_details is not None:
                    thread.reason = thread.reason or event.stop_details.explanation or ""
            case ThreadTerminated():
                thread.rest(at, "terminated")
                for asked in [it for it in self._unclosed.values() if it.thread == thread.id]:
                    self._close(asked.call, at)
                thread.ended = thread.ended or "terminated"

    def _wake(self, at: datetime) -> None:
        if self.idle_since is not None:
            self.rests.append(Interval(self.idle_since, at))
        self.status, self.stop_reason, self.paused, self.error, self.idle_since = "running", "", False, "", None

    def _take_over(self, event: DrivingStarted, at: datetime) -> None:
        last = self.last_at or at
        took_shells = any(thread.shell == "live" for thread in self.threads.values())
        if self._before == "nobody":
            self.rests.append(Interval(last, at))
        else:
            self.takeovers.append(Takeover(Interval(last, at), event.epoch, self._before, took_shells))
        self._before = "crash"
        for thread in self.threads.values():
            thread.taken_over(last, at)

    def _take_answer(self, event: UserToolConfirmation, at: datetime) -> None:
        asked = self.asking.pop(event.tool_use_id, None)
        if asked is not None:
            asked.answer, asked.reason, asked.answered_at = event.result, event.deny_message or "", at

    def _close(self, call: str, at: datetime) -> None:
        """The call no longer asks: it runs, or it has its result."""
        self.asking.pop(call, None)
        asked = self._unclosed.pop(call, None)
        if asked is not None and not asked.answer:
            asked.answer, asked.answered_at = "closed", at


def trace(records: Iterable[Record]) -> Trace:
    """What these records say; they begin at the log's first."""
    made = Trace()
    for record in records:
        made.apply(record)
    return made


def _apply_model(thread: ThreadTrace, event: _ModelEvent, at: datetime) -> None:
    match event:
        case ModelRequestEnd():
            effect = thread.model_call(event.model_request_start_id, at)
            thread.usage += event.model_usage
            effect.usage = event.model_usage
            if not event.is_error:
                thread.context_tokens = event.model_usage.total_tokens
            if effect.cost.unknown:
                thread.unpriced.add(effect.id)
            # A call that failed has said why before; one that was cut short has not.
            bad: Outcome = "error" if effect.reason else "interrupted"
            thread.end(effect.id, at, bad if event.is_error else "ok")
        case AttemptFailed():
            effect = thread.model_call(event.span, at)
            effect.reason, effect.kind, effect.retry_at = event.reason + event.place, event.kind, event.retry_at
            effect.attempt = max(effect.attempt, event.attempt)
        case ModelCalled():
            thread.model_call(event.span, at).purpose = event.purpose
        case BudgetReserved():
            thread.model_call(event.span, at).model = event.model
        case BudgetSettled():
            effect = thread.model_call(event.span, at)
            effect.usd, effect.is_estimate = event.usd, event.is_estimate
            thread.usd += event.usd
            thread.estimated += event.is_estimate
            thread.unpriced.discard(event.span)


def _answer(thread: ThreadTrace, event: AgentToolResult, at: datetime) -> None:
    said: Outcome = "error" if event.is_error else "ok"
    if event.is_error and plain(event.content) == INTERRUPTED_TOOL:
        said = "interrupted"
    elif event.is_error and plain(event.content).startswith(CUT_TOOL):
        said = "unknown"
    if event.tool_use_id in thread.open:
        thread.end(event.tool_use_id, at, said)
        return
    effect = thread.latest.get(event.tool_use_id)
    if effect is not None and effect.outcome == "lost":  # what the new driver answers was lost with the old one
        effect.outcome = "unknown" if said == "error" else said
