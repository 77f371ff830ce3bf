"""Fold: what a thread's model is sent."""

from collections.abc import Iterator, Sequence
from typing import overload

from podium.core.content import Block, Content, Message, TextBlock, ToolResultBlock


class Messages(Sequence[Message]):
    """The first `length` messages of a transcript: made in constant time, and it never changes.

    A transcript only grows at its end, so a prefix of it needs no copy.
    """

    __slots__ = ("_all", "_length")

    def __init__(self, messages: list[Message], length: int) -> None:
        self._all = messages
        self._length = length

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


class Transcript:
    """Messages that were sent, and what goes into the next one.

    Invariant: every call of a reply gets its result in the very next message, in the order asked, before any text.
    """

    __slots__ = ("_messages", "_results", "_texts")

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._results: dict[str, ToolResultBlock | None] = {}
        self._texts: list[TextBlock] = []

    @property
    def awaits_reply(self) -> bool:
        """Whether the model has something to answer."""
        return bool(self._results or self._texts) or (bool(self._messages) and self._messages[-1].role == "user")

    def tell(self, content: Content) -> None:
        """Text for the next message: a person's, the harness's, or another agent's."""
        self._texts.extend(content)

    def reply(self, blocks: Sequence[Block], calls: Sequence[str]) -> None:
        """The model's reply, with the ids of its calls in order."""
        self._messages.append(Message("assistant", tuple(blocks)))
        self._results = dict.fromkeys(calls)

    def answer(self, call: str, content: Content, is_error: bool) -> None:
        """The result of a call of the last reply."""
        if call in self._results:
            self._results[call] = ToolResultBlock(call, content, is_error)

    def send(self) -> None:
        """Close the next message: a model call begins."""
        if self._results or self._texts:
            results = tuple(result for result in self._results.values() if result is not None)
            if self._messages and self._messages[-1].role == "user":  # it had no reply: this is the same turn still
                unanswered = self._messages[-1].content
                # A list of its own, since what the call without a reply was sent must stay as it was.
                self._messages = [*self._messages[:-1], Message("user", (*unanswered, *self._texts))]
            else:
                self._messages.append(Message("user", (*results, *self._texts)))
            self._results = {}
            self._texts = []

    def sent(self) -> Messages:
        """What the model is sent, as it stands now."""
        return Messages(self._messages, len(self._messages))
