"""Versions of agents: what an update keeps, clears, replaces and merges, and when it makes a version at all."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.core.catalog import AgentRow, EnvironmentRow
from podium.core.json import JSON
from podium.core.revisions import (
    archived,
    check_current,
    first_version,
    may_define_agents,
    merged_multiagent,
    next_environment,
    next_version,
    subagents,
    workflow_agents,
)
from podium.errors import BadInput, Conflict

START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = START + timedelta(hours=1)
ON, OFF = {"type": "enabled"}, {"type": "disabled"}
TEAM = {"type": "enabled", "inline_agents": ON, "predefined_agents": []}
DEFAULT = {"type": "multiagent_20261001", "subagents": TEAM, "workflows": TEAM, "advisor": OFF}


def agent(**sent: JSON) -> AgentRow:
    row = AgentRow(id="agent_1", workspace="default", version=0, created_at=START, updated_at=START, body={})
    return first_version(row, {"name": "lead", "model": {"id": "m"}, **sent})


def updated(row: AgentRow, expected: int | None = None, **sent: JSON) -> AgentRow:
    check_current(row, expected)
    return next_version(row, sent, LATER)


def reference(id: str, version: int = 1) -> dict[str, JSON]:
    return {"type": "agent", "id": id, "version": version}


def today(**members: JSON) -> dict[str, JSON]:
    return {"type": "multiagent_20261001", **members}


# --- the first version -------------------------------------------------------------------------------


def test_first_version_has_every_field_the_api_answers() -> None:
    row = agent()

    assert (row.version, row.created_at, row.archived_at) == (1, START, None)
    assert row.body == {
        "name": "lead",
        "description": None,
        "model": {"id": "m", "speed": "standard"},
        "system": None,
        "tools": [],
        "mcp_servers": [],
        "skills": [],
        "multiagent": None,
        "metadata": {},
        "execution_identity": {"type": "service_account"},
    }


def test_extensions_are_there_only_if_they_were_sent() -> None:
    row = agent(input_schema=None, limits={"turns": 3})

    assert "input_schema" not in row.body
    assert row.body["limits"] == {"turns": 3}
    assert "limits" not in updated(row, limits=None).body


# --- updates -----------------------------------------------------------------------------------------


def test_update_keeps_what_is_left_out() -> None:
    row = updated(agent(system="Be kind.", tools=[{"type": "custom"}]), name="boss")

    assert (row.version, row.updated_at, row.created_at) == (2, LATER, START)
    assert (row.body["name"], row.body["system"], row.body["tools"]) == ("boss", "Be kind.", [{"type": "custom"}])


@pytest.mark.parametrize(
    ("field", "cleared"),
    [("description", None), ("system", None), ("tools", []), ("multiagent", None)],
)
def test_null_clears(field: str, cleared: JSON) -> None:
    something = {"description": "d", "system": "s", "tools": [1], "multiagent": DEFAULT}
    assert updated(agent(**something), **{field: None}).body[field] == cleared


def test_empty_text_clears_description_and_system() -> None:
    row = updated(agent(description="d", system="s"), description="", system="")

    assert (row.body["description"], row.body["system"]) == (None, None)


def test_arrays_are_replaced_whole() -> None:
    assert updated(agent(tools=[1, 2]), tools=[3]).body["tools"] == [3]


def test_metadata_is_merged_by_key() -> None:
    row = updated(agent(metadata={"a": "1", "b": "2", "c": "3"}), metadata={"a": None, "b": "", "c": "4", "d": "5"})

    assert row.body["metadata"] == {"c": "4", "d": "5"}
    assert updated(row, metadata=None) is row


def test_metadata_keeps_its_limit_over_updates() -> None:
    row = agent(metadata={f"k{number}": "v" for number in range(16)})

    with pytest.raises(BadInput, match="metadata: at most 16 pairs, these would be 17"):
        updated(row, metadata={"more": "v"})
    assert len(updated(row, metadata={"k0": None, "more": "v"}).body["metadata"]) == 16


def test_model_is_replaced_whole_but_for_the_effort_of_the_same_model() -> None:
    row = agent(model={"id": "m", "effort": {"type": "high"}, "inference_geo": "eu", "speed": "fast"})

    same = updated(row, model={"id": "m"})
    other = updated(row, model={"id": "n"})

    assert same.body["model"] == {"id": "m", "effort": {"type": "high"}, "speed": "standard"}
    assert other.body["model"] == {"id": "n", "speed": "standard"}


def test_update_without_effect_is_the_same_version() -> None:
    row = agent(system="s", metadata={"a": "1"}, multiagent=today(subagents={**TEAM}))

    assert updated(row) is row
    assert updated(row, system="s", name="lead", metadata={"a": "1"}, multiagent=today(), model={"id": "m"}) is row


def test_update_of_another_version_than_the_newest_is_a_conflict() -> None:
    row = updated(agent(), name="boss")

    with pytest.raises(Conflict, match="version: agent agent_1 is at version 2, not 1"):
        updated(row, expected=1, name="chief")
    assert updated(row, expected=2, name="chief").version == 3


def test_archived_agent_is_not_updated() -> None:
    row = archived(agent(), LATER)

    assert (row.archived_at, row.version) == (LATER, 1)
    assert archived(row, LATER + timedelta(days=1)) is row
    with pytest.raises(BadInput, match="agent_1 is archived"):
        updated(row, name="boss")


# --- rosters -----------------------------------------------------------------------------------------


def test_agent_that_lists_itself_names_its_own_newest_version() -> None:
    row = agent(multiagent={"type": "coordinator", "agents": [reference("agent_1", 0), reference("agent_2", 7)]})
    assert subagents(row.body["multiagent"]) == [reference("agent_1", 1), reference("agent_2", 7)]

    row = updated(row, name="boss")
    assert subagents(row.body["multiagent"]) == [reference("agent_1", 2), reference("agent_2", 7)]


def test_sending_back_what_was_answered_changes_nothing() -> None:
    row = agent(multiagent=today(subagents={"type": "enabled", "predefined_agents": [reference("agent_1", 0)]}))

    assert updated(row, multiagent=row.body["multiagent"]) is row


def test_coordinator_is_replaced_whole() -> None:
    row = agent(multiagent={"type": "coordinator", "agents": [reference("agent_2")]})

    other = {"type": "coordinator", "agents": [reference("agent_3")]}
    assert updated(row, multiagent=other).body["multiagent"] == other
    assert updated(row, multiagent=today()).body["multiagent"] == DEFAULT


def test_todays_form_takes_its_defaults() -> None:
    assert merged_multiagent(None, today()) == DEFAULT
    assert merged_multiagent(None, today(subagents=None, workflows=None, advisor=None)) == DEFAULT
    assert merged_multiagent(None, today(workflows=OFF))["workflows"] == OFF


def test_todays_form_is_merged_level_by_level() -> None:
    stored = merged_multiagent(
        None,
        today(
            subagents={"type": "enabled", "inline_agents": OFF, "predefined_agents": [reference("agent_2")]},
            workflows=OFF,
        ),
    )

    def merged(**members: JSON) -> Any:
        return merged_multiagent(stored, today(**members))

    assert merged() == stored
    assert merged(subagents=ON) == stored
    assert merged(subagents={"type": "enabled", "inline_agents": None})["subagents"] == {
        "type": "enabled",
        "inline_agents": ON,
        "predefined_agents": [reference("agent_2")],
    }
    assert merged(subagents={"type": "enabled", "predefined_agents": None})["subagents"]["predefined_agents"] == []
    assert merged(subagents=OFF)["subagents"] == OFF
    assert merged(workflows=ON)["workflows"] == TEAM
    assert merged(workflows=None)["workflows"] == TEAM
    assert merged(workflows=None)["subagents"] == stored["subagents"]


def test_the_two_lists_of_agents_are_independent() -> None:
    multiagent = merged_multiagent(
        None, today(workflows={"type": "enabled", "predefined_agents": [reference("agent_2")]})
    )

    assert subagents(multiagent) == []
    assert workflow_agents(multiagent) == [reference("agent_2")]


@pytest.mark.parametrize("member", ["subagents", "workflows"])
def test_team_of_nobody_is_refused(member: str) -> None:
    with pytest.raises(BadInput, match=f"multiagent.{member}: with inline_agents disabled"):
        agent(multiagent=today(**{member: {"type": "enabled", "inline_agents": OFF}}))


def test_inline_agents_are_of_todays_form_alone() -> None:
    assert not may_define_agents(None)
    assert not may_define_agents({"type": "coordinator", "agents": [reference("agent_2")]})
    assert may_define_agents(DEFAULT)
    assert not may_define_agents({**DEFAULT, "subagents": OFF})
    assert not may_define_agents({**DEFAULT, "subagents": {**TEAM, "inline_agents": OFF}})


switches = st.sampled_from([ON, OFF])
lists = st.lists(st.integers(1, 9).map(lambda number: reference(f"agent_{number}")), max_size=3)


def partial(fields: dict[str, Any]) -> Any:
    return st.fixed_dictionaries({}, optional={name: st.none() | values for name, values in fields.items()})


teams = st.just(OFF) | partial({"inline_agents": switches, "predefined_agents": lists}).map(lambda team: ON | team)
sent_forms = partial({"subagents": teams, "workflows": teams, "advisor": st.just(OFF)}).map(lambda form: today(**form))


@given(sent_forms, sent_forms)
def test_merging_is_whole_settled_and_says_what_was_said(first: Any, second: Any) -> None:
    stored = merged_multiagent(None, first)
    merged = merged_multiagent(stored, second)

    assert set(merged) == set(DEFAULT)
    assert merged_multiagent(merged, second) == merged  # once is enough
    assert merged_multiagent(merged, merged) == merged
    assert merged_multiagent(stored, today()) == stored
    for member in ("subagents", "workflows"):
        team, sent = merged[member], second.get(member, "absent")
        assert set(team) == (set(TEAM) if team["type"] == "enabled" else {"type"})
        if sent == "absent":
            assert team == stored[member]
        elif sent is None:
            assert team == TEAM
        else:
            assert team["type"] == sent["type"]
            for key, value in sent.items():
                assert team[key] == (TEAM[key] if value is None else value)
            if stored[member]["type"] == sent["type"] == "enabled":
                assert all(team[key] == stored[member][key] for key in TEAM if key not in sent)


fields = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["lead", "boss"]),
        "system": st.sampled_from(["", None, "s"]),
        "tools": st.none() | st.lists(st.integers(), max_size=2),
        "metadata": st.dictionaries(st.sampled_from("abc"), st.sampled_from([None, "", "1", "2"])),
        "model": st.sampled_from([{"id": "m"}, {"id": "n"}, {"id": "m", "effort": {"type": "low"}}]),
        "multiagent": st.none() | st.just({"type": "coordinator", "agents": [reference("agent_1")]}) | st.just(today()),
    },
)


@given(fields, fields)
def test_an_update_sent_twice_makes_one_version(first: dict[str, JSON], second: dict[str, JSON]) -> None:
    row = updated(updated(agent(), **first), **second)

    assert updated(row, **second) is row
    assert all(each["version"] == row.version for each in subagents(row.body["multiagent"]))


# --- environments ------------------------------------------------------------------------------------


def test_environment_is_updated_field_by_field() -> None:
    body = {"name": "e", "description": "d", "metadata": {"a": "1"}}
    row = EnvironmentRow(id="env_1", workspace="default", created_at=START, updated_at=START, body=body)

    changed = next_environment(row, {"description": None, "metadata": {"a": "", "b": "2"}}, LATER)

    assert changed.body == {"name": "e", "description": None, "metadata": {"b": "2"}}
    assert changed.updated_at == LATER
    assert next_environment(row, {"name": "e"}, LATER) is row
