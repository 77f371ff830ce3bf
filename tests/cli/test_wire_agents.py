"""A team file as agents of a server's API, and what of it is refused there."""

from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest

from podium.cli.remote.agents import budget, check, wire_agents
from podium.cli.remote.server import holds, is_in_the_clear, key_for
from podium.core.definitions import Agent, SessionLimits
from podium.errors import BadInput
from podium.team import Team, load_team

TEAM = """
name: reviewers
coordinator: lead
agents:
  lead:
    model: big
    description: Leads.
    system: Be brief.
    tools: [bash, read]
    permissions: {bash: always_ask}
    callable_agents: [editor, checker, self]
  editor: {model: small, callable_agents: [checker]}
  checker:
    model: small
    output_schema: {type: object, properties: {ok: {type: boolean}}}
    limits: {turns: 4, usd: 0.5}
  spare: {model: small}
limits: {usd: 1.25}
"""


def team(folder: Path, text: str = TEAM) -> Team:
    file = folder / "team.yaml"
    file.write_text(text)
    return load_team(file)


def test_agents_come_before_those_who_call_them_and_only_those_that_can_be_reached(tmp_path: Path) -> None:
    made = wire_agents(team(tmp_path))

    assert [agent.name for agent in made] == ["checker", "editor", "lead"]
    checker, _, lead = made
    assert checker.whole({}) == {
        "name": "checker",
        "model": "small",
        "description": None,
        "system": None,
        "tools": [],
        "metadata": {"podium_team": "reviewers"},
        "output_schema": {"type": "object", "properties": {"ok": {"type": "boolean"}}},
        "limits": {"turns": 4, "usd": "0.5"},
        "multiagent": None,
    }
    assert lead.whole({"checker": ("agent_1", 3), "editor": ("agent_2", 1)})["multiagent"] == {
        "type": "coordinator",
        "agents": [
            {"type": "agent", "id": "agent_2", "version": 1},
            {"type": "agent", "id": "agent_1", "version": 3},
            {"type": "self"},
        ],
    }


def test_team_whose_model_is_inherited_from_nobody_is_refused(tmp_path: Path) -> None:
    made = team(tmp_path, "agents: {lead: {model: inherit}}\n")

    with pytest.raises(BadInput, match="agent 'lead' inherits its model, and nobody above it has one: use --model"):
        check(made, made.limits, {})


def test_effort_goes_with_the_model(tmp_path: Path) -> None:
    [lead] = wire_agents(team(tmp_path, "agents: {lead: {model: m, effort: high}}\n"))

    assert lead.body["model"] == {"id": "m", "effort": {"type": "high"}}


def test_agent_that_defines_agents_as_it_works_has_todays_configuration(tmp_path: Path) -> None:
    [lead] = wire_agents(team(tmp_path, "agents: {lead: {model: m, inline_agents: true, callable_agents: [self]}}\n"))

    off, on = {"type": "disabled"}, {"type": "enabled"}
    assert lead.whole({})["multiagent"] == {
        "type": "multiagent_20261001",
        "subagents": {**on, "inline_agents": on, "predefined_agents": [{"type": "self"}]},
        "workflows": off,
        "advisor": off,
    }


def test_everything_that_an_agent_may_have_goes_along_or_is_refused() -> None:
    told = {"name", "model", "effort", "description", "system", "tools", "permissions"}
    rosters = {"callable_agents", "inline_agents"}
    extensions = {"input_schema", "output_schema", "limits"}
    of_a_coordinator = {"retries", "join"}  # refused
    of_a_team = {"name", "folder", "agents", "lead", "unused", "origins", "notes"}
    with_the_task = {"initial_prompt"}
    refused = {"workdir", "mounts", "limits", "concurrency", "rehearsal", "workflow"}  # of the limits all but dollars

    assert {it.name for it in fields(Agent)} == told | rosters | extensions | of_a_coordinator
    assert {it.name for it in fields(Team)} == of_a_team | with_the_task | refused
    assert {it.name for it in fields(SessionLimits)} == {"usd", "turns", "seconds", "tokens", "depth", "live_threads"}


