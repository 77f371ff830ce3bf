"""Plans: steps for agents and what each of them waits for; what is wrong with one; how it is laid out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Literal

import msgspec

from podium.core.definitions import Agent
from podium.core.joins import MOST_RETRIES
from podium.core.json import JSON, digest
from podium.errors import BadInput, UnknownName

Join = Literal["all", "any", "best_effort"] | int
Fault = tuple[tuple[str | int, ...], str]  # where in the plan, as in ("steps", 2, "agent"), and what is wrong there
MOST_STEPS = 200
MOST_NAME = 64  # characters of a step's id, which is the name of its thread
MISSING = "missing"  # the part that tells which steps gave nothing


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one agent does, once the steps are done that it depends on; it is given their results and nothing else.

    Shape: `agent` is the name of an agent of the team. A step that failed, or ran out of time, is taken again up to
    `retries` times.
    """

    id: str
    agent: str
    task: str
    depends_on: tuple[str, ...] = ()
    expected_output: str = ""
    retries: int = 0


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, dict=True):
    """Steps towards a task, in any order.

    Shape: `join` says by its final steps, those that no other depends on, when the plan is done: "best_effort" when
    every step has ended in some way, "all" when all final steps are done, "any" when one is, a number when so many are.
    Only `problems` says whether it can be run.
    """

    task: str = ""
    steps: tuple[Step, ...] = ()
    join: Join = "best_effort"

    @classmethod
    def of(cls, value: JSON) -> "Plan":
        """The plan that this JSON value is. Errors: BadInput for a value of another shape."""
        try:
            return msgspec.convert(value, cls)
        except msgspec.ValidationError as error:
            raise BadInput(f"this is no plan: {error}") from None

    def as_json(self) -> JSON:
        """The plan as a JSON value, without what says nothing."""
        return msgspec.to_builtins(self)

    @cached_property
    def sha256(self) -> str:
        """What names this very plan."""
        return digest(self.as_json())

    @cached_property
    def finals(self) -> tuple[str, ...]:
        """The ids of the steps that no other depends on."""
        needed = {id for step in self.steps for id in step.depends_on}
        return tuple(step.id for step in self.steps if step.id not in needed)

    @property
    def least(self) -> int:
        """How many of its final steps must be done for the plan to be done."""
        named = {"all": len(self.finals), "any": 1, "best_effort": 0}
        return self.join if isinstance(self.join, int) else named[self.join]


# --- what is wrong with it -------------------------------------------------------------------------------------------


def problems(plan: Plan, agents: Mapping[str, Agent] | None = None) -> list[Fault]:
    """Everything that keeps the plan from being run by these agents; without agents their names are not looked at."""
    if not plan.steps:
        return [(("steps",), "the plan has no steps; it needs at least one")]
    if len(plan.steps) > MOST_STEPS:
        return [(("steps",), f"the plan has {len(plan.steps):,} steps, and may have {MOST_STEPS} at most; merge some")]
    known = [step.id for step in plan.steps]
    found = [fault for index, step in enumerate(plan.steps) for fault in _of_step(index, step, known, agents)]
    if not found:
        found += _circle(plan)
    return [*found, *(() if found else _of_join(plan))]


def check_plan(plan: Plan, agents: Mapping[str, Agent] | None = None) -> None:
    """Refuse a plan that cannot be run. Errors: BadInput that tells everything that is wrong with it."""
    if found := problems(plan, agents):
        listed = told(found)
        raise BadInput(listed[0] if len(listed) == 1 else "the plan has several problems:\n  " + "\n  ".join(listed))


def told(faults: Iterable[Fault]) -> list[str]:
    """The faults in words, each with its place: "steps[2].agent: unknown agent 'x'"."""
    return [f"{_dotted(place)}: {said}" for place, said in faults]


def _of_step(index: int, step: Step, ids: Sequence[str], agents: Mapping[str, Agent] | None) -> Iterator[Fault]:
    here = ("steps", index)
    is_line = step.id == step.id.strip() and step.id.isprintable()
    if not step.id or not is_line or len(step.id) > MOST_NAME:
        yield (*here, "id"), f"an id is one line of 1 to {MOST_NAME} characters, not {step.id!r:.80}"
    elif step.id == MISSING:
        yield (*here, "id"), f"a step cannot be called '{MISSING}': so the steps without a result are told; rename it"
    elif ids.index(step.id) < index:
        yield (*here, "id"), f"the id '{step.id}' is taken by step {ids.index(step.id) + 1}; ids are unique"
    if not step.task.strip():
        yield (*here, "task"), f"step '{step.id}' has no task"
    if not 0 <= step.retries <= MOST_RETRIES:
        yield (*here, "retries"), f"retries is a whole number from 0 to {MOST_RETRIES}, not {step.retries}"
    if agents is not None and step.agent not in agents:
        yield (*here, "agent"), str(UnknownName("agent", step.agent, agents))
    elif agents is not None and agents[step.agent].input_schema is not None:
        yield (
            (*here, "agent"),
            f"agent '{step.agent}' takes an input of its own form (input_schema), and a step has a task in words; "
            "give the step to another agent",
        )
    for nth, id in enumerate(step.depends_on):
        if id not in ids:
            yield (*here, "depends_on", nth), str(UnknownName("step", id, ids))
        elif step.depends_on.index(id) < nth:
            yield (*here, "depends_on", nth), f"'{id}' is named twice"


def _circle(plan: Plan) -> Iterator[Fault]:
    try:
        TopologicalSorter({step.id: step.depends_on for step in plan.steps}).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1][::-1]
        place = [step.id for step in plan.steps].index(circle[0])
        yield (
            ("steps", place, "depends_on"),
            f"steps depend on each other in a circle: {' -> '.join(circle)}. None of them could ever start; remove one "
            "of these dependencies",
        )


def _of_join(plan: Plan) -> Iterator[Fault]:
    if isinstance(plan.join, int) and not 1 <= plan.join <= len(plan.finals):
        yield (
            ("join",),
            f"{plan.join} final steps cannot be done: the plan has {len(plan.finals)} ({', '.join(plan.finals):.200})",
        )


def _dotted(place: Iterable[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")


# --- how it is laid out, for plans without problems ------------------------------------------------------------------


def levels(plan: Plan) -> list[list[Step]]:
    """The steps by how many must come before them, one after another: those of a level could all run at once."""
    depth = _depths(plan)
    laid: list[list[Step]] = [[] for _ in range(max(depth.values()))]
    for step in plan.steps:
        laid[depth[step.id] - 1].append(step)
    return laid


def longest_chain(plan: Plan) -> list[str]:
    """The ids of the most steps that must come one after another: the critical path, if all take the same time."""
    depth, steps = _depths(plan), {step.id: step for step in plan.steps}
    last = max(steps, key=lambda id: depth[id])
    chain = [last]
    while before := steps[chain[-1]].depends_on:
        chain.append(max(before, key=lambda id: depth[id]))
    return chain[::-1]


def _depths(plan: Plan) -> dict[str, int]:
    needs = {step.id: step.depends_on for step in plan.steps}
    depth: dict[str, int] = {}
    for id in TopologicalSorter(needs).static_order():
        depth[id] = 1 + max((depth[each] for each in needs[id]), default=0)
    return depth
