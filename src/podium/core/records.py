"""Every entry of the session log: public wire events and private facts, one tagged union.

Shape: a record is an envelope (session, seq, thread, at, views) around one event. Public events are exactly what the
Managed Agents API sends, encoded once: the same bytes go to disk and to every stream. Private facts are named
`noun.past` and never leave by that API.

Source: event kinds and fields, the Managed Agents API (sections C.1 to C.5 of its contract).
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Literal

import msgspec

from podium.core.content import Content
from podium.core.json import JSON

OWN = 1  # shown in the stream of the thread that owns it
PRIMARY = 2  # shown in the primary thread's stream, which is the session's
PRIVATE = 0  # shown in none


# --- values inside events ----------------------------------------------------------------------


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of model calls; sums of usages are usages."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_creation_input_tokens + other.cache_creation_input_tokens,
            self.cache_read_input_tokens + other.cache_read_input_tokens,
        )

    @property
    def total_tokens(self) -> int:
        """Everything that was read or written, cached or not."""
        return self.input_tokens + self.output_tokens + self.cache_creation_input_tokens + self.cache_read_input_tokens


class StopReason(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Why a thread or a session went idle."""

    type: Literal["end_turn", "requires_action", "retries_exhausted", "budget_reached", "refusal"]
    event_ids: tuple[str, ...] = ()


class RetryStatus(msgspec.Struct, frozen=True, gc=False):
    """Whether the server goes on trying after an error."""

    type: Literal["retrying", "exhausted", "terminal"]


class ErrorDetail(msgspec.Struct, frozen=True, gc=False):
    """What went wrong, for people and programs."""

    type: str
    message: str
    retry_status: RetryStatus


class AlwaysAllow(msgspec.Struct, frozen=True, gc=False, tag="always_allow"):
    """The policy that let a call through."""


class TextRef(msgspec.Struct, frozen=True, gc=False, tag="message"):
    """A text of a reply, stored in the agent.message with this id."""

    event: str


class CallRef(msgspec.Struct, frozen=True, gc=False, tag="call"):
    """A call of a reply, stored in the agent.tool_use with this id."""

    event: str


class HarnessCall(msgspec.Struct, frozen=True, gc=False, tag="harness"):
    """A call of a reply that the engine answers itself (a delegation, submit_result): no agent.tool_use shows it."""

    id: str
    name: str
    input: dict[str, JSON]


ReplyPart = TextRef | CallRef | HarnessCall


class LimitMet(msgspec.Struct, frozen=True, gc=False):
    """A limit that was reached: which one, whose, and how far it went.

    Units: turns, seconds of working time, tokens.
    """

    kind: Literal["turns", "seconds", "tokens"]
    of: Literal["agent", "session"]
    limit: float
    used: float

    def __str__(self) -> str:
        return f"{self.of} limit reached: {self.used:g} of {self.limit:g} {self.kind}"


