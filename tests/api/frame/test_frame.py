"""What holds for every request: ids, versions, errors where no route is, names of this machine, parameters."""

import pytest

from podium.api.middleware import VERSION
from podium.api.state import Settings
from tests.api.server import Serve


@pytest.mark.difference("answers-name-podium")
async def test_every_answer_has_an_id_of_its_own_and_says_who_answers(served: Serve) -> None:
    async with served() as server:
        got = [await server.get(path, key=key) for path in ("/health", "/v1/nothing") for key in ("", None)]

        assert len({it.headers["request-id"] for it in got}) == 4
        assert all(it.headers["request-id"].startswith("req_") for it in got)
        assert {it.headers["podium-version"] for it in got} == {VERSION}
        assert "server" not in got[0].headers


@pytest.mark.difference("later-parts")
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/files", "/v1/files is not part of this version of Podium"),
        ("/v1/vaults/vlt_1/credentials", "/v1/vaults is not part of this version of Podium"),
        ("/v1/sessions/sesn_1/resources", "/v1/sessions/{id}/resources is not part of this version of Podium"),
        ("/v1/environments/env_1/work/poll", "/v1/environments/{id}/work is not part of this version of Podium"),
        ("/v2/agents", "GET /v2/agents: there is no such route; /openapi.json lists them"),
        ("/", "GET /: there is no such route; /openapi.json lists them"),
        ("/health/", "GET /health/: there is no such route; /openapi.json lists them"),
    ],
)
async def test_unknown_route_is_not_found(served: Serve, path: str, words: str) -> None:
    async with served() as server:
        got = await server.get(path)

        assert (got.status, got.error_type, got.error) == (404, "not_found_error", words)


async def test_wrong_method_is_told_the_right_ones(served: Serve) -> None:
    async with served() as server:
        got = await server.delete("/health")
        options = await server.ask("OPTIONS", "/v1/models")
        head = await server.ask("HEAD", "/health")

        assert (got.status, got.error_type) == (405, "invalid_request_error")
        assert got.error == "DELETE /health: only GET, HEAD may be used there"
        assert got.headers["allow"] == "GET, HEAD"
        assert (options.status, options.headers["allow"]) == (405, "GET")
        assert (head.status, head.text, head.headers["content-type"]) == (200, "", "application/json")


async def test_name_of_another_machine_is_refused_on_a_loopback_address(served: Serve) -> None:
    async with served() as server:
        own = ["localhost:7717", "127.0.0.1", "[::1]:80", "podium.localhost"]
        others = ["evil.example:7717", "127.0.0.1.evil.example", "10.0.0.1"]
        let_in = [(await server.get("/health", headers={"host": host})).status for host in own]
        refused = [await server.get("/health", headers={"host": host}) for host in others]

        assert let_in == [200, 200, 200, 200]
        assert [it.status for it in refused] == [403, 403, 403]
        assert refused[-1].error == (
            "Host: '10.0.0.1' is no name of this machine, and the server listens on it alone. Use 127.0.0.1 or "
            "localhost, or serve on another address with `podium serve --host`"
        )


async def test_any_name_is_good_on_another_address(served: Serve) -> None:
    async with served(settings=Settings(host="0.0.0.0")) as server:
        assert (await server.get("/health", headers={"host": "podium.example"})).status == 200


@pytest.mark.difference("unknown-fields")
async def test_parameter_that_the_route_does_not_have_is_refused(served: Serve) -> None:
    async with served() as server:
        got = await server.get("/v1/models?limt=5")
        other = await server.get("/health?x=1")
        head = await server.ask("HEAD", "/health?x=1")
        fine = await server.get("/v1/models?limit=5&beta=true")

        assert (got.status, got.error) == (400, "limt: unknown parameter 'limt', did you mean 'limit'?")
        assert head.status == 400
        assert (other.status, other.error) == (400, "x: unknown parameter 'x' (there is no parameter here)")
        assert fine.status == 200


@pytest.mark.difference("betas-ignored")
async def test_betas_and_versions_change_nothing(served: Serve) -> None:
    async with served() as server:
        sent = {
            "anthropic-beta": "managed-agents-2026-04-01,nonsense",
            "anthropic-version": "1999-01-01",
            "anthropic-workspace-id": "wrkspc_1",
        }
        plain, old = await server.get("/v1/models"), await server.get("/v1/models?beta=true", headers=sent)

        assert (old.status, old.json) == (200, plain.json)


@pytest.mark.difference("no-rate-limits")
async def test_requests_are_not_counted(served: Serve) -> None:
    async with served() as server:
        got = {(await server.get("/v1/models")).status for _ in range(100)}

        assert got == {200}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=0", "limit: must be greater than or equal to 1, not '0'"),
        ("limit=1001", "limit: must be less than or equal to 1000, not '1001'"),
        ("limit=x", "limit: must be a whole number, not 'x'"),
    ],
)
async def test_parameter_that_cannot_be_is_named(served: Serve, query: str, words: str) -> None:
    async with served() as server:
        got = await server.get(f"/v1/models?{query}")

        assert (got.status, got.error) == (400, words)


async def test_document_of_the_api_claims_what_is_answered(served: Serve) -> None:
    async with served() as server:
        document = (await server.get("/openapi.json", key=None)).json
        listed = document["paths"]["/v1/models"]["get"]

        assert document["info"]["title"] == "Podium"
        assert set(document["components"]["securitySchemes"]) == {"ApiKey", "Bearer"}
        assert document["security"] == [{"ApiKey": []}, {"Bearer": []}]
        assert "security" not in listed
        assert {} in document["paths"]["/health"]["get"]["security"]
        assert set(listed["responses"]) == {"200", "4XX", "5XX"}
        assert "422" not in str(document)
        assert {it["name"] for it in listed["parameters"]} == {"limit", "after_id", "before_id"}
