"""Patterns as stages of a team file: what each of them calls, in which order, and what it is told of earlier ones."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from podium import call
from podium.core.content import plain
from podium.core.events import AgentToolUse, WorkflowPhaseStarted, WorkflowRunCreated
from podium.core.facts import PhaseBegun, StepAsked
from podium.core.workflow import CHECKPOINT
from podium.errors import BadInput
from podium.models.rehearsal import Generated
from podium.patterns.made import Made
from podium.patterns.staged import StagedWorkflow
from podium.team import load_team
from tests.lab.cast import after, raises
from tests.lab.lab import Lab
from tests.lab.log import Played
from tests.scenario.test_patterns import error, names
from tests.scenario.test_patterns_that_check import in_turn, score, verdict
from tests.unit.test_team_workflow import AGENTS as AGENTS_OF_ANY
from tests.unit.test_team_workflow import RIGHT

BROKEN = raises(RuntimeError("broken"), after_s=1)
AGENTS = """
agents:
  a: {model: m, description: Does this.}
  b: {model: m, description: Does that.}
  c: {model: m}
  typed: {model: m, output_schema: {type: object, properties: {parts: {type: array}}, required: [parts]}}
  form: {model: m, input_schema: {type: object, properties: {n: {type: integer}}, required: [n]}}
workflow:
"""


def flow(folder: Path, stages: str) -> StagedWorkflow:
    file = folder / "team.yaml"
    file.write_text(AGENTS + stages)
    team = load_team(file)
    assert team.workflow is not None
    return team.workflow


def made(lab: Lab) -> tuple[Any, list[str]]:
    """The output of the last stage, and what is left open."""
    assert lab.result is not None
    assert lab.result.error == ""
    assert isinstance(lab.result.output, Made)
    return lab.result.output.output, list(lab.result.output.open)


def phases(log: Played) -> list[str]:
    return [r.event.name for r in log.records if isinstance(r.event, PhaseBegun)]


def shown(log: Played) -> list[Any]:
    """What people were shown at checkpoints."""
    return [r.event.input for r in log.records if isinstance(r.event, AgentToolUse) and r.event.name == CHECKPOINT]


# --- one after the other -----------------------------------------------------------------------------


def test_a_stage_is_told_what_the_one_before_made_or_those_that_it_names_or_nothing(tmp_path: Path) -> None:
    stages = """
  - agent: a
  - {name: second, agent: b, task: "About {task}, again {task}.", expected_output: "A line on {task}."}
  - {agent: c, context: [a, second]}
  - {name: alone, agent: c, context: []}
