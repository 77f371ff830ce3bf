"""`/health`: is it up; and for who has a key, how it stands."""

from typing import Any

from fastapi import APIRouter, Request

from podium.api.middleware import VERSION
from podium.api.state import Here, Server

router = APIRouter()

# What requests may ask for and this version never gives, by the name that clients know it by.
NOT_AVAILABLE = {
    "web_search": "no search provider is built in; agents are not offered this tool",
    "web_fetch": "no fetch provider is built in; agents are not offered this tool",
}


@router.head("/health", include_in_schema=False)
@router.get("/health", summary="Is it up")
async def health(request: Request, server: Here) -> dict[str, Any]:
    """Without a key only that it is up."""
    if request.state.caller is None:
        return {"status": "ok"}
    return {
        "status": "ok",
        "version": VERSION,
        "store": await _store(server),
        "sessions": {"running": server.serving.running, "not_driven_here": server.serving.unmet},
        "providers": _providers(server),
        "not_available": NOT_AVAILABLE,
    }


async def _store(server: Server) -> dict[str, Any]:
    keys = await server.keys.keys()  # says that the file can be read
    return {"status": "ok", "folder": str(server.podium.folder), "keys": len(keys)}


def _providers(server: Server) -> list[dict[str, Any]]:
    config = server.podium.config
    return [
        {
            "name": name,
            "base_url": provider.upstream.base_url,
            "is_default": name == config.default_provider,
            "has_key": provider.upstream.api_key is not None or provider.key_env is None,
            "limits": {
                "calls": provider.limits.calls,
                "requests_per_minute": provider.limits.requests_per_minute,
                "tokens_per_minute": provider.limits.tokens_per_minute,
            },
        }
        for name, provider in sorted(config.providers.items())
    ]
