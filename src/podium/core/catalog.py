"""Agents and environments as the server keeps them: their rows, and the port that keeps them.

What the versions of an agent are made of is in `core/revisions.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import msgspec

from podium.core.json import JSON
from podium.core.ports import Receipt


class AgentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a stored agent.

    Shape: `body` is the agent as the API answers it, without id, version and times: name, description, model, system,
    tools, mcp_servers, skills, multiagent, metadata, execution_identity, and of input_schema, output_schema and limits
    those that it has. All is resolved: toolsets show their defaults, rosters hold references to versions. A reference
    to the agent's own id is "self", and has the row's own version. `updated_at` is when this version was made;
    `archived_at` is of the agent.
    """

    id: str
    workspace: str
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None
    body: dict[str, JSON]


class EnvironmentRow(msgspec.Struct, frozen=True, kw_only=True):
    """A stored environment.

    Shape: `body` is the environment as the API answers it, without id and times: name, description, config, metadata,
    scope.
    """

    id: str
    workspace: str
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None
    body: dict[str, JSON]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The part of a list that is asked for; lists are newest first.

    Shape: `after` is the `next` of the page before. The times bound `created_at`.
    """

    limit: int
    after: int | None = None
    archived: bool = False
    gt: datetime | None = None
    gte: datetime | None = None
    lt: datetime | None = None
    lte: datetime | None = None


Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Row]):
    """Rows of a list, and where the next page begins; None if this is the last one."""

    rows: tuple[Row, ...]
    next: int | None


# An agent of the same workspace, by id: that version, or None for the newest. None if there is none.
Look = Callable[[str, int | None], AgentRow | None]
T = TypeVar("T")


class Catalog(Protocol):
    """The stored agents and environments of all workspaces.

    Nothing of one workspace is seen from another: an id of another one is NotFound. A version of an agent, once
    written, never changes. What is decided on rows (`make`, `change`, `look`) is a pure function: it is called in the
    one transaction that reads and writes, perhaps in another thread; if it raises, nothing is written and the caller
    gets what it raised. With a `receipt`, a thing is made once: the same request again gets the row of the first time.

    Errors: StoreDown, StoreCorrupt of each; Conflict if the receipt's key was used for another request.
    """

    async def create_agent(
        self, workspace: str, make: Callable[[Look], AgentRow], receipt: Receipt | None = None
    ) -> AgentRow:
        """Keep a new agent with its first version."""
        ...

    async def change_agent(self, workspace: str, id: str, change: Callable[[AgentRow, Look], AgentRow]) -> AgentRow:
        """Keep what `change` makes of the newest version: a new version if its number is the next one.

        Errors: NotFound.
        """
        ...

    async def agent(self, workspace: str, id: str, version: int | None = None) -> AgentRow:
        """That version, or the newest one. Errors: NotFound."""
        ...

    async def agents(self, workspace: str, wanted: Wanted) -> Page[AgentRow]:
        """The newest version of each agent; newest agents first."""
        ...

    async def versions(self, workspace: str, id: str, wanted: Wanted) -> Page[AgentRow]:
        """All versions of an agent, newest first. Errors: NotFound."""
        ...

    async def look(self, workspace: str, read: Callable[[Look], T]) -> T:
        """What a pure function finds out about several agents, at one moment."""
        ...

    async def create_environment(self, row: EnvironmentRow, receipt: Receipt | None = None) -> EnvironmentRow:
        """Keep a new environment."""
        ...

    async def change_environment(
        self, workspace: str, id: str, change: Callable[[EnvironmentRow], EnvironmentRow]
    ) -> EnvironmentRow:
        """Keep what `change` makes of it. Errors: NotFound."""
        ...

    async def environment(self, workspace: str, id: str) -> EnvironmentRow:
        """Errors: NotFound."""
        ...

    async def environments(self, workspace: str, wanted: Wanted) -> Page[EnvironmentRow]:
        """The environments, newest first."""
        ...

    async def delete_environment(self, workspace: str, id: str, check: Callable[[EnvironmentRow, int], None]) -> None:
        """Forget it. `check` is told the number of sessions that refer to it, and raises what forbids it.

        Errors: NotFound, and what `check` raises.
        """
        ...

    async def close(self) -> None:
        """Finish what was begun and let go of everything."""
        ...
