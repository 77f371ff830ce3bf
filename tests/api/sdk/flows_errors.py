"""Errors: each class of the SDK that the server can cause, with its body."""

from typing import Any

import anthropic

from tests.api.sdk.script import script
from tests.api.sdk.world import World, raises, told


def shape(error: Any, status: int, kind: str) -> None:
    """The error's body is the API's."""
    assert error.status_code == status
    body = error.body
    assert set(body) == {"type", "error", "request_id"}, body
    assert body["type"] == "error"
    assert body["error"]["type"] == kind
    assert body["error"]["message"]
    assert body["request_id"].startswith("req_")
    assert error.request_id == body["request_id"], "the header says the same"


def each_status_has_its_class(world: World) -> None:
    agent = world.agent()
    session = world.session(agent)
    sessions = world.beta.sessions
    with raises(anthropic.BadRequestError) as caught:
        world.agent(name=None)
    shape(caught[0], 400, "invalid_request_error")
    with raises(anthropic.AuthenticationError) as caught:
        world.with_key("podium_nobody_nothing_0").beta.agents.list()
    shape(caught[0], 401, "authentication_error")
    with raises(anthropic.PermissionDeniedError) as caught:
        world.reader.beta.agents.create(name="mine", model="any")
    shape(caught[0], 403, "permission_error")
    assert world.reader.beta.sessions.retrieve(session.id).id == session.id, "what it may do, it may"
    with raises(anthropic.NotFoundError) as caught:
        sessions.retrieve("sesn_unknown")
    shape(caught[0], 404, "not_found_error")
    world.beta.agents.update(agent.id, version=1, name="second")
    with raises(anthropic.ConflictError) as caught:
        world.beta.agents.update(agent.id, version=1, name="third")
    shape(caught[0], 409, "conflict_error")


def a_body_may_be_so_large_and_no_larger(world: World) -> None:
    with raises(anthropic.APIStatusError) as caught:
        world.agent(system="x" * (33 << 20))
    shape(caught[0], 413, "request_too_large")


def what_is_not_here_yet_is_not_found(world: World) -> None:
    for path in ("/v1/files", "/v1/skills", "/v1/vaults", "/v1/deployments", "/v1/memory_stores", "/v1/nonsense"):
        with raises(anthropic.NotFoundError) as caught:
            world.client.get(path, cast_to=object)
        shape(caught[0], 404, "not_found_error")


def another_method_is_refused(world: World) -> None:
    with raises(anthropic.APIStatusError) as caught:
        world.client.put("/v1/agents", body={}, cast_to=object)
    shape(caught[0], 405, "invalid_request_error")
    assert "POST" in caught[0].response.headers["allow"]


def either_header_carries_the_key(world: World) -> None:
    key = world.client.api_key
    assert key is not None
    bearer = anthropic.Anthropic(auth_token=key, api_key=None)
    assert bearer.beta.agents.list(limit=1).data is not None
    headers = {"x-api-key": key, "Authorization": anthropic.Omit(), "anthropic-version": "1999-01-01"}
    assert world.client.get("/v1/agents?beta=true", cast_to=object, options={"headers": headers})["data"] is not None


def a_key_of_idempotency_makes_one_session_of_two_posts(world: World) -> None:
    agent, environment = world.agent(), world.environment()
    headers = {"Idempotency-Key": agent.id}
    given: Any = {"agent": agent.id, "environment_id": environment.id, "initial_events": [told(script("hello"))]}

    first = world.beta.sessions.create(**given, extra_headers=headers)
    second = world.beta.sessions.create(**given, extra_headers=headers)

    assert first.id == second.id
    with raises(anthropic.BadRequestError, saying="dempotency"):
        world.beta.sessions.create(**(given | {"title": "another"}), extra_headers=headers)


FLOWS = [
    each_status_has_its_class,
    a_body_may_be_so_large_and_no_larger,
    what_is_not_here_yet_is_not_found,
    another_method_is_refused,
    either_header_carries_the_key,
    a_key_of_idempotency_makes_one_session_of_two_posts,
]
