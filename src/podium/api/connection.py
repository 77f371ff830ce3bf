"""A connection: uvicorn's, with a bound on the head of a request, and its refusals in the API's shape."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from podium.api.errors import ApiError, answer
from podium.core.ports import NewId

HEAD_BYTES = 64 * 1024
CUT = "podium.cut"  # in the scope of a request: cuts its connection at once, and drops what it has not taken
_STATUS_LINES = {
    400: b"HTTP/1.1 400 Bad Request\r\n",
    408: b"HTTP/1.1 408 Request Timeout\r\n",
    431: b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
}


class Connection(HttpToolsProtocol):
    """What uvicorn makes for each connection. Without the bounds, who never ends a head would be kept for ever.

    Units: `head_s` seconds from the connection, or from the first byte of a request, to the end of its head.
    """

    def __init__(self, *args: Any, new_id: NewId, head_s: float, **more: Any) -> None:
        super().__init__(*args, **more)
        self._new_id = new_id
        self._head_s = head_s
        self._head_bytes = 0
        self._alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._alarm is not None:  # its head is still coming
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(431, f"headers: are larger than {HEAD_BYTES:,} bytes")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[CUT] = self.transport.abort  # type: ignore[literal-required]
        self._expect_head()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._head_came()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "the request is no HTTP")

    def _expect_head(self) -> None:
        self._head_bytes = 0
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(self._head_s, self._late)

    def _head_came(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _late(self) -> None:
        self._refuse(408, f"headers: did not come whole within {self._head_s:g} s")

    def _refuse(self, status: int, message: str) -> None:
        self._head_came()
        if self.transport.is_closing():
            return
        said = answer(ApiError(status, message, headers={"connection": "close"}), self._new_id("req"))
        head = [_STATUS_LINES[status], *(b"%s: %s\r\n" % header for header in said.raw_headers), b"\r\n"]
        self.transport.write(b"".join([*head, bytes(said.body)]))
        self.transport.close()
