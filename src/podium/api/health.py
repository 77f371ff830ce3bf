"""`/health`: is it up; and for who has a key, how it stands."""

from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request

from podium.api.auth import Caller
from podium.api.middleware import VERSION
from podium.api.sessions import own
from podium.api.state import Here, Server
from podium.config.load import Provider
from podium.core.keys import ADMIN, may
from podium.errors import NotFound

router = APIRouter()

# What requests may ask for and this version never gives, by the name that clients know it by.
NOT_AVAILABLE = {
    "web_search": "no search provider is built in; agents are not offered this tool",
    "web_fetch": "no fetch provider is built in; agents are not offered this tool",
}


@router.head("/health", include_in_schema=False)
@router.get("/health", summary="Is it up")
async def health(request: Request, server: Here) -> dict[str, Any]:
    """Without a key only that it is up; how the server is set up, with the scope `admin` alone."""
    caller: Caller | None = request.state.caller
    if caller is None:
        return {"status": "ok"}
    is_admin = may(caller.scopes, [ADMIN])
    return {
        "status": "ok",
        "version": VERSION,
        "store": await _store(server, is_admin),
        "sessions": {"running": server.serving.running, "not_driven_here": await _unmet(server, caller)},
        "providers": _providers(server, is_admin),
        "not_available": NOT_AVAILABLE,
    }


async def _store(server: Server, is_admin: bool) -> dict[str, Any]:
    keys = await server.keys.keys()  # says that the file can be read
    told: dict[str, Any] = {"status": "ok"}
    return told | {"folder": str(server.podium.folder), "keys": len(keys)} if is_admin else told


async def _unmet(server: Server, caller: Caller) -> dict[str, str]:
    """The sessions of the caller's workspace that this process cannot drive, and why."""
    unmet = {}
    for session, why in server.serving.unmet.items():
        with suppress(NotFound):  # another workspace's, or deleted
            await own(server, caller, session)
            unmet[session] = why
    return unmet


def _providers(server: Server, is_admin: bool) -> list[dict[str, Any]]:
    config = server.podium.config
    return [
        {
            "name": name,
            "is_default": name == config.default_provider,
            "has_key": provider.upstream.api_key is not None or provider.key_env is None,
            **(_set_up(provider) if is_admin else {}),
        }
        for name, provider in sorted(config.providers.items())
    ]


def _set_up(provider: Provider) -> dict[str, Any]:
    return {
        "base_url": provider.upstream.base_url,
        "limits": {
            "calls": provider.limits.calls,
            "requests_per_minute": provider.limits.requests_per_minute,
            "tokens_per_minute": provider.limits.tokens_per_minute,
        },
    }
