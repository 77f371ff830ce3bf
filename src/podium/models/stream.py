"""A reply as it comes in: the events of a Messages API stream, folded into a Reply or into why there is none.

Only a whole reply is one. A connection that breaks may look like an end, so what is taken for a reply has said itself
that it is over.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from podium.core.content import RawBlock, ReplyBlock, TextBlock, ThinkingBlock, ToolUseBlock
from podium.core.events import StopDetails, Usage
from podium.core.json import JSON
from podium.core.ports import Delta, Rates, Reply
from podium.models.failures import NotAReply, broken_off, said_by

_THINKS = ("thinking", "redacted_thinking")
_KNOWN = ("message_start", "message_delta", "content_block_start", "content_block_delta")


class Incoming:
    """A reply under way. Feed it the stream's events; once `is_over`, ask for the `reply`."""

    def __init__(self, on_delta: Callable[[Delta], None]) -> None:
        self.is_over = False
        self._on_delta = on_delta
        self._message: dict[str, JSON] | None = None
        self._blocks: dict[int, _Block] = {}
        self._usage: dict[str, JSON] = {}
        self._stop_reason: str | None = None
        self._stop_details: JSON = None

    @property
    def usage(self) -> Usage | None:
        """What was used as far as it was said, or None."""
        return None if self._message is None else _usage(self._usage)

    def take(self, data: str) -> bool:
        """Take the data of one event; whether it moved the reply on, as a ping does not.

        Errors: NotAReply.
        """
        try:
            event = _decoded(data)
        except ValueError as error:
            raise NotAReply(f"sent an event that is no JSON ({error}): {_short(data)}") from None
        match event:
            case {"type": "content_block_delta", "index": int(index), "delta": {"type": str(kind)} as grown}:
                self._grow(index, kind, grown)
            case {"type": "ping"}:
                return False
            case {"type": "content_block_start", "index": int(index), "content_block": {"type": str()} as block}:
                self._start(index, block)
            case {"type": "content_block_stop"}:
                pass
            case {"type": "message_start", "message": dict(message)} if self._message is None:
                self._message = message
                self._add_usage(message)
            case {"type": "message_delta", "delta": dict(delta)}:
                self._stop(delta)
                self._add_usage(event)
            case {"type": "message_stop"}:
                self.is_over = True
            case {"type": "error"} | {"error": _}:
                raise broken_off(said_by(event))
            case {"type": str(kind)} if kind not in _KNOWN:
                pass  # the API may add kinds at any time
            case _:
                raise NotAReply(f"sent an event that does not belong there: {_short(data)}")
        return True

    def take_whole(self, message: dict[str, JSON]) -> None:
        """Take a reply that came as one JSON message, from a server that does not stream.

        Errors: NotAReply.
        """
        match message:
            case {"type": "message", "content": [*blocks]}:
                self._message = message
                self._add_usage(message)
                self._stop(message)
                for index, block in enumerate(blocks):
                    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
                        raise NotAReply(f"sent a content block that is none: {_short(block)}")
                    self._start(index, block)
                self.is_over = True
            case {"type": "error"} | {"error": _}:
                raise broken_off(said_by(message))
            case _:
                raise NotAReply(f"sent JSON that is no message: {_short(message)}")

    def reply(self, rates: Rates | None) -> Reply:
        """The reply.

        Errors: NotAReply, also for what contradicts itself.
        """
        if not self.is_over:
            raise NotAReply("ended its answer in the middle (no message_stop): the connection broke, or the server did")
        if self._message is None or self._stop_reason is None:
            raise NotAReply("ended its answer without saying why it stopped (no stop_reason)")
        if self._stop_reason == "model_context_window_exceeded":
            raise NotAReply("stopped: the model's context window is full", "too_long")
        content: list[ReplyBlock] = []
        cut: list[str] = []
        last = next(reversed(self._blocks), None)
        for index, block in self._blocks.items():
            whole, is_cut = block.whole(may_be_cut=self._stop_reason == "max_tokens" and index == last)
            if is_cut and not isinstance(whole, ToolUseBlock):
                continue  # a call that the provider's own tool never got: nobody can answer or use it
            content.append(whole)
            if isinstance(whole, ToolUseBlock) and is_cut:
                cut.append(whole.id)
        ids = [block.id for block in content if isinstance(block, ToolUseBlock)]
        if len(set(ids)) < len(ids):
            raise NotAReply(f"gave two calls of one reply the same id ({', '.join(ids)})")
        return Reply(
            content=tuple(content),
            stop_reason=self._stop_reason,
            usage=_usage(self._usage),
            cut=tuple(cut),
            stop_details=_stop_details(self._stop_reason, self._stop_details),
            message=_text(self._message.get("id")),
            model=_text(self._message.get("model")),
            raw_usage=self._usage,
            rates=rates,
        )

    def _start(self, index: int, block: dict[str, JSON]) -> None:
        if index in self._blocks:
            raise NotAReply(f"began content block {index} twice")
        place = len(self._blocks)
        self._blocks[index] = _Block(place, block)
        if block.get("type") in _THINKS:
            self._on_delta(Delta(place, "thinking"))
        elif block.get("type") == "tool_use":
            self._on_delta(Delta(place, "tool_use"))
        elif block.get("type") == "text" and _text(block.get("text")):
            self._on_delta(Delta(place, "text", block["text"]))

    def _grow(self, index: int, kind: str, grown: dict[str, JSON]) -> None:
        block = self._blocks.get(index)
        if block is None:
            raise NotAReply(f"went on with content block {index}, which it had not begun")
        block.grow(grown)
        if kind == "text_delta" and _text(grown.get("text")):
            self._on_delta(Delta(block.place, "text", grown["text"]))

    def _stop(self, said: Mapping[str, JSON]) -> None:
        reason = said.get("stop_reason")
        if isinstance(reason, str) and reason:
            self._stop_reason = reason
            self._stop_details = said.get("stop_details")

    def _add_usage(self, said: Mapping[str, JSON]) -> None:
        usage = said.get("usage")
        if isinstance(usage, dict):  # the later figures are totals, and null where they say nothing new
            self._usage |= {key: value for key, value in usage.items() if value is not None}


