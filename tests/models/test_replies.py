"""What a model answered, as it stands in the Reply."""

import json
from typing import Any

import pytest

from podium.core.content import RawBlock, TextBlock, ThinkingBlock, ToolUseBlock
from podium.core.events import StopDetails, Usage
from podium.core.ports import Delta, Rates
from tests.models.calling import asking, connected, reply_to
from tests.models.server import (
    OVER,
    PING,
    Answer,
    MessagesServer,
    begun,
    delta,
    ended,
    frame,
    reply_frames,
    says,
    started,
    stopped,
    text,
    thinking,
    tool_use,
)


async def test_a_reply_keeps_its_blocks_in_order_and_what_the_provider_says_of_it() -> None:
    reply = await reply_to(says(thinking("hm", "sig=="), text("on it"), tool_use("toolu_1", "bash", command="ls")))

    assert reply.content == (
        ThinkingBlock("hm", "sig=="),
        TextBlock("on it"),
        ToolUseBlock("toolu_1", "bash", {"command": "ls"}),
    )
    assert (reply.stop_reason, reply.message, reply.model) == ("tool_use", "msg_1", "claude-test-1")
    assert reply.cut == ()
    assert reply.rates is None


async def test_later_usage_figures_are_totals_and_null_says_nothing_new() -> None:
    end = ended("end_turn", output_tokens=90, input_tokens=30, cache_read_input_tokens=None)
    reply = await reply_to(Answer(parts=[begun(output_tokens=2), end, OVER]))

    assert reply.usage == Usage(
        input_tokens=30, output_tokens=90, cache_creation_input_tokens=3, cache_read_input_tokens=4
    )
    assert reply.raw_usage["cache_read_input_tokens"] == 4


async def test_usage_that_podium_does_not_know_is_kept_raw() -> None:
    parts = [begun(), frame({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
             "usage": {"output_tokens": 5, "server_tool_use": {"web_search_requests": 2}}}), OVER]  # fmt: skip

    assert (await reply_to(Answer(parts=parts))).raw_usage["server_tool_use"] == {"web_search_requests": 2}


@pytest.mark.parametrize("stop_reason", ["end_turn", "pause_turn", "stop_sequence", "max_tokens", "made_up_tomorrow"])
async def test_a_stop_reason_is_handed_on_as_it_is(stop_reason: str) -> None:
    reply = await reply_to(says(text("so"), stop_reason=stop_reason))

    assert (reply.stop_reason, reply.content) == (stop_reason, (TextBlock("so"),))


async def test_an_empty_reply_is_a_reply() -> None:
    assert (await reply_to(says())).content == ()


async def test_a_refusal_says_what_the_provider_said_of_it() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "no."}
    reply = await reply_to(Answer(parts=reply_frames(stop_reason="refusal", stop_details=details)))

    assert reply.stop_reason == "refusal"
    assert reply.stop_details == StopDetails(category="bio", explanation="no.")


async def test_a_refusal_without_details_is_a_refusal() -> None:
    reply = await reply_to(Answer(parts=reply_frames(stop_reason="refusal")))

    assert (reply.stop_reason, reply.stop_details) == ("refusal", None)


RAW: list[dict[str, Any]] = [
    {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3p"},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "weather, Köln"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result"}]},
    {"type": "hologram", "id": "h1", "depth": 3, "layers": [1, None, "x"]},
]


@pytest.mark.parametrize("block", RAW, ids=lambda block: str(block["type"]))
async def test_a_block_that_is_only_handed_back_is_kept_whole(block: dict[str, Any]) -> None:
    assert (await reply_to(says(block, text("done")))).content == (RawBlock(block), TextBlock("done"))


async def test_a_text_with_citations_keeps_them() -> None:
    cited = {"type": "char_location", "cited_text": "the sky", "document_index": 0}
    parts = [
        begun(),
        started(0, text("")),
        delta(0, "citations_delta", citation=cited),
        delta(0, "text_delta", text="blue"),
        delta(0, "citations_delta", citation=cited | {"document_index": 1}),
        stopped(0),
        ended("end_turn"),
        OVER,
    ]

    [block] = (await reply_to(Answer(parts=parts))).content

    citations = [cited, cited | {"document_index": 1}]
    assert block == RawBlock({"type": "text", "text": "blue", "citations": citations})


