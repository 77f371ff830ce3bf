"""The ports: what the engine asks of the world. Adapters implement them; `app.py` joins them.

Each Protocol's docstring is its contract.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from podium.core.content import Content, Message, ReplyBlock
from podium.core.definitions import Definition
from podium.core.events import PublicEvent, StopDetails, Usage
from podium.core.facts import Purpose
from podium.core.inputs import InputRequest
from podium.core.json import JSON
from podium.core.lists import EventsWanted, ListedSession, SessionsWanted
from podium.core.records import Draft, Record
from podium.core.rows import About, CallRow, Changes, InputRow, Owner, SessionRow, ThreadRow
from podium.errors import BadInput

# --- tools and sandboxes ---------------------------------------------------------------------


@dataclass(frozen=True)
class Mount:
    """A folder of the host, shown to every thread of a session at `at`.

    Shape: `path` an existing folder of the host; `at` an absolute path inside, such as "/source".
    """

    path: Path
    at: str = field(kw_only=True)
    read_only: bool = field(kw_only=True, default=True)

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "path", Path(self.path))
        except TypeError:
            raise BadInput(f"Mount takes the path of a folder, not {self.path!r:.80}") from None
        if not isinstance(self.at, str):
            raise BadInput(f"Mount(at=...) is a path inside the sandbox, such as '/source', not {self.at!r:.80}")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one thread's tools live: the shared workdir, its own home and tmp, and the mounts.

    Shape: all paths are absolute folders of the host that exist, symbolic links resolved. Inside they are /workspace,
    /home/agent, /tmp and each mount's `at`. `data` is the data folder, which must never show inside.
    """

    workdir: Path
    home: Path
    tmp: Path
    data: Path
    mounts: tuple[Mount, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command in a sandbox did.

    Shape: `output` is stdout and stderr as they came, bounded; `exit_code` None if it was stopped.
    `dropped_bytes` of output were counted and thrown away. `new_shell` if this call had to start
    the persistent shell (the first call, or after it was lost); `lost_shell` if the shell is gone now.
    `errors` is the beginning of stderr where it is kept apart: by `Sandbox.run`.
    """

    output: bytes
    exit_code: int | None
    dropped_bytes: int = 0
    timed_out: bool = False
    new_shell: bool = False
    lost_shell: bool = False
    errors: bytes = b""


class Sandbox(Protocol):
    """One thread's sandbox: nothing of the host but its Place can be seen or changed from inside.

    Lazy: nothing is started before the first call. After `close` no process of it is left.
    A cancelled call leaves no process of that call behind. Not for two calls of `shell` at once: they queue.
    """

    place: Place

    async def shell(self, command: str, *, timeout_s: float) -> Ran:
        """Run a command in the thread's persistent shell: cwd, variables and jobs stay for the next one."""
        ...

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float, keep_bytes: int) -> Ran:
        """Run one program by itself, outside the persistent shell; `keep_bytes` of its stdout are kept."""
        ...

    async def restart(self) -> None:
        """Kill the persistent shell with everything it started; the next `shell` call starts a new one."""
        ...

    async def close(self) -> None:
        """Kill everything. May be called twice."""
        ...


class Sandboxes(Protocol):
    """Makes sandboxes, after having proved that they hold."""

    @property
    def backend(self) -> str:
        """What they are made with, such as "bubblewrap 0.8.0"."""
        ...

    async def check(self) -> Mapping[str, bool]:
        """Run the self-test once: each promise by name, and that it holds.

        Errors: SandboxUnavailable, with the remedy, if any promise is not kept.
        """
        ...

    async def check_mounts(self, place: Place) -> None:
        """Try the workdir and each mount from inside.

        Errors: BadInput naming the folder, its owner and the remedy.
        """
        ...

    def open(self, place: Place) -> Sandbox:
        """A sandbox for one thread."""
        ...


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One call of a tool.

    Shape: `input` fits the tool's schema (checked by the engine). `seen` maps a file's inside path
    to the SHA-256 its content had when this thread last read or wrote it.
    """

    id: str
    name: str
    input: dict[str, JSON]
    seen: Mapping[str, str] = {}


class ToolOutcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a tool gave back.

    Shape: `seen` are the files this call read or wrote, with the hash of what it saw or left there.
    `new_shell` if it ran in a shell that had to be started for it.
    """

    content: Content
    is_error: bool = False
    seen: Mapping[str, str] = {}
    new_shell: bool = False


class Tool(Protocol):
    """Something a model may call.

    `run` reports failure as an outcome with `is_error` and words the model can act on; what it raises is
    caught at the engine's edge and reported as the tool's fault. It may be cancelled at any await.
    `idempotent`: running it again with the same input does no harm, so a crash may repeat it.
    """

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def input_schema(self) -> dict[str, JSON]: ...
    @property
    def idempotent(self) -> bool: ...
    @property
    def needs_sandbox(self) -> bool: ...

    async def run(self, call: ToolCall, sandbox: Sandbox | None) -> ToolOutcome:
        """Do it. `sandbox` is given if `needs_sandbox`."""
        ...


