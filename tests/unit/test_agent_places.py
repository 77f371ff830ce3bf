"""Agents that a team only names: where they are found, which one comes first, and what stands beside them."""

from decimal import Decimal
from pathlib import Path

import pytest

from podium import agents
from podium.core.definitions import Agent, Limits
from podium.core.money import ModelFacts, Price
from podium.errors import BadInput
from podium.team import Team, lint, load_agent, load_agents, load_team
from podium.team.places import places_from

OURS = ".claude/agents"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home, with a repository in it that is the current folder."""
    home = tmp_path / "home"
    (home / "project" / ".git").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR")
    monkeypatch.chdir(home / "project")
    return home


@pytest.fixture
def project(home: Path) -> Path:
    return home / "project"


def agent(folder: Path, name: str, more: str = "", *, file: str = "") -> Path:
    made = folder / (file or f"{name}.md")
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_text(f"---\nname: {name}\ndescription: From {folder}. Returns a list.\n{more}---\nWork.\n")
    return made


def team(folder: Path, agents: str, more: str = "") -> Team:
    (folder / "team.yaml").write_text(f"agents:\n{agents}{more}")
    return load_team(folder / "team.yaml")


def wrong(folder: Path, agents: str) -> str:
    with pytest.raises(BadInput) as caught:
        team(folder, agents)
    return str(caught.value).replace(f"{folder}/", "")


def callees(of: Agent) -> list[str]:
    return [callee if isinstance(callee, str) else callee.name for callee in of.callable_agents]


LEAD = "  lead: {model: big, callable_agents: [CALLEE]}\n"


def found(folder: Path, name: str) -> str:
    """Where the team of this folder has the agent from."""
    return team(folder, LEAD.replace("CALLEE", name)).origins[name]


# --- where they are found ----------------------------------------------------------------------------


def test_nearest_folder_comes_first_then_those_above_then_the_users(home: Path, project: Path) -> None:
    inner = project / "part" / "inner"
    inner.mkdir(parents=True)
    agent(home / OURS, "a")
    assert found(inner, "a") == f"{home}/{OURS}/a.md"
    agent(project / OURS, "a", file="deep/other-name.md")
    assert found(inner, "a") == f"{OURS}/deep/other-name.md"
    agent(inner / OURS, "a")
    assert found(inner, "a") == f"part/inner/{OURS}/a.md"


def test_all_that_can_be_found_are_the_nearest_of_each_name(home: Path, project: Path) -> None:
    agent(home / OURS, "a")
    agent(home / OURS, "Plan")
    agent(project / OURS, "a")
    agent(project / OURS, "z")

    assert [each.origin for each in places_from(project).every()] == [
        f"{OURS}/a.md",
        f"{OURS}/z.md",
        f"{home}/{OURS}/Plan.md",
        "the ready-made agents",
        "the ready-made agents",
    ]
    assert {name: each.description for name, each in load_agents().items()} == {
        "a": f"From {project}/{OURS}. Returns a list.",
        "z": f"From {project}/{OURS}. Returns a list.",
        "Plan": f"From {home}/{OURS}. Returns a list.",
    }


def test_nothing_above_the_repository_is_looked_at_but_the_users(home: Path, project: Path) -> None:
    agent(project.parent / "elsewhere" / OURS, "a")
    outer = home / "outer"
    agent(outer / OURS, "b")
    (outer / "repository" / ".git").mkdir(parents=True)
    (outer / "plain").mkdir()

    assert "unknown agent 'b'" in wrong(outer / "repository", LEAD.replace("CALLEE", "b"))
    assert found(outer / "plain", "b").endswith(f"outer/{OURS}/b.md")


def test_outside_of_home_and_of_repositories_only_the_folder_itself_is_looked_at(home: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    agent(shared / OURS, "a")
    (shared / "below").mkdir()

    assert found(shared, "a") == f"{shared}/{OURS}/a.md"
    assert "unknown agent 'a'" in wrong(shared / "below", LEAD.replace("CALLEE", "a"))


def test_users_folder_is_where_claude_code_is_told_it_is(
    home: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent(home / OURS, "a")
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "mine"))
    agent(tmp_path / "mine" / "agents", "b")

    assert found(project, "b") == f"{tmp_path}/mine/agents/b.md"
    assert "unknown agent 'a'" in wrong(project, LEAD.replace("CALLEE", "a"))


@pytest.mark.parametrize("spelt", ["explore", "Explore"])
def test_file_of_the_same_name_comes_before_a_ready_made_agent(project: Path, spelt: str) -> None:
    assert found(project, "explore") == "the ready-made agents"
    agent(project / OURS, spelt, "tools: Read\n")

    made = team(project, LEAD.replace("CALLEE", "explore"))

    assert callees(made.coordinator) == [spelt]
    assert made.agents[spelt].tools == ("read",)


def test_ready_made_agents_are_known_as_claude_code_spells_them(project: Path) -> None:
    assert callees(load_team(agent(project, "solo", "tools: Agent(Explore, Plan)\n")).coordinator) == [
        "explore",
        "plan",
    ]


def test_agent_of_the_team_file_comes_before_all_others(project: Path) -> None:
    agent(project / OURS, "plan")

    made = team(project, LEAD.replace("CALLEE", "plan") + "  plan: {model: small}\n")

    assert (made.agents["plan"].model, made.origins) == ("small", {})


def test_files_without_a_name_are_for_people(project: Path) -> None:
    agent(project / OURS, "a")
    (project / OURS / "README.md").write_text("# Our agents\n")
    (project / OURS / "notes.md").write_text("---\ntitle: Notes\n---\n")

    assert list(load_agents()) == ["a"]


def test_linked_folders_are_looked_into_and_each_file_is_one(project: Path, tmp_path: Path) -> None:
    agent(tmp_path / "shared", "linked")
    (project / OURS).mkdir(parents=True)
    (project / OURS / "shared").symlink_to(tmp_path / "shared")
    (project / OURS / "again").symlink_to(tmp_path / "shared")
    (tmp_path / "shared/circle").symlink_to(tmp_path / "shared")

    assert found(project, "linked").endswith("/linked.md")


def test_folder_of_agents_may_itself_be_linked(project: Path, tmp_path: Path) -> None:
    agent(tmp_path / "shared", "lead", "tools: Agent(deep)\n")
    agent(tmp_path / "shared/deep", "deep")
    (project / ".claude").mkdir()
    (project / OURS).symlink_to(tmp_path / "shared")

    assert callees(load_team(project / OURS / "lead.md").coordinator) == ["deep"]


def test_beside_a_file_that_lies_in_no_folder_of_agents_only_its_own_folder_is_looked_at(project: Path) -> None:
    lead = agent(project, "lead", "tools: Agent(near, explore)\n")
    agent(project, "near")
    agent(project / "node_modules", "explore")

    made = load_team(lead)

    assert callees(made.coordinator) == ["near", "explore"]
    assert made.origins["explore"] == "the ready-made agents"


def test_two_files_of_one_folder_may_not_define_one_agent(project: Path) -> None:
    agent(project / OURS, "a")
    agent(project / OURS, "a", file="b.md")
    agent(project / OURS, "c")

    assert found(project, "c") == f"{OURS}/c.md"
    said = wrong(project, LEAD.replace("CALLEE", "a"))
    assert f"{OURS}/a.md and {OURS}/b.md both define the agent 'a'; rename one of them" in said


def test_neighbour_that_cannot_be_read_matters_only_to_who_looks_for_a_name_that_is_not_there(project: Path) -> None:
    agent(project / OURS, "a")
    (project / OURS / "broken.md").write_text("---\nname: [\n---\n")

    assert found(project, "a") == f"{OURS}/a.md"
    said = wrong(project, LEAD.replace("CALLEE", "bbb"))
    assert "agents.lead.callable_agents[0]: unknown agent 'bbb'" in said
    assert f"Some files could not be read: {OURS}/broken.md line 3" in said


def test_what_is_wrong_with_a_file_is_told_where_it_is_named(project: Path) -> None:
    agent(project / OURS, "a", "modle: x\n")

    assert wrong(project, LEAD.replace("CALLEE", "a")) == (
        f"team.yaml line 2, agents.lead.callable_agents[0]: {OURS}/a.md line 4, modle: unknown key 'modle', did you "
        "mean 'model'?"
    )


# --- in a team file ----------------------------------------------------------------------------------


def test_agents_that_inherit_have_the_coordinators_model(project: Path) -> None:
    agent(project / OURS, "a", "tools: Read, Agent(explore)\n")
    agent(project / OURS, "b", "model: haiku\n")

    made = team(project, LEAD.replace("CALLEE", "a, b") + "  c: {model: inherit}\n  d: {model: m}\n  e: {model: m}\n")

    assert {name: each.model for name, each in made.agents.items()} == {
        "lead": "big", "a": "big", "b": "haiku", "c": "big", "d": "m", "e": "m", "explore": "big",
    }  # fmt: skip
    assert made.unused == ("c", "d", "e")
    other = load_team(project / "team.yaml", model="other")
    assert {each.model for each in other.agents.values()} == {"other", "haiku", "m"}


def test_what_stands_beside_use_comes_first(project: Path) -> None:
    file = agent(project / "lib", "a", "model: haiku\nmaxTurns: 5\ntools: Read, Bash(git:*), WebFetch\ncolor: red\n")

    made = team(
        project,
        LEAD.replace("CALLEE", "mine, plan")
        + "  mine: {use: lib/a.md, model: sonnet, limits: {usd: 0.5}, permissions: {read: always_ask}}\n"
        + "  plan: {use: plan, tools: [read], limits: {turns: 3}}\n",
    )

    mine, plan = made.agents["mine"], made.agents["plan"]
    assert (mine.name, mine.model, mine.system) == ("mine", "sonnet", "Work.")
    assert mine.limits == Limits(turns=5, usd=Decimal("0.5"))
    assert mine.permissions == {"bash": "always_ask", "read": "always_ask"}
    assert (plan.tools, plan.limits, plan.model) == (("read",), Limits(turns=3), "big")
    assert [note.replace(str(file), "FILE") for note in made.notes][1:] == [
        "FILE line 6, tools: 'Bash(git:*)' is not looked into here: a person is asked before each call of bash; write "
        "Bash alone to have nobody asked",
        "FILE line 6, tools: WebFetch: not here, it does without",
    ]


def test_tools_beside_use_take_the_place_of_the_files_and_of_what_is_noted_of_them(project: Path) -> None:
    agent(project, "a", "tools: WebFetch, Bash(git:*)\ndisallowedTools: Bash(rm *)\n")

    made = team(project, "  a: {use: a.md, model: m, tools: [grep]}\n")

    assert (made.coordinator.tools, made.coordinator.permissions, made.notes) == (("grep",), {}, ())


@pytest.mark.parametrize(
    ("use", "said"),
    [
        ("none.md", "team.yaml line 2, agents.a.use: there is no file none.md"),
        ("explroe", "team.yaml line 2, agents.a.use: unknown agent 'explroe', did you mean 'explore'?"),
        (
            "void.md",
            "team.yaml line 2, agents.a.use: void.md lists tools, and none of them is here: it could do nothing",
        ),
        ("bad.md", "team.yaml line 2, agents.a.use: bad.md line 4, colr: unknown key 'colr', did you mean 'color'?"),
    ],
)
def test_agent_that_cannot_be_used_is_refused(project: Path, use: str, said: str) -> None:
    agent(project, "void", "tools: WebFetch\n")
    agent(project, "bad", "colr: red\n")

    assert wrong(project, f"  a: {{use: {use}}}\n").startswith(said)


def test_agent_without_a_model_and_without_use_is_refused(project: Path) -> None:
    assert wrong(project, "  a: {tools: [read]}\n") == "team.yaml line 2, agents.a: 'model' is missing"


def test_circle_that_agent_files_make_is_drawn(project: Path) -> None:
    agent(project / OURS, "a", "tools: Agent(b)\n")
    agent(project / OURS, "b", "tools: Agent(a)\n")

    assert "a -> b -> a" in wrong(project, LEAD.replace("CALLEE", "a"))


# --- agent files, folders and names as teams ---------------------------------------------------------


def test_agent_file_makes_a_team_with_those_it_calls(project: Path) -> None:
    agent(project / OURS, "helper")
    file = agent(
        project / OURS, "solo", "tools: Read, Agent(helper, general-purpose)\nmodel: opus\n", file="deep/solo.md"
    )

    made = load_team(file)

    assert (made.name, callees(made.coordinator), made.workdir) == ("solo", ["helper", "general-purpose"], None)
    assert {each.model for each in made.agents.values()} == {"opus"}
    assert load_team(Path("solo")).agents == made.agents


def test_agent_that_may_call_anybody_calls_all_there_are_if_it_gets_the_task(home: Path, project: Path) -> None:
    agent(home / OURS, "mine")
    agent(home / OURS, "web", "tools: WebSearch\n")
    agent(project / OURS, "other", "tools: Read, Agent\n")
    file = agent(project / OURS, "solo", "tools: Read, Agent\ndisallowedTools: Agent(Plan)\n")

    made = load_team(file)

    assert callees(made.coordinator) == ["other", "mine", "explore", "general-purpose"]
    assert callees(made.agents["other"]) == []
    assert made.notes == (
        f"{OURS}/other.md, tools: Agent without names calls nobody here: say whom, as in Agent(explore), so that no "
        "two call each other",
        f"{home}/{OURS}/web.md is left out: it lists tools, and none of them is here",
    )
    assert callees(load_agent(file)) == callees(made.coordinator)


@pytest.mark.parametrize("folder", [OURS, "."])
def test_folder_of_agent_files_is_led_by_one_that_may_call_each(project: Path, folder: str) -> None:
    agent(project / OURS, "a")
    agent(project / OURS, "b", "tools: Agent(a)\n")
    agent(project, "c")

    made = load_team(Path(folder), model="big")

    assert (made.name, made.coordinator.name) == ("agents", "main")
    assert callees(made.coordinator) == ["a", "b", "explore", "plan", "general-purpose"]
    assert {each.model for each in made.agents.values()} == {"big"}


def test_folder_whose_agents_cannot_be_led_is_refused(project: Path) -> None:
    (project / "empty").mkdir()
    agent(project / "taken", "main")

    with pytest.raises(BadInput, match="empty is a folder; name the team file in it, or a folder that has agent files"):
        load_team(Path("empty"))
    with pytest.raises(BadInput, match=r"taken/main\.md: an agent called 'main' leads those of the folder; rename it"):
        load_team(Path("taken"))


def test_name_that_no_agent_has_is_refused(project: Path) -> None:
    with pytest.raises(BadInput) as caught:
        load_team(Path("explroe"))

    assert str(caught.value) == (
        "there is no file explroe, and as an agent: unknown agent 'explroe', did you mean 'explore'?"
    )


def test_circle_of_a_folders_agents_is_refused(project: Path) -> None:
    agent(project / OURS, "a", "tools: Agent(b)\n")
    agent(project / OURS, "b", "tools: Agent(a)\n")

    with pytest.raises(BadInput, match="a -> b -> a"):
        load_agents()


# --- ready-made agents -------------------------------------------------------------------------------


def price_of(model: str) -> ModelFacts:
    return ModelFacts(price=Price(input=Decimal(1), output=Decimal(1), cache_write=Decimal(1), cache_read=Decimal(1)))


def test_ready_made_agents_have_no_findings(project: Path) -> None:
    made = team(project, LEAD.replace("CALLEE", "explore, plan, general-purpose"), "limits: {usd: 1}\n")

    assert (lint(made, price_of), made.notes) == ([], ())


def test_ready_made_agents_that_search_cannot_write() -> None:
    for made in (agents.explore(), agents.plan()):
        assert set(made.tools) == {"read", "glob", "grep"}
        assert not made.inline_agents
        assert made.callable_agents == ()


def test_ready_made_agents_take_a_model_and_limits() -> None:
    made = agents.general_purpose(model="m", limits=Limits(turns=1))

    assert (made.name, made.model, made.limits) == ("general-purpose", "m", Limits(turns=1))
    assert agents.explore().model == "inherit"
    assert load_team(Path("explore")).coordinator == agents.explore()
