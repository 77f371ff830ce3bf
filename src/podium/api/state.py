"""What a running server has, as routes are given it."""

import asyncio
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

from fastapi import Depends, Request

from podium.api.definitions import Definitions
from podium.api.heard import Heard
from podium.app import Podium
from podium.core.catalog import Catalog
from podium.core.keys import Keys
from podium.core.ports import Clock, NewId
from podium.serving import Serving


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a server is set up.

    Shape: `host` is the address it listens on. `body_bytes` is how large a body may be, `head_s` and `body_s` how long
    the head and the body of a request may take to come. `most_at_once` is how many requests and streams there may be at
    once, None without a limit. A stream says that it is there when it was silent for `heartbeat_s`, and is cut off when
    its client took nothing for `stalled_s`. Whether its key is still good is asked every `key_s`.
    """

    host: str = "127.0.0.1"
    body_bytes: int = 32 * 1024 * 1024
    head_s: float = 30.0
    body_s: float = 30.0
    most_at_once: int | None = None
    heartbeat_s: float = 15.0
    stalled_s: float = 60.0
    key_s: float = 4.0


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server. `closing` is set when it is to end: what follows something then says its last and ends."""

    podium: Podium
    catalog: Catalog
    keys: Keys
    serving: Serving
    settings: Settings = Settings()
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    @cached_property
    def definitions(self) -> Definitions:
        """The agents of sessions."""
        return Definitions(self.podium.parts.store)

    @cached_property
    def heard(self) -> Heard:
        """Who has listened to which session."""
        return Heard(self.clock)

    @property
    def clock(self) -> Clock:
        return self.podium.parts.clock

    @property
    def new_id(self) -> NewId:
        return self.podium.parts.new_id


async def of_app(request: Request) -> Server:
    """The server that the request came to."""
    server: Server = request.app.state.server
    return server


Here = Annotated[Server, Depends(of_app)]
