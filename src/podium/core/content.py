"""Content blocks: what messages and tool results are made of, in the wire's own shape."""

from typing import Literal

import msgspec

from podium.core.json import JSON


class TextBlock(msgspec.Struct, frozen=True, gc=False, tag="text"):
    """Plain text."""

    text: str


class ToolUseBlock(msgspec.Struct, frozen=True, gc=False, tag="tool_use"):
    """A call the model asks for."""

    id: str
    name: str
    input: dict[str, JSON]


class ToolResultBlock(msgspec.Struct, frozen=True, gc=False, tag="tool_result", omit_defaults=True):
    """What a call gave back."""

    tool_use_id: str
    content: tuple[TextBlock, ...]
    is_error: bool = False


Content = tuple[TextBlock, ...]
Block = TextBlock | ToolUseBlock | ToolResultBlock


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message of what a model is sent."""

    role: Literal["user", "assistant"]
    content: tuple[Block, ...]


def text(value: str) -> Content:
    """One text block."""
    return (TextBlock(value),)


def plain(content: Content) -> str:
    """The text of all blocks, joined by newlines."""
    return content[0].text if len(content) == 1 else "\n".join(block.text for block in content)
