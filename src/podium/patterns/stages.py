"""Stages, as a team file has them: each is one pattern, done with what earlier stages made."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from podium.core.definitions import Agent, Limits
from podium.errors import BadInput
from podium.patterns.debate import debate
from podium.patterns.given import How
from podium.patterns.handoff import hand_over
from podium.patterns.judge import judge
from podium.patterns.made import Done, Made, left_open, output_of
from podium.patterns.mapping import Files, map_over
from podium.patterns.parallel import MERGE, Merged, merge, parallel
from podium.patterns.perspectives import VIEWS, perspectives
from podium.patterns.pipeline import pipeline
from podium.patterns.planning import alone, plan
from podium.patterns.route import route
from podium.patterns.verify import verify
from podium.workflows.joins import Join, n_of
from podium.workflows.run import WorkflowRun
from podium.workflows.values import context_text

Stage = Mapping[str, Any]  # as the team file has it, checked; its name and its context said
TASK = "{task}"  # in the words of a stage: what the run was given


class Going:
    """The way through stages: what they are about, who works, and what is done by now, by the stages' names."""

    def __init__(self, run: WorkflowRun, about: str, agents: Mapping[str, Agent]) -> None:
        self.run = run
        self.about = about
        self.agents = agents
        self.done: dict[str, Done] = {}

    async def take(self, stage: Stage) -> None:
        """Do a stage, as a phase of the run. Errors: as its pattern."""
        pattern = pattern_of(stage)
        self.run.phase(stage["name"])
        made = await PATTERNS[pattern](self, stage)
        if not isinstance(made, Done):
            made = Done(made, output_of(pattern, made), tuple(left_open(made)))
        self.done[stage["name"]] = made

    @property
    def made(self) -> Made:
        """What came of all by now."""
        *_, last = self.done.values()
        return Made(
            output=last.output, open=tuple(f"{name}: {it}" for name, done in self.done.items() for it in done.open)
        )

    def words(self, stage: Stage) -> str:
        """The stage's task; what the run was given where it says none."""
        return self.filled(stage.get("task", TASK))

    def filled(self, words: str) -> str:
        """The words with what the run was given."""
        return words.replace(TASK, self.about)

    def given(self, names: list[str]) -> dict[str, Any] | None:
        """What these stages made."""
        return {name: self.done[name].result for name in names} or None

    def context(self, stage: Stage) -> dict[str, Any] | None:
        """What the stage is told of earlier ones."""
        return self.given(stage["context"])


def pattern_of(stage: Stage) -> str:
    """The stage's pattern. Errors: BadInput for none."""
    for pattern in PATTERNS:
        if pattern in stage:
            return pattern
    raise BadInput(f"stage '{stage.get('name', '')}' has no pattern (one of {', '.join(PATTERNS)})")


def called(stage: Stage) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The names of the agents that the stage calls, each with its place in the stage."""
    pattern = pattern_of(stage)
    given = stage[pattern]
    match pattern:
        case "agent":
            yield (pattern,), given
        case "pipeline":
            yield from (((pattern, index, "agent"), each["agent"]) for index, each in enumerate(given))
        case "parallel":
            yield from (((pattern, name, "agent"), each["agent"]) for name, each in given.items())
        case "checkpoint":
            return
        case _:
            for key in ("agent", "planner", "by", "reviser", "synthesis", "judge"):
                if key in given:
                    yield (pattern, key), given[key]
            for key in ("agents", "to", "sides"):
                listed = given.get(key, {})
                names = listed.items() if isinstance(listed, Mapping) else enumerate(listed)
                yield from (((pattern, key, at), name) for at, name in names)
    if "merge" in stage:
        yield ("merge", "agent"), stage["merge"]["agent"]


def how(stage: Stage) -> How:
    """How each call of the stage is made."""
    made = How()
    if "limits" in stage:
        made["limits"] = Limits(**stage["limits"])
    if "retries" in stage:
        made["retries"] = stage["retries"]
    return made


def rule(stage: Stage) -> Join:
    """When the stage's calls are over."""
    join = stage.get("join", "all")
    return n_of(join) if isinstance(join, int) else join


