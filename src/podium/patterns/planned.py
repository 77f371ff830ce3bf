"""Plans as sessions of their own: `planning` writes one, `planned` takes its steps and puts the results together.

All they need is frozen in their input, the agents too: so such a session goes on in any process, whatever became of the
files since.
"""

from collections.abc import Mapping
from typing import Any

from podium.core.definitions import Agent
from podium.core.json import JSON
from podium.core.plan import Plan, check_plan
from podium.errors import UnknownName
from podium.patterns.frozen import FrozenWorkflow, frozen, thawed
from podium.patterns.planning import alone, checked_task, make_plan, run_plan, synthesise, told_in_words
from podium.workflows.run import WorkflowRun
from podium.workflows.workflow import Workflow


@FrozenWorkflow
async def planning(run: WorkflowRun, about: str, agents: dict[str, JSON], planner: str) -> JSON:
    """Writes a plan."""
    team = thawed(agents)
    return (await make_plan(run, about, planner=team[planner], team=_takers(team, planner))).as_json()


@FrozenWorkflow
async def planned(
    run: WorkflowRun, about: str, agents: dict[str, JSON], plan: JSON, plan_sha256: str, synthesis: str = ""
) -> Any:
    """Takes the steps of a plan."""
    team = thawed(agents)
    run.phase("steps")
    result = await run_plan(run, Plan.of(plan), team)
    if not synthesis:
        return result.output
    run.phase("synthesis")
    return (await synthesise(run, result, by=alone(team[synthesis]))).output


def to_plan(task: str, planner: str, agents: Mapping[str, Agent]) -> tuple[Workflow, JSON]:
    """The workflow that has the planner write a plan for these agents, and its input. Errors: BadInput."""
    if planner not in agents:
        raise UnknownName("agent", planner, agents)
    told_in_words(agents[planner], "write a plan")
    checked_task(task, _takers(agents, planner))
    asked = alone(agents[planner])
    input = {"about": task, "agents": frozen([asked, *_takers(agents, planner).values()]), "planner": planner}
    return FrozenWorkflow(planning.function, agents=[asked]), input


def to_run(plan: Plan, agents: Mapping[str, Agent], synthesis: str) -> tuple[Workflow, JSON]:
    """The workflow that runs the plan, and its input; `synthesis` names who puts the results together, "" nobody.

    Errors: BadInput for a plan that these agents cannot run.
    """
    check_plan(plan, agents)
    called = {step.agent: agents[step.agent] for step in plan.steps}
    if synthesis:
        if synthesis not in agents:
            raise UnknownName("agent", synthesis, agents)
        told_in_words(agents[synthesis], "put the results together")
        called.setdefault(synthesis, alone(agents[synthesis]))
    input = {
        "about": plan.task or f"a plan of {len(plan.steps)} steps",
        "agents": frozen(called.values()),
        "plan": plan.as_json(),
        "plan_sha256": plan.sha256,
        "synthesis": synthesis,
    }
    return FrozenWorkflow(planned.function, agents=tuple(called.values())), input


def _takers(agents: Mapping[str, Agent], planner: str) -> Mapping[str, Agent]:
    """Who may be given steps: all but the planner, unless there is nobody else."""
    return {name: agent for name, agent in agents.items() if name != planner} or agents
