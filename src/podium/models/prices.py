"""List prices and context windows of models, from the list in `genai-prices`; it is never updated online."""

from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from podium.core.money import ModelFacts, Price

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice, TieredPrices


def facts_of(model: str, base_url: str, *, context_window: int | None = None, at: datetime | None = None) -> ModelFacts:
    """What the list says of this model at this server, at that time or now; nothing of a server on this machine.

    Shape: a server the list does not know has no prices, whatever its models are called: it may ask what it likes.
    Where a price rises with the length of the prompt, the price is that of a prompt that fills the context window, so
    that no cost is too low; and without a `context_window`, it ends where the price first rises. Without a price for
    cached tokens of its own, a model charges plain input for them. The list knows nothing of `max_tokens`.
    """
    if is_local(base_url):
        return ModelFacts()
    from genai_prices import Usage, calc_price  # here, because it is a list of 30,000 lines

    try:
        found = calc_price(Usage(), model, provider_api_url=base_url, genai_request_timestamp=at or datetime.now(UTC))
    except LookupError:
        return ModelFacts()
    window = context_window or min(filter(None, (found.model.context_window, _rise(found.model_price))), default=None)
    return ModelFacts(price=_price(found.model_price, window), context_window=window)


def is_local(base_url: str) -> bool:
    """Whether this server runs on this machine: its address is a loopback one."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


_KINDS = ("input_mtok", "output_mtok", "cache_write_mtok", "cache_read_mtok")


def _listed(prices: "ModelPrice", kind: str) -> "Decimal | TieredPrices | None":
    listed: Decimal | TieredPrices | None = getattr(prices, kind, None)
    return listed


def _rise(prices: "ModelPrice") -> int | None:
    """The shortest prompt, in tokens, beyond which something costs more."""
    listed = [_listed(prices, kind) for kind in _KINDS]
    return min(
        (tier.start for it in listed if it is not None and not isinstance(it, Decimal) for tier in it.tiers),
        default=None,
    )


def _price(prices: "ModelPrice", window: int | None) -> Price | None:
    def of(kind: str) -> Decimal | None:
        listed = _listed(prices, kind)
        if listed is None or isinstance(listed, Decimal):
            return listed
        reached = [tier.price for tier in listed.tiers if window is None or tier.start < window]
        return max([listed.base, *reached])

    read, written = of("input_mtok"), of("output_mtok")
    if read is None or written is None:
        return None
    to_cache, from_cache = of("cache_write_mtok"), of("cache_read_mtok")
    return Price(
        input=read,
        output=written,
        cache_write=read if to_cache is None else to_cache,
        cache_read=read if from_cache is None else from_cache,
    )
