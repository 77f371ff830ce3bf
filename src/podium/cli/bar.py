"""The approval bar: one call that waits for a person, exactly as it would run, and the keys that answer it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from rich.cells import set_cell_size
from rich.text import Text

from podium.analysis.trace import Approval, ThreadTrace, Trace
from podium.cli.marked import MARK, call_lines, marked
from podium.cli.text import seconds
from podium.core.json import digest

# A key pressed for what stood there a moment ago must not answer what stands there now.
BLIND = timedelta(seconds=0.5)
_LONGEST_REASON = 500
_DOWN = (" ", "j", "\x1b[B", "\x1b[6~", "\n", "\r")
_UP = ("b", "k", "\x1b[A", "\x1b[5~")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A person's answer to a call. Shape: `input_hash` binds it to the very input that was shown."""

    call: str
    allow: bool
    input_hash: str
    reason: str = ""


@dataclass(slots=True)
class Bar:
    """Shows the calls that ask, one at a time, and turns keys into answers.

    Shape: `mode` "all" shows the whole input, from line `top`; "reason" takes a line of text, and is "lost" if the call
    was answered elsewhere under the hands of who types it. A key counts once the call was in sight for a moment.
    """

    mode: Literal["ask", "all", "reason", "lost"] = "ask"
    typed: str = ""
    top: int = 0
    _call: str = ""
    _seen_at: datetime | None = None
    _answered: set[str] = field(default_factory=set)

    def open(self, made: Trace) -> list[Approval]:
        """The calls that wait for an answer and were not answered here."""
        return [it for it in made.asking.values() if it.call not in self._answered]

    def current(self, made: Trace) -> Approval | None:
        """The call to show: the same one until it waits no more."""
        waiting = self.open(made)
        if self.mode == "reason" and all(it.call != self._call for it in waiting):
            self.mode = "lost"  # what is still typed must answer nothing else
        if self.mode == "lost":
            return None
        found = next((it for it in waiting if it.call == self._call), waiting[0] if waiting else None)
        if found is None or found.call != self._call:
            self._show("" if found is None else found.call)
        return found

    def failed(self, answer: Answer) -> None:
        """The answer was not taken: its call asks again."""
        self._answered.discard(answer.call)

    def press(self, key: str, made: Trace, now: datetime) -> Answer | None:
        """Take a key; the answer, if it was one."""
        approval = self.current(made)
        if self.mode == "lost" and key in ("\n", "\r", "\x1b"):
            self._show("")
        if approval is None or self._seen_at is None:
            return None
        if now - self._seen_at < BLIND:
            return None
        if self.mode == "reason":
            return self._type(key, approval)
        if key == "y":
            return self._answer(approval, allow=True)
        if key == "n":
            self.mode, self.typed = "reason", ""
        elif key == "e":
            self.mode, self.top = ("ask" if self.mode == "all" else "all"), 0
        elif key in ("q", "\x1b"):
            self.mode = "ask"
        elif key == "\t":
            waiting = [it.call for it in self.open(made)]
            self._show(waiting[(waiting.index(approval.call) + 1) % len(waiting)])
        elif self.mode == "all" and key in _DOWN:
            self.top += 1 if key in ("j", "\x1b[B") else 10
        elif self.mode == "all" and key in _UP:
            self.top -= 1 if key in ("k", "\x1b[A") else 10
        return None

    def _type(self, key: str, approval: Approval) -> Answer | None:
        if key in ("\n", "\r"):
            return self._answer(approval, allow=False, reason=self.typed.strip())
        if key == "\x1b":
            self.mode = "ask"
        elif key in ("\x7f", "\b"):
            self.typed = self.typed[:-1]
        elif key.isprintable() and len(self.typed) < _LONGEST_REASON:
            self.typed += key
        return None

    def _answer(self, approval: Approval, *, allow: bool, reason: str = "") -> Answer:
        self._answered.add(approval.call)
        self.mode = "ask"
        return answer_of(approval, allow=allow, reason=reason)

    def _show(self, call: str) -> None:
        self._call, self.mode, self.typed, self.top, self._seen_at = call, "ask", "", 0, None

    # --- drawing -------------------------------------------------------------------------------------

    def drawn(self, made: Trace, now: datetime, width: int, height: int, *, command: str = "") -> list[Text]:
        """The bar in at most so many lines, none wider than `width`; [] if no call waits.

        Shape: `command` is what answers the call where no keys can be read.
        """
        approval = self.current(made)
        if self.mode == "lost":
            said = "that call was answered elsewhere (Enter or Esc goes on)"
            return [Text(_clipped(said, width), style="bold yellow")]
        if approval is None:
            return []
        if self._seen_at is None:
            self._seen_at = now
        waiting = self.open(made)
        place = [it.call for it in waiting].index(approval.call) + 1
        head = f"━━ {place} of {len(waiting)} {'waits' if len(waiting) == 1 else 'wait'} for your answer "
        since = f"waiting for {seconds(approval.waited(now).total_seconds())}"
        who = f"{_path(made, made.threads[approval.thread])} asks to run {marked(approval.name)}"
        lines = call_lines(approval.input, width)
        room = max(1, height - 3)
        self.top = max(0, min(self.top, len(lines) - room)) if self.mode == "all" else 0
        body, is_cut = lines[self.top : self.top + room], len(lines) > room
        keys = f"answer it with: {command}" if command else self._keys(len(lines), room, len(waiting))
        fill = "━" * max(0, width - len(head))
        return [
            Text(_clipped(head + fill, width), style="bold yellow"),
            _sides(who, since, width),
            *(_input_line(line) for line in body),
            Text(_clipped(keys + (self._cut(len(lines), room) if is_cut else ""), width), style="bold"),
        ]

    def _keys(self, lines: int, room: int, waiting: int) -> str:
        if self.mode == "reason":
            return f"refuse, because (Enter for no reason, Esc for back): {marked(self.typed)}▏"
        keys = ["y allow", "n refuse"]
        if self.mode == "all":
            keys += ["e back", "space, b scroll"]
        elif lines > room:
            keys += ["e shows all"]
        return "   ".join([*keys, *(["tab next"] if waiting > 1 else [])])

    def _cut(self, lines: int, room: int) -> str:
        if self.mode == "reason":
            return ""
        return f"   (lines {self.top + 1}-{min(lines, self.top + room)} of {lines})"


