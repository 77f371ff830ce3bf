"""The stamp on new records: one instant, and fresh ids."""

from collections.abc import Callable
from datetime import datetime

import msgspec

from podium.core.content import Content, text
from podium.core.events import (
    AgentToolResult,
    BudgetLimit,
    ModelRequestEnd,
    PublicEvent,
    SessionIdle,
    SessionUsage,
    StopDetails,
    StopReason,
    ThreadIdle,
    ThreadRunning,
    ThreadTerminated,
    Usage,
    UsageSnapshot,
)
from podium.core.facts import CallAnswered, PrivateFact
from podium.core.records import OWN, PRIMARY, PRIVATE, Draft, Input

NONE = Usage()


class Moment:
    """An instant at which records are made. Time and ids come from outside, so that what uses them stays pure."""

    __slots__ = ("_new_id", "drafts", "folded", "now", "starts")

    def __init__(self, now: datetime, new_id: Callable[[str], str]) -> None:
        self.now = now
        self._new_id = new_id
        self.drafts: list[Draft] = []
        self.starts = False  # whether a draft sets a thread going, or tells one something that it may wait for
        self.folded = 0  # how many of the drafts a fold has taken in

    def take(self) -> list[Draft]:
        """The drafts, to be appended; the moment starts anew."""
        drafts, self.drafts, self.folded = self.drafts, [], 0
        return drafts

    def event_id(self) -> str:
        """A fresh event id."""
        return self._new_id("sevt")

    def thread_id(self) -> str:
        """A fresh thread id."""
        return self._new_id("sthr")

    def run_id(self) -> str:
        """A fresh id of a workflow run."""
        return self._new_id("wrun")

    def phase_id(self) -> str:
        """A fresh id of a phase of a workflow run."""
        return self._new_id("wrph")

    def own(self, thread: str, event: PublicEvent) -> None:
        """Record a public event in its thread's own stream."""
        self.drafts.append(Draft(thread, OWN, self.now, event))

    def cross(self, thread: str, primary: str, event: PublicEvent) -> None:
        """Record a public event in its thread's own stream and in the session's."""
        self.drafts.append(Draft(thread, OWN if thread == primary else OWN | PRIMARY, self.now, event))

    def on_primary(self, thread: str, event: PublicEvent) -> None:
        """Record a public event of a thread in the session's stream alone."""
        self.drafts.append(Draft(thread, PRIMARY, self.now, event))

    def private(self, thread: str, fact: PrivateFact) -> None:
        """Record a fact that no stream shows."""
        self.drafts.append(Draft(thread, PRIVATE, self.now, fact))

    def model_ended(self, thread: str, span: str, usage: Usage = NONE, *, is_error: bool) -> None:
        """Record that a model call is over."""
        ended = ModelRequestEnd(
            id=self.event_id(), processed_at=self.now, model_request_start_id=span, is_error=is_error, model_usage=usage
        )
        self.own(thread, ended)

    def tool_result(self, thread: str, call: str, content: Content, *, is_error: bool) -> None:
        """Record the result of a tool call."""
        result = AgentToolResult(
            id=self.event_id(), processed_at=self.now, tool_use_id=call, content=content, is_error=is_error
        )
        self.own(thread, result)

    def answer(self, thread: str, call: str, said: str, *, is_error: bool = False) -> None:
        """Record the harness's own answer to a call."""
        self.private(thread, CallAnswered(call=call, content=text(said), is_error=is_error))

    def taken(self, thread: str, primary: str, event: Input) -> None:
        """Record that a queued input is taken: its second record, which lists show."""
        self.cross(thread, primary, msgspec.structs.replace(event, processed_at=self.now))

    def session_idle(
        self,
        primary: str,
        used: UsageSnapshot,
        budget: BudgetLimit | None,
        reason: StopReason,
        details: StopDetails | None = None,
    ) -> None:
        """Record what the session has used up, and right behind it that it is idle."""
        self.own(primary, SessionUsage(id=self.event_id(), processed_at=self.now, usage=used, budget=budget))
        idle = SessionIdle(id=self.event_id(), processed_at=self.now, stop_reason=reason, stop_details=details)
        self.own(primary, idle)

    def thread_idle(
        self, thread: str, primary: str, agent_name: str, reason: StopReason, details: StopDetails | None = None
    ) -> None:
        """Record that a thread is idle."""
        idle = ThreadIdle(
            id=self.event_id(),
            processed_at=self.now,
            session_thread_id=thread,
            agent_name=agent_name,
            stop_reason=reason,
            stop_details=details,
        )
        self.cross(thread, primary, idle)

    def thread_terminated(self, thread: str, primary: str, agent_name: str) -> None:
        """Record that a thread is over for good."""
        terminated = ThreadTerminated(
            id=self.event_id(), processed_at=self.now, session_thread_id=thread, agent_name=agent_name
        )
        self.cross(thread, primary, terminated)

    def thread_running(self, thread: str, primary: str, agent_name: str) -> None:
        """Record that a thread works from here on."""
        running = ThreadRunning(
            id=self.event_id(), processed_at=self.now, session_thread_id=thread, agent_name=agent_name
        )
        self.starts = True
        self.cross(thread, primary, running)
