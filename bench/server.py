"""What a turn costs through `podium serve`: turns a second, how long a word takes to arrive, memory.

Three processes: the model, which writes fixed bytes at once; the server, on a data folder of its own; and the client,
which is bare aiohttp. A turn is a user.message, one model call, and everything up to session.status_idle: it is durable
before it is streamed. Each session's stream is opened once. Latency is from the POST's first byte to the frame of the
agent.message. Memory is the server's after all turns.

    python bench/server.py [TURNS]
"""

import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

CELLS = (1, 16)  # sessions at once
CONFIG = """
[providers.fake]
base_url = "{url}"

[models.fake]
provider = "fake"
"""


# --- the model -------------------------------------------------------------------------------------


def _event(type: str, **keys: object) -> bytes:
    return f"event: {type}\ndata: {json.dumps({'type': type, **keys})}\n\n".encode()


def _reply() -> bytes:
    usage = {"input_tokens": 100, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "fake", "content": [], "usage": usage}
    return b"".join(
        [
            _event("message_start", message=message),
            _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            *[_event("content_block_delta", index=0, delta={"type": "text_delta", "text": "hello world "})] * 5,
            _event("content_block_stop", index=0),
            _event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 20}),
            _event("message_stop"),
        ]
    )


class Model(asyncio.Protocol):
    """Answers each request with the same bytes."""

    answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n%s" % (
        len(_reply()),
        _reply(),
    )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._got = transport, b""

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            length = int(self._got[:end].lower().split(b"content-length:")[1].split(b"\r\n")[0])
            if len(self._got) < end + 4 + length:
                return
            self._got = self._got[end + 4 + length :]
            self._transport.write(self.answer)


async def serve_model() -> None:
    server = await asyncio.get_running_loop().create_server(Model, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# --- the client ------------------------------------------------------------------------------------


class Api:
    """The few calls that are needed."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self._http.post(f"{self._url}/v1{path}", data=json.dumps(body).encode()) as answer:
            read: dict[str, Any] = json.loads(await answer.read())
            assert answer.status == 200, read
            return read

    @asynccontextmanager
    async def stream(self, session: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The data of each frame."""
        async with self._http.get(f"{self._url}/v1/sessions/{session}/events/stream") as answer:
            assert answer.status == 200, await answer.read()
            yield self._frames(answer)

    async def _frames(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        rest = b""
        async for chunk in answer.content.iter_any():
            *frames, rest = (rest + chunk).split(b"\n\n")
            for frame in frames:
                yield frame


async def converse(api: Api, given: dict[str, str], turns: int, latencies_ms: list[float]) -> None:
    """One session, one message after the other."""
    session = (await api.post("/sessions", {**given}))["id"]
    message = {"events": [{"type": "user.message", "content": [{"type": "text", "text": "hello"}]}]}
    async with api.stream(session) as frames:
        for _ in range(turns):
            begun = time.perf_counter()
            sending = asyncio.ensure_future(api.post(f"/sessions/{session}/events", message))
            async for frame in frames:
                if b'"agent.message"' in frame:
                    latencies_ms.append((time.perf_counter() - begun) * 1000)
                elif b'"session.status_idle"' in frame:
                    break
            await sending


async def measure(url: str, key: str, pid: int, turns: int) -> None:
    """Measure each cell, and print a row for it."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    print(
        "| sessions at once | turns/s | SSE p50 ms | p95 ms | server's CPU ms a turn | resident MB after | at most MB |"
    )
    print("|---|---|---|---|---|---|---|")
    async with aiohttp.ClientSession(headers=headers, connector=connector, timeout=timeout) as http:
        api = Api(http, url)
        agent = (await api.post("/agents", {"name": "bench", "model": "fake", "system": "You answer."}))["id"]
        given = {"agent": agent, "environment_id": (await api.post("/environments", {"name": "bench"}))["id"]}
        await converse(api, given, 5, [])  # connections and caches are made once, and are not what is measured
        for sessions in CELLS:
            latencies_ms: list[float] = []
            each = turns // sessions
            wall, cpu = time.perf_counter(), cpu_s(pid)
            await asyncio.gather(*(converse(api, given, each, latencies_ms) for _ in range(sessions)))
            wall, cpu = time.perf_counter() - wall, cpu_s(pid) - cpu
            p50, p95 = statistics.quantiles(latencies_ms, n=100)[49], statistics.quantiles(latencies_ms, n=100)[94]
            assert len(latencies_ms) == each * sessions
            print(
                f"| {sessions} | {each * sessions / wall:.0f} | {p50:.1f} | {p95:.1f} | {cpu * 1000 / (each * sessions):.2f} "
                f"| {resident_mb(pid, 'VmRSS'):.0f} | {resident_mb(pid, 'VmHWM'):.0f} |",
                flush=True,
            )


def cpu_s(pid: int) -> float:
    """The CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int, kind: str) -> float:
    found = re.search(rf"{kind}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


# --- all of it -------------------------------------------------------------------------------------


@contextmanager
def process(*command: str, cwd: str | None = None) -> Iterator["subprocess.Popen[str]"]:
    """A process that is ended with the block. Shape: its stdout is a pipe, and its stderr goes there too."""
    ran = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd
    )
    try:
        yield ran
    finally:
        ran.terminate()
        ran.wait()


def said(server: "subprocess.Popen[str]", pattern: str) -> str:
    """What the pattern's group finds in the first line that has it."""
    assert server.stdout is not None
    seen = []
    for line in server.stdout:
        seen.append(line)
        if found := re.search(pattern, line):
            return found[1]
    raise SystemExit("podium serve ended:\n" + "".join(seen))


def run(turns: int) -> None:
    with tempfile.TemporaryDirectory() as folder, process(__file__, "model") as model:
        (Path(folder) / "podium.toml").write_text(CONFIG.format(url=f"http://127.0.0.1:{said(model, '([0-9]+)')}"))
        serve = ["-m", "podium.cli", "serve", "--port", "0", "--data", "data", "--config", "podium.toml"]
        with process(*serve, cwd=folder) as server:
            url = said(server, r"ANTHROPIC_BASE_URL=[\"']?(http://[\w.:]+)")
            key = said(server, r"ANTHROPIC_API_KEY=[\"']?(podium_\w+)")
            client = [sys.executable, __file__, "client", url, key, str(server.pid), str(turns)]
            subprocess.run(client, check=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["model"]:
            asyncio.run(serve_model())
        case ["client", url, key, pid, turns]:
            asyncio.run(measure(url, key, int(pid), int(turns)))
        case [*given]:
            run(int(given[0]) if given else 1000)
