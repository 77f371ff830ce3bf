"""Model calls that go through a limiter, in simulated time."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Required, TypedDict, Unpack

from podium.engine.limiter import Limiter, Slot
from tests.lab.time import SimulatedClock, VirtualLoop


class Needs(TypedDict, total=False):
    """The keywords of `Limiter.slot`."""

    session: Required[str]
    thread: Required[str]
    model: Required[str]
    provider: Required[str]
    tokens: int
    workspace: str


class SomeNeeds(TypedDict, total=False):
    """The same, with the usual ones left out."""

    session: str
    thread: str
    model: str
    provider: str
    tokens: int
    workspace: str


class CountedAlarms:
    """The simulated clock; it counts the alarms that have neither rung nor been taken back."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._clock = SimulatedClock(loop)
        self.pending = 0
        self.most = 0

    def now(self) -> datetime:
        return self._clock.now()

    def alarm(self, after_s: float, ring: Callable[[], None]) -> Callable[[], None]:
        def rung() -> None:
            self.pending -= 1
            ring()

        def taken_back() -> None:
            self.pending -= 1
            cancel()

        cancel = self._clock.alarm(after_s, rung)
        self.pending += 1
        self.most = max(self.most, self.pending)
        return taken_back


class Calls:
    """Calls by name. Shape: `went` are those that went, in order, and when."""

    def __init__(self) -> None:
        self._loop = VirtualLoop()
        self.clock = CountedAlarms(self._loop)
        self.chance = 1.0  # how a random time comes out: the longest
        self.limiter = Limiter(self.clock, lambda: self.chance)
        self.slots: dict[str, Slot | None] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._went: list[tuple[str, float]] = []

    @property
    def went(self) -> list[str]:
        return [name for name, _ in self._went]

    @property
    def times(self) -> dict[str, float]:
        return {name: round(at_s, 2) for name, at_s in self._went}

    @property
    def exact_times(self) -> dict[str, float]:
        return dict(self._went)

    @property
    def now_s(self) -> float:
        return self._loop.time()

    def slot(self, name: str = "", **needs: Unpack[SomeNeeds]) -> Slot | None:
        """What a call needs; its thread is its own, unless one is given."""
        usual: Needs = {"session": "s", "thread": name, "model": "m", "provider": "p"}
        usual.update(needs)
        return self.limiter.slot(**usual)

    def start(self, *names: str, **needs: Unpack[SomeNeeds]) -> None:
        """They want to go, in this order."""
        for name in names:
            self.slots[name] = self.slot(name, **needs)
            self._tasks[name] = self._loop.create_task(self._go(name))
            self.settle()

    async def _go(self, name: str) -> None:
        slot = self.slots[name]
        if not self.limiter.take(slot):
            await self.limiter.wait(slot)
        self._went.append((name, self.now_s))

    def end(self, *names: str, used: int | None = None) -> None:
        """Their answers are there."""
        for name in names:
            self.limiter.give_back(self.slots[name], used)
            self.settle()

    def cancel(self, name: str, *, settle: bool = True) -> None:
        """Whoever waits for it is cancelled."""
        self._tasks[name].cancel()
        if settle:
            self.settle()

    def can_go(self, **needs: Unpack[SomeNeeds]) -> bool:
        """Whether a call of this kind could go now; none does."""
        slot = self.slot("probe", **needs)
        if not self.limiter.take(slot):
            return False
        self.limiter.undo(slot)
        return True

    def pass_time(self, seconds: float) -> None:
        """So much time passes."""
        passed = self._loop.create_future()
        self._loop.call_later(seconds, passed.set_result, None)
        self._loop.run_until_complete(passed)
        self.settle()

    def settle(self) -> None:
        """Everybody who can go on now does."""
        for _ in range(4):
            turned = self._loop.create_future()
            self._loop.call_soon(turned.set_result, None)
            self._loop.run_until_complete(turned)
        for task in self._tasks.values():
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    def close(self) -> None:
        """Nobody waits any more."""
        for task in self._tasks.values():
            task.cancel()
        self.settle()
        self._loop.close()
