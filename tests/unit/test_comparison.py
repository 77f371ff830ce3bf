"""Which of two is worth it, by the rule; what figures come to; what the one agent of a team is."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium import Agent, Limits, tool
from podium.analysis.cost import Cost
from podium.analysis.spending import Spent
from podium.comparison import Comparison, Judgement, Measured, Side, Spread, judge_of, single_of
from podium.comparison.allowance import Allowance
from podium.comparison.figures import SIDES
from podium.comparison.rule import Conclusion, Counts, Lead, conclude
from podium.core.definitions import SessionLimits
from podium.core.events import Usage
from podium.core.facts import LimitMet, LimitReached
from podium.errors import BadInput
from tests.unit.hand_log import Log

# Every run finished; the times and costs overlap; nobody judged.
ALIKE = Counts(
    runs=(3, 3),
    finished=(3, 3),
    wall_s=((1.0, 3.0), (2.0, 4.0)),
    usd=((1.0, 3.0), (2.0, 4.0)),
    preferred=(0, 0),
    ties=0,
)
LESS, MORE = (1.0, 2.0), (3.0, 4.0)


def test_one_agent_is_enough_where_the_team_costs_more_and_its_answers_are_no_better() -> None:
    found = conclude(replace(ALIKE, usd=(LESS, MORE), ties=3))

    assert (found.says, found.time, found.money, found.quality) == ("one_agent_is_enough", "open", "single", "even")
    assert found.text == (
        "One agent is enough: the times overlap; one agent is cheaper; the judge finds the answers equal."
    )


def test_the_team_is_worth_it_where_it_is_ahead_in_something_and_behind_in_nothing() -> None:
    assert conclude(replace(ALIKE, wall_s=(MORE, LESS), ties=3)).says == "team_is_worth_it"
    assert conclude(replace(ALIKE, preferred=(0, 2), ties=1)).says == "team_is_worth_it"


def test_it_is_a_trade_where_the_team_is_faster_and_dearer() -> None:
    found = conclude(replace(ALIKE, wall_s=(MORE, LESS), usd=(LESS, MORE)))

    assert found.says == "trade"
    assert "the team is faster; one agent is cheaper" in found.text


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, "the times overlap; the costs overlap; whose answers are better was not judged"),
        ({"runs": (2, 2), "finished": (2, 2), "usd": (LESS, MORE)}, "fewer than 3 runs of each"),
        ({"finished": (3, 2), "usd": (LESS, MORE)}, "one agent finished 3 of 3 runs, the team 2 of 3"),
        ({"usd": (LESS, MORE), "preferred": (2, 1)}, "the judge does not settle whose answers are better"),
        ({"usd": (LESS, MORE), "preferred": (1, 0), "ties": 2}, "the judge does not settle"),
        ({"usd": (LESS, MORE), "preferred": (2, 0)}, "the judge does not settle"),  # of three pairs, one was not judged
        ({"wall_s": (LESS, MORE), "usd": (None, None)}, "what they cost is not known"),
        ({"usd": (LESS, MORE), "ties": 3, "is_rehearsed": True}, "no model was called"),
    ],
)
def test_figures_do_not_tell(change: dict[str, Any], why: str) -> None:
    found = conclude(replace(ALIKE, **change))

    assert found.says == "figures_do_not_tell"
    assert why in found.text


def test_who_never_finishes_is_behind_whatever_the_other_cost() -> None:
    found = conclude(replace(ALIKE, finished=(0, 3), wall_s=(None, LESS), usd=(None, LESS)))

    assert (found.says, found.finishing) == ("team_is_worth_it", "team")
    assert "one agent finished 0 of 3 runs, the team 3 of 3" in found.text


def test_what_nobody_judged_is_enough_if_the_answers_are_as_good() -> None:
    cheaper = replace(ALIKE, usd=(LESS, MORE), preferred=(0, 0), ties=0)
    dearer = replace(cheaper, usd=(MORE, LESS))

    assert conclude(cheaper).text.startswith("One agent is enough, if its answers are as good: ")
    assert conclude(dearer).text.startswith("The team is worth it, if its answers are as good: ")


def test_costs_that_are_the_same_in_every_run_are_even() -> None:
    assert conclude(replace(ALIKE, usd=((0.0, 0.0), (0.0, 0.0)))).money == "even"


MIRRORED: dict[str, str] = {
    "single": "team",
    "team": "single",
    "one_agent_is_enough": "team_is_worth_it",
    "team_is_worth_it": "one_agent_is_enough",
}
spreads = st.none() | st.tuples(st.integers(0, 4), st.integers(0, 3)).map(lambda it: (float(it[0]), float(sum(it))))
two = st.tuples(st.integers(0, 4), st.integers(0, 4))


@given(two, two, st.tuples(spreads, spreads), st.tuples(spreads, spreads), two, st.integers(0, 4))
def test_the_rule_favours_neither(
    runs: tuple[int, int], fewer: tuple[int, int], wall_s: Any, usd: Any, preferred: tuple[int, int], ties: int
) -> None:
    finished = (max(runs[0] - fewer[0], 0), max(runs[1] - fewer[1], 0))
    counts = Counts(runs=runs, finished=finished, wall_s=wall_s, usd=usd, preferred=preferred, ties=ties)
    swapped = {name: getattr(counts, name)[::-1] for name in ("runs", "finished", "wall_s", "usd", "preferred")}

    one, other = conclude(counts), conclude(replace(counts, **swapped))

    assert [MIRRORED.get(it, it) for it in _leads(one)] == _leads(other)


def _leads(found: Conclusion) -> list[str]:
    return [found.says, found.finishing, found.time, found.money, found.quality]


# --- what is measured --------------------------------------------------------------------------------


def run(
    side: Side, number: int, usd: str = "1", *, wall_s: float = 1.0, how: str = "end_turn", unknown: int = 0
) -> Any:
    spent = Spent(number, 0, Usage(10 * number, number), Cost(Decimal(usd), unknown))
    return Measured(
        side=side,
        number=number,
        session=f"{side}{number}",
        stop_reason=how,
        error="",
        output="",
        wall_s=wall_s,
        spent=spent,
        is_rehearsed=False,
    )


def judged(number: int, *said: Side | Literal["tie"] | None) -> list[Judgement]:
    return [
        Judgement(number=number, first=first, session="", better=better, reason="", spent=Spent(1))
        for first, better in zip(SIDES, said, strict=False)
    ]


def test_figures_are_of_finished_runs_with_the_one_in_the_middle_and_both_ends() -> None:
    made = Comparison(
        task="t",
        runs=4,
        measured=(run("team", 1, "3"), run("team", 2, "1"), run("team", 3, "2"), run("team", 4, "9", how="refusal")),
    )

    figures = made.team

    assert figures.usd == Spread(Decimal(2), Decimal(1), Decimal(3))
    assert figures.calls == Spread(2, 1, 3)
    assert figures.input_tokens == Spread(20, 10, 30)
    assert (figures.finished, figures.runs, figures.stop_reasons) == (3, 4, {"end_turn": 3, "refusal": 1})
    assert made.spent.cost.usd == 15
    assert made.single.wall_s is None


def test_a_price_that_is_not_known_makes_the_dollars_of_its_side_unknown() -> None:
    made = Comparison(task="t", runs=1, measured=(run("single", 1), run("team", 1), run("team", 2, unknown=1)))

    assert (made.team.usd, made.single.usd) == (None, Spread(Decimal(1), Decimal(1), Decimal(1)))


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (("single", "single"), "single"),
        (("team", "team"), "team"),
        (("tie", "tie"), "tie"),
        (("single", "team"), "position_bias"),
        (("team", "single"), "position_bias"),
        (("tie", "team"), "position_bias"),
        (("team", None), "not_judged"),
        (("team",), "not_judged"),
        ((), "not_judged"),
    ],
)
def test_a_pair_goes_to_whom_the_judge_prefers_in_both_orders(said: tuple[Any, ...], outcome: str) -> None:
    runs = (run("single", 1), run("team", 1))
    made = Comparison(task="t", runs=1, measured=runs, judge="m", judgements=tuple(judged(1, *said)))

    assert made.pairs == {1: outcome}


def test_judge_that_goes_by_place_alone_prefers_nobody() -> None:
    runs = tuple(run(side, number) for number in (1, 2, 3) for side in ("single", "team"))
    said = [it for number in (1, 2, 3) for it in judged(number, "single", "team")]  # always the first place

    found = Comparison(task="t", runs=3, measured=runs, judge="m", judgements=tuple(said)).conclusion

    lead: Lead = "even"
    assert found.quality == lead


# --- the one agent -----------------------------------------------------------------------------------


@tool(idempotent=True)
def weigh(thing: str) -> str:
    "Weigh it."
    return thing


LEFT = Agent(
    "left",
    model="small",
    system="You look left.",
    description="Looks left.",
    tools=["bash", weigh],
    limits=Limits(turns=5, tokens=100),
    permissions={"bash": "always_ask"},
)
RIGHT = Agent("right", model="small", system="You look right.", tools=["bash", "read", weigh], limits=Limits(turns=7))
LEAD = Agent(
    "lead",
    model="large",
    system="You lead.",
    tools=["read"],
    callable_agents=[LEFT, Agent("both", model="small", callable_agents=[RIGHT, LEFT]), "self"],
    limits=Limits(turns=2, usd="0.50"),
    output_schema={"type": "object"},
)


def test_one_agent_has_the_tools_and_prompts_of_all_each_once() -> None:
    single = single_of(LEAD)

    assert (single.name, single.model, single.callable_agents) == ("single", "large", ())
    assert single.tools == ("read", "bash", weigh)
    assert [single.system.count(part) for part in ("You lead.", "You look left.", "You look right.")] == [1, 1, 1]
    assert single.output_schema == {"type": "object"}


def test_one_agent_asks_where_any_agent_of_the_team_asks() -> None:
    assert single_of(LEAD).permissions == {"bash": "always_ask"}


def test_limits_of_the_one_agent_are_those_of_all_added_up_where_all_have_one() -> None:
    limited = replace(LEAD, callable_agents=[LEFT, RIGHT])

    assert single_of(limited).limits == Limits(turns=14, usd="0.50")
    assert single_of(LEAD).limits.turns is None  # 'both' has none


def test_an_agent_that_calls_nobody_is_refused() -> None:
    with pytest.raises(BadInput, match="agent 'left' calls nobody: it is one agent already"):
        single_of(LEFT)


def test_a_team_of_one_that_may_call_itself_or_define_others_is_a_team() -> None:
    assert single_of(replace(LEFT, callable_agents=["self"])).tools == ("bash", weigh)
    assert single_of(replace(LEFT, inline_agents=True)).inline_agents is False


def test_two_different_tools_of_one_name_are_refused() -> None:
    def weigh(thing: int) -> str:
        "Another one."
        return str(thing)

    with pytest.raises(BadInput, match="agents 'left' and 'other' have different tools called 'weigh'"):
        single_of(replace(LEAD, callable_agents=[LEFT, Agent("other", model="m", tools=[weigh])]))


def test_prompts_that_are_too_long_together_are_refused() -> None:
    long = [Agent(f"a{number}", model="m", system="x" * 60_000) for number in (1, 2)]

    with pytest.raises(BadInput, match="characters together, and one agent takes 100,000"):
        single_of(replace(LEAD, callable_agents=long))


def test_an_agent_that_judges_calls_nobody_and_owes_a_verdict() -> None:
    judge = judge_of(LEAD)

    assert (judge.name, judge.callable_agents) == ("lead", ())
    assert judge.system.startswith("You lead.")
    assert set(judge.output_schema["properties"]) == {"better", "reason"}


# --- a limit over several sessions -------------------------------------------------------------------


def ended(usd: str, met: LimitMet | None = None) -> Log:
    log = Log()
    log.priced("lead", 0, 1, usd)
    if met is not None:
        log.add(1, "lead", LimitReached(met=met))
    return log


def test_each_session_gets_what_the_ones_before_it_left() -> None:
    allowance = Allowance(Limits(usd="1.00"))
    own = SessionLimits(usd="0.80", turns=5)

    first = allowance.within(own)
    allowance.take(ended("0.30").trace, first, [])
    second = allowance.within(own)

    assert (first.usd, second.usd, second.turns, allowance.met) == (Decimal("0.80"), Decimal("0.70"), 5, "")


def test_allowance_is_used_up_when_nothing_is_left() -> None:
    allowance = Allowance(Limits(usd="1.00"))

    allowance.take(ended("1.00").trace, allowance.within(SessionLimits()), [])

    assert allowance.met == "usd 1.00, of all sessions together, is used up"


@pytest.mark.parametrize(
    ("of", "own", "is_met"), [("session", None, True), ("session", "0.5", False), ("agent", None, False)]
)
def test_session_that_stopped_short_of_the_rest_uses_the_allowance_up(of: Any, own: str | None, is_met: bool) -> None:
    allowance = Allowance(Limits(usd="1.00"))
    log = ended("0.40", LimitMet("usd", of, 1.0, 0.4))
    given = allowance.within(SessionLimits(usd=own))

    allowance.take(log.trace, given, log.records)

    assert allowance.met == (
        "usd 1.00, of all sessions together, leaves too little for the next call" if is_met else ""
    )
