"""Keys over HTTP: who is let in, and who is not."""

from datetime import timedelta

import pytest

from podium.core.keys import read_token
from tests.api.calls import ASKING, TOOLSET, Calls
from tests.api.server import Serve


async def test_both_headers_carry_a_key(served: Serve) -> None:
    async with served() as server:
        bearer = await server.get("/v1/models", key=None, headers={"authorization": f"Bearer {server.key}"})
        lower = await server.get("/v1/models", key=None, headers={"authorization": f"bearer  {server.key}"})
        header = await server.get("/v1/models", key=None, headers={"x-api-key": server.key})
        both = await server.get("/v1/models", key="sk-other", headers={"authorization": f"Bearer {server.key}"})

        assert [bearer.status, lower.status, header.status, both.status] == [200, 200, 200, 200]


async def test_every_cause_gets_the_same_refusal(served: Serve) -> None:
    async with served() as server:
        old = await server.make_key(expires_at=server.server.clock.now() - timedelta(seconds=1))
        revoked = await server.make_key()
        shown = read_token(revoked)
        assert shown is not None
        await server.server.keys.revoke(shown.id, server.server.clock.now())
        stranger = server.key.replace("podium_", "podium_0", 1)
        keys = [None, "nonsense", server.key[:-1], stranger, old, revoked]

        got = [await server.get("/v1/models", key=key) for key in keys]
        basic = await server.get("/v1/models", key=None, headers={"authorization": "Basic abc"})

        assert {(it.status, it.error_type, it.error) for it in [*got, basic]} == {
            (
                401,
                "authentication_error",
                "no valid key was sent. Send one in 'x-api-key' or 'Authorization: Bearer'; `podium key create` makes "
                "one, and `podium serve` shows one at its first start",
            )
        }
        assert all(it.headers["www-authenticate"] == "Bearer" for it in got)


async def test_revoked_key_is_refused_with_the_next_request(served: Serve) -> None:
    async with served() as server:
        key = await server.make_key()
        shown = read_token(key)
        assert shown is not None

        before = await server.get("/v1/models", key=key)
        await server.server.keys.revoke(shown.id, server.server.clock.now())
        after = await server.get("/v1/models", key=key)

        assert (before.status, after.status) == (200, 401)


@pytest.mark.difference("keys-with-scopes")
async def test_key_without_the_scope_is_told_which_it_lacks(served: Serve) -> None:
    async with served() as server:
        key = await server.make_key("sessions:read", "sessions:write")

        got = await server.get("/v1/models", key=key)

        assert (got.status, got.error_type) == (403, "permission_error")
        assert got.error == (
            "this key may not do that: it lacks the scope 'agents:read' (it has: sessions:read, sessions:write). "
            "`podium key create --scope` makes one that has it"
        )


@pytest.mark.difference("keys-with-scopes")
async def test_who_may_start_sessions_may_choose_what_needs_no_approval(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        agent, environment = await calls.agent(tools=[ASKING]), await calls.environment()
        key = await server.make_key("sessions:write")
        never = {**TOOLSET, "default_config": {"permission_policy": {"type": "always_allow"}}}
        chosen = {"type": "agent_with_overrides", "id": agent["id"], "tools": [never]}

        made = await server.post("/v1/sessions", {"agent": chosen, "environment_id": environment}, key=key)
        answer = {"type": "user.tool_confirmation", "tool_use_id": "sevt_1", "result": "allow"}
        answered = await server.post(f"/v1/sessions/{made.json['id']}/events", {"events": [answer]}, key=key)

        assert made.json["agent"]["tools"][0]["default_config"]["permission_policy"] == {"type": "always_allow"}
        assert (answered.status, "'approvals:write'" in answered.error) == (403, True)


@pytest.mark.parametrize("path", ["/v1/nothing", "/", "/v1/models/x"])
async def test_nothing_is_told_of_routes_without_a_key(served: Serve, path: str) -> None:
    async with served() as server:
        got = await server.ask("PATCH", path, key=None, raw=b"x" * 100)

        assert got.status == 401


async def test_use_of_a_key_is_noted(served: Serve) -> None:
    async with served() as server:
        await server.get("/v1/models")

        [key] = await server.server.keys.keys()

        assert key.last_used_at is not None
