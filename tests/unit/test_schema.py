"""JSON Schemas: which are refused, that none reaches out, and what a model is told about a value that does not fit."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given

from podium.core.schema import check_schema, misfit
from podium.errors import BadInput
from tests.unit.building import json_values


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Listens, and is asked afterwards whether anybody came."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def address(server: socket.socket) -> str:
    return f"http://127.0.0.1:{server.getsockname()[1]}/schema"


def nobody_came(server: socket.socket) -> bool:
    try:
        server.accept()
    except BlockingIOError:
        return True
    return False


OUTWARD: dict[str, dict[str, Any]] = {
    "$ref": {"type": "object", "$ref": "{}"},
    "$ref of a property": {"type": "object", "properties": {"a": {"$ref": "{}#/definitions/b"}}},
    "$dynamicRef": {"type": "object", "$dynamicRef": "{}"},
    "$schema": {"type": "object", "$schema": "{}"},
    "$ref against an $id": {"type": "object", "$id": "{}", "properties": {"a": {"$ref": "other"}}},
}


def pointing(value: Any, target: str) -> Any:
    if isinstance(value, dict):
        return {key: pointing(inner, target) for key, inner in value.items()}
    return value.replace("{}", target) if isinstance(value, str) else value


@pytest.mark.parametrize("schema", OUTWARD.values(), ids=OUTWARD.keys())
def test_schema_that_points_to_the_network_is_refused_without_going_there(
    schema: dict[str, Any], server: socket.socket
) -> None:
    with pytest.raises(BadInput, match=r"agent 'a': .* may only refer to its own parts \('#/\.\.\.'\)"):
        check_schema(pointing(schema, address(server)), where="agent 'a'")

    assert nobody_came(server)


@pytest.mark.parametrize("schema", OUTWARD.values(), ids=OUTWARD.keys())
@pytest.mark.parametrize("file", ["file:///etc/hostname", "file:///proc/self/environ"])
def test_schema_that_points_to_a_file_is_refused(schema: dict[str, Any], file: str) -> None:
    with pytest.raises(BadInput, match="may only refer to its own parts") as refusal:
        check_schema(pointing(schema, file), where="agent 'a'")

    assert "HOME=" not in str(refusal.value)


def test_nested_part_with_a_dialect_of_its_own_does_not_reach_out(server: socket.socket) -> None:
    inner = {"$id": "urn:inner", "$schema": address(server), "type": "string"}
    schema = {"type": "object", "properties": {"a": inner}}
    try:
        check_schema(schema, where="agent 'a'")
        misfit(schema, {"a": 5})
    except BadInput:
        pass

    assert nobody_came(server)


REFUSED: dict[str, tuple[Any, str]] = {
    "a text": ("object", "a schema is a JSON object or a Pydantic model, this is str"),
    "a class": (dict, "a schema is a JSON object or a Pydantic model, this is type"),
    "unknown type": ({"type": "objekt"}, "this is not a JSON Schema: .*objekt"),
    "minimum that is a text": ({"type": "object", "properties": {"a": {"minimum": "x"}}}, "this is not a JSON Schema"),
    "pattern that is none": ({"type": "object", "properties": {"a": {"pattern": "("}}}, "this is not a JSON Schema"),
    "reference to nothing": ({"type": "object", "properties": {"a": {"$ref": "#/x"}}}, "'/x' does not exist"),
    "not of an object": ({"type": "string"}, 'must have "type": "object" at the top, not \'string\'; put other'),
    "object or null": ({"type": ["object", "null"]}, 'must have "type": "object" at the top'),
    "no type": ({}, 'must have "type": "object" at the top, not None'),
    "keys that are numbers": ({"type": "object", 1: 2}, "this is not a JSON Schema"),
    "a text that is not Unicode": ({"type": "object", "title": "\ud800"}, "this is not a JSON Schema"),
    "no JSON inside": ({"type": "object", "default": object()}, "this is not a JSON Schema"),
}


@pytest.mark.parametrize(("schema", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_schema(schema: Any, message: str) -> None:
    with pytest.raises(BadInput, match=f"agent 'a', input_schema: .*{message}"):
        check_schema(schema, where="agent 'a', input_schema")


def test_schema_nested_too_deeply_is_refused() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(5_000):
        schema = {"type": "object", "properties": {"a": schema}}

    with pytest.raises(BadInput, match=r"agent 'a': this is not a JSON Schema: .*(nested|recursion)"):
        check_schema(schema, where="agent 'a'")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "$schema": "http://json-schema.org/draft-07/schema#"},
        {"type": "object", "$schema": "https://json-schema.org/draft/2020-12/schema"},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "string"}}},
        {"type": "object", "properties": {"a": {"format": "a format of somebody's own"}}},
        {"type": "object", "properties": {"next": {"$ref": "#"}}},
    ],
)
def test_accepted_schema(schema: dict[str, Any]) -> None:
    check_schema(schema, where="agent 'a'")


# --- values --------------------------------------------------------------------------------------

SCHEMA = {
    "type": "object",
    "properties": {"count": {"type": "integer"}, "files": {"type": "array", "items": {"type": "string"}}},
    "required": ["count"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"count": 3}, None),
        ({"count": 3.0}, None),
        ({"count": 2**70, "files": []}, None),
        ({}, '"count" is a required property'),
        ({"count": "3"}, 'count: "3" is not of type "integer"'),
        ({"count": 3, "files": ["a", 5]}, 'files/1: 5 is not of type "string"'),
        ({"count": 3, "fiels": []}, "Additional properties are not allowed ('fiels' was unexpected)"),
        ([], '[] is not of type "object"'),
    ],
)
def test_misfit_says_where_and_why(value: Any, reason: str | None) -> None:
    assert misfit(SCHEMA, value) == reason


def test_misfit_names_five_reasons_at_most() -> None:
    reason = misfit(SCHEMA, {"count": 1, "files": list(range(100))})

    assert reason is not None
    assert reason.count("is not of type") == 5
    assert reason.endswith("; and more")


@given(json_values)
def test_any_json_value_fits_or_has_a_reason(value: Any) -> None:
    reason = misfit(SCHEMA, value)

    assert reason is None or reason
    assert misfit({"type": "object"}, {"a": value}) is None


def test_value_that_cannot_be_read_is_a_misfit_and_no_crash() -> None:
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]

    for value in ({"count": 1, "files": deep}, {"count": b"bytes"}):
        assert str(misfit(SCHEMA, value)).startswith("it cannot be read: ")


def test_equal_schemas_in_two_places_are_both_known() -> None:
    for schema in (SCHEMA, dict(SCHEMA), {"type": "object"}):
        assert misfit(schema, {"count": 1}) is None
