"""What `podium check` warns of, rule by rule: when, when not, and in which words."""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from podium.core.money import ModelFacts, Price
from podium.team import RULES, Finding, lint, load_team

DOCUMENT = Path(__file__).parents[2] / "docs" / "check.md"

# Nothing is to be said of these: the tests add what is to be found.
GOOD = "description: Counts the lines of files. Returns a table., system: Count."
LIMITS = "limits: {turns: 9}\n"
OUTPUT_USD = {"cheap": 5, "strong": 25, "free": 0}

Linted = Callable[..., list[Finding]]


def facts_of(model: str) -> ModelFacts:
    output = OUTPUT_USD.get(model)
    if output is None:
        return ModelFacts()
    price = Price(input=Decimal(0), output=Decimal(output), cache_write=Decimal(0), cache_read=Decimal(0))
    return ModelFacts(price=price)


@pytest.fixture
def linted(tmp_path: Path) -> Linted:
    """The findings in a team with these agents, called by 'lead' unless it is said otherwise."""

    def lint_team(*agents: str, lead: str = "model: strong", more: str = LIMITS) -> list[Finding]:
        names = ", ".join(agent.partition(":")[0] for agent in agents)
        lines = "".join(f"  {agent}\n" for agent in agents)
        file = tmp_path / "team.yaml"
        file.write_text(f"coordinator: lead\nagents:\n  lead: {{{lead}, callable_agents: [{names}]}}\n{lines}{more}")
        return lint(load_team(file), facts_of)

    return lint_team


def rules(findings: list[Finding]) -> list[str]:
    return [finding.rule for finding in findings]


def test_good_team_has_no_findings(linted: Linted) -> None:
    assert linted(f"a: {{model: cheap, {GOOD}}}") == []


def test_single_agent_needs_neither_description_nor_limits(tmp_path: Path) -> None:
    file = tmp_path / "team.yaml"
    file.write_text("agents: {solo: {model: any}}")

    assert lint(load_team(file), facts_of) == []


# --- what a delegation must say ----------------------------------------------------------------------


def test_agent_without_a_description_is_told_with_its_name(linted: Linted) -> None:
    (found,) = linted("a: {model: cheap, system: Answer in JSON.}")

    assert found == Finding(
        rule="description-goal",
        text="the description of 'a' is missing: those who may call it cannot tell what for. "
        "Say what it does, and to what",
    )
    assert found.section == "docs/check.md#description-goal"


@pytest.mark.parametrize(
    ("description", "is_enough"),
    [
        ("The line-counter agent", False),
        ("An expert for lines", False),
        ("Counts", False),
        ("Counts files", True),
        ("Zählt Dateien", True),
    ],
)
def test_description_must_say_more_than_the_name(linted: Linted, description: str, is_enough: bool) -> None:
    found = linted(f"line-counter: {{model: cheap, description: '{description}', output_schema: {{type: object}}}}")

    assert rules(found) == ([] if is_enough else ["description-goal"])


@pytest.mark.parametrize(
    ("more", "is_enough"),
    [
        ("system: Count.", False),
        ("system: Count. Return the number.", True),
        ("system: Count., output_schema: {type: object}", True),
        ("input_schema: {type: object, properties: {expected_output: {type: string}}}", False),
        ("input_schema: {type: object, required: [expected_output]}", True),
        ("system: Tell in the returning wind.", False),
    ],
)
def test_agent_must_say_what_it_returns(linted: Linted, more: str, is_enough: bool) -> None:
    found = linted(f"a: {{model: cheap, description: Counts all files., {more}}}")

    assert rules(found) == ([] if is_enough else ["description-return"])


def test_agents_that_nothing_stops_are_told_together(linted: Linted) -> None:
    alike = "description: Counts the lines of files. Returns a table., system"
    found = linted(
        f"a: {{model: cheap, {alike}: Count.}}",
        f"b: {{model: cheap, {alike}: Write.}}",
        f"c: {{model: cheap, {alike}: Think., limits: {{seconds: 5}}}}",
        more="limits: {depth: 2, live_threads: 5}\n",
    )

    assert rules(found) == ["no-limits"]
    assert found[0].text.startswith("nothing stops 'a' and 'b': neither own limits nor the team's")


@pytest.mark.parametrize("limit", ["turns: 9", "seconds: 9", "tokens: 9", "usd: 9"])
def test_any_limit_of_the_team_stops_its_agents(linted: Linted, limit: str) -> None:
    assert linted(f"a: {{model: cheap, {GOOD}}}", more=f"limits: {{{limit}}}\n") == []


@pytest.mark.parametrize(("own", "found"), [("usd: 2", []), ("usd: 2.5", ["limits-never-met"]), ("turns: 99", [])])
def test_limit_above_the_whole_teams_is_never_met(linted: Linted, own: str, found: list[str]) -> None:
    assert rules(linted(f"a: {{model: cheap, {GOOD}, limits: {{{own}}}}}", more="limits: {usd: 2}\n")) == found


