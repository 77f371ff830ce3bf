"""`/health`, and models."""

from pathlib import Path

from podium import Agent, Podium
from podium.models.rehearsal import Rehearsal
from tests.api.server import Serve, says_ok


async def test_health_says_nothing_more_to_who_has_no_key(served: Serve) -> None:
    async with served() as server:
        got = await server.get("/health", key=None)

        assert (got.status, got.json) == (200, {"status": "ok"})


async def test_health_tells_how_the_server_stands_to_who_has_a_key(served: Serve) -> None:
    async with served() as server:
        told = (await server.get("/health")).json

        assert told["status"] == "ok"
        assert told["store"]["status"] == "ok"
        assert told["sessions"] == {"running": 0, "not_driven_here": {}}
        assert [(it["name"], it["is_default"], it["has_key"]) for it in told["providers"]] == [
            ("anthropic", True, False)
        ]
        assert set(told["not_available"]) == {"web_search", "web_fetch"}


async def test_health_tells_how_the_server_is_set_up_to_admins_alone(served: Serve) -> None:
    async with served() as server:
        own = (await server.get("/health")).json
        told = (await server.get("/health", key=await server.make_key("sessions:read"))).json

        assert set(own["store"]) == {"status", "folder", "keys"}
        assert told["store"] == {"status": "ok"}
        assert set(own["providers"][0]) == {"name", "base_url", "is_default", "has_key", "limits"}
        assert told["providers"] == [{"name": "anthropic", "is_default": True, "has_key": False}]


async def test_health_tells_nothing_of_sessions_of_other_workspaces(served: Serve, tmp_path: Path) -> None:
    async with Podium(tmp_path / "data", models={"theirs": Rehearsal(says_ok)}) as podium:
        foreign = (await podium.start(Agent("worker", model="theirs"), "work")).id
    async with served() as server:
        while not (own := (await server.get("/health")).json["sessions"]["not_driven_here"]):
            pass
        other = await server.get("/health", key=await server.make_key(workspace="elsewhere"))

        assert list(own) == [foreign]
        assert other.json["sessions"]["not_driven_here"] == {}