def test_tools_are_the_built_in_set_with_all_others_off(tmp_path: Path) -> None:
    *_, lead = wire_agents(team(tmp_path))

    [toolset] = lead.body["tools"]
    assert (toolset["type"], toolset["default_config"]["enabled"]) == ("agent_toolset_20260401", False)
    assert [(it["name"], it["enabled"], it["permission_policy"]["type"]) for it in toolset["configs"]] == [
        ("bash", True, "always_ask"),
        ("read", True, "always_allow"),
    ]


def test_limit_in_dollars_is_the_budget_of_the_session(tmp_path: Path) -> None:
    assert budget(team(tmp_path).limits) == {"type": "limit", "max_list_cost": {"amount": "125", "currency": "USD"}}
    assert budget(SessionLimits(usd=Decimal("0.005"))) == {
        "type": "limit",
        "max_list_cost": {"amount": "0.5", "currency": "USD"},
    }
    assert budget(SessionLimits()) is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("mounts: ['.:/source']", "'mounts' of the team file"),
        ("workdir: here", "'workdir' of the team file"),
        ("rehearsal: reply.py:reply", "'rehearsal' of the team file"),
        ("concurrency: {session: 2}", "'concurrency' of the team file"),
        ("limits: {turns: 3, depth: 1}", "'limits.turns' of the team file"),
    ],
)
def test_what_only_this_machine_has_is_refused_with_the_remedy(tmp_path: Path, more: str, said: str) -> None:
    asked = team(tmp_path, "agents: {solo: {model: m}}\n" + more + "\n")

    with pytest.raises(BadInput, match="or run the team here, without --server") as refused:
        check(asked, asked.limits, {})

    assert said in str(refused.value)


def test_options_that_the_server_has_no_place_for_are_refused_together(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        check(team(tmp_path), SessionLimits(), {"--mount": True, "--rehearse": False, "--turns": True})

    assert "--mount (the server gives each session a folder of its own); --turns (" in str(refused.value)
    assert "--rehearse" not in str(refused.value)


def test_agent_is_as_wanted_though_the_server_has_added_to_it() -> None:
    stored = {
        "id": "agent_1",
        "model": {"id": "big", "effort": None},
        "system": None,
        "tools": [{"type": "t", "configs": [{"name": "bash", "enabled": True, "type": "bash"}]}],
        "metadata": {"podium_team": "x"},
    }

    assert holds({"model": "big", "system": None, "tools": [{"configs": [{"name": "bash"}]}]}, stored)
    assert not holds({"model": "small"}, stored)
    assert not holds({"tools": []}, stored)
    assert not holds({"limits": {"turns": 3}}, stored)


# --- keys --------------------------------------------------------------------------------------------------


def test_key_is_the_one_that_was_given_or_that_the_environment_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "podium_a_b_c")
    assert key_for("http://there:7717", None) == "podium_a_b_c"

    monkeypatch.setenv("PODIUM_SERVER_KEY", "podium_d_e_f")
    assert key_for("http://there:7717", None) == "podium_d_e_f"
    assert key_for("http://there:7717", "podium_g_h_i") == "podium_g_h_i"


def test_key_of_anthropics_own_is_sent_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PODIUM_SERVER_KEY", raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")

    assert key_for("https://api.anthropic.com", None) == "sk-ant-secret"
    for url in ("http://there:7717", "https://anthropic.com.there.example", "https://notanthropic.com"):
        with pytest.raises(BadInput, match="there is no key for"):
            key_for(url, None)


@pytest.mark.parametrize(
    ("url", "is_open"),
    [
        ("http://127.0.0.1:7717", False),
        ("http://[::1]:7717", False),
        ("http://localhost", False),
        ("https://there.example", False),
        ("http://there.example", True),
        ("http://10.0.0.3:7717", True),
    ],
)
def test_what_goes_unencrypted_to_another_machine_can_be_read(url: str, is_open: bool) -> None:
    assert is_in_the_clear(url) is is_open


@pytest.mark.parametrize("url", ["there:7717", "ftp://there", "http://"])
def test_url_of_a_server_says_how_to_reach_it(url: str) -> None:
    with pytest.raises(BadInput, match="write it as http://HOST:PORT"):
        key_for(url, "key")