@pytest.mark.parametrize("limits", ["", ", limits: {turns: 9}"])
def test_agent_that_defines_others_gives_them_its_limits(linted: Linted, limits: str) -> None:
    found = linted(
        f"a: {{model: cheap, {GOOD}, limits: {{turns: 9}}}}",
        lead=f"model: strong, inline_agents: true{limits}",
        more="",
    )

    assert [finding.text[:34] for finding in found] == ([] if limits else ["nothing stops what 'lead' defines:"])


def test_agent_that_may_call_itself_is_called(tmp_path: Path) -> None:
    file = tmp_path / "team.yaml"
    file.write_text("agents: {solo: {model: any, callable_agents: [self]}}")

    assert rules(lint(load_team(file), facts_of)) == ["description-goal", "description-return", "no-limits"]


# --- who is needed -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("workers", "found"), [(6, []), (7, ["many-agents"])])
def test_more_than_seven_agents_are_many(linted: Linted, workers: int, found: list[str]) -> None:
    unlike = "abcdefg"
    agents = [
        f"w{n}: {{model: cheap, description: Counts the {unlike[n]} files. Returns a list., system: {unlike[n]}.}}"
        for n in range(workers)
    ]

    assert rules(linted(*agents)) == found


def test_coordinator_whose_model_costs_less_than_a_workers_is_weak(linted: Linted) -> None:
    (found,) = linted(f"a: {{model: strong, {GOOD}}}", lead="model: cheap")

    assert found.rule == "weak-coordinator"
    assert "'lead' (cheap, $5 a million tokens of output) directs 'a' (strong, $25)" in found.text


@pytest.mark.parametrize(("lead", "worker"), [("strong", "strong"), ("strong", "cheap"), ("free", "free")])
def test_coordinator_at_least_as_dear_as_its_workers_is_strong_enough(linted: Linted, lead: str, worker: str) -> None:
    assert linted(f"a: {{model: {worker}, {GOOD}}}", lead=f"model: {lead}") == []


@pytest.mark.parametrize(("lead", "worker"), [("cheap", "unknown"), ("unknown", "cheap")])
def test_models_without_a_price_are_not_compared(linted: Linted, lead: str, worker: str) -> None:
    assert linted(f"a: {{model: {worker}, {GOOD}}}", lead=f"model: {lead}") == []


LONG = "Review every file of this repository for {} problems and return all that you find, worst first"


def reviewer(name: str, about: str, more: str = "tools: [read, grep]") -> str:
    return f"{name}: {{model: cheap, description: Reviews files for {about}., system: '{LONG.format(about)}', {more}}}"


def test_agents_with_the_same_tools_and_nearly_the_same_prompt_are_told_together(linted: Linted) -> None:
    found = linted(
        reviewer("a", "style"), reviewer("b", "security", "tools: [grep, read]"), reviewer("c", "performance")
    )

    assert rules(found) == ["near-equal-agents"]
    assert found[0].text.startswith("'a', 'b' and 'c' have the same tools and nearly the same prompt")


@pytest.mark.parametrize("more", ["tools: [read]", "tools: [read, grep], output_schema: {type: object}"])
def test_agents_with_other_tools_or_results_are_two(linted: Linted, more: str) -> None:
    assert linted(reviewer("a", "style"), reviewer("b", "security", more)) == []


def test_agents_with_the_same_words_in_another_order_are_two(linted: Linted) -> None:
    prompt = LONG.format("style")
    backwards = " ".join(reversed(prompt.split()))
    told = "model: cheap, description: Reviews all the files."

    assert linted(f"a: {{{told}, system: '{prompt}'}}", f"b: {{{told}, system: '{backwards}'}}") == []


def test_agents_without_any_prompt_are_not_compared(linted: Linted) -> None:
    found = linted("a: {model: cheap}", "b: {model: cheap}")

    assert "near-equal-agents" not in rules(found)


def test_agent_that_nobody_calls_is_told_and_not_looked_at(linted: Linted) -> None:
    found = linted(f"a: {{model: cheap, {GOOD}}}", more="  spare: {model: unknown}\nlimits: {usd: 1}\n")

    assert rules(found) == ["unused-agent"]
    assert found[0].text.startswith("'spare' is never called: 'lead' cannot reach it")


# --- money -------------------------------------------------------------------------------------------


def test_model_without_a_price_under_a_limit_in_dollars_is_an_error(linted: Linted) -> None:
    (found,) = linted(f"a: {{model: unknown, {GOOD}}}", more="limits: {usd: 1}\n")

    assert (found.rule, found.is_error) == ("unpriced-model", True)
    assert found.text == (
        "limits.usd of the session cannot be kept: the price of model 'unknown' of 'a' is not known. "
        'Write it into podium.toml, as models."unknown".price, or drop the limit'
    )


