"""The one agent that a team is compared with: it has the tools of all its agents, and their prompts in one."""

from collections.abc import Sequence
from typing import Any

from podium.core.definitions import MAX_SYSTEM, Agent, Limits, with_all_below
from podium.errors import BadInput
from podium.needs import describe

SINGLE = "single"
_ALONE = """\
You do the whole task yourself, from its beginning to its end. Below are the instructions of a team, one agent after
another. You have the tools of all of them, but there is nobody to call: where the instructions speak of calling an
agent, or of reporting to one, do that agent's work yourself and go on."""


def single_of(team: Agent) -> Agent:
    """One agent with the tools and the joined prompts of the coordinator and all below it.

    Shape: it is called "single", and has the coordinator's model and output_schema. A tool asks a person if it does in
    any agent of the team. Its limits are those of the team's agents added up, where each of them has one; in dollars,
    the coordinator's.
    Errors: BadInput for an agent that calls nobody, for prompts that are too long together, and for two different tools
    of one name.
    """
    if not (team.callable_agents or team.inline_agents):
        raise BadInput(
            f"agent '{team.name}' calls nobody: it is one agent already, and there is no team to compare it with. "
            "Give it callable_agents"
        )
    agents = with_all_below(team)
    system = "\n\n".join([_ALONE, *(_part(agent) for agent in agents)])
    if len(system) > MAX_SYSTEM:
        raise BadInput(
            f"the prompts of the team of '{team.name}' have {len(system):,} characters together, and one agent takes "
            f"{MAX_SYSTEM:,}: there is no single agent to compare it with"
        )
    return Agent(
        SINGLE,
        model=team.model,
        description=f"Does alone what the team of '{team.name}' does.",
        system=system,
        tools=_tools(agents),
        output_schema=team.output_schema,
        permissions={
            tool: "always_ask"
            for agent in agents
            for tool, permission in agent.permissions.items()
            if permission == "always_ask"
        },
        limits=Limits(
            turns=_sum([agent.limits.turns for agent in agents]),
            seconds=_sum([agent.limits.seconds for agent in agents]),
            tokens=_sum([agent.limits.tokens for agent in agents]),
            usd=team.limits.usd,
        ),
    )


def _part(agent: Agent) -> str:
    about = f": {agent.description.strip()}" if agent.description.strip() else ""
    return f"## {agent.name}{about}\n\n{agent.system.strip()}".rstrip()


def _tools(agents: Sequence[Agent]) -> list[Any]:
    """The tools of all, each once."""
    named: dict[str, tuple[Agent, Any]] = {}
    for agent in agents:
        for tool in agent.tools:
            name = describe(tool, f"agent '{agent.name}'", {}).name
            owner, other = named.setdefault(name, (agent, tool))
            if other is not tool and other != tool:
                raise BadInput(
                    f"agents '{owner.name}' and '{agent.name}' have different tools called '{name}', and one agent "
                    "cannot have both. Rename one of them"
                )
    return [tool for _, tool in named.values()]


def _sum(limits: Sequence[Any]) -> Any:
    return None if None in limits else sum(limits)
