"""What a model is sent: the body of a request, as the Messages API takes it."""

import json
from collections.abc import Mapping
from typing import Any, get_type_hints

import pytest
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from pydantic import TypeAdapter

from podium.core.content import (
    DocumentBlock,
    ImageBlock,
    Message,
    RawBlock,
    SearchResultBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from podium.core.ports import ToolOffer
from podium.models.wire import request_body
from tests.models.calling import asking, connected, sent_by
from tests.models.server import MessagesServer, says, text, thinking, tool_use

CACHED = {"cache_control": {"type": "ephemeral"}}
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
PLAIN = {"type": "text", "media_type": "text/plain", "data": "once upon a time"}
TOOLS = (
    ToolOffer("bash", "Run a command.", {"type": "object", "properties": {"command": {"type": "string"}}}),
    ToolOffer("now", "The time.", {"type": "object", "properties": {}}),
)
CALLED = Message("assistant", (ThinkingBlock("hm", "sig=="), ToolUseBlock("t1", "bash", {"command": "ls"})))
ASKED = Message("user", (TextBlock("look"),))

_params: TypeAdapter[Any] = TypeAdapter(MessageCreateParamsStreaming)


def accepted(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body, if the official client's types take it."""
    assert body.keys() <= get_type_hints(MessageCreateParamsStreaming).keys()
    checked = _params.validate_python(body)
    for message in checked["messages"]:  # they check what is iterable only as it is taken
        for block in message["content"]:
            list(block.get("content") or ()) if isinstance(block, dict) else None
    list(checked.get("tools", ()))
    list(checked.get("system", ()))
    return body


async def body_of(*messages: Message, options: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    """What is sent for these messages."""
    return (await sent_by(asking(*messages, **changed), **(options or {}))).body


async def test_a_request_has_the_system_prompt_the_tools_and_the_messages() -> None:
    body = await body_of(ASKED, tools=TOOLS, system="Be brief.")

    assert accepted(body) == {
        "model": "claude-test",
        "max_tokens": 32_000,
        "stream": True,
        "system": [{"type": "text", "text": "Be brief.", **CACHED}],
        "tools": [
            {"name": "bash", "description": "Run a command.", "input_schema": TOOLS[0].input_schema},
            {"name": "now", "description": "The time.", "input_schema": TOOLS[1].input_schema, **CACHED},
        ],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "look", **CACHED}]}],
    }


async def test_without_caching_nothing_is_marked() -> None:
    received = await sent_by(asking(ASKED, tools=TOOLS), caching=False)

    assert b"cache_control" not in received.raw
    assert received.body["system"] == "Be brief."


async def test_what_is_empty_is_left_out() -> None:
    body = await body_of(ASKED, system="")

    assert body.keys() == {"model", "max_tokens", "stream", "messages"}


