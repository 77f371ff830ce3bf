"""What a session that runs a workflow needs: its primary definition, its program, the agents as it calls them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FunctionType
from typing import Any

from podium.core.definitions import Agent, Definition, SessionLimits, depth_of
from podium.core.facts import SessionSettings
from podium.core.json import JSON
from podium.core.pinning import pin
from podium.core.ports import Tool
from podium.core.rows import WORKFLOW, SessionRow
from podium.engine.bound import Bound
from podium.errors import BadInput, NeedsUnmet, NoPrice
from podium.models.rehearsal import Generated, Rehearsal
from podium.needs import check_prices, describe
from podium.tools.functions import FunctionTool, in_thread
from podium.workflows.file import OWN, load_workflow, own_workflow, place_of
from podium.workflows.playing import PythonProgram
from podium.workflows.run import Pin
from podium.workflows.values import to_json
from podium.workflows.workflow import Workflow

MODEL = "workflow"  # what stands for the model of a thread that has none
Tools = dict[tuple[str, str], Tool]
BindThese = Callable[[Mapping[str, Definition]], Awaitable[Bound]]


def primary_of(workflow: Workflow) -> Definition:
    """The definition of a session's primary thread that the workflow drives."""
    return Definition(workflow.name, MODEL, description=workflow.description, program=workflow.name)


def check_limits(workflow: Workflow, limits: SessionLimits) -> None:
    """Errors: BadInput for a limit that does not hold for workflows."""
    if limits.live_threads is not None:
        raise BadInput(
            f"workflow '{workflow.name}': limits.live_threads does not hold for workflows, whose calls begin when they "
            "are made. Cap what works at once by Concurrency(session=...), or in the code: map_over(..., at_once=...), "
            "or an asyncio.Semaphore"
        )


def checked_input(workflow: Workflow, value: Any) -> JSON:
    """What the workflow is called with, as JSON. Errors: BadInput if it does not fit."""
    given = workflow.whole_input(to_json(value, f"the input of workflow '{workflow.name}'"))
    workflow.arguments(given)
    return given


class Pins:
    """Makes definitions of the agents that a workflow calls, and keeps their Python tools.

    Shape: `depth` is how many levels of delegation there may be below the workflow.
    """

    def __init__(self, workflow: Workflow, depth: int, tools: Tools) -> None:
        self.workflow = workflow
        self._depth = depth
        self._tools = tools
        self._named: Tools = {}

    def named(self) -> dict[str, Definition]:
        """The agents that the workflow names, and all they lead to, by version. Errors: BadInput."""
        pinned = [self._pinned(agent, self._named) for agent in self.workflow.agents]
        return {version: each for _, team in pinned for version, each in team.items()}

    def play(self) -> Pin:
        """What makes an agent's definition, and all that it leads to, by version, while the code runs once.

        Shape: run again, the code makes its functions anew; the tools that are kept are those of the first time.
        Errors: BadInput.
        """
        known = dict(self._named)
        return lambda agent: self._pinned(agent, known)

    def _pinned(self, agent: Agent, known: Tools) -> tuple[Definition, Mapping[str, Definition]]:
        found: Tools = {}
        definition, team = pin(agent, lambda tool, where: describe(tool, where, found))
        if len(chain := depth_of(definition.version, team)) > self._depth:
            raise BadInput(
                f"agent '{agent.name}' delegates {len(chain)} levels deep below the workflow ({' -> '.join(chain)}), "
                f"and limits.depth is {self._depth}. Raise it, or flatten the team"
            )
        for key, tool in found.items():
            if not _is_same(known.setdefault(key, tool), tool):
                raise BadInput(
                    f"two different tools are called '{key[1]}' of agent '{key[0]}'; rename one of the agents"
                )
            self._tools.setdefault(key, tool)
        return definition, team


def _is_same(one: Tool, other: Tool) -> bool:
    if isinstance(one, FunctionTool) and isinstance(other, FunctionTool):
        return _does_the_same(one.function, other.function)
    return one is other


