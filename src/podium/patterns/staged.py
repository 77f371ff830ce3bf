"""Stages as a workflow of its own, which takes a task: all that a session of it needs is frozen in its input."""

from collections.abc import Mapping, Sequence
from typing import Any

from podium.core.definitions import Agent
from podium.core.json import JSON
from podium.errors import BadInput
from podium.patterns.frozen import FrozenWorkflow, frozen, thawed
from podium.patterns.made import Made
from podium.patterns.stages import Going, Stage, called
from podium.workflows.run import WorkflowRun
from podium.workflows.workflow import MOST_NAME, Code


class StagedWorkflow(FrozenWorkflow):
    """Stages as a workflow, whose input is a task: a text. What it makes is `Made`."""

    def __init__(self, function: Code, *, stages: Sequence[Stage] = (), **how: Any) -> None:
        super().__init__(function, **how)
        self.stages = tuple(stages)

    def whole_input(self, given: JSON) -> JSON:
        """The task, with the agents and the stages. Errors: BadInput for what is no task."""
        if not isinstance(given, str) or not given.strip():
            raise BadInput(f"workflow '{self.name}' takes a task, a text that says what it is about, not {given!r:.80}")
        return {"about": given, "agents": frozen(self.agents), "name": self.name, "stages": list(self.stages)}

    def as_started(self, input: Any) -> "StagedWorkflow":
        """The workflow with the stages of this input."""
        return of_stages(input["name"], thawed(input["agents"]), input["stages"])


@StagedWorkflow
async def staged(
    run: WorkflowRun, about: str, agents: dict[str, JSON], name: str, stages: list[dict[str, Any]]
) -> Made:
    """Takes stages, one after the other."""
    going = Going(run, about, thawed(agents))
    for stage in stages:
        await going.take(stage)
    return going.made


def of_stages(name: str, agents: Mapping[str, Agent], stages: Sequence[Stage]) -> StagedWorkflow:
    """The workflow that takes these stages. Shape: `agents` by name; what the stages say is right (see `load_team`)."""
    names = dict.fromkeys(agent for stage in stages for _, agent in called(stage))
    return StagedWorkflow(
        staged.function,
        name=name[:MOST_NAME],
        phases=[stage["name"] for stage in stages],
        agents=[agents[each] for each in names],
        stages=stages,
    )
