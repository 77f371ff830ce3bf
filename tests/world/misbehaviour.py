"""Every way a model server can fail to reply, and how often a call meets it before there is a reply."""

from dataclasses import dataclass

from podium.core.events import Usage
from tests.models.server import (
    OVER,
    PING,
    USAGE,
    Answer,
    begun,
    delta,
    ended,
    fails,
    frame,
    reply_frames,
    started,
    stopped,
    text,
    tool_use,
)

HALF = "half of a thought"  # what a broken answer had said by then: it must never show as a reply
NOTHING = Usage()
BEGUN = Usage(25, 1, 3, 4)
WHOLE = Usage(25, 15, 3, 4)
assert USAGE["input_tokens"] == BEGUN.input_tokens

_SAID = reply_frames(text(HALF))
_BROKEN = [begun(), started(0, text("")), delta(0, "text_delta", text=HALF)]
_STREAM = {"content-type": "text/event-stream"}
_TWICE = [
    begun(),
    *(part for index in (0, 1) for part in (
        started(index, tool_use("same", "note")),
        delta(index, "input_json_delta", partial_json='{"word": "twice"}'),
        stopped(index),
    )),
    ended("tool_use"),
    OVER,
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An answer that is no reply.

    Shape: `told` is what people are told of it, `used` what it used up, as far as it said.
    """

    answer: Answer
    told: str
    used: Usage = NOTHING


def _broken(told: str, *more: bytes, then: str = "finish", framing: str = "chunked") -> Failure:
    """A stream that had said something, and goes on so."""
    parts = [*_BROKEN, *more]
    return Failure(
        answer=Answer(parts=parts, then=then, framing=framing, headers=_STREAM),  # type: ignore[arg-type]
        told=told,
        used=BEGUN,
    )


def _status(status: int, type: str, told: str, **headers: str) -> Failure:
    return Failure(answer=fails(status, type, "because", **headers), told=told)


PASSING = {
    "408": _status(408, "timeout_error", "transient: provider 'house' at 127.0.0.1:{port} failed (408): timeout_error"),
    "409": _status(409, "conflict_error", "failed (409): conflict_error"),
    "429": _status(429, "rate_limit_error", "rate limited: provider 'house' at 127.0.0.1:{port} failed (429)"),
    "429, retry at once": _status(429, "rate_limit_error", "failed (429)", retry_after="0"),
    "429, retry in a moment": _status(429, "rate_limit_error", "failed (429)", retry_after="2.5"),
    "429, retry yesterday": _status(
        429, "rate_limit_error", "failed (429)", retry_after="Fri, 02 Jan 2015 10:00:00 GMT"
    ),
    "429, retry never said": _status(429, "rate_limit_error", "failed (429)", retry_after="when it is over"),
    "500": _status(500, "api_error", "failed (500): api_error"),
    "529": _status(529, "overloaded_error", "overloaded_error: because"),
    "dropped before the answer": Failure(answer=Answer(silent=True, then="drop"), told="gave no answer"),
    "reset before the answer": Failure(answer=Answer(silent=True, then="reset"), told="gave no answer"),
    "half a stream": _broken("no message_stop"),
    "half a stream, dropped": _broken("lost the connection in the middle", then="drop"),
    "half a stream, reset": _broken("lost the connection in the middle", then="reset"),
    "half a body without an end, dropped": _broken("no message_stop", then="drop", framing="close"),
    "half a body without an end, reset": _broken("no message_stop", then="reset", framing="close"),
    "all but its message_stop": Failure(
        answer=Answer(parts=_SAID[:-1], headers=_STREAM), told="no message_stop", used=WHOLE
    ),
    "an error in the middle": _broken(
        "broke off with an error: overloaded_error",
        frame({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
    ),
    "malformed JSON": _broken("is no JSON", b'event: content_block_delta\ndata: {"type": "content_blo\n\n'),
    "a web page": Failure(
        answer=Answer(parts=[b"<html><title>Sign in</title></html>"], headers={"content-type": "text/html"}),
        told="answered with text/html where a stream of events was due",
    ),
    "two calls of one id": Failure(
        answer=Answer(parts=_TWICE, headers=_STREAM), told="the same id (same, same)", used=WHOLE
    ),
}  # fmt: skip

SILENT = {  # which takes the deadlines of IMPATIENT
    "silence in the middle": _broken("sent nothing new in the middle of its answer within 0.5 s", then="wait"),
    "pings in the middle": _broken("sent nothing new in the middle of its answer within 0.5 s", then="ping"),
    "nothing but pings": Failure(
        answer=Answer(parts=[PING], then="ping"), told="sent nothing of its answer within 0.5 s"
    ),
    "nothing at all": Failure(
        answer=Answer(silent=True, then="wait"), told="sent nothing of its answer within 0.5 s"
    ),
}  # fmt: skip

LASTING = {
    "400": _status(400, "invalid_request_error", "refused the request (400): invalid_request_error: because"),
    "401": _status(401, "authentication_error", "wants a key, and none was given (401)"),
    "403": _status(403, "permission_error", "wants a key, and none was given (403)"),
    "404": _status(404, "not_found_error", "does not know 'm', or its base_url"),
    "413": _status(413, "request_too_large", "refused the request (413)"),
    "Podium itself": Failure(
        answer=Answer(parts=_SAID, headers={**_STREAM, "podium-version": "1.0"}), told="is Podium itself. Set base_url"
    ),
}
