"""Agents over HTTP: what is answered fits the SDK's types exactly, and what cannot be is refused by its name."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import pytest
from anthropic.types.beta import BetaManagedAgentsAgent

from podium.core.json import JSON
from tests.api.sdk.strict import faults
from tests.api.server import Got, Serve, Served

TOOLSET = {"type": "agent_toolset_20260401"}
CUSTOM = {
    "type": "custom",
    "name": "lookup",
    "description": "Looks up a customer.",
    "input_schema": {"type": "object", "properties": {"id": {"type": "string"}}},
}
ALLOW = {"type": "always_allow"}


def agent_of(answer: Got) -> Any:
    """The agent that was answered, after it was held against the SDK's type."""
    assert answer.status == 200, answer.text
    assert list(faults(answer.json, BetaManagedAgentsAgent, "agent")) == []
    return answer.json


async def made(server: Served, **sent: JSON) -> Any:
    return agent_of(await server.post("/v1/agents", {"name": "reader", "model": "m", **sent}))


async def listed(server: Served, **query: JSON) -> Any:
    answer = await server.get("/v1/agents?" + urlencode(query))
    assert answer.status == 200, answer.text
    return answer.json


async def names(server: Served, **query: JSON) -> list[str]:
    return [agent["name"] for agent in (await listed(server, **query))["data"]]


@pytest.mark.difference("agents-of-any-model")
async def test_created_agent_is_answered_whole(served: Serve) -> None:
    async with served() as server:
        agent = await made(server)

    assert agent["id"].startswith("agent_")
    assert agent["created_at"] == agent["updated_at"]
    assert agent["created_at"].endswith("Z")
    assert {key: agent[key] for key in agent if key not in ("id", "created_at", "updated_at")} == {
        "type": "agent",
        "version": 1,
        "name": "reader",
        "description": None,
        "model": {"id": "m", "speed": "standard"},
        "system": None,
        "tools": [],
        "mcp_servers": [],
        "skills": [],
        "multiagent": None,
        "metadata": {},
        "execution_identity": {"type": "service_account"},
        "archived_at": None,
    }


@pytest.mark.difference("model-settings-kept")
@pytest.mark.difference("workflows-kept")
@pytest.mark.difference("agent-extensions")
async def test_everything_that_may_be_sent_is_answered_resolved(served: Serve) -> None:
    async with served() as server:
        agent = await made(
            server,
            model={"id": "m", "effort": "high", "inference_geo": "eu", "speed": "fast"},
            description="Reads.",
            system="You read.",
            tools=[{**TOOLSET, "configs": [{"name": "web_search", "allowed_domains": ["a.example"]}]}, CUSTOM],
            mcp_servers=[],
            skills=[],
            multiagent={"type": "multiagent_20261001", "workflows": {"type": "disabled"}},
            metadata={"team": "a"},
            execution_identity={"type": "service_account"},
            output_schema=CUSTOM["input_schema"],
            limits={"turns": 3, "usd": 0.5},
        )

    assert agent["model"] == {"id": "m", "effort": {"type": "high"}, "inference_geo": "eu", "speed": "fast"}
    search = {"name": "web_search", "type": "web_search", "enabled": True, "permission_policy": ALLOW}
    assert agent["tools"] == [
        {
            **TOOLSET,
            "default_config": {"enabled": True, "permission_policy": ALLOW},
            "configs": [{**search, "allowed_domains": ["a.example"]}],
        },
        CUSTOM,
    ]
    assert agent["multiagent"]["subagents"] == {
        "type": "enabled",
        "inline_agents": {"type": "enabled"},
        "predefined_agents": [],
    }
    assert agent["metadata"] == {"team": "a"}
    assert (agent["limits"], agent["output_schema"]) == ({"turns": 3, "usd": "0.5"}, CUSTOM["input_schema"])


async def test_agent_lives_from_version_to_version(served: Serve) -> None:
    async with served() as server:
        first = await made(server, system="You read.", metadata={"a": "1", "b": "2"})
        path = f"/v1/agents/{first['id']}"

        second = agent_of(await server.post(path, {"version": 1, "system": None, "metadata": {"a": None, "c": "3"}}))
        assert (second["version"], second["system"], second["metadata"]) == (2, None, {"b": "2", "c": "3"})
        assert second["updated_at"] > second["created_at"] == first["created_at"]
        assert agent_of(await server.post(path, {})) == second
        assert agent_of(await server.get(path)) == second
        assert agent_of(await server.get(f"{path}?version=1")) == first

        versions = (await server.get(f"{path}/versions?limit=1")).json
        assert versions["data"] == [second]
        rest = (await server.get(f"{path}/versions?limit=1&page={versions['next_page']}")).json
        assert rest == {"data": [first], "next_page": None}


