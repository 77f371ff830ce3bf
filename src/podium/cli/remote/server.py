"""A server of the Managed Agents API, through the official client: agents, an environment, a session, its inputs."""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from podium.cli.bar import Answer
from podium.cli.remote.agents import EXTENSIONS, MARK, WireAgent
from podium.cli.text import one_line
from podium.core.definitions import SELF
from podium.core.json import JSON
from podium.errors import BadInput, PodiumError, Refused

if TYPE_CHECKING:  # importing the command line imports no vendor's package
    from anthropic import AsyncAnthropic

ENVIRONMENT = "podium"  # the environment that is made where there is none of this name
KEYS = ("PODIUM_SERVER_KEY", "ANTHROPIC_API_KEY")
_CONNECT_S = 5.0
_SILENT_S = 120.0  # a server sends a comment every few seconds; one that is silent for so long is gone


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A session that was created. Shape: `primary` is its primary thread, `agent` that thread's agent's id."""

    id: str
    at: datetime
    title: str
    primary: str
    agent: str


def key_for(url: str, given: str | None) -> str:
    """The key to send there.

    Errors: BadInput if there is none. One of Anthropic's own is sent to nobody else.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(f"--server '{url}': write it as http://HOST:PORT or https://HOST")
    is_hosted = f".{parts.hostname}".endswith(".anthropic.com")
    for key in (given, *(os.environ.get(name) for name in KEYS)):
        if key and (is_hosted or not key.startswith("sk-ant-") or key == given):
            return key
    raise BadInput(
        f"there is no key for {url}: set PODIUM_SERVER_KEY, or ANTHROPIC_API_KEY as `podium serve` prints it "
        "(`podium key create`, where the server runs, makes one)"
    )


