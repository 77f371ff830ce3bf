"""What `podium show` tells of attempts, each told apart, in hand-made logs."""

from podium.cli.attempts import attempts_told
from podium.cli.picture import attempts
from podium.core import facts as f
from tests.unit.hand_log import Log, at


def test_each_attempt_is_told_apart() -> None:
    log = Log()
    log.fails("lead", 1, 2, retry=3.2)
    log.fails("lead", 3.2, 4, attempt=2, retry=6, why="the connection broke")
    log.model("lead", 6, 7)
    log.model("lead", 8, 9)

    assert list(attempts_told(log.trace, at(9))) == [
        "lead, model call of turn 1, from +1.00 s:",
        "  attempt 1 of 3: 529 overloaded, 1.00 s",
        "  attempt 2 of 3 after 1.20 s: overloaded: the connection broke, 0.80 s",
        "  attempt 3 of 3 after 2.00 s: is done, 1.00 s",
    ]


def test_call_of_an_agent_that_was_made_again_is_a_thread_for_each_attempt() -> None:
    log = Log()
    log.delegate(1, "a", "b")
    log.fails("a", 1, 2, why="401 no such key")
    log.add(2, "lead", f.DelegationTriedAgain(call="ca", thread="a", attempt=1, outcome="failed", reason="no such key"))
    log.rest(2, "a")
    opened = f.DelegationOpened(call="ca", thread="a2", agent="h", agent_name="a", depth=1, input={})
    log.add(2, "lead", opened)
    log.runs(2, "a2")
    log.model("a2", 2, 5)
    log.add(5, "lead", f.DelegationClosed(call="ca", thread="a2", outcome="reported"))
    log.rest(5, "a2")
    log.report(6, "b")

    assert list(attempts_told(log.trace, at(9)))[:3] == [
        "lead, call of a, from +1.00 s:",
        "  attempt 1 of 2, a: failed: no such key, 1.00 s",
        "  attempt 2 of 2, a2#2: reported, 3.00 s, price unknown",
    ]
    assert [len(batch) for batch in log.trace.batches.values()] == [2]
    assert attempts(log.trace.threads["a2"]) == "attempt 2"


def test_calls_that_went_well_the_first_time_are_not_told() -> None:
    log = Log()
    log.model("lead", 1, 2)
    log.tool("lead", 2, 3)
    log.model("lead", 3, 4)

    assert list(attempts_told(log.trace, at(9))) == []


def test_call_that_failed_for_good_is_told() -> None:
    log = Log()
    log.fails("lead", 1, 2, why="401 no such key")

    assert list(attempts_told(log.trace, at(9)))[1] == "  attempt 1 of 1: overloaded: 401 no such key, 1.00 s"


def test_tool_that_was_lost_and_ran_again_is_two_attempts() -> None:
    log = Log()
    call = log.tool("lead", 1, None)
    log.take_over(10)
    log.add(10, "lead", f.ToolStarted(call=call, attempt=2))
    log.answer("lead", call, 12)

    assert list(attempts_told(log.trace, at(12))) == [
        "lead, bash (ls), from +1.00 s:",
        "  attempt 1 of 2: was lost with its process, 0.00 s",
        "  attempt 2 of 2: is done, 2.00 s",
    ]