@pytest.mark.parametrize(
    "last",
    [
        Message("user", (ToolResultBlock("t1", (TextBlock("a"), TextBlock("b"))),)),
        Message("user", (ToolResultBlock("t1", (TextBlock("a"),)), TextBlock("and?"))),
        Message("user", (ToolResultBlock("t1", ()), ImageBlock(PNG))),
    ],
    ids=["result", "text", "image"],
)
async def test_only_the_last_block_of_the_last_message_is_marked(last: Message) -> None:
    received = await sent_by(asking(ASKED, CALLED, last))

    accepted(received.body)
    assert received.body["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}
    assert received.raw.count(b"cache_control") == 2  # it, and the system prompt


async def test_a_thought_at_the_end_is_not_marked_since_the_api_refuses_that() -> None:
    body = await body_of(ASKED, Message("assistant", (ThinkingBlock("hm", "sig=="),)))

    assert body["messages"][-1]["content"] == [{"type": "thinking", "thinking": "hm", "signature": "sig=="}]


async def test_tools_may_be_shown_and_not_be_called() -> None:
    assert accepted(await body_of(ASKED, tools=TOOLS, may_call=False))["tool_choice"] == {"type": "none"}
    assert "tool_choice" not in await body_of(ASKED, may_call=False)
    assert "tool_choice" not in await body_of(ASKED, tools=TOOLS)


async def test_the_requests_cap_of_output_goes_before_the_models() -> None:
    assert (await body_of(ASKED, options={"max_tokens": 500}))["max_tokens"] == 500
    assert (await body_of(ASKED, options={"max_tokens": 500}, max_tokens=7))["max_tokens"] == 7


async def test_options_of_a_model_go_into_the_body_and_replace_nothing_of_the_request() -> None:
    extra = {"thinking": {"type": "adaptive"}, "stop_sequences": ["x"], "stream": False, "messages": [], "model": "m2"}

    body = accepted(await body_of(ASKED, options={"extra": extra}))

    assert (body["thinking"], body["stop_sequences"]) == ({"type": "adaptive"}, ["x"])
    assert (body["stream"], body["model"], len(body["messages"])) == (True, "claude-test", 1)


def test_settings_of_an_agent_go_to_models_that_know_of_them() -> None:
    settings = {"effort": "high", "speed": "fast", "inference_geo": "us"}
    options: dict[str, Any] = {"model": "m", "max_tokens": 9, "caching": False, "extra": {"output_config": {"a": 1}}}

    sent = json.loads(request_body(asking(ASKED, settings=settings), **options, has_settings=True))
    not_sent = json.loads(request_body(asking(ASKED, settings=settings), **options))

    assert sent["output_config"] == {"a": 1, "effort": "high"}
    assert (sent["speed"], sent["inference_geo"]) == ("fast", "us")
    assert not {"speed", "inference_geo"} & not_sent.keys()
    assert not_sent["output_config"] == {"a": 1}


async def test_images_and_documents_are_sent_as_they_came() -> None:
    blocks = (
        ImageBlock(PNG),
        ImageBlock({"type": "url", "url": "https://example.org/a.png"}),
        DocumentBlock(PDF, title="Report", context="of 2026"),
        DocumentBlock(PLAIN),
        TextBlock("compare"),
    )
    body = accepted(await body_of(Message("user", blocks), options={"caching": False}))

    assert body["messages"][0]["content"] == [
        {"type": "image", "source": PNG},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {"type": "document", "source": PDF, "title": "Report", "context": "of 2026"},
        {"type": "document", "source": PLAIN},
        {"type": "text", "text": "compare"},
    ]


async def test_a_result_may_hold_images_and_documents() -> None:
    result = ToolResultBlock("t1", (TextBlock("seen"), ImageBlock(PNG), DocumentBlock(PDF)))
    body = accepted(await body_of(ASKED, CALLED, Message("user", (result,)), options={"caching": False}))

    [sent] = body["messages"][-1]["content"]
    assert [part["type"] for part in sent["content"]] == ["text", "image", "document"]
    assert "is_error" not in sent


async def test_a_result_may_hold_results_of_a_search() -> None:
    found = SearchResultBlock("https://example.com", "Ann", ({"type": "text", "text": "a"},), {"enabled": True})
    result = ToolResultBlock("t1", (found,))
    body = accepted(await body_of(ASKED, CALLED, Message("user", (result,)), options={"caching": False}))

    [sent] = body["messages"][-1]["content"]
    assert sent["content"] == [
        {
            "type": "search_result",
            "source": "https://example.com",
            "title": "Ann",
            "content": [{"type": "text", "text": "a"}],
            "citations": {"enabled": True},
        }
    ]


async def test_images_of_a_failed_call_go_behind_the_results_since_the_api_takes_none_inside() -> None:
    failed = ToolResultBlock("t1", (TextBlock("crashed"), ImageBlock(PNG)), is_error=True)
    fine = ToolResultBlock("t2", (TextBlock("ok"),))
    body = accepted(await body_of(ASKED, CALLED, Message("user", (failed, fine)), options={"caching": False}))

    assert body["messages"][-1]["content"] == [
        {"type": "tool_result", "tool_use_id": "t1", "content": [text("crashed")], "is_error": True},
        {"type": "tool_result", "tool_use_id": "t2", "content": [text("ok")]},
        {"type": "image", "source": PNG},
    ]


async def test_blank_texts_are_not_sent_since_the_api_refuses_them() -> None:
    result = ToolResultBlock("t1", (TextBlock(""), TextBlock("out"), TextBlock(" \n")))
    said = Message("assistant", (TextBlock("\n\n"), *CALLED.content))
    body = accepted(await body_of(ASKED, said, Message("user", (TextBlock(""), result)), options={"caching": False}))

    assert [block["type"] for block in body["messages"][1]["content"]] == ["thinking", "tool_use"]
    assert body["messages"][2]["content"] == [{"type": "tool_result", "tool_use_id": "t1", "content": [text("out")]}]


@pytest.mark.parametrize("content", [(), (TextBlock(""),)])
async def test_a_message_of_nothing_still_takes_its_turn(content: tuple[TextBlock, ...]) -> None:
    body = accepted(await body_of(ASKED, Message("assistant", content), ASKED, options={"caching": False}))

    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"] == [text("(empty)")]


async def test_a_reply_goes_back_byte_for_byte() -> None:
    blocks: list[dict[str, Any]] = [
        thinking("Ärger: \u2028 \u0000 \\ \" 😀", "EqQBCkYIARgCKkDx+/=="),
        {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix/LafP"},
        text("so\n"),
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "Köln"}},
        {
            "type": "web_search_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": [{"type": "web_search_result", "title": "t", "url": "https://example.org",
                         "encrypted_content": "x"}],
        },
        tool_use("toolu_1", "bash", command="echo 'ü'", limit=10, deep={"a": [1, None, 2.5, True]}),
    ]  # fmt: skip
    async with (
        MessagesServer(says(*blocks), says(text("ok"))) as server,
        connected(server.url, caching=False) as model,
    ):
        reply = await model.reply(asking(ASKED))
        result = Message("user", (ToolResultBlock("toolu_1", (TextBlock("done"),)),))
        await model.reply(asking(ASKED, Message("assistant", reply.content), result))

    body = accepted(server.requests[1].body)
    assert body["messages"][1]["content"] == blocks


async def test_an_unknown_block_goes_back_as_it_came() -> None:
    block = {"type": "hologram", "layers": [1, None], "text": ""}
    body = await body_of(ASKED, Message("assistant", (RawBlock(block),)), ASKED)

    assert body["messages"][1]["content"] == [block]


async def test_a_request_is_told_from_no_other_of_the_same_agent() -> None:
    first, second = [(await sent_by(asking(ASKED, tools=TOOLS))).raw for _ in range(2)]

    assert first == second  # a prompt cache knows it again
