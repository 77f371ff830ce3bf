"""What a model call sends: a ModelRequest as the body of a Messages API request."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from podium.core.content import (
    Block,
    Content,
    DocumentBlock,
    ImageBlock,
    Message,
    RawBlock,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from podium.core.json import JSON
from podium.core.ports import ModelRequest, ToolOffer
from podium.core.transcript import Messages

_encode = msgspec.json.Encoder().encode
_CACHED: dict[str, JSON] = {"cache_control": {"type": "ephemeral"}}
_CACHEABLE = (TextBlock, ImageBlock, DocumentBlock, ToolUseBlock, ToolResultBlock)
_NOTHING = TextBlock("(empty)")  # the API refuses a message without content, and some models one that follows its like


def request_body(
    request: ModelRequest,
    *,
    model: str,
    max_tokens: int,
    caching: bool,
    extra: Mapping[str, JSON],
    has_settings: bool = False,
) -> bytes:
    """The JSON body that asks for a streamed reply.

    Shape: `extra` are further keys of the body (temperature, thinking, ...); what the request says goes before them.
    With `has_settings` the model knows of effort, speed and inference_geo. With `caching`, cache breakpoints stand
    after the tools, the system prompt and the last message: three of the four that the API allows.
    """
    body: dict[str, JSON] = {
        **extra,
        "model": model,
        "max_tokens": max_tokens if request.max_tokens is None else request.max_tokens,
        "stream": True,
        "messages": _messages(request.messages),
    }
    if request.system:
        body["system"] = [{"type": "text", "text": request.system, **_CACHED}] if caching else request.system
    if request.tools:
        body["tools"] = [_tool(offer) for offer in request.tools]
        if caching:
            body["tools"][-1] |= _CACHED
        if not request.may_call:
            body["tool_choice"] = {"type": "none"}
    if has_settings:
        _set(body, request.settings)
    if caching and body["messages"]:
        _mark_last(body["messages"][-1]["content"])
    return _encode(body)


def _messages(messages: Sequence[Message]) -> list[Any]:
    """The messages, all but the last one encoded: a transcript's are encoded once, however often they are sent."""
    before = len(messages) - 1
    if before < 0:
        return []
    if isinstance(messages, Messages):
        return [*messages.made(_encoded, before), _shaped(messages[before])]
    return [_shaped(message) for message in messages]


def _encoded(message: Message) -> msgspec.Raw:
    return msgspec.Raw(_encode(_shaped(message)))


def _shaped(message: Message) -> dict[str, Any]:
    return {"role": message.role, "content": _blocks(message)}


def _set(body: dict[str, JSON], settings: Mapping[str, JSON]) -> None:
    for name, value in settings.items():
        if name == "effort":
            body["output_config"] = {**body.get("output_config", {}), "effort": value}
        else:
            body[name] = value


def _tool(offer: ToolOffer) -> dict[str, JSON]:
    return {"name": offer.name, "description": offer.description, "input_schema": offer.input_schema}


def _blocks(message: Message) -> list[Block | dict[str, JSON]]:
    blocks: list[Block | dict[str, JSON]] = []
    pictures: list[Block] = []
    for block in message.content:
        if isinstance(block, ToolResultBlock):
            block, apart = _result(block)
            pictures += apart
        if not _is_blank(block):
            blocks.append(block.block if isinstance(block, RawBlock) else block)
    return blocks + pictures or [_NOTHING]


def _result(block: ToolResultBlock) -> tuple[ToolResultBlock, list[Block]]:
    """A result as the API takes it, and what has to go behind the message's results.

    Source: Messages API; the result of a failed call holds nothing but text.
    """
    kept: Content = tuple(one for one in block.content if not _is_blank(one))
    apart = [one for one in kept if block.is_error and not isinstance(one, TextBlock)]
    return msgspec.structs.replace(block, content=tuple(one for one in kept if one not in apart)), list(apart)


def _is_blank(block: Block) -> bool:
    return isinstance(block, TextBlock) and not block.text.strip()


def _mark_last(blocks: list[Block | dict[str, JSON]]) -> None:
    last = blocks[-1]
    if isinstance(last, _CACHEABLE):  # not thoughts, which take no mark, nor what nobody here knows
        blocks[-1] = {**msgspec.to_builtins(last), **_CACHED}
