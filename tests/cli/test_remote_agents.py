"""Agents of a team on a real server: created once, found again, and brought up to date."""

from pathlib import Path

import pytest

from podium.cli.remote.agents import wire_agents
from podium.cli.remote.server import Account, connected
from podium.errors import BadInput, PodiumError
from podium.team import Team, load_team
from tests.api.conftest import served
from tests.api.server import Serve

__all__ = ["served"]

TEAM = """
agents:
  lead: {{model: claude-test-1, system: {system}, tools: [bash], callable_agents: [editor, self]}}
  editor: {{model: claude-test-1, callable_agents: [checker]}}
  checker: {{model: claude-test-1{more}}}
"""
SCHEMA = ", output_schema: {type: object, properties: {n: {type: integer}}}, limits: {turns: 3, usd: 0.5}"


def team(folder: Path, system: str = "Be brief.", more: str = SCHEMA) -> Team:
    file = folder / "team.yaml"
    file.write_text(TEAM.format(system=system, more=more))
    return load_team(file)


async def test_agents_of_a_team_are_made_once_and_found_again(served: Serve, tmp_path: Path) -> None:
    async with served() as server, connected(server.url, server.key) as client:
        account = Account(client, server.url)
        first = await account.agents(wire_agents(team(tmp_path)))
        again = await account.agents(wire_agents(team(tmp_path)))

        assert first == again
        assert {name: version for name, (_, version) in first.items()} == {"checker": 1, "editor": 1, "lead": 1}
        lead = (await server.get(f"/v1/agents/{first['lead'][0]}")).json
        assert [entry["id"] for entry in lead["multiagent"]["agents"]] == [first["editor"][0], first["lead"][0]]
        checker = (await server.get(f"/v1/agents/{first['checker'][0]}")).json
        assert (checker["output_schema"]["type"], checker["limits"]["turns"]) == ("object", 3)


async def test_agents_that_are_as_wanted_are_only_read(served: Serve, tmp_path: Path) -> None:
    async with served() as server:
        async with connected(server.url, server.key) as client:
            first = await Account(client, server.url).agents(wire_agents(team(tmp_path)))
        reader = await server.make_key("agents:read")
        async with connected(server.url, reader) as client:
            assert await Account(client, server.url).agents(wire_agents(team(tmp_path))) == first


async def test_agent_that_was_changed_in_the_file_gets_a_new_version_and_so_do_those_who_call_it(
    served: Serve, tmp_path: Path
) -> None:
    async with served() as server, connected(server.url, server.key) as client:
        account = Account(client, server.url)
        first = await account.agents(wire_agents(team(tmp_path)))

        other = await account.agents(wire_agents(team(tmp_path, system="Be thorough.")))
        cleared = await account.agents(wire_agents(team(tmp_path, system="Be thorough.", more="")))

        assert [other[name][1] for name in ("checker", "editor", "lead")] == [1, 1, 2]
        assert [cleared[name][1] for name in ("checker", "editor", "lead")] == [2, 2, 3]
        assert {name: id for name, (id, _) in cleared.items()} == {name: id for name, (id, _) in first.items()}
        checker = (await server.get(f"/v1/agents/{first['checker'][0]}")).json
        assert not checker.get("output_schema")
        assert not checker.get("limits")


async def test_agent_that_defines_agents_as_it_works_is_found_again(served: Serve, tmp_path: Path) -> None:
    (tmp_path / "inline.yaml").write_text(
        "agents: {lead: {model: claude-test-1, inline_agents: true, callable_agents: [self, editor]}, "
        "editor: {model: claude-test-1}}\n"
    )
    wanted = wire_agents(load_team(tmp_path / "inline.yaml"))
    async with served() as server:
        async with connected(server.url, server.key) as client:
            first = await Account(client, server.url).agents(wanted)
        async with connected(server.url, await server.make_key("agents:read")) as client:
            assert await Account(client, server.url).agents(wanted) == first


async def test_agents_of_others_that_have_the_same_name_are_left_alone(served: Serve, tmp_path: Path) -> None:
    async with served() as server, connected(server.url, server.key) as client:
        own = (await server.post("/v1/agents", {"name": "lead", "model": "claude-test-1"})).json
        made = await Account(client, server.url).agents(wire_agents(team(tmp_path)))

        assert made["lead"][0] != own["id"]
        assert (await server.get(f"/v1/agents/{own['id']}")).json == own


async def test_environment_is_made_once(served: Serve) -> None:
    async with served() as server, connected(server.url, server.key) as client:
        account = Account(client, server.url)

        assert await account.environment() == await account.environment()


async def test_wrong_key_is_told_with_the_remedy(served: Serve) -> None:
    async with served() as server, connected(server.url, "podium_x_y_z") as client:
        with pytest.raises(BadInput, match=r"answers 401: .* Give it one of its own keys"):
            await Account(client, server.url).environment()


async def test_team_that_the_server_refuses_is_told_in_its_words(served: Serve, tmp_path: Path) -> None:
    async with served() as server, connected(server.url, server.key) as client:
        with pytest.raises(BadInput, match=r"agent 'checker': the server at .* answers 400: description: .*2,048"):
            await Account(client, server.url).agents(wire_agents(team(tmp_path, more=f", description: {'x' * 9000}")))


async def test_server_that_is_not_there_is_told(served: Serve) -> None:
    async with connected("http://127.0.0.1:9", "podium_x_y_z") as client:
        with pytest.raises(PodiumError, match="could not be reached"):
            await Account(client, "http://127.0.0.1:9").environment()
