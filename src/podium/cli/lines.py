"""A session under way as plain lines: one for each thing that happens."""

from datetime import datetime
from typing import TextIO

from podium.analysis.trace import ThreadTrace, Trace
from podium.cli.text import DATA, Place, command, count, one_line, printable, seconds, told_call
from podium.core.content import plain
from podium.core.events import (
    AgentCustomToolUse,
    AgentMessage,
    AgentToolResult,
    AgentToolUse,
    ModelRequestStart,
    SessionDeleted,
    SessionError,
    SessionTerminated,
    SessionUpdated,
    SystemMessage,
    ThreadIdle,
    ThreadRunning,
    UserCustomToolResult,
    UserMessage,
    UserToolConfirmation,
)
from podium.core.facts import (
    AttemptFailed,
    ContextSummarized,
    CorrectionSent,
    DelegationClosed,
    DelegationDetached,
    DelegationOpened,
    DelegationTriedAgain,
    DrivingStarted,
    NoticeSent,
    PhaseBegun,
    ResultSubmitted,
    SessionPaused,
    StepAsked,
    StepEnded,
    StepWithdrawn,
    ToolStarted,
    WorkflowFailed,
    WorkflowOpened,
)
from podium.core.records import Record

ENDED = {
    "end_turn": "is done",
    "reported": "reported",
    "limit": "stopped at a limit",
    "budget_reached": "stopped at a limit",
    "failed": "failed",
    "retries_exhausted": "failed",
    "refusal": "was refused by its model",
    "interrupted": "was interrupted",
    "stopped": "was stopped",
}


OF_MODEL = "model_"  # so begin the types of errors that are told with the call that failed
_PRINTED = ("end_turn", "budget_reached")  # the primary's endings whose result is printed by itself


class Lines:
    """Writes to `out` what each record tells, after the trace has taken it in.

    What the primary says waits until something else happens: if that is its end, its words are the result, which is
    printed by itself.
    """

    def __init__(self, out: TextIO, place: Place = DATA) -> None:
        self._out = out
        self._place = place
        self._waiting: list[str] = []

    async def __aenter__(self) -> "Lines":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._write([])

    def show(self, trace: Trace, record: Record) -> None:
        """Write the record's line, if it has one."""
        since = seconds((record.at - (trace.started_at or record.at)).total_seconds())
        lines = [f"{since:>9}  {'  ' * it.depth}{it.label}: {said}" for it, said in told(trace, record)]
        if record.thread == trace.primary:
            match record.event:
                case AgentMessage():
                    self._waiting += lines
                    return
                case ThreadIdle() if not trace.paused and trace.threads[record.thread].ended in _PRINTED:
                    self._waiting.clear()
                case ModelRequestStart() | ResultSubmitted():  # so what was said before is not the result
                    self._write([])
                case _:
                    pass
        if isinstance(record.event, AgentToolUse) and record.event.id in trace.asking:
            lines = [f"{line}; answer it with: {self._answer(trace, record.event.id)}" for line in lines]
        if lines:
            self._write(lines)

    def _answer(self, trace: Trace, call: str) -> str:
        return command("approve", trace.id, self._place, call)

    def say(self, text: str) -> None:
        """Write a line of our own."""
        self._write([text])

    def _write(self, lines: list[str]) -> None:
        for line in [*self._waiting, *lines]:
            print(printable(line), file=self._out)
        self._waiting.clear()


def _step(trace: Trace, call: str, key: str) -> str:
    step = trace.flow.steps.get(call)
    return one_line(step.name if step is not None else key)


