"""Pieces of replies between the events of a stream, in the order that clients rely on.

span.model_request_start → event_start → event_delta ... → agent.message → span.model_request_end

Records are read from the store and pieces come straight from the model call, so a stream may hear of a piece before it
has read the start of its call, or read the whole event before it wrote its pieces. What has no place any more is left
out: the pieces that were written are always a beginning of the final text.

Source: the Managed Agents API, section C.8.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from podium.api.frames import begun, grown
from podium.core.events import AgentMessage, AgentThinking, ModelRequestEnd, ModelRequestStart
from podium.core.records import Event
from podium.engine.hub import Preview

KEPT_CHARACTERS = 256 * 1024  # of pieces that wait to be written; a slow reader is shown no more of them
_KINDS = {"text": "agent.message", "thinking": "agent.thinking"}


@dataclass(slots=True)
class _Coming:
    """An event that is being made: what of it has not been written."""

    span: str
    kind: str
    texts: list[str] = field(default_factory=list)
    has_begun: bool = False
    is_cut: bool = False


class Previews:
    """The pieces for one stream: of one thread, and of the kinds that its client asked for."""

    def __init__(self, thread: str, kinds: Collection[str]) -> None:
        self._thread = thread
        self._kinds = frozenset(kinds)
        self._coming: dict[str, _Coming] = {}
        self._waiting = 0  # characters
        self._open: str | None = None  # the call whose start this stream has written, and not its end

    def hear(self, preview: Preview) -> bool:
        """A piece came; whether there may be something to write."""
        kind = _KINDS.get(preview.delta.kind)
        if preview.thread != self._thread or kind not in self._kinds:
            return False
        coming = self._coming.get(preview.event)
        if coming is None:
            if not preview.is_first:  # its beginning was missed
                return False
            coming = self._coming[preview.event] = _Coming(preview.span, kind)
        if kind == "agent.message" and preview.delta.text and not coming.is_cut:
            coming.is_cut = self._waiting + len(preview.delta.text) > KEPT_CHARACTERS
            if not coming.is_cut:
                coming.texts.append(preview.delta.text)
                self._waiting += len(preview.delta.text)
        return True

    def before(self, event: Event) -> Iterator[bytes]:
        """Frames that have their place before this event of the thread, which is written next."""
        if isinstance(event, AgentMessage | AgentThinking) and event.id in self._coming:
            coming = self._coming[event.id]
            if coming.span == self._open:
                yield from self._written(event.id, coming)
            self._forget(event.id)
        elif isinstance(event, ModelRequestEnd):
            for id in [id for id, coming in self._coming.items() if coming.span == event.model_request_start_id]:
                self._forget(id)
            self._open = None

    def after(self, event: Event) -> None:
        """This event of the thread was written."""
        if isinstance(event, ModelRequestStart):
            self._open = event.id

    def now(self) -> Iterator[bytes]:
        """Frames that have their place here, behind all events that are committed."""
        for id, coming in self._coming.items():
            if coming.span == self._open:
                yield from self._written(id, coming)

    def _written(self, id: str, coming: _Coming) -> Iterator[bytes]:
        if not coming.has_begun:
            coming.has_begun = True
            yield begun(coming.kind, id)
        if coming.texts:
            text = "".join(coming.texts)
            coming.texts = []
            self._waiting -= len(text)
            yield grown(id, text)

    def _forget(self, id: str) -> None:
        self._waiting -= sum(map(len, self._coming.pop(id).texts))
