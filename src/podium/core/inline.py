"""One-off agents that a coordinator defines as it works: what it must give, and the definition that comes of it.

Source: the Managed Agents API, section D.1: such an agent has the model of the agent that defines it and a subset of
its tools, delegates to nobody, and is not saved.
"""

from collections.abc import Iterator, Sequence

from podium.core.definitions import HARNESS_TOOLS, MAX_SYSTEM, TASK_SCHEMA, Definition, ToolSpec, tool_name
from podium.core.json import JSON

MOST_NAME = 64


def create_schema(definition: Definition) -> dict[str, JSON]:
    """What create_agent takes of this agent."""
    tools = [spec.name for spec in definition.tools]
    picked: dict[str, JSON] = {
        "tools": {
            "type": "array",
            "items": {"type": "string", "enum": tools},
            "description": "Which of your own tools it has; all of them, if left out.",
        }
    }
    return {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": MOST_NAME, "pattern": r"\S"},
            "system": {
                "type": "string",
                "minLength": 1,
                "maxLength": MAX_SYSTEM,
                "description": "Its instructions: who it is and how it works.",
            },
            **TASK_SCHEMA["properties"],
            **(picked if tools else {}),
            "background": {
                "type": "boolean",
                "description": "Start it in the background: you get its thread at once, and its report as a message.",
            },
        },
        "required": ["name", "system", "task"],
        "additionalProperties": False,
    }


def unfit_name(name: str) -> str | None:
    """Why no agent can be called so, in words for the model that named it; None if one can."""
    if tool_name(name) in HARNESS_TOOLS:
        return f"no agent can be called '{name}', which is the name of a tool; call it otherwise"
    return None


def define(coordinator: Definition, given: dict[str, JSON]) -> Definition:
    """The agent that the coordinator defined by this input, which fits its schema.

    Shape: it has the coordinator's own limits.
    """
    picked = given.get("tools")
    specs = tuple(spec for spec in coordinator.tools if picked is None or spec.name in picked)
    return Definition(
        name=given["name"],
        model=coordinator.model,
        settings=coordinator.settings,
        system=given["system"],
        tools=specs,
        turns=coordinator.turns,
        seconds=coordinator.seconds,
        tokens=coordinator.tokens,
        usd=coordinator.usd,
        tools_from=coordinator.name,
        wire=_shown(coordinator.wire, given, specs),
    )


def _shown(wire: dict[str, JSON], given: dict[str, JSON], specs: Sequence[ToolSpec]) -> dict[str, JSON]:
    """The agent as the API shows it, made of the coordinator's own form, if that has one."""
    if not wire:
        return {"type": "inline"}
    return {
        "type": "inline",
        "name": given["name"],
        "description": None,
        "model": wire["model"],
        "system": given["system"],
        "tools": list(_shown_tools(wire["tools"], specs)),
        "mcp_servers": [],
        "skills": [],
        "execution_identity": wire["execution_identity"],
    }


def _shown_tools(tools: Sequence[JSON], specs: Sequence[ToolSpec]) -> Iterator[JSON]:
    """Those of these tools, as the API shows them; of a toolset no more is enabled."""
    own = {spec.name for spec in specs if spec.source != "built_in"}
    of_set = [spec.name for spec in specs if spec.source == "built_in"]
    for tool in tools:
        if tool["type"] == "custom":
            if tool["name"] in own:
                yield tool
        elif of_set:
            default, configs = tool["default_config"], {config["name"]: config for config in tool["configs"]}
            kept = [configs.get(name) or {"name": name, "type": name, **default} for name in of_set]
            yield {**tool, "default_config": {**default, "enabled": False}, "configs": kept}
