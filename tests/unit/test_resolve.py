"""The agent of a session: stored versions and overrides become definitions; rosters are pinned, bounded and named."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter

from podium.api.render import thread_agent
from podium.api.resolve import Resolved, resolve, retooled
from podium.api.rosters import check_places, pinned
from podium.api.shapes.agents import AgentCreate, SessionAgent
from podium.api.toolsets import not_offered, specs_of, stored, tools_of
from podium.core.catalog import AgentRow
from podium.core.definitions import SELF, Callee, Definition
from podium.core.json import JSON
from podium.core.revisions import archived, first_version, next_version
from podium.errors import BadInput, NotFound

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOOLSET = {"type": "agent_toolset_20260401"}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
session_agent: TypeAdapter[SessionAgent] = TypeAdapter(SessionAgent)


class Agents:
    """Stored agents, made as the API makes them."""

    def __init__(self) -> None:
        self.rows: list[AgentRow] = []

    def look(self, id: str, version: int | None) -> AgentRow | None:
        found = [row for row in self.rows if row.id == id and version in (None, row.version)]
        return found[-1] if found else None

    def add(self, id: str, **sent: JSON) -> AgentRow:
        blank = AgentRow(id=id, workspace="default", version=1, created_at=NOW, updated_at=NOW, body={})
        row = first_version(blank, pinned(self._read({"name": id, "model": "m", **sent}), blank, self.look))
        self.rows.append(check_places(row, self.look))
        return row

    def update(self, id: str, **sent: JSON) -> AgentRow:
        row = self.look(id, None)
        assert row is not None
        named = self._read({"name": row.body["name"], "model": row.body["model"]["id"], **sent})
        new = next_version(row, pinned(named, row, self.look), NOW)
        self.rows.append(check_places(new, self.look))
        return new

    def archive(self, id: str) -> None:
        row = self.look(id, None)
        assert row is not None
        self.rows.append(archived(row, NOW))

    def resolve(self, agent: JSON) -> Resolved:
        return resolve(session_agent.validate_python(agent), self.look)

    @staticmethod
    def _read(body: JSON) -> dict[str, JSON]:
        made = AgentCreate.model_validate(body)
        sent = made.model_dump(exclude_unset=True)
        return sent if made.tools is None else {**sent, "tools": stored(made.tools)}


def coordinator(*agents: JSON) -> JSON:
    return {"type": "coordinator", "agents": list(agents)}


def custom(name: str) -> JSON:
    return {"type": "custom", "name": name, "description": f"Does {name}.", "input_schema": SCHEMA}


def tools(*written: JSON) -> Any:
    return stored(AgentCreate.model_validate({"name": "a", "model": "m", "tools": list(written)}).tools or ())


# --- tools -------------------------------------------------------------------------------------------


def test_toolset_alone_offers_every_tool_that_runs_here() -> None:
    assert [(spec.name, spec.permission, spec.source) for spec in specs_of(tools(TOOLSET))] == [
        (name, "always_allow", "built_in") for name in ("bash", "read", "write", "edit", "glob", "grep")
    ]


def test_tools_are_switched_and_permitted_one_by_one() -> None:
    written = {
        **TOOLSET,
        "default_config": {"enabled": False, "permission_policy": {"type": "always_ask"}},
        "configs": [
            {"name": "bash", "enabled": True},
            {"name": "read", "enabled": True, "permission_policy": {"type": "always_allow"}},
            {"name": "write", "enabled": None, "permission_policy": None},
        ],
    }
    kept = tools(written)

    assert kept[0]["configs"][2] == {
        "name": "write",
        "type": "write",
        "enabled": False,
        "permission_policy": {"type": "always_ask"},
    }
    assert [(spec.name, spec.permission) for spec in specs_of(kept)] == [
        ("bash", "always_ask"),
        ("read", "always_allow"),
    ]


@pytest.mark.difference("web-tools-kept")
def test_bare_names_are_a_toolset_of_nothing_else() -> None:
    kept = tools({"type": "bash"}, custom("count"), {"type": "web_search"})

    assert [tool["type"] for tool in kept] == [TOOLSET["type"], "custom"]
    assert kept[0]["default_config"]["enabled"] is False
    assert [spec.name for spec in specs_of(kept)] == ["bash", "count"]
    assert not_offered(kept) == ["web_search"]


def test_bare_names_join_a_toolset() -> None:
    kept = tools({"type": "read"}, {**TOOLSET, "default_config": {"enabled": False}})

    assert len(kept) == 1
    assert [spec.name for spec in specs_of(kept)] == ["read"]


def test_what_was_answered_can_be_sent_back() -> None:
    kept = tools({"type": "bash"}, {"type": "web_fetch", "allowed_domains": ["a.example"]}, custom("count"))

    assert tools(*kept) == kept


def test_tools_of_a_program_show_as_the_api_shows_tools() -> None:
    specs = specs_of(tools({"type": "bash", "permission_policy": {"type": "always_ask"}}, custom("count")))

    assert specs_of(tools_of(specs)) == specs
    assert tools(*tools_of(specs)) == tools_of(specs)


# --- definitions -------------------------------------------------------------------------------------


def test_agent_becomes_a_definition() -> None:
    agents = Agents()
    row = agents.add(
        "agent_1",
        name="Lead one",
        description="Leads.",
        system="Be brief.",
        tools=[custom("count")],
        output_schema=SCHEMA,
        limits={"turns": 3, "seconds": 5, "tokens": 7, "usd": 0.1},
    )
    resolved = agents.resolve("agent_1")
    made = resolved.primary

    assert resolved.row == row
    assert resolved.definitions == {made.version: made}
    assert (made.name, made.model, made.description, made.system) == ("Lead one", "m", "Leads.", "Be brief.")
    assert [(spec.name, spec.source, spec.input_schema) for spec in made.tools] == [("count", "custom", SCHEMA)]
    assert (made.turns, made.seconds, made.tokens, made.usd) == (3, 5.0, 7, Decimal("0.1"))
    assert (made.output_schema, made.input_schema, made.inline) == (SCHEMA, None, False)
    assert made.wire == {
        "type": "agent",
        "id": "agent_1",
        "version": 1,
        **{key: value for key, value in row.body.items() if key not in ("metadata", "output_schema", "limits")},
    }


def test_settings_of_the_model_that_are_not_the_usual_are_pinned() -> None:
    agents = Agents()
    usual = {"id": "m", "speed": "standard"}
    agents.add("agent_1", model=usual)
    agents.add("agent_2", model={**usual, "effort": {"type": "high"}, "inference_geo": "us", "speed": "fast"})

    assert agents.resolve("agent_1").primary.settings == {}
    assert agents.resolve("agent_2").primary.settings == {"effort": "high", "inference_geo": "us", "speed": "fast"}


def test_session_takes_the_newest_version_or_the_one_it_names() -> None:
    agents = Agents()
    agents.add("agent_1", system="1")
    agents.update("agent_1", system="2")

    assert agents.resolve("agent_1").primary.system == "2"
    assert agents.resolve({"type": "agent", "id": "agent_1"}).primary.system == "2"
    assert agents.resolve({"type": "agent", "id": "agent_1", "version": 1}).primary.system == "1"


def test_unknown_and_archived_agents_start_no_session() -> None:
    agents = Agents()
    agents.add("agent_1")
    with pytest.raises(NotFound, match="agent: there is no agent 'agent_2' here"):
        agents.resolve("agent_2")
    with pytest.raises(NotFound, match="agent: there is no agent 'agent_1' in version 2 here"):
        agents.resolve({"type": "agent", "id": "agent_1", "version": 2})
    agents.archive("agent_1")
    with pytest.raises(BadInput, match="agent: agent agent_1 is archived"):
        agents.resolve("agent_1")


def test_inline_agents_are_allowed_as_the_configuration_says() -> None:
    agents = Agents()
    agents.add("agent_1", multiagent={"type": "multiagent_20261001"})
    agents.add("agent_2", multiagent={"type": "multiagent_20261001", "subagents": {"type": "disabled"}})

    assert agents.resolve("agent_1").primary.inline
    assert not agents.resolve("agent_2").primary.inline


# --- overrides ---------------------------------------------------------------------------------------


def test_overrides_replace_and_clear_and_leave_the_rest() -> None:
    agents = Agents()
    agents.add("agent_1", system="s", tools=[TOOLSET], model={"id": "m", "effort": "high"})

    def overridden(**what: JSON) -> Any:
        return agents.resolve({"type": "agent_with_overrides", "id": "agent_1", **what}).primary

    assert overridden() == agents.resolve("agent_1").primary
    assert overridden(system=None).system == overridden(system="").system == ""
    assert overridden(tools=None).tools == overridden(tools=[]).tools == ()
    assert [spec.name for spec in overridden(tools=[custom("count")]).tools] == ["count"]
    assert overridden(model={"id": "n", "effort": "low"}).wire["model"] == {
        "id": "n",
        "effort": {"type": "high"},
        "speed": "standard",
    }
    assert overridden(system=None).wire["system"] is None
    assert (overridden(system="t").wire["id"], overridden(system="t").wire["version"]) == ("agent_1", 1)


def test_overrides_act_on_copies_of_the_agent_and_not_on_its_team() -> None:
    agents = Agents()
    agents.add("agent_2", name="worker")
    agents.add("agent_1", name="lead", multiagent=coordinator({"type": "self"}, "agent_2"))

    resolved = agents.resolve({"type": "agent_with_overrides", "id": "agent_1", "system": "s", "model": "n"})

    worker = agents.resolve("agent_2").primary
    assert resolved.primary.roster == (Callee("lead", SELF), Callee("worker", worker.version))
    assert (resolved.primary.system, resolved.primary.model) == ("s", "n")
    assert resolved.definitions[worker.version] == worker


@pytest.mark.parametrize(
    ("override", "field"),
    [({"model": None}, "model"), ({"tools": [{"type": "basj"}]}, "tools.0"), ({"skills": [{}]}, "is not available")],
)
def test_overrides_that_cannot_be_are_refused(override: JSON, field: str) -> None:
    with pytest.raises(ValueError, match=field):
        session_agent.validate_python({"type": "agent_with_overrides", "id": "agent_1", **override})


# --- rosters -----------------------------------------------------------------------------------------


def test_roster_is_pinned_to_the_versions_of_the_day() -> None:
    agents = Agents()
    agents.add("agent_2", system="old")
    row = agents.add("agent_1", multiagent=coordinator("agent_2"))
    agents.update("agent_2", system="new")

    assert row.body["multiagent"] == coordinator({"type": "agent", "id": "agent_2", "version": 1})
    resolved = agents.resolve("agent_1")
    assert [resolved.definitions[callee.version].system for callee in resolved.primary.roster] == ["old"]
    assert resolved.primary.wire["multiagent"] == row.body["multiagent"]


def test_callable_agents_are_a_coordinators() -> None:
    agents = Agents()
    agents.add("agent_2")
    row = agents.add("agent_1", callable_agents=[{"type": "agent", "id": "agent_2"}])

    assert row.body["multiagent"] == coordinator({"type": "agent", "id": "agent_2", "version": 1})
    assert agents.update("agent_1", callable_agents=[]).body["multiagent"] is None
    with pytest.raises(BadInput, match="callable_agents: it is the older way"):
        agents.add("agent_3", callable_agents=["agent_2"], multiagent=coordinator("agent_2"))


@pytest.mark.parametrize(
    ("agents_listed", "words"),
    [
        (["agent_9"], r"multiagent.agents\[0\]: there is no agent 'agent_9' here"),
        ([{"type": "agent", "id": "agent_2", "version": 9}], r"\[0\]: there is no version 9 of agent 'agent_2' here"),
        (["agent_2", "agent_3"], r"multiagent.agents\[1\]: agent agent_3 is archived"),
        (["agent_2", {"type": "agent", "id": "agent_2"}], r"multiagent.agents\[1\]: agent agent_2 is listed already"),
        ([{"type": "self"}, {"type": "self"}], r"multiagent.agents\[1\]: agent agent_1 is listed already"),
        ([{"type": "self"}, "agent_1"], r"multiagent.agents\[1\]: agent agent_1 is listed already"),
    ],
)
def test_roster_that_cannot_be_names_the_entry(agents_listed: list[JSON], words: str) -> None:
    agents = Agents()
    agents.add("agent_1")
    agents.add("agent_2")
    agents.add("agent_3")
    agents.archive("agent_3")

    with pytest.raises(BadInput, match=words):
        agents.update("agent_1", multiagent=coordinator(*agents_listed))


def test_agent_is_not_called_by_itself_in_another_version() -> None:
    agents = Agents()
    agents.add("agent_1")
    agents.update("agent_1", system="2")

    with pytest.raises(BadInput, match=r'{"type": "self"} is this one'):
        agents.update("agent_1", multiagent=coordinator({"type": "agent", "id": "agent_1", "version": 1}))
    row = agents.update("agent_1", multiagent=coordinator({"type": "agent", "id": "agent_1", "version": 2}))
    assert row.body["multiagent"] == coordinator({"type": "agent", "id": "agent_1", "version": 3})


@pytest.mark.difference("nested-rosters")
def test_rosters_nest_two_deep_and_no_deeper() -> None:
    agents = Agents()
    agents.add("agent_c", name="c")
    agents.add("agent_b", name="b", multiagent=coordinator("agent_c", {"type": "self"}))
    agents.add("agent_a", name="a", multiagent=coordinator("agent_b"))

    resolved = agents.resolve("agent_a")
    assert sorted(each.name for each in resolved.definitions.values()) == ["a", "b", "c"]
    deep = r"multiagent.agents\[0\]: agent agent_a delegates 2 levels deep itself \(a -> b -> c\)"
    with pytest.raises(BadInput, match=deep):
        agents.add("agent_1", name="lead", multiagent=coordinator("agent_a"))


def test_agents_that_list_each_other_in_older_versions_make_no_circle() -> None:
    agents = Agents()
    agents.add("agent_a", name="a")
    agents.add("agent_b", name="b", multiagent=coordinator("agent_a"))
    agents.update("agent_a", multiagent=coordinator("agent_b"))

    resolved = agents.resolve("agent_a")
    chain = [(each.wire["id"], each.wire["version"]) for each in resolved.definitions.values()]
    assert sorted(chain) == [("agent_a", 1), ("agent_a", 2), ("agent_b", 1)]


def test_team_runs_in_one_place() -> None:
    agents = Agents()
    agents.add("agent_2", model={"id": "m", "inference_geo": "eu"})

    with pytest.raises(BadInput, match="multiagent: agent agent_2 has the inference_geo 'eu'"):
        agents.add("agent_1", multiagent=coordinator("agent_2"))
    agents.add("agent_3", model={"id": "m", "inference_geo": "eu"}, multiagent=coordinator("agent_2"))


def test_agents_of_workflows_stand_whole_and_are_nobodys_to_call() -> None:
    agents = Agents()
    agents.add("agent_2", name="worker")
    team = {"type": "enabled", "predefined_agents": ["agent_2"]}
    agents.add("agent_1", multiagent={"type": "multiagent_20261001", "workflows": team})

    primary = agents.resolve("agent_1").primary
    whole = primary.wire["multiagent"]["workflows"]["predefined_agents"]
    assert primary.roster == ()
    assert [(each["id"], each["name"], "multiagent" in each) for each in whole] == [("agent_2", "worker", False)]


def test_agents_with_the_name_of_a_tool_or_of_each_other_are_numbered() -> None:
    agents = Agents()
    names = ["bash", "the worker", "the_worker", "send_to_agent", "count", "w" * 80, "w" * 81]
    for number, name in enumerate(names, start=2):
        agents.add(f"agent_{number}", name=name)
    roster = [f"agent_{number}" for number in range(2, 9)]
    agents.add("agent_1", tools=[custom("count")], multiagent=coordinator(*roster))

    assert [callee.tool for callee in agents.resolve("agent_1").primary.roster] == [
        "bash_2",
        "the_worker",
        "the_worker_2",
        "send_to_agent_2",
        "count_2",
        "w" * 64,
        "w" * 62 + "_2",
    ]


# --- a session's agent is changed --------------------------------------------------------------------


def test_tools_of_a_sessions_agent_are_replaced_and_its_team_stays() -> None:
    agents = Agents()
    agents.add("agent_2", name="worker")
    agents.add("agent_1", name="lead", tools=[TOOLSET], multiagent=coordinator("agent_2", {"type": "self"}))
    resolved = agents.resolve("agent_1")

    changed = retooled(resolved.primary, tools(custom("worker")), resolved.definitions)

    assert [spec.name for spec in changed.tools] == ["worker"]
    assert [callee.tool for callee in changed.roster] == ["worker_2", "lead"]
    assert [callee.version for callee in changed.roster] == [callee.version for callee in resolved.primary.roster]
    assert changed.wire == {**resolved.primary.wire, "tools": tools(custom("worker"))}


def test_effort_of_a_programs_agent_is_shown_as_that_of_a_stored_one() -> None:
    shown = thread_agent(Definition("solo", "m", settings={"effort": "high"}))["model"]

    assert shown == {"id": "m", "effort": {"type": "high"}, "speed": "standard"}
    assert thread_agent(Definition("solo", "m"))["model"] == {"id": "m", "speed": "standard"}
