"""A Messages API server for tests: a real socket, and answers that go wrong in every way a real one can.

    async with MessagesServer(says(text("hello"))) as server:
        ...  # server.url, server.requests

It writes HTTP by hand, since what it is for is bytes that a web framework would not send.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

Block = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Received:
    """A request. Shape: the names of `headers` are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    raw: bytes


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one call gets.

    Shape: each of `parts` is written by itself. `framing` is how the body's end is told: by chunks, by its length, or
    by hanging up. `then`: "finish"; "drop" hangs up without having finished; "reset" has the kernel send RST; "wait"
    says no more until the client hangs up, "ping" sends `pings` again and again until then. With `silent` no status
    goes before the parts.
    """

    parts: Sequence[bytes] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream; charset=utf-8"})
    framing: Literal["chunked", "length", "close"] = "chunked"
    then: Literal["finish", "drop", "reset", "wait", "ping"] = "finish"
    silent: bool = False
    pings: bytes = b'event: ping\ndata: {"type": "ping"}\n\n'


# --- what a well-behaved server sends ----------------------------------------------------------


def frame(event: dict[str, Any], *, named: bool = True) -> bytes:
    """One event of a stream."""
    name = f"event: {event['type']}\n" if named else ""
    return f"{name}data: {json.dumps(event)}\n\n".encode()


PING = frame({"type": "ping"})
USAGE: dict[str, int | None] = {
    "input_tokens": 25,
    "cache_creation_input_tokens": 3,
    "cache_read_input_tokens": 4,
    "output_tokens": 1,
}


def text(said: str) -> Block:
    return {"type": "text", "text": said}


def thinking(thought: str, signature: str) -> Block:
    return {"type": "thinking", "thinking": thought, "signature": signature}


def tool_use(id: str, name: str, /, **given: Any) -> Block:
    return {"type": "tool_use", "id": id, "name": name, "input": given}


def begun(**usage: int | None) -> bytes:
    """The first event."""
    message: dict[str, Any] = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test-1", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": USAGE | usage,
    }  # fmt: skip
    return frame({"type": "message_start", "message": message})


def started(index: int, block: Block) -> bytes:
    return frame({"type": "content_block_start", "index": index, "content_block": block})


def delta(index: int, type: str, **grown: Any) -> bytes:
    return frame({"type": "content_block_delta", "index": index, "delta": {"type": type, **grown}})


def stopped(index: int) -> bytes:
    return frame({"type": "content_block_stop", "index": index})


def ended(stop_reason: str | None, *, stop_details: Any = None, **usage: int | None) -> bytes:
    """The last event but one."""
    reason = {"stop_reason": stop_reason, "stop_sequence": None, "stop_details": stop_details}
    return frame({"type": "message_delta", "delta": reason, "usage": {"output_tokens": 15} | usage})


OVER = frame({"type": "message_stop"})


def block_frames(index: int, block: Block) -> list[bytes]:
    """A block in pieces, as the API sends its kind."""
    match block:
        case {"type": "text", "text": said}:
            middle = len(said) // 2
            grown = [delta(index, "text_delta", text=part) for part in (said[:middle], said[middle:]) if part]
            return [started(index, text("")), *grown, stopped(index)]
        case {"type": "thinking", "thinking": thought, "signature": signature}:
            return [
                started(index, thinking("", "")),
                delta(index, "thinking_delta", thinking=thought),
                delta(index, "signature_delta", signature=signature),
                stopped(index),
            ]
        case {"type": "tool_use" | "server_tool_use", "input": given}:
            sent = json.dumps(given) if given else ""
            pieces = ["", *(sent[at : at + 7] for at in range(0, len(sent), 7))]
            grown = [delta(index, "input_json_delta", partial_json=piece) for piece in pieces]
            return [started(index, block | {"input": {}}), *grown, stopped(index)]
        case _:
            return [started(index, block), stopped(index)]


def reply_frames(*blocks: Block, stop_reason: str | None = None, stop_details: Any = None) -> list[bytes]:
    """The events of a whole reply; without a stop reason, that which fits the blocks."""
    if stop_reason is None:
        stop_reason = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
    grown = [part for index, block in enumerate(blocks) for part in block_frames(index, block)]
    return [begun(), PING, *grown, ended(stop_reason, stop_details=stop_details), OVER]


def says(*blocks: Block, stop_reason: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """A reply of these blocks."""
    given = Answer().headers if headers is None else {**Answer().headers, **headers}
    return Answer(parts=reply_frames(*blocks, stop_reason=stop_reason), headers=given)


def fails(status: int, type: str = "", message: str = "", **headers: str) -> Answer:
    """An error of the API. Shape: the names of `headers` with underscores for hyphens."""
    body = json.dumps({"type": "error", "error": {"type": type, "message": message}}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(parts=[body], status=status, headers={"content-type": "application/json", **named}, framing="length")


# --- the server ------------------------------------------------------------------------------


class MessagesServer:
    """Gives one answer to each call, in order; the last one again when there are no more.

    Shape: instead of answers, a function of the request may be given. `called` is set when a call has come, `hung_up`
    when a client hangs up on an answer that waits or pings.
    """

    def __init__(self, *answers: Answer, script: Callable[[Received], Answer] | None = None) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self.called = asyncio.Event()
        self.hung_up = asyncio.Event()
        self._answers = list(answers)
        self._script = script or self._next
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "MessagesServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=2048)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _next(self, request: Received) -> Answer:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._answer(await _read(reader), reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client is gone, or the server ends
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection can take another."""
        self.requests.append(request)
        self.called.set()
        answer = self._script(request)
        if not answer.silent:
            writer.write(_head(answer))
        for part in filter(None, answer.parts):  # an empty chunk would be the last one
            writer.write(_framed(answer, part))
            await writer.drain()
            await asyncio.sleep(0)  # so that the parts come apart
        match answer.then:
            case "finish":
                if answer.framing == "chunked":
                    writer.write(b"0\r\n\r\n")
                await writer.drain()
                return answer.framing != "close"
            case "reset":
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            case "wait" | "ping":
                await self._hold(answer, reader, writer)
            case "drop":
                pass
        return False

    async def _hold(self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = asyncio.ensure_future(reader.read())
        pace_s = 0.01 if answer.then == "ping" else None
        try:
            while not (await asyncio.wait([gone], timeout=pace_s))[0]:
                writer.write(_framed(answer, answer.pings))
            gone.exception()  # a reset is a way to hang up too
            self.hung_up.set()
        finally:
            gone.cancel()


async def _read(reader: asyncio.StreamReader) -> Received:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}
    raw = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(method=method, path=path, headers=headers, body=json.loads(raw), raw=raw)


def _head(answer: Answer) -> bytes:
    framing = {"chunked": {"transfer-encoding": "chunked"}, "close": {"connection": "close"}}.get(answer.framing)
    if framing is None:
        framing = {"content-length": str(sum(map(len, answer.parts)))}
    lines = [f"{name}: {value}" for name, value in {**answer.headers, **framing}.items()]
    return "\r\n".join([f"HTTP/1.1 {answer.status} Some Reason", *lines, "", ""]).encode("latin-1")


def _framed(answer: Answer, part: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(part), part) if answer.framing == "chunked" else part
