"""Where flows happen: the SDK's clients, pointed at the server by the environment alone, and shortcuts for what recurs.

ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY are what every program of the SDK reads. PODIUM_READER_KEY is a key that may
only read sessions.
"""

import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import anthropic

from tests.api.sdk.record import AsyncRecording, Exchange, Recording, httpx

MAJOR = int(anthropic.__version__.split(".")[0])
MODEL = "claude-test-1"
TOOLSET = "agent_toolset_20260401"
_PATIENCE_S = 20.0


class World:
    """One flow's clients and what they saw."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        http = httpx.Client(transport=Recording(self.exchanges), timeout=_PATIENCE_S)
        # Untyped: one source for three generations of the SDK, whose types differ.
        self.client: Any = anthropic.Anthropic(http_client=http, timeout=_PATIENCE_S)
        self.beta: Any = self.client.beta

    @contextlib.asynccontextmanager
    async def asynchronous(self) -> AsyncIterator[anthropic.AsyncAnthropic]:
        """The asynchronous client."""
        http = httpx.AsyncClient(transport=AsyncRecording(self.exchanges), timeout=_PATIENCE_S)
        async with anthropic.AsyncAnthropic(http_client=http, timeout=_PATIENCE_S) as client:
            yield client

    def with_key(self, key: str) -> Any:
        """A client with another key."""
        return self.client.with_options(api_key=key)

    @property
    def reader(self) -> Any:
        """A client that may only read sessions."""
        return self.with_key(os.environ["PODIUM_READER_KEY"])

    # --- resources ---------------------------------------------------------------------------

    def agent(self, name: str | None = "worker", **given: Any) -> Any:
        """An agent with this name."""
        return self.beta.agents.create(**{"name": name, "model": MODEL, **given})

    def environment(self) -> Any:
        return self.beta.environments.create(name=unique("env"), config={"type": "cloud"})

    def session(self, agent: Any, **given: Any) -> Any:
        """A session of this agent in an environment of its own."""
        named = agent if isinstance(agent, str | dict) else agent.id
        return self.beta.sessions.create(**{"agent": named, "environment_id": self.environment().id, **given})

    # --- events ------------------------------------------------------------------------------

    def send(self, session: str, *events: Any) -> Any:
        """Post these events; a text is a user.message."""
        return self.beta.sessions.events.send(session, events=[told(one) for one in events])

    def turn(self, session: str, *events: Any, until: "Callable[[Any], bool] | None" = None, **given: Any) -> list[Any]:
        """Open a stream, send, and read until the session is idle: the recipe of the API's documentation."""
        with self.beta.sessions.events.stream(session, **given) as stream:
            self.send(session, *events)
            return read(stream, until or is_idle)

    def settle(self, session: str) -> None:
        """Wait until the session's turn is over, however far it is."""
        with self.beta.sessions.events.stream(session) as stream:
            if self.beta.sessions.retrieve(session).status != "idle":
                read(stream, lambda event: is_idle(event) and event.stop_reason.type != "requires_action")

    def listed(self, session: str, **given: Any) -> list[Any]:
        """The session's whole list of events."""
        return list(self.beta.sessions.events.list(session, limit=1000, **given))

    def kinds(self, session: str, **given: Any) -> list[str]:
        return [event.type for event in self.listed(session, **given)]

    def primary(self, session: str) -> Any:
        """The session's primary thread."""
        [primary] = [one for one in self.beta.sessions.threads.list(session) if one.parent_thread_id is None]
        return primary

    def child(self, session: str) -> Any:
        """The session's only child thread."""
        [child] = [one for one in self.beta.sessions.threads.list(session) if one.parent_thread_id is not None]
        return child

    def posts_of(self, path: str) -> list[Exchange]:
        """The POSTs that went to this path."""
        return [one for one in self.exchanges if one.method == "POST" and one.path == path]


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


def told(event: Any) -> Any:
    """The event; a text as a user.message."""
    return event if isinstance(event, dict) else {"type": "user.message", "content": [text(event)]}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def words(event: Any) -> str:
    """What an event says."""
    return "".join(block.text for block in event.content)


def read(stream: Iterable[Any], until: Callable[[Any], bool]) -> list[Any]:
    """The events up to and including the first one that is it.

    Errors: AssertionError if the stream ends before.
    """
    seen = []
    for event in stream:
        seen.append(event)
        if until(event):
            return seen
    raise AssertionError(f"the stream ended; it said {[event.type for event in seen]}")


def is_idle(event: Any) -> bool:
    return bool(event.type == "session.status_idle")


def is_kind(kind: str) -> Callable[[Any], bool]:
    return lambda event: event.type == kind


def of(events: Iterable[Any], kind: str) -> list[Any]:
    """Those of this kind."""
    return [event for event in events if event.type == kind]


def only(events: Iterable[Any], kind: str) -> Any:
    """The one event of this kind."""
    found = of(events, kind)
    assert len(found) == 1, f"{len(found)} events of the kind {kind}"
    return found[0]


@contextlib.contextmanager
def raises(kind: type[Exception], *, saying: str = "") -> Iterator[list[Any]]:
    """The block must raise this; the exception is in the list afterwards."""
    caught: list[Any] = []
    try:
        yield caught
    except kind as error:
        caught.append(error)
    assert caught, f"{kind.__name__} was not raised"
    assert saying in str(caught[0]), f"{saying!r} is not in {caught[0]}"