# --- models ------------------------------------------------------------------------------------


class ToolOffer(msgspec.Struct, frozen=True, gc=False):
    """A tool as a model is offered it; `is_agent` if calling it delegates to another agent."""

    name: str
    description: str
    input_schema: dict[str, JSON]
    is_agent: bool = False


class Delta(msgspec.Struct, frozen=True, gc=False):
    """A piece of a reply as it comes. Shape: `index` is its block's place in the reply; what thinks sends no text."""

    index: int
    kind: Literal["text", "thinking", "tool_use"]
    text: str = ""


def _ignore(delta: Delta) -> None: ...


class ModelRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One call of a model.

    Shape: `agent` is the name of the agent whose turn it is. `messages` alternate from a user's; every call of a reply
    has its result at the head of the next message. Nothing in it tells one thread from another of the same agent with
    the same messages. `max_tokens` caps the output; None leaves it to the model. With `may_call` False the tools are
    there to be read about only. `settings` are effort, speed and inference_geo, where an agent has other ones than the
    usual; a model that has no such thing goes without. A model that streams tells `on_delta`.
    """

    agent: str
    model: str
    system: str
    tools: tuple[ToolOffer, ...]
    messages: Sequence[Message]
    purpose: Purpose = "turn"
    may_call: bool = True
    max_tokens: int | None = None
    settings: Mapping[str, JSON] = {}
    on_delta: Callable[[Delta], None] = _ignore


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What a provider said of its rate limits with an answer; None is not said.

    Units: requests and tokens, `*_reset_s` seconds until they are full again.
    """

    requests_limit: int | None = None
    requests_left: int | None = None
    requests_reset_s: float | None = None
    tokens_limit: int | None = None
    tokens_left: int | None = None
    tokens_reset_s: float | None = None


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What a model answered, whole. The ids of its calls are the provider's; the log has its own.

    Shape: `cut` are the ids of calls whose input was cut off by the limit of output tokens. `message`, `model` and
    `raw_usage` are the provider's own; `stop_details` what it said of a refusal.
    """

    content: tuple[ReplyBlock, ...]
    stop_reason: str = "end_turn"
    usage: Usage = Usage()
    cut: tuple[str, ...] = ()
    stop_details: StopDetails | None = None
    message: str = ""
    model: str = ""
    raw_usage: dict[str, JSON] = {}
    rates: Rates | None = None


class Model(Protocol):
    """Something that answers. Its calls may be cancelled at any await, and several may be under way at once.

    Shape: it may also have `facts`, a `podium.core.money.ModelFacts`: its price, without which no limit in dollars can
    be kept, and its context window.
    """

    @property
    def provider(self) -> str:
        """Whose concurrency cap its calls count against."""
        ...

    async def reply(self, request: ModelRequest) -> Reply:
        """One whole reply.

        Errors: ModelFailed if there is none. Anything else it raises fails the thread with the error's text.
        """
        ...


# --- time and ids --------------------------------------------------------------------------------


class Clock(Protocol):
    """The time of day, and alarms. A test's clock may run as it likes."""

    def now(self) -> datetime:
        """Aware, UTC."""
        ...

    def alarm(self, after_s: float, ring: Callable[[], None]) -> Callable[[], None]:
        """Have `ring` called after so many seconds, on the loop; what is returned takes the alarm back."""
        ...


NewId = Callable[[str], str]  # a prefix such as "sevt" in, an id that was never used out; later ids sort after earlier


# --- what is done once ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """A request that is to be done once, however often it is sent.

    Shape: `key` is the caller's; `fingerprint` is of the whole request, so that another one under the same key is seen.
    """

    workspace: str
    key: str
    fingerprint: str


# --- the store -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class NewSession:
    """A session to create, with its first records and the definitions they name.

    Shape: with `is_driven` it is claimed for this worker. `environment` is an id, or "".
    """

    id: str
    about: About
    agent: str
    agent_name: str
    needs: tuple[str, ...]
    program: str
    drafts: Sequence[Draft]
    changes: Changes
    definitions: Mapping[str, Definition]
    workspace: str = "default"
    environment: str = ""
    has_prices: bool = False
    is_driven: bool = True


class Append(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Records of a driver, with what they change in the projections.

    Shape: with `no_input_after`, append only if no input came after this seq that no driver has seen (else
    Refused); with `at_head`, only if this is the last seq. `release`: the session has no owner afterwards.
    """

    session: str
    epoch: int
    drafts: Sequence[Draft]
    changes: Changes
    no_input_after: int | None = None
    at_head: int | None = None
    release: bool = False


@dataclass(frozen=True, kw_only=True)
class Onto:
    """A driver that would go on at once with a session it has let go.

    Shape: `epoch` is the one it had, `head` the last seq it knows. `claimed` is called on the loop, with the new epoch,
    the seq of the first record of what was accepted, and all of these records.
    """

    epoch: int
    head: int
    claimed: Callable[[int, int, Sequence[Draft]], None]