"""
    lab = Lab(a=after(1, "A"), b=after(2, "B"), c="C")

    log = lab.run(flow(tmp_path, stages), "birds")

    assert made(lab) == ("C", [])
    assert log.told("a") == ["birds"]
    assert log.told("b") == ["About birds, again birds.\n\nContext:\n[a]\nA\n\nExpected output:\nA line on birds."]
    assert log.told("c", 0) == ["birds\n\nContext:\n[a]\nA\n\n[second]\nB"]
    assert log.told("c", 1) == ["birds"]
    assert [log.under_way(name) for name in "ab"] == [[(0, 1)], [(1, 3)]]


def test_every_stage_is_a_phase_that_is_known_from_the_beginning(tmp_path: Path) -> None:
    lab = Lab(a="A", b="B")

    log = lab.run(flow(tmp_path, "  - {name: the first, agent: a}\n  - {name: the last, agent: b}\n"))

    [created] = [r.event for r in log.records if isinstance(r.event, WorkflowRunCreated)]
    started = [r.event for r in log.records if isinstance(r.event, WorkflowPhaseStarted)]
    assert (created.name, [phase.name for phase in created.phases]) == ("team", ["the first", "the last"])
    assert [phase.id for phase in created.phases] == [each.workflow_run_phase_id for each in started]
    assert phases(log) == ["the first", "the last"]
    asked = [r.type for r in log.records if isinstance(r.event, PhaseBegun | StepAsked)]
    assert asked == ["workflow.phase_begun", "workflow.step_asked"] * 2


def test_a_pipeline_hands_on_and_its_first_agent_is_told_the_context(tmp_path: Path) -> None:
    lab = Lab(a="A", typed="never", b=call("submit_result", n=3), form="F")

    log = lab.run(flow(tmp_path, "  - agent: a\n  - pipeline: [{agent: b, task: 'Count {task}.'}, form]\n"), "birds")

    assert made(lab) == ("F", [])
    assert phases(log) == ["a", "pipeline"]
    [said] = log.told("b")
    assert said.startswith("Count birds.\n\nContext:\n[task]\nbirds\n\n[a]\nA")
    assert log.told("form") == ['{"n":3}']


# --- at once -----------------------------------------------------------------------------------------


def test_calls_of_a_parallel_stage_run_at_once_and_its_output_has_their_names(tmp_path: Path) -> None:
    lab = Lab(a=after(3, "A"), b=after(1, "B"))

    log = lab.run(flow(tmp_path, "  - parallel: {x: {agent: a, task: 'X of {task}.'}, y: b}\n"), "birds")

    assert (made(lab), log.seconds) == (({"x": "A", "y": "B"}, []), 3)
    assert names(log) == ["x", "y"]
    assert (log.told("a"), log.told("b")) == (["X of birds."], ["birds"])


def test_what_is_missing_is_told_to_who_merges_and_left_open(tmp_path: Path) -> None:
    stages = (
        "  - {name: research, parallel: {x: a, y: b}, join: best_effort, merge: {agent: c, task: 'Join {task}.'}}\n"
    )
    lab = Lab(a="A", b=BROKEN, c="C")

    log = lab.run(flow(tmp_path, stages), "birds")

    output, [left] = made(lab)
    assert output == "C"
    assert left.startswith("research: y: failed, agent 'b' failed: RuntimeError: broken")
    assert log.told("c")[0].startswith("Join birds.\n\nContext:\n[x]\nA\n\n[missing]\ny: failed")


@pytest.mark.parametrize(("join", "seconds"), [("1", 2), ("any", 2), ("2", 3)])
def test_a_stage_is_over_when_its_rule_is_met_and_who_was_not_needed_is_not_left_open(
    tmp_path: Path, join: str, seconds: int
) -> None:
    lab = Lab(a=after(3, "A"), b=after(2, "B"), c=after(9, "C"))

    log = lab.run(flow(tmp_path, f"  - {{parallel: {{x: a, y: b, z: c}}, join: {join}}}\n"))

    assert (log.seconds, made(lab)[1]) == (seconds, [])


def test_a_rule_that_cannot_be_met_ends_the_run_and_a_resume_makes_the_failed_call_again(tmp_path: Path) -> None:
    lab = Lab(a="A", b=BROKEN, c="C")
    log = lab.run(flow(tmp_path, "  - parallel: {x: a, y: b}\n  - agent: c\n"))
    assert "the rule 'all' of a gather cannot be met any more: y: failed" in error(lab)
    assert phases(log) == ["parallel"]

    lab.resumes_failed = True
    lab.script.says("b", "B")
    log = lab.resume()

    assert made(lab) == ("C", [])
    assert [len(log.requests(name)) for name in "abc"] == [1, 2, 1]


def test_limits_and_retries_go_to_each_call(tmp_path: Path) -> None:
    stages = "  - {parallel: {x: a, y: b}, join: best_effort, limits: {seconds: 2}, retries: 1}\n"
    lab = Lab(a=in_turn("A"), b=after(5, "B"))

    log = lab.run(flow(tmp_path, stages))

    output, [left] = made(lab)
    assert output == {"x": "A"}
    assert left.startswith("parallel: y: timed out")
    assert log.under_way("b") == [(0, 2), (2, 4)]


# --- a map -------------------------------------------------------------------------------------------


def test_a_map_goes_over_items_so_many_at_once(tmp_path: Path) -> None:
    async def says(request: Any) -> str:
        return await after(1, plain(request.messages[0].content).upper())(request)  # type: ignore[operator, misc, no-any-return]

    lab = Lab(a=says, b="B")
    stages = (
        "  - agent: b\n  - {map: {agent: a, items: [x, 2, {n: 1}], at_once: 2}, task: 'Count {item} for {task}.'}\n"
    )

    log = lab.run(flow(tmp_path, stages), "me")

    assert made(lab)[0] == ["COUNT X FOR ME.", "COUNT 2 FOR ME.", 'COUNT {"N":1} FOR ME.']
    assert (lab.script.most["a"], log.seconds) == (2, 2)


def test_a_map_goes_over_what_a_stage_made(tmp_path: Path) -> None:
    stages = """
  - agent: typed
  - {name: each, map: {agent: a, items_of: typed}, task: "Do {item}."}
  - {map: {agent: b, items_of: each}, task: "Check {item}.", merge: c, context: [typed]}
