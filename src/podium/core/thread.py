"""Fold: the state of one thread."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from podium.core.content import Block, Content, TextBlock, ToolUseBlock, plain
from podium.core.definitions import Definition
from podium.core.events import StopReason, Usage
from podium.core.facts import CallRef, HarnessCall, ModelReplied, TextRef
from podium.core.json import JSON
from podium.core.rows import Status, ThreadRow
from podium.core.transcript import Transcript


@dataclass(slots=True)
class OpenCall:
    """A call without a result.

    Shape: `child` is the thread a delegation opened; a tool call has none. `attempt` 0 until it was started.
    """

    id: str
    name: str
    input: dict[str, JSON]
    child: str | None = None
    attempt: int = 0


class ThreadState:
    """What the log says about one thread. Only `SessionState.apply` changes it."""

    __slots__ = (
        "agent",
        "call",
        "calls",
        "corrections",
        "created_at",
        "definition",
        "depth",
        "has_shell",
        "id",
        "idle_usage",
        "last_text",
        "output",
        "parent",
        "received",
        "reply_calls",
        "reply_texts",
        "running_since",
        "seen",
        "span",
        "status",
        "status_since",
        "stop_reason",
        "submitted",
        "transcript",
        "turns",
        "usage",
        "worked_s",
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
    ) -> None:
        self.id = id
        self.agent = agent
        self.definition = definition
        self.created_at = created_at
        self.parent = parent
        self.call = call  # the parent's call that opened this thread
        self.depth = depth
        self.status: Status = "idle"
        self.status_since = created_at
        self.stop_reason: StopReason | None = None
        self.transcript = Transcript()
        self.calls: dict[str, OpenCall] = {}
        self.span: str | None = None  # the model call under way
        self.usage = Usage()
        self.idle_usage: Usage | None = None
        self.turns = 0
        self.corrections = 0
        self.seen: dict[str, str] = {}
        self.has_shell = False
        self.worked_s = 0.0
        self.running_since: datetime | None = None
        self.last_text: Content = ()
        self.output: JSON = None
        self.submitted = False
        self.received: dict[str, Content] = {}  # reports not yet given to the call they answer, by event id
        self.reply_texts: dict[str, TextBlock] = {}  # of the reply being recorded
        self.reply_calls: dict[str, ToolUseBlock] = {}

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
        )

    def replied(self, event: ModelReplied) -> None:
        """Rebuild the reply from its parts; its calls are open from here on.

        Shape: a part whose event this version could not read is left out.
        """
        blocks: list[Block] = []
        calls: list[str] = []
        texts: list[TextBlock] = []
        for part in event.parts:
            if isinstance(part, TextRef):
                if (text := self.reply_texts.get(part.event)) is not None:
                    texts.append(text)
                    blocks.append(text)
                continue
            if isinstance(part, CallRef):
                block = self.reply_calls.get(part.event)
            else:
                assert isinstance(part, HarnessCall)
                block = ToolUseBlock(part.id, part.name, part.input)
            if block is None:
                continue
            blocks.append(block)
            calls.append(block.id)
            self.calls[block.id] = OpenCall(block.id, block.name, block.input)
        self.reply_texts = {}
        self.reply_calls = {}
        if texts:
            self.last_text = tuple(texts)
        self.turns += 1
        self.transcript.reply(blocks, calls)

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
