"""A lab with models of which something is known: a price, a context window."""

import dataclasses
from collections.abc import Coroutine, Mapping, Sequence
from decimal import Decimal
from typing import Any

from podium.core.money import ModelFacts, Price
from tests.lab.lab import Act, Lab, Live, Process
from tests.lab.log import Played

PRICED = ModelFacts(
    price=Price(input=Decimal(10), output=Decimal(50), cache_write=Decimal("12.5"), cache_read=Decimal(1)),
    max_tokens=2_000,
)
SMALL = ModelFacts(context_window=150)


class Stage(Lab):
    """Plays one session, with facts `known` of its models by name."""

    def __init__(self, *, known: Mapping[str, ModelFacts] | None = None, commit_s: float = 0.0, **lines: Any) -> None:
        super().__init__(commit_s=commit_s, **lines)
        self.known = known or {}

    def facts_of(self, model: str) -> ModelFacts:
        return self.known.get(model, ModelFacts())

    def _play(self, process: Process, began: Coroutine[Any, Any, Live | None], acts: Sequence[Act]) -> Played:
        async def informed() -> Live | None:
            live = await began
            if live is not None:  # its driver has not begun: that takes another turn of the loop
                live.driver.bound = dataclasses.replace(live.driver.bound, facts=self.known)
            return live

        return super()._play(process, informed(), acts)
