"""What `podium cost` and `podium show` print of hand-made logs: dollars, attempts, and what waits for a person."""

from decimal import Decimal

from podium.analysis.spending import spending
from podium.cli.attempts import attempts_told
from podium.cli.cost import bill, told
from podium.cli.picture import picture
from podium.cli.under_way import under_way, waits_for_a_person
from podium.core import facts as f
from podium.core.events import ThreadRescheduled
from tests.unit.hand_log import Log, at

MODELS = {"hash": "opus", "h": "mine"}


def spent() -> Log:
    """A lead with a price, one failed attempt of its that cost too, and a child without."""
    log = Log()
    log.priced("lead", 0, 1, "0.012345678")
    span = log.fails("lead", 1, 2, retry=3)
    log.add(2, "lead", f.BudgetSettled(span=span, usd=Decimal("0.0003"), is_estimate=True))
    log.delegate(3, "a")
    log.model("a", 3, 4, tokens=70)
    return log


def printed(log: Log) -> list[str]:
    made = log.trace
    return list(bill(made, spending(made, MODELS)))


def cells(lines: list[str], name: str) -> list[list[str]]:
    """The cells of every row of this name."""
    return [line.split() for line in lines if line.split()[:1] == [name]]


def test_bill_adds_up_to_the_last_place_in_each_table() -> None:
    lines = printed(spent())

    row = ["2", "1", "10", "0", "0", "0", "~$0.012645678", "100%"]
    assert cells(lines, "lead") == [["lead", *row], ["lead", *row]]
    assert cells(lines, "opus") == [["opus", *row]]
    total = ["all", "3", "1", "80", "0", "0", "0", "~$0.012645678", "+", "unknown", "100%"]
    assert cells(lines, "all") == [total] * 3


def test_bill_names_what_has_no_known_price_and_what_is_estimated() -> None:
    lines = printed(spent())

    assert cells(lines, "mine") == [["mine", "1", "70", "0", "0", "0", "?", "?"]]
    assert lines[-2:] == [
        "? what 1 call of mine cost is not known, and is in no sum of dollars",
        "~ the cost of 1 call is estimated: the provider did not tell what was used",
    ]


def test_bill_as_json_keeps_dollars_exact() -> None:
    made = spent().trace

    said = told(made, spending(made, MODELS))

    assert isinstance(said["total"], dict)
    assert {key: said["total"][key] for key in ("calls", "failed_calls", "usd", "unknown_calls")} == {
        "calls": 3,
        "failed_calls": 1,
        "usd": "0.012645678",
        "unknown_calls": 1,
    }
    assert said["models_of_unknown_price"] == ["mine"]


def test_rehearsed_session_says_that_no_model_was_called() -> None:
    log = Log(needs=("rehearsal:generated",))
    log.model("lead", 0, 1)

    assert printed(log)[-1] == "rehearsed: no model was called, tokens are estimated"
    assert "?" not in "".join(printed(log))


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


def test_what_waits_for_a_person_is_named_with_who_waits_for_it() -> None:
    log = Log()
    log.delegate(1, "a")
    log.delegate(1, "b", parent="a")
    call = log.asks(2, "b", command="make")

    assert list(waits_for_a_person(log.trace, at(12))) == [
        f"b asks to run bash (make), since +2.00 s, 10.0 s ago; a, lead wait for it  ({call})"
    ]


def test_thread_that_waits_to_try_again_is_under_way() -> None:
    log = Log()
    span = log.model("lead", 1, None)
    log.add(2, "lead", f.AttemptFailed(span=span, reason="529 overloaded", kind="overloaded", retry_at=at(9)))
    log.end_model("lead", span, 2)
    log.add(2, "lead", ThreadRescheduled(id="r", processed_at=at(2), session_thread_id="lead", agent_name="lead"))

    assert list(under_way(log.trace)) == ["lead makes attempt 2 at +9.00 s, after 529 overloaded"]


def test_picture_tells_costs_and_time_spent_waiting_for_a_person() -> None:
    log = spent()
    call = log.asks(4, "lead", command="make")
    log.blocks(4, "lead", calls=(call,))
    log.answers(14, call, allow=False, reason="not now")

    lines = list(picture(log.trace, "as it stands", at(14), 100, most=60, for_all=""))

    lead = next(line for line in lines if line.startswith("lead  "))
    assert "for a person" in lead
    assert "10.0 s" in lead
    assert "$0.0126 + unknown" in lead
    assert lines[-1] == "lead asked for bash (make): it was refused after 10.0 s: not now"


def test_picture_of_a_session_that_cost_nothing_has_no_column_of_money() -> None:
    log = Log(needs=("rehearsal:generated",))
    log.model("lead", 0, 1)
    log.idle(1)

    assert "cost" not in "".join(picture(log.trace, "done", at(1), 100, most=60, for_all=""))
