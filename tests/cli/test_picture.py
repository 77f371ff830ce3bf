"""The picture of hand-made logs: of very many threads, of take-overs, of what is under way."""

from podium.cli.picture import picture
from podium.cli.tree import MOST
from podium.cli.under_way import under_way, waits_for_a_person
from podium.core import facts as f
from podium.core.events import ThreadRescheduled
from tests.unit.hand_log import Log, at

FOR_ALL = "podium show ID --all"


def drawn(log: Log, most: int | None = MOST) -> list[str]:
    until = log.records[-1].at
    return list(picture(log.trace, "as it stands", until, 100, most=most, for_all=FOR_ALL))


def tree(lines: list[str]) -> list[str]:
    """The names in the tree, as drawn."""
    head = next(line for line in lines if line.startswith("thread "))
    rows = lines[lines.index(head) + 1 :]
    return [row[: head.index("ended")].rstrip() for row in rows[: rows.index("")] if not row.startswith("…")]


def thousand(**ends: str) -> Log:
    """A lead and a thousand children; all report but those named."""
    log = Log()
    children = [f"c{n}" for n in range(1000)]
    log.delegate(1, *children)
    for child in children:
        if ends.get(child) != "works":
            log.report(2, child, ends.get(child, "reported"))
    return log


def test_of_a_thousand_threads_that_reported_the_first_are_shown() -> None:
    log = thousand()
    log.idle(3)

    lines = drawn(log)

    assert tree(lines) == ["lead", *(f"├─ c{n}" for n in range(MOST - 1))]
    assert f"… 941 more threads that reported ({FOR_ALL})" in lines
    assert len(lines) < 2 * MOST + 30


def test_of_a_thousand_threads_those_that_did_not_end_well_are_shown() -> None:
    lines = drawn(thousand(c500="failed", c600="limit", c700="works"))

    assert tree(lines)[-3:] == ["├─ c500", "├─ c600", "├─ c700"]
    assert len(tree(lines)) == MOST
    assert f"… 941 more threads that reported ({FOR_ALL})" in lines
    assert "c500 failed: failed!" in lines


def test_threads_that_did_not_end_well_are_bounded_too_and_counted() -> None:
    lines = drawn(thousand(**{f"c{n}": "failed" for n in range(100, 900)}))

    assert len(tree(lines)) == MOST
    assert tree(lines)[:3] == ["lead", "├─ c0", "├─ c1"]
    assert f"… 941 more threads: 761 failed, 180 reported ({FOR_ALL})" in lines
    assert f"… 740 more lines ({FOR_ALL})" in lines
    assert len(lines) < 3 * MOST + 30


def test_thread_below_that_failed_is_shown_with_those_above_it() -> None:
    log = thousand()
    log.delegate(2, "below", parent="c900")
    log.report(3, "below", "failed", parent="c900")

    assert tree(drawn(log))[-2:] == ["├─ c900", "│  └─ below"]


def test_all_shows_every_thread() -> None:
    lines = drawn(thousand(), most=None)

    assert len(tree(lines)) == 1001
    assert "--all" not in "".join(lines)


def test_shells_that_a_take_over_took_are_told_once_with_it() -> None:
    log = Log()
    log.delegate(0, "a", "b")
    for child in ("a", "b"):
        log.tool(child, 1, 2)
    log.take_over(10)
    for child in ("a", "b"):
        log.tool(child, 11, 12, new_shell=True)

    lines = drawn(log)

    assert lines[-1] == (
        "taken over at +10.0 s: its process had died, 8.00 s without a driver; every shell of before is gone"
    )
    assert "lost its shell" not in "".join(lines)


def test_shell_that_was_lost_otherwise_is_told() -> None:
    log = Log()
    log.tool("lead", 1, 2)
    log.tool("lead", 3, 4, new_shell=True)

    assert drawn(log)[-1] == "lead lost its shell 1 time"


def test_every_open_call_is_named_with_its_thread() -> None:
    log = Log()
    log.delegate(1, "a", "b", "c", task="count the lines")
    log.model("a", 2, None)
    log.tool("b", 3, None)
    log.report(4, "c")

    assert list(under_way(log.trace)) == [
        "lead waits for a (count the lines), since +1.00 s",
        "lead waits for b (count the lines), since +1.00 s",
        "a asks its model, since +2.00 s",
        "b runs bash (ls), since +3.00 s",
    ]


def test_thread_between_two_calls_waits_for_its_turn() -> None:
    log = Log()
    log.model("lead", 1, 2)

    assert list(under_way(log.trace)) == ["lead waits for its turn"]
    assert log.records[-1].at == at(2)


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
    log = Log()
    log.priced("lead", 0, 1, "0.0126")
    log.delegate(3, "a")
    log.model("a", 3, 4)
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
