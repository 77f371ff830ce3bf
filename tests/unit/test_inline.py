"""The definition of an agent that another one defines, and how the API shows it."""

from typing import Any

import pytest

from podium.core.definitions import Definition, ToolSpec
from podium.core.inline import create_schema, define
from podium.core.schema import check_schema, misfit

SCHEMA = {"type": "object"}
BASH = ToolSpec("bash", "", SCHEMA)
READ = ToolSpec("read", "", SCHEMA, permission="always_ask")
SHIP = ToolSpec("ship", "", SCHEMA, source="custom")
ALLOW, ASK = {"type": "always_allow"}, {"type": "always_ask"}
SHOWN_SHIP = {"type": "custom", "name": "ship", "description": "", "input_schema": SCHEMA}
READS = {"name": "read", "type": "read", "enabled": True, "permission_policy": ASK}
BASHES = {"name": "bash", "type": "bash", "enabled": True, "permission_policy": ALLOW}
TOOLSET = {
    "type": "agent_toolset_20260401",
    "default_config": {"enabled": True, "permission_policy": ALLOW},
    "configs": [READS, {"name": "web_search", "type": "web_search", "enabled": True, "permission_policy": ALLOW}],
}
NOTHING_ELSE = {"enabled": False, "permission_policy": ALLOW}
WIRE = {
    "type": "agent",
    "id": "agent_1",
    "version": 3,
    "name": "lead",
    "description": "leads",
    "model": {"id": "m", "speed": "standard"},
    "system": "Lead.",
    "tools": [TOOLSET, SHOWN_SHIP],
    "mcp_servers": [],
    "skills": [],
    "execution_identity": {"type": "service_account"},
    "multiagent": {"type": "coordinator", "agents": []},
}
LEAD = Definition(
    name="lead", model="m", system="Lead.", tools=(BASH, READ, SHIP), turns=9, seconds=1.5, inline=True, wire=WIRE
)
GIVEN: dict[str, Any] = {"name": "scout", "system": "Scout.", "task": "look"}


def test_agent_that_is_defined_has_model_tools_and_limits_of_the_one_that_defines_it_and_nothing_else() -> None:
    scout = define(LEAD, GIVEN)

    assert (scout.name, scout.model, scout.system, scout.tools) == ("scout", "m", "Scout.", LEAD.tools)
    assert (scout.turns, scout.seconds, scout.roster, scout.inline) == (9, 1.5, (), False)
    assert scout.tools_from == "lead"


@pytest.mark.parametrize(
    ("tools", "shown"),
    [
        ([], []),
        (["ship"], [SHOWN_SHIP]),
        (["read"], [{**TOOLSET, "default_config": NOTHING_ELSE, "configs": [READS]}]),
        (["ship", "bash"], [{**TOOLSET, "default_config": NOTHING_ELSE, "configs": [BASHES]}, SHOWN_SHIP]),
    ],
)
def test_api_shows_the_tools_it_was_given_and_no_others(tools: list[str], shown: list[Any]) -> None:
    scout = define(LEAD, {**GIVEN, "tools": tools})

    assert [spec.name for spec in scout.tools] == [name for name in ("bash", "read", "ship") if name in tools]
    assert scout.wire == {
        "type": "inline",
        "name": "scout",
        "description": None,
        "model": {"id": "m", "speed": "standard"},
        "system": "Scout.",
        "tools": shown,
        "mcp_servers": [],
        "skills": [],
        "execution_identity": {"type": "service_account"},
    }


@pytest.mark.parametrize("tools", [(), (BASH, SHIP)])
def test_what_is_asked_for_is_a_schema_that_lists_the_tools_there_are(tools: tuple[ToolSpec, ...]) -> None:
    schema = create_schema(Definition(name="lead", model="m", tools=tools))

    check_schema(schema, where="")
    assert misfit(schema, GIVEN) is None
    assert ("tools" in schema["properties"]) == bool(tools)
    assert misfit(schema, {**GIVEN, "tools": ["read"]}) is not None
