"""What is no reply, and why: nothing but a whole reply counts."""

import json
from typing import Any

import pytest

from podium.core.events import Usage
from podium.core.ports import Delta, Rates
from podium.errors import ModelFailed
from tests.models.calling import asking, connected, failure_of
from tests.models.server import (
    OVER,
    PING,
    Answer,
    MessagesServer,
    begun,
    delta,
    ended,
    fails,
    frame,
    reply_frames,
    started,
    stopped,
    text,
    thinking,
    tool_use,
)
from tests.models.test_replies import LIMITS

WHOLE = reply_frames(text("hello"), tool_use("toolu_1", "bash", command="ls -la"))
BEGUN = Usage(input_tokens=25, output_tokens=1, cache_creation_input_tokens=3, cache_read_input_tokens=4)
BAD_JSON = b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0,\n\n'


def call(sent: str, id: str = "t1", index: int = 0) -> list[bytes]:
    """A call whose input came as this text."""
    return [started(index, tool_use(id, "bash")), delta(index, "input_json_delta", partial_json=sent), stopped(index)]


# --- broken streams ------------------------------------------------------------------------------

BROKEN: dict[str, tuple[list[bytes], str]] = {
    "nothing at all": ([], "no message_stop"),
    "pings alone": ([PING, PING], "no message_stop"),
    "no message_stop": (WHOLE[:-1], "no message_stop"),
    "no end of the last event": ([*WHOLE[:-1], OVER[:-1]], "no message_stop"),
    "no stop reason": ([begun(), OVER], "no stop_reason"),
    "a stop reason that is null": ([begun(), ended(None), OVER], "no stop_reason"),
    "no message_start": (WHOLE[1:], "no stop_reason"),
    "an event cut off": ([begun(), BAD_JSON], "no JSON"),
    "an event that is a list": ([begun(), b"event: x\ndata: [1]\n\n"], "does not belong there"),
    "an event that is NaN": ([begun(), b"event: x\ndata: NaN\n\n"], "no JSON"),
    "an event nested too deep": ([begun(), b"event: x\ndata: " + b"[" * 9999 + b"\n\n"], "no JSON"),
    "an event without a type": ([begun(), b"event: x\ndata: {}\n\n"], "does not belong there"),
    "bytes that are no UTF-8": ([begun(), b"event: x\ndata: \xff\xfe\n\n"], "no UTF-8"),
    "two beginnings": ([begun(), begun()], "does not belong there"),
    "a block begun twice": ([begun(), started(0, text("")), started(0, text(""))], "content block 0 twice"),
    "a delta of no block": ([begun(), delta(3, "text_delta", text="x")], "content block 3, which it had not begun"),
    "a delta without an index": (
        [begun(), frame({"type": "content_block_delta", "delta": {"type": "text_delta"}})],
        "does not belong there",
    ),
    "a call without a name": (
        [begun(), started(0, {"type": "tool_use", "id": "t", "input": {}}), ended("tool_use"), OVER],
        "a content block that is none",
    ),
    "two calls of one id": (
        [begun(), *call("{}"), *call("{}", index=1), ended("tool_use"), OVER],
        "the same id (t1, t1)",
    ),
    "an input cut off": (
        [begun(), *call('{"command": "rm -r'), ended("tool_use"), OVER],
        "called 'bash' with an input",
    ),
    "an input that is no object": ([begun(), *call("[1]"), ended("tool_use"), OVER], "it is no object"),
    "an input with NaN": ([begun(), *call('{"x": NaN}'), ended("tool_use"), OVER], "called 'bash' with an input"),
    "an input cut off, but not at the limit": (
        [begun(), *call('{"command": "rm'), *call("{}", "t2", 1), ended("max_tokens"), OVER],
        "called 'bash' with an input",
    ),
}


@pytest.mark.parametrize("framing", ["chunked", "close"])
@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_stream_is_no_reply(name: str, framing: Any) -> None:
    parts, words = BROKEN[name]

    failure = await failure_of(Answer(parts=parts, framing=framing))

    assert words in str(failure)
    assert failure.kind == "transient"
    assert str(failure).startswith("provider 'house' at 127.0.0.1:")


