"""Plan files: a plan as YAML or JSON, for people to read, change and keep."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field, ValidationError

from podium.core.definitions import Agent
from podium.core.plan import Plan, problems
from podium.entry import Entry, Text, named, problem
from podium.errors import BadInput
from podium.team.source import Source, read
from podium.team.stage import Retries, rule_of


class StepEntry(Entry):
    """A step of a plan."""

    id: Text
    """What the step is called; each has its own."""
    agent: Text
    """The agent of the team that does it."""
    task: Text
    """What to do, complete in itself."""
    depends_on: list[str] = Field(default_factory=list)
    """Ids of the steps whose results it is given; it starts when they are there."""
    expected_output: str = ""
    """What to return, and in which form."""
    retries: Retries = 0
    """How often it is taken again if it fails or runs out of time."""


class PlanFile(Entry):
    """A plan: what it is for, its steps, and when it is done."""

    task: str = ""
    """What the plan is for; the synthesis is told it."""
    join: Annotated[Any, BeforeValidator(rule_of("final steps"))] = "best_effort"
    """When it is done: best_effort, all, any, or how many of its final steps."""
    steps: list[StepEntry]
    """Its steps, in any order."""


# Words of other tools, and what they are called here.
_MEANT = {
    "name": "id",
    "prompt": "task",
    "goal": "task",
    "after": "depends_on",
    "needs": "depends_on",
    "dependencies": "depends_on",
}

# JSON takes them as they are; YAML, by which plan files are read, does not, or takes them for ends of lines.
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def load_plan(file: Path, agents: Mapping[str, Agent] | None = None) -> Plan:
    """The plan of this file; without agents their names are not looked at.

    Errors: BadInput that tells everything that is wrong with it, each thing with its line.
    """
    source = Source(file, read(file, "a plan file", "YAML"))
    if source.value is None:
        raise BadInput(f"{file} is empty; a plan file has at least 'steps:'")
    if not isinstance(source.value, dict):
        raise BadInput(f"{file} is no plan file: it must be a mapping with 'steps:', this is {named(source.value)}")
    try:
        entry = PlanFile.model_validate(source.value)
    except ValidationError as error:
        source.refuse(problem(details, PlanFile, _MEANT) for details in error.errors())
    plan = Plan.of(entry.model_dump())
    if found := problems(plan, agents):
        source.refuse(found)
    return plan


def plan_text(plan: Plan, *, as_json: bool = False) -> str:
    """The plan as a plan file has it, in YAML, or in JSON."""
    if as_json:
        told = json.dumps(plan.as_json(), indent=2, ensure_ascii=False)
        return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", told) + "\n"
    return yaml.dump(plan.as_json(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


class _Dumper(yaml.SafeDumper):
    """YAML's own, with texts of several lines as such."""


def _as_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _NOT_IN_YAML.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _as_text)
