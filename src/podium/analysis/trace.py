"""Fold: what a session did when. It needs the records alone, and serves live views and looking back alike.

Shape: a thread works from when it was opened (or woken) until it ends its turn; time in which no process drove the
session counts for nobody. What was under way when a driver died ends, in a trace, with the last record before.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from podium.analysis.intervals import Interval
from podium.core.content import plain
from podium.core.ending import CUT_TOOL, INTERRUPTED_TOOL
from podium.core.events import (
    AgentToolResult,
    AgentToolUse,
    ModelRequestEnd,
    ModelRequestStart,
    SessionError,
    SessionIdle,
    SessionRunning,
    ThreadIdle,
    ThreadRunning,
    ThreadTerminated,
    Usage,
)
from podium.core.facts import (
    AttemptFailed,
    DelegationClosed,
    DelegationOpened,
    DrivingStarted,
    DrivingStopped,
    LimitReached,
    ModelReplied,
    SandboxRestarted,
    SessionCreated,
    SessionPaused,
    ToolStarted,
)
from podium.core.json import JSON
from podium.core.records import Event, Record
from podium.core.session import SHELL_TOOL

Outcome = Literal["open", "ok", "error", "lost", "unknown", "interrupted"]


@dataclass(slots=True)
class Effect:
    """One attempt of a model call or a tool call: something outside that took time.

    Shape: `name` and `input` are a tool's; `id` is the call's, or the model request's. `lost`: the process died under
    it, and it was tried again; `unknown`: the process died under it or a limit cut it short, and the model was told so.
    """

    id: str
    name: str
    start: datetime
    attempt: int = 1
    input: dict[str, JSON] = field(default_factory=dict)
    end: datetime | None = None
    outcome: Outcome = "open"
    reason: str = ""

    @property
    def is_model(self) -> bool:
        """Whether this is a call of the model."""
        return not self.name


@dataclass(slots=True)
class ThreadTrace:
    """One thread.

    Shape: `number` counts the threads of the same agent, from 1. `ended` is how its turn ended, a delegation's outcome
    or the primary's stop reason; "" while it works. `open` are the effects under way; a call to another agent is none.
    `given` is what its parent called it with. `shells_lost` counts those that a take-over did not take.
    """

    id: str
    agent: str
    opened_at: datetime
    number: int = 1
    parent: str | None = None
    depth: int = 0
    status: str = "idle"
    ended: str = ""
    reason: str = ""
    turns: int = 0
    usage: Usage = field(default_factory=Usage)
    shell: Literal["none", "live", "taken"] = "none"  # taken: by a take-over, and there is no new one yet
    shells_lost: int = 0
    given: dict[str, JSON] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    since: datetime | None = None
    stretches: list[Interval] = field(default_factory=list)
    calls: dict[str, AgentToolUse] = field(default_factory=dict)
    open: dict[str, Effect] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The agent's name, with a number from its second thread on."""
        return self.agent if self.number == 1 else f"{self.agent}#{self.number}"

    def worked(self, until: datetime) -> list[Interval]:
        """When it worked, in order."""
        now = [] if self.since is None else [Interval(self.since, max(self.since, until))]
        return [*self.stretches, *now]

    @property
    def retried(self) -> int:
        """Attempts after a first one that failed or was lost."""
        return sum(effect.attempt > 1 for effect in self.effects)

    def count(self, outcome: Outcome) -> int:
        """How many attempts came out so."""
        return sum(effect.outcome == outcome for effect in self.effects)


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
    """What a session's records say. `apply` takes them in the order of the log."""

    def __init__(self) -> None:
        self.id = ""
        self.title = ""
        self.primary = ""
        self.started_at: datetime | None = None
        self.last_at: datetime | None = None
        self.head = 0
        self.status = "idle"
        self.stop_reason = ""
        self.paused = False
        self.error = ""
        self.threads: dict[str, ThreadTrace] = {}
        self.batches: dict[tuple[str, int], list[str]] = {}  # (parent, its turn): the children that reply opened
        self.takeovers: list[Takeover] = []
        self.rests: list[Interval] = []  # the session was idle, until an input woke it
        self._before: Literal["crash", "letting_go", "rest"] = "crash"  # what a driver that came now would come after
        self._idle_since: datetime | None = None
        self._names: dict[str, int] = {}  # how many threads an agent has

    @property
    def usage(self) -> Usage:
        """Tokens of all threads."""
        return sum((thread.usage for thread in self.threads.values()), Usage())

    @property
    def turns(self) -> int:
        """Model replies of all threads."""
        return sum(thread.turns for thread in self.threads.values())

    def apply(self, record: Record) -> None:
        """Take one record in."""
        event, at = record.event, record.at
        if isinstance(event, SessionCreated):
            self.id, self.title, self.primary, self.started_at = record.session, event.title, record.thread, at
            self.threads[record.thread] = ThreadTrace(record.thread, "", at)
        elif isinstance(event, DrivingStarted):
            self._take_over(event, at)
        elif (thread := self.threads.get(record.thread)) is not None:
            self._apply_to(thread, event, at)
        self.last_at, self.head = at, record.seq

    def _apply_to(self, thread: ThreadTrace, event: Event, at: datetime) -> None:
        match event:
            case ModelRequestStart():
                _begin(thread, Effect(event.id, "", at, attempt=_attempts_in_vain(thread) + 1))
            case ModelRequestEnd():
                thread.usage += event.model_usage
                effect = thread.open.get(event.model_request_start_id)
                # A call that failed has said why before; one that was cut short has not.
                bad: Outcome = "error" if effect is not None and effect.reason else "interrupted"
                _end(thread, event.model_request_start_id, at, bad if event.is_error else "ok")
            case AttemptFailed():
                failed = next((effect for effect in reversed(thread.effects) if effect.id == event.span), None)
                if failed is not None:
                    failed.reason = event.reason
            case ModelReplied():
                thread.turns += 1
            case AgentToolUse():
                thread.calls[event.id] = event
            case ToolStarted():
                call = thread.calls.get(event.call)
                name, given = (call.name, call.input) if call is not None else ("?", {})
                _begin(thread, Effect(event.call, name, at, attempt=event.attempt, input=given))
                if name == SHELL_TOOL and thread.shell == "none":
                    thread.shell = "live"
            case AgentToolResult():
                self._answer(thread, event, at)
            case SandboxRestarted():
                thread.shells_lost += thread.shell != "taken"
                thread.shell = "live"
            case DelegationOpened():
                self._names[event.agent_name] = number = self._names.get(event.agent_name, 0) + 1
                child = ThreadTrace(event.thread, event.agent_name, at, number=number, given=event.input)
                child.parent, child.depth = thread.id, event.depth
                self.threads[child.id] = child
                self.batches.setdefault((thread.id, thread.turns), []).append(event.thread)
            case DelegationClosed():
                if (closed := self.threads.get(event.thread)) is not None:
                    closed.ended, closed.reason = event.outcome, closed.reason or plain(event.content)
            case LimitReached():
                thread.reason = str(event.met)
            case ThreadRunning():
                if not thread.agent:
                    self._names[event.agent_name] = 1
                thread.agent, thread.status, thread.ended, thread.since = event.agent_name, "running", "", at
            case ThreadIdle():
                _rest(thread, at, "idle")
                thread.ended = thread.ended or event.stop_reason.type
            case ThreadTerminated():
                _rest(thread, at, "terminated")
                thread.ended = thread.ended or "terminated"
            case SessionRunning():
                self._wake(at)
            case SessionIdle():
                self.status, self.stop_reason = "idle", event.stop_reason.type
                self._before, self._idle_since = "rest", at
            case SessionError():
                self.error = thread.reason = event.error.message
            case SessionPaused():
                self.paused = True
            case DrivingStopped():
                self._before = "letting_go"
            case _:
                pass

    def _wake(self, at: datetime) -> None:
        if self._idle_since is not None:
            self.rests.append(Interval(self._idle_since, at))
        self.status, self.stop_reason, self.paused, self.error, self._idle_since = "running", "", False, "", None

    def _take_over(self, event: DrivingStarted, at: datetime) -> None:
        last = self.last_at or at
        took_shells = any(thread.shell == "live" for thread in self.threads.values())
        self.takeovers.append(Takeover(Interval(last, at), event.epoch, self._before, took_shells))
        self._before = "crash"
        for thread in self.threads.values():
            if thread.shell == "live":
                thread.shell = "taken"
            if thread.since is not None:
                thread.stretches.append(Interval(thread.since, last))
                thread.since = at
            for effect in list(thread.open.values()):
                _end(thread, effect.id, last, "lost")

    def _answer(self, thread: ThreadTrace, event: AgentToolResult, at: datetime) -> None:
        said: Outcome = "error" if event.is_error else "ok"
        if event.is_error and plain(event.content) == INTERRUPTED_TOOL:
            said = "interrupted"
        elif event.is_error and plain(event.content).startswith(CUT_TOOL):
            said = "unknown"
        if event.tool_use_id in thread.open:
            _end(thread, event.tool_use_id, at, said)
            return
        for effect in thread.effects:  # what the new driver answers was lost with the old one
            if effect.id == event.tool_use_id and effect.outcome == "lost":
                effect.outcome = "unknown" if said == "error" else said


def trace(records: Iterable[Record]) -> Trace:
    """What these records say; they begin at the log's first."""
    made = Trace()
    for record in records:
        made.apply(record)
    return made


def _begin(thread: ThreadTrace, effect: Effect) -> None:
    thread.effects.append(effect)
    thread.open[effect.id] = effect


def _end(thread: ThreadTrace, id: str, at: datetime, outcome: Outcome) -> None:
    effect = thread.open.pop(id, None)
    if effect is not None:
        effect.end, effect.outcome = at, outcome


def _attempts_in_vain(thread: ThreadTrace) -> int:
    """How many calls of the model in a row have just given no reply."""
    vain = 0
    for effect in reversed(thread.effects):
        if not effect.is_model or effect.outcome == "ok":
            break
        vain += 1
    return vain


def _rest(thread: ThreadTrace, at: datetime, status: str) -> None:
    if thread.since is not None:
        thread.stretches.append(Interval(thread.since, at))
    thread.since, thread.status = None, status