def told(trace: Trace, record: Record) -> list[tuple[ThreadTrace, str]]:
    """What a record tells, in words, and of which thread."""
    thread = trace.threads.get(record.thread)
    if thread is None:
        return []
    match record.event:
        case ThreadRunning() if thread.failed is not None and thread.failed.retry_at is not None:
            return [(thread, f"tries again, attempt {thread.failed.attempt + 1}")]
        case ThreadRunning():
            return [(thread, "goes on" if thread.turns else "starts")]
        case AgentMessage(content=content) if thread.status == "running" and plain(content).strip():
            return [(thread, f"says {one_line(plain(content), 100)}")]
        case AgentToolUse(evaluated_permission="ask"):
            return [(thread, f"asks to run {told_call(record.event.name, record.event.input)}")]
        case UserMessage(processed_at=at) if at is not None and thread.turns:
            return [(thread, f"is told: {one_line(plain(record.event.content))}")]
        case UserToolConfirmation(processed_at=None):
            return _answered(trace, record.event)
        case ToolStarted(attempt=attempt):
            effect = thread.effects[-1]
            again = f", attempt {attempt}" if attempt > 1 else ""
            return [(thread, f"runs {told_call(effect.name, effect.input)}{again}")]
        case AgentToolResult():
            return [(thread, _result(trace, thread, record.event))]
        case AttemptFailed():
            return [(thread, _failed(record.event, record.at))]
        case ContextSummarized(messages=messages):
            return [(thread, f"had {count(messages, 'message')} summarized")]
        case PhaseBegun(name=name):
            return [(thread, f"begins phase {one_line(name)}")]
        case StepAsked(kind="function", name=name):
            return [(thread, f"runs function {one_line(name)}")]
        case StepEnded(outcome="done", key=key):
            return [(thread, f"has the result of function {_step(trace, record.event.call, key)}")]
        case StepEnded(outcome=outcome, key=key, reason=reason):
            return [(thread, f"function {_step(trace, record.event.call, key)}: {outcome}, {one_line(reason)}")]
        case StepWithdrawn(key=key):
            return [(thread, f"needs call {key} no more")]
        case WorkflowOpened(follows=follows) if follows:
            return [(thread, "is resumed at what had failed")]
        case WorkflowFailed(error=error):
            return [(thread, f"fails: {one_line(error)}")]
        case CorrectionSent(text=text) | NoticeSent(text=text):
            return [(thread, f"is told: {one_line(text)}")]
        case DelegationOpened():
            child = trace.threads[record.event.thread]
            again = f" again, attempt {child.attempt}" if child.attempt > 1 else ""
            return [(thread, f"calls {child.label}{again}{' in the background' if child.is_background else ''}")]
        case DelegationDetached(thread=id) if id in trace.threads:
            return [(trace.threads[id], "goes on in the background")]
        case DelegationClosed(thread=id) | DelegationTriedAgain(thread=id) if id in trace.threads:
            return [(trace.threads[id], ending(trace.threads[id], record.at))]
        case AgentCustomToolUse(name=name, input=given):
            return [(thread, f"asks its client to run {told_call(name, given)}")]
        case UserCustomToolResult():
            return _client_answered(trace, record.event)
        case ThreadIdle() if thread.waits_for in ("person", "client"):
            whom = "a person" if thread.waits_for == "person" else "its client"
            return [(thread, f"waits for {whom}")] if thread.parent is None else []
        case ThreadIdle() if thread.parent is None:
            return [(thread, ending(thread, record.at))]
        case DrivingStarted():
            return [(thread, said)] if (said := taken_over(trace, record.event)) else []
        case SystemMessage(processed_at=at) if at is not None:
            return [(thread, f"is instructed: {one_line(plain(record.event.content))}")]
        case SessionError() if not record.event.error.type.startswith(OF_MODEL):
            return [(thread, f"has a problem: {one_line(record.event.error.message)}")]
        case SessionUpdated():
            return [(thread, f"is changed: {', '.join(trace.clients.changes[-1].fields)}")]
        case SessionTerminated() | SessionDeleted():
            return [(thread, f"is {trace.clients.ended}")]
        case SessionPaused():
            return [(thread, "is being stopped")]
        case _:
            return []


def _answered(trace: Trace, event: UserToolConfirmation) -> list[tuple[ThreadTrace, str]]:
    approval = next((it for it in reversed(trace.approvals) if it.call == event.tool_use_id), None)
    if approval is None:
        return []
    why = f": {one_line(event.deny_message)}" if event.deny_message else ""
    said = f"was {'allowed' if event.result == 'allow' else 'refused'} {told_call(approval.name, approval.input)}{why}"
    return [(trace.threads[approval.thread], said)]


def _client_answered(trace: Trace, event: UserCustomToolResult) -> list[tuple[ThreadTrace, str]]:
    call = next((it for it in reversed(trace.clients.calls) if it.call == event.custom_tool_use_id), None)
    if call is None or call.answered_at is None:
        return []
    took = seconds(call.waited(call.answered_at).total_seconds())
    said = f"failed in {took}: {one_line(plain(event.content), 120)}" if event.is_error else f"is done in {took}"
    return [(trace.threads[call.thread], f"{call.name} {said}")]


def _failed(event: AttemptFailed, at: datetime) -> str:
    if event.retry_at is None:
        return f"got no reply: {one_line(event.reason)}"
    wait = seconds(max(0.0, (event.retry_at - at).total_seconds()))
    return f"got no reply: {one_line(event.reason)}; attempt {event.attempt + 1} follows in {wait}"


def _result(trace: Trace, thread: ThreadTrace, event: AgentToolResult) -> str:
    effect = next((it for it in reversed(thread.effects) if it.id == event.tool_use_id), None)
    if effect is None and any(it.call == event.tool_use_id for it in trace.approvals):
        return f"is told: {one_line(plain(event.content), 160)}"
    if effect is None:
        return f"called wrongly: {one_line(plain(event.content), 160)}"
    took = f" in {seconds((effect.end - effect.start).total_seconds())}" if effect.end is not None else ""
    if not event.is_error:
        return f"{effect.name} is done{took}"
    outcome = {"unknown": "has an unknown outcome", "interrupted": "was interrupted"}.get(effect.outcome, "failed")
    return f"{effect.name} {outcome}{took}: {one_line(plain(event.content), 120)}"


def ending(thread: ThreadTrace, at: datetime) -> str:
    """How a thread ended, with its figures."""
    reason = f": {one_line(thread.reason)}" if thread.reason else ""
    return f"{ENDED.get(thread.ended, thread.ended)}{reason} ({figures(thread, at)})"


def figures(thread: ThreadTrace, at: datetime) -> str:
    """A thread's turns, tokens, dollars and working time."""
    worked = sum(interval.length.total_seconds() for interval in thread.worked(at))
    parts = [count(thread.turns, "turn"), count(thread.usage.total_tokens, "token"), thread.cost.told, seconds(worked)]
    return ", ".join(part for part in parts if part)


def taken_over(trace: Trace, event: DrivingStarted) -> str:
    """The takeover by this driver, in words; "" for the first one, which took over from nobody."""
    takeover = next((it for it in reversed(trace.takeovers) if it.epoch == event.epoch), None)
    if takeover is None:
        return ""
    if takeover.after == "rest":
        return "is resumed"
    why = "its process had died" if takeover.after == "crash" else "its process had let go"
    return f"is taken over: {why}, {seconds(takeover.gap.length.total_seconds())} went by"
