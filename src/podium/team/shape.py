"""The shape of a team file, and what does not fit it in words for the one who wrote it."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from podium.core.json import JSON
from podium.errors import UnknownName
from podium.team.source import Problem, Where
from podium.tools import BUILT_IN

_Count = Annotated[int, Field(gt=0)]
_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Text = Annotated[str, Field(min_length=1)]


class Entry(BaseModel):
    """A mapping of a team file: only the keys it knows, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class LimitsEntry(Entry):
    """Where an agent's thread is stopped; what is left out has no limit."""

    turns: _Count | None = None
    """Model replies."""
    seconds: _Seconds | None = None
    """Seconds of working time."""
    tokens: _Count | None = None
    """Tokens read and written by its model calls."""


class SessionLimitsEntry(LimitsEntry):
    """Where the whole session is stopped; turns and tokens are sums over all its threads."""

    depth: _Count = 2
    """Levels of delegation below the coordinator."""
    live_threads: _Count | None = None
    """Child threads that have not ended, at one time."""


class ConcurrencyEntry(Entry):
    """How many model calls may be under way at once; what is left out has no cap."""

    session: _Count | None = None
    """In this session."""
    models: dict[str, _Count] = {}
    """By model, over all sessions of the process."""
    providers: dict[str, _Count] = {}
    """By provider, over all sessions of the process."""


class MountEntry(Entry):
    """A folder of this machine that every thread sees."""

    path: _Text
    """The folder, relative to this file."""
    at: str = Field(pattern="^/")
    """Where it is seen: an absolute path inside, such as /source."""
    read_only: bool = True
    """Whether agents may only read it."""


class AgentEntry(Entry):
    """Who works: model, instructions, tools, whom it may call."""

    model: _Text
    """The name of the model."""
    description: str = ""
    """Tells a coordinator when to call this agent."""
    system: str = ""
    """The system prompt."""
    tools: list[str] = []
    """Built-in tools."""
    callable_agents: list[str] = []
    """Agents of this file that it may call, or 'self'."""
    input_schema: Any = None
    """JSON Schema (of an object) of what it must be given."""
    output_schema: Any = None
    """JSON Schema (of an object) of the result it owes."""
    limits: LimitsEntry = LimitsEntry()
    """Where its thread is stopped."""


def _kind_of_mount(value: object) -> str:
    return "text" if isinstance(value, str) else "mapping"


AnyMount = Annotated[Annotated[str, Tag("text")] | Annotated[MountEntry, Tag("mapping")], Discriminator(_kind_of_mount)]


class TeamFile(Entry):
    """A Podium team: its agents, who coordinates them, where and how far they work."""

    name: str = ""
    """What the team is called."""
    coordinator: _Text | None = None
    """The agent that gets the task; may be left out if only one agent calls others."""
    agents: dict[str, AgentEntry] = Field(min_length=1)
    """The agents, by name."""
    workdir: _Text | None = None
    """A folder that all threads share, relative to this file; a fresh one if left out."""
    mounts: list[AnyMount] = []
    """Further folders: mappings, or texts PATH:AT:ro or PATH:AT:rw."""
    limits: SessionLimitsEntry = SessionLimitsEntry()
    """Where the whole session is stopped."""
    concurrency: ConcurrencyEntry = ConcurrencyEntry()
    """How many model calls may be under way at once."""
    rehearsal: _Text | None = None
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
    "max_turns": "limits",
    "timeout": "limits",
    "volumes": "mounts",
}


def problem(details: Any) -> Problem:
    """An error of Pydantic's, as a place in the file and our words."""
    place: Where = tuple(step for step in details["loc"] if step not in ("mapping", "text", "[key]"))
    kind, given = details["type"], named(details["input"])
    match kind:
        case "extra_forbidden":
            return place, _unknown_key(place)
        case "missing":
            return place[:-1], f"'{place[-1]}' is missing"
        case "string_type":
            return place, f"must be a text, not {given}" + ("" if given == "empty" else "; put it in quotes")
        case "model_type" | "dict_type":
            return place, f"must be a mapping, not {given}"
        case "list_type":
            return place, f"must be a list, not {given}"
        case "greater_than" | "int_type" | "float_type" | "int_from_float" | "finite_number":
            return place, f"must be a {'whole ' if 'int' in kind else ''}number above 0, not {given}"
        case "bool_type":
            return place, f"must be true or false, not {given}"
        case "string_too_short" | "too_short":
            return place, "must not be empty"
        case "string_pattern_mismatch":
            return place, f"must be an absolute path inside, such as /source, not {given}"
        case _:
            return place, str(details["msg"])


def _unknown_key(place: Where) -> str:
    key, known = str(place[-1]), set(_keys_at(place[:-1]))
    if _MEANT.get(key) in known:
        return f"unknown key '{key}', did you mean '{_MEANT[key]}'?"
    return str(UnknownName("key", key, known))


def _keys_at(place: Where) -> Iterable[str]:
    if not place:
        return TeamFile.model_fields
    if place[-1] == "limits":
        return (SessionLimitsEntry if len(place) == 1 else LimitsEntry).model_fields
    kinds: dict[str, type[Entry]] = {"mounts": MountEntry, "concurrency": ConcurrencyEntry, "agents": AgentEntry}
    return kinds[str(place[0])].model_fields


def named(value: object) -> str:
    """The value as a message names it."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return f"{value!r:.60}"
