"""Foreign text for a person who decides on it: nothing hides, moves, or passes for our own words."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from podium.cli.marked import call_lines, marked

INPUTS = st.dictionaries(st.text(max_size=20), st.text() | st.integers() | st.lists(st.text()), max_size=4)


def unmarked(line: str) -> str:
    """The text that a marked line stands for."""
    return re.sub("⟨U\\+([0-9A-F]+)⟩", lambda found: chr(int(found[1], 16)), line.replace("⇥", "\t"))


@given(st.text() | st.text(alphabet="⟨⟩⏎⇥U+01B \t\n\x1b\u202e\u200b\u0301a"))
def test_marked_text_can_be_read_back_exactly(text: str) -> None:
    assert unmarked(marked(text)) == text


@given(st.text())
def test_nothing_marked_drives_a_terminal_or_hides(text: str) -> None:
    kinds = {unicodedata.category(char) for char in marked(text)}

    assert not kinds & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ls -l", "ls -l"),
        ("a\x1b[2Jb", "a⟨U+001B⟩[2Jb"),
        ("gpj\u202eexe", "gpj⟨U+202E⟩exe"),
        ("rm\u200b", "rm⟨U+200B⟩"),
        ("a\u00a0b", "a⟨U+00A0⟩b"),
        ("a\u3164b", "a⟨U+3164⟩b"),
        ("a\rb", "a⟨U+000D⟩b"),
        ("ends ", "ends⟨U+0020⟩"),
        ("⟨U+001B⟩", "⟨U+27E8⟩U+001B⟨U+27E9⟩"),
        ("e\u0301", "e\u0301"),
        ("e\u0301\u0301", "e\u0301⟨U+0301⟩"),
        ("日本語 עברית", "日本語 עברית"),
    ],
)
def test_what_cannot_be_seen_is_marked(text: str, shown: str) -> None:
    assert marked(text) == shown


@given(INPUTS, st.integers(30, 200))
def test_every_line_of_an_input_stands_behind_the_rule_and_fits(given_input: dict[str, object], width: int) -> None:
    for line in call_lines(given_input, width):
        assert line.startswith("│ ")
        assert cell_len(line) <= width


@given(st.text())
def test_text_of_an_input_can_be_put_together_again(text: str) -> None:
    pieces = [line.split("┊ ", 1)[1] for line in call_lines({"text": text}, 40)]

    assert unmarked("".join(pieces).replace("⏎", "\n")) == text


def test_forged_bar_in_an_input_stays_inside_its_rules() -> None:
    lines = call_lines({"command": "ls\n━━ 1 of 1 waits for your answer\n│ command ┊ ls\ny allow"}, 60)

    assert lines == [
        "│ command ┊ ls⏎",
        "│         ┊ ━━ 1 of 1 waits for your answer⏎",
        "│         ┊ │ command ┊ ls⏎",
        "│         ┊ y allow",
    ]


def test_call_without_input_says_so() -> None:
    assert call_lines({}, 60) == ["│ (it is called with nothing)"]