async def test_stale_update_is_a_conflict_that_clients_do_not_retry(served: Serve) -> None:
    async with served() as server:
        agent = await made(server)
        path = f"/v1/agents/{agent['id']}"

        answers = await asyncio.gather(
            *[server.post(path, {"version": 1, "name": f"by {number}"}) for number in range(10)]
        )

        refused = [answer for answer in answers if answer.status != 200]
        assert len(refused) == 9
        assert {(answer.status, answer.error_type) for answer in refused} == {(409, "conflict_error")}
        assert refused[0].headers["x-should-retry"] == "false"
        assert refused[0].error.startswith(f"version: agent {agent['id']} is at version 2, not 1")


async def test_archived_agent_stays_to_be_read_and_is_not_updated(served: Serve) -> None:
    async with served() as server:
        agent = await made(server)
        path = f"/v1/agents/{agent['id']}"

        archived = agent_of(await server.post(f"{path}/archive"))
        assert archived == {**agent, "archived_at": archived["archived_at"]}
        assert archived["archived_at"] is not None
        assert agent_of(await server.post(f"{path}/archive")) == archived
        assert agent_of(await server.get(path)) == archived

        refused = await server.post(path, {"name": "other"})
        assert (refused.status, "is archived" in refused.error) == (400, True)


async def test_list_is_paged_filtered_and_newest_first(served: Serve) -> None:
    async with served() as server:
        agents = [await made(server, name=f"a{number}") for number in range(5)]
        await server.post(f"/v1/agents/{agents[3]['id']}/archive")

        assert await names(server) == ["a4", "a2", "a1", "a0"]
        assert await names(server, include_archived="true") == ["a4", "a3", "a2", "a1", "a0"]
        assert await names(server, **{"created_at[gte]": agents[2]["created_at"]}) == ["a4", "a2"]
        assert await names(server, **{"created_at[lt]": agents[2]["created_at"]}) == ["a1", "a0"]

        first = await listed(server, limit=3)
        await made(server, name="a5")
        assert [agent["name"] for agent in first["data"]] == ["a4", "a2", "a1"]
        assert await names(server, limit=3, page=first["next_page"]) == ["a0"]


async def test_what_a_list_cannot_be_asked_is_named(served: Serve) -> None:
    async with served() as server:
        for query in ("limit=0", "limit=101", "limit=x", "page=x", "created_at[gte]=x", "include_archived=x"):
            refused = await server.get(f"/v1/agents?{query}")
            assert (refused.status, refused.error_type) == (400, "invalid_request_error")
            assert refused.error.startswith(query.partition("=")[0])


async def test_cursor_of_another_list_is_refused(served: Serve) -> None:
    async with served() as server:
        agent, _ = await made(server), await made(server)
        cursor = (await listed(server, limit=1))["next_page"]

        refused = await server.get(f"/v1/agents/{agent['id']}/versions?page={cursor}")
        assert refused.error.startswith("page: is no cursor of this list")


async def test_what_is_not_there_is_404(served: Serve) -> None:
    async with served() as server:
        agent = await made(server)

        for path in ("/v1/agents/agent_none", f"/v1/agents/{agent['id']}?version=2", "/v1/agents/agent_none/versions"):
            assert (await server.get(path)).error_type == "not_found_error"
        for path in ("/v1/agents/agent_none", "/v1/agents/agent_none/archive"):
            assert (await server.post(path, {})).status == 404


async def test_other_workspaces_and_weaker_keys_reach_nothing(served: Serve) -> None:
    async with served() as server:
        agent = await made(server)
        path = f"/v1/agents/{agent['id']}"
        stranger = await server.make_key(workspace="elsewhere")
        reader = await server.make_key("agents:read")

        for method, at in (("GET", path), ("POST", path), ("POST", f"{path}/archive"), ("GET", f"{path}/versions")):
            assert (await server.ask(method, at, {} if method == "POST" else None, key=stranger)).status == 404
        assert (await server.get("/v1/agents", key=stranger)).json["data"] == []
        assert (await server.get(path, key=reader)).status == 200
        for at in ("/v1/agents", path, f"{path}/archive"):
            assert (await server.post(at, {"name": "n", "model": "m"}, key=reader)).status == 403

        listed_by = {"name": "lead", "model": "m", "callable_agents": [agent["id"]]}
        refused = await server.post("/v1/agents", listed_by, key=stranger)
        assert refused.error == f"callable_agents[0]: there is no agent '{agent['id']}' here"