"""
    lab = Lab(typed=call("submit_result", parts=["x", "y"]), a=after(1, "A"), b=after(1, "B"), c="C")

    log = lab.run(flow(tmp_path, stages))

    assert made(lab) == ("C", [])
    assert [log.told("a", nth) for nth in (0, 1)] == [["Do x."], ["Do y."]]
    assert log.told("b") == ['Check A.\n\nContext:\n[typed]\n{"parts":["x","y"]}']
    assert log.told("c")[0].endswith("Context:\n[A]\nB\n\n[A]\nB")


def test_an_item_that_failed_leaves_its_place_empty(tmp_path: Path) -> None:
    async def says(request: Any) -> str:
        if "y" in plain(request.messages[0].content):
            raise RuntimeError("broken")
        return "A"

    lab = Lab(a=says)

    lab.run(flow(tmp_path, "  - {map: {agent: a, items: [x, y, z]}, task: '{item}', join: 2}\n"))

    assert made(lab)[0] == ["A", None, "A"]


def test_a_form_is_given_the_item_itself(tmp_path: Path) -> None:
    lab = Lab(form="F")

    log = lab.run(flow(tmp_path, "  - map: {agent: form, items: [{n: 1}]}\n"))

    assert (made(lab)[0], log.told("form")) == (["F"], ['{"n":1}'])


def test_a_map_over_an_empty_list_is_refused_where_it_shows(tmp_path: Path) -> None:
    lab = Lab(typed=call("submit_result", parts=[]))

    lab.run(flow(tmp_path, "  - agent: typed\n  - map: {agent: a, items_of: typed}\n"))

    assert error(lab).startswith("map 'map' goes over what 'typed' made, and that is an empty list. Say minItems: 1")


def test_a_map_over_calls_that_all_failed_says_why(tmp_path: Path) -> None:
    lab = Lab(a=BROKEN)

    lab.run(
        flow(tmp_path, "  - map: {agent: a, items: [x]}\n    join: best_effort\n  - map: {agent: b, items_of: map}\n")
    )

    said = "map 'map 2' goes over what 'map' made, and that is nothing: x: failed, agent 'a' failed: RuntimeError: bro"
    assert error(lab).startswith(said)


def test_a_map_over_what_is_no_list_is_refused_where_it_shows(tmp_path: Path) -> None:
    lab = Lab(a="A", b="B", c=call("submit_result", to="b", reason="why not"))

    log = lab.run(flow(tmp_path, "  - route: {to: [b], by: c}\n  - map: {agent: a, items_of: route}\n"))

    assert error(lab).startswith("map 'map' goes over what 'route' made, and that is no list, and no object with one")
    assert log.requests("a") == []


# --- agents that decide on others' work --------------------------------------------------------------


def test_a_question_is_looked_at_from_views_and_answered(tmp_path: Path) -> None:
    stages = """
  - perspectives: {agent: a, views: {legal: "Look at the law of {task}.", for: Praise it.}, synthesis: b}
  - {name: own, perspectives: {agents: {for: a, press: c}}, context: []}
