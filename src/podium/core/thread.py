"""Fold: the state of one thread."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec

from podium.core.content import Block, Content, RawBlock, TextBlock, ThinkingBlock, ToolUseBlock, plain
from podium.core.definitions import CREATE, HARNESS_TOOLS, SUBMIT, WAIT, Definition
from podium.core.events import (
    AgentCustomToolUse,
    AgentToolUse,
    StopDetails,
    StopReason,
    Usage,
    UserCustomToolResult,
    UserToolConfirmation,
)
from podium.core.facts import (
    AttemptFailed,
    CallLimits,
    CallRef,
    HarnessCall,
    LimitMet,
    ModelReplied,
    Purpose,
    RawPart,
    TextRef,
    Thought,
)
from podium.core.joins import Delegated, is_met, why_over
from podium.core.json import JSON
from podium.core.rows import ZERO, CallState, Status, ThreadRow
from podium.core.transcript import Transcript

LOOKS_BACK = 20  # calls among which the same one again and again is a loop
_UNCOUNTED = HARNESS_TOOLS - {SUBMIT, CREATE}  # waiting or listing again is no loop


@dataclass(slots=True)
class OpenCall:
    """A call without a result.

    Shape: `child` is the thread a delegation opened; a tool call has none. `attempt` 0 until it was started. One that
    `asks` waits for an `answer`, which is queued until it is taken: a person's, or where it is `custom` the result that
    the client gives. `step` is its key, where a workflow made it. `tries` is how many threads a delegation has opened;
    one that is `joined` may be brought to its end by others of its reply.
    """

    id: str
    name: str
    input: dict[str, JSON]
    child: str | None = None
    attempt: int = 0
    asks: bool = False
    custom: bool = False
    step: str = ""
    tries: int = 0
    joined: bool = False
    answer: UserToolConfirmation | UserCustomToolResult | None = None

    @property
    def is_delegation(self) -> bool:
        """Whether it waits for children."""
        return self.child is not None or self.name == WAIT

    @property
    def state(self) -> CallState:
        """How it waits, for its row."""
        if self.asks:
            waits: CallState = "client" if self.custom else "asks"
            return waits if self.answer is None else "answered"
        if self.name == WAIT:
            return "waits"
        return "joined" if self.joined else "delegated"


class ThreadState:
    """What the log says about one thread. Only `SessionState.apply` changes it."""

    __slots__ = (
        "agent",
        "attempts",
        "background",
        "call",
        "calls",
        "context_tokens",
        "corrections",
        "created_at",
        "definition",
        "delegated",
        "depth",
        "failed",
        "failing_since",
        "handed_over",
        "has_more_to_say",
        "has_shell",
        "id",
        "idle_usage",
        "idle_usd",
        "is_cut",
        "is_heard",
        "is_open",
        "is_paused",
        "is_too_long",
        "last_text",
        "limited",
        "limits",
        "loop",
        "misfit",
        "noticed",
        "output",
        "own_usd",
        "parent",
        "purpose",
        "received",
        "recent_calls",
        "refusal",
        "replies_since_summary",
        "reply_calls",
        "reply_texts",
        "reserved_usd",
        "retry_at",
        "running_since",
        "seen",
        "span",
        "span_reserved_usd",
        "status",
        "status_since",
        "stop_reason",
        "submitted",
        "transcript",
        "turns",
        "usage",
        "usd",
        "worked_s",
        "workflow_run",
    )

    def __init__(
        self,
        id: str,
        *,
        agent: str,
        definition: Definition,
        created_at: datetime,
        parent: str | None = None,
        call: str | None = None,
        depth: int = 0,
        background: bool = False,
        limits: CallLimits | None = None,
        workflow_run: str = "",
        is_heard: bool = False,
    ) -> None:
        self.id = id
        self.agent = agent
        self.definition = definition
        self.created_at = created_at
        self.parent = parent
        self.call = call  # the parent's call that opened this thread
        self.background = background  # no call of the parent waits for it: its report comes as a message
        self.workflow_run = workflow_run  # of the run that called it, or a thread above
        self.is_heard = is_heard  # by a parent with a model, which it may send messages to
        self.depth = depth
        self.limits = _narrowed(definition, limits)
        self.status: Status = "idle"
        self.status_since = created_at
        self.stop_reason: StopReason | None = None
        self.is_open = False  # its turn has begun and not ended; it may be idle all the same, for a person
        self.transcript = Transcript()
        self.calls: dict[str, OpenCall] = {}
        self.delegated: dict[str, Delegated] = {}  # the calls of agents in its last reply, by id
        self.span: str | None = None  # the model call under way
        self.purpose: Purpose = "turn"  # of that call
        self.usage = Usage()
        self.idle_usage: Usage | None = None
        self.own_usd = ZERO  # spent by its own calls
        self.idle_usd: Decimal | None = None
        self.usd = ZERO  # spent by this thread and those below it
        self.reserved_usd = ZERO  # by calls under way of this thread and those below it
        self.span_reserved_usd: Decimal | None = None  # by its own call under way
        self.context_tokens = 0  # what the last call read and wrote: the model's context holds so much
        self.turns = 0
        self.has_more_to_say = False  # the last reply of this turn was not its end
        self.corrections = 0
        self.misfit = ""  # why its last result was not taken
        self.attempts = 0  # failed calls of the model since its last reply
        self.failing_since: datetime | None = None
        self.retry_at: datetime | None = None
        self.failed = ""  # why it cannot go on
        self.refusal: StopDetails | None = None
        self.is_too_long = False  # the last call was too long for the model's context
        self.replies_since_summary: int | None = None  # of its context
        self.is_cut = False  # the last reply was cut off by the limit of output tokens
        self.is_paused = False  # the last reply was paused by the provider, and goes on with the next call
        self.limited: LimitMet | None = None
        self.handed_over = False
        self.noticed: set[str] = set()
        self.recent_calls: deque[tuple[str, bytes]] = deque(maxlen=LOOKS_BACK)
        self.loop: tuple[str, int] = ("", 0)  # the call made most often of late, and how often
        self.seen: dict[str, str] = {}
        self.has_shell = False
        self.worked_s = 0.0
        self.running_since: datetime | None = None
        self.last_text: Content = ()
        self.output: JSON = None
        self.submitted = False
        self.received: dict[str, Content] = {}  # reports not yet given to the call they answer, by event id
        self.reply_texts: dict[str, TextBlock] = {}  # of the reply being recorded
        self.reply_calls: dict[str, AgentToolUse | AgentCustomToolUse] = {}

    def row(self) -> ThreadRow:
        """The thread's projection."""
        return ThreadRow(
            self.id,
            self.parent,
            self.agent,
            self.definition.name,
            self.status,
            self.stop_reason,
            self.idle_usage,
            self.created_at,
            self.status_since,
            self.idle_usd,
            self.worked_s,
            self.running_since,
            self.workflow_run,
        )

    def replied(self, event: ModelReplied) -> None:
        """Rebuild the reply from its parts; its calls are open from here on.

        Shape: a part whose event this version could not read is left out.
        """
        blocks: list[Block] = []
        calls: list[str] = []
        texts: list[TextBlock] = []
        for part in event.parts:
            match part:
                case TextRef():
                    if (text := self.reply_texts.get(part.event)) is not None:
                        texts.append(text)
                        extra = {"type": "text", "text": text.text, **part.extra}
                        blocks.append(RawBlock(extra) if part.extra else text)
                case Thought():
                    blocks.append(ThinkingBlock(part.thinking, part.signature))
                case RawPart():
                    blocks.append(RawBlock(part.block))
                case CallRef():
                    if (use := self.reply_calls.get(part.event)) is not None:
                        custom = isinstance(use, AgentCustomToolUse)
                        asks = isinstance(use, AgentCustomToolUse) or use.evaluated_permission == "ask"
                        call = OpenCall(use.id, use.name, use.input, asks=asks, custom=custom)
                        blocks.append(self._called(call, calls))
                case HarnessCall():
                    blocks.append(self._called(OpenCall(part.id, part.name, part.input), calls))
        self.reply_texts = {}
        self.reply_calls = {}
        self.delegated = {id: Delegated(self.calls[id].name) for id in calls if self._delegates(self.calls[id])}
        if texts:
            self.last_text = tuple(texts)
        self.turns += 1
        self.has_more_to_say = bool(calls) or event.stop_reason in ("max_tokens", "pause_turn")
        self.is_cut = event.stop_reason == "max_tokens" and not calls
        self.is_paused = event.stop_reason == "pause_turn" and not calls
        self.refusal = (event.refusal or StopDetails()) if event.stop_reason == "refusal" else None
        if self.replies_since_summary is not None:
            self.replies_since_summary += 1
        self.no_longer_fails()
        self.transcript.reply(blocks, calls)

    def _called(self, call: OpenCall, calls: list[str]) -> ToolUseBlock:
        calls.append(call.id)
        self.calls[call.id] = call
        if call.name not in _UNCOUNTED:
            made = call.name, msgspec.json.encode(call.input)
            self.recent_calls.append(made)
            self.loop = call.name, self.recent_calls.count(made)
        return ToolUseBlock(call.id, call.name, call.input)

    def _delegates(self, call: OpenCall) -> bool:
        """Whether it is a call of an agent that is to answer it."""
        if call.name == CREATE and self.definition.inline:
            return call.input.get("background") is not True
        return any(callee.tool == call.name for callee in self.definition.roster)

    def is_met(self) -> bool:
        """Whether as many of the agents that the last reply called have reported as are needed."""
        return is_met(self.definition.join, self.delegated.values())

    def why_over(self) -> str | None:
        """Why the agents at work that the last reply called are waited for no longer; None if they are."""
        rule, made = self.definition.join, self.delegated.values()
        if rule == "best_effort" or all(each.came_to for each in made):
            return None
        return why_over(rule, made)

    def attempt_failed(self, event: AttemptFailed, at: datetime) -> None:
        """A call of the model gave no reply."""
        if not event.kind:  # a version before 0.2 wrote it: what came of it stands in the records behind it
            return
        self.attempts = event.attempt
        self.failing_since = self.failing_since or at
        self.retry_at = event.retry_at
        self.is_too_long = self.is_too_long or event.kind == "too_long"
        if event.kind == "lost" and self.purpose == "hand_over":  # nobody heard it
            self.handed_over = False
        if event.retry_at is None:
            self.failed = event.reason

    def no_longer_fails(self) -> None:
        """The model has answered, or something new is asked of it."""
        self.attempts, self.failing_since, self.retry_at, self.failed = 0, None, None, ""

    def woken(self) -> None:
        """Its turn was over, and news sets it going: how it ended says nothing of what it will make of that."""
        self.no_longer_fails()
        self.submitted = False
        self.refusal = None
        self.corrections, self.misfit = 0, ""
        self.recent_calls.clear()
        self.loop = ("", 0)

    def summarized(self, summary: str) -> None:
        """Its messages give way to its task and the summary."""
        self.transcript.summarize(summary)
        self.is_too_long, self.replies_since_summary, self.context_tokens = False, 0, 0
        self.no_longer_fails()

    def asked(self) -> None:
        """A new task, or more to do: what the last turn came to counts no longer."""
        self.woken()
        self.handed_over = False
        self.limited = None
        self.last_text = ()
        self.noticed.clear()

    def answered(self, call: str, content: Content, is_error: bool) -> OpenCall | None:
        """A call got its result; the call, if it was open."""
        self.transcript.answer(call, content, is_error)
        return self.calls.pop(call, None)

    def worked(self, now: datetime) -> float:
        """Seconds this thread has worked up to now."""
        since = self.running_since
        return self.worked_s + ((now - since).total_seconds() if since is not None else 0.0)

    def result_text(self) -> str:
        """The thread's last words, or its structured output as JSON."""
        if self.submitted:
            return msgspec.json.encode(self.output).decode()
        return plain(self.last_text) if self.last_text else ""


def _narrowed(definition: Definition, limits: CallLimits | None) -> CallLimits:
    """The agent's limits, narrowed by those of the call."""
    own = CallLimits(definition.turns, definition.seconds, definition.tokens, definition.usd)
    if limits is None:
        return own
    return CallLimits(
        *(
            min((bound for bound in pair if bound is not None), default=None)
            for pair in zip(msgspec.structs.astuple(own), msgspec.structs.astuple(limits), strict=True)
        )
    )
