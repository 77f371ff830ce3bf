"""The OpenAPI document: what each route takes and answers, and that every error has one shape."""

from typing import Any

from pydantic import BaseModel

from podium.api.auth import OPEN
from podium.api.errors import TYPES


class ErrorBody(BaseModel):
    """What went wrong. Each that is about a field begins with its name."""

    type: str
    message: str
    details: dict[str, Any] | None = None


class ErrorAnswer(BaseModel):
    """An error."""

    type: str
    error: ErrorBody
    request_id: str


# Said for every route: with "4XX" said, FastAPI does not claim a 422, which is never answered here.
RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "model": ErrorAnswer,
        "description": "The request cannot be done: " + ", ".join(dict.fromkeys(TYPES.values())),
    },
    "5XX": {"model": ErrorAnswer, "description": "The server cannot do it now"},
}
DESCRIPTION = "The Managed Agents API, served by Podium. The official SDKs work against it unchanged."


def describe_keys(document: dict[str, Any]) -> None:
    """Say in the document how a key is sent, and what needs none.

    It is said once here, and not by each route: FastAPI would read the headers again for each request.
    """
    what = "A key of `podium key create`"
    document.setdefault("components", {})["securitySchemes"] = {
        "ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": f"{what}."},
        "Bearer": {"type": "http", "scheme": "bearer", "description": f"{what}, as a bearer token."},
    }
    document["security"] = [{"ApiKey": []}, {"Bearer": []}]
    for path in OPEN & document["paths"].keys():
        for operation in document["paths"][path].values():
            operation["security"] = [{}, *document["security"]]
