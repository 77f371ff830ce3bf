"""The tools of an agent, as clients write them: the agent toolset, bare names of its tools, and custom tools."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from podium.api.shapes.body import Body, refused, wrong
from podium.api.shapes.parts import fits_schema, inside, one_of
from podium.api.shapes.web import WebFetch, WebSearch
from podium.core.definitions import HARNESS_TOOLS
from podium.core.json import JSON

TOOLSET: Literal["agent_toolset_20260401"] = "agent_toolset_20260401"
LOCAL = ("bash", "read", "write", "edit", "glob", "grep")
WEB = ("web_fetch", "web_search")
MAX_TOOLS = 256


class Policy(Body):
    """Whether a person is asked before a call."""

    type: Literal["always_allow", "always_ask"]


AnyPolicy = Annotated[Policy, one_of("type", {"always_allow": Policy, "always_ask": Policy}, not_yet=("auto",))]


class Defaults(Body):
    """What holds for tools of the set that say nothing themselves."""

    enabled: bool | None = None
    permission_policy: AnyPolicy | None = None


class LocalTool(Body):
    """A tool that runs in the sandbox."""

    name: Literal["bash", "read", "write", "edit", "glob", "grep"]
    type: Literal["bash", "read", "write", "edit", "glob", "grep"] | None = None
    enabled: bool | None = None
    permission_policy: AnyPolicy | None = None


class WebFetchTool(WebFetch):
    """Reads a page. It is stored, and not offered to the model."""

    name: Literal["web_fetch"]
    type: Literal["web_fetch"] | None = None
    enabled: bool | None = None
    permission_policy: AnyPolicy | None = None


class WebSearchTool(WebSearch):
    """Searches the web. It is stored, and not offered to the model."""

    name: Literal["web_search"]
    type: Literal["web_search"] | None = None
    enabled: bool | None = None
    permission_policy: AnyPolicy | None = None


BuiltIn = LocalTool | WebFetchTool | WebSearchTool
_KINDS: dict[str, type[Body]] = {
    **dict.fromkeys(LOCAL, LocalTool),
    "web_fetch": WebFetchTool,
    "web_search": WebSearchTool,
}


def _named(value: Any) -> Any:
    """A tool's name may be told by its type alone, but not by both in two ways."""
    if not isinstance(value, dict) or "type" not in value:
        return value
    if value.get("name", value["type"]) != value["type"] and value["type"] is not None:
        raise refused("type", f"must be the same as its name, {value['name']!r:.60}")
    return {**value, "name": value.get("name", value["type"])}


Config = Annotated[BuiltIn, one_of("name", _KINDS), BeforeValidator(_named)]


class Toolset(Body):
    """The tools that Podium has, on or off one by one."""

    type: Literal["agent_toolset_20260401"]
    default_config: Defaults | None = None
    configs: list[Config] | None = None


_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_RESERVED = ("ant__", "mcp__")


def _tool_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        said = f"must be 1 to 128 of A-Z a-z 0-9 _ -, not {name!r:.60}"
    elif name.startswith(_RESERVED):
        said = f"{name!r} begins with {name[:5]!r}, which is reserved; rename the tool"
    elif name in LOCAL or name in WEB:
        said = f"{name!r} is the name of a built-in tool; rename the tool"
    elif name in HARNESS_TOOLS:
        said = f"{name!r} is the name of one of Podium's own tools for delegating; rename the tool"
    else:
        return name
    raise wrong(said)


def _plain(schema: dict[str, JSON]) -> dict[str, JSON]:
    for key in ("oneOf", "anyOf", "allOf"):
        if key in schema:
            raise refused(key, "may not stand at the top of a custom tool's schema")
    if _refers(schema):
        raise wrong("may not hold $ref; write the parts out")
    return schema


def _refers(value: JSON) -> bool:
    if isinstance(value, dict):
        return isinstance(value.get("$ref"), str) or any(_refers(each) for each in value.values())
    return isinstance(value, list) and any(_refers(each) for each in value)


def _without_nulls(schema: Any) -> Any:
    """Official clients may send null for what a schema leaves out."""
    if not isinstance(schema, dict):
        return schema
    return {key: each for key, each in schema.items() if each is not None or key not in ("properties", "required")}


class CustomTool(Body):
    """A tool whose calls the client answers."""

    type: Literal["custom"]
    name: Annotated[str, AfterValidator(_tool_name), Field(json_schema_extra={"pattern": f"^{_NAME.pattern}$"})]
    description: str
    input_schema: Annotated[
        dict[str, Any], AfterValidator(_plain), AfterValidator(fits_schema), BeforeValidator(_without_nulls)
    ]


Tool = Toolset | BuiltIn | CustomTool
_choose = one_of("type", {TOOLSET: Toolset, "custom": CustomTool, **_KINDS}, not_yet=("mcp_toolset",))


def _bare(value: Any) -> Any:
    """Tutorials of early previews name built-in tools one by one: {"type": "bash"}."""
    is_bare = isinstance(value, dict) and isinstance(value.get("type"), str) and value["type"] in _KINDS
    return _named(value) if is_bare else value


AnyTool = Annotated[Tool, _choose, BeforeValidator(_bare)]


def _consistent(tools: list[Tool]) -> list[Tool]:
    """No two of a name, and not too many. Errors: as validators raise them."""
    seen: dict[str, str] = {}
    for place, name, kind in _names(tools):
        if name in seen:
            raise inside(place, name, f"there is another {kind} '{name}' already; leave one of them out")
        seen[name] = kind
    count = sum(len(_KINDS) if isinstance(tool, Toolset) else 1 for tool in tools)
    if count > MAX_TOOLS:
        raise wrong(f"must be at most {MAX_TOOLS} tools, with those of the toolset; these are {count}")
    return tools


def _names(tools: Sequence[Tool]) -> list[tuple[tuple[str | int, ...], str, str]]:
    names: list[tuple[tuple[str | int, ...], str, str]] = []
    for number, tool in enumerate(tools):
        if isinstance(tool, Toolset):
            names.append(((number, "type"), tool.type, "toolset"))
            names += [
                ((number, "configs", index, "name"), config.name, "entry for")
                for index, config in enumerate(tool.configs or ())
            ]
        elif isinstance(tool, CustomTool):
            names.append(((number, "name"), tool.name, "custom tool"))
        else:
            names.append(((number, "type"), tool.name, "entry for"))
    return names


Tools = Annotated[list[AnyTool], AfterValidator(_consistent)]