async def test_what_a_broken_stream_used_is_known() -> None:
    assert (await failure_of(Answer(parts=WHOLE[:4]))).usage == BEGUN
    assert (await failure_of(Answer(parts=WHOLE[:-1]))).usage == Usage(25, 15, 3, 4)
    assert (await failure_of(Answer(parts=[PING]))).usage is None


async def test_the_rates_that_came_with_a_failure_are_known() -> None:
    failure = await failure_of(Answer(parts=WHOLE[:4], headers={"content-type": "text/event-stream", **LIMITS}))

    assert isinstance(failure.rates, Rates)
    assert failure.rates.requests_left == 49


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
@pytest.mark.parametrize("then", ["drop", "reset"])
async def test_a_connection_that_breaks_in_the_middle_is_transient(framing: Any, then: Any) -> None:
    answer = Answer(parts=WHOLE[:5], then=then, framing=framing, headers={"content-type": "text/event-stream"})
    if framing == "length":  # more is promised than comes
        answer = Answer(parts=WHOLE[:5], then=then, framing="close",
                        headers={"content-type": "text/event-stream", "content-length": "9999"})  # fmt: skip

    failure = await failure_of(answer)

    assert failure.kind == "transient"
    assert failure.usage == BEGUN


@pytest.mark.parametrize("then", ["drop", "reset"])
async def test_a_connection_that_breaks_before_the_answer_is_transient_and_says_where_to_look(then: Any) -> None:
    failure = await failure_of(Answer(silent=True, then=then))

    assert failure.kind == "transient"
    assert "gave no answer" in str(failure)
    assert "base_url of provider 'house' in podium.toml" in str(failure)


async def test_an_answer_that_is_no_http_is_transient() -> None:
    garbage = Answer(silent=True, parts=[b"SSH-2.0-OpenSSH_9.2\r\n\r\n"], framing="close")

    assert "gave no answer" in str(await failure_of(garbage))


async def test_a_refused_connection_is_transient_and_says_where_to_look() -> None:
    async with MessagesServer() as server:
        url = server.url
    async with connected(url) as model:
        with pytest.raises(ModelFailed, match="gave no answer") as raised:
            await model.reply(asking())

    assert raised.value.kind == "transient"
    assert url.removeprefix("http://") in str(raised.value)
    assert "Check that it runs, and the base_url of provider 'house' in podium.toml" in str(raised.value)


# --- errors of the provider --------------------------------------------------------------------

STATUSES: list[tuple[int, str, str, str]] = [
    (400, "invalid_request_error", "refused", "refused the request (400): invalid_request_error: because"),
    (401, "authentication_error", "refused", "refused the key for 'claude-test' (401): authentication_error: because"),
    (403, "permission_error", "refused", "refused the key for 'claude-test' (403)"),
    (404, "not_found_error", "refused", "does not know 'claude-test', or its base_url http://127.0.0.1:"),
    (408, "timeout_error", "transient", "failed (408)"),
    (409, "conflict_error", "transient", "failed (409)"),
    (413, "request_too_large", "refused", "refused the request (413)"),
    (422, "", "refused", "refused the request (422): because"),
    (429, "rate_limit_error", "rate_limited", "failed (429)"),
    (500, "api_error", "transient", "failed (500)"),
    (502, "", "transient", "failed (502)"),
    (503, "overloaded_error", "overloaded", "failed (503)"),
    (504, "timeout_error", "transient", "failed (504)"),
    (529, "overloaded_error", "overloaded", "failed (529): overloaded_error: because"),
]


@pytest.mark.parametrize(("status", "type", "kind", "words"), STATUSES)
async def test_a_status_tells_the_kind_of_failure(status: int, type: str, kind: str, words: str) -> None:
    failure = await failure_of(fails(status, type, "because", request_id="req_9"))

    assert failure.kind == kind
    assert words in str(failure)
    assert str(failure).endswith("because (request req_9)")


async def test_a_provider_that_wants_a_key_where_none_was_given_says_so() -> None:
    failure = await failure_of(fails(401, "authentication_error", "no key"), upstream={"api_key": None})

    assert "wants a key, and none was given (401)" in str(failure)


@pytest.mark.parametrize(
    ("status", "should", "kind"),
    [(400, "true", "transient"), (500, "false", "failed"), (429, "false", "failed"), (529, "true", "overloaded")],
)
async def test_the_provider_may_say_whether_to_try_again(status: int, should: str, kind: str) -> None:
    assert (await failure_of(fails(status, "api_error", "x", x_should_retry=should))).kind == kind