@pytest.mark.difference("requests-once")
async def test_request_under_one_key_is_done_once(served: Serve) -> None:
    async with served() as server:
        headers = {"idempotency-key": "once"}
        body = {"name": "reader", "model": "m"}

        answers = await asyncio.gather(*[server.post("/v1/agents", body, headers=headers) for _ in range(5)])
        assert len({agent_of(answer)["id"] for answer in answers}) == 1
        assert await names(server) == ["reader"]

        other = await server.post("/v1/agents", {**body, "name": "other"}, headers=headers)
        assert (other.status, await names(server)) == (400, ["reader"])
        assert "once" in other.error


@pytest.mark.difference("older-previews")
async def test_all_generations_of_rosters_are_answered_pinned(served: Serve) -> None:
    async with served() as server:
        reader = await made(server)
        reference = {"type": "agent", "id": reader["id"], "version": 1}

        old = await made(server, callable_agents=[{"type": "agent", "id": reader["id"]}])
        assert old["multiagent"] == {"type": "coordinator", "agents": [reference]}
        mid = await made(server, multiagent={"type": "coordinator", "agents": [reader["id"], {"type": "self"}]})
        own = {"type": "agent", "id": mid["id"], "version": 1}
        assert mid["multiagent"] == {"type": "coordinator", "agents": [reference, own]}
        new = await made(
            server,
            multiagent={
                "type": "multiagent_20261001",
                "subagents": {"type": "enabled", "predefined_agents": [reader["id"]]},
            },
        )
        assert new["multiagent"]["subagents"]["predefined_agents"] == [reference]

        changed = agent_of(
            await server.post(
                f"/v1/agents/{new['id']}", {"multiagent": {"type": "multiagent_20261001", "workflows": None}}
            )
        )
        assert changed == new
        off = {"type": "multiagent_20261001", "subagents": {"type": "disabled"}}
        changed = agent_of(await server.post(f"/v1/agents/{new['id']}", {"multiagent": off}))
        assert (changed["version"], changed["multiagent"]["subagents"]) == (2, {"type": "disabled"})


def custom(**changed: JSON) -> JSON:
    return {"tools": [{**CUSTOM, **changed}]}


def schema(**parts: JSON) -> JSON:
    return custom(input_schema={"type": "object", **parts})


