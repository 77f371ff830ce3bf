"""What model calls cost: prices, exact sums, and how much a call is expected to use.

Units: US dollars at list price, as Decimal, so that the sum over calls is exact.
"""

from dataclasses import dataclass
from decimal import Decimal

import msgspec

from podium.core.events import Amount, BudgetLimit, CacheCreation, Usage, UsageSnapshot

MILLION = Decimal(1_000_000)
DEFAULT_OUTPUT_TOKENS = 16_384  # of one call, where nothing is said of the model
HAND_OVER_TOKENS = 1024  # of the last short turn; so much is kept back from all other calls


@dataclass(frozen=True, kw_only=True)
class Price:
    """A model's list price. Units: US dollars for a million tokens."""

    input: Decimal
    output: Decimal
    cache_write: Decimal
    cache_read: Decimal

    def cost(self, usage: Usage) -> Decimal:
        """What these tokens cost."""
        return (
            self.input * usage.input_tokens
            + self.output * usage.output_tokens
            + self.cache_write * usage.cache_creation_input_tokens
            + self.cache_read * usage.cache_read_input_tokens
        ) / MILLION

    def most(self, input_tokens: int, output_tokens: int) -> Decimal:
        """The most that a call may cost: all of its input may be written to the cache."""
        dearest = max(self.input, self.cache_write, self.cache_read)
        return (dearest * input_tokens + self.output * output_tokens) / MILLION


def cents(usd: Decimal) -> Amount:
    """The amount as the wire writes it."""
    return Amount(f"{(usd * 100).normalize():f}")


def budget_of(usd: Decimal | None) -> BudgetLimit | None:
    """A session's limit in dollars as the wire writes it."""
    return None if usd is None else BudgetLimit(cents(usd))


def dollars_of(budget: BudgetLimit) -> Decimal:
    """What the wire's budget is in dollars."""
    return Decimal(budget.max_list_cost.amount) / 100


def snapshot(usage: Usage, usd: Decimal | None, active_s: float) -> UsageSnapshot:
    """What was used up, as the wire shows it. Shape: `usd` None where it is not known."""
    return UsageSnapshot(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_input_tokens=usage.cache_read_input_tokens,
        cache_creation=CacheCreation(usage.cache_creation_input_tokens),
        list_cost=msgspec.UNSET if usd is None else cents(usd),
        active_seconds=round(active_s, 6),
    )


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What is known of a model; None is not known.

    Units: `context_window` and `max_tokens` (the output of one call) in tokens.
    """

    price: Price | None = None
    context_window: int | None = None
    max_tokens: int | None = None
