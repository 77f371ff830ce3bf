"""A workspace with one of everything, so that every route has something to be asked about."""

import re
from dataclasses import dataclass
from typing import Any

from tests.api.server import MODEL, Served

OPEN = {"/health", "/openapi.json"}  # they need no key
_SEGMENT = re.compile(r"/(\w+)/\{(\w+)(?::path)?\}")
_KINDS = {"agents": "agent", "environments": "environment", "sessions": "session", "threads": "thread"}


@dataclass(frozen=True)
class Route:
    """A method at a path of the OpenAPI document."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def names_something(self) -> bool:
        """Whether its path has an id of a workspace's."""
        return any(kind in _KINDS for kind, _ in _SEGMENT.findall(self.path))

    @property
    def is_of_sessions(self) -> bool:
        return self.path.startswith("/v1/sessions")

    def at(self, ids: dict[str, str]) -> str:
        """The path with these ids; those of models as they are in the list."""
        return _SEGMENT.sub(lambda found: f"/{found[1]}/{ids[_KINDS.get(found[1], found[1])]}", self.path)


async def routes(server: Served) -> list[Route]:
    """Every route that the server says it has."""
    document = (await server.get("/openapi.json")).json
    return [
        Route(method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if method in ("get", "post", "delete", "put", "patch")
    ]


async def furnish(server: Served, *, key: str = "") -> dict[str, str]:
    """The ids of one of everything, in the workspace of this key."""

    async def made(path: str, body: Any) -> str:
        answer = await server.post(path, body, key=key)
        assert answer.status == 200, answer.text
        id: str = answer.json["id"]
        return id

    ids = {"models": MODEL, "agent": await made("/v1/agents", {"name": "worker", "model": MODEL})}
    ids["environment"] = await made("/v1/environments", {"name": "place"})
    ids["session"] = await made("/v1/sessions", {"agent": ids["agent"], "environment_id": ids["environment"]})
    threads = await server.get(f"/v1/sessions/{ids['session']}/threads", key=key)
    ids["thread"] = threads.json["data"][0]["id"]
    return ids


BODIES: dict[str, Any] = {
    "/v1/agents": {"name": "another", "model": MODEL},
    "/v1/environments": {"name": "another"},
    "/v1/sessions/{}/events": {"events": [{"type": "user.message", "content": [{"type": "text", "text": "hello"}]}]},
}


def body_of(route: Route, ids: dict[str, str]) -> Any:
    """A body that the route takes, or none."""
    if route.method != "POST":
        return None
    if route.path == "/v1/sessions":
        return {"agent": ids["agent"], "environment_id": ids["environment"]}
    return BODIES.get(re.sub(r"\{[^}]*\}", "{}", route.path), {})
