"""Text for terminals."""

import fcntl
import os
import struct
import subprocess
import sys
import termios
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.cli.text import age, count, one_line, printable, seconds, told_call


@given(st.text())
def test_nothing_printable_drives_a_terminal(text: str) -> None:
    shown = printable(text)

    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in shown if char not in "\n\t")
    assert not set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068") & set(shown)


@given(st.text(), st.integers(1, 50))
def test_one_line_is_one_line_of_its_width(text: str, width: int) -> None:
    shown = one_line(text, width)

    assert len(shown) <= width
    assert "\n" not in shown


def test_ordinary_text_of_any_language_is_left_alone() -> None:
    text = "naïve 日本語 עברית 👩‍👩‍👧 é\n\tdone"

    assert printable(text) == text


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0.00 s"),
        (9.994, "9.99 s"),
        (12.34, "12.3 s"),
        (99.96, "1 min 40 s"),
        (3599, "59 min 59 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations_in_words(value: float, said: str) -> None:
    assert seconds(value) == said


def test_counts_and_ages_in_words() -> None:
    assert (count(1, "turn"), count(1234, "turn")) == ("1 turn", "1,234 turns")
    assert (age(5), age(90), age(7200), age(200000)) == ("5 s", "2 min", "2 h", "2 d")


def test_call_is_told_by_the_argument_that_says_most() -> None:
    assert told_call("bash", {"timeout": 5, "command": "ls\n-l"}) == "bash (ls -l)"
    assert told_call("weigh", {"thing": "a stone"}) == 'weigh ({"thing": "a stone"})'
    assert told_call("now", {}) == "now"
    assert told_call("read", {"path": "/source/a.py"}) == "read (/source/a.py)"


def test_search_is_told_by_its_pattern_first_and_then_its_place() -> None:
    assert told_call("grep", {"path": "/source", "pattern": "def .*"}) == "grep (def .* in /source)"
    assert told_call("glob", {"pattern": "**/*.py"}) == "glob (**/*.py)"


WARN = """
import logging
from podium.cli.text import Told
logging.getLogger("podium").addHandler(Told())
logging.getLogger("podium.app").warning("what agents run is not bounded, \x1b[31m see docs/sandbox.md, on page 14 s")
"""


def test_warning_is_broken_between_words_on_a_narrow_terminal() -> None:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))

    subprocess.run([sys.executable, "-c", WARN], stdin=theirs, stdout=theirs, stderr=theirs, check=True)
    told = os.read(ours, 4096).decode()
    os.close(ours)
    os.close(theirs)

    assert told.splitlines() == [
        "podium: what agents run is not bounded,",
        "\\x1b[31m see docs/sandbox.md, on page",
        "14 s",
    ]


def test_warning_is_one_line_where_there_is_no_terminal() -> None:
    done = subprocess.run([sys.executable, "-c", WARN], capture_output=True, check=True)

    assert done.stderr.decode() == (
        "podium: what agents run is not bounded, \\x1b[31m see docs/sandbox.md, on page 14 s\n"
    )