"""
    lab = Lab(a="A", b="B", c="C")

    log = lab.run(flow(tmp_path, stages), "moving")

    assert made(lab) == ({"for": "A", "press": "C"}, [])
    assert names(log) == ["legal", "for", "merge", "for", "press"]
    assert log.told("a", 0) == ["moving\n\nLook at the law of moving."]
    assert log.told("a", 2) == ["moving\n\nMake the best case for it."]


def plans(*agents: str) -> Any:
    steps = [{"id": f"s{number}", "agent": name, "task": f"do {name}"} for number, name in enumerate(agents)]
    return call("submit_result", steps=steps)


def test_a_plan_is_made_by_one_and_taken_by_others_and_put_together(tmp_path: Path) -> None:
    stages = "  - agent: b\n  - plan: {planner: c, agents: [a, b], synthesis: c}\n    task: Look at {task}.\n"
    lab = Lab(a="A", b="B", c=in_turn(plans("a", "b"), "C"))

    log = lab.run(flow(tmp_path, stages), "birds")

    assert made(lab) == ("C", [])
    assert names(log) == ["b", "plan", "s0", "s1", "synthesis"]
    assert "Look at birds." in log.told("c", 0)[0]
    assert "[b]\nB" in log.told("c", 0)[0]
    assert "- a: Does this." in log.told("c", 0)[0]
    assert "[s0]\nA\n\n[s1]\nB" in log.told("c", 1)[0]


def test_a_step_that_failed_is_left_open(tmp_path: Path) -> None:
    lab = Lab(a="A", b=BROKEN, c=in_turn(plans("a", "b"), "C"))

    lab.run(flow(tmp_path, "  - plan: {planner: c, agents: [a, b]}\n"))

    output, [left] = made(lab)
    assert output == "C"
    assert left.startswith("plan: s1: failed, agent 'b' failed")


def test_a_draft_is_checked_against_sources_and_its_author_revises_it(tmp_path: Path) -> None:
    stages = "  - {name: facts, agent: b}\n  - {name: draft, agent: a}\n  - verify: {by: c, against: [facts]}\n"
    lab = Lab(b="two wings", a=in_turn("one", "two"), c=in_turn(verdict("It is two."), verdict()))

    log = lab.run(flow(tmp_path, stages), "birds")

    assert made(lab) == ("two", [])
    assert names(log) == ["b", "a", "check 1", "revision 1", "check 2"]
    assert log.told("c", 0)[0].endswith("[draft]\none\n\n[facts]\ntwo wings")
    assert "[issues]\nIt is two." in log.told("a", 1)[0]


def test_a_draft_that_does_not_hold_is_told_to_the_next_stage_and_to_people_and_left_open(tmp_path: Path) -> None:
    stages = """
  - agent: a
  - verify: {by: c, reviser: b, attempts: 2}
  - checkpoint: "Publish on {task}?"
  - {name: last, agent: b}
