"""What sessions cost: sums over the calls of hand-made logs."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from podium.analysis.cost import Cost
from podium.analysis.spending import UNNAMED, spending
from podium.core import events as e
from podium.core import facts as f
from tests.unit.hand_log import Log, at


def test_cost_of_a_thread_is_that_of_all_its_calls_also_of_failed_ones() -> None:
    log = Log()
    log.priced("lead", 1, 2, "0.10")
    span = log.fails("lead", 3, 4, retry=5)
    log.add(4, "lead", f.BudgetSettled(span=span, usd=Decimal("0.02"), is_estimate=True))
    log.priced("lead", 5, 6, "0.03")

    made = log.trace

    assert made.cost == made.threads["lead"].cost == Cost(Decimal("0.15"), estimated=1)
    assert spending(made, {}).total.failed == 1


def test_call_with_tokens_and_no_price_is_unknown_and_never_zero() -> None:
    log = Log()
    log.priced("lead", 1, 2, "0.0123")
    log.model("lead", 2, 3, tokens=7)

    assert log.trace.cost == Cost(Decimal("0.0123"), unknown=1)
    assert str(log.trace.cost) == "$0.0123 + unknown"


def test_sum_of_which_nothing_is_known_is_a_question_mark() -> None:
    log = Log()
    log.model("lead", 2, 3)

    assert str(log.trace.cost) == "?"


def test_rehearsed_session_costs_nothing() -> None:
    log = Log(needs=("rehearsal:generated",))
    log.model("lead", 2, 3)

    assert log.trace.cost == Cost()


def test_reservation_may_stand_before_its_call() -> None:
    log = Log()
    log.add(1, "lead", f.BudgetReserved(span="s", model="opus", usd=Decimal(1), input_tokens=1, max_tokens=1))
    log.add(1, "lead", e.ModelRequestStart(id="s", processed_at=at(1)))
    log.add(3, "lead", f.BudgetSettled(span="s", usd=Decimal("0.5")))
    log.end_model("lead", "s", 3, 10)

    [effect] = log.trace.threads["lead"].effects

    assert (effect.model, effect.usd, effect.start) == ("opus", Decimal("0.5"), at(1))
    assert log.trace.cost == Cost(Decimal("0.5"))


def test_thread_with_those_below_it_costs_what_all_of_them_do() -> None:
    log = Log()
    log.priced("lead", 0, 1, "0.1")
    log.delegate(1, "a", "b")
    log.delegate(1, "c", parent="a")
    for child, usd in (("a", "0.01"), ("b", "0.001"), ("c", "0.0001")):
        log.priced(child, 2, 3, usd)

    spent = spending(log.trace, {})

    assert {id: str(it.cost.usd) for id, it in spent.below.items()} == {
        "lead": "0.1111",
        "a": "0.0101",
        "b": "0.001",
        "c": "0.0001",
    }


@given(st.lists(st.tuples(st.sampled_from("lab"), st.decimals("0.0000001", 9, places=7), st.booleans()), max_size=30))
def test_every_way_of_adding_up_gives_exactly_the_sum_over_calls(calls: list[tuple[str, Decimal, bool]]) -> None:
    log = Log()
    log.delegate(0, "a", "b")
    for who, usd, has_price in calls:
        thread = "lead" if who == "l" else who
        if has_price:
            log.priced(thread, 1, 2, str(usd), model=f"m{who}")
        else:
            log.model(thread, 1, 2)

    spent = spending(log.trace, {})

    known = sum((usd for _, usd, has_price in calls if has_price), Decimal(0))
    assert spent.total.cost.usd == known
    assert spent.total.calls == len(calls)
    for rows in (spent.agents, spent.threads, spent.models):
        assert sum((it.cost for it in rows.values()), Cost()) == spent.total.cost == log.trace.cost
    assert spent.below["lead"] == spent.total


def test_models_without_a_known_price_are_named() -> None:
    log = Log()
    log.delegate(0, "a")
    log.priced("lead", 0, 1, "0.1")
    log.model("a", 1, 2)

    assert spending(log.trace, {"h": "mine"}).unknown == ["mine"]
    assert spending(log.trace, {}).unknown == [UNNAMED]
