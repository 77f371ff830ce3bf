"""Content blocks: what messages and tool results are made of, in the wire's own shape.

Source: Messages API and Managed Agents API, content blocks.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from podium.core.json import JSON


class TextBlock(msgspec.Struct, frozen=True, gc=False, tag="text"):
    """Plain text."""

    text: str


class ImageBlock(msgspec.Struct, frozen=True, tag="image"):
    """An image. Shape: `source` is {type: base64, media_type, data}, {type: url, url} or {type: file, file_id}."""

    source: dict[str, JSON]


class DocumentBlock(msgspec.Struct, frozen=True, tag="document", omit_defaults=True):
    """A document. Shape: `source` as an image's, or {type: text, media_type, data}."""

    source: dict[str, JSON]
    title: str | None = None
    context: str | None = None


class SearchResultBlock(msgspec.Struct, frozen=True, tag="search_result"):
    """A result of a search, which only a tool gives. Shape: `content` are text blocks, `citations` {enabled}."""

    source: str
    title: str
    content: tuple[dict[str, JSON], ...]
    citations: dict[str, JSON]


class ToolUseBlock(msgspec.Struct, frozen=True, gc=False, tag="tool_use"):
    """A call the model asks for."""

    id: str
    name: str
    input: dict[str, JSON]


class ThinkingBlock(msgspec.Struct, frozen=True, gc=False, tag="thinking"):
    """What the model thought, with the provider's signature, which must come back as it was."""

    thinking: str
    signature: str = ""


class RawBlock(msgspec.Struct, frozen=True, tag="raw"):
    """A block of a reply that Podium only hands back: redacted thinking, a text with citations, an unknown kind."""

    block: dict[str, JSON]


ContentBlock = TextBlock | ImageBlock | DocumentBlock | SearchResultBlock
Content = tuple[ContentBlock, ...]
ReplyBlock = TextBlock | ToolUseBlock | ThinkingBlock | RawBlock


class ToolResultBlock(msgspec.Struct, frozen=True, gc=False, tag="tool_result", omit_defaults=True):
    """What a call gave back."""

    tool_use_id: str
    content: Content
    is_error: bool = False


Block = ContentBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock | RawBlock


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message of what a model is sent."""

    role: Literal["user", "assistant"]
    content: tuple[Block, ...]


def text(value: str) -> Content:
    """One text block."""
    return (TextBlock(value),)


def plain(content: Iterable[ContentBlock]) -> str:
    """The text of all blocks, joined by newlines; what is no text is named, as in "[image]"."""
    return "\n".join(block.text if isinstance(block, TextBlock) else f"[{_kind(block)}]" for block in content)


def _kind(block: ImageBlock | DocumentBlock | SearchResultBlock) -> str:
    if isinstance(block, ImageBlock):
        return "image"
    if isinstance(block, SearchResultBlock):
        return f"search result {block.source}"
    return f"document {block.title}" if block.title else "document"