RETRY_AFTER: list[tuple[dict[str, str], float | None]] = [
    ({}, None),
    ({"retry_after": "7"}, 7.0),
    ({"retry_after": "2.5"}, 2.5),
    ({"retry_after": "0"}, 0.0),
    ({"retry_after": "86400"}, 86400.0),
    ({"retry_after_ms": "1500", "retry_after": "9"}, 1.5),
    ({"retry_after_ms": "soon", "retry_after": "9"}, 9.0),
    ({"retry_after": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30.0),
    ({"retry_after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0.0),
    ({"retry_after": "Sat, 21 Nov 2026 12:00:30 -0000"}, 30.0),
    ({"retry_after": "in a while"}, None),
    ({"retry_after": "-3"}, None),
    ({"retry_after": "nan"}, None),
    ({"retry_after": "1e999"}, None),
    ({"retry_after": ""}, None),
    ({"retry_after": "Sat, 99 Nov 2026 99:00:30 GMT"}, None),
]


@pytest.mark.parametrize(("headers", "after_s"), RETRY_AFTER)
async def test_when_to_come_back_is_understood(headers: dict[str, str], after_s: float | None) -> None:
    answer = fails(429, "rate_limit_error", "slow down", date="Sat, 21 Nov 2026 12:00:00 GMT", **headers)

    assert (await failure_of(answer)).retry_after_s == after_s


TOO_LONG = [
    (400, "prompt is too long: 208310 tokens > 200000 maximum"),
    (400, "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease input length"),
    (400, "This model's maximum context length is 16384 tokens. However, you requested 122946 tokens"),
    (400, "The decoder prompt (length 9000) is longer than the maximum model length of 8192."),
    (400, "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it"),
    (500, "Context size has been exceeded."),
    (400, "Trying to keep the first 10136 tokens when context the overflows. However, the model is loaded with"),
    (400, "the input length exceeds the context length"),
    (400, "prompt too long; exceeded max context length by 12 tokens"),
    (400, "The input (40000 tokens) is longer than the model's context length (32768 tokens)."),
    (422, "context_length_exceeded"),
]


@pytest.mark.parametrize(("status", "words"), TOO_LONG)
async def test_a_prompt_that_does_not_fit_is_too_long_in_every_servers_words(status: int, words: str) -> None:
    failure = await failure_of(fails(status, "invalid_request_error", words))

    assert failure.kind == "too_long"
    assert words in str(failure)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (400, "refused", "messages.0.content.0.image: image exceeds 5 MB maximum"),
        (400, "refused", "max_tokens: 99999 > 64000, which is the maximum allowed number of output tokens"),
        (400, "refused", "tools.0.name: string too long"),
        (429, "rate_limited", "would exceed the limit of 40,000 input tokens; reduce the prompt, its context length"),
    ],
)
async def test_other_limits_are_not_taken_for_the_context(status: int, kind: str, words: str) -> None:
    assert (await failure_of(fails(status, "invalid_request_error", words))).kind == kind


async def test_a_context_that_fills_up_while_it_answers_is_too_long() -> None:
    failure = await failure_of(Answer(parts=reply_frames(text("and"), stop_reason="model_context_window_exceeded")))

    assert failure.kind == "too_long"
    assert failure.usage == Usage(25, 15, 3, 4)


@pytest.mark.parametrize(
    ("type", "kind"),
    [
        ("overloaded_error", "overloaded"),
        ("rate_limit_error", "rate_limited"),
        ("api_error", "transient"),
        ("tomorrows_error", "transient"),
    ],
)
async def test_an_error_in_the_middle_of_a_stream_tells_its_kind(type: str, kind: str) -> None:
    error = frame({"type": "error", "error": {"type": type, "message": "half-way"}})

    failure = await failure_of(Answer(parts=[*WHOLE[:5], error]))

    assert (failure.kind, failure.usage) == (kind, BEGUN)
    assert f"broke off with an error: {type}: half-way" in str(failure)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b'event: error\ndata: {"message": "no GPU"}\n\n', "no GPU"),
        (b"event: error\ndata: out of memory\n\n", "out of memory"),
        (b'data: {"error": {"message": "no GPU", "code": 500}}\n\n', "no GPU"),
        (b'data: {"error": "no GPU"}\n\n', "no GPU"),
        (b'data: {"error": {"code": 7}}\n\n', '{"error":{"code":7}}'),
    ],
)
async def test_an_error_of_another_shape_is_told_in_its_own_words(sent: bytes, words: str) -> None:
    failure = await failure_of(Answer(parts=[begun(), sent]))

    assert f"broke off with an error: {words}" in str(failure)
    assert failure.kind == "transient"


