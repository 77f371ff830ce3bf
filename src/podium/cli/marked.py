"""Foreign text shown exactly, for a person who decides on it: nothing of it hides, moves or passes for our own words.

Shape: every character stands for itself, but those that a terminal would not show as what they are stand as a mark,
such as ⟨U+001B⟩. The characters of the marks are marked themselves, so a mark is never part of the text. A line of the
text ends where ⏎ stands, and only there; ⇥ is a tab.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping

from rich.cells import cell_len

from podium.core.json import JSON, canonical

MARK = re.compile("⟨U\\+[0-9A-F]+⟩|⏎|⇥")
_OURS = "⟨⟩⏎⇥"
# Letters and marks that show as nothing, or change how the one before shows.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_HIDDEN_KINDS = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_KEY_WIDTH = 16


def marked(text: str) -> str:
    """The text on one line, with a mark for each character that is not plainly seen."""
    if text.isascii() and text.isprintable() and not text.endswith(" "):
        return text
    shown, was_combining = [], True
    for char in text:
        is_combining = unicodedata.category(char) in ("Mn", "Me")
        is_hidden = _is_hidden(char) or (is_combining and was_combining)  # one accent is spelling, a pile is a veil
        shown.append(_mark(char) if is_hidden else char)
        was_combining = is_combining
    line = "".join(shown)
    blanks = len(line) - len(line.rstrip(" "))
    return line[: len(line) - blanks] + _mark(" ") * blanks


def _is_hidden(char: str) -> bool:
    kind = unicodedata.category(char)
    return kind in _HIDDEN_KINDS or (kind == "Zs" and char != " ") or char in _OURS or bool(_UNSEEN.match(char))


def _mark(char: str) -> str:
    return "⇥" if char == "\t" else f"⟨U+{ord(char):04X}⟩"


def call_lines(given: Mapping[str, JSON], width: int) -> list[str]:
    """A call's input, whole, in lines no wider than `width`, each with a rule before it that the input cannot leave.

    Shape: an argument's name stands before its first line. A text stands as it is, anything else as JSON.
    """
    names = {key: marked(key) for key in given}
    room = min(_KEY_WIDTH, width // 3, max((cell_len(name) for name in names.values()), default=0))
    lines = []
    for key, value in given.items():
        name = names[key]
        if cell_len(name) > room:
            lines += [f"│ {piece}" for piece in _pieces(name, width - 2)]
            name = ""
        for piece in _value(value, max(10, width - room - 5)):
            lines.append(f"│ {name}{' ' * (room - cell_len(name))} ┊ {piece}")
            name = ""
    return lines or ["│ (it is called with nothing)"]


def _value(value: JSON, width: int) -> Iterator[str]:
    texts = value.split("\n") if isinstance(value, str) else [canonical(value).decode()]
    for index, text in enumerate(texts):
        ends = "⏎" if index < len(texts) - 1 else ""
        yield from _pieces(marked(text) + ends, width)


def _pieces(line: str, width: int) -> Iterator[str]:
    """The line broken to fit; a mark stays whole."""
    piece, used = "", 0
    for part in re.findall(f"{MARK.pattern}|.", line):
        size = cell_len(part)
        if used + size > width and piece:
            yield piece
            piece, used = "", 0
        piece, used = piece + part, used + size
    yield piece
