"""What one session's program and the configuration brought for it: models and tools."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from podium.core.definitions import Definition
from podium.core.money import ModelFacts
from podium.core.ports import Model, Tool
from podium.core.program import Program

UNKNOWN_MODEL = ModelFacts()


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Models by name, and tools by the name of their agent and their own, for one session; what is known of models.

    Shape: `agents` are the versions of those that this was made for. `program` is the workflow of a session that runs
    one; `extend` gives the same for more agents, which it calls. With `is_rehearsed` no model is real.
    """

    models: Mapping[str, Model]
    tools: Mapping[tuple[str, str], Tool]
    agents: Collection[str] = ()
    sandbox_promises: Mapping[str, bool] = field(default_factory=dict)
    sandbox_backend: str = ""
    facts: Mapping[str, ModelFacts] = field(default_factory=dict)
    program: Program | None = None
    extend: Callable[["Bound", Mapping[str, Definition]], Awaitable["Bound"]] | None = None
    is_rehearsed: bool = False

    def tool(self, definition: Definition, name: str) -> Tool | None:
        """The agent's tool of this name, if it has one. An agent that another one defined has that one's."""
        return self.tools.get((definition.tools_from or definition.name, name))

    def facts_of(self, model: str) -> ModelFacts:
        """What is known of the model: nothing, if it was not told."""
        return self.facts.get(model, UNKNOWN_MODEL)
