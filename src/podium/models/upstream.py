"""Where a provider's models answer, and how long it may take."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

Auth = Literal["x-api-key", "bearer"]  # the header that a key goes into


def is_anthropic(base_url: str) -> bool:
    """Whether Anthropic's own service answers there."""
    return urlsplit(base_url).hostname == "api.anthropic.com"


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """How long a model call may take: to connect, to its first event, without new content, and as a whole.

    Shape: pings are no content. The defaults leave a cold local model the time to load.
    Units: seconds.
    """

    connect_s: float = 5.0
    first_event_s: float = 600.0
    progress_s: float = 600.0
    call_s: float = 3600.0

    @classmethod
    def of(cls, base_url: str) -> "Deadlines":
        """The defaults for what answers there: api.anthropic.com is warm, so that silence means trouble sooner."""
        if is_anthropic(base_url):
            return cls(first_event_s=60.0, progress_s=90.0, call_s=900.0)
        return cls()


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """A provider: something that speaks the Messages API.

    Shape: `base_url` is what stands before "/v1/messages". `auth` is the header the key goes into; without a key there
    is none. `headers` go with every call. `proxy` is a URL; nothing is taken from the environment.
    """

    provider: str
    base_url: str
    deadlines: Deadlines
    api_key: str | None = field(default=None, repr=False)
    auth: Auth = "x-api-key"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # they may hold a key
    proxy: str | None = field(default=None, repr=False)  # and so may this

    @property
    def place(self) -> str:
        """Its host and port, for errors."""
        url = urlsplit(self.base_url)
        return f"{url.hostname}:{url.port or (80 if url.scheme == 'http' else 443)}"