class _Block:
    """A content block that grows: what it began with, and the pieces that came since, by key."""

    __slots__ = ("_began", "_pieces", "place")

    def __init__(self, place: int, began: dict[str, JSON]) -> None:
        self.place = place
        self._began = began
        self._pieces: dict[str, list[str]] = {}

    def grow(self, grown: dict[str, JSON]) -> None:
        # A key of a delta is the block's key that it adds to, whatever the kind; only calls and citations differ.
        for key, value in grown.items():
            if key == "type":
                continue
            if isinstance(value, str):
                self._pieces.setdefault(key, []).append(value)
            elif key == "citation":
                self._began["citations"] = [*(self._began.get("citations") or ()), value]
            else:
                self._began[key] = value

    def whole(self, *, may_be_cut: bool) -> tuple[ReplyBlock, bool]:
        """The block, and whether it is a call that was cut off.

        Errors: NotAReply.
        """
        pieces = {key: "".join(parts) for key, parts in self._pieces.items()}
        sent_input = pieces.pop("partial_json", "")
        block = self._began | {key: _text(self._began.get(key)) + added for key, added in pieces.items()}
        is_cut = False
        if sent_input or "input" in block or block["type"] == "tool_use":
            block["input"], is_cut = self._input(block, sent_input, may_be_cut)
        match block:
            case {"type": "text", "text": str(text)} if not block.get("citations"):
                return TextBlock(text), False
            case {"type": "tool_use", "id": str(id), "name": str(name), "input": dict(given)}:
                return ToolUseBlock(id, name, given), is_cut
            case {"type": "thinking", "thinking": str(thinking)}:
                return ThinkingBlock(thinking, _text(block.get("signature"))), False
            case {"type": "text", "text": str()}:
                return RawBlock(block), False
            case {"type": "text" | "tool_use" | "thinking"}:
                raise NotAReply(f"sent a content block that is none: {_short(block)}")
            case _:
                return RawBlock(block), is_cut

    def _input(self, block: dict[str, JSON], sent: str, may_be_cut: bool) -> tuple[JSON, bool]:
        began = block.get("input")
        if not sent and (began or not may_be_cut):
            return {} if began is None else began, False
        try:
            given = _decoded(sent)
        except ValueError as error:
            given, reason = None, str(error)
        else:
            reason = "it is no object"
        if isinstance(given, dict):
            return given, False
        if may_be_cut:
            return {}, True
        raise NotAReply(f"called '{block.get('name')}' with an input that is broken ({reason}): {_short(sent)}")


def _decoded(data: str) -> Any:
    """Errors: ValueError."""
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except msgspec.DecodeError:
        if "\\u" not in data:
            raise
    # Half a character, such as \ud83d, is JSON, though msgspec refuses it: the other half may come with the next delta,
    # and what stays a half is mended where replies are taken into the log.
    try:
        return json.loads(data, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _usage(raw: Mapping[str, JSON]) -> Usage:
    return Usage(**{name: _count(raw.get(name)) for name in Usage.__struct_fields__})


def _count(value: JSON) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _stop_details(stop_reason: str, said: JSON) -> StopDetails | None:
    if stop_reason != "refusal" or not isinstance(said, dict):
        return None
    category, explanation = said.get("category"), said.get("explanation")
    return StopDetails(
        category=category if isinstance(category, str) else None,
        explanation=explanation if isinstance(explanation, str) else None,
    )


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else ""


def _short(value: JSON) -> str:
    return f"{value if isinstance(value, str) else json.dumps(value, default=str)!s:.200}"
