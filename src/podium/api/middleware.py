"""What stands around every request: its id, its errors, and which names of this machine it may use."""

import logging
from collections.abc import Callable
from importlib.metadata import version
from ipaddress import ip_address

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from podium.api.errors import REQUEST_ID, ApiError, answer, of_error
from podium.core.ports import NewId
from podium.errors import PodiumError

logger = logging.getLogger(__name__)
VERSION = version("podium-agents")


class Answered:
    """ASGI middleware, the outermost: every request has an id, and every error an answer in the API's shape."""

    def __init__(self, app: ASGIApp, new_id: Callable[[], NewId]) -> None:
        self._app = app
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope[REQUEST_ID] = self._new_id()("req")
        own = [(b"request-id", request_id.encode()), (b"podium-version", VERSION.encode())]
        has_begun = False

        async def sending(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                message["headers"] = [*message.get("headers", ()), *own]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:  # the edge
            if not isinstance(error, PodiumError):
                logger.exception("request %s, %s %s", request_id, scope["method"], scope["path"])
            if has_begun:  # its status is out: only the cut connection can tell
                raise
            await answer(of_error(error), request_id)(scope, receive, sending)


class Crowded:
    """ASGI middleware: no more requests at once than this, streams among them; the others are told to come again."""

    def __init__(self, app: ASGIApp, most: int | None) -> None:
        self._app = app
        self._most = most
        self._number = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._most is not None and self._number >= self._most:
            raise ApiError(
                529,
                f"{self._most:,} requests and streams are under way, and no more are taken at once. Try again soon",
                headers={"retry-after": "1"},
            )
        self._number += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._number -= 1


class OwnNames:
    """ASGI middleware: on a loopback address, a request must name this machine.

    Without it a page in a browser could have its own name resolve to 127.0.0.1, and talk to this server as to its own.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._is_checking = is_loopback(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_checking and scope["type"] == "http":
            hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
            for host in hosts:
                if not is_loopback(_without_port(host)):
                    raise ApiError(
                        403,
                        f"Host: '{host:.100}' is no name of this machine, and the server listens on it alone. "
                        "Use 127.0.0.1 or localhost, or serve on another address with `podium serve --host`",
                    )
        await self._app(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Whether this name or address means this machine, and can mean no other."""
    name = host.removeprefix("[").removesuffix("]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and (":" not in name or name.endswith("]")) else host
