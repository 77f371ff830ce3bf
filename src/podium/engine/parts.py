"""What a driver works with: the ports of this process, and what one session's program brought."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from podium.core.ports import Clock, Model, NewId, Place, Sandboxes, Store, Tool
from podium.core.session import SessionState
from podium.engine.hub import Hub
from podium.engine.limiter import Limiter


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The ports of this process.

    Shape: `sandboxes()` makes them at the first use; `place(state, thread)` makes the folders of a thread and says
    where they are.
    """

    store: Store
    clock: Clock
    new_id: NewId
    sandboxes: Callable[[], Sandboxes]
    place: Callable[[SessionState, str], Place]
    hub: Hub = field(default_factory=Hub)
    limiter: Limiter = field(default_factory=Limiter)


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Models by name, and tools by the name of their agent and their own, for one session."""

    models: Mapping[str, Model]
    tools: Mapping[tuple[str, str], Tool]
    sandbox_promises: Mapping[str, bool] = field(default_factory=dict)
    sandbox_backend: str = ""
