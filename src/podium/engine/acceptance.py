"""What models and tools give back, taken only as the log can keep it and read it again.

What is recorded otherwise could not be decoded after a crash, and the session would be lost.
"""

import asyncio

import msgspec

from podium.core.content import Content, TextBlock
from podium.core.json import JSON
from podium.core.ports import Reply, ToolOutcome

_encode = msgspec.json.Encoder().encode
_reply = msgspec.json.Decoder(Reply)
_outcome = msgspec.json.Decoder(tuple[Content, dict[str, str], bool, bool])


def accept_reply(said: object) -> Reply:
    """The reply as it will be read again.

    Errors: TypeError or msgspec's ValidationError, in words for whoever wrote the model.
    """
    if isinstance(said, str):
        said = Reply((TextBlock(said),))
    if not isinstance(said, Reply):
        raise TypeError(f"a model must return a Reply or a text, not {type(said).__name__}")
    try:
        return _reply.decode(_encode(said))
    except UnicodeEncodeError:
        return _reply.decode(_encode(mended(msgspec.to_builtins(said))))


def accept_outcome(outcome: object) -> ToolOutcome:
    """The outcome as it will be read again.

    Errors: TypeError or msgspec's ValidationError, in words for whoever wrote the tool.
    """
    if not isinstance(outcome, ToolOutcome):
        raise TypeError(f"a tool must return a ToolOutcome, not {type(outcome).__name__}")
    kept = (outcome.content, dict(outcome.seen), outcome.is_error, outcome.new_shell)
    try:
        content, seen, is_error, new_shell = _outcome.decode(_encode(kept))
    except UnicodeEncodeError:
        content, seen, is_error, new_shell = _outcome.decode(_encode(mended(msgspec.to_builtins(kept))))
    return ToolOutcome(content=content, is_error=is_error, seen=seen, new_shell=new_shell)


def is_cancelled() -> bool:
    """Whether somebody cancelled the running task; if not, a CancelledError comes from what it called."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def mended(value: JSON) -> JSON:
    """The value with U+FFFD for each half of a character, which no UTF-8 can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {mended(key): mended(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [mended(one) for one in value]
    return value
