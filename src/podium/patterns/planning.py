"""The pattern `plan`: an agent writes a plan, others take its steps without barriers, one puts the results together."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from podium.core.definitions import Agent
from podium.core.joins import MOST_RETRIES, RULES
from podium.core.json import JSON
from podium.core.plan import MOST_NAME, MOST_STEPS, Join, Plan, Step, check_plan, problems, told
from podium.errors import BadInput, CallFailed
from podium.patterns.handoff import Handoffs, hand_over
from podium.patterns.plan_steps import PlanResult, Walk, done
from podium.workflows.calls import CallResult
from podium.workflows.joins import NOf
from podium.workflows.run import WorkflowRun

Team = Agent | Mapping[str, Agent] | Iterable[Agent]
REPAIRS = 2

_ASK = """Plan how a team of agents does this task:

{task}

Give the plan as steps. Each step is done by one agent, which sees the step's own task, the results of the steps that \
it depends on, and nothing else: so a step's task says all that the agent must know, and `depends_on` names every step \
whose result it needs. A step starts as soon as those are done. Steps that do not need each other run at once, so \
depend only on what is needed. Do not do the task yourself. The results of the last steps are put together afterwards; \
that is no step of the plan."""

_SYNTHESISE = """{task}

This was worked on in steps. What they gave is below, under the names of the steps. Put it together into the answer to \
the task above, from these results alone."""

_INCOMPLETE = " Some steps gave no result; they are listed under `missing`. Say in the answer what is missing for that."


async def plan(
    run: WorkflowRun,
    task: str,
    *,
    planner: Agent,
    team: Team,
    synthesis: Agent | None = None,
    join: Join | NOf = "best_effort",
    retries: int = 0,
    repairs: int = REPAIRS,
    context: Any = None,
    handoff: Handoffs = None,
) -> PlanResult:
    """Have the planner write a plan for the task, the team take its steps, and an agent put the results together.

    Shape: `synthesis` is who does that, the planner if not given. `join` and `retries` are those of the plan and of its
    steps (see `Plan`). `context` is told to the planner. What is long goes by path, as `handoff` says. The result has
    the plan, each step's result, what is missing, and `synthesis`.
    Errors: BadInput at once; CallFailed if no plan came about; JoinFailed as in `run_plan`.
    """
    if synthesis is not None:
        told_in_words(synthesis, "put the results together")
    rules: dict[str, Any] = {"join": join, "retries": retries, "repairs": repairs}
    made = await make_plan(run, task, planner=planner, team=team, context=context, handoff=handoff, **rules)
    result = await run_plan(run, made, team, handoff=handoff)
    last = await synthesise(run, result, by=synthesis or alone(planner), handoff=handoff)
    return msgspec.structs.replace(result, synthesis=done("synthesis", last))


async def make_plan(
    run: WorkflowRun,
    task: str,
    *,
    planner: Agent,
    team: Team,
    join: Join | NOf = "best_effort",
    retries: int = 0,
    repairs: int = REPAIRS,
    context: Any = None,
    handoff: Handoffs = None,
) -> Plan:
    """A plan for the task that this team can run.

    Shape: the planner works without its own roster: it is to plan, not to call. It is told the agents by name, with
    their descriptions, and where its plan is wrong, what is; so often as `repairs` says. `context` is what it is told
    beside, as in `run.agent`. `join` and `retries` are those of the plan and of its steps.
    Errors: BadInput at once; CallFailed with what is wrong with the last plan.
    """
    agents = agents_of(team)
    able = checked_task(task, agents)
    rule = join.least if isinstance(join, NOf) else join
    for name, number in (("repairs", repairs), ("retries", retries)):
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= MOST_RETRIES:
            raise BadInput(f"{name} is a whole number from 0 to {MOST_RETRIES}, not {number!r:.40}")
    if rule not in RULES and (isinstance(rule, bool) or not isinstance(rule, int) or rule < 1):
        raise BadInput(f"join is one of {', '.join(map(repr, RULES))}, or a number of final steps, not {rule!r:.40}")
    told_in_words(planner, "write a plan")
    told_agents = {"agents": "\n".join(f"- {name}: {agent.description or '-'}" for name, agent in able.items())}
    asked, schema, last = alone(planner), plan_schema(able), dict[str, str]()
    while True:
        beside = [told_agents, last] if context is None else [told_agents, context, last]
        beside = await hand_over(run, beside, to=asked, by=handoff)
        call = run.agent(asked, _ASK.format(task=task), context=beside, output_schema=schema, name="plan")
        given = (await call).output
        steps = msgspec.convert([{**step, "retries": retries} for step in given["steps"]], tuple[Step, ...])
        made = Plan(task=task, steps=steps, join=rule)
        if not (wrong := told(problems(made, agents))):
            return made
        if not repairs:
            said = "; ".join(wrong)
            reason = f"the plan of '{planner.name}' cannot be run: {said}"
            raise CallFailed(
                f"no plan came about: {reason}", end="failed", name="plan", reason=reason, keys=[call.asked]
            )
        repairs -= 1
        shown = msgspec.json.encode(given).decode() if len(steps) <= MOST_STEPS else ""
        last = {"your last plan": shown, "what is wrong with it": "\n".join(wrong)}
        last = {name: said for name, said in last.items() if said}


async def run_plan(run: WorkflowRun, plan: Plan, team: Team, *, handoff: Handoffs = None) -> PlanResult:
    """Take the plan's steps: each as soon as what it depends on is there, given exactly those results.

    Shape: where a step gives no result, those that depend on it are skipped, and the others go on, as long as the
    plan's `join` can be met; when it is met, what is left is stopped.
    Errors: BadInput for a plan that this team cannot run; JoinFailed, with the PlanResult in `gathered`, if the rule
    cannot be met any more, or no step at all has a result.
    """
    agents = agents_of(team)
    if not isinstance(plan, Plan):
        raise BadInput(f"run_plan takes a Plan, not {plan!r:.80}; Plan.of(value) makes one of a JSON value")
    plan = Plan.of(plan.as_json())  # whatever stands in its fields
    check_plan(plan, agents)
    return await Walk(run, plan, agents, handoff).result()


async def synthesise(
    run: WorkflowRun, result: PlanResult, *, by: Agent, task: str = "", handoff: Handoffs = None
) -> CallResult:
    """The results put together by an agent, which is told what is missing.

    Shape: it is given the results that no other finished step was given. The task is the plan's if not given.
    Errors: CallFailed.
    """
    words = _SYNTHESISE.format(task=task or result.plan.task) + (_INCOMPLETE if result.missing else "")
    steps = msgspec.structs.replace(result, synthesis=None)  # one that was made before is made anew
    context = await hand_over(run, steps, to=by, by=handoff)
    return await run.agent(by, words.strip(), context=context, name="synthesis")


def agents_of(team: Team) -> dict[str, Agent]:
    """The agents of a team by name: of an agent those it may call, else those that are given. Errors: BadInput."""
    given = team.callable_agents if isinstance(team, Agent) else team
    listed = given.values() if isinstance(given, Mapping) else given
    agents: dict[str, Agent] = {}
    for agent in listed:
        if not isinstance(agent, Agent):
            if isinstance(team, Agent):
                continue  # "self"
            raise BadInput(
                f"a team is a list of agents, a mapping of names to them, or an agent with a roster, not {team!r:.80}"
            )
        if agents.setdefault(agent.name, agent) is not agent:
            raise BadInput(f"two agents of the team are called '{agent.name}'; rename one")
    if not agents:
        raise BadInput("the team has no agents; a plan needs at least one to take its steps")
    return agents


def checked_task(task: str, agents: Mapping[str, Agent]) -> dict[str, Agent]:
    """Those of the agents that can take steps of a plan for the task. Errors: BadInput if that cannot come about."""
    able = {name: agent for name, agent in agents.items() if agent.input_schema is None}
    if not able:
        raise BadInput(
            f"every agent of the team has an input_schema ({', '.join(agents)}), and a step has a task in words"
        )
    if not isinstance(task, str) or not task.strip():
        raise BadInput(f"a plan is made for a task, a text that says what to do, not {task!r:.80}")
    return able


def told_in_words(agent: Agent, what: str) -> None:
    """Refuse an agent for a task in words that takes something else. Errors: BadInput."""
    if agent.input_schema is not None:
        raise BadInput(
            f"agent '{agent.name}' is to {what}, and takes an input of its own form (input_schema) instead of a task; "
            "name another one"
        )


def alone(agent: Agent) -> Agent:
    """The agent without anybody to call."""
    return replace(agent, callable_agents=(), inline_agents=False, retries=0, join="best_effort")


def plan_schema(agents: Iterable[str]) -> dict[str, JSON]:
    """The JSON Schema of what a planner gives back, with the names of the agents it may give steps to."""
    text = {"type": "string", "minLength": 1}
    step: dict[str, JSON] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["id", "agent", "task"],
        "properties": {
            "id": {**text, "maxLength": MOST_NAME, "description": "A short name for the step; each has its own."},
            "agent": {"type": "string", "enum": list(agents), "description": "Who does it."},
            "task": {**text, "description": "What to do, complete in itself."},
            "depends_on": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Ids of the steps whose results it needs; left out if it needs none.",
            },
            "expected_output": {"type": "string", "description": "What to return, and in which form."},
        },
    }
    steps = {"type": "array", "minItems": 1, "items": step, "description": f"At most {MOST_STEPS} steps, in any order."}
    return {"type": "object", "additionalProperties": False, "required": ["steps"], "properties": {"steps": steps}}
