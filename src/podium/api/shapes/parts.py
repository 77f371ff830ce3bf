"""What several bodies are made of: texts of certain lengths, metadata, schemas, alternatives told apart by a field."""

from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, WrapValidator
from pydantic_core import InitErrorDetails, PydanticCustomError

from podium.api.shapes.body import Body, refused, wrong
from podium.core.json import JSON
from podium.core.revisions import MAX_KEY, MAX_PAIRS, MAX_VALUE
from podium.core.schema import check_schema
from podium.errors import BadInput, UnknownName

NOT_AVAILABLE = "is not available in this version of Podium"

Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Description = Annotated[str, StringConstraints(max_length=2048)]
Version = Annotated[int, Field(ge=1, lt=2**63)]


def one_of(
    field: str, kinds: Mapping[str, type[Body]], *, not_yet: Collection[str] = (), elsewhere: Collection[str] = ()
) -> WrapValidator:
    """Reads an object as that alternative which one of its fields names; for a union of bodies, as its annotation.

    Shape: `not_yet` are values of the field that the API has and Podium has not; `elsewhere` fit in other places alone.
    """

    def read(value: Any, _: Callable[[Any], Any]) -> Any:
        if not isinstance(value, dict):
            raise PydanticCustomError("model_type", "must be an object")
        if field not in value:
            raise _missing(field, value)
        kind = value[field]
        if kind in not_yet:
            raise refused(field, f"'{kind}' {NOT_AVAILABLE}")
        if kind in elsewhere:
            raise refused(field, f"'{kind}' is not allowed here")
        if not isinstance(kind, str) or kind not in kinds:
            raise refused(field, str(UnknownName(field, f"{kind!s:.60}", kinds)))
        return kinds[kind].model_validate(value)

    return WrapValidator(read)


def inside(place: tuple[str | int, ...], value: object, said: str) -> ValidationError:
    """What a validator raises about something deeper inside of its value; the words follow that place."""
    return ValidationError.from_exception_data(said, [InitErrorDetails(type=wrong(said), loc=place, input=value)])


def _missing(field: str, value: object) -> ValidationError:
    return ValidationError.from_exception_data(field, [InitErrorDetails(type="missing", loc=(field,), input=value)])


def under(field: str) -> Callable[[Any], Any]:
    """Reads a text as an object that has only this field."""
    return lambda value: {field: value} if isinstance(value, str) else value


def reference(value: Any) -> Any:
    """Reads an agent's id as a reference to its newest version."""
    return {"type": "agent", "id": value} if isinstance(value, str) else value


def fits_schema(value: dict[str, JSON]) -> dict[str, JSON]:
    """The JSON Schema of an object that it must be. Errors: as validators raise them."""
    try:
        check_schema(value, where="it")
    except BadInput as error:
        raise wrong(str(error).removeprefix("it: ")) from None
    return value


Schema = Annotated[dict[str, Any], AfterValidator(fits_schema)]

_Key = Annotated[str, StringConstraints(min_length=1, max_length=MAX_KEY)]
_Value = Annotated[str, StringConstraints(max_length=MAX_VALUE)]


def _few(pairs: dict[str, Any]) -> dict[str, Any]:
    if len(pairs) > MAX_PAIRS:
        raise wrong(f"must have at most {MAX_PAIRS} pairs, not {len(pairs)}")
    return pairs


Metadata = Annotated[dict[_Key, _Value], AfterValidator(_few)]
MetadataChange = dict[_Key, _Value | None]
