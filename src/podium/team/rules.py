"""What an agent says of those it calls, in a team file: how often they are called again, when their calls are over."""

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from podium.core.definitions import check_retries
from podium.core.joins import MOST_RETRIES, RULES, Rule, rule_of
from podium.core.json import JSON
from podium.entry import wrong
from podium.errors import BadInput


def _retries(value: Any) -> Any:
    try:
        for number in value.values() if isinstance(value, dict) else [value]:
            check_retries(number, "")
    except BadInput as error:
        raise wrong(f"{str(error).strip()}; or a mapping of such numbers by agent") from None
    return value


def _rule(value: Any) -> Rule:
    try:
        return rule_of(value)
    except BadInput as error:
        raise wrong(str(error).removeprefix("join ")) from None


_RETRIES: dict[str, JSON] = {"type": "integer", "minimum": 0, "maximum": MOST_RETRIES}
Retries = Annotated[
    int | dict[str, int],
    BeforeValidator(_retries),
    WithJsonSchema({"anyOf": [_RETRIES, {"type": "object", "additionalProperties": _RETRIES}]}),
]
Join = Annotated[
    str | int,
    BeforeValidator(_rule),
    WithJsonSchema({"anyOf": [{"enum": list(RULES)}, {"type": "integer", "minimum": 1}]}),
]
