"""The shape of a workflow's stages in a team file. What they mean together is in `stage_checks`."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from podium.core.joins import RULES
from podium.entry import Count, Entry, Text, named, wrong
from podium.patterns.stages import PATTERNS
from podium.team.limits import LimitsEntry


def rule_of(what: str) -> Callable[[Any], Any]:
    """What takes a rule by which `what`, in the plural, are over."""

    def rule(value: Any) -> Any:
        if value in RULES or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise wrong(f"must be {', '.join(RULES)} or a number of {what}, not {named(value)}")

    return rule


def _in_short(value: Any) -> Any:
    return {"agent": value} if isinstance(value, str) else value


def _by_name(value: Any) -> Any:
    """A list of names as a mapping of each to itself."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return {each: each for each in value}
    return value


def _views(value: Any) -> Any:
    texts = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(texts, list):
        raise wrong(f"must be a list of names, or a mapping of names to what each is to do, not {named(value)}")
    if not texts:
        raise wrong("must not be empty; leave it out for the usual views")
    for each in texts:
        if not isinstance(each, str) or not each.strip():
            raise wrong(f"must be of texts that say something, not of {named(each)}")
    return value


def _whole(least: int, most: int) -> Callable[[Any], Any]:
    def whole(value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        raise wrong(f"must be a whole number from {least} to {most}, not {named(value)}")

    return whole


def _share(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise wrong(f"must be a number from 0 to 1, not {named(value)}")


def _schema(type_: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": type_, **more})


_TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
_TEXTS_BY_NAME = {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1}

Rule = Annotated[
    Any,
    BeforeValidator(rule_of("calls")),
    WithJsonSchema({"anyOf": [{"enum": list(RULES)}, {"type": "integer", "minimum": 1}]}),
]
Attempts = Annotated[int, BeforeValidator(_whole(1, 100)), _schema("integer", minimum=1, maximum=100)]
Retries = Annotated[int, BeforeValidator(_whole(0, 100)), _schema("integer", minimum=0, maximum=100)]
Share = Annotated[float, BeforeValidator(_share), _schema("number", minimum=0, maximum=1)]
Views = Annotated[Any, BeforeValidator(_views), WithJsonSchema({"anyOf": [_TEXTS, _TEXTS_BY_NAME]})]
Names = Annotated[dict[str, Text], BeforeValidator(_by_name, json_schema_input_type=list[Text] | dict[str, Text])]
Agents = Annotated[list[Text], Field(min_length=1)]


class CallEntry(Entry):
    """A call of an agent; in short, the agent's name."""

    agent: Text
    """Who works."""
    task: Text | None = None
    """What it is to do; the stage's task if left out, and of a merge the usual words."""


AnyCall = Annotated[CallEntry, BeforeValidator(_in_short, json_schema_input_type=Text | CallEntry)]


class MapEntry(Entry):
    """The same for every item. One of items, files and items_of says what they are."""

    agent: Text
    """Who works."""
    items: list[Any] | None = Field(default=None, min_length=1)
    """The items."""
    files: Text | None = None
    """A glob: the files of the workdir that it matches."""
    items_of: Text | None = None
    """An earlier stage: the results of its calls, or the one list in what it made."""
    at_once: Count | None = None
    """How many may be under way at a time."""
    most: Count | None = None
    """How many items there may be; 1,000 if left out."""


class PerspectivesEntry(Entry):
    """A question from several views. Either one agent takes all of them, or each has its own."""

    agent: Text | None = None
    """Who takes every view."""
    agents: dict[str, Text] | None = Field(default=None, min_length=1)
    """Who takes which view, by its name."""
    views: Views | None = None
    """Names of views, or what each is to do by its name; for, against, technical, business and user if left out."""
    synthesis: Text | None = None
    """The agent that makes one answer of them."""


class PlanEntry(Entry):
    """A plan: one agent writes it, others take its steps, and the results are put together."""

    planner: Text
    """Who writes the plan."""
    agents: Agents
    """Who takes its steps."""
    synthesis: Text | None = None
    """Who puts the results together; the planner if left out."""


class VerifyEntry(Entry):
    """A draft is checked, and revised until it holds."""

    by: Text
    """Who checks it."""
    against: list[str] = Field(default_factory=list)
    """Earlier stages: what they made are the sources."""
    reviser: Text | None = None
    """Who revises it; the agent that made it if left out."""
    attempts: Attempts | None = None
    """How often it is checked; 3 times if left out, and 1 revises nothing."""
    draft: Text | None = None
    """The stage that made it; the one before if left out."""


class JudgeEntry(Entry):
    """Work is scored, and sent back until it is good enough."""

    agent: Text
    """Who works."""
    by: Text
    """Who scores it."""
    rubric: Text | None = None
    """What the score goes by."""
    at_least: Share | None = None
    """The score that is good enough, from 0 to 1; 0.8 if left out."""
    attempts: Attempts | None = None
    """How often the work is done; 3 times if left out."""


class RouteEntry(Entry):
    """An agent chooses who does the task."""

    to: Names = Field(min_length=1)
    """The agents to choose from: a list, or agents by the names they are shown by."""
    by: Text
    """Who chooses."""


class DebateEntry(Entry):
    """Sides argue, and a judge decides."""

    sides: dict[str, Text] = Field(min_length=2)
    """The agents, by the side they take."""
    judge: Text
    """Who decides."""
    rounds: Attempts | None = None
    """How often all sides speak; 2 times if left out."""


class StageEntry(Entry):
    """A stage of a workflow. It has one pattern: agent, pipeline, parallel, map, … or checkpoint."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [pattern]} for pattern in PATTERNS]})

    name: Text | None = None
    """What other stages call it; the agent's name, or the pattern's word, if left out."""
    agent: Text | None = None
    """An agent does the task."""
    pipeline: list[AnyCall] | None = Field(default=None, min_length=1)
    """Agents work one after the other, each on what the one before made."""
    parallel: dict[str, AnyCall] | None = Field(default=None, min_length=1)
    """Agents work at once, by names of the calls."""
    map: MapEntry | None = None
    """An agent does the same with every item of a list, or every file."""
    perspectives: PerspectivesEntry | None = None
    """A question is looked at from several views."""
    plan: PlanEntry | None = None
    """An agent writes a plan, and others take its steps."""
    verify: VerifyEntry | None = None
    """An agent checks what an earlier stage made, until it holds."""
    judge: JudgeEntry | None = None
    """An agent's work is scored, and sent back."""
    route: RouteEntry | None = None
    """An agent chooses who does the task."""
    debate: DebateEntry | None = None
    """Sides argue, and a judge decides."""
    checkpoint: Text | None = None
    """A person is asked, in these words, and shown what the stage before made."""
    task: Text | None = None
    """What is to be done. {task} stands for what the run was given, which is the task if left out."""
    expected_output: Text | None = None
    """For an agent: what to return, and in which form."""
    context: list[str] | None = None
    """Earlier stages whose results it is told; the one before if left out, for a map none. [] is nothing."""
    merge: AnyCall | None = None
    """For parallel and map: the agent that makes one thing of the results."""
    join: Rule | None = None
    """Where several calls are joined: all, any, best_effort, or how many must succeed; all if left out."""
    limits: LimitsEntry | None = None
    """Where each of its calls is stopped; they narrow the agent's own."""
    retries: Retries | None = None
    """How often a call is made again that failed or ran out of time."""


MOST_STAGES = 1_000
STAGE_KEYS = frozenset(("name", "task", "expected_output", "context", "merge", "join", "limits", "retries"))