def _some(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Those of the keys that are said; the others are as usual."""
    return {name: given[name] for name in names if name in given}


# --- a function for each pattern ---------------------------------------------------------------------


async def _agent(at: Going, stage: Stage) -> Any:
    agent = at.agents[stage["agent"]]
    told = await hand_over(at.run, at.context(stage), to=agent)
    expected = at.filled(stage.get("expected_output", ""))
    return await at.run.agent(agent, at.words(stage), context=told, expected_output=expected, **how(stage))


async def _pipeline(at: Going, stage: Stage) -> Any:
    agents = [
        (at.agents[each["agent"]], at.filled(each["task"])) if "task" in each else at.agents[each["agent"]]
        for each in stage["pipeline"]
    ]
    return await pipeline(at.run, agents, at.words(stage), context=at.context(stage), **how(stage))


async def _parallel(at: Going, stage: Stage) -> Any:
    calls = {
        name: (at.agents[each["agent"]], at.filled(each["task"]) if "task" in each else at.words(stage))
        for name, each in stage["parallel"].items()
    }
    results = await parallel(at.run, calls, join=rule(stage), context=at.context(stage), **how(stage))
    by, task = _merging(at, stage)
    return await merge(at.run, results, by=by, task=task, **how(stage))


def _merging(at: Going, stage: Stage) -> tuple[Agent | None, str]:
    """Who makes one thing of the results, and what it is told."""
    said = stage.get("merge")
    return (None, MERGE) if said is None else (at.agents[said["agent"]], at.filled(said.get("task", MERGE)))


async def _map(at: Going, stage: Stage) -> Any:
    given = stage["map"]
    agent = at.agents[given["agent"]]
    by, task = _merging(at, stage)
    return await map_over(
        at.run,
        agent,
        _items(at, stage),
        task="" if agent.input_schema is not None else at.words(stage),
        join=rule(stage),
        merge_by=by,
        merge_task=task,
        context=at.context(stage),
        **_some(given, "at_once", "most"),
        **how(stage),
    )


def _items(at: Going, stage: Stage) -> Any:
    """What the map goes over. Errors: BadInput for a stage that made no list."""
    given = stage["map"]
    if "files" in given:
        return Files(glob=given["files"])
    if "items" in given:
        return given["items"]
    name = given["items_of"]
    result, output = at.done[name].result, at.done[name].output
    if isinstance(result, Merged) and result.merged is None:
        if not result.results:
            raise BadInput(
                f"map '{stage['name']}' goes over what '{name}' made, and that is nothing: {result.missing[0]}"
            )
        return result.results
    parts = output.values() if isinstance(output, dict) else [output]
    lists = [each for each in parts if isinstance(each, list)]
    if len(lists) != 1:
        raise BadInput(
            f"map '{stage['name']}' goes over what '{name}' made, and that is no list, and no object with one list: "
            f"{context_text({'': output})!r:.80}"
        )
    if not lists[0]:
        raise BadInput(
            f"map '{stage['name']}' goes over what '{name}' made, and that is an empty list. Say minItems: 1 in the "
            "schema of the agent that makes it"
        )
    return lists[0]


async def _perspectives(at: Going, stage: Stage) -> Any:
    given = stage["perspectives"]
    who = {view: at.agents[name] for view, name in given.get("agents", {}).items()}
    views = given.get("views") or list(who or VIEWS)
    if isinstance(views, Mapping):
        views = {name: at.filled(said) for name, said in views.items()}
    return await perspectives(
        at.run,
        at.words(stage),
        who or at.agents[given["agent"]],
        views=views,
        synthesis=at.agents[given["synthesis"]] if "synthesis" in given else None,
        join=rule(stage),
        context=at.context(stage),
        **how(stage),
    )


async def _plan(at: Going, stage: Stage) -> Any:
    given = stage["plan"]
    return await plan(
        at.run,
        at.words(stage),
        planner=at.agents[given["planner"]],
        team={name: at.agents[name] for name in given["agents"]},
        synthesis=alone(at.agents[given["synthesis"]]) if "synthesis" in given else None,
        context=at.context(stage),
        **_some(stage, "join", "retries"),
    )


async def _verify(at: Going, stage: Stage) -> Any:
    given = stage["verify"]
    return await verify(
        at.run,
        at.done[given["draft"]].result,
        by=at.agents[given["by"]],
        against=at.given(given.get("against", [])),
        reviser=at.agents[given["reviser"]] if "reviser" in given else None,
        **_some(given, "attempts"),
        **how(stage),
    )


async def _judge(at: Going, stage: Stage) -> Any:
    given = stage["judge"]
    rubric: dict[str, Any] = {"rubric": at.filled(given["rubric"])} if "rubric" in given else {}
    return await judge(
        at.run,
        at.agents[given["agent"]],
        at.words(stage),
        by=at.agents[given["by"]],
        context=at.context(stage),
        **rubric,
        **_some(given, "at_least", "attempts"),
        **how(stage),
    )


async def _route(at: Going, stage: Stage) -> Any:
    given = stage["route"]
    to = {name: at.agents[agent] for name, agent in given["to"].items()}
    by = at.agents[given["by"]]
    return await route(at.run, at.words(stage), to=to, by=by, context=at.context(stage), **how(stage))


async def _debate(at: Going, stage: Stage) -> Any:
    given = stage["debate"]
    return await debate(
        at.run,
        at.words(stage),
        sides={side: at.agents[name] for side, name in given["sides"].items()},
        judge=at.agents[given["judge"]],
        join=rule(stage),
        context=at.context(stage),
        **_some(given, "rounds"),
        **how(stage),
    )


async def _checkpoint(at: Going, stage: Stage) -> Done:
    """Asks a person, who is shown what the stage before made and what it left open; that is passed on."""
    before = at.done[stage["context"][0]] if stage["context"] else Done(at.about, at.about)
    payload = Made(output=before.output, open=before.open) if before.open else before.output
    await at.run.checkpoint(at.filled(stage["checkpoint"]), payload=payload)
    return Done(before.result, before.output)


PATTERNS: Mapping[str, Callable[[Going, Stage], Awaitable[Any]]] = {
    "agent": _agent,
    "pipeline": _pipeline,
    "parallel": _parallel,
    "map": _map,
    "perspectives": _perspectives,
    "plan": _plan,
    "verify": _verify,
    "judge": _judge,
    "route": _route,
    "debate": _debate,
    "checkpoint": _checkpoint,
}
