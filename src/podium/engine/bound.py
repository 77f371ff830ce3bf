"""What one session's program and the configuration brought for it: models and tools."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from podium.core.definitions import Definition
from podium.core.money import ModelFacts
from podium.core.ports import Model, Tool

UNKNOWN_MODEL = ModelFacts()


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

    def tool(self, definition: Definition, name: str) -> Tool | None:
        """The agent's tool of this name, if it has one. An agent that another one defined has that one's."""
        return self.tools.get((definition.tools_from or definition.name, name))

    def facts_of(self, model: str) -> ModelFacts:
        """What is known of the model: nothing, if it was not told."""
        return self.facts.get(model, UNKNOWN_MODEL)
