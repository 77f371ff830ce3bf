"""The shape of a team file, and what does not fit it in words for the one who wrote it."""

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, ValidationInfo
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from podium.core.definitions import Effort, Permission
from podium.core.json import JSON
from podium.entry import Count, Entry, Problem, Text, Where, entry_at, named, problem
from podium.patterns.stages import PATTERNS
from podium.team.limits import LimitsEntry, SessionLimitsEntry
from podium.team.rules import Join, Retries
from podium.team.stage import MOST_STAGES, STAGE_KEYS, StageEntry
from podium.tools import BUILT_IN


class ConcurrencyEntry(Entry):
    """How many model calls may be under way at once; what is left out has no cap."""

    session: Count | None = None
    """In this session."""
    models: dict[str, Count] = Field(default_factory=dict)
    """By model, over all sessions of the process."""
    providers: dict[str, Count] = Field(default_factory=dict)
    """By provider, over all sessions of the process."""


class MountEntry(Entry):
    """A folder of this machine that every thread sees."""

    path: Text
    """The folder, relative to this file."""
    at: str = Field(pattern="^/")
    """Where it is seen: an absolute path inside, such as /source."""
    read_only: bool = True
    """Whether agents may only read it."""


def _needed(model: str | None, info: ValidationInfo) -> str | None:
    if model is None and info.data.get("use", "") is None:
        raise PydanticCustomError("missing", "is missing")
    return model


class AgentEntry(Entry):
    """Who works: model, instructions, tools, whom it may call."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["model"]}, {"required": ["use"]}]})

    use: Text | None = None
    """An agent that is defined elsewhere: its file (NAME.md), or its name; what stands beside it here comes first."""
    model: Annotated[Text | None, AfterValidator(_needed)] = Field(None, validate_default=True)
    """The name of the model, or 'inherit' for the coordinator's; required unless 'use' is said."""
    effort: Effort | None = None
    """How hard the model thinks: low, medium, high, xhigh or max; for models that have such a thing."""
    description: str = ""
    """Tells a coordinator when to call this agent."""
    system: str = ""
    """The system prompt."""
    tools: list[str] = Field(default_factory=list)
    """Built-in tools."""
    permissions: dict[str, Permission] = Field(default_factory=dict)
    """For its tools, by name: whether a person is asked before each call."""
    callable_agents: list[str] = Field(default_factory=list)
    """Agents that it may call: of this file, of .claude/agents, ready-made ones, or 'self'."""
    inline_agents: bool = False
    """Whether it may define agents of its own as it works, with its model and some of its tools."""
    input_schema: Any = None
    """JSON Schema (of an object) of what it must be given."""
    output_schema: Any = None
    """JSON Schema (of an object) of the result it owes."""
    limits: LimitsEntry = LimitsEntry()
    """Where its thread is stopped."""
    retries: Retries = 0
    """How often a call of one of these that failed, or ran out of time, is made again: a number for all, or by name."""
    join: Join = "best_effort"
    """What its calls at once need: all, any, a number, or best_effort; what is not needed any more is stopped."""


def _kind_of_mount(value: object) -> str:
    return "text" if isinstance(value, str) else "mapping"


AnyMount = Annotated[Annotated[str, Tag("text")] | Annotated[MountEntry, Tag("mapping")], Discriminator(_kind_of_mount)]


class TeamFile(Entry):
    """A Podium team: its agents, who coordinates them, where and how far they work."""

    name: str = ""
    """What the team is called."""
    coordinator: Text | None = None
    """The agent that gets the task; may be left out if only one agent calls others. There is none beside a workflow."""
    agents: dict[str, AgentEntry] = Field(min_length=1)
    """The agents, by name."""
    workflow: list[StageEntry] | None = Field(default=None, min_length=1, max_length=MOST_STAGES)
    """Up to 1,000 stages, one after another, in place of a coordinator; each has one pattern."""
    workdir: Text | None = None
    """A folder that all threads share, relative to this file; a fresh one if left out."""
    mounts: list[AnyMount] = Field(default_factory=list)
    """Further folders: mappings, or texts PATH:AT:ro or PATH:AT:rw."""
    limits: SessionLimitsEntry = SessionLimitsEntry()
    """Where the whole session is stopped."""
    concurrency: ConcurrencyEntry = ConcurrencyEntry()
    """How many model calls may be under way at once."""
    rehearsal: Text | None = None
    """FILE.py:FUNCTION beside this file, or 'generated': it answers for every model."""


