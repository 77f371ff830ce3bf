"""What model calls cost: prices, exact sums, and how much a call is expected to use.

Units: US dollars at list price, as Decimal, so that the sum over calls is exact.
"""

from dataclasses import dataclass
from decimal import Decimal

from podium.core.events import Usage

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


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What is known of a model; None is not known.

    Units: `context_window` and `max_tokens` (the output of one call) in tokens.
    """

    price: Price | None = None
    context_window: int | None = None
    max_tokens: int | None = None
