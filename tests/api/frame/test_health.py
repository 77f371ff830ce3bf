"""`/health`, and models."""

from tests.api.server import Serve


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
