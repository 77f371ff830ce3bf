"""Values that a workflow takes in and gives out: as JSON in the log, as what the code wants to see in the code."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from podium.core.json import JSON
from podium.errors import BadInput

T = TypeVar("T")
ANY = (inspect.Parameter.empty, Any, object)


def to_json(value: Any, what: str) -> JSON:
    """The value as JSON has it: what is told again after a crash is the same.

    Shape: JSON values, dataclasses, msgspec structs, Pydantic models, results of calls, and collections of these.
    Errors: BadInput that names `what` it is.
    """
    try:
        return msgspec.json.decode(msgspec.json.encode(value, enc_hook=_plain))
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise BadInput(
            f"{what} must be JSON (texts, numbers, lists, dicts with text keys, dataclasses, Pydantic models), and "
            f"{type(value).__name__} is not: {error}"
        ) from None


def checked_text(value: str, what: str) -> str:
    """The text. Errors: BadInput for half a character, such as names of files may hold: no log can keep it."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        half = value[error.start]
        raise BadInput(
            f"{what} holds half a character ({half!r} at {error.start}), which UTF-8 does not have. Replace it: "
            "text.encode(errors='replace').decode()"
        ) from None
    return value


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    as_json = getattr(value, "__podium_json__", None)
    if as_json is not None:
        return as_json()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def from_json(value: JSON, type_: Any, what: str, *, or_plain: bool = False) -> Any:
    """The JSON value as one of this type: a Pydantic model, a dataclass, a struct, a plain type or a collection.

    Shape: with `or_plain` the value itself, if it is a type that nothing reads.
    Errors: BadInput if it does not fit, naming `what` it is.
    """
    if type_ in ANY or type_ is None:
        return value
    read = _reader(type_)
    if read is None:
        if or_plain:
            return value
        raise _unreadable(type_, what)
    try:
        return read(value)
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise BadInput(f"{what} does not fit {_type_name(type_)}: {_in_short(error)}") from None


def _in_short(error: Exception) -> str:
    """What is wrong with a value, and where, on one line."""
    found = getattr(error, "errors", None)  # Pydantic's
    if found is None:
        return str(error)
    said = [(".".join(map(str, each["loc"])), each["msg"]) for each in found(include_url=False)[:4]]
    return "; ".join(f"{where}: {what}" if where else what for where, what in said)


def check_readable(type_: Any, what: str) -> None:
    """See that JSON can be read as this type. Errors: BadInput, naming `what` is to be read."""
    if type_ not in ANY and _reader(type_) is None:
        raise _unreadable(type_, what)


def _reader(type_: Any) -> Callable[[JSON], Any] | None:
    """What makes one of this type of a JSON value; None if nothing does."""

    def convert(value: JSON) -> Any:
        return msgspec.convert(value, type_)

    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return convert
    from pydantic import PydanticUndefinedAnnotation, PydanticUserError, TypeAdapter  # only typed workflows pay for it

    try:
        return TypeAdapter(type_).validate_python
    except (PydanticUserError, PydanticUndefinedAnnotation):  # it may be a TypedDict of typing, or hold one
        try:
            msgspec.json.schema(type_)
        except (TypeError, NameError):
            return None
        return convert


def _unreadable(type_: Any, what: str) -> BadInput:
    return BadInput(
        f"{what} cannot be read as {_type_name(type_)}: JSON is read as texts, numbers, lists, dicts, dataclasses, "
        "TypedDicts and Pydantic models. Name one of these, or leave the type out"
    )


def _type_name(type_: Any) -> str:
    return str(getattr(type_, "__name__", type_))


def typed(output: JSON, schema: Any) -> Any:
    """An agent's structured output as an instance of its schema, if that is a Pydantic model."""
    validate = getattr(schema, "model_validate", None)
    return output if validate is None else validate(output)


def context_text(context: Any) -> str:
    """What an agent is told beside its task: parts, each under its name if it has one.

    Shape: a text, a result of a call, what a gather gave, a mapping of names to such, another JSON value, or a list of
    any of these.
    """
    return "\n\n".join(part for part in _parts(context) if part)


def _parts(context: Any) -> list[str]:
    told = getattr(context, "__podium_context__", None)
    if told is not None:
        return [_named(name, said) for name, said in told()]
    if context is None:
        return []
    if isinstance(context, str):
        return [context]
    if isinstance(context, Mapping):
        return [_named(str(name), _said(value)) for name, value in context.items()]
    if isinstance(context, list | tuple):
        return [part for each in context for part in _parts(each)]
    return [_said(context)]


def _said(value: Any) -> str:
    told = getattr(value, "__podium_context__", None)
    if told is not None:
        parts = told()
        return parts[0][1] if len(parts) == 1 else "\n\n".join(_named(name, said) for name, said in parts)
    if isinstance(value, str):
        return value
    return msgspec.json.encode(to_json(value, "a part of the context")).decode()


def _named(name: str, said: str) -> str:
    return f"[{name}]\n{said}" if name else said
