"""Agents: their life, their versions, their lists, and rosters in all three generations."""

from typing import Any

import anthropic

from tests.api.sdk.world import MODEL, TOOLSET, World, raises, unique

CUSTOM = {
    "type": "custom",
    "name": "lookup",
    "description": "Looks up a customer.",
    "input_schema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
}


def an_agent_lives_from_version_to_version(world: World) -> None:
    agents = world.beta.agents
    name = unique("reader")
    made = agents.create(
        name=name,
        model=MODEL,
        description="Reads.",
        system="You read.",
        tools=[{"type": TOOLSET}, CUSTOM],
        metadata={"team": "a", "tier": "1"},
    )
    assert (made.type, made.version, made.name, made.model.id) == ("agent", 1, name, MODEL)
    assert made.metadata == {"team": "a", "tier": "1"}
    assert [tool.type for tool in made.tools] == [TOOLSET, "custom"]
    toolset = made.tools[0]
    assert toolset.type == TOOLSET
    assert toolset.default_config.enabled is True
    assert toolset.default_config.permission_policy.type == "always_allow"
    assert made.archived_at is None
    assert agents.retrieve(made.id) == made

    changed = agents.update(made.id, version=1, description=None, metadata={"tier": None, "zone": "eu"})
    assert (changed.version, changed.description, changed.system) == (2, None, "You read.")
    assert changed.metadata == {"team": "a", "zone": "eu"}
    assert len(changed.tools) == 2
    assert agents.update(made.id, version=2, system="You read.").version == 2, "nothing changed"
    assert agents.update(made.id, version=2, tools=[]).tools == []

    assert [one.version for one in agents.versions.list(made.id)] == [3, 2, 1]
    assert agents.retrieve(made.id, version=1) == made
    with raises(anthropic.NotFoundError):
        agents.retrieve(made.id, version=9)

    archived = agents.archive(made.id)
    assert archived.archived_at is not None
    with raises(anthropic.BadRequestError):
        agents.update(made.id, version=3, name="other")


def an_update_of_a_stale_version_is_a_conflict_that_is_not_retried(world: World) -> None:
    made = world.agent()
    world.beta.agents.update(made.id, version=1, name="second")

    with raises(anthropic.ConflictError) as caught:
        world.beta.agents.update(made.id, version=1, name="third")

    assert caught[0].body["error"]["type"] == "conflict_error"
    assert len(world.posts_of(f"/v1/agents/{made.id}")) == 2
    assert world.beta.agents.retrieve(made.id).name == "second"


def lists_of_agents_come_in_pages_newest_first(world: World) -> None:
    made = [world.agent(unique("paged")) for _ in range(5)]
    ids = [one.id for one in reversed(made)]
    since = made[0].created_at

    first = world.beta.agents.list(limit=2, created_at_gte=since)
    assert [one.id for one in first.data] == ids[:2]
    assert first.has_next_page()
    assert [one.id for one in first.get_next_page().data] == ids[2:4]
    assert [one.id for one in world.beta.agents.list(limit=2, created_at_gte=since)] == ids

    world.beta.agents.archive(ids[1])
    assert [one.id for one in world.beta.agents.list(created_at_gte=since)] == [ids[0], *ids[2:]]
    assert [one.id for one in world.beta.agents.list(created_at_gte=since, include_archived=True)] == ids


def the_model_is_answered_as_an_object(world: World) -> None:
    made = world.agent(model={"id": MODEL, "speed": "standard", "effort": "high"})
    assert (made.model.id, made.model.speed) == (MODEL, "standard")
    if hasattr(made.model, "effort"):
        effort = made.model.effort
        assert getattr(effort, "type", effort) == "high"

    replaced = world.beta.agents.update(made.id, version=1, model="another")
    assert replaced.model.id == "another"


def permissions_of_tools_are_answered_resolved(world: World) -> None:
    made = world.agent(
        tools=[
            {
                "type": TOOLSET,
                "default_config": {"enabled": False},
                "configs": [
                    {"name": "bash", "enabled": True, "permission_policy": {"type": "always_ask"}},
                    {"name": "read", "enabled": True},
                ],
            }
        ]
    )
    toolset = made.tools[0]
    assert toolset.default_config.enabled is False
    configs = {config.name: config for config in toolset.configs}
    assert configs["bash"].enabled is True
    assert configs["bash"].permission_policy.type == "always_ask"
    assert configs["read"].permission_policy.type == "always_allow"


