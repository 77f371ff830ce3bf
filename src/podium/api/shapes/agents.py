"""Agents as clients write them: to create, to update, and to start a session with."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, StringConstraints

from podium.api.shapes.body import Body
from podium.api.shapes.parts import (
    Description,
    Metadata,
    MetadataChange,
    Schema,
    Text,
    Version,
    one_of,
    reference,
    under,
)
from podium.api.shapes.rosters import AgentReference, AnyMultiagent, Entries
from podium.api.shapes.tools import Tools
from podium.core.definitions import MAX_SYSTEM
from podium.core.definitions import Effort as Level
from podium.entry import Count, Seconds
from podium.team.limits import Dollars

_LATER = frozenset(["mcp_servers", "skills"])
System = Annotated[str, StringConstraints(max_length=MAX_SYSTEM)]


class Effort(Body):
    """How hard the model thinks."""

    type: Level


class Model(Body):
    """A model, and how it is asked."""

    id: Text
    effort: Annotated[Effort | Level, BeforeValidator(under("type"))] | None = None
    inference_geo: Text | None = None
    speed: Literal["standard", "fast"] | None = None


AnyModel = Annotated[Model | Text, BeforeValidator(under("id"))]


class ServiceAccount(Body):
    """The one identity that agents run under."""

    type: Literal["service_account"]


Identity = Annotated[ServiceAccount, one_of("type", {"service_account": ServiceAccount}, not_yet=("aws_role",))]


class Limits(Body):
    """Where a thread of the agent is stopped; what is left out has no limit."""

    turns: Count | None = None
    """Model replies."""
    seconds: Seconds | None = None
    """Seconds of working time."""
    tokens: Count | None = None
    """Tokens read and written by its model calls."""
    usd: Dollars | None = None
    """US dollars at list price, with those it calls; a number, or a text."""


class _Changeable(Body):
    """What may be sent to create an agent and to update one; null clears it."""

    NOT_AVAILABLE: ClassVar[frozenset[str]] = _LATER
    description: Description | None = None
    """Tells a coordinator when to call this agent."""
    system: System | None = None
    """The system prompt."""
    tools: Tools | None = None
    multiagent: AnyMultiagent | None = None
    """Whom the agent may delegate to."""
    callable_agents: Entries | None = None
    """The same, as the research preview wrote it: the agents of a coordinator."""
    execution_identity: Identity | None = None
    input_schema: Schema | None = None
    """An extension: JSON Schema of what a coordinator must give to call this agent."""
    output_schema: Schema | None = None
    """An extension: JSON Schema of the result it owes its coordinator."""
    limits: Limits | None = None
    """An extension: where its threads are stopped."""


class AgentCreate(_Changeable):
    """An agent to create."""

    name: Text
    model: AnyModel
    metadata: Metadata | None = None


class AgentUpdate(_Changeable):
    """What to change of an agent; what is left out stays."""

    version: Version | None = None
    """The version that was seen; another one now is a conflict."""
    name: Text = ""
    model: AnyModel = ""
    metadata: MetadataChange | None = None
    """Pairs to set; null or "" deletes one."""


class AgentWithOverrides(Body):
    """An agent with something else in this session; what is left out is the agent's own, null or empty clears."""

    NOT_AVAILABLE: ClassVar[frozenset[str]] = _LATER
    type: Literal["agent_with_overrides"]
    id: Text
    version: Version | None = None
    model: AnyModel = ""
    system: System | None = None
    tools: Tools | None = None


SessionAgent = Annotated[
    Text | AgentReference | AgentWithOverrides,
    one_of("type", {"agent": AgentReference, "agent_with_overrides": AgentWithOverrides}),
    BeforeValidator(reference),
]
"""The agent of a new session: an id, or one of both objects; what it is read to is an object."""


class SessionAgentChange(Body):
    """What may change of a session's agent: replaced whole, null or empty clears."""

    NOT_AVAILABLE: ClassVar[frozenset[str]] = frozenset(["mcp_servers"])
    tools: Tools | None = None
