"""The HTTP application: which routes there are, and what stands around all of them.

request → id, errors → crowd → names of this machine → key → body → route
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response

from podium.api import agents, environments, events, health, models, sessions, threads
from podium.api.auth import Authenticated
from podium.api.bodies import Bodies
from podium.api.errors import ApiError, handled
from podium.api.middleware import VERSION, Answered, Crowded, OwnNames
from podium.api.openapi import DESCRIPTION, RESPONSES, describe_keys
from podium.api.state import Server, Settings
from podium.app import Podium
from podium.errors import PodiumError, UnknownName
from podium.serving import Serving
from podium.store.catalog import SqliteCatalog
from podium.store.keys import SqliteKeys

# Those that are asked most stand first: they are looked through in this order.
ROUTERS = tuple(part.router for part in (events, sessions, threads, agents, environments, models, health))


@asynccontextmanager
async def open_server(podium: Podium, settings: Settings | None = None) -> AsyncIterator[Server]:
    """The server of a Podium that is open, with its sessions driven until this is left."""
    async with AsyncExitStack() as stack:
        keys = SqliteKeys.open(podium.folder)
        stack.push_async_callback(keys.close)
        catalog = SqliteCatalog.open(podium.folder)
        stack.push_async_callback(catalog.close)
        serving = await stack.enter_async_context(Serving(podium))
        yield Server(podium=podium, catalog=catalog, keys=keys, serving=serving, settings=settings or Settings())


def make_app(server: Server) -> FastAPI:
    """The application that answers for this server."""
    app = _Application(
        title="Podium",
        version=VERSION,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=RESPONSES,
        dependencies=[Depends(known_query)],
        middleware=[
            Middleware(Answered, new_id=lambda: server.new_id),
            Middleware(Crowded, most=server.settings.most_at_once),
            Middleware(OwnNames, host=server.settings.host),
            Middleware(Authenticated, server=server),
            Middleware(Bodies, settings=server.settings),
        ],
        exception_handlers={
            PodiumError: handled,
            RequestValidationError: handled,
            HTTPException: _no_route,
        },
    )
    app.state.server = server
    for router in ROUTERS:
        app.include_router(router)
    return app


class _Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The document, made when it is first asked for."""
        if self.openapi_schema is None:
            describe_keys(super().openapi())
        assert self.openapi_schema is not None
        return self.openapi_schema


# --- what no route says itself -----------------------------------------------------------------------

# Parts of the API that later versions bring.
LATER = ("deployment_runs", "deployments", "dreams", "files", "memory_stores", "skills", "tunnels", "vaults")
_LATER_IN_SESSIONS = ("resources",)
_EVERYWHERE = frozenset(["beta"])  # old clients send it with each request


async def _no_route(request: Request, error: Exception) -> Response:
    """The answer where no route is: what there would be, or which methods there are."""
    assert isinstance(error, HTTPException)
    path, method = request.url.path, request.method
    if error.status_code == 404:
        error = ApiError(404, _nothing_at(method, path))
    elif error.status_code == 405:
        allow = ", ".join(_methods(path))
        error = ApiError(405, f"{method} {path}: only {allow} may be used there", headers={"allow": allow})
    return await handled(request, error)


def _nothing_at(method: str, path: str) -> str:
    match path.strip("/").split("/"):
        case ["v1", part, *_] if part in LATER:
            return f"/v1/{part} is not part of this version of Podium"
        case ["v1", "sessions", _, part, *_] if part in _LATER_IN_SESSIONS:
            return f"/v1/sessions/{{id}}/{part} is not part of this version of Podium"
        case ["v1", "environments", _, "work", *_]:
            return "/v1/environments/{id}/work is not part of this version of Podium"
        case _:
            return f"{method} {path[:200]}: there is no such route; /openapi.json lists them"


def _methods(path: str) -> list[str]:
    """The methods that may be used at this path."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    return sorted({method for route in routes if route.path_regex.match(path) for method in route.methods or ()})


async def known_query(request: Request) -> None:
    """Refuse a parameter that the route does not have: a filter that is misspelt would filter nothing.

    Errors: ApiError 400, naming it and the nearest right one; naming one that is no array and stands twice.
    """
    if not request.scope["query_string"]:
        return
    route: APIRoute = request.scope["route"]
    method = "get" if request.method == "HEAD" else request.method.lower()
    operation = request.app.openapi()["paths"][route.path_format][method]
    known = {it["name"]: it["schema"] for it in operation.get("parameters", ()) if it["in"] == "query"}
    for name in request.query_params:
        if name not in known and name not in _EVERYWHERE:
            raise ApiError(400, str(UnknownName("parameter", f"{name:.60}", known, where=f"{name:.60}")))
        times = len(request.query_params.getlist(name))
        if times > 1 and name in known and not _is_array(known[name]):
            raise ApiError(400, f"{name}: may be given once, not {times} times")


def _is_array(schema: Mapping[str, Any]) -> bool:
    return any(each.get("type") == "array" for each in (schema, *schema.get("anyOf", ())))
