"""Does a JSON value fit one of the SDK's types, exactly? Runs in the SDK's environment, without Podium.

The SDK itself builds objects without validation: it takes what it does not know, and leaves out what it misses. Here
every field must be known to the type, every required one present, and each of the type it is declared with.
"""

import inspect
import types
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel

# What Podium adds to agents; whatever else a type does not know is a fault.
EXTENSIONS = {"input_schema", "output_schema", "limits"}
EXTENDED = ("BetaManagedAgentsAgent", "BetaManagedAgentsSessionAgent", "BetaManagedAgentsSessionThreadAgent")
_PLAIN = {str: "a text", bool: "a boolean", int: "an integer", float: "a number"}


def faults(value: Any, wanted: Any, where: str) -> Iterator[str]:
    """What is wrong with the value, a line for each place; nothing if it fits."""
    if get_origin(wanted) is Annotated:
        wanted = get_args(wanted)[0]
    if isinstance(wanted, TypeVar) or wanted in (Any, object):
        return
    origin = get_origin(wanted)
    if origin in (Union, types.UnionType):
        yield from _of_union(value, get_args(wanted), where)
    elif origin is Literal:
        if value not in get_args(wanted):
            yield f"{where}: {value!r} is none of {', '.join(map(repr, get_args(wanted)))}"
    elif origin is list:
        yield from _of_list(value, get_args(wanted)[0], where)
    elif origin is dict:
        yield from _of_dict(value, get_args(wanted)[1], where)
    elif inspect.isclass(origin or wanted) and issubclass(origin or wanted, BaseModel):
        yield from _of_model(value, wanted, where)
    elif wanted is datetime:
        yield from _of_time(value, where)
    elif wanted is type(None):
        if value is not None:
            yield f"{where}: {value!r:.80} where null is wanted"
    elif wanted in _PLAIN:
        fits = type(value) is wanted or (wanted is float and type(value) is int)
        if not fits:
            yield f"{where}: {value!r:.80} is not {_PLAIN[wanted]}"
    else:
        raise TypeError(f"{where}: no rule for the type {wanted!r}")


def _of_model(value: Any, wanted: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: {value!r:.80} is not an object"
        return
    fields = {field.alias or name: field for name, field in wanted.model_fields.items()}
    extended = wanted.__name__ in EXTENDED
    if "__pydantic_extra__" in vars(wanted).get("__annotations__", {}):  # the type says that it takes any other field
        value = {name: each for name, each in value.items() if name in fields}
    for name in value.keys() - fields.keys():
        if not (extended and name in EXTENSIONS):
            yield f"{where}.{name}: {wanted.__name__} has no such field (it holds {value[name]!r:.80})"
    for name, field in fields.items():
        if name in value:
            yield from faults(value[name], field.annotation, f"{where}.{name}")
        elif field.is_required():
            yield f"{where}.{name}: missing, and {wanted.__name__} requires it"


def _of_union(value: Any, members: tuple[Any, ...], where: str) -> Iterator[str]:
    if value is None and type(None) in members:
        return
    if isinstance(value, dict) and "type" in value:
        named = [member for member in members if value["type"] in _tags(member)]
        if len(named) == 1:
            yield from faults(value, named[0], f"{where}<{value['type']}>")
            return
        if any(_tags(member) for member in members) and not named:
            yield f"{where}: no member of the union has the type {value['type']!r}"
            return
    found = [list(faults(value, member, where)) for member in members if member is not type(None)]
    yield from min(found, key=len)


def _tags(member: Any) -> tuple[Any, ...]:
    """The values of `type` that this member of a union has."""
    if get_origin(member) is Annotated:
        member = get_args(member)[0]
    if get_origin(member) in (Union, types.UnionType):
        return tuple(tag for each in get_args(member) for tag in _tags(each))
    if not (inspect.isclass(member) and issubclass(member, BaseModel)) or "type" not in member.model_fields:
        return ()
    return get_args(member.model_fields["type"].annotation)


def _of_list(value: Any, item: Any, where: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{where}: {value!r:.80} is not a list"
        return
    for index, one in enumerate(value):
        yield from faults(one, item, f"{where}[{index}]")


def _of_dict(value: Any, item: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: {value!r:.80} is not an object"
        return
    for key, one in value.items():
        yield from faults(one, item, f"{where}.{key}")


def _of_time(value: Any, where: str) -> Iterator[str]:
    try:
        offset = datetime.fromisoformat(value).utcoffset()
    except (TypeError, ValueError):
        yield f"{where}: {value!r:.80} is not an RFC 3339 time"
        return
    if offset is None or offset.total_seconds() != 0:
        yield f"{where}: {value!r} is not in UTC"


def kinds_of(union: Any) -> set[str]:
    """The values of `type` that a union knows."""
    return set(_tags(union))
