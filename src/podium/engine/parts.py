"""What a driver works with: the ports of this process, and what one session's program brought."""

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from podium.core.definitions import Definition
from podium.core.money import ModelFacts
from podium.core.ports import Clock, Model, NewId, Place, Sandboxes, Store, Tool
from podium.core.session import SessionState
from podium.engine.hub import Hub
from podium.engine.limiter import Limiter
from podium.engine.shelf import Shelf

UNKNOWN_MODEL = ModelFacts()


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The ports of this process.

    Shape: `sandboxes()` makes them at the first use; `place(state, thread)` makes the folders of a thread and says
    where they are. `chance` gives a number from 0 to 1.
    """

    store: Store
    clock: Clock
    new_id: NewId
    sandboxes: Callable[[], Sandboxes]
    place: Callable[[SessionState, str], Place]
    limiter: Limiter
    hub: Hub = field(default_factory=Hub)
    shelf: Shelf = field(default_factory=Shelf)
    chance: Callable[[], float] = random.random


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Models by name, and tools by the name of their agent and their own, for one session; what is known of models.

    Shape: `agents` are the versions of those that this was made for.
    """

    models: Mapping[str, Model]
    tools: Mapping[tuple[str, str], Tool]
    agents: Collection[str] = ()
    sandbox_promises: Mapping[str, bool] = field(default_factory=dict)
    sandbox_backend: str = ""
    facts: Mapping[str, ModelFacts] = field(default_factory=dict)

    def tool(self, definition: Definition, name: str) -> Tool:
        """The agent's tool of this name. One that another agent defined has that agent's."""
        return self.tools[definition.tools_from or definition.name, name]

    def facts_of(self, model: str) -> ModelFacts:
        """What is known of the model: nothing, if it was not told."""
        return self.facts.get(model, UNKNOWN_MODEL)
