"""Who calls, and whether he may: keys are checked before anything of a request is read."""

from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from fastapi.security import SecurityScopes
from starlette.types import ASGIApp, Receive, Scope, Send

from podium.api.errors import ApiError
from podium.api.state import Server
from podium.core.keys import KeyRow, may, opens, read_token

# What needs no key; with one, /health says more.
OPEN = frozenset(["/health", "/openapi.json"])
_REFUSED = (
    "no valid key was sent. Send one in 'x-api-key' or 'Authorization: Bearer'; `podium key create` makes one, and "
    "`podium serve` shows one at its first start"
)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whose request it is. Nothing of another workspace is there for him."""

    key_id: str
    workspace: str
    scopes: tuple[str, ...]


class Authenticated:
    """ASGI middleware: puts the caller on the request's state, or refuses it.

    Errors: ApiError 401, the same for every cause.
    """

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            caller = await self._caller(scope)
            if caller is None and scope["path"] not in OPEN:
                raise ApiError(401, _REFUSED, headers={"www-authenticate": "Bearer"})
            scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller | None:
        now = self._server.clock.now()
        for token in _tokens(scope):
            row = await self._opened(token, now)
            if row is not None:
                await self._server.keys.used(row.id, now)
                return Caller(key_id=row.id, workspace=row.workspace, scopes=row.scopes)
        return None

    async def _opened(self, token: str, now: datetime) -> KeyRow | None:
        shown = read_token(token)
        if shown is None:
            return None
        row = await self._server.keys.key(shown.id)
        return row if opens(shown, row, now) else None


def _tokens(scope: Scope) -> list[str]:
    """The credentials that were sent: old clients have a header of their own, new ones send a bearer's."""
    tokens = []
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            tokens.append(value.decode("latin-1").strip())
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            tokens.append(value[7:].decode("latin-1").strip())
    return tokens[:2]


async def allowed(needed: SecurityScopes, request: Request) -> Caller:
    """A dependency: the caller, if his key has these scopes.

    Errors: ApiError 403, naming what is missing.
    """
    caller: Caller | None = request.state.caller
    if caller is None:
        raise ApiError(401, _REFUSED, headers={"www-authenticate": "Bearer"})
    check_scopes(caller, *needed.scopes)
    return caller


def check_scopes(caller: Caller, *needed: str) -> None:
    """Nothing, if the caller may do what needs these scopes. For what only the body tells.

    Errors: ApiError 403, naming what is missing.
    """
    if not may(caller.scopes, needed):
        missing = " and ".join(f"'{scope}'" for scope in needed if scope not in caller.scopes)
        raise ApiError(
            403,
            f"this key may not do that: it lacks the scope {missing} (it has: {', '.join(caller.scopes)}). "
            "`podium key create --scope` makes one that has it",
        )
