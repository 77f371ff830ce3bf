"""One model call that wants to go, and what a gate is to it."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

Lane = tuple[str, str]  # a model and its provider


class Gate(Protocol):
    """Something that lets calls through, or makes them wait.

    A call that waits may *hold* what it will need, so that those behind it do not take it away; the limiter lets go of
    all that is held before it looks at the calls anew. Units: `now_s` is the limiter's own time, which never goes back.
    """

    def wait_s(self, now_s: float, slot: "Slot") -> float:
        """0 if the call may go now; else the seconds until it may, infinite if that is not a matter of time."""
        ...

    def take(self, now_s: float, slot: "Slot") -> None:
        """The call goes."""
        ...

    def give_back(self, now_s: float, slot: "Slot", used_tokens: int | None) -> None:
        """The call is over; None if nobody knows what it used."""
        ...

    def undo(self, now_s: float, slot: "Slot") -> None:
        """The call was never made."""
        ...

    def hold(self, slot: "Slot") -> None: ...

    def let_go(self) -> None: ...


@dataclass(slots=True, eq=False, kw_only=True)
class Slot:
    """What one model call needs. It may be taken again after it was given back, as by another attempt.

    Shape: `tokens` is the estimate of what it will use. `taken` are the gates it has passed while it is under way.
    """

    session: str
    thread: str
    model: str
    provider: str
    tokens: int = 0
    workspace: str = "default"
    taken: list[Gate] | None = None
    taken_at_s: float = 0.0
    turn: asyncio.Future[None] | None = None  # done when it may go
    number: int = 0  # those that began to wait earlier have smaller ones
    times_overtaken: int = 0
    _to_blame: set[Gate] = field(default_factory=set)

    @property
    def lane(self) -> Lane:
        """Calls of one lane wait for the same gates, but for those of their sessions."""
        return self.model, self.provider

    @property
    def groups(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What takes turns: its workspace, and its session in it."""
        return (self.workspace,), (self.workspace, self.session)

    def begin_to_wait(self) -> asyncio.Future[None]:
        """What is done when it may go."""
        self.turn = asyncio.get_running_loop().create_future()
        self.times_overtaken = 0
        self._to_blame = set()
        return self.turn

    def refused_by(self, gates: Iterable[Gate]) -> None:
        """Count when it is overtaken.

        As long as one gate is to blame the whole time, it just waits for that gate. When none is, each of them was open
        at some time and let others through while another was shut.
        """
        still = self._to_blame.intersection(gates)
        if self._to_blame and not still:
            self.times_overtaken += 1
        self._to_blame = still or set(gates)
