"""Sessions as clients write them: to create, and to update."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, StringConstraints

from podium.api.shapes.agents import SessionAgent, SessionAgentChange
from podium.api.shapes.body import Body, wrong
from podium.api.shapes.events import FirstEvents
from podium.api.shapes.parts import Metadata, MetadataChange, Text

Title = Annotated[str, StringConstraints(max_length=1000)]
_LATER = frozenset(["resources", "vault_ids"])


def _cents(amount: str) -> str:
    try:
        cents = Decimal(amount)
    except InvalidOperation:
        cents = Decimal(0)
    if not cents.is_finite() or cents <= 0:
        raise wrong(f'must be an amount of cents above 0 as a decimal text, such as "250", not {amount!r:.40}')
    return amount


class Money(Body):
    """An amount. Units: `amount` is US cents as a decimal text."""

    amount: Annotated[str, StringConstraints(max_length=40), AfterValidator(_cents)]
    currency: Literal["USD"]


class Budget(Body):
    """The most that a session may cost at list price."""

    type: Literal["limit"]
    max_list_cost: Money

    @property
    def usd(self) -> Decimal:
        """In dollars, exactly."""
        return Decimal(self.max_list_cost.amount) / 100


class SessionCreate(Body):
    """A session to create."""

    NOT_AVAILABLE: ClassVar[frozenset[str]] = _LATER
    agent: SessionAgent
    environment_id: Text
    title: Title | None = None
    metadata: Metadata | None = None
    budget: Budget | None = None
    """The most it may cost; it can be raised later, and taken away for good."""
    initial_events: FirstEvents | None = None
    """With events the session runs at once."""


class SessionUpdate(Body):
    """What to change of a session; what is left out stays."""

    NOT_AVAILABLE: ClassVar[frozenset[str]] = frozenset(["vault_ids"])
    title: Title | None = None
    metadata: MetadataChange | None = None
    """Pairs to set; null deletes one."""
    budget: Budget | None = None
    """A budget above what is used up; null takes it away for good."""
    agent: SessionAgentChange | None = None
    """Other tools for this session's agent, while it is idle."""
