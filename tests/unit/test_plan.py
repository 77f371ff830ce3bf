"""Plans and plan files: what is wrong with one is told with its place, what is right comes back as it was."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium import Agent
from podium.core.plan import Plan, Step, check_plan, levels, longest_chain, problems
from podium.errors import BadInput
from podium.patterns.frozen import frozen, thawed
from podium.team import load_plan, plan_text

AGENTS = {name: Agent(name, model="m") for name in ("alpha", "beta")}
AGENTS["form"] = Agent("form", model="m", input_schema={"type": "object"})


def step(id: str, *needs: str, **how: Any) -> Step:
    return Step(**{"id": id, "agent": "alpha", "task": f"do {id}", "depends_on": needs, **how})


def wrong(*steps: Step, **how: Any) -> list[str]:
    return [f"{'/'.join(map(str, place))}: {said}" for place, said in problems(Plan(steps=steps, **how), AGENTS)]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([], "steps: the plan has no steps; it needs at least one"),
        (
            [step("a", "a")],
            "steps/0/depends_on: steps depend on each other in a circle: a -> a. None of them could ever",
        ),
        ([step("a", "c"), step("b", "a"), step("c", "b")], "steps depend on each other in a circle: "),
        ([step("a"), step("a")], "steps/1/id: the id 'a' is taken by step 1; ids are unique"),
        ([step(" a")], "steps/0/id: an id is one line of 1 to 64 characters, not ' a'"),
        ([step("a\nb")], "steps/0/id: an id is one line"),
        ([step("x" * 65)], "steps/0/id: an id is one line"),
        ([step("missing")], "steps/0/id: a step cannot be called 'missing'"),
        ([step("a", task=" ")], "steps/0/task: step 'a' has no task"),
        ([step("a", agent="alhpa")], "steps/0/agent: unknown agent 'alhpa', did you mean 'alpha'?"),
        ([step("a", agent="form")], "steps/0/agent: agent 'form' takes an input of its own form (input_schema)"),
        ([step("first"), step("b", "frist")], "steps/1/depends_on/0: unknown step 'frist', did you mean 'first'?"),
        ([step("a"), step("b", "a", "a")], "steps/1/depends_on/1: 'a' is named twice"),
        ([step("a", retries=-1)], "steps/0/retries: retries is a whole number from 0 to 100, not -1"),
        ([step(str(n)) for n in range(201)], "steps: the plan has 201 steps, and may have 200 at most; merge some"),
        ([step(str(n)) for n in range(10_000)], "steps: the plan has 10,000 steps, and may have 200 at most"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(steps: list[Step], said: str) -> None:
    [found] = wrong(*steps)

    assert said in found


@pytest.mark.parametrize("join", [0, -1, 3])
def test_a_number_of_final_steps_that_there_are_not_is_refused(join: int) -> None:
    [found] = wrong(step("a"), step("b"), step("c", "a"), join=join)

    assert found == f"join: {join} final steps cannot be done: the plan has 2 (b, c)"


def test_a_plan_of_the_most_steps_is_right() -> None:
    assert wrong(*(step(str(n)) for n in range(200))) == []


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(
        BadInput, match=r"several problems:\n  steps\[0\].agent: unknown.*\n  steps\[1\].depends_on\[0\]"
    ):
        check_plan(Plan(steps=(step("a", agent="x"), step("b", "x"))), AGENTS)


def test_without_agents_their_names_are_not_looked_at() -> None:
    check_plan(Plan(steps=(step("a", agent="anybody"),)))


@pytest.mark.parametrize("value", [None, [], "x", {"steps": 1}, {"step": []}, {"steps": [{"id": "a"}]}])
def test_values_that_are_no_plan_are_refused(value: Any) -> None:
    with pytest.raises(BadInput, match="this is no plan: "):
        Plan.of(value)


def test_levels_and_the_longest_chain() -> None:
    plan = Plan(steps=(step("end", "far", "near"), step("far", "mid"), step("near"), step("mid", "near"), step("own")))

    assert [[each.id for each in level] for level in levels(plan)] == [["near", "own"], ["mid"], ["far"], ["end"]]
    assert longest_chain(plan) == ["near", "mid", "far", "end"]
    assert plan.finals == ("end", "own")


def test_the_hash_names_what_the_plan_says_and_nothing_else() -> None:
    plan = Plan(task="x", steps=(step("a"),))

    assert plan.sha256 == Plan.of(plan.as_json()).sha256 == Plan.of({**plan.as_json(), "join": "best_effort"}).sha256
    assert plan.sha256 != Plan(task="y", steps=(step("a"),)).sha256


# --- files -----------------------------------------------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(
    st.builds(
        Plan,
        task=words,
        join=st.sampled_from(["best_effort", "all", "any", 1]),
        steps=st.lists(
            st.builds(
                Step,
                id=st.text("abc: #-é0", min_size=1, max_size=8).map(lambda id: f"s{id}s"),
                agent=words.filter(bool),
                task=words.filter(str.strip),
                expected_output=words,
                retries=st.integers(0, 100),
            ),
            min_size=1,
            max_size=4,
            unique_by=lambda step: step.id,
        ).map(tuple),
    ),
    st.booleans(),
)
def test_a_plan_comes_back_from_its_file_as_it_was(tmp_path_factory: Any, plan: Plan, as_json: bool) -> None:
    file = tmp_path_factory.getbasetemp() / "plan.yaml"
    file.write_text(plan_text(plan, as_json=as_json), encoding="utf-8", newline="")

    assert load_plan(file) == plan


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty; a plan file has at least 'steps:'"),
        ("[]", "is no plan file: it must be a mapping with 'steps:', this is a list"),
        ("steps: []", "line 1, steps: the plan has no steps"),
        ("task: x", "'steps' is missing"),
        ("steps:\n- {id: a, agent: b, task: c, after: [x]}", "unknown key 'after', did you mean 'depends_on'?"),
        ("steps:\n- {id: a, agent: b, task: c, dependson: [x]}", "unknown key 'dependson', did you mean 'depends_on'?"),
        ("steps:\n- {id: a, agent: b}", "line 2, steps[0]: 'task' is missing"),
        ("steps:\n- {id: a, agent: b, task: c}\njoin: most", "line 3, join: must be all, any, best_effort or a number"),
        ("steps:\n- {id: a, agent: b, task: c}\njoin: 1.5", "join: must be"),
        ("steps:\n- {id: a, agent: b, task: c}\njoin: true", "join: must be"),
        (
            "steps:\n- {id: a, agent: b, task: c}\n- {id: a, agent: b, task: d}",
            "line 3, steps[1].id: the id 'a' is taken",
        ),
        ("steps:\n- {id: a, agent: b, task: c, depends_on: [a]}", "circle: a -> a"),
        ("steps:\n- {id: 1, agent: b, task: c}", "line 2, steps[0].id: must be a text, not 1; put it in quotes"),
        ("steps:\n- {id: a, agent: b, task: c, retries: 1.5}", "retries"),
        ("steps: [", "this is not YAML"),
    ],
)
def test_wrong_plan_files_are_refused_with_the_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(text)

    with pytest.raises(BadInput) as refusal:
        load_plan(file)

    assert said in str(refusal.value)


def test_a_file_of_ten_thousand_steps_is_refused_clearly(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("steps:\n" + "".join(f"- {{id: s{n}, agent: a, task: t}}\n" for n in range(10_000)))

    with pytest.raises(BadInput, match="line 1, steps: the plan has 10,000 steps, and may have 200 at most"):
        load_plan(file)


# --- agents that are frozen with a plan ------------------------------------------------------------------------------


def test_agents_come_back_from_a_frozen_plan_as_they_were() -> None:
    from podium import Limits

    worker = Agent("worker", model="m", system="Be brief.", tools=["bash"], permissions={"bash": "always_ask"})
    lead = Agent(
        "lead",
        model="n",
        description="Leads.",
        callable_agents=[worker, "self"],
        output_schema={"type": "object", "properties": {}},
        limits=Limits(turns=3, seconds=1.5, usd="0.10"),
        effort="high",
        inline_agents=True,
        retries={"worker": 2},
        join=2,
    )

    assert thawed(frozen([lead])) == {"lead": lead, "worker": worker}


def test_agents_with_functions_of_a_program_cannot_be_frozen() -> None:
    def look() -> str:
        """Look."""
        return ""

    with pytest.raises(BadInput, match="agent 'x' of a frozen workflow must be JSON"):
        frozen([Agent("x", model="m", tools=[look])])


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{id: a, agent: one, task: [do, it]}", "must be a text, not a list\n"),
        ("{id: a, agent: one, task: 3}", "must be a text, not 3; put it in quotes"),
        ("{id: a, agent: one, task: do it, retries: two}", "a whole number from 0 to 100, not 'two'"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_with_what_it_must_be(tmp_path: Path, step: str, said: str) -> None:
    (tmp_path / "plan.yaml").write_text(f"steps:\n- {step}\n")

    with pytest.raises(BadInput) as refused:
        load_plan(tmp_path / "plan.yaml")

    assert said in f"{refused.value}\n"