async def test_a_prompt_found_too_long_after_the_answer_began_is_too_long() -> None:
    error = b'event: error\ndata: {"error": {"message": "Context size has been exceeded."}}\n\n'

    assert (await failure_of(Answer(parts=[PING, error]))).kind == "too_long"


# --- answers of another kind -------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 502])
async def test_a_web_page_is_transient_and_its_first_words_are_told(status: int) -> None:
    page = b"<html>\n <head><title>Bad   gateway</title>" + b"x" * 5000
    failure = await failure_of(Answer(parts=[page], status=status, headers={"content-type": "text/html"}))

    assert failure.kind == "transient"
    assert "<html> <head><title>Bad gateway</title>" in str(failure)
    assert len(str(failure)) < 400


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"type": "message", "content": [], "stop_rea', "JSON that is broken"),
        (b'{"type": "message", "content": [], "usage": {}}', "no stop_reason"),
        (b'{"type": "message", "content": [7], "stop_reason": "end_turn"}', "a content block that is none: 7"),
        (b'{"type": "message", "content": [{}], "stop_reason": "end_turn"}', "a content block that is none: {}"),
        (b'{"choices": []}', 'JSON that is no message: {"choices": []}'),
        (b'{"error": "no GPU"}', "broke off with an error: no GPU"),
        (b"[]", "where a stream of events was due: []"),
        (b"", "JSON that is broken"),
    ],
)
async def test_json_that_is_no_whole_message_is_no_reply(body: bytes, words: str) -> None:
    failure = await failure_of(Answer(parts=[body], headers=JSON))

    assert failure.kind == "transient"
    assert words in str(failure)


async def test_a_whole_message_with_broken_calls_is_no_reply() -> None:
    calls = [tool_use("same", "bash"), tool_use("same", "bash")]
    message = {"type": "message", "content": calls, "stop_reason": "tool_use", "usage": {"input_tokens": 3}}

    failure = await failure_of(Answer(parts=[json.dumps(message).encode()], headers=JSON))

    assert "the same id" in str(failure)
    assert failure.usage == Usage(input_tokens=3)


@pytest.mark.parametrize("status", [200, 404])
async def test_podium_itself_is_refused_as_a_provider(status: int) -> None:
    answer = Answer(parts=WHOLE, status=status, headers={"content-type": "text/event-stream", "podium-version": "1.0"})
    failure = await failure_of(answer)

    assert failure.kind == "refused"
    assert "is Podium itself. Set base_url, now http://127.0.0.1:" in str(failure)


async def test_a_redirect_is_not_followed_since_the_key_would_be() -> None:
    async with MessagesServer(Answer(parts=WHOLE)) as elsewhere:
        there = f"{elsewhere.url}/v1/messages"
        failure = await failure_of(Answer(status=307, headers={"location": there}, framing="length"))

    assert elsewhere.requests == []
    assert failure.kind == "refused"
    assert f"answers elsewhere (307). Set its base_url to where that is: {there}" in str(failure)


async def test_a_failed_call_leaves_the_next_one_alone() -> None:
    told: list[Delta] = []
    broken = Answer(parts=[begun(), *WHOLE[2:4], BAD_JSON])
    async with MessagesServer(broken, Answer(parts=WHOLE)) as server, connected(server.url) as model:
        with pytest.raises(ModelFailed):
            await model.reply(asking(on_delta=told.append))
        told.clear()
        reply = await model.reply(asking(on_delta=told.append))

    assert [type(block).__name__ for block in reply.content] == ["TextBlock", "ToolUseBlock"]
    assert told[0] == Delta(0, "text", "he")


async def test_thinking_of_the_wrong_shape_is_no_reply() -> None:
    start = started(0, thinking("", "") | {"thinking": 7})

    assert "a content block that is none" in str(
        await failure_of(Answer(parts=[begun(), start, ended("end_turn"), OVER]))
    )
