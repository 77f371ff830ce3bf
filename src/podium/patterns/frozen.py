"""Workflows that go on in any process: all they need is frozen in their input, the agents too."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from podium.core.definitions import SELF, Agent, Limits
from podium.core.json import JSON
from podium.core.rows import WORKFLOW
from podium.workflows.values import to_json
from podium.workflows.workflow import Workflow


class FrozenWorkflow(Workflow):
    """A workflow of Podium's own, whose input has all it needs, and what it is `about`."""

    @property
    def need(self) -> str:
        """What a process needs to go on with it: Podium itself."""
        return f"{WORKFLOW}{self.function.__module__}:{self.__name__}@{self.source}"

    def shown(self, input: JSON) -> str:
        """What it is about."""
        assert isinstance(input, dict)
        return str(input["about"])


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
        found[agent.name] = to_json({**kept, "callable_agents": callees}, f"agent '{agent.name}' of a frozen workflow")
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
