"""What may be set for the web tools, as clients write it. It is stored; it has no effect until they exist."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from podium.api.shapes.body import Body, refused
from podium.api.shapes.parts import one_of, under

Domain = Annotated[str, StringConstraints(min_length=1, max_length=253)]
Domains = Annotated[list[Domain], Field(min_length=1, max_length=64)]


class _Domains(Body):
    """Which domains may be reached: only these, or all but these."""

    allowed_domains: Domains | None = None
    blocked_domains: Domains | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "_Domains":
        if self.allowed_domains is not None and self.blocked_domains is not None:
            raise refused("blocked_domains", "may not stand beside allowed_domains; leave one of them out")
        return self


class Location(Body):
    """Roughly where the user is."""

    type: Literal["approximate"]
    city: str | None = None
    country: str | None = None
    region: str | None = None
    timezone: str | None = None


class WebSearch(_Domains):
    """Settings of web_search."""

    user_location: Location | None = None


class _Whole(Body):
    type: Literal["all", "none"]


class _ToolReference(Body):
    type: Literal["tool_reference"]
    name: str


class _Named(Body):
    type: Literal["only", "except"]
    tools: Annotated[list[_ToolReference], Field(min_length=1, max_length=128)]


_WHOLE: dict[str, type[Body]] = {"all": _Whole, "none": _Whole}
_Source = Annotated[Literal["all", "none"] | _Whole, one_of("type", _WHOLE), BeforeValidator(under("type"))]
_Filter = Annotated[
    Literal["all", "none"] | _Whole | _Named,
    one_of("type", {**_WHOLE, "only": _Named, "except": _Named}),
    BeforeValidator(under("type")),
]


class UrlSources(Body):
    """Which sources contribute URLs that may be fetched."""

    user_input: _Source | None = None
    client_tool_results: _Filter | None = None
    server_tool_results: _Filter | None = None


class WebFetch(_Domains):
    """Settings of web_fetch."""

    max_content_tokens: Annotated[int, Field(ge=1)] | None = None
    url_sources: UrlSources | None = None
