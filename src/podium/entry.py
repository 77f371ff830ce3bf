"""What people write by hand, as Pydantic models, and what does not fit them in words for the one who wrote it."""

from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from podium.errors import UnknownName

Where = tuple[str | int, ...]  # where a value stands: ("agents", "lead", "tools", 0)
Problem = tuple[Where, str]

Count = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]

_ALTERNATIVES = ("mapping", "text")  # the names of what an item of a list may be; Pydantic puts them into places


class Entry(BaseModel):
    """A mapping that somebody wrote: only the keys it knows, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


def wrong(said: str) -> PydanticCustomError:
    """What a validator raises, to be told in these words; the value is told only if they hold it."""
    return PydanticCustomError("said", "{said}", {"said": said})


def problem(details: Any, root: type[Entry], meant: Mapping[str, str]) -> Problem:
    """An error of Pydantic's, as a place in what was written and our words.

    Shape: `meant` are words of other tools, and what they are called here.
    """
    loc: Where = details["loc"]
    place = tuple(
        step
        for before, step in zip(("", *loc), loc, strict=False)
        if step != "[key]" and not (isinstance(before, int) and step in _ALTERNATIVES)
    )
    kind, given = details["type"], named(details["input"])
    match kind:
        case "extra_forbidden":
            return place, _unknown_key(place, root, meant)
        case "missing":
            return place[:-1], f"'{place[-1]}' is missing"
        case "string_type":
            is_plain = not isinstance(details["input"], dict | list | type(None))
            return place, f"must be a text, not {given}" + ("; put it in quotes" if is_plain else "")
        case "model_type" | "dict_type":
            return place, f"must be a mapping, not {given}"
        case "list_type":
            return place, f"must be a list, not {given}"
        case "greater_than" | "int_type" | "float_type" | "int_from_float" | "finite_number":
            return place, f"must be a {'whole ' if 'int' in kind else ''}number above 0, not {given}"
        case "bool_type":
            return place, f"must be true or false, not {given}"
        case "literal_error":
            return place, f"must be {details['ctx']['expected']}, not {given}"
        case "string_too_short" | "too_short":
            return place, "must not be empty"
        case _:
            return place, str(details["msg"])


def named(value: object) -> str:
    """The value as a message names it."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return f"{value!r:.60}"


def _unknown_key(place: Where, root: type[Entry], meant: Mapping[str, str]) -> str:
    entry = entry_at(root, place[:-1])
    key, known = str(place[-1]), set(entry.model_fields if entry is not None else ())
    if meant.get(key) in known:
        return f"unknown key '{key}', did you mean '{meant[key]}'?"
    return str(UnknownName("key", key, known))


def entry_at(shape: Any, place: Where) -> type[Entry] | None:
    """The mapping that stands at this place of a type."""
    if get_origin(shape) in (dict, list):
        return entry_at(get_args(shape)[-1], place[1:]) if place else None
    if isinstance(shape, type) and issubclass(shape, Entry):
        if not place:
            return shape
        field = shape.model_fields.get(str(place[0]))
        return None if field is None else entry_at(field.annotation, place[1:])
    alternatives = (entry_at(part, place) for part in get_args(shape))
    return next((entry for entry in alternatives if entry is not None), None)
