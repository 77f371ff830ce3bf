"""What a model call costs the caller: Podium's client, the official one, bare aiohttp; 1, 50, 1,000 calls in flight.

The server is a second process that writes fixed bytes at once: a streamed reply of 20 pieces of text and a call. Bare
aiohttp sends the same body and decodes each event, and checks nothing: a floor, not a client. Cells run in fresh
processes, interleaved; the ratio is to the floor of the same run. Memory is the peak over what stood after a warm-up.

    python bench/model_client.py [REPEATS]
"""

import asyncio
import gc
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

PIECES = 20
CELLS = [(1, 1_000), (50, 4_000), (1_000, 6_000)]  # calls in flight, calls
CLIENTS = ("aiohttp", "anthropic", "podium")
SYSTEM, QUESTION = "You are a careful agent. " * 20, "hello " * 200


def _event(type: str, **keys: object) -> bytes:
    return f"event: {type}\ndata: {json.dumps({'type': type, **keys})}\n\n".encode()


def _stream() -> bytes:
    usage = {"input_tokens": 100, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "fake", "content": [], "usage": usage}
    pieces = [{"type": "text_delta", "text": "hello world "}] * PIECES
    call = {"type": "tool_use", "id": "toolu_1", "name": "lookup", "input": {}}
    return b"".join(
        [
            _event("message_start", message=message),
            _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            *(_event("content_block_delta", index=0, delta=piece) for piece in pieces),
            _event("content_block_stop", index=0),
            _event("content_block_start", index=1, content_block=call),
            _event(
                "content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": '{"query": "q"}'}
            ),
            _event("content_block_stop", index=1),
            _event("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 20}),
            _event("message_stop"),
        ]
    )


class Server(asyncio.Protocol):
    """Answers each request with the same bytes."""

    answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n%s"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._got = transport, b""

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            head = self._got[:end].lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            if len(self._got) < end + 4 + length:
                return
            self._got = self._got[end + 4 + length :]
            self._transport.write(self.answer)


async def serve() -> None:
    stream = _stream()
    Server.answer %= (len(stream), stream)
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


Call = Callable[[], Awaitable[None]]


def podium(url: str) -> Call:
    """A call through the model, as the engine makes it."""
    from podium.core.content import Message, text
    from podium.core.ports import ModelRequest
    from podium.models.messages import MessagesClient, MessagesModel
    from podium.models.upstream import Deadlines, Upstream

    client = MessagesClient(Upstream(provider="fake", base_url=url, deadlines=Deadlines.of(url), api_key="k"))
    model = MessagesModel(client, "fake", max_tokens=100)

    async def call() -> None:
        messages = (Message("user", text(QUESTION)),)
        reply = await model.reply(ModelRequest(agent="a", model="fake", system=SYSTEM, tools=(), messages=messages))
        assert reply.usage.output_tokens == PIECES
        assert len(reply.content) == 2

    return call


def aiohttp(url: str) -> Call:
    """The floor: the same body over a bare session, each event decoded and dropped."""
    import aiohttp
    import msgspec

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    headers = {"content-type": "application/json", "x-api-key": "k"}
    body = json.dumps(
        {"model": "fake", "max_tokens": 100, "stream": True, "system": SYSTEM,
         "messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]}
    ).encode()  # fmt: skip

    async def call() -> None:
        events, rest = 0, b""
        async with session.post(f"{url}/v1/messages", data=body, headers=headers) as response:
            async for chunk in response.content.iter_any():
                *frames, rest = (rest + chunk).split(b"\n\n")
                for frame in frames:
                    msgspec.json.decode(frame[frame.index(b"data: ") + 6 :])
                    events += 1
        assert events == PIECES + 8

    return call


def anthropic(url: str) -> Call:
    """The official client as its documentation has it, on the aiohttp transport: raw events, decoded and dropped."""
    from anthropic import AsyncAnthropic, DefaultAioHttpClient

    client = AsyncAnthropic(api_key="k", base_url=url, max_retries=0, http_client=DefaultAioHttpClient())

    async def call() -> None:
        events = 0
        stream = await client.messages.create(
            model="fake",
            max_tokens=100,
            system=SYSTEM,
            messages=[{"role": "user", "content": QUESTION}],
            stream=True,
        )
        async for _ in stream:
            events += 1
        assert events == PIECES + 8

    return call


async def cell(name: str, url: str, in_flight: int, total: int) -> None:
    """Measure one cell and print it."""
    call = {"podium": podium, "anthropic": anthropic, "aiohttp": aiohttp}[name](url)
    await call()
    gc.collect()
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await asyncio.gather(*(call() for _ in range(in_flight)))  # connections are made once, and are not what is measured

    async def worker() -> None:
        for _ in range(total // in_flight):
            await call()

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    row = {"us": wall / total * 1e6, "cpu_us": cpu / total * 1e6, "mb": (peak - base) / 1024}
    print(json.dumps(row), flush=True)


def run(repeats: int) -> None:
    server = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = f"http://127.0.0.1:{int(server.stdout.readline())}"
    got: dict[tuple[str, int], list[dict[str, float]]] = {}
    try:
        for _ in range(repeats):
            for in_flight, total in CELLS:
                for name in CLIENTS:
                    argv = [sys.executable, "-W", "ignore", __file__, "cell", name, url, str(in_flight), str(total)]
                    ran = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=True)
                    got.setdefault((name, in_flight), []).append(json.loads(ran.stdout))
    finally:
        server.terminate()
        server.wait()
    print("| in flight | client | us/call | cpu us/call | ratio (cpu) | MB over warm |\n|---|---|---|---|---|---|")
    for in_flight, _ in CELLS:
        floor = got["aiohttp", in_flight]
        for name in CLIENTS:
            rows = got[name, in_flight]
            us, cpu_us, mb = (statistics.median(row[key] for row in rows) for key in ("us", "cpu_us", "mb"))
            ratio = statistics.median(row["cpu_us"] / least["cpu_us"] for row, least in zip(rows, floor))
            print(f"| {in_flight:,} | {name} | {us:.0f} | {cpu_us:.0f} | {ratio:.2f} | {mb:.0f} |")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            asyncio.run(serve())
        case ["cell", name, url, in_flight, total]:
            asyncio.run(cell(name, url, int(in_flight), int(total)))
        case [*given]:
            run(int(given[0]) if given else 3)
