"""Text for terminals: foreign text made harmless, times and counts in words."""

import json
import logging
import os
import re
import shlex
import sys
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from podium.core.json import JSON

DATA = Path(".podium")


def printable(text: str, *, keep: str = "\n\t") -> str:
    """The text with every character that could drive a terminal written out, such as \\x1b."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char in keep or not _drives(char) else _written_out(char) for char in text)


def _drives(char: str) -> bool:
    # Controls, surrogates, line separators, and what turns the direction of writing; joiners of emoji stay.
    kind = unicodedata.category(char)
    return kind in ("Cc", "Cs", "Zl", "Zp") or (kind == "Cf" and unicodedata.bidirectional(char) not in ("BN", "AL"))


def _written_out(char: str) -> str:
    return char.encode("ascii", "backslashreplace").decode() if ord(char) > 127 else f"\\x{ord(char):02x}"


def one_line(text: str, width: int = 200) -> str:
    """The text on one line of at most so many characters."""
    line = printable(" ".join(text[: 4 * width].split()), keep="")
    return line if len(line) <= width else line[: width - 1] + "…"


def seconds(value: float) -> str:
    """A duration: 0.42 s, 12.3 s, 3 min 20 s, 2 h 05 min."""
    if value < 9.995:
        return f"{value:.2f} s"
    if value < 99.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def age(value: float) -> str:
    """How long ago, roughly."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if value >= size:
            return f"{value / size:.0f} {unit}"
    return f"{max(value, 0):.0f} s"


def count(number: int, noun: str) -> str:
    """1 turn, 2,345 turns."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    """A row of a table: the first cell at the left of its column, figures at the right of theirs."""
    cells = [
        cell.rjust(width) if column else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


_TELLING = ("command", "pattern", "path", "file_path", "task")  # the argument that says most, where a call has it


def told_call(name: str, given: Mapping[str, JSON], width: int = 60) -> str:
    """A call in one line: bash (grep -rn import src), grep (import in src)."""
    about = next((str(given[key]) for key in _TELLING if isinstance(given.get(key), str)), None)
    if about is None:
        about = json.dumps(dict(given), ensure_ascii=False) if given else ""
    elif "pattern" in given and isinstance(place := given.get("path"), str) and place:
        about = f"{about} in {place}"
    return one_line(f"{name} ({about})" if about else name, width)


Place = Path | str
"""Where a session is: a data folder of this machine, or the URL of a server."""


def command(verb: str, session: str, place: Place, *more: str) -> str:
    """The command that does this to the session, as one would type it; for a server's session, where that runs."""
    typed = " ".join(["podium", verb, session, *more])
    if isinstance(place, str):
        return f"{typed}  (on the machine of {place})"
    is_usual = place in (DATA, Path(os.environ.get("PODIUM_DATA") or DATA))
    return typed + ("" if is_usual else f" --data {shlex.quote(str(place))}")


def tell(text: str) -> None:
    """A line of our own, beside the result: on stderr."""
    print(printable(text), file=sys.stderr, flush=True)


def unbroken(text: str) -> str:
    """The text for stderr, in lines that break no word if that is a terminal too narrow for it."""
    if not sys.stderr.isatty():
        return text
    wrap = textwrap.TextWrapper(
        os.get_terminal_size(sys.stderr.fileno()).columns or 80, break_on_hyphens=False, break_long_words=False
    ).wrap
    joined = re.sub(r"(?<=\d) (?=\w)", "\xa0", printable(text))  # a number stays with what it counts
    return "\n".join("\n".join(wrap(line)) for line in joined.splitlines()).replace("\xa0", " ")


class Told(logging.Handler):
    """Tells warnings of the library as lines of our own."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell it."""
        tell(unbroken(f"podium: {self.format(record)}"))
