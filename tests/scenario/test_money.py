"""Money: what is set aside before a call, what it comes to, and where threads stop for it."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium import Agent, Limits, Reply, SessionLimits, Usage, call, say
from podium.core.facts import BudgetReserved, BudgetSettled
from podium.core.json import JSON
from podium.core.money import HAND_OVER_TOKENS, ModelFacts, Price
from podium.engine.threads import HAND_OVER_S
from podium.errors import ModelFailed
from tests.lab.cast import after, hangs, raises
from tests.lab.lab import Lab, interrupted, said
from tests.lab.log import Played

PRICE = Price(input=Decimal(0), output=Decimal(1000), cache_write=Decimal(0), cache_read=Decimal(0))
PRICED = ModelFacts(price=PRICE, max_tokens=10_000)  # a thousandth of a dollar for a token of output, $10 a call
TOP_UP = Decimal(HAND_OVER_TOKENS) / 1000  # kept back for handing over


def spends(tokens: int, *blocks: object, seconds: float = 0) -> object:
    """A line whose reply costs a thousandth of a dollar for each token."""
    said = Reply(tuple(blocks) or (say("done"),), usage=Usage(output_tokens=tokens))  # type: ignore[arg-type]
    return after(seconds, said) if seconds else said


def reserved(log: Played, agent: str | None = None) -> list[Decimal]:
    thread = None if agent is None else log.thread(agent)
    events = [record.event for record in log.of("budget.reserved", thread)]
    return [event.usd for event in events if isinstance(event, BudgetReserved)]


def settled(log: Played) -> list[tuple[Decimal, bool]]:
    events = [record.event for record in log.records]
    return [(event.usd, event.is_estimate) for event in events if isinstance(event, BudgetSettled)]


def usd(value: float | str) -> Decimal:
    return Decimal(str(value))


def test_call_is_reserved_before_it_and_settled_with_what_it_cost() -> None:
    lab = Lab(facts=PRICED, lead=spends(2500))

    log = lab.run(Agent("lead", model="m"))

    assert (reserved(log), settled(log)) == ([usd(10)], [(usd("2.5"), False)])
    assert (log.state.usd, lab.row().facts.usd, log.state.reserved_usd) == (usd("2.5"), usd("2.5"), usd(0))
    kinds = log.kinds()
    assert kinds.index("budget.reserved") == kinds.index("span.model_request_start") + 1
    assert kinds.index("budget.settled") < kinds.index("span.model_request_end")


def test_model_without_a_price_costs_nothing_and_has_no_money_records() -> None:
    log = Lab(lead="done").run(Agent("lead", model="m", limits=Limits(usd="0.01")))

    assert [kind for kind in log.kinds() if kind.startswith("budget")] == []


def test_output_is_clamped_to_what_is_left() -> None:
    lab = Lab(facts=PRICED, lead=spends(100))

    log = lab.run(Agent("lead", model="m", limits=Limits(usd=6)))

    [request] = log.requests("lead")
    left = usd(6) - TOP_UP
    assert (reserved(log), request.max_tokens) == ([left], int(left * 1000))


def test_call_that_fits_no_more_is_not_made_and_the_thread_hands_over_from_what_was_kept_back() -> None:
    lab = Lab(facts=PRICED, lead=[spends(4000, call("look")), spends(900, say("what I have"))])

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("look")], limits=Limits(usd=6)))

    assert (log.stop_reason, log.text, log.state.usd) == ("budget_reached", "what I have", usd("4.9"))
    last = log.requests("lead")[1]
    assert (last.purpose, last.may_call, last.max_tokens) == ("hand_over", False, HAND_OVER_TOKENS)


def test_last_turn_at_a_limit_in_dollars_has_a_time_of_its_own() -> None:
    lab = Lab(facts=PRICED, lead=[spends(4000, call("look")), hangs])

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("look")], limits=Limits(usd=6)))

    assert (log.stop_reason, log.seconds) == ("budget_reached", HAND_OVER_S)


@pytest.mark.parametrize("overshoot", [6000, 9000])
def test_thread_that_spent_more_than_was_set_aside_ends_without_handing_over(overshoot: int) -> None:
    lab = Lab(facts=PRICED, lead=[spends(overshoot, say("half"), call("look")), "never"])

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("look")], limits=Limits(usd=6)))

    assert (log.stop_reason, log.text, len(log.requests("lead"))) == ("budget_reached", "half", 1)


def test_session_limit_stops_all_and_is_the_sessions_reason() -> None:
    lab = Lab(
        facts=PRICED,
        lead=[spends(1000, call("worker", task="x")), spends(500, say("so far"))],
        worker=spends(7500, say("w"), call("look")),
    )
    worker = Agent("worker", model="m", tools=[lab.tool("look")])

    log = lab.run(Agent("lead", model="m", callable_agents=[worker]), limits=SessionLimits(usd=10))

    assert (log.stop_reason, log.closings()) == ("budget_reached", [("worker", "limit")])
    assert log.said_to("worker").startswith("session limit reached: $8.5000 of $10.0000")
    assert [request.purpose for request in log.requests("lead")] == ["turn", "hand_over"]
    assert log.state.cap is not None


def test_agents_dollars_count_those_below_it() -> None:
    lab = Lab(
        facts=PRICED,
        lead=[call("middle", task="x"), spends(1)],
        middle=[spends(1000, call("leaf", task="x")), spends(10, say("middle's"))],
        leaf=spends(5000, say("leaf's")),
    )
    middle = Agent("middle", model="m", callable_agents=[Agent("leaf", model="m")], limits=Limits(usd=8))

    log = lab.run(Agent("lead", model="m", callable_agents=[middle]))

    assert log.said_to("leaf") == "leaf's"
    assert log.said_to("middle").startswith("agent limit reached: $6.0000 of $8.0000")
    assert [request.purpose for request in log.requests("middle")] == ["turn", "hand_over"]
    assert log.state_of("middle").usd == usd("6.01")


def test_limit_of_a_delegation_in_dollars() -> None:
    given: dict[str, JSON] = {"agent": "worker", "input": {"task": "x"}, "limits": {"usd": 3}}
    lab = Lab(
        facts=PRICED,
        lead=[spends(1, call("start_agent", **given)), spends(1, say("I wait")), spends(1)],
        worker=[spends(1500, call("look")), spends(5, say("so far"))],
    )

    log = lab.run(Agent("lead", model="m", callable_agents=[Agent("worker", model="m", tools=[lab.tool("look")])]))

    assert log.told("lead")[-1].startswith("delegation limit reached: $1.5000 of $3.0000")
    assert reserved(log, "worker")[0] == usd(3) - TOP_UP


def test_call_waits_until_others_have_settled() -> None:
    lab = Lab(
        facts=PRICED,
        lead=[spends(1, *[call("worker", task=str(n)) for n in range(3)]), spends(1)],
        worker=spends(1000, seconds=5),
    )

    log = lab.run(Agent("lead", model="m", callable_agents=[Agent("worker", model="m")]), limits=SessionLimits(usd=12))

    assert (log.stop_reason, log.closings()) == ("end_turn", [("worker", "reported")] * 3)
    assert log.seconds == 15
    assert log.state.usd == usd("3.002")


def test_failed_attempts_with_usage_cost_what_they_used() -> None:
    lab = Lab(facts=PRICED, lead=raises(ModelFailed("broken", usage=Usage(output_tokens=700))))

    log = lab.run(Agent("lead", model="m"))

    assert (log.stop_reason, log.state.usd, log.state.usage.output_tokens) == ("retries_exhausted", usd("0.7"), 700)


def test_interrupted_call_is_settled_in_full_as_an_estimate() -> None:
    lab = Lab(facts=PRICED, lead=hangs)

    log = lab.run(Agent("lead", model="m"), acts=[(1, interrupted())])

    assert (settled(log), log.state.usd) == ([(usd(10), True)], usd(10))


def test_call_lost_with_its_process_is_settled_in_full_as_an_estimate() -> None:
    lab = Lab(facts=PRICED, lead=spends(100, seconds=5))
    lab.run(Agent("lead", model="m"), acts=[(1, lambda live: live.let_go())])

    log = lab.resume()

    assert (settled(log), log.text) == ([(usd(10), True), (usd("0.1"), False)], "done")


def test_message_after_the_limit_ends_there_again() -> None:
    lab = Lab(facts=PRICED, lead=[spends(4900, call("look")), spends(900, say("so far"))])
    lab.run(Agent("lead", model="m", tools=[lab.tool("look")], limits=Limits(usd=6)))

    log = lab.say("go on")

    assert (log.stop_reason, len(log.requests("lead"))) == ("budget_reached", 2)


def test_message_while_the_limit_is_met_is_shown_and_asks_nobody() -> None:
    lab = Lab(facts=PRICED, lead=[spends(4500, call("look")), spends(900, say("so far"), seconds=4)])

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("look")], limits=Limits(usd=6)), acts=[(1, said("hurry"))])

    assert (log.stop_reason, log.state.queue) == ("budget_reached", {})


@given(
    st.lists(st.integers(0, 12_000), min_size=50, max_size=50),
    st.integers(2_000, 120_000),
    st.integers(1_000, 8_000),
)
@settings(max_examples=15)
def test_threads_that_race_at_a_cap_never_pass_it_by_more_than_what_replies_used_beyond_their_share(
    used: list[int], cap: int, own_cap: int
) -> None:
    names = [f"w{n}" for n in range(50)]
    lines = {name: spends(tokens, seconds=1 + n % 3) for n, (name, tokens) in enumerate(zip(names, used, strict=True))}
    lab = Lab(lines, facts=PRICED, lead=[spends(0, *[call(name, task="x") for name in names]), spends(0)])
    roster = [Agent(name, model="m", limits=Limits(usd=own_cap)) for name in names]

    log = lab.run(Agent("lead", model="m", callable_agents=roster), limits=SessionLimits(usd=usd(cap) / 1000))

    excess = sum(
        (max(usd(0), paid - set_aside) for set_aside, (paid, _) in zip(by_span(log)[0], by_span(log)[1], strict=True)),
        usd(0),
    )
    assert log.state.usd <= usd(cap) / 1000 + excess
    assert log.state.usd == sum((paid for paid, _ in settled(log)), usd(0))
    assert log.state.reserved_usd == 0


def by_span(log: Played) -> tuple[list[Decimal], list[tuple[Decimal, bool]]]:
    """What was set aside for each call, and what it came to."""
    events = [record.event for record in log.records]
    aside = {event.span: event.usd for event in events if isinstance(event, BudgetReserved)}
    came = {event.span: (event.usd, event.is_estimate) for event in events if isinstance(event, BudgetSettled)}
    return [aside[span] for span in came], list(came.values())
