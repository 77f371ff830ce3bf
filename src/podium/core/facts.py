"""Private facts, named `noun.past`: what the log must know beside the public events. No stream shows them."""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Literal

import msgspec

from podium.core.content import Content
from podium.core.definitions import Definition
from podium.core.events import StopDetails
from podium.core.json import JSON

# --- values inside facts ------------------------------------------------------------------------


class TextRef(msgspec.Struct, frozen=True, gc=False, tag="message", omit_defaults=True):
    """A text of a reply, stored in the agent.message with this id; `extra` are the block's other keys (citations)."""

    event: str
    extra: dict[str, JSON] = {}


class CallRef(msgspec.Struct, frozen=True, gc=False, tag="call", omit_defaults=True):
    """A call of a reply, stored in the agent.tool_use with this id; `provider_id` is what the provider called it."""

    event: str
    provider_id: str = ""


class HarnessCall(msgspec.Struct, frozen=True, gc=False, tag="harness", omit_defaults=True):
    """A call of a reply that the engine answers itself (a delegation, submit_result): no agent.tool_use shows it."""

    id: str
    name: str
    input: dict[str, JSON]
    provider_id: str = ""


class Thought(msgspec.Struct, frozen=True, gc=False, tag="thinking"):
    """What the model thought, as it must come back to it; the agent.thinking with this id shows that it did."""

    event: str
    thinking: str
    signature: str = ""


class RawPart(msgspec.Struct, frozen=True, tag="raw"):
    """A block that is only handed back: redacted thinking, or a kind this version does not know."""

    block: dict[str, JSON]


ReplyPart = TextRef | CallRef | HarnessCall | Thought | RawPart

StepKind = Literal["agent", "function", "checkpoint"]
Outcome = Literal["reported", "limit", "failed", "interrupted", "stopped"]  # of a delegation
Purpose = Literal["turn", "hand_over", "compact"]  # what a model is called for


class LimitMet(msgspec.Struct, frozen=True, gc=False):
    """A limit that was reached: which one, whose, and how far it went.

    Shape: `needed` is what the call that was not made may cost at least, where that was too much.
    Units: turns, seconds of working time, tokens, US dollars.
    """

    kind: Literal["turns", "seconds", "tokens", "usd"]
    of: Literal["agent", "delegation", "session"]
    limit: float
    used: float
    needed: float | None = None

    def __str__(self) -> str:
        if self.kind == "usd":
            rest = "" if self.needed is None else f", and the next call needs ${self.needed:.4f} set aside"
            return f"{self.of} limit reached: ${self.used:.4f} of ${self.limit:.4f}{rest}"
        return f"{self.of} limit reached: {self.used:g} of {self.limit:g} {self.kind}"


