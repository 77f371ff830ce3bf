"""However the bytes of a stream come apart, the reply is the same; wherever they end, there is none."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.core.content import RawBlock, ReplyBlock, TextBlock, ThinkingBlock, ToolUseBlock
from podium.core.ports import Reply
from podium.errors import ModelFailed
from podium.models.messages import MessagesClient, MessagesModel
from podium.models.upstream import Upstream
from tests.models.calling import PATIENT, asking
from tests.models.server import Answer, Block, MessagesServer, reply_frames, text, thinking, tool_use

Ask = Callable[[Answer], Reply]

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
inputs = st.dictionaries(words, values, max_size=3)


@st.composite
def replies(draw: st.DrawFn) -> list[Block]:
    """The blocks of a reply; its calls have different ids."""
    kinds = draw(st.lists(st.sampled_from(["text", "thinking", "tool_use", "redacted_thinking"]), max_size=4))
    return [draw(_blocks(kind, f"toolu_{place}")) for place, kind in enumerate(kinds)]


def _blocks(kind: str, id: str) -> st.SearchStrategy[Block]:
    match kind:
        case "text":
            return st.builds(text, words)
        case "thinking":
            return st.builds(thinking, words, words)
        case "tool_use":
            return st.builds(lambda given: tool_use(id, "bash") | {"input": given}, inputs)
        case _:
            return st.builds(lambda data: {"type": "redacted_thinking", "data": data}, words)


def as_reply_blocks(blocks: list[Block]) -> tuple[ReplyBlock, ...]:
    """The blocks as a Reply has them."""
    return tuple(_as_reply_block(block) for block in blocks)


def _as_reply_block(block: Block) -> ReplyBlock:
    match block["type"]:
        case "text":
            return TextBlock(block["text"])
        case "thinking":
            return ThinkingBlock(block["thinking"], block["signature"])
        case "tool_use":
            return ToolUseBlock(block["id"], block["name"], block["input"])
        case _:
            return RawBlock(block)


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Has a model asked whose server gives this answer: one loop, server and client for all examples."""
    answers: list[Answer] = []
    with asyncio.Runner() as runner:
        server = MessagesServer(script=lambda request: answers[-1])
        runner.run(server.__aenter__())
        client = MessagesClient(Upstream(provider="house", base_url=server.url, deadlines=PATIENT))
        model = MessagesModel(client, "claude-test")

        def ask(answer: Answer) -> Reply:
            answers.append(answer)
            return runner.run(model.reply(asking()))

        yield ask
        runner.run(client.close())
        runner.run(server.__aexit__(None, None, None))


def split(stream: bytes, places: Sequence[int]) -> list[bytes]:
    """The stream, cut at these places."""
    cuts = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[a:b] for a, b in pairwise(cuts)]


@given(blocks=replies(), places=st.lists(st.integers(0, 10**6), max_size=12), newline=st.sampled_from([b"\n", b"\r\n"]))
def test_any_reply_cut_anywhere_is_the_same_reply(ask: Ask, blocks: Any, places: list[int], newline: bytes) -> None:
    stream = b"".join(reply_frames(*blocks)).replace(b"\n", newline)

    assert ask(Answer(parts=split(stream, places))).content == as_reply_blocks(blocks)


@given(blocks=replies())
def test_any_reply_that_comes_byte_by_byte_is_the_same_reply(ask: Ask, blocks: Any) -> None:
    stream = b"".join(reply_frames(*blocks))

    assert ask(Answer(parts=split(stream, range(len(stream))))).content == as_reply_blocks(blocks)


@given(
    blocks=replies(),
    end=st.integers(0, 10**6),
    framing=st.sampled_from(["chunked", "close"]),
    then=st.sampled_from(["finish", "drop"]),
)
def test_any_reply_that_ends_early_is_none(ask: Ask, blocks: Any, end: int, framing: Any, then: Any) -> None:
    stream = b"".join(reply_frames(*blocks))

    with pytest.raises(ModelFailed) as raised:
        ask(Answer(parts=[stream[: end % len(stream)]], framing=framing, then=then))

    assert raised.value.kind == "transient"
