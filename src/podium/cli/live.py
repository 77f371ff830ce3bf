"""A session under way, drawn again and again on a terminal: its lanes, and the approval bar when a call waits."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from datetime import datetime
from time import perf_counter

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from podium.analysis.trace import Trace
from podium.cli.bar import Answer, Bar
from podium.cli.keys import Keys
from podium.cli.lanes import lanes
from podium.cli.lines import taken_over
from podium.cli.text import Place, command, printable
from podium.core.facts import DrivingStarted
from podium.core.records import Record
from podium.errors import PodiumError

REFRESH_S = 0.125
MOST_DRAWING = 0.1  # of the time, at most: a session of very many calls is drawn less often
_WORDS = 400  # of what a model is saying, the last so many characters are kept

Answering = Callable[[Answer], Awaitable[object]]


class LiveView:
    """Draws the trace on the console while it is entered, and takes a person's answers.

    Shape: `answer` is awaited with each; without it, or without a keyboard, the bar names the command that answers.
    Errors: what `answer` raises as a PodiumError is said above the picture, and the call asks again.
    """

    def __init__(
        self,
        console: Console,
        trace: Trace,
        now: Callable[[], datetime],
        *,
        place: Place,
        answer: Answering | None = None,
        keyboard: int | None = None,
    ) -> None:
        self._console = console
        self._trace = trace
        self._now = now
        self._place = place
        self._answer = answer
        self._keyboard = keyboard
        self._bar = Bar()
        self._words = ""
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._stack = ExitStack()
        self._keys: Keys | None = None
        self._drawing: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self._stale = asyncio.Event()

    @property
    def takes_answers(self) -> bool:
        """Whether a person can answer calls here."""
        return self._answer is not None and self._keyboard is not None

    async def __aenter__(self) -> "LiveView":
        with ExitStack() as stack:
            if self.takes_answers and self._keyboard is not None:
                self._keys = stack.enter_context(Keys(self._keyboard, self.press, self._takes_text))
            self._live.start()
            stack.callback(self._live.stop)
            self._drawing = asyncio.create_task(self._draw())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._drawing is not None
        with self._stack:  # the terminal is put back whatever happens here
            for task in (self._drawing, *self._answering):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            self._live.update(Group(*self.drawn(is_last=True)), refresh=True)

    def restore(self) -> None:
        """Put the terminal back, for a process that ends at once."""
        if self._keys is not None:
            self._keys.restore()
        self._console.show_cursor(True)

    def show(self, trace: Trace, record: Record) -> None:
        """Say what the picture has no place for."""
        if isinstance(record.event, DrivingStarted) and (said := taken_over(trace, record.event)):
            self.say(f"{trace.threads[trace.primary].label} {said}")
        if self._words and not trace.threads[trace.primary].open:
            self._words = ""

    def say(self, text: str) -> None:
        """Print a line above the picture."""
        self._console.print(Text(printable(text)))

    def heard(self, text: str) -> None:
        """Take a piece of what the primary's model is saying."""
        self._words = (self._words + text)[-_WORDS:]

    def press(self, key: str) -> None:
        """Take a key."""
        answer = self._bar.press(key, self._trace, self._now())
        if answer is not None and self._answer is not None:
            task = asyncio.create_task(self._give(answer, self._answer))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        self._stale.set()

    async def _give(self, answer: Answer, to: Answering) -> None:
        try:
            await to(answer)
        except PodiumError as error:  # somebody else was quicker, say
            self._bar.failed(answer)
            self.say(f"not answered: {error}")

    def _takes_text(self) -> bool:
        return self._bar.mode == "reason"

    async def _draw(self) -> None:
        while True:
            began = perf_counter()
            self._stale.clear()
            self._live.update(Group(*self.drawn()), refresh=True)
            pause = max(REFRESH_S, (perf_counter() - began) / MOST_DRAWING)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stale.wait(), pause)

    def drawn(self, *, is_last: bool = False) -> list[Text]:
        """The picture as it stands now, with the bar below it."""
        width, height = self._console.size.width, self._console.size.height - 1
        now, how = self._now(), "" if self.takes_answers else self._how()
        most = height if self._bar.mode == "all" else max(6, min(16, height * 2 // 5))
        bar = [] if is_last else self._bar.drawn(self._trace, now, width, most, command=how)
        picture: list[Text] = []
        if not bar or self._bar.mode != "all":
            words = " ".join(self._words.split())
            left = height - len(bar) - bool(bar)
            picture = lanes(self._trace, now, width, left, words=f"…{words[-100:]}" * bool(words))
        lines = [*picture, *([Text("")] if bar and picture else []), *bar]
        for line in lines:
            line.no_wrap, line.overflow = True, "crop"
        return lines[:height]

    def _how(self) -> str:
        return command("approve", self._trace.id, self._place)
