"""What a session's clients had to do with it: calls of their own tools, changes, and its end."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from podium.core.events import (
    AgentCustomToolUse,
    AgentToolResult,
    SessionDeleted,
    SessionTerminated,
    SessionUpdated,
    ThreadTerminated,
    UserCustomToolResult,
)
from podium.core.json import JSON
from podium.core.records import Event

_CHANGEABLE = ("agent", "budget", "metadata", "title")


@dataclass(slots=True)
class ClientCall:
    """A call of one of the client's own tools, which the client runs.

    Shape: `outcome` is "" until there is a result, and "closed" if the call ended without one.
    """

    call: str
    thread: str
    name: str
    input: dict[str, JSON]
    since: datetime
    outcome: Literal["", "ok", "error", "closed"] = ""
    answered_at: datetime | None = None

    def waited(self, until: datetime) -> timedelta:
        """How long it has waited for its result."""
        return max(self.answered_at or until, self.since) - self.since


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody changed the session. Shape: `fields` are those that are something else since."""

    at: datetime
    fields: tuple[str, ...]


@dataclass(slots=True)
class Clients:
    """A fold of what clients did.

    Shape: `calls` are all of their tools' calls, `waiting` those without a result, by id, the longest waiting first.
    """

    calls: list[ClientCall] = field(default_factory=list)
    waiting: dict[str, ClientCall] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    ended: Literal["", "archived", "deleted"] = ""

    def apply(self, thread: str, event: Event, at: datetime) -> None:
        """Take a record of this thread in."""
        match event:
            case AgentCustomToolUse():
                call = ClientCall(event.id, thread, event.name, event.input, at)
                self.calls.append(call)
                self.waiting[event.id] = call
            case UserCustomToolResult():
                self._close(event.custom_tool_use_id, "error" if event.is_error else "ok", at)
            case AgentToolResult():  # it was interrupted, or its thread met a limit
                self._close(event.tool_use_id, "closed", at)
            case ThreadTerminated():
                for open_call in [it for it in self.waiting.values() if it.thread == thread]:
                    self._close(open_call.call, "closed", at)
            case SessionUpdated():
                changed = tuple(name for name in _CHANGEABLE if getattr(event, name) is not msgspec.UNSET)
                self.changes.append(Change(at, changed))
            case SessionTerminated():
                self.ended = "archived"
            case SessionDeleted():
                self.ended = "deleted"
            case _:
                pass

    def _close(self, id: str, outcome: Literal["ok", "error", "closed"], at: datetime) -> None:
        call = self.waiting.pop(id, None)
        if call is not None:
            call.outcome, call.answered_at = outcome, at
