"""Serves an application on a socket of ours, by uvicorn."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, cast

import uvicorn

from podium.api.connection import Connection
from podium.api.server import make_app
from podium.api.state import Server
from podium.errors import BadInput

KEPT_OPEN_S = 75  # longer than clients keep unused connections, so that none is closed under a request
GOODBYE_S = 5.0  # what answers under way are given at the end
BACKLOG = 2048


class _Listener(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals are for who runs this


@asynccontextmanager
async def listening(server: Server, sock: socket.socket, *, access_log: bool = False) -> AsyncIterator[str]:
    """While this is entered, the server answers on the socket; its URL.

    Shape: leaving it, no connection is accepted any more, streams say their last and end, and what is under way is
    answered.
    """
    config = uvicorn.Config(
        make_app(server),
        http=cast("Any", partial(Connection, new_id=server.new_id, head_s=server.settings.head_s)),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level=logging.INFO if access_log else logging.WARNING,
        access_log=access_log,
        server_header=False,
        timeout_keep_alive=KEPT_OPEN_S,
        timeout_graceful_shutdown=None,
        backlog=BACKLOG,
    )
    listener = _Listener(config)
    work = asyncio.create_task(listener.serve(sockets=[sock]), name="HTTP")
    try:
        up = asyncio.ensure_future(listener.is_up.wait())
        await asyncio.wait([up, work], return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if work.done():
            work.result()
        yield url_of(sock)
    finally:
        server.closing.set()
        listener.should_exit = True
        done, _ = await asyncio.wait([work], timeout=GOODBYE_S)
        if not done:
            listener.force_exit = True
            await asyncio.wait([work], timeout=1.0)
            work.cancel()
            await asyncio.wait([work])


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 is any that is free.

    Errors: BadInput that says why not.
    """
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError):
        raise BadInput(f"--host: '{host}' is no address of this machine; 127.0.0.1 is this machine alone") from None
    # "localhost" is both ::1 and 127.0.0.1; programs that know one of them alone know the latter.
    family, kind, protocol, _, address = min(found, key=lambda it: it[0] != socket.AF_INET)
    # With its protocol said: asyncio sends small packets at once on sockets that say they are TCP. Without, the body of
    # an answer would wait 40 ms for the client to acknowledge its head.
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        sock.close()
        raise BadInput(_why_not(host, port, error)) from None
    sock.setblocking(False)
    return sock


def _why_not(host: str, port: int, error: Exception) -> str:
    import errno

    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            return f"port {port} of {host} is in use by another process; end it, or name another with --port"
        case errno.EADDRNOTAVAIL:
            return f"--host: {host} is no address of this machine; 127.0.0.1 is this machine alone"
        case errno.EACCES | errno.EPERM:
            return f"this user may not listen on port {port}; name one above 1023 with --port"
        case _:
            return f"cannot listen on {host}, port {port}: {error}"


def url_of(sock: socket.socket) -> str:
    """Where the socket listens, as a URL."""
    address: Any = sock.getsockname()
    host, port = address[0], address[1]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}"