class CallLimits(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Limits of one delegation, in its call; units as in `Limits`. They only narrow those of the agent."""

    turns: int | None = None
    seconds: float | None = None
    tokens: int | None = None
    usd: Decimal | None = None


class SessionSettings(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a session was started with, beside its agents.

    Shape: `workdir` "" for a fresh folder in the data folder; mounts are {path, at, read_only}. `has_prices` if all of
    its models had one, so that a limit in dollars can be kept. `context_windows` by the agents' definitions, in tokens,
    where they were known: for those who look on.
    """

    workdir: str = ""
    mounts: tuple[dict[str, JSON], ...] = ()
    turns: int | None = None
    seconds: float | None = None
    tokens: int | None = None
    usd: Decimal | None = None
    depth: int = 2
    live_threads: int | None = None
    session_calls: int | None = None
    model_calls: dict[str, int] = {}
    provider_calls: dict[str, int] = {}
    has_prices: bool = False
    context_windows: dict[str, int] = {}


# --- facts ------------------------------------------------------------------------------------------


class Private(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="type"):
    """A fact of ours, in no stream."""

    id: ClassVar[None] = None


class SessionCreated(Private, frozen=True, kw_only=True, tag="session.created"):
    """The session exists: who is its primary agent, with what settings, and which program must resume it.

    Shape: `needs` as in `SessionRow.needs`; `program` the file of the program that started it, or ""; `environment` the
    id of the one it was made in, or "". `input` is what its workflow is called with, if it runs one.
    """

    agent: str
    title: str
    settings: SessionSettings
    needs: tuple[str, ...] = ()
    program: str = ""
    metadata: dict[str, str] = {}
    environment: str = ""
    input: JSON = None


class AgentReplaced(Private, frozen=True, kw_only=True, tag="agent.replaced"):
    """Somebody changed the session's agent for this session: the primary thread goes on with this definition."""

    definition: Definition


class ArchiveAsked(Private, frozen=True, kw_only=True, tag="archive.asked"):
    """Somebody wants a thread archived while the session works: its driver sees to it.

    Shape: `input` is the id of its row among the inputs.
    """

    input: str
    thread: str


class ArchiveTaken(Private, frozen=True, kw_only=True, tag="archive.taken"):
    """The driver has seen to a wish to have a thread archived. One that worked, or was over, was left as it was.

    Shape: `input` is that of the wish.
    """

    input: str


class LimitLifted(Private, frozen=True, kw_only=True, tag="limit.lifted"):
    """The session's limit that had stopped it is another now: whoever stopped at it may go on."""


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


class ModelCalled(Private, frozen=True, kw_only=True, tag="model.called"):
    """The model call of this span has another purpose than the thread's next turn."""

    span: str
    purpose: Purpose


class BudgetReserved(Private, frozen=True, kw_only=True, tag="budget.reserved"):
    """Before a call of a model with a price: the most it is expected to cost.

    Units: list price in US dollars; `input_tokens` are estimated from above, `max_tokens` caps the output.
    """

    span: str
    model: str
    usd: Decimal
    input_tokens: int
    max_tokens: int


class BudgetSettled(Private, frozen=True, kw_only=True, tag="budget.settled"):
    """What the call of this span cost, in US dollars. An estimate where the provider could not tell any more."""

    span: str
    usd: Decimal
    is_estimate: bool = False


class ModelReplied(Private, frozen=True, kw_only=True, tag="model.replied"):
    """A reply was accepted: its parts in order, which the public events do not keep.

    Shape: `message` and `model` are the provider's names of the reply and of who wrote it; `raw_usage` as it sent it.
    """

    parts: tuple[ReplyPart, ...]
    stop_reason: str
    message: str = ""
    model: str = ""
    raw_usage: dict[str, JSON] = {}
    refusal: StopDetails | None = None


class AttemptFailed(Private, frozen=True, kw_only=True, tag="attempt.failed"):
    """A model call gave no reply, and why.

    Shape: `kind` as in `ModelFailed`, or "lost" with its process; `attempt` counts from 1 within a turn. With
    `retry_at` the call is made again then, else the thread cannot go on. `place` is where in the model's code it was.
    """

    span: str
    reason: str
    place: str = ""
    kind: str = ""
    attempt: int = 1
    retry_at: datetime | None = None


class ContextSummarized(Private, frozen=True, kw_only=True, tag="context.summarized"):
    """The thread's messages are replaced by its task and this summary.

    Shape: `messages` is how many were replaced.
    """

    summary: str
    messages: int


class ToolStarted(Private, frozen=True, kw_only=True, tag="tool.started"):
    """The call's effect may happen from here on. `attempt` counts from 1."""

    call: str
    attempt: int = 1


class CallAnswered(Private, frozen=True, kw_only=True, tag="call.answered"):
    """The engine's answer to a harness call."""

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
    """A call of this thread opened a child thread; one that is made again opens another.

    Shape: `agent` a definition's hash, `input` what the model gave. In the `background` the call is answered at once,
    and the child's report comes as a message. `definition` is the child's own, where it was defined by the call.
    """

    call: str
    thread: str
    agent: str
    agent_name: str
    depth: int
    input: dict[str, JSON]
    background: bool = False
    limits: CallLimits = CallLimits()
    definition: Definition | None = None


class DelegationTriedAgain(Private, frozen=True, kw_only=True, tag="delegation.tried_again"):
    """The child gave no result, and the call is made again: a delegation.opened of the same call follows.

    Shape: `attempt` is the one that failed, from 1; `outcome` and `reason` say how.
    """

    call: str
    thread: str
    attempt: int
    outcome: Outcome
    reason: str


class DelegationDetached(Private, frozen=True, kw_only=True, tag="delegation.detached"):
    """The call's child goes on in the background; the call is answered by what follows."""

    call: str
    thread: str


class DelegationClosed(Private, frozen=True, kw_only=True, tag="delegation.closed"):
    """The child's turn is over, and whoever waits for it is told.

    Shape: `call` is the parent's call that this answers, "" for a child in the background. `message` is the id of the
    agent.thread_message_received whose content answers the call; without one, `content` does.
    """

    call: str
    thread: str
    outcome: Outcome
    message: str = ""
    content: Content = ()
    is_error: bool = False


class ResultSubmitted(Private, frozen=True, kw_only=True, tag="result.submitted"):
    """The agent gave its structured output, and it fits the schema."""

    call: str
    output: JSON


class CorrectionSent(Private, frozen=True, kw_only=True, tag="correction.sent"):
    """The model ended its turn without the output it owes, or was cut off, and was told so."""

    text: str


class NoticeSent(Private, frozen=True, kw_only=True, tag="notice.sent"):
    """What the harness tells the model with its next message.

    Shape: a "limit" is near or was reached ("hand_over"), the model goes round in circles ("loop"), or another agent
    sent it a "message": then `message` is the agent.thread_message_received whose content follows the text.
    """

    kind: Literal["limit", "loop", "hand_over", "message"]
    text: str
    message: str = ""


class LimitReached(Private, frozen=True, kw_only=True, tag="limit.reached"):
    """The thread stops here because a limit was met."""

    met: LimitMet


class AgentsPinned(Private, frozen=True, kw_only=True, tag="agents.pinned"):
    """Agents that the session was not started with: its workflow calls them from here on."""

    definitions: tuple[Definition, ...]


class WorkflowOpened(Private, frozen=True, kw_only=True, tag="workflow.opened"):
    """A run of the workflow begins, with this input.

    Shape: `source` is the SHA-256 of the program's source, or "". `follows` is the run that ended in an error and whose
    finished calls this one takes over, or "".
    """

    run: str
    name: str
    input: JSON
    source: str = ""
    follows: str = ""


class StepAsked(Private, frozen=True, kw_only=True, tag="workflow.step_asked"):
    """The workflow made a call: of an agent, of a function that runs once, or of a person at a checkpoint.

    Shape: `key` is the call's place in the program, `hash` of what it asks for, `call` its id from here on. `name` is
    what people call it, `place` where in the code it stands, `given` what a function was called with. `attempt` counts
    from 1 where failed calls are made again. An `idempotent` function may run again after a crash.
    """

    run: str
    key: str
    kind: StepKind
    hash: str
    call: str
    name: str
    place: str = ""
    given: JSON = None
    attempt: int = 1
    idempotent: bool = False


class StepEnded(Private, frozen=True, kw_only=True, tag="workflow.step_ended"):
    """A function that the workflow called is over.

    Shape: `outcome` is "done" with the `output`; "failed" or "unknown" (its process ended, or was stopped, while it
    ran) with the `reason`; "interrupted" if it is to run again; "stopped" if its result is not needed any more.
    """

    run: str
    key: str
    call: str
    outcome: Literal["done", "failed", "unknown", "interrupted", "stopped"]
    output: JSON = None
    reason: str = ""


class CheckpointAnswered(Private, frozen=True, kw_only=True, tag="workflow.checkpoint_answered"):
    """A person said yes or no at a checkpoint; the result of its call follows. Shape: `reason` is why not."""

    run: str
    key: str
    allowed: bool
    reason: str = ""


class StepWithdrawn(Private, frozen=True, kw_only=True, tag="workflow.step_withdrawn"):
    """The workflow needs this call's result no more: what is under way of it is stopped."""

    run: str
    key: str


class PhaseBegun(Private, frozen=True, kw_only=True, tag="workflow.phase_begun"):
    """The workflow begins a phase. Shape: `key` is its place in the program, `phase` its id on the wire."""

    run: str
    key: str
    phase: str
    name: str


class WorkflowTold(Private, frozen=True, kw_only=True, tag="workflow.told"):
    """The program was told so many results of its calls by now, in the order in which they ended.

    Shape: `tried_again` says of those among them that were no success, by key, whether it made the call once more.
    """

    run: str
    results: int
    tried_again: dict[str, bool] = {}


class WorkflowReturned(Private, frozen=True, kw_only=True, tag="workflow.returned"):
    """The program came to its end, with this result."""

    run: str
    output: JSON = None


class WorkflowFailed(Private, frozen=True, kw_only=True, tag="workflow.failed"):
    """The program ended with an error.

    Shape: `again` are the keys of the calls and phases that are made anew if it is resumed.
    """

    run: str
    error: str
    again: tuple[str, ...] = ()


PrivateFact = (
    SessionCreated
    | AgentReplaced
    | ArchiveAsked
    | ArchiveTaken
    | LimitLifted
    | DrivingStarted
    | DrivingStopped
    | SessionPaused
    | SessionResumed
    | ModelCalled
    | BudgetReserved
    | BudgetSettled
    | ModelReplied
    | AttemptFailed
    | ContextSummarized
    | ToolStarted
    | CallAnswered
    | FilesSeen
    | SandboxRestarted
    | SandboxTested
    | DelegationOpened
    | DelegationTriedAgain
    | DelegationDetached
    | DelegationClosed
    | ResultSubmitted
    | CorrectionSent
    | NoticeSent
    | LimitReached
    | AgentsPinned
    | WorkflowOpened
    | StepAsked
    | StepEnded
    | CheckpointAnswered
    | StepWithdrawn
    | PhaseBegun
    | WorkflowTold
    | WorkflowReturned
    | WorkflowFailed
)
