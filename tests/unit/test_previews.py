"""Pieces of replies between the events of a stream: in their place, or not at all."""

import json
from datetime import UTC, datetime
from typing import Any

from podium.api.previews import KEPT_CHARACTERS, Previews
from podium.core.content import text
from podium.core.events import AgentMessage, AgentThinking, ModelRequestEnd, ModelRequestStart, Usage
from podium.core.ports import Delta
from podium.core.records import Event
from podium.engine.hub import Preview

AT = datetime(2026, 11, 1, tzinfo=UTC)
BOTH = ("agent.message", "agent.thinking")


def start(span: str = "span_1") -> ModelRequestStart:
    return ModelRequestStart(id=span, processed_at=AT)


def end(span: str = "span_1") -> ModelRequestEnd:
    return ModelRequestEnd(
        id=f"end_{span}", processed_at=AT, model_request_start_id=span, is_error=False, model_usage=Usage()
    )


def said(id: str = "sevt_1") -> AgentMessage:
    return AgentMessage(id=id, processed_at=AT, content=text("hello"))


def piece(words: str, *, event: str = "sevt_1", span: str = "span_1", first: bool = False, **how: Any) -> Preview:
    delta = Delta(0, how.get("kind", "text"), words)
    return Preview(how.get("thread", "sthr_1"), span, event, delta, first)


class Stream:
    """What a stream would write, in short: the ids of events, "+sevt_1" for a start, "hel" for a piece."""

    def __init__(self, *kinds: str) -> None:
        self.previews = Previews("sthr_1", kinds or BOTH)
        self.written: list[str] = []

    def write(self, *events: Event) -> None:
        for event in events:
            self._frames(self.previews.before(event))
            self.written.append(str(event.id))
            self.previews.after(event)

    def rest(self) -> None:
        """All that is committed was written."""
        self._frames(self.previews.now())

    def _frames(self, frames: Any) -> None:
        for frame in frames:
            event = json.loads(frame.partition(b"data: ")[2])
            if event["type"] == "event_start":
                self.written.append(f"+{event['event']['id']}")
            else:
                self.written.append(event["delta"]["content"]["text"])


def test_pieces_stand_between_the_start_of_their_call_and_their_event() -> None:
    stream = Stream()
    stream.write(start())
    stream.rest()
    stream.previews.hear(piece("hel", first=True))
    stream.rest()
    stream.previews.hear(piece("l"))
    stream.previews.hear(piece("o"))
    stream.write(said(), end())
    stream.rest()

    assert stream.written == ["span_1", "+sevt_1", "hel", "lo", "sevt_1", "end_span_1"]


def test_pieces_that_come_before_the_start_was_read_wait_for_it() -> None:
    stream = Stream()
    stream.previews.hear(piece("hel", first=True))
    stream.rest()
    assert stream.written == []

    stream.write(start())
    stream.rest()

    assert stream.written == ["span_1", "+sevt_1", "hel"]


def test_pieces_of_a_later_call_wait_while_an_earlier_one_is_written() -> None:
    stream = Stream()
    stream.previews.hear(piece("one", first=True))
    stream.previews.hear(piece("two", event="sevt_2", span="span_2", first=True))

    stream.write(start(), said(), end(), start("span_2"))
    stream.rest()

    assert stream.written == ["span_1", "+sevt_1", "one", "sevt_1", "end_span_1", "span_2", "+sevt_2", "two"]


def test_what_began_before_the_stream_is_not_shown_in_part() -> None:
    stream = Stream()
    stream.previews.hear(piece("lo"))
    stream.write(said(), end())
    stream.rest()

    assert stream.written == ["sevt_1", "end_span_1"]


def test_what_never_became_an_event_is_forgotten_with_its_call() -> None:
    stream = Stream()
    stream.write(start())
    stream.previews.hear(piece("hel", first=True))
    stream.write(end(), start("span_2"))
    stream.rest()

    assert stream.written == ["span_1", "end_span_1", "span_2"]


def test_thoughts_are_announced_alone() -> None:
    stream = Stream()
    stream.write(start())
    stream.previews.hear(piece("", event="sevt_0", first=True, kind="thinking"))
    stream.rest()
    stream.write(AgentThinking(id="sevt_0", processed_at=AT))

    assert stream.written == ["span_1", "+sevt_0", "sevt_0"]


def test_only_what_was_asked_for_of_the_own_thread_is_heard() -> None:
    stream = Stream("agent.thinking")
    stream.write(start())

    assert not stream.previews.hear(piece("hel", first=True))
    assert not stream.previews.hear(piece("", event="sevt_0", first=True, kind="thinking", thread="sthr_2"))
    assert not stream.previews.hear(piece("", event="sevt_0", first=True, kind="tool_use"))


def test_a_slow_reader_gets_a_beginning_and_then_the_event() -> None:
    stream = Stream()
    stream.write(start())
    stream.previews.hear(piece("a" * (KEPT_CHARACTERS - 1), first=True))
    stream.previews.hear(piece("bb"))
    stream.previews.hear(piece("c"))
    stream.rest()
    stream.previews.hear(piece("d"))
    stream.write(said())

    assert [it[:8] for it in stream.written] == ["span_1", "+sevt_1", "aaaaaaaa", "sevt_1"]
