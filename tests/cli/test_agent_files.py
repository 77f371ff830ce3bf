"""Agent files, folders of them and agents' names on the command line."""

import pytest

from tests.cli.podium import Folder

REVIEWER = """---
name: reviewer
description: Reviews code. Returns a list of findings.
tools: Read, Grep, WebSearch, Agent(explore)
color: red
initialPrompt: Be strict.
---

You review code.
"""
NOTES = [
    "reviewer.md line 4, tools: WebSearch: not here, it does without",
    "reviewer.md line 5, color: has no effect here: the live view has its own",
]


@pytest.fixture
def agents(folder: Folder) -> Folder:
    """A folder with an agent file."""
    (folder.path / "agents").mkdir()
    folder.write("agents/reviewer.md", REVIEWER)
    folder.write("reviewer.md", REVIEWER)
    return folder


def test_agent_file_is_checked_with_what_is_otherwise_here(agents: Folder) -> None:
    done = agents.run("check", "--strict", "reviewer.md", "--model", "haiku", env={"ANTHROPIC_API_KEY": "x"})

    assert (done.code, done.err) == (0, "")
    first, *others = done.out.splitlines()
    assert first == "reviewer: 2 agents, 'reviewer' gets the task; all is well"
    assert others == [
        "  reviewer: model haiku; tools read, grep; calls explore; from reviewer.md",
        "  explore: model haiku; tools read, glob, grep; limits turns 40; from the ready-made agents",
        "model haiku: provider anthropic; there claude-haiku-4-5; $1 in, $5 out for a million tokens",
        "no rehearsal: it needs its models; `podium run --rehearse` makes replies up",
        *(f"note: {note}" for note in reversed(NOTES)),
    ]


def test_agent_that_inherits_from_nobody_is_checked_and_says_so(agents: Folder) -> None:
    done = agents.run("check", "explore")

    assert done.code == 0
    assert "model inherit: nobody is there to inherit it from; --model names one" in done.out


@pytest.mark.parametrize("name", ["explore", "plan", "general-purpose"])
def test_ready_made_agents_are_checked_without_a_word_against_them(agents: Folder, name: str) -> None:
    done = agents.run("check", "--strict", name, "--model", "haiku")

    assert done.code == 0
    assert done.out.startswith(f"{name}: 1 agent, '{name}' gets the task; all is well\n")
    assert "note: " not in done.out


def test_agent_file_runs_with_its_notes_on_stderr_and_its_prompt_before_the_task(agents: Folder) -> None:
    done = agents.run("run", "reviewer.md", "Look at it.", "--rehearse", "--json")

    assert done.code == 0
    for note in [*NOTES, "it works in a fresh folder"]:
        assert f"note: {note}" in done.err
    [received] = [line for line in done.lines() if line.get("event", {}).get("type") == "user.message"][:1]
    assert received["event"]["content"][0]["text"] == "Be strict.\n\nLook at it."
    assert {thread["agent"] for thread in agents.trace()["threads"]} == {"reviewer", "explore"}


def test_folder_and_name_run_as_teams(agents: Folder) -> None:
    whole = agents.run("run", "agents", "Look at it.", "--rehearse", "--workdir", ".")
    one = agents.run("run", "plan", "Look at it.", "--rehearse", "--mount", ".:/source")

    assert (whole.code, one.code) == (0, 0)
    assert "main: starts" in whole.err
    assert "plan: starts" in one.err
    assert "fresh folder" not in whole.err + one.err


def test_agent_without_a_model_is_refused_before_anything_is_made(agents: Folder) -> None:
    done = agents.run("run", "reviewer.md", "Look at it.")

    assert done.code == 2
    assert "agent 'explore' inherits its model, and nobody above it has one" in done.err
    assert "--model MODEL" in done.err


def test_file_that_is_wrong_is_refused_with_its_line(agents: Folder) -> None:
    agents.write("reviewer.md", REVIEWER.replace("tools:", "tolos:"))

    for command in (["check", "reviewer.md"], ["run", "reviewer.md", "x", "--rehearse"]):
        done = agents.run(*command)
        assert (done.code, done.out) == (2, "")
        assert done.err == "podium: reviewer.md line 4, tolos: unknown key 'tolos', did you mean 'tools'?\n"


def test_model_of_the_command_line_comes_before_the_files(agents: Folder) -> None:
    agents.write("team.yaml", "agents: {solo: {model: any}}\nrehearsal: reply.py:reply\n")
    agents.write("reply.py", "def reply(request): return f'on {request.model}'\n")

    assert agents.run("run", "team.yaml", "x").out.strip() == "on any"
    assert agents.run("run", "team.yaml", "x", "--model", "other").out.strip() == "on other"
