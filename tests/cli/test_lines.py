"""Live lines of hand-made logs."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest

from podium.analysis.trace import Trace
from podium.cli.lines import Lines
from podium.core import facts as f
from tests.unit.hand_log import Log


async def lines_of(log: Log) -> list[str]:
    """What a log's records tell, without their times."""
    out, trace = StringIO(), Trace()
    async with Lines(out) as lines:
        for record in log.records:
            trace.apply(record)
            lines.show(trace, record)
    return [line[11:] for line in out.getvalue().splitlines()]


def ask(log: Log) -> None:
    log.model("lead", 2, 3)


def act(log: Log) -> None:
    log.tool("lead", 2, 3)


def submit(log: Log) -> None:
    log.add(2, "lead", f.ResultSubmitted(call="c", output={"n": 1}))


def fail(log: Log) -> None:
    log.idle(2, "retries_exhausted")


def pause(log: Log) -> None:
    log.add(2, "lead", f.SessionPaused())
    log.idle(2)


def stop(log: Log) -> None:
    """Nothing more comes: the process let the session go."""


@pytest.mark.parametrize("reason", ["end_turn", "budget_reached"])
async def test_last_words_of_the_primary_are_left_to_the_printed_result(reason: Any) -> None:
    log = Log()
    log.says(1, "lead", "first words")
    log.tool("lead", 1, 2)
    log.says(3, "lead", '{"n": 1}')
    log.idle(3, reason)

    told = await lines_of(log)

    assert told[1] == "lead: says first words"
    assert "{" not in "".join(told)


@pytest.mark.parametrize("then", [ask, act, submit, fail, pause, stop])
async def test_words_of_the_primary_that_are_not_printed_as_its_result_are_told(then: Callable[[Log], None]) -> None:
    log = Log()
    log.says(1, "lead", "I will see")
    then(log)

    assert (await lines_of(log))[1] == "lead: says I will see"


async def test_last_words_of_a_child_are_told() -> None:
    log = Log()
    log.delegate(1, "a")
    log.says(2, "a", "it is 7")
    log.report(2, "a")

    assert (await lines_of(log))[-2:] == ["  a: says it is 7", "  a: reported: reported! (0 turns, 0 tokens, 1.00 s)"]


async def test_call_that_asks_is_one_line_with_the_command_that_answers_it() -> None:
    log = Log()
    call = log.asks(1, "lead", command="make")
    log.blocks(1, "lead", calls=(call,))
    log.answers(5, call, allow=False, reason="not now")

    assert (await lines_of(log))[1:] == [
        f"lead: asks to run bash (make); answer it with: podium approve sesn_1 {call}",
        "lead: waits for a person",
        "lead: was refused bash (make): not now",
    ]


async def test_failed_attempt_says_when_the_next_one_follows() -> None:
    log = Log()
    log.fails("lead", 1, 2, retry=3.5)
    log.fails("lead", 3.5, 4, attempt=2, why="401 no such key")

    assert (await lines_of(log))[1:] == [
        "lead: got no reply: 529 overloaded; attempt 2 follows in 1.50 s",
        "lead: tries again, attempt 2",
        "lead: got no reply: 401 no such key",
    ]


async def test_ending_tells_dollars_and_never_takes_an_unknown_price_for_zero() -> None:
    log = Log()
    log.delegate(1, "a", "b")
    log.priced("a", 1, 2, "0.25")
    log.report(2, "a")
    log.model("b", 1, 2)
    log.report(2, "b")

    endings = [line for line in await lines_of(log) if "reported" in line]

    assert endings == [
        "  a: reported: reported! (1 turn, 10 tokens, $0.2500, 1.00 s)",
        "  b: reported: reported! (1 turn, 10 tokens, price unknown, 1.00 s)",
    ]
