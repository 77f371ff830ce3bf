"""The events of a session on a server, told again as the records that a trace and the views are made of.

The wire shows what happens, not what Podium keeps beside it in a log. What a trace reads from private facts is put in
from what stands around it: a call starts when its model's reply is over or when it was allowed, a child's work is
closed when it goes idle, and what calls cost is told when its thread rests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import msgspec

from podium.cli.lines import OF_MODEL
from podium.core.content import Content, plain, text
from podium.core.events import (
    AgentMessage,
    AgentToolResult,
    AgentToolUse,
    ModelRequestEnd,
    ModelRequestStart,
    SessionError,
    ThreadIdle,
    ThreadRunning,
    ThreadTerminated,
    UserInterrupt,
    UserToolConfirmation,
)
from podium.core.facts import (
    AttemptFailed,
    BudgetSettled,
    DelegationClosed,
    DelegationOpened,
    ModelReplied,
    Outcome,
    SessionCreated,
    SessionSettings,
    ToolStarted,
)
from podium.core.json import JSON
from podium.core.records import OWN, PRIVATE, Event, KnownEvent, Record, decode, encode
from podium.core.rows import ZERO

_OUTCOMES: Mapping[str, Outcome] = {"budget_reached": "limit", "retries_exhausted": "failed", "refusal": "failed"}
_COPIED = ("agent.tool_use", "agent.mcp_tool_use", "agent.custom_tool_use", "user.tool_confirmation")
_STATUS = "session.thread_status_"


@dataclass(slots=True)
class _Thread:
    """What is known of a thread while its events come."""

    id: str
    parent: str | None
    depth: int
    replied: list[str] = field(default_factory=list)  # calls of the reply under way, which start when it is over
    started: set[str] = field(default_factory=set)
    cut: str = ""  # the model call that failed last, as long as nobody said why
    spans: list[str] = field(default_factory=list)  # model calls whose cost is not told yet
    usd: Decimal = ZERO  # what was told of its cost so far
    works: bool = False
    interrupted: bool = False


class Retelling:
    """A session's events, one after the other, as records. It waits for nothing and knows no client.

    Shape: `primary` is the id of the session's primary thread; `said` is what that said last, its result at the end.
    """

    def __init__(self, session: str, primary: str) -> None:
        self.session = session
        self.primary = primary
        self.said: Content = ()
        self._is_new_reply = True
        self._threads = {primary: _Thread(primary, None, 0)}
        self._reasons: list[str] = []  # of failed model calls, told before their threads' streams showed the failure
        self._seq = 0
        self._at: datetime | None = None

    def opening(self, title: str, agent: str, at: datetime) -> list[Record]:
        """The session's first record. Shape: `agent` is the id of its primary agent."""
        self._at = at
        self._seq += 1
        created = SessionCreated(agent=agent, title=title, settings=SessionSettings())
        return [self._fact(self.primary, created)]

    def opened(self, thread: str, parent: str, agent_name: str, agent: str) -> list[Record]:
        """The record of a child's opening; its own events may follow."""
        above = self._threads[parent]
        self._threads[thread] = _Thread(thread, parent, above.depth + 1)
        self._seq += 1
        fact = DelegationOpened(
            call="", thread=thread, agent=agent, agent_name=agent_name, depth=above.depth + 1, input={}
        )
        return [self._fact(parent, fact)]

    def settled(self, id: str, usd: Decimal) -> list[Record]:
        """The records of what a thread has cost so far: the last of its calls since it was told last bears it all."""
        thread = self._threads[id]
        if not thread.spans:
            return []
        *others, last = thread.spans
        costs = [BudgetSettled(span=span, usd=ZERO) for span in others]
        costs.append(BudgetSettled(span=last, usd=usd - thread.usd))
        thread.spans, thread.usd = [], usd
        return [self._fact(id, cost) for cost in costs]

    def take(self, thread: str, sent: dict[str, JSON]) -> list[Record]:
        """The records of an event in this thread's stream; none for a copy of what the child's own stream shows."""
        about = sent.get("session_thread_id", thread)
        kind = str(sent.get("type"))
        if thread not in self._threads or (about != thread and (kind.startswith(_STATUS) or kind in _COPIED)):
            return []
        body = encode(sent)
        event = decode(body)
        self._seq += 1
        self._at = getattr(event, "processed_at", None) or self._at
        assert self._at is not None
        record = Record(self.session, self._seq, thread, OWN, self._at, body, event)
        before, after = self._around(self._threads[thread], event)
        return [*(self._fact(it, fact) for it, fact in before), record, *(self._fact(it, fact) for it, fact in after)]

    def _around(self, thread: _Thread, event: Event) -> tuple[list["_Fact"], list["_Fact"]]:
        """The facts that a log would hold just before and just behind the event."""
        match event:
            case AgentMessage() if thread.id == self.primary:
                self._say(event.content)
            case ModelRequestStart():
                thread.spans.append(event.id)
                thread.replied, thread.cut = [], ""
                self._is_new_reply = self._is_new_reply or thread.id == self.primary
            case AgentToolUse() if event.evaluated_permission == "allow":
                thread.replied.append(event.id)
            case ModelRequestEnd() if event.is_error:
                thread.cut = event.model_request_start_id
                return [], self._explained()
            case ModelRequestEnd():
                self._is_new_reply = self._is_new_reply or thread.id == self.primary
                calls, thread.replied = thread.replied, []
                return [(thread.id, ModelReplied(parts=(), stop_reason=""))], self._begun(thread, calls)
            case AgentToolResult() if event.tool_use_id in thread.replied:
                thread.replied.remove(event.tool_use_id)
                return self._begun(thread, [event.tool_use_id]), []
            case UserToolConfirmation() if event.processed_at is not None and event.result == "allow":
                return [], self._begun(thread, [event.tool_use_id])
            case UserInterrupt() if event.processed_at is not None:
                self._interrupted(thread.id, event.session_thread_id)
            case SessionError() if event.error.retry_status.type == "retrying" and event.error.type.startswith(
                OF_MODEL
            ):
                self._reasons.append(event.error.message)
                return [], self._explained()
            case ThreadRunning():
                thread.works, thread.interrupted = True, thread.interrupted and thread.works
            case ThreadIdle() | ThreadTerminated():
                return self._rested(thread, event), []
            case _:
                pass
        return [], []

    def _say(self, content: Content) -> None:
        joined = content if self._is_new_reply else (*self.said, *content)
        self.said, self._is_new_reply = joined, False

    def _begun(self, thread: _Thread, calls: list[str]) -> list["_Fact"]:
        fresh = [call for call in calls if call not in thread.started]
        thread.started.update(fresh)
        return [(thread.id, ToolStarted(call=call)) for call in fresh]

    def _explained(self) -> list["_Fact"]:
        """Why the call failed that nobody has explained yet: the session's stream says it, and not of which thread."""
        thread = next((it for it in self._threads.values() if it.cut), None)
        if thread is None or not self._reasons:
            return []
        span, thread.cut = thread.cut, ""
        return [(thread.id, AttemptFailed(span=span, reason=self._reasons.pop(0)))]

    def _interrupted(self, stream: str, named: str | None) -> None:
        if named is None and stream == self.primary:
            for thread in self._threads.values():
                thread.interrupted = thread.works
        elif (child := self._threads.get(named or stream)) is not None:
            child.interrupted = True

    def _rested(self, thread: _Thread, event: ThreadIdle | ThreadTerminated) -> list["_Fact"]:
        """How the work of a child is closed, if this closes it."""
        reason = event.stop_reason.type if isinstance(event, ThreadIdle) else ""
        thread.cut = ""
        if reason == "requires_action" or not thread.works:
            return []
        outcome = "failed" if isinstance(event, ThreadTerminated) else _OUTCOMES.get(reason, "reported")
        if thread.interrupted:
            outcome = "interrupted"
        thread.works = thread.interrupted = False
        if thread.parent is None:
            return []
        why: Content = ()
        if isinstance(event, ThreadIdle) and event.stop_details is not None:
            why = text(event.stop_details.explanation or "")
        return [(thread.parent, DelegationClosed(call="", thread=thread.id, outcome=outcome, content=why))]

    def _fact(self, thread: str, fact: KnownEvent) -> Record:
        """A record that the wire did not show; it shares the number of the one it stands by."""
        assert self._at is not None
        return Record(self.session, self._seq, thread, PRIVATE, self._at, encode(fact), fact)


_Fact = tuple[str, KnownEvent]


def result_of(said: Content, *, is_structured: bool) -> JSON:
    """What a session's result is: the last words as text, or the JSON that they are."""
    words = plain(said) if said else ""
    if is_structured:
        try:
            return msgspec.json.decode(words)
        except msgspec.DecodeError:  # it ended before it had a result: a limit, an interrupt
            pass
    return words