def json_schema() -> dict[str, JSON]:
    """The JSON Schema of team files, for editors."""
    schema = TeamFile.model_json_schema()
    agent = schema["$defs"]["AgentEntry"]["properties"]
    agent["tools"]["items"]["enum"] = sorted(BUILT_IN)
    for key in ("input_schema", "output_schema"):
        agent[key]["type"] = ["object", "null"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Podium team file"}


# --- what does not fit, in words ---------------------------------------------------------------------

# Words of other tools, and what they are called here.
_MEANT = {
    "prompt": "system",
    "system_prompt": "system",
    "instructions": "system",
    "subagents": "callable_agents",
    "roster": "callable_agents",
    "file": "use",
    "max_turns": "limits",
    "timeout": "limits",
    "volumes": "mounts",
    "stages": "workflow",
    "steps": "workflow",
}
_MEANT_IN_STAGES = {
    "id": "name",
    "prompt": "task",
    "instructions": "task",
    "depends_on": "context",
    "needs": "context",
    "inputs": "context",
    "sources": "against",
    "checker": "by",
    "router": "by",
    "timeout": "limits",
    "sequence": "pipeline",
    "foreach": "map",
    "approval": "checkpoint",
    "approve": "checkpoint",
}


def team_problem(details: Any, written: Any) -> Problem:
    """An error of Pydantic's, as a place in the team file and our words. Shape: `written` is what the file says."""
    place, said = problem(details, TeamFile, _MEANT_IN_STAGES if details["loc"][:1] == ("workflow",) else _MEANT)
    if details["type"] == "string_pattern_mismatch":
        said = f"must be an absolute path inside, such as /source, not {named(details['input'])}"
    if details["type"] == "too_short" and (least := details["ctx"]["min_length"]) > 1:
        said = f"must have {least} at least, not {details['ctx']['actual_length']}"
    if details["type"] == "too_long":
        said = f"must have {details['ctx']['max_length']:,} at most, not {details['ctx']['actual_length']:,}"
    if place[:1] == ("workflow",):
        said = _said_of_stage(place, details["type"], details["input"], written["workflow"]) or said
    return place, said


def _said_of_stage(place: Where, kind: str, given: Any, stages: Any) -> str | None:
    """What is to be said of a slip that is usual in stages; None for any other."""
    match (kind, place):
        case ("extra_forbidden", (_, _, pattern, *_, key)) if key in STAGE_KEYS:
            return f"'{key}' stands beside '{pattern}', not in it"
        case ("extra_forbidden", (_, int(index), key)):
            patterns = [each for each in PATTERNS if each in stages[index] and key in _keys_of(each)]
            return f"'{key}' stands in '{patterns[0]}', not beside it" if patterns else None
        case ("list_type", (_,)):
            return f"must be a list of stages, each behind a '-', not {named(given)}"
        case ("model_type", (_, _)) if isinstance(given, str):
            return f"must be a mapping, such as {{agent: {given:.40}}}, not {named(given)}"
        case ("model_type", (_, _, str(pattern))):
            needed = [key for key, field in _keys_of(pattern).items() if field.is_required()]
            told = f" with {' and '.join(repr(key) for key in needed)}" if needed else ""
            return f"must be a mapping{told}, not {named(given)}"
        case _:
            return None


def _keys_of(pattern: str) -> dict[str, FieldInfo]:
    """What may stand in a pattern of a stage."""
    entry = entry_at(StageEntry, (pattern,))
    return {} if entry is None else entry.model_fields