class Store(Protocol):
    """The log, its projections, and who may write to it.

    What is acknowledged is durable. Appends of one session get dense seqs in commit order; several may be committed
    together, and one that is refused takes no other with it. After an error whose outcome is unknown (StoreDown during
    a write) nothing more is appended with that epoch, also not what was handed over before the error was known, since
    it was decided on what may be lost: the caller claims and folds again.
    """

    async def create(self, new: NewSession, receipt: Receipt | None = None) -> int:
        """Create the session, and claim it for this worker if it is to be driven; its first epoch.

        Shape: 0 with a receipt that is known already: nothing was created, and `made` says what was.
        Errors: StoreDown, Refused (one of this id exists, its records break a rule, or its environment is archived),
        NotFound (its environment is gone), KeyReused if the receipt is another request's; nothing was created then.
        """
        ...

    async def made(self, receipt: Receipt) -> str | None:
        """The id of the session that this request has created, if it has. Errors: KeyReused."""
        ...

    async def claim(self, session: str) -> int:
        """Become the session's only driver; the new epoch, larger than any before.

        Errors: Owned if another live worker drives it, or this one does already; NotFound.
        """
        ...

    def append(self, append: Append) -> Awaitable[int]:
        """Hand over records; what is awaited is the seq of the first, once all are durable.

        Shape: appends handed over in order by one driver are committed in that order.
        Errors: Fenced, Refused, StoreDown.
        """
        ...

    def dropped(self, session: str) -> None:
        """This process's driver of the session is gone without having released it: it may be claimed here again."""
        ...

    async def admit(
        self,
        session: str,
        *requests: InputRequest,
        receipt: Receipt | None = None,
        workspace: str | None = None,
        onto: Onto | None = None,
    ) -> tuple[PublicEvent, ...]:
        """Accept inputs from anybody, as core.admission decides: all of them, or none; their events, in order.

        Shape: with a receipt that is known already nothing is done again: the events are those of the first time.
        With a workspace, sessions of others are not there. With `onto`, a session that is idle as that driver left it,
        and set going by this, is claimed in the same transaction; its `claimed` is called before this returns, also
        where this is cancelled.
        Errors: Refused and NotFound, which say which request they are about; StoreDown; KeyReused if the receipt is
        another request's.
        """
        ...

    async def records(self, session: str, *, after: int = 0, limit: int = 1000) -> list[Record]:
        """The next records of the log, in order; empty at its end. Errors: NotFound."""
        ...

    async def session(self, id: str) -> SessionRow:
        """Errors: NotFound, also for one that was deleted."""
        ...

    async def sessions(self) -> list[SessionRow]:
        """All sessions that were not deleted, newest first."""
        ...

    async def listed(self, id: str) -> ListedSession:
        """The session as lists show it. Errors: NotFound, also for one that was deleted."""
        ...

    async def page_of_sessions(self, wanted: SessionsWanted) -> list[ListedSession]:
        """The sessions of one workspace that are asked for, in order. Never reads more of them than that."""
        ...

    async def shown(self, session: str, wanted: EventsWanted) -> list[Record]:
        """The events of a thread's stream that are asked for, in order; inputs only once they were taken.

        Shape: however long the log is, others wait for a bounded part of it only.
        """
        ...

    async def threads(self, session: str) -> list[ThreadRow]:
        """The session's threads, in the order they were created. Errors: NotFound."""
        ...

    async def open_calls(self, session: str) -> list[CallRow]:
        """The calls without a result that wait for somebody: not those of tools that run."""
        ...

    async def inputs(self, session: str, *, after: int = 0) -> list[InputRow]:
        """Every input of the session that came after this seq, taken or not, in order. Errors: NotFound."""
        ...

    async def definitions(self, version: str) -> dict[str, Definition]:
        """The definition of this version and all it leads to. Errors: NotFound."""
        ...

    async def owner(self, session: str) -> "Owner | None":
        """Who drives the session now, or None. Errors: NotFound."""
        ...

    async def moved_elsewhere(self) -> list[str]:
        """The sessions to which other processes have committed since this was last asked (first: since opening).

        Cheap where nothing happened: it is asked 40 times a second. Sessions that only this process wrote to may be
        among them if another one wrote as well.
        """
        ...

    async def end_owner(self, session: str) -> None:
        """End the other live process that drives the session, whatever else it drives: then it can be claimed.

        Errors: NotFound; Refused if this very process drives it, or it does not end.
        """
        ...

    async def deleted(self, before: datetime) -> list[str]:
        """The sessions that were deleted before this time and not purged."""
        ...

    async def purge(self, before: datetime) -> list[str]:
        """Take out for good what was deleted before this time; the ids of those sessions. Each is purged once.

        Shape: receipts of what was done to them are gone with them.
        """
        ...

    async def forget_receipts(self, before: datetime) -> None:
        """Forget the requests that were done before this time: under the same key they would be done again."""
        ...

    async def close(self) -> None:
        """Finish what was handed over and let go of everything."""
        ...
