"""Where a provider's model calls go."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Auth = Literal["x-api-key", "bearer"]


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """How long a model call may take. Units: seconds."""

    connect_s: float = 5.0
    first_event_s: float
    progress_s: float
    call_s: float


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """A server that speaks the Messages API, and how to call it.

    Shape: `base_url` without /v1/messages. `api_key` None sends no key.
    """

    provider: str
    base_url: str
    api_key: str | None = field(repr=False)
    auth: Auth
    deadlines: Deadlines
    headers: Mapping[str, str]
