"""Environments over HTTP: what is answered fits the SDK's types exactly, and what cannot be is refused by its name."""

from typing import Any

import pytest
from anthropic.types.beta import BetaEnvironment

from podium.core.json import JSON
from tests.api.sdk.strict import faults
from tests.api.server import Got, Serve, Served

OPEN = {"type": "unrestricted"}
SHUT = {"type": "limited", "allowed_hosts": [], "allow_mcp_servers": False, "allow_package_managers": False}


def environment_of(answer: Got) -> Any:
    """The environment that was answered, after it was held against the SDK's type."""
    assert answer.status == 200, answer.text
    assert list(faults(answer.json, BetaEnvironment, "environment")) == []
    return answer.json


async def made(server: Served, **sent: JSON) -> Any:
    return environment_of(await server.post("/v1/environments", {"name": "env", **sent}))


async def listed(server: Served, query: str = "") -> list[str]:
    return [each["name"] for each in (await server.get(f"/v1/environments?{query}")).json["data"]]


async def test_created_environment_is_answered_whole(served: Serve) -> None:
    async with served() as server:
        environment = await made(server)
        for type in ("cloud", "anthropic_cloud"):
            assert (await made(server, config={"type": type}))["config"] == environment["config"]

    assert environment["id"].startswith("env_")
    assert {key: environment[key] for key in environment if key not in ("id", "created_at", "updated_at")} == {
        "type": "environment",
        "name": "env",
        "description": None,
        "config": {
            "type": "cloud",
            "networking": OPEN,
            "packages": {"type": "packages", "apt": [], "cargo": [], "gem": [], "go": [], "npm": [], "pip": []},
        },
        "metadata": {},
        "scope": "organization",
        "archived_at": None,
    }


async def test_update_keeps_what_is_left_out(served: Serve) -> None:
    async with served() as server:
        first = await made(
            server, description="d", metadata={"a": "1"}, config={"type": "cloud", "networking": {"type": "limited"}}
        )
        path = f"/v1/environments/{first['id']}"
        assert first["config"]["networking"] == SHUT

        assert environment_of(await server.post(path, {"name": None, "config": {"type": "cloud"}})) == first
        second = environment_of(await server.post(path, {"name": "e2", "metadata": {"a": "", "b": "2"}}))
        assert (second["name"], second["metadata"], second["description"]) == ("e2", {"b": "2"}, "d")
        assert second["updated_at"] > first["updated_at"]
        third = environment_of(
            await server.post(path, {"description": None, "config": {"type": "cloud", "networking": OPEN}})
        )
        assert (third["description"], third["config"]["networking"]) == (None, OPEN)
        assert environment_of(await server.get(path)) == third


async def test_archived_environment_is_not_updated(served: Serve) -> None:
    async with served() as server:
        environment = await made(server)
        path = f"/v1/environments/{environment['id']}"

        archived = environment_of(await server.post(f"{path}/archive"))
        assert environment_of(await server.post(f"{path}/archive")) == archived
        refused = await server.post(path, {"name": "other"})
        assert (refused.status, refused.json["error"]["details"]) == (400, {"error_code": "environment_archived"})

        assert await listed(server) == []
        assert await listed(server, "include_archived=true") == ["env"]


async def test_type_of_an_environment_cannot_change(served: Serve) -> None:
    async with served() as server:
        environment = await made(server)
        refused = await server.post(f"/v1/environments/{environment['id']}", {"config": {"type": "self_hosted"}})

    assert refused.error.startswith("config.type: the environment is of type 'cloud'")
    assert refused.json["error"]["details"] == {"error_code": "invalid_config_type_change"}


async def test_deleted_environment_is_gone(served: Serve) -> None:
    async with served() as server:
        environment = await made(server)
        path = f"/v1/environments/{environment['id']}"

        assert (await server.delete(path)).json == {"id": environment["id"], "type": "environment_deleted"}
        for answer in (await server.get(path), await server.delete(path), await server.post(path, {})):
            assert answer.error_type == "not_found_error"
            assert answer.json["error"]["details"] == {"error_code": "environment_not_found"}


async def test_list_is_paged_and_newest_first(served: Serve) -> None:
    async with served() as server:
        for number in range(3):
            await made(server, name=f"e{number}")
        first = (await server.get("/v1/environments?limit=2")).json
        await made(server, name="e3")

        assert [each["name"] for each in first["data"]] == ["e2", "e1"]
        assert await listed(server, f"limit=2&page={first['next_page']}") == ["e0"]


async def test_other_workspaces_and_weaker_keys_reach_nothing(served: Serve) -> None:
    async with served() as server:
        environment = await made(server)
        path = f"/v1/environments/{environment['id']}"
        stranger = await server.make_key(workspace="elsewhere")
        reader = await server.make_key("agents:read")

        for method, at in (("GET", path), ("POST", path), ("DELETE", path), ("POST", f"{path}/archive")):
            body: JSON = {} if method == "POST" else None
            assert (await server.ask(method, at, body, key=stranger)).status == 404
            assert (await server.ask(method, at, body, key=reader)).status == (200 if method == "GET" else 403)
        assert (await server.get("/v1/environments", key=stranger)).json["data"] == []


async def test_request_under_one_key_is_done_once(served: Serve) -> None:
    async with served() as server:
        headers = {"idempotency-key": "once"}
        first = await server.post("/v1/environments", {"name": "env"}, headers=headers)

        again = await server.post("/v1/environments", {"name": "env"}, headers=headers)
        assert environment_of(again) == environment_of(first)
        assert await listed(server) == ["env"]


REFUSED: list[tuple[dict[str, JSON], str]] = [
    ({"name": ""}, "name: must not be empty"),
    ({"name": None}, "name: must be a text, not null"),
    ({"nmae": ""}, "nmae: unknown field 'nmae', did you mean 'name'?"),
    ({"scope": "account"}, "scope: must be 'organization'"),
    ({"metadata": {str(n): "" for n in range(17)}}, "metadata: must have at most 16 pairs"),
    ({"config": {"type": "self_hosted"}}, "config.type: 'self_hosted' is not available"),
    ({"config": {"type": "clod"}}, "config.type: unknown type 'clod', did you mean 'cloud'?"),
    ({"config": {"type": "cloud", "packages": {"pip": ["x"]}}}, "config.packages.pip: is not available"),
    (
        {"config": {"type": "cloud", "networking": {"type": "limited", "allowed_hosts": ["a.example"]}}},
        "config.networking.allowed_hosts: is not available in this version of Podium",
    ),
    (
        {"config": {"type": "cloud", "networking": {"type": "limited", "allow_package_managers": True}}},
        "config.networking.allow_package_managers: is not available",
    ),
]


@pytest.mark.difference("environments-of-this-machine")
async def test_what_cannot_be_is_refused_by_its_name(served: Serve) -> None:
    async with served() as server:
        for sent, words in REFUSED:
            refused = await server.post("/v1/environments", {"name": "env", **sent})
            assert (refused.status, refused.error_type) == (400, "invalid_request_error")
            assert refused.error.startswith(words), (refused.error, words)
        assert await listed(server) == []
