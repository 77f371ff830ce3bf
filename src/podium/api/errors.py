"""Errors as the API says them: one table from ours to its status and type, and what does not fit a body in words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from podium.core.json import JSON
from podium.entry import named
from podium.errors import (
    BadInput,
    Conflict,
    NotFound,
    PodiumError,
    Refused,
    RunOpen,
    SandboxUnavailable,
    StoreDown,
)

JSON_TYPE = "application/json"
REQUEST_ID = "podium.request_id"  # its key in the scope of a request


class ApiError(PodiumError):
    """An error that only the API has, or that says more than its text: a status, a type, headers, details."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str | None = None,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, JSON] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type or TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
        self.headers = dict(headers or {})
        self.details = details


# Source: the Managed Agents API, section A.8.
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}

# The first that fits counts.
STATUS: tuple[tuple[type[PodiumError], int], ...] = (
    (BadInput, 400),
    (NotFound, 404),
    (Conflict, 409),
    (Refused, 400),
    (StoreDown, 503),
    (SandboxUnavailable, 400),
    (PodiumError, 500),
)


def invalid(field: str, said: str, *, code: str | None = None) -> ApiError:
    """A 400 that names the field. `code` is what clients tell it apart by, where the API has one."""
    return ApiError(400, f"{field}: {said}", details=None if code is None else {"error_code": code})


def of_error(error: Exception) -> ApiError:
    """The error as the API says it. What is no PodiumError is a bug: nothing of it is told to the caller."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, RequestValidationError):
        return ApiError(400, told(error.errors(), error.body))
    if isinstance(error, HTTPException):
        return ApiError(error.status_code, str(error.detail), headers=error.headers)
    if isinstance(error, PodiumError):
        status = next(status for kind, status in STATUS if isinstance(error, kind))
        # Official clients try a 409 again by themselves, which is of no use here.
        headers = {"x-should-retry": "false"} if status == 409 else {}
        details = {"error_code": "workflow_run_open"} if isinstance(error, RunOpen) else None
        return ApiError(status, str(error), headers=headers, details=details)
    return ApiError(500, "the server made a mistake; its log says more, under this request's id")


def answer(error: ApiError, request_id: str) -> Response:
    """The error as a response."""
    said: dict[str, JSON] = {"type": error.type, "message": str(error)}
    if error.details is not None:
        said["details"] = dict(error.details)
    body = {"type": "error", "error": said, "request_id": request_id}
    return Response(_encode(body), error.status, headers=error.headers, media_type=JSON_TYPE)


async def handled(request: Request, error: Exception) -> Response:
    """What FastAPI calls for errors of routes."""
    return answer(of_error(error), request.scope.get(REQUEST_ID, ""))


def _encode(body: JSON) -> bytes:
    # A text from outside may hold half a surrogate pair, which no UTF-8 has.
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        import json

        return json.dumps(body).encode()


# --- what does not fit, in words ---------------------------------------------------------------------


def told(details: Sequence[Any], body: Any) -> str:
    """What is wrong with a request, beginning with the place. Shape: of several things, the one that lies deepest."""
    problems = [_problem(each, body) for each in details]
    place, said = max(problems, key=lambda problem: len(problem[0]))  # the first of those that lie equally deep
    here = {each["type"] for each, problem in zip(details, problems, strict=True) if problem[0] == place}
    if "string_type" in here and here & {"model_type", "model_attributes_type", "dict_type"}:
        given = next(each["input"] for each, problem in zip(details, problems, strict=True) if problem[0] == place)
        said = f"must be a text or an object, not {_json_name(given)}"
    return f"{dotted(place)}: {said}" if place else f"body: {said}"


def dotted(place: Iterable[str | int]) -> str:
    """The place as the API writes it: agent.tools[0].name."""
    written = ""
    for step in place:
        written += f"[{step}]" if isinstance(step, int) else f".{step}" if written else str(step)
    return written


def _problem(details: Any, body: Any) -> tuple[tuple[str | int, ...], str]:
    source, *loc = details["loc"]
    kind, context = details["type"], details.get("ctx", {})
    if source != "body":
        named_as = (step.removesuffix("[]") if isinstance(step, str) else step for step in loc)
        return tuple(named_as) or (source,), _said(details)
    place = _place(loc, body, is_key=kind == "missing")
    if "key" in context:  # a key of the object there, which only the object's own validator knows
        place = (*place, str(context["key"]))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        place = (*place, context["discriminator"].strip("'"))
    return place, _said(details)


def _place(loc: Sequence[str | int], body: Any, *, is_key: bool) -> tuple[str | int, ...]:
    """The place in what was sent: Pydantic puts names of alternatives and of validators between."""
    place: list[str | int] = []
    at = body
    for number, step in enumerate(loc, start=1):
        is_there = step in at if isinstance(at, dict) else isinstance(at, list) and step in range(len(at))
        if is_there:
            at = at[step]
        elif not (is_key and number == len(loc)):
            continue
        place.append(step)
    return tuple(place)


def _said(details: Any) -> str:
    kind, context, given = details["type"], details.get("ctx", {}), named(details["input"])
    match kind:
        case "missing":
            return "is required"
        case "said" | "unknown_key" | "unavailable":
            return str(details["msg"])
        case "string_type":
            return f"must be a text, not {_json_name(details['input'])}"
        case "int_type" | "int_parsing" | "int_from_float":
            return f"must be a whole number, not {given}"
        case "bool_type" | "bool_parsing":
            return f"must be true or false, not {given}"
        case "model_type" | "dict_type" | "model_attributes_type" | "mapping_type":
            return f"must be an object, not {_json_name(details['input'])}"
        case "list_type" | "tuple_type":
            return f"must be an array, not {_json_name(details['input'])}"
        case "string_too_short" if context.get("min_length") == 1:
            return "must not be empty"
        case "string_too_long":
            return f"must have at most {context['max_length']:,} characters, not {len(details['input']):,}"
        case "too_short":
            least = context["min_length"]
            return f"must have at least {least:,} {'entry' if least == 1 else 'entries'}"
        case "too_long":
            return f"must have at most {context['max_length']:,} entries, not {context['actual_length']:,}"
        case "literal_error":
            return f"must be {context['expected']}, not {given}"
        case "union_tag_invalid":
            return f"must be one of {context['expected_tags']}, not {context['tag']!r:.60}"
        case "union_tag_not_found":
            return "is required"
        case "extra_forbidden":
            return "is no field of this"
        case _:
            said = str(details["msg"])
            if said.startswith("Input should be "):
                return f"must be {said.removeprefix('Input should be ')}, not {given}"
            return said[:1].lower() + said[1:]


def _json_name(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool() | int() | float():
            return "a number" if not isinstance(value, bool) else "true" if value else "false"
        case str():
            return "a text"
        case list():
            return "an array"
        case dict():
            return "an object"
        case _:
            return named(value)
