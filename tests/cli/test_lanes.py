"""The live picture of hand-made logs: lanes, what each thread does, what it has used."""

import asyncio
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from podium.analysis.trace import Trace
from podium.cli.bar import Answer
from podium.cli.lanes import lanes
from podium.cli.live import LiveView
from podium.cli.timeline import Axis, bar
from podium.core import facts as f
from podium.errors import Refused
from tests.unit.hand_log import Log, at

SIZES = [(80, 24), (120, 40), (200, 50), (40, 12)]


def busy() -> Log:
    """A team of which each member does something else."""
    log = Log()
    log.priced("lead", 0, 2, "0.0123")
    log.delegate(2, "asks", "runs", "fails", "done", task="look")
    log.tool("runs", 3, None)
    log.model("done", 3, 5)
    log.report(5, "done")
    log.fails("fails", 3, 5, retry=7)
    call = log.asks(4, "asks", command="\n".join(f"echo {n}" for n in range(99)))
    log.blocks(4, "asks", calls=(call,))
    return log


def rows(made: Trace, second: float, width: int = 120) -> dict[str, str]:
    """The lane of each thread, by its name."""
    lines = [line.plain for line in lanes(made, at(second), width, 40)][2:-1]
    return {line.lstrip("├└─ ").split()[0]: line for line in lines}


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_picture_fits_the_terminal(width: int, height: int) -> None:
    console = Console(file=StringIO(), width=width, height=height)
    view = LiveView(console, busy().trace, lambda: at(9), place=Path(".podium"))

    drawn = view.drawn()

    assert len(drawn) < height
    assert all(line.cell_len <= width for line in drawn)
    assert any("━━ 1 of 1 waits for your answer"[:width] in line.plain for line in drawn)


def test_each_lane_says_what_its_thread_does() -> None:
    said = rows(busy().trace, 9)

    assert "waits for asks, runs, fails" in said["lead"]
    assert "asks you: bash (echo 0 echo 1" in said["asks"]
    assert " bash (ls)" in said["runs"]
    assert "waits for its turn" in said["fails"]
    assert "reported" in said["done"]


def test_lane_of_a_thread_that_waits_to_try_again_says_when_and_why() -> None:
    log = Log()
    span = log.model("lead", 1, None)
    log.add(2, "lead", f.AttemptFailed(span=span, reason="529 overloaded", kind="overloaded", retry_at=at(9)))
    log.end_model("lead", span, 2)
    made = log.trace
    made.threads["lead"].rest(at(2), "rescheduling")
    made.threads["lead"].wait("retry", at(2))

    assert "attempt 2 in 4 s: 529 overloaded" in rows(made, 5)["lead"]


def test_cost_of_a_lane_is_unknown_and_not_zero_without_a_price() -> None:
    said = rows(busy().trace, 9)

    assert "  $0.0123  " in said["lead"]
    assert "  ?  " in said["done"]
    assert "$0.0123 + unknown" in lanes(busy().trace, at(9), 120, 40)[0].plain


def test_every_kind_of_time_has_a_character_of_its_own() -> None:
    log = Log()
    log.model("lead", 0, 2)
    log.tool("lead", 2, 4)
    log.fails("lead", 4, 6, retry=8)
    log.model("lead", 8, 9)
    call = log.asks(10, "lead")
    log.blocks(10, "lead", calls=(call,))
    made = log.trace

    assert bar(made.threads["lead"], Axis(made, at(14), 14), at(14)) == "▒▒██xx··▒─????"


def test_short_failure_and_short_wait_for_a_person_are_not_overlooked() -> None:
    log = Log()
    log.fails("lead", 10, 10.01, retry=10.02)
    call = log.asks(50, "lead")
    log.blocks(50, "lead", calls=(call,))
    log.answers(50.01, call, allow=True)
    log.runs(50.01, "lead")
    made = log.trace

    assert bar(made.threads["lead"], Axis(made, at(100), 10), at(100)) == "─x───?────"


def test_night_in_which_the_session_waited_for_a_person_takes_no_room() -> None:
    log = Log()
    log.model("lead", 0, 4)
    call = log.asks(4, "lead")
    log.blocks(4, "lead", calls=(call,))
    log.session_asks(4, call)
    log.answers(40_000, call, allow=True)
    log.session_runs(40_000)
    log.runs(40_000, "lead")
    log.model("lead", 40_000, 40_004)
    made = log.trace
    axis = Axis(made, at(40_004), 8)

    assert axis.length_s == 8
    assert bar(made.threads["lead"], axis, at(40_004)) == "▒▒▒▒?▒▒▒"


def test_of_too_many_threads_those_that_move_are_shown() -> None:
    log = Log()
    children = [f"c{n}" for n in range(100)]
    log.delegate(1, *children)
    for child in children:
        if child != "c50":
            log.report(2, child)

    drawn = [line.plain for line in lanes(log.trace, at(3), 80, 10)]

    assert len(drawn) <= 10
    assert any("c50" in line for line in drawn)
    assert drawn[-1].startswith("and 94 more threads; ")


def test_foreign_text_drives_no_terminal() -> None:
    log = Log()
    log.delegate(1, "a\x1b[2J\u202e")
    log.asks(2, "a\x1b[2J\u202e", command="x\x1b]0;owned\x07")

    for line in lanes(log.trace, at(3), 80, 24):
        assert not {"\x1b", "\x07", "\u202e"} & set(line.plain)


async def test_answer_is_given_and_what_is_refused_is_said_and_asked_again() -> None:
    log, given = busy(), list[Answer]()
    made, out, now = log.trace, StringIO(), [at(9)]
    is_refused = asyncio.Event()

    async def answer(it: Answer) -> None:
        given.append(it)
        if len(given) == 1:
            is_refused.set()
            raise Refused("it was answered by somebody else")

    view = LiveView(
        Console(file=out, width=80, height=24), made, lambda: now[0], place=Path("."), answer=answer, keyboard=0
    )
    view.drawn()
    now[0] = at(10)
    view.press("y")
    await is_refused.wait()
    await asyncio.sleep(0)
    view.drawn()
    now[0] = at(11)
    view.press("y")
    await asyncio.sleep(0)

    assert [it.call for it in given] == list(made.asking) * 2
    assert "not answered: it was answered by somebody else" in out.getvalue()
