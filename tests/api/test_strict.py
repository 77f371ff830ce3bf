"""The validator itself: what the SDK would take in silence is a fault here."""

from datetime import UTC, datetime
from typing import Any

import pytest
from anthropic.types.beta import BetaManagedAgentsAgent
from anthropic.types.beta.sessions import BetaManagedAgentsStreamSessionEvents as Frame

from tests.api.sdk.routes import ANSWERS, route_of
from tests.api.sdk.strict import faults

NOW = datetime(2026, 11, 1, tzinfo=UTC).isoformat()
AGENT: dict[str, Any] = {
    "id": "agent_1", "type": "agent", "version": 1, "name": "reader", "description": None, "system": None,
    "model": {"id": "m", "speed": "standard"}, "tools": [], "mcp_servers": [], "skills": [], "multiagent": None,
    "metadata": {}, "execution_identity": {"type": "service_account"}, "created_at": NOW, "updated_at": NOW,
    "archived_at": None,
}  # fmt: skip


def found(value: Any, wanted: Any = BetaManagedAgentsAgent) -> list[str]:
    return list(faults(value, wanted, "it"))


def test_what_fits_has_no_fault() -> None:
    assert found(AGENT) == []
    assert found({"data": [AGENT], "next_page": None}, ANSWERS["GET /v1/agents"]) == []


def test_our_extensions_of_agents_are_the_only_fields_beyond_the_type() -> None:
    assert found(AGENT | {"limits": {"turns": 3}, "input_schema": None}) == []
    assert found(AGENT | {"limit": 3}) == ["it.limit: BetaManagedAgentsAgent has no such field (it holds 3)"]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"version": "1"}, "it.version: '1' is not an integer"),
        ({"version": True}, "it.version: True is not an integer"),
        ({"created_at": "yesterday"}, "it.created_at: 'yesterday' is not an RFC 3339 time"),
        ({"created_at": "2026-11-01T00:00:00+01:00"}, "it.created_at: '2026-11-01T00:00:00+01:00' is not in UTC"),
        ({"metadata": {"a": 1}}, "it.metadata.a: 1 is not a text"),
        ({"tools": {}}, "it.tools: {} is not a list"),
        ({"tools": [{"type": "bash"}]}, "it.tools[0]: no member of the union has the type 'bash'"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_place(changed: dict[str, Any], fault: str) -> None:
    assert found(AGENT | changed) == [fault]


def test_a_missing_field_is_named() -> None:
    without = {name: value for name, value in AGENT.items() if name != "execution_identity"}

    assert found(without) == ["it.execution_identity: missing, and BetaManagedAgentsAgent requires it"]


def test_an_event_is_held_against_the_member_of_its_kind() -> None:
    event = {"type": "session.status_running", "id": "sevt_1", "processed_at": NOW}

    assert found(event, Frame) == []
    assert found(event | {"seq": 3}, Frame) == [
        "it<session.status_running>.seq: BetaManagedAgentsSessionStatusRunningEvent has no such field (it holds 3)"
    ]


def test_ids_of_a_path_are_left_out_of_its_route() -> None:
    assert route_of("GET", "/v1/sessions/s_1/threads/t_2/events") == "GET /v1/sessions/{id}/threads/{id}/events"
    assert route_of("POST", "/v1/agents") == "POST /v1/agents"
