"""Fold: what a thread's model is sent."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, overload

from podium.core.content import Block, Content, ContentBlock, Message, TextBlock, ToolResultBlock, text

T = TypeVar("T")
Made = dict[Callable[[Message], Any], list[Any]]  # by what makes it: of each message from the first


class Messages(Sequence[Message]):
    """The first `length` messages of a transcript: made in constant time, and it never changes.

    A transcript only grows at its end, so a prefix of it needs no copy, nor to be made anything of twice.
    """

    __slots__ = ("_all", "_length", "_made")

    def __init__(self, messages: list[Message], length: int, made: "Made") -> None:
        self._all = messages
        self._length = length
        self._made = made

    def made(self, make: Callable[[Message], T], length: int) -> list[T]:
        """What `make` gives for each of the first `length` messages. For each it is asked once for all prefixes."""
        made = self._made.setdefault(make, [])
        made.extend(make(message) for message in self._all[len(made) : length])
        return made[:length]

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Message, ...]: ...
    def __getitem__(self, index: int | slice) -> Message | tuple[Message, ...]:
        if isinstance(index, slice):
            return tuple(self._all[i] for i in range(*index.indices(self._length)))
        if not -self._length <= index < self._length:
            raise IndexError(f"message {index} of {self._length}")
        return self._all[index if index >= 0 else self._length + index]

    def __iter__(self) -> Iterator[Message]:
        for index in range(self._length):
            yield self._all[index]

    def __reversed__(self) -> Iterator[Message]:
        for index in range(self._length - 1, -1, -1):
            yield self._all[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Messages) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # as lists: compared by what they hold


SUMMARY = "Your earlier messages were replaced by this summary of your work so far. Go on from here.\n\n"


class Transcript:
    """Messages that were sent, and what goes into the next one.

    Invariant: every call of a reply gets its result in the very next message, in the order asked, before any text.
    """

    __slots__ = ("_is_answered", "_made", "_messages", "_results", "_task", "_texts")

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._made: Made = {}
        self._results: dict[str, ToolResultBlock | None] = {}
        self._texts: list[ContentBlock] = []
        self._is_answered = True  # the last message has its reply, even if that said nothing
        self._task: tuple[ContentBlock, ...] = ()  # the first message

    @property
    def awaits_reply(self) -> bool:
        """Whether the model has something to answer."""
        return bool(self._results or self._texts) or not self._is_answered

    @property
    def is_told(self) -> bool:
        """Whether something was said to the model that it has not been sent."""
        return bool(self._texts)

    def unsent(self) -> tuple[Block, ...]:
        """What the next message will hold, as far as it is there."""
        return (*(result for result in self._results.values() if result is not None), *self._texts)

    def tell(self, content: Content) -> None:
        """Text for the next message: a person's, the harness's, or another agent's."""
        self._texts.extend(content)

    def reply(self, blocks: Sequence[Block], calls: Sequence[str]) -> None:
        """The model's reply, with the ids of its calls in order. An empty one leaves no message: nobody may send it."""
        if blocks:
            if self._messages and self._messages[-1].role == "assistant":  # it was paused, and goes on
                self._replace_last(Message("assistant", (*self._messages[-1].content, *blocks)))
            else:
                self._messages.append(Message("assistant", tuple(blocks)))
        self._results = dict.fromkeys(calls)
        self._is_answered = True

    def answer(self, call: str, content: Content, is_error: bool) -> None:
        """The result of a call of the last reply."""
        if call in self._results:
            self._results[call] = ToolResultBlock(call, content, is_error)

    def send(self) -> None:
        """Close the next message: a model call begins."""
        if self._results or self._texts:
            results = tuple(result for result in self._results.values() if result is not None)
            if self._messages and self._messages[-1].role == "user":  # it had no reply: this is the same turn still
                self._replace_last(Message("user", (*self._messages[-1].content, *self._texts)))
            else:
                self._messages.append(Message("user", (*results, *self._texts)))
            self._task = self._task or tuple(self._texts)
            self._results = {}
            self._texts = []
        self._is_answered = False

    def summarize(self, summary: str) -> None:
        """Put the task, the summary and what the last message said in the place of all messages."""
        last = self._messages[-1]
        is_told = last.role == "user" and len(self._messages) > 1
        told = [block for block in last.content if isinstance(block, TextBlock)] if is_told else []
        self._texts = [*self._task, *text(SUMMARY + summary), *told, *self._texts]
        self._messages, self._made, self._results, self._is_answered = [], {}, {}, True

    def sent(self) -> Messages:
        """What the model is sent, as it stands now."""
        return Messages(self._messages, len(self._messages), self._made)

    def _replace_last(self, message: Message) -> None:
        # A list of its own, since what an earlier call was sent must stay as it was.
        self._messages = [*self._messages[:-1], message]
        self._made = {make: made[: len(self._messages) - 1] for make, made in self._made.items()}
