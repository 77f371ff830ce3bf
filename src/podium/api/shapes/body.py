"""An object in a request's body: only the fields it knows, nothing converted, and what is wrong in words."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from podium.errors import UnknownName


class Body(BaseModel):
    """An object of a request.

    Shape: `IGNORED` are fields that old clients send and that mean nothing any more. `NOT_AVAILABLE` are fields of the
    API that this version does not have: empty ones (null, false, "", [], {}) say nothing and are let pass, others are
    refused, so that nobody relies on what is not done. Any other field that is not known is refused with the nearest
    right one.
    """

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)
    IGNORED: ClassVar[frozenset[str]] = frozenset()
    NOT_AVAILABLE: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        known = {field.alias or name for name, field in cls.model_fields.items()}
        kept = {}
        for name, value in given.items():
            if name in known:
                kept[name] = value
            elif name in cls.NOT_AVAILABLE:
                if value not in (None, False, "", [], {}):
                    raise refused(name, "is not available in this version of Podium")
            elif name not in cls.IGNORED:
                raise refused(name, str(UnknownName("field", f"{name:.60}", known)))
        return kept


def refused(field: str, said: str) -> PydanticCustomError:
    """What a validator of an object raises about one of its fields."""
    return PydanticCustomError("said", "{said}", {"said": said, "key": field})


def wrong(said: str) -> PydanticCustomError:
    """What a validator of a value raises; the words follow the value's place."""
    return PydanticCustomError("said", "{said}", {"said": said})
