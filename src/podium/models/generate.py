"""Values that fit a JSON Schema, made up from a seed: for rehearsals, where only the shape matters."""

import random
from typing import Any

from podium.core.json import JSON
from podium.core.schema import misfit
from podium.errors import ModelFailed


def generate(schema: dict[str, JSON], seed: str) -> JSON:
    """A value of the schema, the same for the same seed.

    Errors: ModelFailed for a schema it cannot satisfy (a pattern, say), with the reason.
    """
    value = _value(schema, schema, random.Random(seed))
    wrong = misfit(schema, value)
    if wrong is not None:
        raise ModelFailed(f"cannot make up a value for this schema: {wrong}. Script this agent's replies instead")
    return value


def _value(schema: JSON, root: JSON, chance: random.Random) -> JSON:
    if not isinstance(schema, dict):
        return "anything"
    if "$ref" in schema:
        return _value(_resolve(schema["$ref"], root), root, chance)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return chance.choice(schema["enum"])
    for choice in ("anyOf", "oneOf"):
        if schema.get(choice):
            return _value(schema[choice][0], root, chance)
    if schema.get("allOf"):
        return _value(_merged(schema, root), root, chance)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    return _of_kind(kind, schema, root, chance)


def _merged(schema: dict[str, JSON], root: JSON) -> dict[str, JSON]:
    """The schema and the parts of its allOf as one: properties and required add up."""
    merged: dict[str, JSON] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        part = _resolve(part["$ref"], root) if "$ref" in part else part
        properties = {**merged.get("properties", {}), **part.get("properties", {})}
        required = [*merged.get("required", ()), *part.get("required", ())]
        merged |= {**part, "properties": properties, "required": required}
    return merged


def _of_kind(kind: str, schema: dict[str, JSON], root: JSON, chance: random.Random) -> JSON:
    match kind:
        case "object":
            properties = schema.get("properties", {})
            return {name: _value(properties.get(name, {}), root, chance) for name in schema.get("required", ())}
        case "array":
            count = max(schema.get("minItems", 1), 1) if schema.get("maxItems", 1) > 0 else 0
            return [_value(schema.get("items", {}), root, chance) for _ in range(count)]
        case "integer" | "number":
            return _number(schema, chance)
        case "boolean":
            return chance.random() < 0.5
        case "null":
            return None
        case _:
            return _text(schema, chance)


def _number(schema: dict[str, JSON], chance: random.Random) -> JSON:
    bounds: dict[str, Any] = {"minimum": schema.get("exclusiveMinimum", 0), **schema}
    low: float = bounds["minimum"]
    high: float = bounds.get("maximum", bounds.get("exclusiveMaximum", low + 100))
    number: float = chance.randint(int(low), max(int(low), int(high)))
    if "multipleOf" in schema:
        number = round(number / schema["multipleOf"]) * schema["multipleOf"]
    return number + 1 if number == schema.get("exclusiveMinimum") else number


_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.org",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def _text(schema: dict[str, JSON], chance: random.Random) -> str:
    made = _FORMATS.get(str(schema.get("format")), f"rehearsed {chance.randint(100, 999)}")
    made = made.ljust(schema.get("minLength", 0), ".")
    return made[: schema["maxLength"]] if "maxLength" in schema else made


def _resolve(ref: str, root: JSON) -> JSON:
    # Only '#/...' gets here: a schema that points elsewhere was refused when the agent was defined.
    part = root
    for step in ref.removeprefix("#").split("/")[1:]:
        part = part[step.replace("~1", "/").replace("~0", "~")]
    return part
