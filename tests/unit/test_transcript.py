"""What a thread's model is sent."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.core.content import Message, TextBlock, ToolResultBlock, ToolUseBlock, text
from podium.core.transcript import Messages, Transcript


def asked(*calls: str) -> list[ToolUseBlock]:
    return [ToolUseBlock(call, "bash", {}) for call in calls]


def result(call: str, words: str = "done") -> ToolResultBlock:
    return ToolResultBlock(call, text(words))


def begun() -> Transcript:
    """A person said "go", the model called a, b and c."""
    transcript = Transcript()
    transcript.tell(text("go"))
    transcript.send()
    transcript.reply(asked("a", "b", "c"), ["a", "b", "c"])
    return transcript


def last(transcript: Transcript) -> Message:
    return transcript.sent()[-1]


def test_results_stand_in_the_order_asked_whatever_the_order_they_came() -> None:
    transcript = begun()
    for call in ("c", "a", "b"):
        transcript.answer(call, text("done"), False)
    transcript.send()

    assert last(transcript) == Message("user", (result("a"), result("b"), result("c")))


def test_texts_stand_after_the_results() -> None:
    transcript = begun()
    transcript.tell(text("by the way"))
    for call in ("a", "b", "c"):
        transcript.answer(call, text("done"), call == "b")
    transcript.tell(text("one more"))
    transcript.send()

    failed = ToolResultBlock("b", text("done"), True)
    blocks = (result("a"), failed, result("c"), TextBlock("by the way"), TextBlock("one more"))
    assert last(transcript) == Message("user", blocks)


def test_result_of_another_reply_is_left_out() -> None:
    transcript = begun()
    for call in ("a", "b", "c"):
        transcript.answer(call, text("done"), False)
    transcript.send()
    transcript.answer("a", text("late"), False)
    transcript.reply(asked("d"), ["d"])
    transcript.answer("a", text("late"), False)
    transcript.answer("d", text("done"), False)
    transcript.send()

    assert last(transcript) == Message("user", (result("d"),))


def test_sending_again_after_a_failed_call_adds_nothing() -> None:
    transcript = begun()
    transcript.send()
    before = tuple(transcript.sent())

    transcript.send()

    assert tuple(transcript.sent()) == before
    assert transcript.awaits_reply


def test_text_after_a_failed_call_joins_the_message_that_had_no_reply() -> None:
    transcript = Transcript()
    transcript.tell(text("go"))
    transcript.send()
    seen_by_the_failed_call = transcript.sent()

    transcript.tell(text("and hurry"))
    transcript.send()

    assert tuple(transcript.sent()) == (Message("user", (TextBlock("go"), TextBlock("and hurry"))),)
    assert tuple(seen_by_the_failed_call) == (Message("user", (TextBlock("go"),)),)


@pytest.mark.parametrize("said", [[], ["done"]])
def test_reply_without_calls_awaits_nothing(said: list[str]) -> None:
    transcript = Transcript()
    transcript.tell(text("go"))
    assert transcript.awaits_reply
    transcript.send()
    assert transcript.awaits_reply

    transcript.reply([TextBlock(words) for words in said], [])

    assert not transcript.awaits_reply
    transcript.tell(text("more"))
    assert transcript.awaits_reply


# --- properties ----------------------------------------------------------------------------------

acts = st.lists(st.sampled_from(["tell", "send", "reply", "answer"]), max_size=30)


def play(acts: Sequence[str]) -> tuple[Transcript, list[tuple[Messages, tuple[Message, ...]]]]:
    """Do these in turn, as far as they make sense; what was sent at each moment, and a copy of it."""
    transcript, sent, calls = Transcript(), [], list[str]()
    transcript.tell(text("go"))
    for number, act in enumerate(acts, 1):
        if act == "tell":
            transcript.tell(text(f"text {number}"))
        elif act == "send" and not calls:
            transcript.send()
        elif act == "reply" and not calls and transcript.sent() and transcript.sent()[-1].role == "user":
            calls = [f"call{number}{part}" for part in range(number % 3)]
            transcript.reply([TextBlock("so"), *asked(*calls)], calls)
        elif act == "answer" and calls:
            transcript.answer(calls.pop(), text(f"result {number}"), False)
        sent.append((transcript.sent(), tuple(transcript.sent())))
        transcript.sent().made(shown, len(transcript.sent()))
    return transcript, sent


def shown(message: Message) -> str:
    return str(message)


@given(acts)
def test_what_was_sent_never_changes(acts: list[str]) -> None:
    _, sent = play(acts)

    for messages, copy in sent:
        assert tuple(messages) == copy
        assert len(messages) == len(copy)


@given(acts)
def test_what_is_made_of_messages_is_of_those_that_were_sent(acts: list[str]) -> None:
    _, sent = play(acts)

    for messages, copy in sent:
        assert messages.made(shown, len(copy)) == [shown(message) for message in copy]


def test_of_each_message_it_is_made_once() -> None:
    transcript, made = Transcript(), list[Message]()
    for number in range(5):
        transcript.tell(text(f"text {number}"))
        transcript.send()
        transcript.sent().made(made.append, len(transcript.sent()))
        transcript.reply([TextBlock("so")], [])

    assert len(made) == 9


@given(acts)
def test_messages_alternate_from_a_users_and_answer_every_call_at_once(acts: list[str]) -> None:
    transcript, _ = play(acts)
    messages = transcript.sent()

    assert [message.role for message in messages] == ["user", "assistant"] * (len(messages) // 2) + ["user"] * (
        len(messages) % 2
    )
    for reply, answer in zip(messages[1::2], messages[2::2], strict=False):
        asked_for = [block.id for block in reply.content if isinstance(block, ToolUseBlock)]
        head = answer.content[: len(asked_for)]
        assert [block.tool_use_id for block in head if isinstance(block, ToolResultBlock)] == asked_for
        assert not any(isinstance(block, ToolResultBlock) for block in answer.content[len(asked_for) :])


@given(acts)
def test_nothing_told_is_lost(acts: list[str]) -> None:
    transcript, _ = play(acts)
    transcript.send()
    told = [f"text {n}" for n, act in enumerate(acts, 1) if act == "tell"]

    texts = [b.text for m in transcript.sent() if m.role == "user" for b in m.content if isinstance(b, TextBlock)]
    assert texts == ["go", *told]


@given(acts, st.integers(-12, 12), st.slices(8))
def test_messages_are_a_sequence_like_any_other(acts: list[str], index: int, part: slice) -> None:
    transcript, _ = play(acts)
    messages, copy = transcript.sent(), tuple(transcript.sent())

    assert messages[part] == copy[part]
    assert list(reversed(messages)) == list(reversed(copy))
    assert messages == Messages(list(copy), len(copy), {})
    assert messages != copy
    if -len(copy) <= index < len(copy):
        assert messages[index] == copy[index]
    else:
        with pytest.raises(IndexError, match=f"message {index} of {len(copy)}"):
            messages[index]
