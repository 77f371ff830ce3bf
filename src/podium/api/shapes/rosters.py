"""Whom an agent may delegate to, as clients write it: a coordinator's agents, or today's three members."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from podium.api.shapes.body import Body
from podium.api.shapes.parts import Text, Version, one_of, reference

MAX_ROSTER = 20


class AgentReference(Body):
    """An agent, in this version or the newest."""

    type: Literal["agent"]
    id: Text
    version: Version | None = None


class SelfReference(Body):
    """The agent itself."""

    type: Literal["self"]


_KINDS: dict[str, type[Body]] = {"agent": AgentReference, "self": SelfReference}
_Entry = Annotated[
    Text | AgentReference | SelfReference, one_of("type", _KINDS, not_yet=("advisor",)), BeforeValidator(reference)
]
Entries = Annotated[list[_Entry], Field(max_length=MAX_ROSTER)]


class Coordinator(Body):
    """The older form: the agents that this one may start as threads."""

    type: Literal["coordinator"]
    agents: Annotated[list[_Entry], Field(min_length=1, max_length=MAX_ROSTER)]


class _Switch(Body):
    type: Literal["enabled", "disabled"]


_InlineAgents = Annotated[_Switch, one_of("type", {"enabled": _Switch, "disabled": _Switch})]


class _Enabled(Body):
    type: Literal["enabled"]
    inline_agents: _InlineAgents | None = None
    """Whether the agent may define one-off agents as it delegates; null is enabled."""
    predefined_agents: Entries | None = None
    """Stored agents it may delegate to; null is none."""


class _Disabled(Body):
    type: Literal["disabled"]


_Team = Annotated[_Enabled | _Disabled, one_of("type", {"enabled": _Enabled, "disabled": _Disabled})]
_Advisor = Annotated[_Disabled, one_of("type", {"disabled": _Disabled}, not_yet=("enabled",))]


class Multiagent20261001(Body):
    """Today's form: three members, each on or off; null is the default."""

    type: Literal["multiagent_20261001"]
    subagents: _Team | None = None
    """Threads that the agent may start; by default enabled."""
    workflows: _Team | None = None
    """Workflow runs that the agent may start; by default enabled. Stored, and without effect in this version."""
    advisor: _Advisor | None = None
    """By default disabled."""


AnyMultiagent = Annotated[
    Coordinator | Multiagent20261001,
    one_of("type", {"coordinator": Coordinator, "multiagent_20261001": Multiagent20261001}),
]
