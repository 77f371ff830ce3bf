"""Connections: heads that never end, what is no HTTP, crowds, and the end of the server."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from podium.api.listening import open_socket, url_of
from podium.api.state import Settings
from podium.core.ports import ModelRequest
from tests.api.server import MODEL, Serve, Served


@asynccontextmanager
async def connected(server: Served) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    parts = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def refusal(server: Served, sent: bytes) -> tuple[int, Any]:
    """The status and the body of what is answered before the connection is closed."""
    async with connected(server) as (reader, writer):
        writer.write(sent)
        answer = (await asyncio.wait_for(reader.read(), 20)).decode()
    head, _, body = answer[answer.rindex("HTTP/1.1 ") :].partition("\r\n\r\n")
    assert "connection: close" in head
    told = json.loads(body)
    assert told["type"] == "error"
    assert told["request_id"].startswith("req_")
    return int(head.split()[1]), told["error"]["message"]


async def test_what_is_no_http_is_an_error_of_the_api(served: Serve) -> None:
    async with served() as server:
        lengths = b"content-length: 5\r\ntransfer-encoding: chunked\r\n"
        both = b"POST /health HTTP/1.1\r\nhost: localhost\r\n" + lengths + b"\r\n0\r\n\r\n"

        assert await refusal(server, b"NONSENSE\r\n\r\n") == (400, "the request is no HTTP")
        assert await refusal(server, both) == (400, "the request is no HTTP")


async def test_head_that_does_not_end_is_waited_for_so_long(served: Serve) -> None:
    async with served(settings=Settings(head_s=0.1)) as server:
        late = (408, "headers: did not come whole within 0.1 s")

        assert await refusal(server, b"") == late
        assert await refusal(server, b"GET /health HTTP/1.1\r\nhost: local") == late
        assert await refusal(server, b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\nGET /he") == late


async def test_connection_is_kept_between_requests_for_longer_than_a_head_may_take(served: Serve) -> None:
    async with served(settings=Settings(head_s=0.1)) as server, connected(server) as (reader, writer):
        statuses = []
        for _ in range(2):
            writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            statuses.append(head.split()[1])
            await reader.readexactly(len('{"status":"ok"}'))
            with suppress(TimeoutError):
                assert await asyncio.wait_for(reader.read(1), 0.2)  # nothing: neither more nor its end

        assert statuses == ["200", "200"]


async def test_head_that_is_too_large_is_refused(served: Serve) -> None:
    async with served() as server:
        status, said = await refusal(server, b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 65_536)

        assert (status, said) == (431, "headers: are larger than 65,536 bytes")


@pytest.mark.parametrize(
    ("host", "url"),
    [("localhost", "http://127.0.0.1"), ("127.0.0.1", "http://127.0.0.1"), ("0.0.0.0", "http://127.0.0.1")],
)
def test_url_is_what_programs_on_this_machine_use(host: str, url: str) -> None:
    with open_socket(host, 0) as listening:
        assert url_of(listening) == f"{url}:{listening.getsockname()[1]}"


async def test_small_answers_are_sent_at_once() -> None:
    listening = open_socket("127.0.0.1", 0)
    took = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(lambda _, writer: took.set_result(writer), sock=listening)
    _, client = await asyncio.open_connection(*listening.getsockname())
    writer = await took
    accepted = writer.get_extra_info("socket")

    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    client.close()
    writer.close()
    server.close()


async def test_more_at_once_than_allowed_are_told_to_come_again(served: Serve) -> None:
    async with served(settings=Settings(most_at_once=1)) as server, connected(server) as (reader, writer):
        head = f"POST /v1/models HTTP/1.1\r\nhost: localhost\r\nx-api-key: {server.key}\r\ncontent-length: 2\r\n\r\n"
        writer.write(head.encode() + b"{")
        while (crowded := await server.get("/health")).status == 200:  # until the other one is under way
            pass
        writer.write(b"}")
        answered = await reader.readuntil(b"\r\n\r\n")
        after = await server.get("/health")

        assert (crowded.status, crowded.error_type) == (529, "overloaded_error")
        assert crowded.error == "1 requests and streams are under way, and no more are taken at once. Try again soon"
        assert crowded.headers["retry-after"] == "1"
        assert answered.startswith(b"HTTP/1.1 405 ")
        assert after.status == 200


async def test_request_under_way_is_answered_before_the_end(served: Serve) -> None:
    async with served() as server:
        reader, writer = await asyncio.open_connection(*server.url.removeprefix("http://").split(":"))
        head = f"POST /v1/models HTTP/1.1\r\nhost: localhost\r\nx-api-key: {server.key}\r\ncontent-length: 2\r\n\r\n"
        writer.write(head.encode() + b"{")
        await server.get("/health")
        asyncio.get_running_loop().call_later(0.3, writer.write, b"}")

    answered = await reader.read()
    writer.close()
    assert answered.startswith(b"HTTP/1.1 405 ")


async def test_stream_ends_in_good_order_with_the_server(served: Serve) -> None:
    async with served() as server:
        agent = (await server.post("/v1/agents", {"name": "a", "model": MODEL})).json["id"]
        environment = (await server.post("/v1/environments", {"name": "e"})).json["id"]
        session = (await server.post("/v1/sessions", {"agent": agent, "environment_id": environment})).json["id"]
        reader, writer = await asyncio.open_connection(*server.url.removeprefix("http://").split(":"))
        path = f"/v1/sessions/{session}/events/stream"
        writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {server.key}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        began = asyncio.get_running_loop().time()
    took_s = asyncio.get_running_loop().time() - began
    rest = await reader.read()
    writer.close()

    assert b"text/event-stream" in head
    assert rest.endswith(b"0\r\n\r\n")
    assert took_s < 3


async def test_session_under_way_at_the_end_goes_on_with_the_next_start(served: Serve) -> None:
    gate, called = asyncio.Event(), asyncio.Event()

    async def script(request: ModelRequest) -> str:
        called.set()
        await gate.wait()
        return "done"

    async with served(script) as server:
        agent = (await server.post("/v1/agents", {"name": "a", "model": MODEL})).json["id"]
        environment = (await server.post("/v1/environments", {"name": "e"})).json["id"]
        first = {"type": "user.message", "content": [{"type": "text", "text": "go"}]}
        body = {"agent": agent, "environment_id": environment, "initial_events": [first]}
        session = (await server.post("/v1/sessions", body)).json["id"]
        await asyncio.wait_for(called.wait(), 20)
    gate.set()
    async with served(script) as server:
        async with asyncio.timeout(20):
            async for record in server.podium.watch(session):
                if record.type == "session.status_idle":
                    break
        events = (await server.get(f"/v1/sessions/{session}/events")).json["data"]

    assert [it["content"][0]["text"] for it in events if it["type"] == "agent.message"] == ["done"]
