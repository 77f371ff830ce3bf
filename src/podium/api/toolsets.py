"""The tools of an agent: from what clients write to what is stored and answered, and to what a model is given.

Shape: the stored form is the one of the API's answers: toolsets with their defaults and configs resolved, custom tools.
Source: the Managed Agents API, sections B.1 and E.1 to E.3.
"""

from collections.abc import Iterable, Sequence

import msgspec

from podium.api.shapes.tools import LOCAL, TOOLSET, WEB, CustomTool, Tool, Toolset
from podium.core.definitions import Permission, ToolSpec
from podium.core.json import JSON
from podium.needs import describe

_ALLOW: JSON = {"type": "always_allow"}


def stored(tools: Sequence[Tool]) -> list[JSON]:
    """The tools as they are stored. Bare names of built-in tools join the toolset, or make one of nothing else."""
    kept: list[JSON] = []
    bare = [
        _config(tool.model_dump(exclude_unset=True), enabled=True, policy=_ALLOW) for tool in tools if _is_bare(tool)
    ]
    has_set = any(isinstance(tool, Toolset) for tool in tools)
    for tool in tools:
        if isinstance(tool, CustomTool):
            kept.append(tool.model_dump(exclude_unset=True))
        elif isinstance(tool, Toolset):
            kept.append(_toolset(tool, bare))
        elif not has_set:  # the first bare name: all of them stand in its place
            has_set = True
            kept.append({"type": TOOLSET, "default_config": _defaults(enabled=False, policy=_ALLOW), "configs": bare})
    return kept


def specs_of(tools: Sequence[JSON]) -> tuple[ToolSpec, ...]:
    """The stored tools as a session pins them; web tools are not offered."""
    specs: list[ToolSpec] = []
    for tool in tools:
        if tool["type"] == "custom":
            specs.append(ToolSpec(tool["name"], tool["description"], tool["input_schema"], "custom"))
            continue
        for name in LOCAL:
            config = _config_of(tool, name)
            if config["enabled"]:
                permission: Permission = config["permission_policy"]["type"]
                specs.append(msgspec.structs.replace(describe(name, "", {}), permission=permission))
    return tuple(specs)


def tools_of(specs: Iterable[ToolSpec]) -> list[JSON]:
    """Pinned tools as the API answers them: for agents of a program or a team file. Functions show as custom tools."""
    configs: list[JSON] = []
    customs: list[JSON] = []
    for spec in specs:
        if spec.source == "built_in":
            configs.append(_config({"name": spec.name}, enabled=True, policy={"type": spec.permission}))
        else:
            customs.append(
                {
                    "type": "custom",
                    "name": spec.name,
                    "description": spec.description,
                    "input_schema": spec.input_schema,
                }
            )
    if not configs:
        return customs
    return [{"type": TOOLSET, "default_config": _defaults(enabled=False, policy=_ALLOW), "configs": configs}, *customs]


def not_offered(tools: Sequence[JSON]) -> list[str]:
    """The names of enabled tools that are stored, and not offered to the model."""
    return [name for tool in tools if tool["type"] == TOOLSET for name in WEB if _config_of(tool, name)["enabled"]]


def _is_bare(tool: Tool) -> bool:
    return not isinstance(tool, Toolset | CustomTool)


def _toolset(tool: Toolset, bare: list[JSON]) -> JSON:
    said = {} if tool.default_config is None else tool.default_config.model_dump(exclude_none=True)
    enabled, policy = said.get("enabled", True), said.get("permission_policy", _ALLOW)
    configs = [
        _config(config.model_dump(exclude_unset=True), enabled=enabled, policy=policy) for config in tool.configs or ()
    ]
    return {"type": TOOLSET, "default_config": _defaults(enabled=enabled, policy=policy), "configs": [*configs, *bare]}


def _defaults(*, enabled: bool, policy: JSON) -> JSON:
    return {"enabled": enabled, "permission_policy": policy}


def _config(sent: dict[str, JSON], *, enabled: bool, policy: JSON) -> JSON:
    """A tool's entry, whole. What was sent as null is as if it was left out."""
    said = {key: value for key, value in sent.items() if value is not None}
    return {"enabled": enabled, "permission_policy": policy, **said, "type": sent["name"]}


def _config_of(toolset: JSON, name: str) -> JSON:
    found = next((config for config in toolset["configs"] if config["name"] == name), None)
    return toolset["default_config"] if found is None else found