def a_coordinator_pins_its_roster(world: World) -> None:
    reader, writer = world.agent("reader"), world.agent("writer")
    world.beta.agents.update(writer.id, version=1, description="Writes.")
    roster = [reader.id, {"type": "agent", "id": writer.id, "version": 1}, {"type": "self"}]

    made = world.agent("lead", multiagent={"type": "coordinator", "agents": roster})

    assert made.multiagent.type == "coordinator"
    pinned = [(one.id, one.version) for one in made.multiagent.agents]
    assert pinned == [(reader.id, 1), (writer.id, 1), (made.id, 1)]
    assert world.beta.agents.update(made.id, version=1, multiagent=None).multiagent is None
    with raises(anthropic.BadRequestError, saying="multiagent"):
        world.agent("lead", multiagent={"type": "coordinator", "agents": [reader.id, reader.id]})


def the_newest_roster_is_merged_level_by_level(world: World) -> None:
    reader = world.agent("reader")
    subagents = {"type": "enabled", "predefined_agents": [reader.id], "inline_agents": {"type": "disabled"}}
    made = world.agent("lead", multiagent={"type": "multiagent_20261001", "subagents": subagents})
    shown = made.to_dict()["multiagent"]
    assert shown["type"] == "multiagent_20261001"
    assert shown["subagents"]["inline_agents"] == {"type": "disabled"}
    assert [one["id"] for one in shown["subagents"]["predefined_agents"]] == [reader.id]
    assert shown["workflows"]["type"] == "enabled"
    assert shown["advisor"] == {"type": "disabled"}

    sent = {"type": "multiagent_20261001", "workflows": {"type": "disabled"}}
    changed = world.beta.agents.update(made.id, version=1, multiagent=sent).to_dict()["multiagent"]
    assert changed["workflows"] == {"type": "disabled"}
    assert changed["subagents"] == shown["subagents"], "what was left out is kept"


def old_previews_are_read(world: World) -> None:
    reader = world.agent("reader", tools=[{"type": "read"}, {"type": "web_search"}])
    toolset = reader.tools[0]
    assert toolset.type == TOOLSET
    assert {one.name for one in toolset.configs if one.enabled} >= {"read", "web_search"}

    lead = world.agent("lead", extra_body={"callable_agents": [{"type": "agent", "id": reader.id}]})
    assert [(one.id, one.version) for one in lead.multiagent.agents] == [(reader.id, 1)]


def podiums_own_fields_are_kept(world: World) -> None:
    schema = {"type": "object", "properties": {"topic": {"type": "string"}}, "required": ["topic"]}
    given: dict[str, Any] = {"input_schema": schema, "output_schema": schema, "limits": {"turns": 3}}
    made = world.agent(extra_body=given).to_dict()

    assert {name: made[name] for name in given} == given | {"limits": made["limits"]}
    assert made["limits"]["turns"] == 3


def what_cannot_be_is_refused_by_name(world: World) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"name": ""}, "name"),
        (
            {"tools": [{"type": "custom", "name": "mcp__x", "description": "", "input_schema": {"type": "object"}}]},
            "tools",
        ),
        ({"system": "x" * 100_001}, "system"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"skills": [{"type": "custom", "skill_id": "skill_1"}]}, "skills"),
        ({"mcp_servers": [{"type": "url", "name": "m", "url": "https://example.invalid"}]}, "mcp_servers"),
        ({"multiagent": {"type": "coordinator", "agents": []}}, "multiagent"),
        ({"extra_body": {"descripton": "typo"}}, "descripton"),
    ]
    for given, field in cases:
        with raises(anthropic.BadRequestError, saying=field):
            world.agent(**given)


FLOWS = [
    an_agent_lives_from_version_to_version,
    an_update_of_a_stale_version_is_a_conflict_that_is_not_retried,
    lists_of_agents_come_in_pages_newest_first,
    the_model_is_answered_as_an_object,
    permissions_of_tools_are_answered_resolved,
    a_coordinator_pins_its_roster,
    the_newest_roster_is_merged_level_by_level,
    old_previews_are_read,
    podiums_own_fields_are_kept,
    what_cannot_be_is_refused_by_name,
]