class SessionSettings(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a session was started with, beside its agents.

    Shape: `workdir` "" for a fresh folder in the data folder; mounts are {path, at, read_only}.
    """

    workdir: str = ""
    mounts: tuple[dict[str, JSON], ...] = ()
    turns: int | None = None
    seconds: float | None = None
    tokens: int | None = None
    depth: int = 2
    live_threads: int | None = None
    session_calls: int | None = None
    model_calls: dict[str, int] = {}
    provider_calls: dict[str, int] = {}


# --- public events -------------------------------------------------------------------------------


class Public(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="type"):
    """A wire event. `processed_at` is None only for an input that waits to be taken."""

    id: str
    processed_at: datetime | None


class UserMessage(Public, frozen=True, kw_only=True, tag="user.message"):
    content: Content


class UserInterrupt(Public, frozen=True, kw_only=True, tag="user.interrupt"):
    pass


class AgentMessage(Public, frozen=True, kw_only=True, tag="agent.message"):
    content: Content


class AgentToolUse(Public, frozen=True, kw_only=True, tag="agent.tool_use"):
    name: str
    input: dict[str, JSON]
    evaluated_permission: Literal["allow", "ask", "deny"] = "allow"
    evaluation: AlwaysAllow = AlwaysAllow()


class AgentToolResult(Public, frozen=True, kw_only=True, tag="agent.tool_result"):
    tool_use_id: str
    content: Content
    is_error: bool = False


class MessageSent(Public, frozen=True, kw_only=True, tag="agent.thread_message_sent"):
    to_session_thread_id: str
    to_agent_name: str
    content: Content


class MessageReceived(Public, frozen=True, kw_only=True, tag="agent.thread_message_received"):
    from_session_thread_id: str
    from_agent_name: str
    content: Content


class SessionRunning(Public, frozen=True, kw_only=True, tag="session.status_running"):
    pass


class SessionIdle(Public, frozen=True, kw_only=True, tag="session.status_idle"):
    stop_reason: StopReason


class SessionError(Public, frozen=True, kw_only=True, tag="session.error"):
    error: ErrorDetail


class SessionUsage(Public, frozen=True, kw_only=True, tag="session.usage"):
    usage: Usage


class ThreadCreated(Public, frozen=True, kw_only=True, tag="session.thread_created"):
    session_thread_id: str
    agent_name: str


class ThreadRunning(Public, frozen=True, kw_only=True, tag="session.thread_status_running"):
    session_thread_id: str
    agent_name: str


class ThreadIdle(Public, frozen=True, kw_only=True, tag="session.thread_status_idle"):
    session_thread_id: str
    agent_name: str
    stop_reason: StopReason


class ThreadTerminated(Public, frozen=True, kw_only=True, tag="session.thread_status_terminated"):
    session_thread_id: str
    agent_name: str


class ModelRequestStart(Public, frozen=True, kw_only=True, tag="span.model_request_start"):
    pass


class ModelRequestEnd(Public, frozen=True, kw_only=True, tag="span.model_request_end"):
    model_request_start_id: str
    is_error: bool
    model_usage: Usage


# --- private facts ---------------------------------------------------------------------------------


class Private(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="type"):
    """A fact of ours, in no stream."""

    id: ClassVar[None] = None


class SessionCreated(Private, frozen=True, kw_only=True, tag="session.created"):
    """The session exists: who is its primary agent, with what settings, and which program must resume it.

    Shape: `needs` as in `SessionRow.needs`; `program` the file of the program that started it, or "".
    """

    agent: str
    title: str
    settings: SessionSettings
    needs: tuple[str, ...] = ()
    program: str = ""


class SandboxTested(Private, frozen=True, kw_only=True, tag="sandbox.tested"):
    """What the sandbox's self-test found when a driver got this session: each promise, and whether it holds."""

    backend: str
    promises: dict[str, bool]


class DrivingStarted(Private, frozen=True, kw_only=True, tag="driving.started"):
    """A driver took over. What was under way before is lost; its time does not count as working time."""

    epoch: int


class DrivingStopped(Private, frozen=True, kw_only=True, tag="driving.stopped"):
    """The driver let go in good order, before the session was idle."""


class SessionPaused(Private, frozen=True, kw_only=True, tag="session.paused"):
    """A person stopped it: no worker takes it up on its own until it is resumed."""


class SessionResumed(Private, frozen=True, kw_only=True, tag="session.resumed"):
    """A paused session goes on: the primary's model is called with what was closed as interrupted."""


class ModelReplied(Private, frozen=True, kw_only=True, tag="model.replied"):
    """A reply was accepted: its parts in order, which the public events do not keep."""

    parts: tuple[ReplyPart, ...]
    stop_reason: str


class AttemptFailed(Private, frozen=True, kw_only=True, tag="attempt.failed"):
    """A model call gave no reply, and why."""

    span: str
    reason: str


class ToolStarted(Private, frozen=True, kw_only=True, tag="tool.started"):
    """The call's effect may happen from here on. `attempt` counts from 1."""

    call: str
    attempt: int = 1


class CallAnswered(Private, frozen=True, kw_only=True, tag="call.answered"):
    """The engine's answer to a harness call that opened nothing."""

    call: str
    content: Content
    is_error: bool = False


class FilesSeen(Private, frozen=True, kw_only=True, tag="files.seen"):
    """Files this thread has read or written, with the SHA-256 of what it saw there."""

    seen: dict[str, str]


class SandboxRestarted(Private, frozen=True, kw_only=True, tag="sandbox.restarted"):
    """The thread got a new shell after an earlier one: cwd, variables and jobs were lost."""

    call: str


class DelegationOpened(Private, frozen=True, kw_only=True, tag="delegation.opened"):
    """A call of this thread opened a child thread. Shape: `agent` a definition's hash, `input` what the model gave."""

    call: str
    thread: str
    agent: str
    agent_name: str
    depth: int
    input: dict[str, JSON]


class DelegationClosed(Private, frozen=True, kw_only=True, tag="delegation.closed"):
    """The child's part is over and the parent's call is answered.

    Shape: `message` is the id of the agent.thread_message_received whose content answers the call; without one,
    `content` does.
    """

    call: str
    thread: str
    outcome: Literal["reported", "limit", "failed", "interrupted", "stopped"]
    message: str = ""
    content: Content = ()
    is_error: bool = False


class ResultSubmitted(Private, frozen=True, kw_only=True, tag="result.submitted"):
    """The agent gave its structured output, and it fits the schema."""

    call: str
    output: JSON


class CorrectionSent(Private, frozen=True, kw_only=True, tag="correction.sent"):
    """The model ended its turn without the output it owes, and was told so."""

    text: str


class LimitReached(Private, frozen=True, kw_only=True, tag="limit.reached"):
    """The thread stops here because a limit was met."""

    met: LimitMet


class Unknown(msgspec.Struct, frozen=True, gc=False):
    """A record of a type or shape this version does not know. It is kept as it is, and folds skip it."""

    id: ClassVar[None] = None
    type: str
    body: bytes


PublicEvent = (
    UserMessage
    | UserInterrupt
    | AgentMessage
    | AgentToolUse
    | AgentToolResult
    | MessageSent
    | MessageReceived
    | SessionRunning
    | SessionIdle
    | SessionError
    | SessionUsage
    | ThreadCreated
    | ThreadRunning
    | ThreadIdle
    | ThreadTerminated
    | ModelRequestStart
    | ModelRequestEnd
)
PrivateFact = (
    SessionCreated
    | DrivingStarted
    | DrivingStopped
    | SessionPaused
    | SessionResumed
    | ModelReplied
    | AttemptFailed
    | ToolStarted
    | CallAnswered
    | FilesSeen
    | SandboxRestarted
    | SandboxTested
    | DelegationOpened
    | DelegationClosed
    | ResultSubmitted
    | CorrectionSent
    | LimitReached
)
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


INPUTS = (UserMessage, UserInterrupt)  # what anybody may queue

# By exact type: this runs for every record that is written.
_ANSWERED: dict[type, Callable[[Any], str]] = {
    AgentToolResult: lambda event: event.tool_use_id,
    CallAnswered: lambda event: event.call,
    DelegationClosed: lambda event: event.call,
    ResultSubmitted: lambda event: event.call,
}


def answers(event: Event) -> str | None:
    """The id of the call whose one result this event is, or None."""
    answered = _ANSWERED.get(type(event))
    return None if answered is None else answered(event)


def is_queued(event: Event) -> bool:
    """Whether this is an input that waits to be taken: the first of its two records, which lists leave out."""
    return isinstance(event, INPUTS) and event.processed_at is None


def listed_id(event: Event) -> str | None:
    """The id under which the event stands in lists, where it is unique; None for facts and waiting inputs."""
    return None if event.id is None or is_queued(event) else event.id
