"""Plans as sessions of their own: `planning` writes one, `planned` takes its steps and puts the results together.

All they need is frozen in their input, the agents too: so such a session goes on in any process, whatever became of the
files since.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from podium.core.definitions import SELF, Agent, Limits
from podium.core.json import JSON
from podium.core.plan import Plan, check_plan
from podium.core.rows import WORKFLOW
from podium.errors import UnknownName
from podium.patterns.planning import alone, checked_task, make_plan, run_plan, synthesise, told_in_words
from podium.workflows.run import WorkflowRun
from podium.workflows.values import to_json
from podium.workflows.workflow import Workflow


class PlanWorkflow(Workflow):
    """A workflow of this file, with the agents that it is to call."""

    @property
    def need(self) -> str:
        """What a process needs to go on with it: Podium itself."""
        return f"{WORKFLOW}{__name__}:{self.__name__}@{self.source}"

    def shown(self, input: JSON) -> str:
        """What it is about."""
        assert isinstance(input, dict)
        return str(input["about"])


@PlanWorkflow
async def planning(run: WorkflowRun, about: str, agents: dict[str, JSON], planner: str) -> JSON:
    """Writes a plan."""
    team = thawed(agents)
    return (await make_plan(run, about, planner=team[planner], team=_takers(team, planner))).as_json()


@PlanWorkflow
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
    return PlanWorkflow(planning.function, agents=[asked]), input


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
    return PlanWorkflow(planned.function, agents=tuple(called.values())), input


def _takers(agents: Mapping[str, Agent], planner: str) -> Mapping[str, Agent]:
    """Who may be given steps: all but the planner, unless there is nobody else."""
    return {name: agent for name, agent in agents.items() if name != planner} or agents


def frozen(agents: Iterable[Agent]) -> dict[str, JSON]:
    """The agents and all they may call, by name, as JSON. Errors: BadInput for one with functions of a program."""
    found: dict[str, JSON] = {}

    def freeze(agent: Agent) -> None:
        if agent.name in found:
            return
        given = {each.name: getattr(agent, each.name) for each in fields(agent) if each.name != "name"}
        kept = {name: value for name, value in given.items() if value not in (None, "", (), {}, False)}
        kept["limits"] = {name: value for name, value in vars(agent.limits).items() if value is not None}
        callees = [callee.name if isinstance(callee, Agent) else SELF for callee in agent.callable_agents]
        found[agent.name] = to_json({**kept, "callable_agents": callees}, f"agent '{agent.name}' of a plan")
        for callee in agent.callable_agents:
            if isinstance(callee, Agent):
                freeze(callee)

    for agent in agents:
        freeze(agent)
    return found


def thawed(agents: Mapping[str, Any]) -> dict[str, Agent]:
    """The agents that were frozen."""
    made: dict[str, Agent] = {}

    def thaw(name: str) -> Agent:
        if name not in made:
            given = dict(agents[name])
            callees = [SELF if callee == SELF else thaw(callee) for callee in given.pop("callable_agents")]
            made[name] = Agent(name, **{**given, "limits": Limits(**given["limits"]), "callable_agents": callees})
        return made[name]

    return {name: thaw(name) for name in agents}