def is_in_the_clear(url: str) -> bool:
    """Whether anybody between here and the server can read what is sent, the key too."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        is_here = ip_address(host).is_loopback
    except ValueError:
        is_here = host == "localhost" or host.endswith(".localhost")
    return parts.scheme == "http" and not is_here


@asynccontextmanager
async def connected(url: str, key: str) -> "AsyncIterator[AsyncAnthropic]":
    """The client. Nothing is sent yet."""
    import httpx2
    from anthropic import AsyncAnthropic

    timeout = httpx2.Timeout(_SILENT_S, connect=_CONNECT_S)
    async with AsyncAnthropic(base_url=url, api_key=key, timeout=timeout) as client:
        yield client


class Account:
    """What a key may do on a server. Errors: BadInput for what the server refuses, PodiumError for what it cannot."""

    def __init__(self, client: "AsyncAnthropic", url: str) -> None:
        self.client = client
        self.url = url

    async def agents(self, wanted: list[WireAgent]) -> dict[str, tuple[str, int]]:
        """The agents, with their ids and versions by name: found as they are, brought up to date, or created."""
        with self.told():
            found: dict[tuple[str, str], Any] = {}
            async for stored in self.client.beta.agents.list(limit=100):
                if (team := stored.metadata.get(MARK)) is not None:
                    found.setdefault((team, stored.name), stored.to_dict(mode="json", warnings=False))
        known: dict[str, tuple[str, int]] = {}
        for agent in wanted:
            with self.told(f"agent '{agent.name}': "):
                old = found.get((agent.body["metadata"][MARK], agent.name))
                known[agent.name] = await self._agent(agent, known, old)
        return known

    async def _agent(
        self, agent: WireAgent, known: Mapping[str, tuple[str, int]], old: dict[str, JSON] | None
    ) -> tuple[str, int]:
        body, agents = agent.whole(known), self.client.beta.agents
        named = _named(body)
        if old is None:
            made = await agents.create(**named, extra_body=_extensions(body), extra_headers=_once())
            return made.id, made.version
        cleared = {name: None for name in EXTENSIONS if old.get(name) is not None}
        own = str(old["id"]), int(old["version"])
        if holds({**cleared, **agent.whole({**known, SELF: own})}, old):
            return own
        changed = await agents.update(own[0], **named, extra_body={**cleared, **_extensions(body)})
        return changed.id, changed.version

    async def environment(self) -> str:
        """The environment that sessions of ours are made in."""
        with self.told():
            async for environment in self.client.beta.environments.list(limit=100):
                if environment.name == ENVIRONMENT and environment.archived_at is None:
                    return environment.id
            made = await self.client.beta.environments.create(
                name=ENVIRONMENT, config={"type": "cloud"}, extra_headers=_once()
            )
            return made.id

    async def begin(
        self, agent: tuple[str, int], environment: str, task: str, title: str, budget: dict[str, JSON] | None
    ) -> Begun:
        """A session that works on the task."""
        more: dict[str, Any] = {} if budget is None else {"budget": budget}
        with self.told():
            session = await self.client.beta.sessions.create(
                agent={"type": "agent", "id": agent[0], "version": agent[1]},
                environment_id=environment,
                title=title,
                initial_events=[{"type": "user.message", "content": [{"type": "text", "text": task}]}],
                extra_headers=_once(),
                **more,
            )
            async for thread in self.client.beta.sessions.threads.list(session.id):
                if thread.parent_thread_id is None:
                    return Begun(id=session.id, at=session.created_at, title=title, primary=thread.id, agent=agent[0])
        raise PodiumError(f"the server at {self.url} names no primary thread of session {session.id}")

    async def cost(self, session: str, thread: str) -> Decimal | None:
        """What a thread has cost up to its last rest, in dollars; None where it is not known."""
        with self.told():
            usage = (await self.client.beta.sessions.threads.retrieve(thread, session_id=session)).usage
        cost = usage.list_cost if usage is not None else None
        return None if cost is None else Decimal(cost.amount) / 100

    async def interrupt(self, session: str) -> None:
        """Stop all that the session does."""
        with self.told():
            await self.client.beta.sessions.events.send(
                session, events=[{"type": "user.interrupt"}], extra_headers=_once()
            )

    async def answer(self, session: str, answer: Answer) -> None:
        """Give a person's answer to a call. Errors: Refused if it waits no more."""
        event: dict[str, Any] = {
            "type": "user.tool_confirmation",
            "tool_use_id": answer.call,
            "result": "allow" if answer.allow else "deny",
        }
        if answer.reason:
            event["deny_message"] = answer.reason
        events: Any = [event]
        try:
            with self.told():
                await self.client.beta.sessions.events.send(session, events=events, extra_headers=_once())
        except BadInput as error:
            raise Refused(str(error)) from None

    @contextmanager
    def told(self, where: str = "") -> Iterator[None]:
        """What goes wrong, in our words."""
        import anthropic

        try:
            yield
        except anthropic.APIStatusError as error:
            raise _refusal(
                f"{where}the server at {self.url}", error.status_code, _message(error.body) or str(error)
            ) from None
        except anthropic.APIConnectionError as error:
            raise PodiumError(
                f"the server at {self.url} could not be reached ({error.__cause__ or error}); check that it runs there"
            ) from None


def holds(wanted: JSON, stored: JSON) -> bool:
    """Whether what is stored says all that is wanted; the server adds defaults, and writes a model as an object."""
    if isinstance(wanted, Mapping) and isinstance(stored, Mapping):
        return all(holds(value, stored.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(stored, list):
        pairs = zip(wanted, stored, strict=False)
        return len(wanted) == len(stored) and all(holds(one, other) for one, other in pairs)
    if isinstance(wanted, str) and isinstance(stored, Mapping):
        return wanted == stored.get("id")
    return bool(wanted == stored)


def _refusal(server: str, status: int, said: str) -> PodiumError:
    told = f"{server} answers {status}: {one_line(said, 500)}"
    if status == 401:
        told += ". Give it one of its own keys, by PODIUM_SERVER_KEY or --key"
    return BadInput(told) if 400 <= status < 500 and status not in (408, 409, 429) else PodiumError(told)


def _message(body: object) -> str:
    match body:
        case {"error": {"message": str(message)}}:
            return message
        case _:
            return ""


def _named(body: Mapping[str, JSON]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in EXTENSIONS}


def _extensions(body: Mapping[str, JSON]) -> dict[str, JSON]:
    return {name: value for name, value in body.items() if name in EXTENSIONS}


def _once() -> dict[str, str]:
    """Headers under which the server does this once, also if the client tries again after a lost answer."""
    return {"Idempotency-Key": uuid4().hex}