def test_limit_of_an_agent_counts_for_those_below_it(tmp_path: Path) -> None:
    file = tmp_path / "team.yaml"
    file.write_text(
        "agents:\n  top: {model: unknown, callable_agents: [mid]}\n"
        f"  mid: {{model: cheap, {GOOD}, callable_agents: [low], limits: {{usd: 1}}}}\n"
        f"  low: {{model: other, {GOOD}}}\n{LIMITS}"
    )

    found = [finding.text for finding in lint(load_team(file), facts_of) if finding.is_error]

    assert len(found) == 1
    assert found[0].startswith("limits.usd of 'mid' cannot be kept: the price of model 'other' of 'low' is not known")


def test_free_model_is_priced(linted: Linted) -> None:
    assert linted(f"a: {{model: free, {GOOD}}}", more="limits: {usd: 1}\n") == []


def test_without_a_limit_in_dollars_no_price_is_needed(linted: Linted) -> None:
    assert linted(f"a: {{model: unknown, {GOOD}}}") == []


def test_rehearsed_team_needs_no_price(linted: Linted) -> None:
    (found,) = linted(f"a: {{model: unknown, {GOOD}}}", more="limits: {usd: 1}\nrehearsal: generated\n")

    assert (found.rule, found.is_error) == ("unpriced-model", False)


# --- the document ------------------------------------------------------------------------------------


def test_every_rule_has_its_section_and_every_section_its_rule() -> None:
    assert re.findall(r"^## (.+)$", DOCUMENT.read_text(), re.M) == list(RULES)


# --- workflows ---------------------------------------------------------------------------------------

SORT = "a: {model: cheap, system: Sort the letters by who wrote them.}"
SUM = "b: {model: cheap, system: Add up all of the bills.}"


@pytest.fixture
def staged(tmp_path: Path) -> Linted:
    """The findings in a team with these agents and stages."""

    def lint_team(*agents: str, stages: str, more: str = LIMITS) -> list[Finding]:
        lines = "".join(f"  {agent}\n" for agent in agents)
        file = tmp_path / "team.yaml"
        file.write_text(f"agents:\n{lines}workflow:\n{stages}\n{more}")
        return lint(load_team(file), facts_of)

    return lint_team


def test_agents_of_stages_need_no_description_as_nobody_chooses_among_them(staged: Linted) -> None:
    many = [f"a{letter}: {{model: cheap, system: {letter * 9}}}" for letter in "abcdefghi"]

    assert staged(*many, stages=f"- parallel: {{{', '.join(f'{it[:2]}: {it[:2]}' for it in many)}}}") == []


@pytest.mark.parametrize("stage", ["- route: {to: [a], by: b}", "- plan: {planner: b, agents: [a]}"])
def test_those_whom_an_agent_is_to_choose_from_need_one(staged: Linted, stage: str) -> None:
    found = staged(SORT, SUM, stages=stage)

    assert rules(found) == ["description-goal", "description-return"]
    assert all("'a'" in each.text for each in found)


def test_an_agent_that_nothing_stops_in_any_of_its_stages_is_told(staged: Linted) -> None:
    stages = "- {agent: a, limits: {turns: 3}}\n- {agent: b, limits: {turns: 3}}\n- agent: b"

    [found] = staged(SORT, SUM, stages=stages, more="")

    assert (found.rule, found.text.partition(":")[0]) == ("no-limits", "nothing stops 'b'")


def test_limits_of_a_stage_that_others_meet_before_are_told(staged: Linted) -> None:
    limited = "c: {model: cheap, limits: {tokens: 5}}"
    stages = "- {agent: a, limits: {turns: 10}}\n- {agent: c, limits: {tokens: 6, turns: 9}}"

    first, second = staged(SORT, limited, stages=stages)

    assert first.text == (
        "limits.turns of stage 'a', 10, is more than the whole team's, 9, which is met before. Lower it, or raise the "
        "other"
    )
    assert second.text.startswith("limits.tokens of stage 'c', 6, is more than that of 'c', 5, which is met before")


def test_agents_of_stages_that_are_nearly_equal_are_told(staged: Linted) -> None:
    same = SORT.replace("a:", "c:")

    assert rules(staged(SORT, same, stages="- agent: a\n- agent: c")) == ["near-equal-agents"]


def test_an_agent_that_no_stage_leads_to_is_told(staged: Linted) -> None:
    [found] = staged(SORT, SUM, stages="- agent: a")

    assert found.text == (
        "'b' is never called: no stage names it, and nobody that one names can reach it. Name it in a stage, or remove "
        "it"
    )
