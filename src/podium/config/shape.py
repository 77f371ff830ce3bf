"""The shape of podium.toml, and what does not fit it in words for the one who wrote it."""

import json
import re
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from podium.core.json import JSON
from podium.core.money import Price
from podium.entry import Count, Entry, Problem, Seconds, Text, named, problem, wrong
from podium.models.upstream import Auth

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# What Podium puts into every request itself.
_OURS = frozenset(["max_tokens", "messages", "model", "stream", "system", "tools"])


def checked_url(url: str) -> str:
    """The URL of a server, without the last slash.

    Errors: PydanticCustomError, a ValueError, in words that follow the name of the place; a password is not repeated.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise wrong("is no URL: write one such as https://api.anthropic.com") from None
    if "@" in url or parts.query or parts.fragment:  # not repeated: it may hold a password
        raise wrong("must be a plain URL, without a user, a password, '?' or '#'; a key is named by 'key_env'")
    if parts.scheme not in ("http", "https") or not parts.hostname or any(char.isspace() for char in url):
        raise wrong(f"must be a URL such as https://api.anthropic.com, not {named(url)}")
    end = re.search(r"/v1(/messages)?/*$", parts.path)
    if end is not None:
        raise wrong(f"must not end with '{end[0]}': /v1/messages is added to it. Write {url[: -len(end[0])]}")
    return url.rstrip("/")


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):  # not repeated: it may be the key
        raise wrong("must be the name of an environment variable, such as ANTHROPIC_API_KEY; never the key itself")
    return name


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if name.lower() in ("authorization", "x-api-key"):
            raise wrong(f"must not hold '{name}': keys are never written here; use 'key_env' and 'auth'")
        if not _HEADER.fullmatch(name) or not value.isprintable():
            raise wrong(f"the header {named(name)} has characters that no header may have")
    return headers


def _dollars(value: Any) -> Decimal:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    amount = Decimal(str(value)) if is_number else Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise wrong(f"must be US dollars for a million tokens, 0 or more, not {named(value)}")
    return amount


def _options(options: dict[str, JSON]) -> dict[str, JSON]:
    for name, value in options.items():
        if name in _OURS:
            raise wrong(f"must not hold '{name}': Podium says it in each request")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise wrong(f"'{name}' must be what JSON can say: no dates, no inf, no nan") from None
    return options


Dollars = Annotated[Decimal, BeforeValidator(_dollars)]


class LimitsEntry(Entry):
    """How much may be asked at most; what is left out has no limit."""

    calls: Count | None = None
    """Calls under way at once."""
    requests_per_minute: Count | None = None
    """Calls begun within a minute."""
    tokens_per_minute: Count | None = None
    """Tokens read and written within a minute."""


class DeadlinesEntry(Entry):
    """How long a call may take, in seconds; what is left out is as usual for the server."""

    connect_s: Seconds | None = None
    """Until it is connected."""
    first_event_s: Seconds | None = None
    """Until its answer begins."""
    progress_s: Seconds | None = None
    """Between two pieces of the answer."""
    call_s: Seconds | None = None
    """All of it."""


class ProviderEntry(Entry):
    """A server that speaks the Anthropic Messages API."""

    base_url: Annotated[str, AfterValidator(checked_url)] | None = None
    """Where it is, without /v1/messages."""
    key_env: Annotated[str, AfterValidator(_variable)] | None = None
    """The environment variable that holds its key; a server on this machine may need none."""
    auth: Auth | None = None
    """The header that carries the key; x-api-key if left out."""
    caching: bool = True
    """Whether prompts are marked for its cache."""
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field(default_factory=dict)
    """Further headers of every request."""
    deadlines: DeadlinesEntry = DeadlinesEntry()
    """How long a call may take."""
    limits: LimitsEntry = LimitsEntry()
    """How much may be asked of it."""


class PriceEntry(Entry):
    """What a model costs, in US dollars for a million tokens; 0 is free."""

    input: Dollars
    """Tokens read."""
    output: Dollars
    """Tokens written."""
    cache_write: Dollars | None = None
    """Tokens put into the cache; 1.25 times input if left out."""
    cache_read: Dollars | None = None
    """Tokens read from the cache; a tenth of input if left out."""

    def price(self) -> Price:
        """The price, whole."""
        return Price(
            input=self.input,
            output=self.output,
            cache_write=self.input * Decimal("1.25") if self.cache_write is None else self.cache_write,
            cache_read=self.input * Decimal("0.1") if self.cache_read is None else self.cache_read,
        )


class ModelEntry(Entry):
    """A model by the name that agents call it; what is left out is as the list of models has it."""

    provider: Text | None = None
    """Whose it is; the default provider's if left out."""
    name: Text | None = None
    """What the provider calls it, if otherwise."""
    context_window: Count | None = None
    """Tokens that a request and its answer may have."""
    max_tokens: Count | None = None
    """Tokens that one answer may have."""
    price: PriceEntry | None = None
    """What it costs."""
    options: Annotated[dict[str, JSON], AfterValidator(_options)] = Field(default_factory=dict)
    """Further values of every request, such as temperature."""
    limits: LimitsEntry = LimitsEntry()
    """How much may be asked of it."""

    @model_validator(mode="after")
    def _fits(self) -> "ModelEntry":
        if self.max_tokens is not None and self.context_window is not None and self.max_tokens > self.context_window:
            raise wrong(f"max_tokens, {self.max_tokens:,}, is more than context_window, {self.context_window:,}")
        return self


class ConfigFile(Entry):
    """podium.toml: who serves models, and what is known of them."""

    default_provider: Text | None = None
    """Who serves the models that name nobody."""
    providers: dict[str, ProviderEntry] = Field(default_factory=dict)
    """Servers of models, by name."""
    models: dict[str, ModelEntry] = Field(default_factory=dict)
    """Models, by name."""


# --- what does not fit, in words ---------------------------------------------------------------------

_KEYS = frozenset(["api_key", "api-key", "apikey", "auth_token", "key", "password", "secret", "token"])
# Words of other tools, and what they are called here.
_MEANT = {
    "url": "base_url",
    "api_base": "base_url",
    "timeout": "deadlines",
    "context_length": "context_window",
    "max_output_tokens": "max_tokens",
    "cost": "price",
    "prompt_caching": "caching",
    "rate_limits": "limits",
    "temperature": "options",
}


def config_problem(details: Any) -> Problem:
    """An error of Pydantic's, as a place in podium.toml and our words."""
    place, said = problem(details, ConfigFile, _MEANT)
    is_key = details["type"] == "extra_forbidden" and len(place) == 3 and str(place[-1]).lower() in _KEYS
    if is_key and place[0] == "providers":
        said = "keys are never written here: put it into an environment variable, and name that by 'key_env'"
    return place, said
