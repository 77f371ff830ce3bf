"""Traces: calls that wait for a person, attempts, and threads that are set to work again."""

from podium.analysis.intervals import Interval, total
from podium.analysis.report import report
from podium.analysis.trace import Trace
from podium.core import events as e
from podium.core import facts as f
from podium.core.content import text
from tests.unit.hand_log import Log, at


def seconds_of(intervals: list[Interval]) -> float:
    return total(intervals).total_seconds()


def asked(made: Trace) -> list[tuple[str, str, str]]:
    """Every call that asked: its thread, its answer and the reason."""
    return [(approval.thread, approval.answer, approval.reason) for approval in made.approvals]


# --- approvals -----------------------------------------------------------------------------------------


def test_call_that_asks_waits_from_when_it_was_recorded() -> None:
    log = Log()
    call = log.asks(2, "lead", command="make")
    log.blocks(2, "lead", calls=(call,))
    log.session_asks(2, call)

    made = log.trace

    [approval] = made.asking.values()
    assert (approval.call, approval.name, approval.input) == (call, "bash", {"command": "make"})
    assert approval.waited(at(9)).total_seconds() == 7
    assert (made.threads["lead"].waits_for, made.threads["lead"].asks) == ("person", (call,))
    assert (made.stop_reason, made.needs_nobody) == ("requires_action", False)


def test_time_spent_waiting_for_a_person_is_no_working_time() -> None:
    log = Log()
    call = log.asks(2, "lead")
    log.blocks(2, "lead", calls=(call,))
    log.answers(10, call, allow=True)
    log.runs(10, "lead")
    log.add(10, "lead", f.ToolStarted(call=call))
    log.answer("lead", call, 13)
    log.idle(13)

    lead = log.trace.threads["lead"]

    assert seconds_of(lead.worked(at(13))) == 5
    assert seconds_of(lead.waited("person", at(13))) == 8
    assert (lead.tasks, lead.ended) == (1, "end_turn")


def test_parent_blocked_by_a_child_that_asks_waits_for_the_person_too() -> None:
    log = Log()
    log.delegate(1, "a")
    call = log.asks(2, "a")
    log.blocks(2, "a", "lead", calls=(call,))

    made = log.trace

    assert [thread.waits_for for thread in made.threads.values()] == ["person", "person"]
    assert [thread.ended for thread in made.threads.values()] == ["", ""]
    assert asked(made) == [("a", "", "")]


def test_answer_counts_from_when_it_is_queued() -> None:
    log = Log()
    call = log.asks(1, "lead")
    log.answers(4, call, allow=False, reason="not today", taken=False)

    made = log.trace

    assert not made.asking
    assert asked(made) == [("lead", "deny", "not today")]
    assert made.approvals[0].answered_at == at(4)


def test_call_that_an_interrupt_closes_no_longer_asks() -> None:
    log = Log()
    call = log.asks(1, "lead")
    log.answer("lead", call, 2, "interrupted", is_error=True)

    made = log.trace

    assert (list(made.asking), asked(made)) == ([], [("lead", "closed", "")])


def test_calls_that_ask_are_told_longest_waiting_first() -> None:
    log = Log()
    log.delegate(1, "a", "b")
    first, second, third = log.asks(2, "b"), log.asks(3, "a"), log.asks(4, "b")
    log.answers(5, second, allow=True)

    assert list(log.trace.asking) == [first, third]


# --- attempts ------------------------------------------------------------------------------------------


def test_attempts_of_a_turn_keep_their_kind_and_how_long_was_waited() -> None:
    log = Log()
    log.fails("lead", 1, 2, retry=3.5)
    log.fails("lead", 3.5, 4, attempt=2, retry=9)
    log.model("lead", 9, 11)
    log.idle(11)

    lead = log.trace.threads["lead"]

    assert [(it.attempt, it.outcome, it.kind, it.after and it.after.total_seconds()) for it in lead.effects] == [
        (1, "error", "overloaded", None),
        (2, "error", "overloaded", 1.5),
        (3, "ok", "", 5),
    ]
    assert seconds_of(lead.waited("retry", at(11))) == 6.5
    assert seconds_of(lead.worked(at(11))) == 4.5
    assert lead.retried == 2


