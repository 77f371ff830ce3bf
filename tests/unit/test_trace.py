"""Traces: what hand-made logs say about time, attempts and overlap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.analysis.intervals import Interval, total
from podium.analysis.report import report
from podium.analysis.siblings import batches
from podium.analysis.trace import Trace
from podium.cli.lines import told
from podium.cli.timeline import Axis, bar
from podium.core import facts as f
from podium.core import records as r
from podium.core.ending import INTERRUPTED_TOOL
from tests.unit.hand_log import Log, at


def outcomes(made: Trace, thread: str) -> list[tuple[str, int, float]]:
    """Each attempt of a thread: how it came out, the how manieth it is, and its seconds."""
    return [
        (effect.outcome, effect.attempt, ((effect.end or effect.start) - effect.start).total_seconds())
        for effect in made.threads[thread].effects
    ]


def worked_s(made: Trace, thread: str, until: float) -> float:
    return total(made.threads[thread].worked(at(until))).total_seconds()


def test_siblings_that_work_at_once_are_measured_against_one_after_another() -> None:
    log = Log()
    log.delegate(1, "a", "b", "c")
    log.model("a", 1, 3)
    log.report(3, "a")
    log.tool("b", 2, 5)
    log.report(5, "b")
    log.model("c", 4, 6)
    log.report(6, "c")
    log.idle(7)

    [batch] = batches(log.trace, at(7))

    assert (batch.parent, batch.threads) == ("lead", ("a", "b", "c"))
    assert (batch.busy.total_seconds(), batch.elapsed.total_seconds()) == (7, 5)
    assert (batch.most_at_once, batch.mean_at_once) == (2, 1.4)
    assert {(a, b): both.total_seconds() for a, b, both in batch.pairs} == {("a", "b"): 1, ("a", "c"): 0, ("b", "c"): 1}


def test_child_is_busy_while_those_below_it_are() -> None:
    log = Log()
    log.delegate(1, "a", "b")
    log.delegate(1, "below", parent="a")
    log.model("below", 2, 4)
    log.model("b", 1, 3)

    [batch] = batches(log.trace, at(4))

    assert [both.total_seconds() for _, _, both in batch.pairs] == [1]


def test_children_of_different_replies_are_no_siblings() -> None:
    log = Log()
    log.delegate(1, "a")
    log.report(2, "a")
    log.delegate(3, "b")
    log.report(4, "b")

    assert batches(log.trace, at(4)) == []


@given(st.lists(st.integers(1, 50), min_size=2, max_size=6))
def test_siblings_together_are_no_longer_than_the_longest_nor_than_their_sum(lengths: list[int]) -> None:
    log = Log()
    names = [f"child{index}" for index in range(len(lengths))]
    log.delegate(1, *names)
    for length, name in sorted(zip(lengths, names, strict=True)):
        log.model(name, 1, 1 + length)
        log.report(1 + length, name)

    [batch] = batches(log.trace, at(100))

    assert batch.busy.total_seconds() == sum(lengths)
    assert batch.elapsed.total_seconds() == max(lengths)
    assert batch.most_at_once == len(lengths)
    for a, b, both in batch.pairs:
        assert both.total_seconds() == min(lengths[names.index(a)], lengths[names.index(b)])


def test_time_without_a_driver_counts_for_nobody() -> None:
    log = Log()
    log.delegate(1, "a", "b")
    log.tool("a", 1, None)
    log.model("b", 1, 2)
    log.take_over(100)
    log.report(101, "a")
    log.model("b", 100, 103)
    log.report(103, "b")

    made = log.trace

    assert (worked_s(made, "a", 103), worked_s(made, "b", 103)) == (2, 4)  # 1 s before the crash, then from 100 on
    [batch] = batches(made, at(103))
    assert (batch.elapsed.total_seconds(), batch.busy.total_seconds()) == (4, 5)
    assert [both.total_seconds() for _, _, both in batch.pairs] == [1]
    [takeover] = made.takeovers
    assert (takeover.after, takeover.gap) == ("crash", Interval(at(2), at(100)))


def test_tool_that_was_lost_and_answered_by_the_new_driver_has_an_unknown_outcome() -> None:
    log = Log()
    call = log.tool("lead", 1, None)
    log.model("nobody", 3, None)  # a record of a thread this version cannot know
    log.take_over(10)
    log.answer("lead", call, 10, "its outcome is unknown", is_error=True)

    assert outcomes(log.trace, "lead") == [("unknown", 1, 2)]


def test_tool_that_runs_again_is_a_second_attempt() -> None:
    log = Log()
    call = log.tool("lead", 1, None)
    log.take_over(10)
    log.add(10, "lead", f.ToolStarted(call=call, attempt=2))
    log.answer("lead", call, 12)

    made = log.trace

    assert outcomes(made, "lead") == [("lost", 1, 0), ("ok", 2, 2)]
    assert made.threads["lead"].retried == 1


def test_shell_that_a_take_over_took_is_told_from_one_that_was_lost_otherwise() -> None:
    log = Log()
    log.tool("lead", 1, 2)
    log.take_over(10)
    log.tool("lead", 11, 12, new_shell=True)  # the first after the take-over
    log.tool("lead", 13, 14, new_shell=True)  # after a timeout, say

    made = log.trace

    assert [takeover.took_shells for takeover in made.takeovers] == [True]
    assert made.threads["lead"].shells_lost == 1


def test_first_shell_after_a_take_over_replaces_none() -> None:
    log = Log()
    log.model("lead", 1, 2)
    log.take_over(10)
    log.tool("lead", 11, 12)
    log.tool("lead", 13, 14, new_shell=True)

    made = log.trace

    assert [takeover.took_shells for takeover in made.takeovers] == [False]
    assert made.threads["lead"].shells_lost == 1


def test_model_call_that_was_lost_is_tried_again() -> None:
    log = Log()
    span = log.model("lead", 1, None)
    log.take_over(10)
    log.end_model("lead", span, 10, failed="the process ended")
    log.model("lead", 10, 13)

    assert outcomes(log.trace, "lead") == [("lost", 1, 0), ("ok", 2, 3)]


def test_model_call_that_failed_is_told_from_one_that_was_cut_short() -> None:
    log = Log()
    log.end_model("lead", log.model("lead", 1, None), 2, failed="no paper")
    log.end_model("lead", log.model("lead", 3, None), 4)

    made = log.trace

    assert [outcome for outcome, _, _ in outcomes(made, "lead")] == ["error", "interrupted"]
    assert made.threads["lead"].effects[0].reason == "no paper"


@pytest.mark.parametrize(
    ("said", "is_error", "outcome"),
    [
        ("fine", False, "ok"),
        ("no such file", True, "error"),
        (INTERRUPTED_TOOL, True, "interrupted"),
        ("stopped, its outcome is unknown: agent limit reached: 2 of 2 seconds", True, "unknown"),
    ],
)
def test_how_a_tool_call_came_out(said: str, is_error: bool, outcome: str) -> None:
    log = Log()
    log.answer("lead", log.tool("lead", 1, None), 2, said, is_error=is_error)

    assert outcomes(log.trace, "lead") == [(outcome, 1, 1)]


def test_idle_time_is_no_takeover_after_a_crash() -> None:
    log = Log()
    log.add(1, "lead", f.SessionPaused())
    log.idle(1)
    log.wake(50)
    log.take_over(51)
    log.idle(53)

    made = log.trace

    assert [takeover.after for takeover in made.takeovers] == ["rest"]
    assert made.rests == [Interval(at(1), at(50))]
    assert worked_s(made, "lead", 53) == 3
    assert not made.paused


def test_first_driver_takes_over_from_nobody() -> None:
    log = Log()
    log.take_over(7, epoch=1)
    log.model("lead", 7, 8)

    made = log.trace

    assert made.takeovers == []
    assert made.rests == [Interval(at(0), at(7))]
    assert worked_s(made, "lead", 8) == 1
    [started] = [record for record in log.records if isinstance(record.event, f.DrivingStarted)]
    assert told(made, started) == []


def test_driver_that_goes_on_after_a_rest_and_dies_has_died() -> None:
    log = Log()
    log.model("lead", 0, 1)
    log.idle(1)
    log.wake(5)
    log.model("lead", 5, None)
    log.take_over(7)

    assert [takeover.after for takeover in log.trace.takeovers] == ["crash"]


def test_driver_after_an_idle_one_has_taken_over_from_a_rest() -> None:
    log = Log()
    log.take_over(1, epoch=1)
    log.model("lead", 1, 2)
    log.idle(2)
    log.wake(5)
    log.take_over(6)

    assert [takeover.after for takeover in log.trace.takeovers] == ["rest"]


def test_driver_that_let_go_has_not_died() -> None:
    log = Log()
    log.add(1, "lead", f.DrivingStopped())
    log.take_over(5)

    assert [takeover.after for takeover in log.trace.takeovers] == ["letting_go"]


def test_thread_that_works_is_counted_up_to_now() -> None:
    log = Log()
    log.model("lead", 1, None)

    made = log.trace

    assert worked_s(made, "lead", 30) == 30
    assert [effect.is_model for effect in made.threads["lead"].open.values()] == [True]


def test_threads_of_one_agent_are_numbered() -> None:
    log = Log()
    for child in ("one", "two"):
        opened = f.DelegationOpened(call=child, thread=child, agent="h", agent_name="lead", depth=1, input={})
        log.add(1, "lead", opened)

    assert [thread.label for thread in log.trace.threads.values()] == ["lead", "lead#2", "lead#3"]


@pytest.mark.parametrize(("outcome", "reason"), [("reported", "reported!"), ("limit", "limit!"), ("failed", "failed!")])
def test_child_keeps_how_it_ended(outcome: str, reason: str) -> None:
    log = Log()
    log.delegate(1, "a")
    log.report(2, "a", outcome)

    child = log.trace.threads["a"]

    assert (child.ended, child.status) == (outcome, "idle")


def test_records_of_another_version_are_skipped() -> None:
    log = Log()
    log.add(1, "lead", r.Unknown("later.invented", b"{}"))  # type: ignore[arg-type]
    log.idle(2)

    made = log.trace

    assert (made.status, made.stop_reason, made.head) == ("idle", "end_turn", len(log.records))


def test_report_is_the_whole_trace_in_seconds_since_the_start() -> None:
    log = Log()
    log.delegate(1, "a", "b")
    log.model("a", 1, 2, tokens=1)
    log.report(2, "a")
    log.model("b", 1, 3, tokens=1)
    log.report(3, "b")
    log.model("lead", 3, 4, tokens=5)
    log.idle(4)

    told = report(log.trace, at(4))

    assert (told["status"], told["stop_reason"], told["wall_s"], told["tokens"]) == ("idle", "end_turn", 4, 7)
    assert [(thread["agent"], thread["start"], thread["worked_s"]) for thread in told["threads"]] == [
        ("lead", 0, 4),
        ("a", 1, 1),
        ("b", 1, 2),
    ]
    assert told["delegations"][0]["overlaps"] == [{"threads": ["a", "b"], "overlap_s": 1}]


def test_bar_shows_what_took_most_of_each_column() -> None:
    log = Log()
    log.model("lead", 0, 4)
    log.tool("lead", 4, 8)
    log.idle(10)
    made = log.trace

    assert bar(made.threads["lead"], Axis(made, at(10), 10), at(10)) == "▒▒▒▒████──"


def test_bar_takes_no_room_for_time_without_a_driver() -> None:
    log = Log()
    log.delegate(0, "a")
    log.tool("a", 0, 4)
    log.take_over(1000)
    log.report(1002, "a")
    log.idle(1006)
    made = log.trace
    axis = Axis(made, at(1006), 10)

    assert axis.length_s == 10
    assert bar(made.threads["a"], axis, at(1006)) == "████┊─"