def _does_the_same(one: Any, other: Any, under: frozenset[tuple[int, int]] = frozenset()) -> bool:
    """Whether they are one function, or made by the same code of equal values; `under` are pairs that hold them."""
    if one is other or (id(one), id(other)) in under:
        return True
    if type(one) is not type(other):
        return False
    if not isinstance(one, FunctionType):
        return isinstance(one, str | bytes | int | float) and bool(one == other)
    if one.__code__ is not other.__code__ or one.__dict__ != other.__dict__:
        return False
    values, others = _held(one), _held(other)
    pairs = zip(values, others, strict=False)
    return len(values) == len(others) and all(_does_the_same(*pair, under | {(id(one), id(other))}) for pair in pairs)


def _held(function: FunctionType) -> list[Any]:
    """The values that the function was made with."""
    held = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # nothing is in it yet
            held.append(cell.cell_contents)
    return held


def with_program(
    bound: Bound,
    pins: Pins,
    bind_these: BindThese,
    settings: Callable[[], SessionSettings],
    workdir: Callable[[], Path],
) -> Bound:
    """The same, with the workflow, and with what binds the agents that it calls later.

    Shape: `workdir` gives the folder that the session's threads share, made if need be.
    """

    async def extend(bound: Bound, team: Mapping[str, Definition]) -> Bound:
        more = await bind_these(team)
        check_prices(team.values(), settings(), more)
        _check_known_prices(team, settings(), more)
        return replace(
            bound,
            models={**bound.models, **more.models},
            tools={**bound.tools, **more.tools},
            agents=(*bound.agents, *(version for version in more.agents if version not in bound.agents)),
            facts={**bound.facts, **more.facts},
            sandbox_promises=bound.sandbox_promises or more.sandbox_promises,
            sandbox_backend=bound.sandbox_backend or more.sandbox_backend,
            is_rehearsed=bound.is_rehearsed or _is_rehearsed(more.models.values()),
        )

    program = PythonProgram(pins.workflow, pins.play, in_thread, workdir)
    return replace(bound, program=program, extend=extend, is_rehearsed=_is_rehearsed(bound.models.values()))


def _is_rehearsed(models: Any) -> bool:
    return any(isinstance(model, Rehearsal | Generated) for model in models)


def _check_known_prices(team: Mapping[str, Definition], settings: SessionSettings, bound: Bound) -> None:
    """A session says from its beginning whether what it spends is known: agents without a price must be known."""
    unknown = sorted({each.model for each in team.values() if bound.facts_of(each.model).price is None})
    if settings.has_prices and unknown:
        names = ", ".join(f"'{name}'" for name in unknown)
        raise NoPrice(
            f"nobody knows the price of {names}, and all agents that the workflow names have one. Name the agent at "
            "the beginning, by @workflow(agents=[...]), or give the price in podium.toml"
        )


# --- resuming ----------------------------------------------------------------------------------------


def workflow_for(row: SessionRow, given: Workflow | None, *, imports: bool) -> Workflow:
    """The workflow that the session runs: the one that is given, or from the file it was started from.

    Shape: without `imports` no file is run; Podium's own workflows, such as those of plans, are always there.
    Errors: NeedsUnmet naming the program that has it; BadInput for another workflow.
    """
    need = next(need for need in row.needs if need.startswith(WORKFLOW))
    place, name, _ = place_of(need)
    if given is not None:
        if given.__name__ != name:
            raise BadInput(f"session {row.id} runs the workflow '{name}' of {place}, not '{given.__name__}'")
        return given
    if place.startswith(OWN):
        return own_workflow(place, name)
    file = Path(place)
    if imports and file.suffix == ".py" and file.is_file():
        return load_workflow(f"{file.name}:{name}", file.parent)
    raise NeedsUnmet(
        f"this session runs the workflow '{name}' of {place}, which lives in the program that started it"
        f"{f' ({row.program})' if row.program else ''}. Resume it there, by podium.resume(session_id, workflow={name})"
    )


def workflow_of(bound: Bound) -> Workflow | None:
    """The workflow that is bound already, or None."""
    return bound.program.workflow if isinstance(bound.program, PythonProgram) else None


def needs_of_workflow(workflow: Workflow, needs: Sequence[str]) -> list[str]:
    """What a session that runs it needs of its process: the workflow, which brings its tools, and models."""
    return [workflow.need, *(need for need in needs if not need.startswith("tool:"))]
