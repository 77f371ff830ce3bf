"""A real server for tests: HTTP on a free port, in the test's own loop, on a real data folder.

    async def test_something(served: Serve) -> None:
        async with served(script) as server:
            answer = await server.get("/v1/agents")
            ... server.url, server.key, server.podium

Models are what a script says: `script(request)` answers for every model in `models`, "claude-test-1" if none is named.
"""

import json
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2

from podium.api.listening import listening, open_socket
from podium.api.server import open_server
from podium.api.state import Server, Settings
from podium.app import Podium
from podium.core.keys import SECRET_BYTES
from podium.core.keys import make_key as new_key
from podium.core.ports import Model
from podium.models.rehearsal import Rehearsal, Script

MODEL = "claude-test-1"


@dataclass(frozen=True)
class Got:
    """An answer."""

    status: int
    headers: httpx2.Headers
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> str:
        """What an error says, after its shape was checked."""
        body = self.json
        assert body["type"] == "error", body
        assert set(body) == {"type", "error", "request_id"}, body
        assert set(body["error"]) <= {"type", "message", "details"}, body
        assert body["request_id"] == self.headers["request-id"]
        message: str = body["error"]["message"]
        return message

    @property
    def error_type(self) -> str:
        assert self.error
        kind: str = self.json["error"]["type"]
        return kind


class Served:
    """A running server, and a client of it with a key that may do everything."""

    def __init__(self, url: str, server: Server, client: httpx2.AsyncClient, key: str) -> None:
        self.url = url
        self.server = server
        self.podium = server.podium
        self.client = client
        self.key = key

    async def make_key(
        self, *scopes: str, workspace: str = "default", expires_at: datetime | None = None, name: str = "test"
    ) -> str:
        """A further key; its text. Without scopes, an admin's."""
        return await make_key(self.server, *scopes, workspace=workspace, expires_at=expires_at, name=name)

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = "",
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Got:
        """One request; `key` None sends none, "" the server's own."""
        sent = dict(headers or {})
        if key is not None:
            sent["x-api-key"] = key or self.key
        content = raw
        if content is None and body is not None:
            content = json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        answer = await self.client.request(method, self.url + path, content=content, headers=sent)
        return Got(answer.status_code, answer.headers, answer.text)

    async def get(self, path: str, **how: Any) -> Got:
        return await self.ask("GET", path, **how)

    async def post(self, path: str, body: object = None, **how: Any) -> Got:
        return await self.ask("POST", path, body, **how)

    async def delete(self, path: str, **how: Any) -> Got:
        return await self.ask("DELETE", path, **how)


Serve = Callable[..., Any]  # what the fixture `served` gives: `served(script, models=..., settings=..., folder=...)`


def says_ok(request: object) -> str:
    return "ok"


@asynccontextmanager
async def serve(
    folder: Path,
    script: Script = says_ok,
    *,
    models: Iterable[str] = (MODEL,),
    given: Mapping[str, Model] | None = None,
    config: Path | None = None,
    settings: Settings | None = None,
) -> AsyncIterator[Served]:
    """A server on this data folder. Shape: `given` are further models, by name."""
    plugged: dict[str, Model] = {name: Rehearsal(script) for name in models}
    sock = open_socket("127.0.0.1", 0)
    try:
        async with (
            Podium(folder, models={**plugged, **(given or {})}, config=config) as podium,
            open_server(podium, settings) as server,
            listening(server, sock) as url,
            httpx2.AsyncClient(timeout=30, trust_env=False) as client,
        ):
            yield Served(url, server, client, await make_key(server))
    finally:
        sock.close()


async def make_key(
    server: Server,
    *scopes: str,
    workspace: str = "default",
    expires_at: datetime | None = None,
    name: str = "test",
) -> str:
    """A key of this server; its text. Without scopes, an admin's."""
    token, row = new_key(
        server.new_id("apikey"),
        os.urandom(SECRET_BYTES),
        server.clock.now(),
        name=name,
        scopes=scopes or ("admin",),
        workspace=workspace,
        expires_at=expires_at,
    )
    await server.keys.create(row)
    return token
