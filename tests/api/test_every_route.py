"""Every route of the OpenAPI document, as those see it who may not: without a key, or with one that is not for it."""

from podium.core.keys import read_token
from tests.api.house import OPEN, Route, body_of, furnish, routes
from tests.api.server import Serve, Served

EXPECTED = {
    "GET /v1/agents", "POST /v1/agents", "GET /v1/environments", "POST /v1/environments", "GET /v1/sessions",
    "POST /v1/sessions", "GET /v1/models",
}  # fmt: skip


async def seen_by(server: Served, route: Route, ids: dict[str, str], key: str | None) -> tuple[int, str]:
    """The status and type of error that this key gets."""
    answer = await server.ask(route.method, route.at(ids), body_of(route, ids), key=key)
    return answer.status, answer.error_type if answer.status >= 400 else ""


async def test_the_document_lists_the_routes(served: Serve) -> None:
    async with served() as server:
        listed = await routes(server)

        assert {str(route) for route in listed} >= EXPECTED
        assert len([route for route in listed if route.names_something]) >= 20


async def test_without_a_key_there_is_nothing_but_health(served: Serve) -> None:
    async with served() as server:
        ids = await furnish(server)
        for route in await routes(server):
            status, kind = await seen_by(server, route, ids, None)
            assert (status, kind) == ((200, "") if route.path in OPEN else (401, "authentication_error")), route


async def test_a_revoked_key_opens_nothing(served: Serve) -> None:
    async with served() as server:
        ids = await furnish(server)
        key = await server.make_key()
        shown = read_token(key)
        assert shown is not None
        assert (await server.get("/v1/agents", key=key)).status == 200
        await server.server.keys.revoke(shown.id, server.server.clock.now())

        for route in await routes(server):
            if route.path not in OPEN:
                assert await seen_by(server, route, ids, key) == (401, "authentication_error"), route


async def test_a_key_of_other_scopes_is_refused_by_name(served: Serve) -> None:
    async with served() as server:
        ids = await furnish(server)
        of_agents, of_sessions = await server.make_key("agents:read"), await server.make_key("sessions:read")
        readers = {True: of_agents, False: of_sessions}
        for route in await routes(server):
            if route.path in OPEN:
                continue
            key = readers[route.is_of_sessions]
            answer = await server.ask(route.method, route.at(ids), body_of(route, ids), key=key)
            assert (answer.status, answer.error_type) == (403, "permission_error"), route
            assert "scope" in answer.error, route


async def test_a_key_that_reads_changes_nothing(served: Serve) -> None:
    async with served() as server:
        ids = await furnish(server)
        key = await server.make_key("agents:read", "sessions:read")
        for route in await routes(server):
            if route.method != "GET":
                assert await seen_by(server, route, ids, key) == (403, "permission_error"), route


async def test_what_another_workspace_has_is_as_if_it_never_was(served: Serve) -> None:
    async with served() as server:
        ids = await furnish(server)
        stranger = await server.make_key(workspace="elsewhere")
        own = await furnish(server, key=stranger)
        nobody = {name: id if name == "models" else f"{id[:-4]}none" for name, id in ids.items()}
        for route in await routes(server):
            if not route.names_something:
                continue
            body = body_of(route, own)
            foreign = await server.ask(route.method, route.at(ids), body, key=stranger)
            unknown = await server.ask(route.method, route.at(nobody), body, key=stranger)
            assert (foreign.status, foreign.error_type) == (404, "not_found_error"), route
            assert without(foreign.error, ids) == without(unknown.error, nobody), route
            if "{thread" in route.path:  # a thread of another session of one's own is no more to be had
                mixed = await server.ask(route.method, route.at(own | {"thread": ids["thread"]}), body, key=stranger)
                assert mixed.status == 404, route


async def test_lists_hold_ones_own_workspace_alone(served: Serve) -> None:
    async with served() as server:
        await furnish(server)
        stranger = await server.make_key(workspace="elsewhere")
        for path in ("/v1/agents", "/v1/environments", "/v1/sessions"):
            assert (await server.get(path, key=stranger)).json["data"] == []
        own = await furnish(server, key=stranger)
        for path, name in (("/v1/agents", "agent"), ("/v1/environments", "environment"), ("/v1/sessions", "session")):
            assert [one["id"] for one in (await server.get(path, key=stranger)).json["data"]] == [own[name]]


async def test_a_session_cannot_be_made_of_what_a_stranger_has(served: Serve) -> None:
    async with served() as server:
        ids = await furnish(server)
        stranger = await server.make_key(workspace="elsewhere")
        own = await furnish(server, key=stranger)
        for foreign in ("agent", "environment"):
            mixed = own | {foreign: ids[foreign]}
            body = {"agent": mixed["agent"], "environment_id": mixed["environment"]}
            answer = await server.post("/v1/sessions", body, key=stranger)
            assert answer.status in (400, 404), answer.text
        lead = {"name": "lead", "model": "any", "multiagent": {"type": "coordinator", "agents": [ids["agent"]]}}
        assert (await server.post("/v1/agents", lead, key=stranger)).status in (400, 404)


def without(said: str, ids: dict[str, str]) -> str:
    """The message with its ids left out."""
    for id in ids.values():
        said = said.replace(id, "…")
    return said
