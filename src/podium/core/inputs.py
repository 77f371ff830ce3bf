"""What anybody may ask of a session; `podium.core.admission` says whether it is accepted, and what it writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from podium.core.content import Content
from podium.core.definitions import Definition
from podium.core.json import JSON


@dataclass(frozen=True, kw_only=True)
class SendMessage:
    """A person's message to the primary thread."""

    content: Content
    waits: bool = True  # queued, where the primary waits for the client; else refused


@dataclass(frozen=True, kw_only=True)
class Instruct:
    """The operator's instructions for the primary agent: its model is sent them with its next call."""

    content: Content


@dataclass(frozen=True, kw_only=True)
class Interrupt:
    """Stop all threads at once, or one; with `pause`, no worker takes the session up again on its own."""

    thread: str | None = None
    pause: bool = False


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Let a paused session go on."""


@dataclass(frozen=True, kw_only=True)
class Confirm:
    """A person's answer to a call that asks.

    Shape: `input_hash` is of the input the person saw, `thread` the one whose call it is; None checks nothing.
    """

    call: str
    allow: bool
    reason: str = ""
    input_hash: str | None = None
    thread: str | None = None


@dataclass(frozen=True, kw_only=True)
class GiveResult:
    """The client's result of a call of one of its own tools. Shape: `thread` as in `Confirm`."""

    call: str
    content: Content
    is_error: bool = False
    thread: str | None = None


@dataclass(frozen=True, kw_only=True)
class Update:
    """Change what is said of a session; None leaves it.

    Shape: `metadata` are pairs to set; one that is None is deleted. `budget` above what is spent sets going what
    it had stopped; `has_budget` False takes it away for good. `definition` is the primary's new one, and `snapshot` it
    as the API shows it: only while the session is idle.
    """

    title: str | None = None
    metadata: Mapping[str, str | None] | None = None
    budget: Decimal | None = None
    has_budget: bool = True
    definition: Definition | None = None
    snapshot: Mapping[str, JSON] | None = None


@dataclass(frozen=True, kw_only=True)
class Archive:
    """End the session, or one thread of it, for good. Only what is idle can be archived."""

    thread: str | None = None


@dataclass(frozen=True, kw_only=True)
class Delete:
    """Take the session out of sight with all it has. Only what is idle or archived can be deleted."""


InputRequest = SendMessage | Instruct | Interrupt | Resume | Confirm | GiveResult | Update | Archive | Delete