def _path(made: Trace, thread: ThreadTrace) -> str:
    """The thread with those above it: lead > alpha."""
    names = [thread.label]
    while thread.parent is not None:
        thread = made.threads[thread.parent]
        names.append(thread.label)
    return " > ".join(marked(name) for name in reversed(names))


def _clipped(line: str, width: int) -> str:
    return set_cell_size(line, width).rstrip()


def _sides(left: str, right: str, width: int) -> Text:
    room = width - len(right) - 2
    said = Text(left, style="bold", no_wrap=True)
    said.truncate(max(1, room), overflow="ellipsis")
    return Text.assemble(said, " " * max(1, width - said.cell_len - len(right)), (right, "dim"))


def _input_line(line: str) -> Text:
    said = Text(line, no_wrap=True)
    for found in MARK.finditer(line):
        said.stylize("dim" if found[0] in "⏎⇥" else "reverse red", *found.span())
    return said


def answer_of(approval: Approval, *, allow: bool, reason: str = "") -> Answer:
    """The answer to what was shown of this call."""
    return Answer(call=approval.call, allow=allow, reason=reason, input_hash=digest(approval.input))


def told_approval(made: Trace, approval: Approval, place: int, of: int, width: int) -> Sequence[str]:
    """A call that asks, whole, in lines for a terminal that scrolls."""
    who = f"{_path(made, made.threads[approval.thread])} asks to run {marked(approval.name)}"
    return [f"━━ {place} of {of}: {who}", *call_lines(approval.input, width)]
