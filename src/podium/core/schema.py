"""JSON Schemas: is it one, and does a value fit it."""

from functools import lru_cache
from itertools import islice
from typing import Never

import jsonschema_rs
import msgspec

from podium.core.json import JSON, canonical
from podium.errors import BadInput

_MOST_ERRORS = 5


def check_schema(schema: JSON, *, where: str) -> None:
    """Refuse what is not a JSON Schema of an object, which is what a tool's input must be.

    Errors: BadInput that says where the schema stands and what is wrong with it.
    """
    if not isinstance(schema, dict):
        raise BadInput(f"{where}: a schema is a JSON object or a Pydantic model, this is {type(schema).__name__}")
    try:
        _validator(canonical(schema))
    except jsonschema_rs.ValidationError as error:
        if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Referencing):
            raise BadInput(f"{where}: {error.message}. A schema may only refer to its own parts ('#/...')") from None
        raise BadInput(f"{where}: this is not a JSON Schema: {error.message}") from None
    except RecursionError:
        raise BadInput(f"{where}: this is not a JSON Schema: it is nested too deeply") from None
    except (ValueError, TypeError) as error:
        raise BadInput(f"{where}: this is not a JSON Schema: {error}") from None
    if schema.get("type") != "object":
        raise BadInput(
            f'{where}: the schema must have "type": "object" at the top, not {schema.get("type")!r}; '
            "put other values into a property"
        )


def misfit(schema: dict[str, JSON], value: JSON) -> str | None:
    """Why the value does not fit the schema, in words for the model that wrote it; None if it fits."""
    validator = _validator_of(schema)
    try:
        if validator.is_valid(value):
            return None
        errors = list(islice(validator.iter_errors(value), _MOST_ERRORS + 1))
    except ValueError as unreadable:  # no JSON, or nested too deeply
        return f"it cannot be read: {unreadable}"
    reasons: list[str] = []
    for error in errors:
        if len(reasons) == _MOST_ERRORS:
            reasons.append("and more")
            break
        place = "/".join(str(step) for step in error.instance_path)
        reasons.append(f"{place}: {error.message}" if place else error.message)
    return "; ".join(reasons)


# Schemas live in pinned definitions, so the same dict comes back call after call: it is found by identity first.
# The dict is kept beside its validator, so that nothing else can take its identity.
_by_identity: dict[int, tuple[dict[str, JSON], jsonschema_rs.Validator]] = {}


def _validator_of(schema: dict[str, JSON]) -> jsonschema_rs.Validator:
    kept = _by_identity.get(id(schema))
    if kept is None:
        if len(_by_identity) >= 1024:
            _by_identity.clear()
        kept = _by_identity[id(schema)] = (schema, _validator(canonical(schema)))
    return kept[1]


@lru_cache(maxsize=1024)
def _validator(schema: bytes) -> jsonschema_rs.Validator:
    value = msgspec.json.decode(schema)
    # Not meta.validate: it would fetch an unknown "$schema" from the network. This one checks the schema as well.
    return jsonschema_rs.validator_for(value, validate_formats=True, retriever=_refuse)


def _refuse(uri: str) -> Never:
    # The library would fetch http and read files by default: schemas come from users and must not reach out.
    raise ValueError(f"'{uri}' lies outside the schema")
