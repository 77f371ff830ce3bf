"""The workflow of a team file: what is left out, and everything that can be wrong with its stages, in words."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podium.errors import BadInput
from podium.patterns.stages import called
from podium.team import Team, json_schema, load_team
from podium.team.stage import MapEntry, StageEntry, VerifyEntry

AGENTS = """\
agents:
  a: {model: m}
  b: {model: m}
  form: {model: m, input_schema: {type: object}}
  list: {model: m, output_schema: {type: object, properties: {parts: {type: array, minItems: 1}}, required: [parts]}}
workflow:
"""  # the first stage stands on line 7


def load(tmp_path: Path, stages: str, *, agents: str = AGENTS, model: str | None = None) -> Team:
    file = tmp_path / "team.yaml"
    file.write_text(f"{agents}{stages}\n")
    return load_team(file, model=model)


def wrong(tmp_path: Path, stages: str, **how: Any) -> str:
    with pytest.raises(BadInput) as caught:
        load(tmp_path, stages, **how)
    return str(caught.value).replace(str(tmp_path / "team.yaml"), "FILE")


def stages(team: Team) -> list[Any]:
    assert team.workflow is not None
    return list(team.workflow.stages)


# --- what is left out --------------------------------------------------------------------------------


def test_stages_are_called_by_their_agent_or_pattern_and_each_works_on_the_one_before(tmp_path: Path) -> None:
    made = load(
        tmp_path,
        "- agent: a\n- {agent: a, name: a 2}\n- agent: a\n- checkpoint: Go on?\n- parallel: {x: b}\n"
        "- verify: {by: b, reviser: a}\n- map: {agent: b, items: [1]}\n- {agent: b, context: []}",
    )

    assert [(stage["name"], stage["context"]) for stage in stages(made)] == [
        ("a", []),
        ("a 2", ["a"]),
        ("a 3", ["a 2"]),
        ("checkpoint", ["a 3"]),
        ("parallel", ["a 3"]),  # a checkpoint made nothing
        ("verify", []),
        ("map", []),
        ("b", []),
    ]
    assert stages(made)[5]["verify"]["draft"] == "parallel"


def test_the_workflow_names_its_phases_and_the_agents_that_its_stages_call(tmp_path: Path) -> None:
    made = load(tmp_path, "- agent: a\n- {agent: list, name: last}")

    assert made.workflow is not None
    assert (made.workflow.name, made.workflow.phases) == ("team", ("a", "last"))
    assert [agent.name for agent in made.workflow.agents] == ["a", "list"]
    assert made.unused == ("b", "form")
    with pytest.raises(BadInput, match="team 'team' has a workflow, whose stages say who does what, and no coord"):
        _ = made.coordinator


def test_who_is_called_by_the_agent_of_a_stage_is_used(tmp_path: Path) -> None:
    agents = "agents: {a: {model: m, callable_agents: [b]}, b: {model: m}, c: {model: m}}\nworkflow:\n"

    assert load(tmp_path, "- agent: a", agents=agents).unused == ("c",)


def test_a_stage_may_name_a_ready_made_agent(tmp_path: Path) -> None:
    made = load(tmp_path, "- agent: explore", agents="agents: {a: {model: m}}\nworkflow:\n", model="m")

    assert (made.agents["explore"].model, made.unused) == ("m", ("a",))


def test_people_may_be_all_that_is_asked(tmp_path: Path) -> None:
    made = load(tmp_path, "- checkpoint: Go on?")

    assert made.workflow is not None
    assert (made.workflow.agents, made.unused) == ((), ("a", "b", "form", "list"))


def test_short_forms_are_the_long_ones(tmp_path: Path) -> None:
    short = "- parallel: {x: a}\n  merge: b\n- pipeline: [a, b]\n- route: {to: [a, b], by: a}"
    long = (
        "- parallel: {x: {agent: a}}\n  merge: {agent: b}\n- pipeline: [{agent: a}, {agent: b}]\n"
        "- route: {to: {a: a, b: b}, by: a}"
    )

    assert stages(load(tmp_path, short)) == stages(load(tmp_path, long))


# --- what is wrong -----------------------------------------------------------------------------------

WRONG = {
    "two patterns": (
        "- {agent: a, debate: {sides: {x: a, y: b}, judge: a}}",
        "FILE line 7, workflow[0].debate: a stage has one pattern, and this one has 'agent', 'debate'; make a stage of",
    ),
    "no pattern": ("- name: x", "FILE line 7, workflow[0]: the stage says nothing that is to be done: it has one of a"),
    "pattern of nothing": ("- checkpoint:", "FILE line 7, workflow[0].checkpoint: must not be empty"),
    "no stages": ("  []", "FILE line 6, workflow: must not be empty"),
    "stages that nobody wrote": ("", "FILE line 6, workflow: must not be empty"),
    "stages by name": (
        "  x: {agent: a}",
        "FILE line 6, workflow: must be a list of stages, each behind a '-', not a ma",
    ),
    "too many stages": ("- agent: a\n" * 1_001, "FILE line 6, workflow: must have 1,000 at most, not 1,001"),
    "stage that is a text": ("- a", "FILE line 7, workflow[0]: must be a mapping, such as {agent: a}, not 'a'"),
    "pattern that is a list": (
        "- route: [a, b]",
        "FILE line 7, workflow[0].route: must be a mapping with 'to' and 'by', not a list",
    ),
    "unknown key": ("- {agnet: a}", "FILE line 7, workflow[0].agnet: unknown key 'agnet', did you mean 'agent'?"),
    "key of another tool": (
        "- {agent: a, depends_on: [x]}",
        "FILE line 7, workflow[0].depends_on: unknown key 'depends_on', did you mean 'context'?",
    ),
    "word of another tool": (
        "- {agent: a, prompt: x}",
        "FILE line 7, workflow[0].prompt: unknown key 'prompt', did you mean 'task'?",
    ),
    "key that stands one level too deep": (
        "- judge:\n    agent: a\n    by: b\n    task: x",
        "FILE line 10, workflow[0].judge.task: 'task' stands beside 'judge', not in it",
    ),
    "key that stands one level too high": (
        "- agent: a\n- verify:\n  against: [a]",
        "FILE line 9, workflow[1].against: 'against' stands in 'verify', not beside it",
    ),
    "key of no pattern that is there": (
        "- {agent: a, by: b}",
        "FILE line 7, workflow[0].by: unknown key 'by' (known: agent, ",
    ),
    "pattern of another tool": (
        "- {foreach: {agent: a}}",
        "FILE line 7, workflow[0].foreach: unknown key 'foreach', did you mean 'map'?",
    ),
    "unknown agent": ("- {agent: c}", "FILE line 7, workflow[0].agent: unknown agent 'c'"),
    "unknown agent, nearly right": (
        "- pipeline:\n  - a\n  - lits",
        "FILE line 9, workflow[0].pipeline[1].agent: unknown agent 'lits', did you mean 'list'?",
    ),
    "unknown agent that merges": (
        "- parallel: {x: a}\n  merge: lits",
        "FILE line 8, workflow[0].merge.agent: unknown agent 'lits', did you mean 'list'?",
    ),
    "self": ("- {agent: self}", "FILE line 7, workflow[0].agent: unknown agent 'self'"),
    "coordinator beside it": (
        "- {agent: a}\ncoordinator: a",
        "FILE line 8, coordinator: a workflow says who does what, and nobody coordinates it; leave one of the two out",
    ),
    "limit that does not hold for it": (
        "- {agent: a}\nlimits: {live_threads: 4}",
        "FILE line 8, limits.live_threads: does not hold for a workflow, whose calls begin when they are made; say "
        "concurrency: {session: 4}, or at_once in a map",
    ),
    "stage named twice": (
        "- {agent: a, name: x}\n- {agent: b, name: x}",
        "FILE line 8, workflow[1].name: a stage above is called 'x' too; each has a name of its own",
    ),
    "name of several lines": (
        '- {agent: a, name: "x\\ny"}',
        "FILE line 7, workflow[0].name: a name is one line of 1 to 64 characters, without spaces at its ends, not 'x",
    ),
    "name that is too long": (f"- {{agent: a, name: {'x' * 65}}}", "FILE line 7, workflow[0].name: a name is one line"),
    "context of nobody": (
        "- {agent: a, name: research}\n- {agent: a, context: [reserch]}",
        "FILE line 8, workflow[1].context[0]: unknown stage 'reserch', did you mean 'research'?",
    ),
    "context that comes later": (
        "- {agent: a, context: [b]}\n- agent: b",
        "FILE line 7, workflow[0].context[0]: stage 'b' comes later; name an earlier one, or put it above",
    ),
    "context of its own": (
        "- {agent: a, context: [a]}",
        "FILE line 7, workflow[0].context[0]: 'a' is this very stage; name an earlier one",
    ),
    "context where there is none": (
        "- agent: a\n- {checkpoint: Go on, context: [a]}",
        "FILE line 8, workflow[1].context: 'context' has no place beside 'checkpoint': a check has 'against'",
    ),
    "source that comes later": (
        "- agent: a\n- verify: {by: b, against: [x]}\n- {agent: a, name: x}",
        "FILE line 8, workflow[1].verify.against[0]: stage 'x' comes later",
    ),
    "join of one call": (
        "- {agent: a, join: any}",
        "FILE line 7, workflow[0].join: 'join' has no place beside 'agent': it is for several calls: parallel, map,",
    ),
    "join in other words": (
        "- {parallel: {x: a}, join: most}",
        "FILE line 7, workflow[0].join: must be all, any, best_effort or a number of calls, not 'most'",
    ),
    "join of more than there are": (
        "- {parallel: {x: a, y: b}, join: 3}",
        "FILE line 7, workflow[0].join: 3 calls are to succeed, and there are 2",
    ),
    "join of more views than there are": (
        "- {perspectives: {agent: a}, join: 6}",
        "FILE line 7, workflow[0].join: 6 calls are to succeed, and there are 5",
    ),
    "join of none": (
        "- {parallel: {x: a}, join: 0}",
        "FILE line 7, workflow[0].join: must be all, any, best_effort or a number of calls above 0, not 0",
    ),
    "limit of nothing": (
        "- {agent: a, limits: {turns: 0}}",
        "FILE line 7, workflow[0].limits.turns: must be a number above 0, not 0",
    ),
    "limit below nothing": (
        "- {agent: a, limits: {usd: -1}}",
        "FILE line 7, workflow[0].limits.usd: must be an amount of US dollars above 0, not -1",
    ),
    "retries below nothing": (
        "- {agent: a, retries: -1}",
        "FILE line 7, workflow[0].retries: must be a whole number from 0 to 100, not -1",
    ),
    "attempts of nothing": (
        "- agent: a\n- verify: {by: b, attempts: 0}",
        "FILE line 8, workflow[1].verify.attempts: must be a whole number from 1 to 100, not 0",
    ),
    "score that is none": (
        "- judge: {agent: a, by: b, at_least: 80}",
        "FILE line 7, workflow[0].judge.at_least: must be a number from 0 to 1, not 80",
    ),
    "task for an agent with a form of its own": (
        "- {agent: form}",
        "FILE line 7, workflow[0].agent: agent 'form' has an input_schema, and is told here what to do in words.",
    ),
    "form of its own at the head of a pipeline": (
        "- pipeline: [form, a]",
        "FILE line 7, workflow[0].pipeline[0].agent: agent 'form' has an input_schema, and is told",
    ),
    "task of a form in a pipeline": (
        "- pipeline: [a, {agent: form, task: x}]",
        "FILE line 7, workflow[0].pipeline[1].task: agent 'form' has an input_schema: its input is what the one before",
    ),
    "task of a form in a map": (
        "- {map: {agent: form, items: [{}]}, task: x}",
        "FILE line 7, workflow[0].task: agent 'form' has an input_schema: its input is the item, and no task",
    ),
    "map of nothing": (
        "- map: {agent: a}",
        "FILE line 7, workflow[0].map: a map goes over 'items', 'files' (a glob) or 'items_of' (an earlier stage); t",
    ),
    "map of two things": (
        "- map: {agent: a, items: [1], files: '*'}",
        "FILE line 7, workflow[0].map: a map goes over 'items', 'files' (a glob) or 'items_of' (an earlier stage); "
        "this one says items and files",
    ),
    "map of no items": ("- map: {agent: a, items: []}", "FILE line 7, workflow[0].map.items: must not be empty"),
    "more at once than there may be": (
        "- map: {agent: a, items: [1], at_once: 9, most: 5}",
        "FILE line 7, workflow[0].map.at_once: 9 at once are more than there may be at all, 5 (most)",
    ),
    "more items than there may be": (
        "- map: {agent: a, items: [1, 2], most: 1}",
        "FILE line 7, workflow[0].map.items: there are 2 items, and at most 1. Raise 'most'",
    ),
    "files elsewhere": (
        "- map: {agent: a, files: ../*}",
        "FILE line 7, workflow[0].map.files: Files: glob is a path below the workdir, without '..', not '../*'",
    ),
    "items of a text": (
        "- agent: a\n- map: {agent: b, items_of: a}",
        "FILE line 8, workflow[1].map.items_of: stage 'a' makes a text, and no list. Give its agent an output_schema",
    ),
    "view that nobody takes": (
        "- perspectives: {agents: {for: a}, views: [for, against]}",
        "FILE line 7, workflow[0].perspectives.agents: nobody takes the view 'against'",
    ),
    "view of an agent that is none": (
        "- perspectives: {agents: {fro: a, for: b}, views: [for]}",
        "FILE line 7, workflow[0].perspectives.agents.fro: unknown view 'fro', did you mean 'for'?",
    ),
    "views in other words": (
        "- perspectives: {agent: a, views: for}",
        "FILE line 7, workflow[0].perspectives.views: must be a list of names, or a mapping of names to what each is t",
    ),
    "no views": (
        "- perspectives: {agent: a, views: []}",
        "FILE line 7, workflow[0].perspectives.views: must not be empty; leave it out for the usual views",
    ),
    "view of nothing": (
        "- perspectives: {agent: a, views: {for: x, against: ''}}",
        "FILE line 7, workflow[0].perspectives.views: must be of texts that say something, not of ''",
    ),
    "calls whose names differ in a space": (
        "- parallel: {x: a, ' x': b}",
        "FILE line 7, workflow[0].parallel. x: a name is one line of 1 to 64 characters, without spaces at its ends, n",
    ),
    "call with a name of two lines": (
        '- parallel: {"x\\ny": a}',
        "FILE line 7, workflow[0].parallel.'x\\ny': a name is one line of 1 to 64 characters",
    ),
    "choice without a name": (
        "- route: {to: {'': a}, by: b}",
        "FILE line 7, workflow[0].route.to.: a name is one line of 1 to 64 characters",
    ),
    "choice with a name that is too long": (
        f"- route: {{to: {{{'x' * 65}: a}}, by: b}}",
        f"FILE line 7, workflow[0].route.to.{'x' * 65}: a name is one line of 1 to 64 characters",
    ),
    "no draft": ("- verify: {by: a}", "FILE line 7, workflow[0].verify: there is no stage before whose draft could be"),
    "nobody who revises": (
        "- parallel: {x: a}\n- checkpoint: Go on?\n- verify: {by: b}",
        "FILE line 9, workflow[2].verify: who revises what 'parallel' made? Say reviser: AGENT, or attempts: 1 to have",
    ),
    "side that is none": (
        "- debate: {sides: {none: a, y: b}, judge: a}",
        "FILE line 7, workflow[0].debate.sides.none: no side can be called 'none'",
    ),
    "one side": (
        "- debate: {sides: {x: a}, judge: a}",
        "FILE line 7, workflow[0].debate.sides: must have 2 at least, not 1",
    ),
    "task that says nothing": ("- {agent: a, task: ' '}", "FILE line 7, workflow[0].task: must not be empty"),
    "item of no map": (
        "- {agent: a, task: 'Look at {item}.'}",
        "FILE line 7, workflow[0].task: {item} stands for an item of a map, in its task",
    ),
    "name of a stage in the task": (
        "- {agent: a, name: x}\n- {agent: b, task: 'Sum up {x}.'}",
        "FILE line 8, workflow[1].task: {x} is no place for what stage 'x' made: write context: [x]",
    ),
    "nobody to inherit a model from": (
        "- agent: explore",
        "FILE line 7, workflow[0].agent: agent 'explore' inherits its model, and a workflow has no coordinator who has",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_stage_is_told_with_its_line_and_the_remedy(tmp_path: Path, case: str) -> None:
    text, said = WRONG[case]

    told = wrong(tmp_path, text)

    assert told.startswith(said), told


def test_what_is_wrong_in_several_stages_and_agents_is_told_at_once(tmp_path: Path) -> None:
    said = wrong(tmp_path, "- {agent: c}\n- {agent: a, context: [x]}\n- verify: {by: b, against: [y]}\n- name: z")

    assert [line.partition(":")[0] for line in said.splitlines()] == [
        "FILE has 4 problems",
        "  line 7, workflow[0].agent",
        "  line 8, workflow[1].context[0]",
        "  line 9, workflow[2].verify.against[0]",
        "  line 10, workflow[3]",
    ]


def test_words_may_have_braces_and_the_task(tmp_path: Path) -> None:
    made = load(tmp_path, "- {agent: a, name: task, task: 'Give {\"x\": 1} or {y} for {task}.'}")

    assert stages(made)[0]["task"] == 'Give {"x": 1} or {y} for {task}.'


def test_schema_for_editors_knows_stages() -> None:
    import jsonschema_rs

    schema = jsonschema_rs.validator_for(json_schema())
    agents = {"a": {"model": "m"}}

    assert schema.is_valid({"agents": agents, "workflow": [{"agent": "a"}, {"parallel": {"x": "a"}, "join": 1}]})
    for stage in ({}, {"agent": "a", "checkpoint": "x"}, {"agent": "a", "join": "most"}, {"agnet": "a"}):
        assert not schema.is_valid({"agents": agents, "workflow": [stage]})


# --- anything ----------------------------------------------------------------------------------------

WORDS = ["a", "b", "form", "list", "c", "x", "", " ", "{item}", "{x}", "all", "any", "*.md", "../x", "none", "explore"]
KEYS = [*StageEntry.model_fields, *MapEntry.model_fields, *VerifyEntry.model_fields, "to", "sides", "judge", "views"]
VALUES = st.recursive(
    st.sampled_from(WORDS) | st.integers(-1, 3) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, *WORDS]), inner, max_size=3),
    max_leaves=6,
)
RIGHT = st.sampled_from(
    [
        {"agent": "a"},
        {"agent": "list", "name": "x"},
        {"pipeline": ["a", {"agent": "form"}]},
        {"parallel": {"x": "a", "y": {"agent": "b", "task": "t"}}, "join": 1, "merge": "b"},
        {"map": {"agent": "a", "items_of": "x"}},
        {"map": {"agent": "form", "items": [{}]}},
        {"perspectives": {"agents": {"x": "a"}, "synthesis": "b"}},
        {"plan": {"planner": "a", "agents": ["b"]}},
        {"verify": {"by": "a", "reviser": "b"}},
        {"judge": {"agent": "a", "by": "b"}},
        {"route": {"to": ["a"], "by": "b"}},
        {"debate": {"sides": {"x": "a", "y": "b"}, "judge": "a"}},
        {"checkpoint": "Go on?"},
    ]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(RIGHT, st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=2)), min_size=1, max_size=4))
def test_any_stages_are_loaded_or_refused_in_words(tmp_path: Path, made: list[tuple[Any, Any]]) -> None:
    file = tmp_path / "any.yaml"
    entry = {**yaml.safe_load(AGENTS), "workflow": [{**right, **wrong} for right, wrong in made]}
    file.write_text(yaml.safe_dump(entry, allow_unicode=True))
    with suppress(BadInput):
        workflow = load_team(file, model="m").workflow
        assert workflow is not None
        input = workflow.whole_input("birds")
        assert workflow.as_started(input).whole_input("birds") == input


# --- documents ---------------------------------------------------------------------------------------

STAGES = re.compile(r"^```yaml\n(- .*?)^```$", re.M | re.S)
DOCUMENTS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["patterns.md", "plans.md"])
def test_stages_in_documents_are_right(tmp_path: Path, page: str) -> None:
    shown = STAGES.findall((DOCUMENTS / page).read_text())

    assert shown
    for text in shown:
        names = {name for stage in yaml.safe_load(text) for _, name in called(_long(stage))}
        agents = "".join(f"  {name}: {{model: m}}\n" for name in names)
        load(tmp_path, text, agents=f"agents:\n{agents}workflow:\n")


def _long(stage: Any) -> Any:
    """The stage as it is loaded."""
    return StageEntry.model_validate(stage).model_dump(exclude_unset=True)
