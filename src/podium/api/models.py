"""`/v1/models`: the models that agents here may name."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Security

from podium.api.auth import Caller, allowed
from podium.api.errors import ApiError
from podium.api.state import Here, Server

router = APIRouter()
Reader = Annotated[Caller, Security(allowed, scopes=["agents:read"])]


@router.get("/v1/models", summary="List models")
async def models(
    caller: Reader,
    server: Here,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at most.")] = 20,
    after_id: Annotated[str | None, Query(description="The `last_id` of the page before.")] = None,
    before_id: Annotated[str | None, Query(description="The `first_id` of the page behind.")] = None,
) -> dict[str, Any]:
    """The models that podium.toml names, and those that the program brought; by name.

    Agents may name others too: those are the default provider's.
    """
    names = _names(server)
    if after_id is not None and before_id is not None:
        raise ApiError(400, "before_id: goes with no 'after_id'; send one of them")
    for field, id in (("after_id", after_id), ("before_id", before_id)):
        if id is not None and id not in names:
            raise ApiError(400, f"{field}: there is no model '{id:.100}' in this list")
    if before_id is not None:
        found = names[: names.index(before_id)]
        data, has_more = found[-limit:], len(found) > limit
    else:
        found = names if after_id is None else names[names.index(after_id) + 1 :]
        data, has_more = found[:limit], len(found) > limit
    return {
        "data": [_model(server, name) for name in data],
        "has_more": has_more,
        "first_id": data[0] if data else None,
        "last_id": data[-1] if data else None,
    }


@router.get("/v1/models/{model_id:path}", summary="Retrieve a model")
async def model(model_id: str, caller: Reader, server: Here) -> dict[str, Any]:
    """One of the models of the list."""
    if model_id not in _names(server):
        default = server.podium.config.default_provider
        raise ApiError(
            404,
            f"model '{model_id:.100}' is not named in podium.toml. An agent may name it all the same: it is then asked "
            f"of the provider '{default}'",
        )
    return _model(server, model_id)


def _names(server: Server) -> list[str]:
    return sorted({*server.podium.models, *server.podium.config.models})


def _model(server: Server, name: str) -> dict[str, Any]:
    facts = server.podium.facts_of(name)
    return {
        "id": name,
        "type": "model",
        "display_name": name,
        "created_at": "1970-01-01T00:00:00Z",  # what the API writes where the date is not known
        "lifecycle": "active",
        "max_input_tokens": facts.context_window,
        "max_tokens": facts.max_tokens,
        "capabilities": None,
        "allowed_fallback_models": None,
        "line": None,
        "deprecated_at": None,
        "retires_at": None,
    }
