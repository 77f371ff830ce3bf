"""Keeps what came over the wire, beside the SDK that reads it: a transport for each of its two clients.

Shape: `Exchange` is one request and its answer; of a stream, `body` is filled as it is read. The old SDKs stand on
httpx, the newer ones on httpx2; both have these names.
"""

import importlib
import importlib.util
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

httpx: Any = importlib.import_module("httpx2" if importlib.util.find_spec("httpx2") else "httpx")


@dataclass
class Exchange:
    """One request and what came back."""

    method: str
    path: str
    query: str
    sent: bytes
    status: int
    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)

    @property
    def is_stream(self) -> bool:
        """Whether the answer is a stream of events."""
        return self.headers.get("content-type", "").startswith("text/event-stream")

    def frames(self) -> list[dict[str, Any]]:
        """The events of a stream, as far as they have come whole; each with its frame's own lines under `frame`."""
        whole, _, _ = bytes(self.body).rpartition(b"\n\n")
        found = []
        for part in whole.decode().split("\n\n"):
            lines = [line.partition(": ") for line in part.split("\n") if line and not line.startswith(":")]
            named = {name: value for name, _, value in lines}
            if named:
                found.append({"frame": named, "event": json.loads(named.get("data", "null"))})
        return found


class _Tee(httpx.SyncByteStream, httpx.AsyncByteStream):  # type: ignore[misc]  # bases of either httpx
    def __init__(self, inner: Any, body: bytearray) -> None:
        self._inner, self._body = inner, body

    def __iter__(self) -> Iterator[bytes]:
        for part in self._inner:
            self._body += part
            yield part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            self._body += part
            yield part

    def close(self) -> None:
        self._inner.close()

    async def aclose(self) -> None:
        await self._inner.aclose()


def _kept(exchanges: list[Exchange], request: Any, response: Any) -> Any:
    headers = {name.lower(): value for name, value in response.headers.items()}
    path, query = request.url.path, request.url.query.decode()
    exchange = Exchange(request.method, path, query, request.content, response.status_code, headers)
    exchanges.append(exchange)
    response.stream = _Tee(response.stream, exchange.body)
    return response


class Recording(httpx.HTTPTransport):  # type: ignore[misc]  # a base of either httpx
    """httpx's transport, which keeps what it carries."""

    def __init__(self, exchanges: list[Exchange]) -> None:
        super().__init__()
        self._exchanges = exchanges

    def handle_request(self, request: Any) -> Any:
        return _kept(self._exchanges, request, super().handle_request(request))


class AsyncRecording(httpx.AsyncHTTPTransport):  # type: ignore[misc]  # a base of either httpx
    """The same for the asynchronous client."""

    def __init__(self, exchanges: list[Exchange]) -> None:
        super().__init__()
        self._exchanges = exchanges

    async def handle_async_request(self, request: Any) -> Any:
        return _kept(self._exchanges, request, await super().handle_async_request(request))
