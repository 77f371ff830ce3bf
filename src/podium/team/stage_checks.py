"""The stages of a team file: their names and contexts, and what is wrong with them that one value does not show."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from podium.entry import Problem, Where
from podium.errors import BadInput, UnknownName
from podium.patterns.debate import NOBODY
from podium.patterns.mapping import ITEM, Files
from podium.patterns.perspectives import VIEWS
from podium.patterns.stages import PATTERNS, TASK, Stage, called, pattern_of
from podium.team.shape import AgentEntry
from podium.team.stage import StageEntry
from podium.workflows.values import to_json
from podium.workflows.workflow import MOST_NAME

JOINED = ("parallel", "map", "perspectives", "plan", "debate")
# Keys that not every pattern has: which have them, and what to do in the others.
_KEYS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "task": (
        tuple(set(PATTERNS) - {"verify", "checkpoint"}),
        "a check and a checkpoint are of what an earlier stage made",
    ),
    "expected_output": (("agent",), "say it in the task"),
    "context": (
        tuple(set(PATTERNS) - {"verify", "checkpoint"}),
        "a check has 'against' for its sources and 'draft'; a checkpoint shows what the stage before made",
    ),
    "merge": (("parallel", "map"), "an agent of a stage below does the same"),
    "join": (JOINED, f"it is for several calls: {', '.join(JOINED)}"),
    "limits": (tuple(set(PATTERNS) - {"plan", "checkpoint"}), "give the agents limits of their own"),
    "retries": (tuple(set(PATTERNS) - {"checkpoint"}), "nothing is called there"),
}
_WORDS = ("task", "expected_output", "checkpoint", "rubric")


def stages_of(entries: Sequence[StageEntry]) -> list[dict[str, Any]]:
    """The stages with all that may be left out: their names, their contexts, the drafts that are checked."""
    stages = [entry.model_dump(mode="json", exclude_unset=True, exclude_none=True) for entry in entries]
    taken = {stage["name"] for stage in stages if "name" in stage}
    before: list[str] = []  # the last stage that made something
    for entry, stage in zip(entries, stages, strict=True):
        pattern = next(iter(_patterns(entry)), "stage")
        if "name" not in stage:
            stage["name"] = _free(entry.agent or pattern, taken)
            taken.add(stage["name"])
        if pattern == "verify" and entry.verify is not None:
            stage["verify"].update(zip(["draft"] if entry.verify.draft is None else [], before, strict=False))
        stage.setdefault("context", [] if pattern in ("map", "verify") else before)
        before = before if pattern == "checkpoint" else [stage["name"]]
    return stages


def _patterns(entry: StageEntry) -> list[str]:
    return [pattern for pattern in PATTERNS if pattern in entry.model_fields_set]


def _free(word: str, taken: set[str]) -> str:
    """The word as a name, numbered if need be."""
    names = (word[:MOST_NAME] if number == 1 else f"{word[: MOST_NAME - 5]} {number}" for number in range(1, 10_000))
    return next(name for name in names if name not in taken)


def named_agents(stages: Sequence[Stage]) -> Iterator[tuple[Where, str]]:
    """The names of the agents that stages call, each with its place in the file."""
    for index, stage in enumerate(stages):
        if sum(pattern in stage for pattern in PATTERNS) == 1:
            yield from ((("workflow", index, *where), name) for where, name in called(stage))


def stage_problems(
    entries: Sequence[StageEntry], stages: Sequence[Stage], agents: Mapping[str, AgentEntry]
) -> Iterator[Problem]:
    """What is wrong with stages. Shape: `stages` are those of the entries. Whether agents are there is known before."""
    names = [stage["name"] for stage in stages]
    for index, (entry, stage) in enumerate(zip(entries, stages, strict=True)):
        place: Where = ("workflow", index)
        found = list(_wrong_name(entry, names[:index])) + list(_wrong_patterns(entry))
        if not found:
            found = [*_wrong_keys(entry, pattern_of(stage)), *_wrong_words(stage, names)]
            found += [*_wrong_names_of_stages(stage, names[:index], names[index:]), *_wrong_agents(stage, agents)]
            found += _OF_PATTERN.get(pattern_of(stage), lambda *_: ())(stage, stages[:index], agents)
        if not found:
            found += _wrong_join(stage)
        yield from (((*place, *where), said) for where, said in found)


# --- what every stage has ----------------------------------------------------------------------------


def _wrong_name(entry: StageEntry, before: Sequence[str]) -> Iterator[Problem]:
    name = entry.name
    if name is None:
        return
    if said := _wrong_as_name(name):
        yield ("name",), said
    elif name in before:
        yield ("name",), f"a stage above is called '{name}' too; each has a name of its own"


def _wrong_as_name(name: str) -> str | None:
    if name.isprintable() and name == name.strip() and 1 <= len(name) <= MOST_NAME:
        return None
    return f"a name is one line of 1 to {MOST_NAME} characters, without spaces at its ends, not {name!r:.80}"


def _wrong_patterns(entry: StageEntry) -> Iterator[Problem]:
    found = _patterns(entry)
    if not found:
        yield (), f"the stage says nothing that is to be done: it has one of {', '.join(PATTERNS)}"
    elif len(found) > 1:
        told = ", ".join(f"'{each}'" for each in found)
        yield (found[1],), f"a stage has one pattern, and this one has {told}; make a stage of each"
    elif getattr(entry, found[0]) is None:
        yield (found[0],), "must not be empty"


def _wrong_keys(entry: StageEntry, pattern: str) -> Iterator[Problem]:
    for key, (having, remedy) in _KEYS.items():
        if getattr(entry, key) is not None and pattern not in having:
            yield (key,), f"'{key}' has no place beside '{pattern}': {remedy}"


def _wrong_words(stage: Stage, names: Sequence[str]) -> Iterator[Problem]:
    """Words that say nothing, or have braces that nothing is put into."""
    is_map = pattern_of(stage) == "map"
    for where, words in _texts(stage, ()):
        if not words.strip():
            yield where, "must not be empty"
        if ITEM in words and not (is_map and where == ("task",)):
            yield where, f"{ITEM} stands for an item of a map, in its task; here nothing takes its place"
        for name in re.findall(r"\{([^{}]+)\}", words):
            if name in names and f"{{{name}}}" != TASK:
                yield where, f"{{{name}}} is no place for what stage '{name}' made: write context: [{name}]"


def _texts(value: Any, where: Where) -> Iterator[tuple[Where, str]]:
    """The texts that agents and people are told, with their places."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            if isinstance(each, str) and (key in _WORDS or where[-1:] == ("views",)):
                yield (*where, key), each
            elif key != "items":
                yield from _texts(each, (*where, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _texts(each, (*where, index))


def _wrong_names_of_stages(stage: Stage, before: Sequence[str], after: Sequence[str]) -> Iterator[Problem]:
    pattern = pattern_of(stage)
    named: list[tuple[Where, str]] = [(("context", nth), name) for nth, name in enumerate(stage["context"])]
    if pattern == "verify":
        given = stage["verify"]
        named += [(("verify", "against", nth), name) for nth, name in enumerate(given.get("against", []))]
        named += [(("verify", "draft"), given["draft"])] if "draft" in given else []
    if pattern == "map" and "items_of" in stage["map"]:
        named.append((("map", "items_of"), stage["map"]["items_of"]))
    for where, name in named:
        if name == after[0]:
            yield where, f"'{name}' is this very stage; name an earlier one"
        elif name in after:
            yield where, f"stage '{name}' comes later; name an earlier one, or put it above"
        elif name not in before:
            yield where, str(UnknownName("stage", name, before))


def _wrong_agents(stage: Stage, agents: Mapping[str, AgentEntry]) -> Iterator[Problem]:
    """Agents with a form of their own where they are told something in words."""
    for where, name in called(stage):
        agent = agents.get(name)
        takes_form = where == ("map", "agent") or (where[0] == "pipeline" and where[1] != 0)
        if agent is None or agent.input_schema is None or takes_form:
            continue
        yield (
            where,
            f"agent '{name}' has an input_schema, and is told here what to do in words. Name another one; or put it "
            "into a pipeline, behind an agent that makes its input",
        )


def _wrong_join(stage: Stage) -> Iterator[Problem]:
    """A number of calls that there cannot be."""
    join, most = stage.get("join"), _calls(stage)
    if not isinstance(join, int):
        return
    if join < 1:
        yield ("join",), f"must be all, any, best_effort or a number of calls above 0, not {join}"
    elif most is not None and join > most:
        yield ("join",), f"{join} calls are to succeed, and there are {most}"


def _calls(stage: Stage) -> int | None:
    """How many calls are joined, if that is known."""
    given = stage[pattern_of(stage)]
    match pattern_of(stage):
        case "parallel":
            return len(given)
        case "map":
            return len(given["items"]) if "items" in given else given.get("most")
        case "perspectives":
            return len(given.get("views") or given.get("agents") or VIEWS)
        case "debate":
            return len(given["sides"])
        case _:
            return None


# --- what single patterns have -----------------------------------------------------------------------


def _wrong_names_of_calls(names: Sequence[str], where: Where) -> Iterator[Problem]:
    for name in names:
        if said := _wrong_as_name(name):
            yield (*where, name), said


def _wrong_pipeline(stage: Stage, before: Sequence[Stage], agents: Mapping[str, AgentEntry]) -> Iterator[Problem]:
    for index, each in enumerate(stage["pipeline"]):
        agent = agents.get(each["agent"])
        if index and "task" in each and agent is not None and agent.input_schema is not None:
            yield (
                ("pipeline", index, "task"),
                f"agent '{each['agent']}' has an input_schema: its input is what the one before made, and no task",
            )


def _wrong_parallel(stage: Stage, before: Sequence[Stage], agents: Mapping[str, AgentEntry]) -> Iterator[Problem]:
    return _wrong_names_of_calls(list(stage["parallel"]), ("parallel",))


def _wrong_map(stage: Stage, before: Sequence[Stage], agents: Mapping[str, AgentEntry]) -> Iterator[Problem]:
    given = stage["map"]
    found = [key for key in ("items", "files", "items_of") if key in given]
    if len(found) != 1:
        told = f"this one says {' and '.join(found)}" if found else "this one says none of them"
        yield ("map",), f"a map goes over 'items', 'files' (a glob) or 'items_of' (an earlier stage); {told}"
    most = given.get("most", 1_000)
    if given.get("at_once", 1) > most:
        yield ("map", "at_once"), f"{given['at_once']:,} at once are more than there may be at all, {most:,} (most)"
    if len(given.get("items", ())) > most:
        yield ("map", "items"), f"there are {len(given['items']):,} items, and at most {most:,}. Raise 'most'"
    agent = agents.get(given["agent"])
    if agent is not None and agent.input_schema is not None:
        for key in ("task", "context"):
            if stage.get(key):
                yield (key,), f"agent '{given['agent']}' has an input_schema: its input is the item, and no {key}"
    try:
        if "files" in given:
            Files(glob=given["files"])
        to_json(given.get("items"), "its items")
    except BadInput as error:
        yield ("map", "files" if "files" in given else "items"), str(error)
    source = next((each for each in before if each["name"] == given.get("items_of")), None)
    if source is not None and _makes_text(source, agents):
        yield (
            ("map", "items_of"),
            f"stage '{source['name']}' makes a text, and no list. Give its agent an output_schema with one list",
        )


def _makes_text(stage: Stage, agents: Mapping[str, AgentEntry]) -> bool:
    """Whether what the stage makes is sure to hold no list."""
    pattern, names = pattern_of(stage), dict(called(stage))
    given = stage[pattern]
    makers: dict[str, Where] = {
        "agent": ("agent",),
        "pipeline": ("pipeline", len(given) - 1, "agent"),
        "parallel": ("merge", "agent"),
        "map": ("merge", "agent"),
        "perspectives": ("perspectives", "synthesis"),
        "plan": ("plan", "synthesis" if "synthesis" in given else "planner"),
        "judge": ("judge", "agent"),
    }
    maker = agents.get(names.get(makers.get(pattern, ()), ""))
    return pattern == "debate" or (maker is not None and maker.output_schema is None)


def _wrong_perspectives(stage: Stage, before: Sequence[Stage], agents: Mapping[str, AgentEntry]) -> Iterator[Problem]:
    given = stage["perspectives"]
    if ("agent" in given) == ("agents" in given):
        yield ("perspectives",), "say either 'agent', who takes every view, or 'agents', who takes which"
        return
    views = given.get("views") or list(given.get("agents", VIEWS))
    yield from _wrong_names_of_calls(list(views), ("perspectives", "views"))
    if isinstance(views, list) and len(set(views)) < len(views):
        yield ("perspectives", "views"), "a view is named twice"
    for view in given.get("agents", {}):
        if view not in views:
            yield ("perspectives", "agents", view), str(UnknownName("view", view, views))
    for view in views:
        if "agents" in given and view not in given["agents"]:
            yield ("perspectives", "agents"), f"nobody takes the view '{view}'"


def _wrong_plan(stage: Stage, before: Sequence[Stage], agents: Mapping[str, AgentEntry]) -> Iterator[Problem]:
    named = stage["plan"]["agents"]
    for index, name in enumerate(named):
        if name in named[:index]:
            yield ("plan", "agents", index), f"'{name}' is named twice"


def _wrong_verify(stage: Stage, before: Sequence[Stage], agents: Mapping[str, AgentEntry]) -> Iterator[Problem]:
    given = stage["verify"]
    if "draft" not in given:
        yield ("verify",), "there is no stage before whose draft could be checked; put it below the one that makes it"
        return
    made = {each["name"]: each for each in before}
    draft = made.get(given["draft"])
    while draft is not None and pattern_of(draft) == "checkpoint":  # which passes on what it showed
        draft = made.get(next(iter(draft["context"]), ""))
    is_by_agent = draft is not None and pattern_of(draft) == "agent"
    if draft is not None and not is_by_agent and "reviser" not in given and given.get("attempts", 3) > 1:
        yield (
            ("verify",),
            f"who revises what '{draft['name']}' made? Say reviser: AGENT, or attempts: 1 to have it checked only",
        )


def _wrong_debate(stage: Stage, before: Sequence[Stage], agents: Mapping[str, AgentEntry]) -> Iterator[Problem]:
    sides = stage["debate"]["sides"]
    yield from _wrong_names_of_calls(list(sides), ("debate", "sides"))
    if NOBODY in sides:
        yield ("debate", "sides", NOBODY), f"no side can be called '{NOBODY}': so the judge says that neither wins"


def _wrong_route(stage: Stage, before: Sequence[Stage], agents: Mapping[str, AgentEntry]) -> Iterator[Problem]:
    return _wrong_names_of_calls(list(stage["route"]["to"]), ("route", "to"))


_OF_PATTERN: Mapping[str, Any] = {
    "pipeline": _wrong_pipeline,
    "parallel": _wrong_parallel,
    "map": _wrong_map,
    "perspectives": _wrong_perspectives,
    "plan": _wrong_plan,
    "verify": _wrong_verify,
    "route": _wrong_route,
    "debate": _wrong_debate,
}