REFUSED: list[tuple[dict[str, JSON], str]] = [
    ({"name": None}, "name: must be a text, not null"),
    ({"name": ""}, "name: must not be empty"),
    ({"name": "n" * 257}, "name: must have at most 256 characters, not 257"),
    ({"model": ""}, "model: must not be empty"),
    ({"model": {}}, "model.id: is required"),
    ({"model": {"id": "m", "effort": "huge"}}, "model.effort: must be 'low', 'medium', 'high', 'xhigh' or 'max'"),
    ({"model": {"id": "m", "speed": "slow"}}, "model.speed: must be 'standard' or 'fast'"),
    ({"description": "d" * 2049}, "description: must have at most 2,048 characters"),
    ({"system": "s" * 100_001}, "system: must have at most 100,000 characters"),
    ({"sytem": "s"}, "sytem: unknown field 'sytem', did you mean 'system'?"),
    ({"metadata": {"k": 1}}, "metadata.k: must be a text, not a number"),
    ({"metadata": {str(n): "" for n in range(17)}}, "metadata: must have at most 16 pairs, not 17"),
    ({"metadata": {"k" * 65: ""}}, "metadata"),
    ({"metadata": {"k": "v" * 513}}, "metadata.k: must have at most 512 characters"),
    ({"tools": [{"type": "basj"}]}, "tools[0].type: unknown type 'basj', did you mean 'bash'?"),
    ({"tools": [TOOLSET, TOOLSET]}, "tools[1].type: there is another toolset"),
    ({"tools": [{**TOOLSET, "configs": [{"name": "bahs"}]}]}, "tools[0].configs[0].name: unknown name 'bahs'"),
    ({"tools": [{"type": "mcp_toolset", "mcp_server_name": "m"}]}, "tools[0].type: 'mcp_toolset' is not available"),
    (
        {"tools": [{**TOOLSET, "default_config": {"permission_policy": {"type": "auto"}}}]},
        "tools[0].default_config.permission_policy.type: 'auto' is not available in this version of Podium",
    ),
    (custom(name="bash"), "tools[0].name: 'bash' is the name of a built-in tool"),
    (custom(name="ant__x"), "tools[0].name: 'ant__x' begins with 'ant__'"),
    (custom(name="mcp__x"), "tools[0].name: 'mcp__x' begins with 'mcp__'"),
    (custom(name="submit_result"), "tools[0].name: 'submit_result' is the name of one of Podium's own tools"),
    (custom(name="a b"), "tools[0].name: must be 1 to 128 of"),
    (custom(name="n" * 129), "tools[0].name: must be 1 to 128 of"),
    (schema(type="array"), 'tools[0].input_schema: the schema must have "type": "object"'),
    (schema(anyOf=[{}]), "tools[0].input_schema.anyOf: may not stand at the top"),
    (schema(properties={"a": {"$ref": "#/$defs/a"}}), "tools[0].input_schema: may not hold $ref"),
    (schema(required=5), "tools[0].input_schema: this is not a JSON Schema"),
    ({"tools": [{**CUSTOM, "name": f"t{n}"} for n in range(257)]}, "tools: must be at most 256 tools"),
    ({"tools": [TOOLSET, *[{**CUSTOM, "name": f"t{n}"} for n in range(249)]]}, "tools: must be at most 256 tools"),
    ({"mcp_servers": [{"type": "url"}]}, "mcp_servers: is not available in this version of Podium"),
    ({"skills": [{"type": "custom"}]}, "skills: is not available in this version of Podium"),
    ({"execution_identity": {"type": "aws_role"}}, "execution_identity.type: 'aws_role' is not available"),
    ({"multiagent": {"type": "coordinator", "agents": []}}, "multiagent.agents"),
    ({"multiagent": {"type": "coordinator", "agents": ["a"] * 21}}, "multiagent.agents: must have at most 20"),
    ({"multiagent": {"type": "coordinator", "agents": ["a"]}}, "multiagent.agents[0]: there is no agent 'a' here"),
    (
        {"multiagent": {"type": "coordinator", "agents": [{"type": "advisor", "model": "m"}]}},
        "multiagent.agents[0].type: 'advisor' is not available",
    ),
    (
        {"multiagent": {"type": "multiagent_20261001", "advisor": {"type": "enabled", "model": "m"}}},
        "multiagent.advisor.type: 'enabled' is not available",
    ),
    (
        {"multiagent": {"type": "multiagent_20261001", "subagents": {"inline_agents": None}}},
        "multiagent.subagents.type: is required",
    ),
    ({"limits": {"turns": 0}}, "limits.turns: must be greater than 0"),
    ({"limits": {"usd": "much"}}, "limits.usd: must be an amount of US dollars"),
    ({"output_schema": {"type": "string"}}, 'output_schema: the schema must have "type": "object"'),
]


REFUSED_OF_UPDATES: list[tuple[dict[str, JSON], str]] = [
    ({"name": None}, "name: must be a text, not null"),
    ({"model": None}, "model: must be a text or an object, not null"),
    ({"version": 0}, "version: must be greater than or equal to 1"),
    ({"version": "1"}, "version: must be a whole number"),
]


@pytest.mark.difference("agent-parts-later")
@pytest.mark.difference("names-of-own-tools")
async def test_what_cannot_be_is_refused_by_its_name(served: Serve) -> None:
    async with served() as server:
        for sent, words in REFUSED:
            refused = await server.post("/v1/agents", {"name": "reader", "model": "m", **sent})
            assert (refused.status, refused.error_type) == (400, "invalid_request_error")
            assert refused.error.startswith(words), (refused.error, words)
        assert await names(server) == []

        path = f"/v1/agents/{(await made(server))['id']}"
        for sent, words in REFUSED_OF_UPDATES:
            refused = await server.post(path, sent)
            assert (refused.status, refused.error_type) == (400, "invalid_request_error")
            assert refused.error.startswith(words), (refused.error, words)
        assert agent_of(await server.get(path))["version"] == 1