def test_attempts_of_the_next_turn_count_anew() -> None:
    log = Log()
    log.fails("lead", 1, 2, retry=3)
    log.model("lead", 3, 4)
    log.fails("lead", 4, 5, retry=6)

    assert [(it.turn, it.attempt) for it in log.trace.threads["lead"].effects] == [(1, 1), (1, 2), (2, 1)]


def test_turn_after_one_that_failed_for_good_starts_at_its_first_attempt() -> None:
    log = Log()
    log.fails("lead", 1, 2)
    log.idle(2, "retries_exhausted")
    log.wake(5)
    log.model("lead", 5, 6)

    lead = log.trace.threads["lead"]

    assert ([it.attempt for it in lead.effects], lead.tasks, lead.retried) == ([1, 1], 2, 0)


def test_thread_that_waits_to_try_again_is_told_from_one_that_works() -> None:
    log = Log()
    span = log.id()
    log.add(1, "lead", e.ModelRequestStart(id=span, processed_at=at(1)))
    log.add(2, "lead", f.AttemptFailed(span=span, reason="429", kind="rate_limited", retry_at=at(30)))
    log.end_model("lead", span, 2)
    log.add(2, "lead", e.ThreadRescheduled(id=log.id(), processed_at=at(2), session_thread_id="lead", agent_name="l"))

    lead = log.trace.threads["lead"]

    assert (lead.status, lead.waits_for, lead.effects[0].retry_at) == ("rescheduling", "retry", at(30))
    assert not lead.open


# --- threads -------------------------------------------------------------------------------------------


def test_child_may_be_set_to_work_several_times() -> None:
    log = Log()
    log.delegate(1, "a")
    log.report(3, "a")
    log.runs(5, "a")
    log.rest(9, "a")

    child = log.trace.threads["a"]

    assert (child.tasks, seconds_of(child.worked(at(9)))) == (2, 6)
    assert child.ended == "end_turn"


def test_child_that_goes_on_without_its_parent_is_in_the_background() -> None:
    log = Log()
    log.delegate(1, "a", "b")
    log.delegate(1, "c", background=True)
    log.add(2, "lead", f.DelegationDetached(call="ca", thread="a"))

    assert [thread.is_background for thread in log.trace.threads.values()] == [False, True, False, True]


def test_background_child_ends_although_no_call_waits_for_it() -> None:
    log = Log()
    log.delegate(1, "a", background=True)
    log.add(3, "lead", f.DelegationClosed(call="", thread="a", outcome="reported", content=text("7")))
    log.rest(3, "a")

    assert (log.trace.threads["a"].ended, log.trace.threads["a"].reason) == ("reported", "7")


def test_compactions_and_notices_are_kept_with_their_calls() -> None:
    log = Log()
    span = log.id()
    log.add(1, "lead", e.ModelRequestStart(id=span, processed_at=at(1)))
    log.add(1, "lead", f.ModelCalled(span=span, purpose="compact"))
    log.add(2, "lead", f.ContextSummarized(summary="all so far", messages=12))
    log.end_model("lead", span, 2, 10)
    log.add(3, "lead", f.NoticeSent(kind="loop", text="you repeat yourself"))

    lead = log.trace.threads["lead"]

    assert (lead.compactions, [(notice.kind, notice.text) for notice in lead.notices]) == (
        1,
        [("loop", "you repeat yourself")],
    )
    assert ([it.purpose for it in lead.effects], lead.turns) == (["compact"], 0)


def test_report_tells_of_approvals_attempts_and_money() -> None:
    log = Log()
    log.fails("lead", 1, 2, retry=3)
    log.priced("lead", 3, 4, "0.25")
    call = log.asks(4, "lead", command="make")
    log.blocks(4, "lead", calls=(call,))

    told = report(log.trace, at(10))

    assert told["cost"] == {"usd": "0.25", "unknown_calls": 0, "estimated_calls": 0}
    assert [(it["name"], it["answer"], it["waited_s"]) for it in told["approvals"]] == [("bash", "", 6)]
    [lead] = told["threads"]
    assert [(it["attempt"], it["failure"], it["after_s"]) for it in lead["effects"]] == [
        (1, "overloaded", None),
        (2, "", 1),
    ]
    assert (lead["waits_for_person"], lead["waited_for_person_s"], lead["waited_to_retry_s"]) == (True, 6, 1)