async def test_a_block_of_an_unknown_kind_grows_by_the_keys_of_its_deltas() -> None:
    parts = [
        begun(),
        started(0, {"type": "summary", "content": None, "level": 0}),
        delta(0, "summary_delta", content="first "),
        delta(0, "summary_delta", content="second", level=2),
        ended("end_turn"),
        OVER,
    ]

    [block] = (await reply_to(Answer(parts=parts))).content

    assert block == RawBlock({"type": "summary", "content": "first second", "level": 2})


async def test_events_of_an_unknown_kind_are_passed_over() -> None:
    frames = reply_frames(text("hi"))
    parts = [frames[0], frame({"type": "weather_report", "index": 0, "delta": "rain"}), *frames[1:]]

    assert (await reply_to(Answer(parts=parts))).content == (TextBlock("hi"),)


async def test_a_server_that_names_no_events_is_understood() -> None:
    parts = [part[part.index(b"data:") :] for part in reply_frames(text("hi"), tool_use("t", "bash", command="ls"))]

    assert len((await reply_to(Answer(parts=parts))).content) == 2


async def test_a_server_that_ends_lines_with_crlf_is_understood() -> None:
    parts = [part.replace(b"\n", b"\r\n") for part in reply_frames(text("hi"))]

    assert (await reply_to(Answer(parts=parts))).content == (TextBlock("hi"),)


async def test_a_call_without_arguments_has_an_empty_input() -> None:
    assert (await reply_to(says(tool_use("t", "now")))).content == (ToolUseBlock("t", "now", {}),)


async def test_a_call_whose_input_is_left_out_has_an_empty_one() -> None:
    start = started(0, {"type": "tool_use", "id": "t", "name": "now"})

    reply = await reply_to(Answer(parts=[begun(), start, stopped(0), ended("tool_use"), OVER]))

    assert reply.content == (ToolUseBlock("t", "now", {}),)


async def test_an_input_that_came_with_the_start_of_its_block_counts() -> None:
    start = started(0, tool_use("t", "bash", command="ls"))
    reply = await reply_to(Answer(parts=[begun(), start, stopped(0), ended("tool_use"), OVER]))

    assert reply.content == (ToolUseBlock("t", "bash", {"command": "ls"}),)


async def test_a_tool_that_nobody_offered_is_left_to_the_engine() -> None:
    [block] = (await reply_to(says(tool_use("t", "no_such_tool", x=1)))).content

    assert block == ToolUseBlock("t", "no_such_tool", {"x": 1})


async def test_an_id_of_an_earlier_reply_may_come_again() -> None:
    async with MessagesServer(says(tool_use("same", "now"))) as server, connected(server.url) as model:
        replies = [await model.reply(asking()) for _ in range(2)]

    assert replies[0] == replies[1]


@pytest.mark.parametrize("sent", ['{"command": "rm -r', '{"command": "ls"', "", '{"a": 12345'])
async def test_a_call_cut_off_by_the_limit_of_output_tokens_is_named(sent: str) -> None:
    parts = [
        begun(), started(0, text("")), delta(0, "text_delta", text="now:"), stopped(0),
        started(1, tool_use("t1", "bash")), delta(1, "input_json_delta", partial_json=sent), stopped(1),
        ended("max_tokens"), OVER,
    ]  # fmt: skip

    reply = await reply_to(Answer(parts=parts))

    assert reply.content == (TextBlock("now:"), ToolUseBlock("t1", "bash", {}))
    assert (reply.stop_reason, reply.cut) == ("max_tokens", ("t1",))


async def test_a_call_that_was_whole_before_the_limit_is_not_cut() -> None:
    reply = await reply_to(says(tool_use("t1", "bash", command="ls"), text("and th"), stop_reason="max_tokens"))

    assert (reply.cut, reply.content[0]) == ((), ToolUseBlock("t1", "bash", {"command": "ls"}))


async def test_a_providers_own_call_that_was_cut_off_is_dropped() -> None:
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    parts = [begun(), started(0, search), delta(0, "input_json_delta", partial_json='{"qu'), ended("max_tokens"), OVER]

    assert (await reply_to(Answer(parts=parts))).content == ()


