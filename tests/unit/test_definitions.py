"""Agents, limits and rosters: what is refused, and what a session pins."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.core.definitions import (
    HARNESS_TOOLS,
    SELF,
    TASK_SCHEMA,
    Agent,
    Callee,
    Concurrency,
    Definition,
    Limits,
    SessionLimits,
    ToolSpec,
    check_circles,
    depth_of,
    tool_name,
)
from podium.core.joins import n_of
from podium.core.pinning import pin
from podium.errors import BadInput, CyclicRoster
from tests.unit.building import structs

COUNT = {"type": "object", "properties": {"count": {"type": "integer"}}}


def spec(tool: Any, where: str) -> ToolSpec:
    return ToolSpec(tool, f"a tool of {where}", {"type": "object"})


def lead(*callees: Agent | str, name: str = "lead", **fields: Any) -> Agent:
    return Agent(name, model="fake", callable_agents=callees, **fields)


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, -1, True, "3", float("nan"), float("inf"), [1]])
@pytest.mark.parametrize("limit", ["turns", "seconds", "tokens", "depth", "live_threads"])
def test_limit_that_is_no_number_above_zero(limit: str, value: Any) -> None:
    with pytest.raises(BadInput, match=rf"limits\.{limit} must be a .*number above 0, not .*leave it out"):
        SessionLimits(**{limit: value})


@pytest.mark.parametrize("limit", ["turns", "tokens", "depth", "live_threads"])
def test_limit_that_counts_is_a_whole_number(limit: str) -> None:
    with pytest.raises(BadInput, match=rf"limits\.{limit} must be a whole number above 0, not 1\.5"):
        SessionLimits(**{limit: 1.5})  # type: ignore[arg-type]


@pytest.mark.parametrize("cap", [{"session": 0}, {"models": {"fake": 0}}, {"providers": {"x": 2.5}}])
def test_concurrency_cap_is_a_whole_number(cap: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"concurrency of (session|fake|x) must be a whole number above 0"):
        Concurrency(**cap)


def test_limits_that_can_be_kept() -> None:
    assert SessionLimits(turns=1, seconds=0.5, tokens=10, live_threads=3) == SessionLimits(
        turns=1, seconds=0.5, tokens=10, depth=2, live_threads=3
    )


# --- agents --------------------------------------------------------------------------------------

CALLS: dict[str, Any] = {"callable_agents": [Agent("b", model="m")]}
REFUSED_AGENTS: dict[str, tuple[dict[str, Any], str]] = {
    "empty name": ({"name": " "}, "an agent's name is a text of 1 to 256 characters, not ' '"),
    "name that is no text": ({"name": 5}, "an agent's name is a text"),
    "long name": ({"name": "x" * 257}, "an agent's name is a text"),
    "no model": ({"model": ""}, "agent 'a': model must be the name of a model"),
    "long system": ({"system": "x" * 100_001}, "agent 'a': system must be a text of at most 100,000 characters"),
    "tools as a text": ({"tools": "bash"}, "agent 'a': tools and callable_agents are lists"),
    "one agent for a list": ({"callable_agents": Agent("b", model="m")}, "tools and callable_agents are lists"),
    "limits as a dict": ({"limits": {"turns": 3}}, r"agent 'a': limits must be Limits\(turns=..., "),
    "name for an agent": ({"callable_agents": ["b"]}, "agent 'a': callable_agents takes agents or 'self', not 'b'"),
    "negative retries": ({**CALLS, "retries": -1}, "agent 'a': retries must be a whole number from 0 to 100, not -1"),
    "retries that are no number": ({**CALLS, "retries": True}, "agent 'a': retries must be a whole number"),
    "negative retries by name": ({**CALLS, "retries": {"b": -1}}, "agent 'a': retries of 'b' must be a whole number"),
    "retries of a number": ({**CALLS, "retries": {1: 1}}, r"agent 'a', retries: unknown agent '1' \(known: b\)"),
    "retries of nobody": ({**CALLS, "retries": {"c": 1}}, r"agent 'a', retries: unknown agent 'c' \(known: b\)"),
    "retries without callees": ({"retries": 2}, "agent 'a': retries is for agents that it calls, and it calls none"),
    "join of nothing": (
        {**CALLS, "join": 0},
        "agent 'a': join must be one of all, any, best_effort, or a whole number",
    ),
    "join that is no rule": ({**CALLS, "join": "most"}, "agent 'a': join must be one of all, any, best_effort, or"),
    "join that is a truth value": ({**CALLS, "join": True}, "agent 'a': join must be one of all, any, best_effort, or"),
    "join without callees": ({"join": "any"}, "agent 'a': join is for agents that it calls, and it calls none"),
}


@pytest.mark.parametrize(("fields", "message"), REFUSED_AGENTS.values(), ids=REFUSED_AGENTS.keys())
def test_refused_agent(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Agent(**{"name": "a", "model": "m", **fields})


# --- pinning -------------------------------------------------------------------------------------


def test_pinned_team_has_everyone_by_version() -> None:
    worker = Agent("worker", model="fake", description="counts", tools=["grep"], output_schema=COUNT)
    middle = Agent("middle", model="fake", callable_agents=[worker])

    top, team = pin(lead(worker, middle), spec)

    assert {definition.name for definition in team.values()} == {"lead", "middle", "worker"}
    assert all(definition.version == version for version, definition in team.items())
    assert [callee.tool for callee in top.roster] == ["worker", "middle"]
    assert top.roster[0].version == team[top.roster[1].version].roster[0].version
    assert team[top.roster[0].version].output_schema == COUNT


def test_pinned_definition_comes_back_from_the_store_as_it_was() -> None:
    limits = Limits(turns=3, seconds=2, tokens=100)
    definition, _ = pin(lead(SELF, tools=["bash"], input_schema=COUNT, limits=limits), spec)

    read = msgspec.json.decode(msgspec.json.encode(definition), type=Definition)

    assert read == definition
    assert read.version == definition.version
    assert read.called_with() == COUNT


def test_retries_and_join_are_pinned_and_come_back_from_the_store() -> None:
    a, b = Agent("a", model="m"), Agent("b", model="m")

    said: dict[str, Any] = {"each": {"retries": 2}, "one": {"retries": {"b": 1}}, "two": {"join": n_of(2)}}
    definitions = {name: pin(lead(a, b, **how), spec)[0] for name, how in said.items()}

    assert [callee.retries for callee in definitions["each"].roster] == [2, 2]
    assert [callee.retries for callee in definitions["one"].roster] == [0, 1]
    assert definitions["two"].join == 2
    for definition in definitions.values():
        assert msgspec.json.decode(msgspec.json.encode(definition), type=Definition) == definition


def test_an_agent_that_says_nothing_of_retries_and_join_is_the_version_it_was_before_there_were_any() -> None:
    callee = Agent("b", model="m")

    plain, _ = pin(Agent("a", model="m", callable_agents=[callee]), spec)
    usual, _ = pin(Agent("a", model="m", callable_agents=[callee], retries=0, join="best_effort"), spec)

    assert plain.version == usual.version == "aa6f45e8fc3d36e5010068df749044c8d75d30fa9439459d468c4a1b920edaa2"


def test_a_word_that_was_read_from_json_makes_the_same_version_as_one_that_was_written() -> None:
    """What says the usual is left out of a definition, and what reads it back must find the same one."""
    read: dict[str, Any] = json.loads('{"join": "best_effort", "permissions": {"bash": "always_allow"}}')

    definition, _ = pin(lead(Agent("b", model="m"), tools=["bash"], **read), spec)

    assert definition.version == pin(lead(Agent("b", model="m"), tools=["bash"]), spec)[0].version
    assert msgspec.json.decode(msgspec.json.encode(definition), type=Definition).version == definition.version


def test_agent_may_call_itself() -> None:
    definition, team = pin(lead(SELF), spec)

    assert definition.roster == (Callee("lead", SELF),)
    assert len(team) == 1
    assert definition.called_with() == TASK_SCHEMA


def test_agents_that_inherit_their_model_have_that_of_the_top_of_the_team() -> None:
    worker = Agent("worker", model="inherit")
    middle = Agent("middle", model="other", callable_agents=[worker])

    definition, team = pin(lead(middle, worker), spec)

    assert definition.model == "fake"
    assert {each.name: each.model for each in team.values()} == {"lead": "fake", "middle": "other", "worker": "fake"}
    assert pin(worker, spec)[0].model == "inherit"


def test_effort_is_a_setting_of_the_model() -> None:
    assert pin(lead(effort="high"), spec)[0].settings == {"effort": "high"}
    assert pin(lead(), spec)[0].settings == {}
    with pytest.raises(BadInput, match="agent 'lead': effort must be one of low, medium, high, xhigh, max, not 'huge'"):
        lead(effort="huge")


def test_pydantic_like_model_gives_its_schema() -> None:
    class Report:
        @staticmethod
        def model_json_schema() -> dict[str, Any]:
            return COUNT

    definition, _ = pin(lead(output_schema=Report), spec)

    assert definition.output_schema == COUNT


COLLIDING: dict[str, tuple[Callable[[], Agent], str]] = {
    "two tools": (lambda: lead(tools=["x", "x"]), "tool and tool are both called 'x'; rename one"),
    "tool and agent": (lambda: lead(Agent("x", model="m"), tools=["x"]), "tool and agent are both called 'x'"),
    "two agents": (
        lambda: lead(Agent("a b", model="m"), Agent("a_b", model="m")),
        "agent and agent are both called 'a_b'",
    ),
    "agent and itself": (lambda: lead(SELF, Agent("lead", model="m")), "agent and agent are both called 'lead'"),
    "tool of the harness": (lambda: lead(tools=["submit_result"]), "tool 'submit_result' has the name of one of"),
    "agent like the harness": (lambda: lead(Agent("list agents", model="m")), "agent 'list_agents' has the name of"),
    "tool name with a space": (lambda: lead(tools=["a b"]), "tool name 'a b' must be 1 to 64 of A-Z a-z 0-9 _ -"),
    "long tool name": (lambda: lead(tools=["x" * 65]), "must be 1 to 64"),
}


@pytest.mark.parametrize(("make", "message"), COLLIDING.values(), ids=COLLIDING.keys())
def test_names_that_collide(make: Callable[[], Agent], message: str) -> None:
    with pytest.raises(BadInput, match=f"agent 'lead': .*{message}"):
        pin(make(), spec)


@pytest.mark.parametrize("field", ["input_schema", "output_schema"])
def test_schema_that_is_none_names_the_agent_and_the_field(field: str) -> None:
    fields: dict[str, Any] = {field: {"type": "objekt"}}

    with pytest.raises(BadInput, match=f"agent 'lead', {field}: this is not a JSON Schema"):
        pin(lead(**fields), spec)


@given(st.text(min_size=1, max_size=80))
def test_every_agent_name_makes_a_tool_name(name: str) -> None:
    made = tool_name(name)

    assert 1 <= len(made) <= 64
    assert tool_name(made) == made
    assert made.isascii()


def test_harness_names_are_tool_names() -> None:
    assert {tool_name(name) for name in HARNESS_TOOLS} == HARNESS_TOOLS


# --- versions ------------------------------------------------------------------------------------


@given(structs(Definition))
def test_equal_definitions_are_the_same_version(definition: Definition) -> None:
    again = msgspec.json.decode(msgspec.json.encode(definition), type=Definition)

    assert again == definition
    assert again.version == definition.version


@given(structs(Definition), structs(Definition), st.sampled_from([f.name for f in msgspec.structs.fields(Definition)]))
def test_definitions_that_differ_in_one_field_are_two_versions(a: Definition, b: Definition, field: str) -> None:
    changed = msgspec.structs.replace(a, **{field: getattr(b, field)})

    assert (changed.version == a.version) == (msgspec.json.encode(changed) == msgspec.json.encode(a))


def test_order_of_keys_in_a_schema_makes_no_version() -> None:
    one = Definition(name="a", model="m", input_schema={"type": "object", "title": "t"})
    other = Definition(name="a", model="m", input_schema={"title": "t", "type": "object"})

    assert one.version == other.version


# --- circles and depth ---------------------------------------------------------------------------

CIRCLES: dict[str, tuple[dict[str, list[str]], str]] = {
    "two": ({"a": ["b"], "b": ["a"]}, "a -> b -> a"),
    "with a way in": ({"a": ["x", "b"], "b": ["c"], "c": ["b"], "x": []}, "b -> c -> b"),
    "itself by name": ({"a": ["a"]}, "a -> a"),
    "long": ({str(n): [str((n + 1) % 5)] for n in range(5)}, "0 -> 1 -> 2 -> 3 -> 4 -> 0"),
}


@pytest.mark.parametrize(("calls", "circle"), CIRCLES.values(), ids=CIRCLES.keys())
def test_circle_is_drawn(calls: dict[str, list[str]], circle: str) -> None:
    with pytest.raises(CyclicRoster, match=f"in a circle: {circle}. Remove one of these calls"):
        check_circles(calls)


def test_rosters_without_a_circle() -> None:
    check_circles({"a": ["b", "c", "self"], "b": ["d"], "c": ["d"], "d": [], "e": ["unknown"]})


def diamonds(levels: int) -> tuple[str, dict[str, Definition]]:
    """Each level calls both agents of the next: a number of chains that doubles with each level."""
    team: dict[str, Definition] = {}
    below: list[Definition] = []
    for level in range(levels):
        roster = tuple(Callee(definition.name, definition.version) for definition in below)
        below = [Definition(name=f"{side}{level}", model="m", roster=roster) for side in "lr"]
        team |= {definition.version: definition for definition in below}
    return below[0].version, team


def test_depth_of_thirty_diamonds_is_found_at_once() -> None:
    version, team = diamonds(30)

    assert len(depth_of(version, team)) == 30


def test_circles_in_thirty_diamonds_are_looked_for_at_once() -> None:
    _, team = diamonds(30)
    names = {version: definition.name for version, definition in team.items()}

    check_circles({agent.name: [names[callee.version] for callee in agent.roster] for agent in team.values()})


def test_depth_is_the_longest_chain_without_self() -> None:
    leaf = Agent("leaf", model="m", callable_agents=[SELF])
    middle = Agent("middle", model="m", callable_agents=[leaf])
    top, team = pin(lead(leaf, middle, SELF), spec)

    assert depth_of(top.version, team) == ("lead", "middle", "leaf")
    assert depth_of(top.roster[0].version, team) == ("leaf",)
