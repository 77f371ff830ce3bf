"""Checks of a team file that see more than one value."""

from collections.abc import Iterator, Mapping

from podium.core.definitions import HARNESS_TOOLS, NO_CALLEES, SELF, tool_name
from podium.core.schema import check_schema
from podium.entry import Problem, Where
from podium.errors import BadInput, UnknownName
from podium.team.shape import AgentEntry, TeamFile
from podium.tools import BUILT_IN


def agent_problems(name: str, agent: AgentEntry) -> Iterator[Problem]:
    """What is wrong with an agent's name, tools, callees and schemas. Whether its callees are there is known before."""
    place: Where = ("agents", name)
    if not name.strip() or name == SELF or tool_name(name) in HARNESS_TOOLS | set(BUILT_IN):
        yield place, f"an agent cannot be called '{name}': the name is taken; rename it"
    taken: dict[str, str] = {}
    for index, tool in enumerate(agent.tools):
        where = (*place, "tools", index)
        if tool not in BUILT_IN:
            yield where, str(UnknownName("tool", tool, BUILT_IN))
        elif tool in taken:
            yield where, f"the tool '{tool}' is listed twice"
        taken[tool] = f"the tool '{tool}'"
    for tool in agent.permissions:
        if tool not in agent.tools:
            yield (*place, "permissions", tool), str(UnknownName("tool", tool, agent.tools))
    for index, callee in enumerate(agent.callable_agents):
        where = (*place, "callable_agents", index)
        called = tool_name(name if callee == SELF else callee)
        if callee == name:
            yield where, f"an agent that may call itself lists 'self', not '{name}'"
        elif called in taken:
            yield where, f"'{callee}' would be called by the name '{called}', and so is {taken[called]}; rename one"
        taken[called] = f"the agent '{callee}'"
    yield from _rule_problems(place, agent)
    for key, schema in (("input_schema", agent.input_schema), ("output_schema", agent.output_schema)):
        try:
            if schema is not None:
                check_schema(schema, where="")
        except BadInput as error:
            yield (*place, key), str(error).removeprefix(": ")
        except RecursionError:
            yield (*place, key), "is nested too deeply"


def _rule_problems(place: Where, agent: AgentEntry) -> Iterator[Problem]:
    """What is wrong with how calls of its agents are made again, and when they are over."""
    callees = agent.callable_agents
    if agent.retries and not callees:
        yield (*place, "retries"), NO_CALLEES
    elif isinstance(agent.retries, dict):
        for name in agent.retries:
            if name not in callees:
                yield (*place, "retries", name), str(UnknownName("agent", name, callees))
    if agent.join != "best_effort" and not (callees or agent.inline_agents):
        yield (*place, "join"), NO_CALLEES


def coordinator_problems(entry: TeamFile, coordinator: str | None) -> Iterator[Problem]:
    """What is wrong with who gets the task."""
    if "workflow" in entry.model_fields_set:
        if entry.workflow is None:
            yield ("workflow",), "must not be empty"
        elif entry.coordinator is not None:
            yield ("coordinator",), "a workflow says who does what, and nobody coordinates it; leave one of the two out"
        if entry.limits.live_threads is not None:
            yield (
                ("limits", "live_threads"),
                "does not hold for a workflow, whose calls begin when they are made; say concurrency: {session: "
                f"{entry.limits.live_threads}}}, or at_once in a map",
            )
    elif coordinator is None:
        yield (), f"'coordinator' is missing: name the agent that gets the task (one of {', '.join(entry.agents)})"
    elif coordinator not in entry.agents:
        yield ("coordinator",), str(UnknownName("agent", coordinator, entry.agents))


def concurrency_problems(entry: TeamFile, agents: Mapping[str, AgentEntry]) -> Iterator[Problem]:
    """What is wrong with the caps."""
    models = {agent.model for agent in agents.values() if agent.model is not None}
    for name in entry.concurrency.models:
        if name not in models:
            yield ("concurrency", "models", name), str(UnknownName("model", name, models))


def only_coordinator(agents: Mapping[str, AgentEntry]) -> str | None:
    """The one agent that can be meant: the only one, or the only one that has others work and is called by none."""
    if len(agents) == 1:
        return next(iter(agents))
    calls = {name: set(agent.callable_agents) - {SELF} for name, agent in agents.items()}
    called = set().union(*calls.values())
    tops = [name for name, callees in calls.items() if (callees or agents[name].inline_agents) and name not in called]
    return tops[0] if len(tops) == 1 else None
