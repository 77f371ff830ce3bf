"""Events as lists and streams write them: the bytes of the log, without encoding them again.

Source: the Managed Agents API, sections A.7, C.2 and C.8.
"""

import msgspec

from podium.core.events import AgentCustomToolUse, AgentToolUse
from podium.core.json import JSON
from podium.core.records import Record

HEARTBEAT = b": still here\n\n"
END = b"\n\n"
_encode = msgspec.json.Encoder().encode


def body_of(record: Record, *, is_primary: bool, thread: str) -> bytes:
    """The event as the stream of this thread shows it. A child's call on the session's stream names the child."""
    if is_primary and record.thread != thread and isinstance(record.event, AgentToolUse | AgentCustomToolUse):
        return record.body[:-1] + b',"session_thread_id":' + _encode(record.thread) + b"}"
    return record.body


def frame_of(record: Record, *, is_primary: bool, thread: str) -> tuple[bytes, bytes, bytes]:
    """The event as a frame of a stream, in parts: a large body is not copied for each stream that holds it.

    Its id is the record's seq: behind it a stream can be resumed.
    """
    return b"event: message\nid: %d\ndata: " % record.seq, body_of(record, is_primary=is_primary, thread=thread), END


def begun(kind: str, event: str) -> bytes:
    """The frame that announces an event that is being made."""
    return _frame({"type": "event_start", "event": {"type": kind, "id": event}})


def grown(event: str, text: str) -> bytes:
    """The frame with more of its text."""
    content = {"type": "text", "text": text}
    delta = {"type": "content_delta", "index": 0, "content": content}
    return _frame({"type": "event_delta", "event_id": event, "delta": delta})


def _frame(event: JSON) -> bytes:
    return b"event: message\ndata: %b\n\n" % _encode(event)
