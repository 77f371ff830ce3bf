"""What calls cost, where some prices may be unknown."""

from dataclasses import dataclass
from decimal import Decimal

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Cost:
    """Money spent; sums of costs are costs, and exact.

    Shape: `unknown` counts the calls that used tokens at a price nobody knows: they are no part of `usd`. `estimated`
    counts those whose `usd` is an estimate.
    Units: US dollars at list price.
    """

    usd: Decimal = ZERO
    unknown: int = 0
    estimated: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.usd + other.usd, self.unknown + other.unknown, self.estimated + other.estimated)

    def __str__(self) -> str:
        """Such as $0.0123, ~$0.0123 if some of it is estimated, $0.0123 + unknown, or ? if nothing of it is known."""
        if self.unknown and not self.usd:
            return "?"
        return ("~" if self.estimated else "") + dollars(self.usd) + (" + unknown" if self.unknown else "")

    @property
    def exact(self) -> str:
        """As `str`, with every place: what adds up exactly is seen to."""
        if self.unknown and not self.usd:
            return "?"
        places = max(4, -int(self.usd.normalize().as_tuple().exponent))
        return ("~" if self.estimated else "") + f"${self.usd:,.{places}f}" + (" + unknown" if self.unknown else "")

    @property
    def told(self) -> str:
        """For a line of figures: such as $0.0123, or "price unknown"; "" if nothing was spent."""
        if self.usd:
            return str(self)
        return "price unknown" if self.unknown else ""


def dollars(usd: Decimal) -> str:
    """An amount to read: four places below a dollar, two from there on; what is there never reads as nothing."""
    if not usd:
        return "$0"
    if usd < Decimal("0.0001"):
        return "<$0.0001"
    return f"${usd:.4f}" if usd < 1 else f"${usd:,.2f}"
