"""The entries of the session log: an envelope around a public event or a private fact, one tagged union.

Public events are encoded once: the same bytes go to disk and to every stream.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from podium.core.events import (
    AgentCustomToolUse,
    AgentToolResult,
    AgentToolUse,
    PublicEvent,
    SessionUpdated,
    SystemMessage,
    UserCustomToolResult,
    UserInterrupt,
    UserMessage,
    UserToolConfirmation,
)
from podium.core.facts import ArchiveAsked, CallAnswered, DelegationClosed, PrivateFact, ResultSubmitted, StepEnded

OWN = 1  # shown in the stream of the thread that owns it
PRIMARY = 2  # shown in the primary thread's stream, which is the session's
PRIVATE = 0  # shown in none


class Unknown(msgspec.Struct, frozen=True, gc=False):
    """A record of a type or shape this version does not know. It is kept as it is, and folds skip it."""

    id: ClassVar[None] = None
    type: str
    body: bytes


KnownEvent = PublicEvent | PrivateFact
Event = KnownEvent | Unknown


# --- the envelope ------------------------------------------------------------------------------------


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A record before the store has given it its place in the log."""

    thread: str
    views: int
    at: datetime
    event: KnownEvent


class Record(msgspec.Struct, frozen=True, gc=False):
    """An entry of the log.

    Shape: `seq` is dense per session and equals commit order, from 1. `thread` owns it; `views` are the streams that
    show it (OWN | PRIMARY, or PRIVATE). `body` is the event as it was encoded when it was written.
    """

    session: str
    seq: int
    thread: str
    views: int
    at: datetime
    body: bytes
    event: Event

    @property
    def type(self) -> str:
        """The event's type as on the wire, such as "agent.message"."""
        return type_of(self.event)


encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(KnownEvent)


class _Head(msgspec.Struct):
    type: str


_head = msgspec.json.Decoder(_Head)


def decode(body: bytes) -> Event:
    """The event in these bytes. Total: what this version cannot read is `Unknown`, never an error.

    Shape: fields that a later version added are ignored, fields that an earlier one lacked take their defaults.
    """
    try:
        event: Event = _decoder.decode(body)
        return event
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        try:
            return Unknown(_head.decode(body).type, body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return Unknown("", body)


def type_of(event: Event) -> str:
    """The event's type as on the wire."""
    if isinstance(event, Unknown):
        return event.type
    return str(event.__struct_config__.tag)


Input = UserMessage | SystemMessage | UserInterrupt | UserToolConfirmation
INPUTS = (UserMessage, SystemMessage, UserInterrupt, UserToolConfirmation)  # what anybody may queue
RECEIVED = (UserCustomToolResult, SessionUpdated, ArchiveAsked)  # what anybody may write, processed as it comes

# By exact type: this runs for every record that is written.
_ANSWERED: dict[type, Callable[[Any], str]] = {
    AgentToolResult: lambda event: event.tool_use_id,
    CallAnswered: lambda event: event.call,
    DelegationClosed: lambda event: event.call,
    ResultSubmitted: lambda event: event.call,
    StepEnded: lambda event: event.call,
}


def answers(event: Event) -> str | None:
    """The id of the call whose one result this event is, or None."""
    answered = _ANSWERED.get(type(event))
    return None if answered is None else answered(event) or None


def asks(event: Event | None) -> bool:
    """Whether this is a call that waited for a person, or for its client, when it was made."""
    if isinstance(event, AgentToolUse):
        return event.evaluated_permission == "ask"
    return isinstance(event, AgentCustomToolUse)


def is_queued(event: Event) -> bool:
    """Whether this is an input that waits to be taken: the first of its two records, which lists leave out."""
    return isinstance(event, INPUTS) and event.processed_at is None


def received_id(event: Event) -> str | None:
    """The id of an input that was processed as it came, and that the driver must be told of; else None."""
    if not isinstance(event, RECEIVED):
        return None
    return event.input if isinstance(event, ArchiveAsked) else event.id


def listed_id(event: Event) -> str | None:
    """The id under which the event stands in lists, where it is unique; None for facts and waiting inputs."""
    return None if event.id is None or is_queued(event) else event.id
