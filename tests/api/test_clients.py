"""Many clients at once: a hundred answers to one question, and a thousand streams that half of them never read."""

import asyncio
import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from podium import call
from podium.core.ports import ModelRequest
from tests.api.house import furnish
from tests.api.obedient import Obedient
from tests.api.process import Process
from tests.api.sdk.script import script
from tests.api.server import MODEL, Serve, Served

ASKING = {"type": "agent_toolset_20260401", "default_config": {"permission_policy": {"type": "always_ask"}}}
STREAMS = 1_000
TURNS = 12
WORDS = "many words " * 5_000  # 55 KB, so that what is not read fills every buffer on the way
MOST_MB = 150


async def listed(server: Served, session: str, *kinds: str) -> list[Any]:
    """The session's events of these kinds."""
    query = "&".join(f"types[]={kind}" for kind in kinds)
    events: list[Any] = (await server.get(f"/v1/sessions/{session}/events?limit=1000&{query}")).json["data"]
    return events


async def idle(server: Served, session: str) -> Any:
    """The session's last idle event, once it is idle."""
    path = f"/v1/sessions/{session}"
    headers = {"x-api-key": server.key}
    async with server.client.stream("GET", f"{server.url}{path}/events/stream", headers=headers) as stream:
        if (await server.get(path)).json["status"] != "idle":
            async for line in stream.aiter_lines():
                if '"session.status_idle"' in line:
                    break
    return (await listed(server, session, "session.status_idle"))[-1]


async def test_of_a_hundred_confirmations_one_counts(served: Serve) -> None:
    def asks(request: ModelRequest) -> Any:
        return call("bash", command="echo ran >> ran") if len(request.messages) == 1 else "done"

    async with served(asks) as server:
        ids = await furnish(server)
        agent = (await server.post("/v1/agents", {"name": "asks", "model": MODEL, "tools": [ASKING]})).json["id"]
        body = {"agent": agent, "environment_id": ids["environment"]}
        path = f"/v1/sessions/{(await server.post('/v1/sessions', body)).json['id']}/events"
        session = path.split("/")[3]
        message = {"type": "user.message", "content": [{"type": "text", "text": "go"}]}
        await server.post(path, {"events": [message]})
        [asked] = (await idle(server, session))["stop_reason"]["event_ids"]
        allow = {"type": "user.tool_confirmation", "tool_use_id": asked, "result": "allow"}

        answers = await asyncio.gather(*(server.post(path, {"events": [allow]}) for _ in range(100)))

        await idle(server, session)
        accepted = [answer for answer in answers if answer.status == 200]
        assert {answer.status for answer in answers} == {200, 409}
        assert {answer.headers.get("x-should-retry") for answer in answers if answer.status == 409} == {"false"}
        assert len({answer.json["data"][0]["id"] for answer in accepted}) == 1, "all the same receipt"
        assert len(await listed(server, session, "agent.tool_result")) == 1
        assert len(await listed(server, session, "user.tool_confirmation")) == 1


class Follower:
    """A client with a stream of the session. Shape: one that is deaf asks for it, and reads nothing ever."""

    def __init__(self, server: Process, session: str) -> None:
        self._server, self._session = server, session
        self.messages = 0

    async def open(self, *, deaf: bool) -> None:
        end = socket.socket()
        end.setblocking(False)
        if deaf:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.get_running_loop().sock_connect(end, ("127.0.0.1", self._server.port))
        self._end = end
        asked = f"GET /v1/sessions/{self._session}/events/stream HTTP/1.1\r\nhost: 127.0.0.1:{self._server.port}\r\n"
        await asyncio.get_running_loop().sock_sendall(end, f"{asked}x-api-key: {self._server.key}\r\n\r\n".encode())

    async def read(self, messages: int) -> None:
        """Until so many messages of the agent have come."""
        rest = b""
        while self.messages < messages:
            got = await asyncio.get_running_loop().sock_recv(self._end, 1 << 18)
            assert got, "the server hung up on a client that reads"
            self.messages += (rest + got).count(b'"type":"agent.message"')
            rest = got[-len(b'"type":"agent.message"') + 1 :]

    async def answered(self) -> None:
        """Until the stream has begun."""
        got = await asyncio.get_running_loop().sock_recv(self._end, 1 << 10)
        assert got.startswith(b"HTTP/1.1 200"), got

    def close(self) -> None:
        self._end.close()


@pytest.mark.slow
async def test_streams_that_nobody_reads_cost_nobody_else_anything(tmp_path: Path) -> None:
    with Obedient() as model, Process(tmp_path, model.url) as server:
        session = await begun(server)
        readers = [Follower(server, session) for _ in range(STREAMS // 2)]
        deaf = [Follower(server, session) for _ in range(STREAMS // 2)]
        try:
            for each in readers:
                await each.open(deaf=False)
                await each.answered()
            for each in deaf:
                await each.open(deaf=True)
            before_mb = resident_mb(server.pid)

            for turn in range(1, TURNS + 1):
                await post(server, f"/v1/sessions/{session}/events", message(script(WORDS)))
                async with asyncio.timeout(30):
                    await asyncio.gather(*(each.read(turn) for each in readers))

            assert resident_mb(server.pid) - before_mb < MOST_MB
        finally:
            for each in [*readers, *deaf]:
                each.close()


async def begun(server: Process) -> str:
    """A new session; its id."""
    agent = await post(server, "/v1/agents", {"name": "worker", "model": MODEL})
    environment = await post(server, "/v1/environments", {"name": "place"})
    session = await post(server, "/v1/sessions", {"agent": agent["id"], "environment_id": environment["id"]})
    return str(session["id"])


def message(text: str) -> dict[str, Any]:
    return {"events": [{"type": "user.message", "content": [{"type": "text", "text": text}]}]}


async def post(server: Process, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a POST, on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    sent = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\nx-api-key: {server.key}\r\n"
    head += f"content-type: application/json\r\nconnection: close\r\ncontent-length: {len(sent)}\r\n\r\n"
    writer.write(head.encode() + sent)
    got = await reader.read()
    writer.close()
    status, _, rest = got.partition(b"\r\n")
    assert b" 200 " in status, got
    answer: dict[str, Any] = json.loads(rest.partition(b"\r\n\r\n")[2])
    return answer


def resident_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024
