"""Limits, as people write them into team files and requests."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from podium.core.definitions import dollars
from podium.entry import Count, Entry, Seconds, wrong
from podium.errors import BadInput


def _dollars(value: Any) -> Decimal:
    try:
        return dollars("", value)
    except BadInput as error:
        raise wrong(str(error).strip()) from None


Dollars = Annotated[
    Decimal,
    BeforeValidator(_dollars),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]}),
]


class LimitsEntry(Entry):
    """Where an agent's thread is stopped; what is left out has no limit."""

    turns: Count | None = None
    """Model replies."""
    seconds: Seconds | None = None
    """Seconds of working time."""
    tokens: Count | None = None
    """Tokens read and written by its model calls."""
    usd: Dollars | None = None
    """US dollars at list price, with those it calls; a number, or a text."""


class SessionLimitsEntry(LimitsEntry):
    """Where the whole session is stopped; turns, tokens and dollars are sums over all its threads."""

    depth: Count = 2
    """Levels of delegation below the coordinator."""
    live_threads: Count | None = None
    """Child threads that have not ended, at one time."""
