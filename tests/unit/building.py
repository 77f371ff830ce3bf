"""Hypothesis strategies for what the log is made of, derived from the types themselves."""

import types
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from podium.core.records import KnownEvent

T = TypeVar("T", bound=msgspec.Struct)
EVENT_TYPES: tuple[type[Any], ...] = get_args(KnownEvent)

_leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
json_values = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=5
)
_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    Any: json_values,
    None: st.none(),
    type(None): st.none(),
    bool: st.booleans(),
    str: st.text(max_size=20),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    datetime: st.datetimes(timezones=st.just(UTC)),
    Decimal: st.decimals(0, 1000, places=6),
    msgspec.UnsetType: st.just(msgspec.UNSET),
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type that a record may hold."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of([values_of(arg) for arg in args])
    if origin is tuple:
        assert args[1:] == (...,)
        return st.lists(values_of(args[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(values_of(args[0]), values_of(args[1]), max_size=3)
    return structs(hint)


def structs(kind: type[T]) -> st.SearchStrategy[T]:
    """Instances of a struct, with every field at random."""
    fields = {field.name: values_of(field.type) for field in msgspec.structs.fields(kind)}
    return st.builds(kind, **fields)


events: st.SearchStrategy[Any] = st.one_of([structs(kind) for kind in EVENT_TYPES])
