"""The approval bar: what it shows, and what keys make of it."""

from rich.text import Text

from podium.analysis.trace import Trace
from podium.cli.bar import Answer, Bar
from podium.core.json import digest
from tests.unit.hand_log import Log, at


def waiting(*commands: str) -> tuple[Trace, list[str]]:
    """A lead whose calls wait: one for each command."""
    log = Log()
    calls = [log.asks(1, "lead", command=command) for command in commands]
    log.blocks(1, "lead", calls=tuple(calls))
    return log.trace, calls


def seen(bar: Bar, made: Trace, second: float = 1, height: int = 10) -> list[str]:
    return [line.plain for line in bar.drawn(made, at(second), 60, height)]


def press(bar: Bar, made: Trace, keys: str, second: float = 9) -> Answer | None:
    """Press one key after the other on what was in sight long enough; the last key's answer."""
    answer = None
    for key in keys:
        seen(bar, made, second - 5)
        answer = bar.press(key, made, at(second))
    return answer


def test_bar_shows_the_call_exactly_with_who_asks_and_the_keys() -> None:
    made, _ = waiting("make all\nrm -rf build\x1b[1A")

    assert seen(Bar(), made, 4) == [
        "━━ 1 of 1 waits for your answer ━━━━━━━━━━━━━━━━━━━━━━━━━━━━",
        "lead asks to run bash                     waiting for 3.00 s",
        "│ command ┊ make all⏎",
        "│         ┊ rm -rf build⟨U+001B⟩[1A",
        "y allow   n refuse",
    ]


def test_yes_allows_the_very_input_that_was_shown() -> None:
    made, [call] = waiting("make")

    assert press(Bar(), made, "y") == Answer(call=call, allow=True, input_hash=digest({"command": "make"}))


def test_no_asks_for_a_reason_first() -> None:
    made, [call] = waiting("make")
    bar = Bar()

    assert press(bar, made, "n") is None
    assert seen(bar, made)[-1].startswith("refuse, because")
    assert press(bar, made, "too yearly\x7f\x7f\r") == Answer(
        call=call, allow=False, reason="too year", input_hash=digest({"command": "make"})
    )


def test_enter_refuses_without_a_reason() -> None:
    made, [call] = waiting("make")

    assert press(Bar(), made, "n\r") == Answer(call=call, allow=False, input_hash=digest({"command": "make"}))


def test_escape_takes_a_refusal_back() -> None:
    made, _ = waiting("make")
    bar = Bar()
    press(bar, made, "nwell\x1b")

    assert seen(bar, made)[-1] == "y allow   n refuse"


def test_key_pressed_before_the_call_was_in_sight_answers_nothing() -> None:
    made, _ = waiting("make")
    bar = Bar()

    assert bar.press("y", made, at(9)) is None
    seen(bar, made, 9)
    assert bar.press("y", made, at(9.4)) is None
    assert bar.press("y", made, at(9.5)) is not None


def test_second_key_does_not_answer_the_call_that_comes_up_next() -> None:
    made, [first, second] = waiting("make", "rm -rf /")
    bar = Bar()
    answer = press(bar, made, "y")
    assert answer is not None
    assert answer.call == first

    shown = seen(bar, made, 9)

    assert (shown[0][:31], shown[2]) == ("━━ 1 of 1 waits for your answer", "│ command ┊ rm -rf /")
    assert bar.press("y", made, at(9.1)) is None
    late = bar.press("y", made, at(10))
    assert late is not None
    assert late.call == second


def test_several_calls_are_shown_one_at_a_time() -> None:
    made, _ = waiting("one", "two", "three")
    bar = Bar()

    assert [seen(bar, made)[0][:31], seen(bar, made)[2]] == ["━━ 1 of 3 wait for your answer ", "│ command ┊ one"]
    press(bar, made, "\t")
    assert [seen(bar, made)[0][:31], seen(bar, made)[2]] == ["━━ 2 of 3 wait for your answer ", "│ command ┊ two"]


def test_call_in_sight_stays_when_an_earlier_one_is_answered_elsewhere() -> None:
    made, [first, second] = waiting("one", "two")
    bar = Bar()
    press(bar, made, "\t")
    del made.asking[first]

    answer = press(bar, made, "y")

    assert answer is not None
    assert answer.call == second


def test_long_input_is_cut_and_shown_whole_on_demand() -> None:
    made, _ = waiting("\n".join(f"line {n}" for n in range(40)))
    bar = Bar()

    assert seen(bar, made)[-1] == "y allow   n refuse   e shows all   (lines 1-7 of 40)"
    press(bar, made, "e   ")
    shown = seen(bar, made, height=20)
    assert shown[2:5] == ["│         ┊ line 23⏎", "│         ┊ line 24⏎", "│         ┊ line 25⏎"]
    assert "e back   space, b scroll   (lines 24-40" in shown[-1]
    press(bar, made, "e")
    assert seen(bar, made)[2] == "│ command ┊ line 0⏎"


def test_answer_that_was_not_taken_leaves_the_call_waiting() -> None:
    made, _ = waiting("make")
    bar = Bar()
    answer = press(bar, made, "y")
    assert answer is not None
    assert seen(bar, made) == []

    bar.failed(answer)

    assert press(bar, made, "y") == answer


def test_bar_names_the_command_where_no_keys_are_read() -> None:
    made, _ = waiting("make")

    drawn: list[Text] = Bar().drawn(made, at(2), 60, 10, command="podium approve sesn_1")

    assert drawn[-1].plain == "answer it with: podium approve sesn_1"


def test_thread_that_asks_is_named_with_those_above_it() -> None:
    log = Log()
    log.delegate(1, "a")
    log.delegate(1, "b", parent="a")
    log.asks(2, "b", command="make")

    assert seen(Bar(), log.trace)[1].startswith("lead > a > b asks to run bash")


def test_reason_typed_for_a_call_that_is_answered_elsewhere_answers_no_other() -> None:
    log = Log()
    calls = [log.asks(1, "lead", command=command) for command in ("make", "rm -rf /")]
    log.blocks(1, "lead", calls=tuple(calls))
    bar = Bar()
    made = log.trace
    press(bar, made, "nbecause they")
    log.answers(3, calls[0], allow=True)

    assert seen(bar, log.trace) == ["that call was answered elsewhere (Enter or Esc goes on)"]
    assert press(bar, log.trace, "y say") is None
    assert press(bar, log.trace, "\r") is None
    assert seen(bar, log.trace, 9)[0].startswith("━━ 1 of 1 waits")
    assert bar.press("y", log.trace, at(9.1)) is None
    assert bar.press("y", log.trace, at(20)) == Answer(
        call=calls[1], allow=True, input_hash=digest({"command": "rm -rf /"})
    )