async def test_halves_of_a_character_in_two_events_are_taken() -> None:
    def half(escape: str) -> bytes:
        return delta(0, "text_delta", text="X").replace(b'"X"', f'"{escape}"'.encode())

    parts = [begun(), started(0, text("")), half("\\ud83d"), half("\\ude00"), ended("end_turn"), OVER]

    [block] = (await reply_to(Answer(parts=parts))).content

    assert isinstance(block, TextBlock)
    assert block.text.encode("utf-16", "surrogatepass").decode("utf-16") == "😀"


async def test_a_whole_message_instead_of_a_stream_is_a_reply() -> None:
    message = {
        "id": "msg_7", "type": "message", "role": "assistant", "model": "local-1", "stop_reason": "tool_use",
        "content": [thinking("hm", ""), text("hi"), tool_use("t", "bash", command="ls")],
        "usage": {"input_tokens": 7, "output_tokens": 8},
    }  # fmt: skip
    answer = Answer(parts=[json.dumps(message).encode()], headers={"content-type": "application/json"})

    reply = await reply_to(answer)

    calls = ToolUseBlock("t", "bash", {"command": "ls"})
    assert reply.content == (ThinkingBlock("hm", ""), TextBlock("hi"), calls)
    assert (reply.stop_reason, reply.usage) == ("tool_use", Usage(input_tokens=7, output_tokens=8))


async def test_deltas_tell_text_as_it_comes_and_only_that_it_thinks_or_calls() -> None:
    told: list[Delta] = []
    answer = says(thinking("secret", "s"), text("hello"), tool_use("t", "bash", command="ls"))

    await reply_to(answer, asking(on_delta=told.append))

    assert told == [
        Delta(0, "thinking"), Delta(1, "text", "he"), Delta(1, "text", "llo"), Delta(2, "tool_use"),
    ]  # fmt: skip


async def test_what_comes_after_the_last_event_changes_nothing() -> None:
    late = [PING, delta(0, "text_delta", text="!"), frame({"type": "error", "error": {"type": "x", "message": "y"}})]

    assert (await reply_to(Answer(parts=[*reply_frames(text("hi")), *late]))).content == (TextBlock("hi"),)


@pytest.mark.parametrize("then", ["wait", "ping", "drop", "reset"])
async def test_a_whole_reply_counts_whatever_becomes_of_the_connection(then: Any) -> None:
    assert (await reply_to(Answer(parts=reply_frames(text("hi")), then=then))).content == (TextBlock("hi"),)


LIMITS = {
    "date": "Sat, 21 Nov 2026 12:00:00 GMT",
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2026-11-21T12:00:01Z",
    "anthropic-ratelimit-input-tokens-limit": "40000",
    "anthropic-ratelimit-input-tokens-remaining": "30000",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-21T12:00:20Z",
    "anthropic-ratelimit-output-tokens-limit": "8000",
    "anthropic-ratelimit-output-tokens-remaining": "7000",
    "anthropic-ratelimit-output-tokens-reset": "2026-11-21T12:00:10Z",
}


async def test_rate_limits_come_with_the_reply() -> None:
    assert (await reply_to(says(text("hi"), headers=LIMITS))).rates == Rates(
        requests_limit=50, requests_left=49, requests_reset_s=1.0,
        tokens_limit=48000, tokens_left=37000, tokens_reset_s=20.0,
    )  # fmt: skip


async def test_a_limit_of_all_tokens_goes_before_those_of_their_kinds() -> None:
    total = {"anthropic-ratelimit-tokens-limit": "45000", "anthropic-ratelimit-tokens-remaining": "5"}
    total["anthropic-ratelimit-tokens-reset"] = "2026-11-21T11:00:00Z"  # over already
    rates = (await reply_to(says(text("hi"), headers=LIMITS | total))).rates

    assert rates is not None
    assert (rates.tokens_limit, rates.tokens_left, rates.tokens_reset_s) == (45000, 5, 0.0)


async def test_rubbish_in_rate_limits_says_nothing() -> None:
    rubbish = {name: "soon" for name in LIMITS if name.startswith("anthropic")}

    assert (await reply_to(says(text("hi"), headers=rubbish))).rates is None