"""
    lab = Lab(a="one", b=in_turn("two", "B"), c=verdict("Wrong."))

    lab.run(flow(tmp_path, stages), "birds")
    lab.answer(CHECKPOINT, allow=True)
    log = lab.resume()

    assert made(lab) == ("B", ["verify: not verified: Wrong."])
    assert shown(log) == [
        {"description": "Publish on birds?", "payload": {"output": "two", "open": ["not verified: Wrong."]}}
    ]
    assert log.told("b", 1) == ["birds\n\nContext:\n[verify]\n[draft]\ntwo\n\n[not verified]\nWrong."]


def test_work_is_judged_and_what_is_not_good_enough_is_left_open(tmp_path: Path) -> None:
    stages = "  - judge: {agent: a, by: b, rubric: 'It is on {task}.', at_least: 0.7, attempts: 2}\n    task: A poem.\n"
    lab = Lab(a=in_turn("one", "two"), b=in_turn(score(0.2, "Longer."), score(0.4, "Still.")))

    log = lab.run(flow(tmp_path, stages), "birds")

    assert made(lab) == ("two", ["judge: not good enough: score 0.4, Still."])
    assert names(log) == ["a, try 1", "verdict 1", "a, try 2", "verdict 2"]
    assert "Judge the work by this rubric: It is on birds.\n\nThe task was: A poem." in log.told("b", 0)[0]


def test_a_router_chooses_who_does_the_task(tmp_path: Path) -> None:
    lab = Lab(a="A", b="B", c=call("submit_result", to="second", reason="why not"))

    log = lab.run(flow(tmp_path, "  - agent: a\n  - route: {to: {first: a, second: b}, by: c}\n"), "birds")

    assert made(lab) == ("B", [])
    assert names(log) == ["a", "route", "second"]
    assert "first: Does this.\nsecond: Does that." in log.told("c")[0]
    assert log.told("b") == ["birds\n\nContext:\n[a]\nA"]


def test_a_side_that_fails_in_each_round_is_left_open_once(tmp_path: Path) -> None:
    lab = Lab(a="A", b=BROKEN, c=call("submit_result", winner="stay", reason="why not"))

    lab.run(flow(tmp_path, "  - debate: {sides: {stay: a, go: b}, judge: c}\n    join: best_effort\n"), "Go?")

    [left] = made(lab)[1]
    assert left.startswith("debate: go: failed, agent 'b' failed: RuntimeError: broken")


def test_sides_debate_and_are_told_the_context(tmp_path: Path) -> None:
    lab = Lab(a="A", b="B", c=call("submit_result", winner="stay", reason="it is warm"))

    log = lab.run(flow(tmp_path, "  - agent: a\n  - debate: {sides: {stay: a, go: b}, judge: c, rounds: 1}\n"), "Go?")

    assert made(lab) == ({"winner": "stay", "reason": "it is warm"}, [])
    assert names(log) == ["a", "stay", "go", "decision"]
    assert log.told("b")[0].endswith("Context:\n[a]\nA")
    assert "[a]\nA\n\n[stay, round 1]\nA\n\n[go, round 1]\nB" in log.told("c")[0]


# --- people ------------------------------------------------------------------------------------------


def test_a_checkpoint_shows_what_the_stage_before_made_and_passes_it_on(tmp_path: Path) -> None:
    stages = (
        "  - checkpoint: Begin?\n  - agent: typed\n  - checkpoint: Go on?\n  - agent: b\n  - checkpoint: Send it?\n"
    )
    lab = Lab(typed=call("submit_result", parts=[1]), b="B")

    log = lab.run(flow(tmp_path, stages), "birds")
    for _ in range(3):
        lab.answer(CHECKPOINT, allow=True)
        log = lab.resume()

    assert made(lab) == ("B", [])
    assert [it["payload"] for it in shown(log)] == ["birds", {"parts": [1]}, "B"]
    assert log.told("b") == ['birds\n\nContext:\n[typed]\n{"parts":[1]}']
    assert phases(log) == ["checkpoint", "typed", "checkpoint 2", "b", "checkpoint 3"]


def test_a_no_ends_the_run_and_nothing_after_it_is_called(tmp_path: Path) -> None:
    lab = Lab(a="A", b="B")

    lab.run(flow(tmp_path, "  - agent: a\n  - checkpoint: Send it\n  - agent: b\n"))
    lab.answer(CHECKPOINT, allow=False, reason="not to him")
    log = lab.resume()

    assert error(lab) == "a person said no at checkpoint 'Send it': not to him"
    assert log.requests("b") == []


# --- what it is given --------------------------------------------------------------------------------


def test_stages_and_agents_are_frozen_in_the_input_and_make_the_same_workflow(tmp_path: Path) -> None:
    workflow = flow(tmp_path, "  - {agent: a, name: x, limits: {usd: 0.5}}\n  - agent: b\n")

    input = workflow.whole_input("birds")
    again = workflow.as_started(input)

    assert isinstance(input, dict)
    assert list(input) == ["about", "agents", "name", "stages"]
    assert (again.name, again.phases, again.stages, again.agents) == (
        workflow.name,
        workflow.phases,
        workflow.stages,
        workflow.agents,
    )
    assert again.whole_input("birds") == input


@pytest.mark.parametrize("task", ["", "  ", 5, {"about": "x"}])
def test_what_is_no_task_is_refused(tmp_path: Path, task: Any) -> None:
    with pytest.raises(BadInput, match="workflow 'team' takes a task, a text"):
        flow(tmp_path, "  - agent: a\n").whole_input(task)


@settings(max_examples=60)
@given(st.lists(RIGHT, min_size=1, max_size=4))
def test_any_stages_that_are_loaded_can_be_run(tmp_path_factory: pytest.TempPathFactory, stages: list[Any]) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(AGENTS_OF_ANY), "workflow": stages}))
    with suppress(BadInput):
        workflow = load_team(file).workflow
        assert workflow is not None
        lab = Lab(model=Generated())
        log = lab.run(workflow, "birds")
        while log.stop_reason == "requires_action":
            lab.answer(CHECKPOINT, allow=True)
            log = lab.resume()
        assert lab.result is not None
        assert lab.result.error == ""
