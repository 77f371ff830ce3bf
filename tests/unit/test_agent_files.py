"""Agent files as Claude Code has them: what each key does here, what is noted, and what is refused in which words."""

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import podium
from podium.core.definitions import Agent, Limits
from podium.errors import BadInput
from podium.team import Team, load_agent, load_agents, load_team

ALL = ("bash", "read", "write", "edit", "glob", "grep")
KEYS = "name: solo\ndescription: Counts. Returns a number.\n"


def file(tmp_path: Path, keys: str = KEYS, body: str = "Count.\n", name: str = "solo.md") -> Path:
    made = tmp_path / name
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_text(f"---\n{keys}---\n{body}")
    return made


def team(tmp_path: Path, more: str = "") -> Team:
    return load_team(file(tmp_path, KEYS + more))


def wrong(tmp_path: Path, keys: str) -> str:
    made = file(tmp_path, keys)
    with pytest.raises(BadInput) as caught:
        load_team(made)
    return str(caught.value).replace(str(made), "FILE")


def notes(made: Team, tmp_path: Path) -> list[str]:
    return [note.replace(str(tmp_path / "solo.md"), "FILE") for note in made.notes]


def names(agent: Agent) -> list[str]:
    return [callee if isinstance(callee, str) else callee.name for callee in agent.callable_agents]


# --- what a key does ---------------------------------------------------------------------------------


def test_file_with_a_name_and_a_description_is_an_agent_with_all_tools(tmp_path: Path) -> None:
    made = team(tmp_path)

    assert made.coordinator == Agent(
        "solo", model="inherit", description="Counts. Returns a number.", system="Count.", tools=ALL
    )
    assert (made.name, list(made.agents), made.notes) == ("solo", ["solo"], ())
    assert made.origins == {"solo": str(tmp_path / "solo.md")}


@pytest.mark.parametrize(
    ("keys", "changed"),
    [
        ("tools: Read, Grep\n", {"tools": ("read", "grep")}),
        ("tools: Grep Read\n", {"tools": ("read", "grep")}),
        ("tools: [Edit, Bash]\n", {"tools": ("bash", "edit")}),
        ("tools:\n  - Glob\n", {"tools": ("glob",)}),
        ("tools: []\n", {"tools": ()}),
        ("tools: '*'\n", {"tools": ALL}),
        ("tools: Bash(*)\n", {"tools": ("bash",)}),
        ("tools: Bash()\n", {"tools": ("bash",)}),
        ("disallowedTools: Bash(*), Edit()\n", {"tools": ("read", "write", "glob", "grep")}),
        ("disallowedTools: Write, Edit\n", {"tools": ("bash", "read", "glob", "grep")}),
        ("disallowedTools: NotebookEdit, mcp__github\n", {"tools": ALL}),
        ("disallowedTools: '*'\n", {"tools": ()}),
        ("tools: Read, Write\ndisallowedTools: [Write]\n", {"tools": ("read",)}),
        ("model: claude-opus-5\n", {"model": "claude-opus-5"}),
        ("model: sonnet\n", {"model": "sonnet"}),
        ("model: inherit\n", {"model": "inherit"}),
        ("maxTurns: 7\n", {"limits": Limits(turns=7)}),
        ("effort: xhigh\n", {"effort": "xhigh"}),
        ("permissionMode: bypassPermissions\n", {}),
        ("permissionMode: default\n", {"permissions": dict.fromkeys(["bash", "write", "edit"], "always_ask")}),
        ("permissionMode: manual\ntools: Write\n", {"tools": ("write",), "permissions": {"write": "always_ask"}}),
        ("permissionMode: auto\ntools: Read, Edit\n", {"tools": ("read", "edit")}),
        ("permissionMode: acceptEdits\n", {"permissions": {"bash": "always_ask"}}),
        ("permissionMode: plan\n", {"tools": ("bash", "read", "glob", "grep"), "permissions": {"bash": "always_ask"}}),
        ("background: false\nhooks: {}\nskills: []\n", {}),
    ],
)  # fmt: skip
def test_key_has_its_effect(tmp_path: Path, keys: str, changed: dict[str, Any]) -> None:
    made = team(tmp_path, keys)

    usual: dict[str, Any] = {"model": "inherit", "tools": ALL, "limits": Limits(), "effort": None, "permissions": {}}
    agent = made.coordinator
    assert {name: getattr(agent, name) for name in usual} == usual | changed
    assert made.notes == ()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("skills: [api]\n", "skills: has no effect here: there are no skills. Write into the prompt what it must know"),
        ("mcpServers: [github]\n", "mcpServers: has no effect here: no MCP servers are connected"),
        (
            "mcpServers:\n  - play: {type: stdio, command: npx}\n",
            "mcpServers: has no effect here: no MCP servers are connected",
        ),
        ("hooks: {PostToolUse: [{matcher: Bash}]}\n", "hooks: has no effect here: none is run"),
        (
            "memory: project\n",
            "memory: has no effect here: nothing is kept from session to session but the files of a folder that is "
            "mounted",
        ),
        ("background: true\n", "background: has no effect here: whoever calls it decides, by start_agent"),
        (
            "isolation: worktree\n",
            "isolation: has no effect here: all agents share one folder, where no edit overwrites another unseen",
        ),
        ("color: cyan\n", "color: has no effect here: the live view has its own"),
        (
            "permissionMode: auto\n",
            "permissionMode: 'auto': no model looks through commands here; a person is asked before each call of bash",
        ),
        ("author: me\n", "author: is no key of Claude Code's agent files, and has no effect"),
        (
            "initialPrompt: /review\n",
            "initialPrompt: is sent as it is: commands and skills are not run",
        ),
    ],
)
def test_key_without_effect_is_noted(tmp_path: Path, keys: str, said: str) -> None:
    made = team(tmp_path, keys)

    assert notes(made, tmp_path) == [f"FILE line 4, {said}"]
    assert made.coordinator.tools == ALL


def test_tools_that_are_not_here_are_noted_and_the_others_are_given(tmp_path: Path) -> None:
    made = team(
        tmp_path, "tools: Read, WebSearch, mcp__github__search, context-manager\ndisallowedTools: xyz, mcp__x\n"
    )

    assert made.coordinator.tools == ("read",)
    assert notes(made, tmp_path) == [
        "FILE line 4, tools: WebSearch, mcp__github__search, context-manager: not here, it does without",
        "FILE line 5, disallowedTools: there is no tool 'xyz' here",
    ]


@pytest.mark.parametrize("entry", ["Bash(git:*)", "Bash(git add *)", "Read(./src/**)", "Bash(echo (a, b))"])
def test_part_of_a_tool_is_the_tool_with_a_person_asked(tmp_path: Path, entry: str) -> None:
    made = team(tmp_path, f"tools: Grep, {entry}\n")

    tool = entry.partition("(")[0]
    assert set(made.coordinator.tools) == {"grep", tool.lower()}
    assert made.coordinator.permissions == {tool.lower(): "always_ask"}
    assert notes(made, tmp_path) == [
        f"FILE line 4, tools: '{entry}' is not looked into here: a person is asked before each call of {tool.lower()}; "
        f"write {tool} alone to have nobody asked"
    ]


def test_part_of_a_tool_that_is_denied_has_a_person_asked(tmp_path: Path) -> None:
    made = team(tmp_path, "tools: Read, Bash\ndisallowedTools: Bash(rm *), Edit(/etc/**)\n")

    assert made.coordinator.permissions == {"bash": "always_ask"}
    assert notes(made, tmp_path) == [
        "FILE line 5, disallowedTools: 'Bash(rm *)' is not looked into here: a person is asked before each call of "
        "bash; write Bash alone to take it away"
    ]


@pytest.mark.parametrize(
    ("matcher", "asked"),
    [
        ("{matcher: Bash}", ["bash"]),
        ("{matcher: Edit|Write}", ["write", "edit"]),
        ("{matcher: '*'}", ["bash", "write", "edit"]),
        ("{hooks: []}", ["bash", "write", "edit"]),
        ("{matcher: '('}", ["bash", "write", "edit"]),
    ],
)
def test_hook_that_would_check_a_call_has_a_person_asked(tmp_path: Path, matcher: str, asked: list[str]) -> None:
    made = team(tmp_path, f"hooks: {{PreToolUse: [{matcher}]}}\n")

    assert made.coordinator.permissions == dict.fromkeys(asked, "always_ask")
    assert notes(made, tmp_path) == [
        f"FILE line 4, hooks: has no effect here: none is run; a person is asked before each call of "
        f"{', '.join(asked)}, which one would check"
    ]


def test_hook_that_checks_what_the_agent_has_not_asks_nobody(tmp_path: Path) -> None:
    made = team(tmp_path, "tools: Read\nhooks: {PreToolUse: [{matcher: Bash|Read}]}\n")

    assert made.coordinator.permissions == {}


@pytest.mark.parametrize(
    "keys",
    [
        "tools: Bash, Bash(git:*)\n",
        "tools: Read, Write(docs/**)\npermissionMode: plan\n",
        "tools: Read, Write(docs/**)\ndisallowedTools: Write\n",
        "disallowedTools: [Bash(rm:*), Bash]\n",
    ],
)
def test_tool_that_is_there_whole_or_not_at_all_asks_nobody_and_is_not_noted(tmp_path: Path, keys: str) -> None:
    made = team(tmp_path, keys)

    assert (made.coordinator.permissions, made.notes) == ({}, ())


def test_mode_that_denies_what_would_ask_takes_away_what_writes(tmp_path: Path) -> None:
    made = team(tmp_path, "permissionMode: dontAsk\n")

    assert made.coordinator.tools == ("read", "glob", "grep")
    assert notes(made, tmp_path) == [
        "FILE line 4, permissionMode: 'dontAsk' denies what would ask, and no settings.json is read: it has no bash, "
        "write, edit"
    ]


@pytest.mark.parametrize(
    ("written", "model"),
    [("opus[1m]", "opus"), ("claude-opus-5[1m]", "claude-opus-5"), ("best", "opus"), ("opusplan", "sonnet"),
     ("default", "inherit")],
)  # fmt: skip
def test_names_that_stand_for_more_than_a_model_are_models_with_a_note(
    tmp_path: Path, written: str, model: str
) -> None:
    made = team(tmp_path, f"model: '{written}'\n")

    assert made.coordinator.model == model
    assert notes(made, tmp_path)[0].startswith(f"FILE line 4, model: '{written}' is '{model}' here")


def test_initial_prompt_comes_with_the_agent_that_gets_the_task(tmp_path: Path) -> None:
    assert team(tmp_path, "initialPrompt: Be quick.\n").initial_prompt == "Be quick."


def test_values_that_yaml_would_not_take_are_taken_as_claude_code_does(tmp_path: Path) -> None:
    keys = 'name: solo\ndescription: Use it after changes. Example: user: "review it\'s" # now\ntools: Read\n'

    made = load_team(file(tmp_path, keys)).coordinator

    assert (made.description, made.tools) == (
        'Use it after changes. Example: user: "review it\'s" # now',
        ("read",),
    )


@pytest.mark.parametrize(
    "said", ["[internal] Counts: a, b", '"Counts" words: all of them', "{x} is replaced", "- counts", "one\ttwo"]
)
def test_text_that_yaml_would_take_for_something_else_and_cannot_is_the_text(tmp_path: Path, said: str) -> None:
    assert load_team(file(tmp_path, f"name: solo\ndescription: {said}\n")).coordinator.description == said


def test_file_may_have_windows_line_ends_and_a_mark_at_its_beginning(tmp_path: Path) -> None:
    made = tmp_path / "solo.md"
    made.write_bytes(b"\xef\xbb\xbf---\r\nname: solo\r\ndescription: It counts.\r\n---\r\nCount.\r\n---\r\nTwice.\r\n")

    assert load_team(made).coordinator.system == "Count.\n---\nTwice."


# --- what is refused ---------------------------------------------------------------------------------

WRONG = {
    "misspelt key": (KEYS + "modle: opus\n", "FILE line 4, modle: unknown key 'modle', did you mean 'model'?"),
    "key in another spelling": (
        KEYS + "max_turns: 3\n",
        "FILE line 4, max_turns: unknown key 'max_turns', did you mean 'maxTurns'?",
    ),
    "key in another case": (
        KEYS + "disallowedtools: Bash\n",
        "FILE line 4, disallowedtools: unknown key 'disallowedtools', did you mean 'disallowedTools'?",
    ),
    "key of another file": (
        KEYS + "allowed-tools: Read\n",
        "FILE line 4, allowed-tools: unknown key 'allowed-tools', did you mean 'tools'?",
    ),
    "no description": ("name: solo\n", "FILE line 2, 'description' is missing"),
    "no name": ("description: x\n", "FILE line 2, 'name' is missing"),
    "name that is no text": (
        "name: 3\ndescription: x\n",
        "FILE line 2, name: must be a text, not 3; put it in quotes",
    ),
    "name of a plugin's": (
        "name: my:solo\ndescription: x\n",
        "FILE line 2, name: must be 1 to 256 characters, without ':' and without '-' at its beginning",
    ),
    "misspelt tool": (
        KEYS + "tools: [Read, Grpe]\n",
        "FILE line 4, tools[1]: unknown tool 'Grpe', did you mean 'Grep'?",
    ),
    "tool as Podium calls it": (
        KEYS + "tools: bash\n",
        "FILE line 4, tools[0]: unknown tool 'bash', did you mean 'Bash'?",
    ),
    "misspelt tool that is denied": (
        KEYS + "disallowedTools: Wriet\n",
        "FILE line 4, disallowedTools[0]: unknown tool 'Wriet', did you mean 'Write'?",
    ),
    "tool without its end": (
        KEYS + "tools: Bash(git\n",
        "FILE line 4, tools[0]: 'Bash(git' names no tool: write Tool, or Tool(what of it)",
    ),
    "tools that are no list": (
        KEYS + "tools:\n",
        "FILE line 4, tools: must be a list of names, or a text such as 'Read, Grep', not empty; [] is none",
    ),
    "no tool that is here": (
        KEYS + "tools: WebFetch, WebSearch\n",
        "FILE lists tools, and none of them is here: it could do nothing. Give it others, or leave it out",
    ),
    "event of a hook": (
        KEYS + "hooks: {preToolUse: []}\n",
        "FILE line 4, hooks.preToolUse: unknown event 'preToolUse', did you mean 'PreToolUse'?",
    ),
    "servers that are a text": (
        KEYS + "mcpServers: github\n",
        "FILE line 4, mcpServers: must be a list of servers, or a mapping of their names to them, not 'github'",
    ),
    "quote without its end": (
        "name: solo\ndescription: 'it's x'\n",
        "FILE line 3, column 18: this is not YAML: while parsing a block mapping, expected <block end>, but found "
        "'<scalar>'",
    ),
    "mode": (
        KEYS + "permissionMode: yolo\n",
        "FILE line 4, permissionMode: must be 'default', 'manual', 'acceptEdits', 'auto', 'dontAsk', "
        "'bypassPermissions' or 'plan', not 'yolo'",
    ),
    "turns": (KEYS + "maxTurns: 0\n", "FILE line 4, maxTurns: must be a number above 0, not 0"),
    "effort": (
        KEYS + "effort: huge\n",
        "FILE line 4, effort: must be 'low', 'medium', 'high', 'xhigh' or 'max', not 'huge'",
    ),
    "isolation": (KEYS + "isolation: docker\n", "FILE line 4, isolation: must be 'worktree', not 'docker'"),
    "key twice": (
        KEYS + "model: a\nmodel: b\n",
        "FILE line 4, model: the key 'model' stands here again on line 5; keep one",
    ),
    "no YAML": (
        "name: solo\ndescription: [x\n",
        "FILE line 4, column 1: this is not YAML: while parsing a flow sequence, expected ',' or ']', but got "
        "'<stream end>'",
    ),
    "no mapping": (
        "- name\n",
        "FILE line 1: between the lines of --- stand 'name:' and 'description:', not a text or a list",
    ),
    "name of a tool": (
        "name: bash\ndescription: x\n",
        "FILE: agent 'bash': an agent cannot be called 'bash': the name is taken; rename it",
    ),
    "agent that is not there": (
        KEYS + "tools: Read, Agent(explroe)\n",
        "FILE: agent 'solo': unknown agent 'explroe', did you mean 'explore'?",
    ),
    "agent that calls itself": (
        KEYS + "tools: Agent(solo)\n",
        "FILE: agent 'solo': an agent that may call itself lists 'self', not 'solo'",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("keys", "said"), WRONG.values(), ids=WRONG)
def test_file_is_refused_with_its_line_and_the_remedy(tmp_path: Path, keys: str, said: str) -> None:
    assert wrong(tmp_path, keys) == said


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    said = wrong(tmp_path, "nmae: x\nname: solo\ncolour: red\nmaxTurns: many\n")

    assert said.splitlines() == [
        "FILE has 4 problems:",
        "  line 2, nmae: unknown key 'nmae', did you mean 'name'?",
        "  line 2, 'description' is missing",
        "  line 4, colour: unknown key 'colour', did you mean 'color'?",
        "  line 5, maxTurns: must be a whole number above 0, not 'many'",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("You count.\n", "FILE is no agent file: it must begin with a line ---"),
        ("", "FILE is no agent file: it must begin with a line ---"),
        ("---\nname: solo\ndescription: x\n", "FILE line 1: the line --- that ends the keys is missing"),
        ("---\n---\nCount.\n", "FILE line 1: between the lines of --- stand 'name:'"),
        (f"---\n{KEYS}---\n{'x' * 100_001}", "FILE line 2, the system prompt is longer than 100,000 characters"),
        ("---\0", "FILE is binary; an agent file is Markdown, in UTF-8"),
    ],
)
def test_what_is_no_agent_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    made = tmp_path / "solo.md"
    made.write_text(text)

    with pytest.raises(BadInput) as caught:
        load_agent(made)

    assert str(caught.value).replace(str(made), "FILE").startswith(said)


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no file"):
        load_team(tmp_path / "none.md")
    with pytest.raises(BadInput, match="there is no folder"):
        load_agents(tmp_path / "none")


@given(st.text(max_size=60))
def test_any_file_is_loaded_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    made = tmp_path_factory.getbasetemp() / "any.md"
    made.write_bytes(f"---\n{KEYS}{text}\n---\n{text}".encode("utf-8", "surrogatepass"))
    with suppress(BadInput):
        assert load_agent(made).name


# --- in a program ------------------------------------------------------------------------------------


def test_program_loads_agents_and_is_told_what_is_otherwise(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = file(tmp_path, KEYS + "color: red\ninitialPrompt: Hi.\ntools: Read, Task(plan)\n")

    with caplog.at_level(logging.WARNING):
        one, every = podium.load_agent(made), podium.load_agents(tmp_path)

    assert (one.name, names(one)) == ("solo", ["plan"])
    assert list(every) == ["solo"]
    assert [it.getMessage().replace(str(made), "FILE") for it in caplog.records] == 2 * [
        "FILE line 4, color: has no effect here: the live view has its own",
        "FILE, initialPrompt: has no effect here: write it before the task",
    ]


def test_nothing_of_a_folder_is_loaded_if_one_file_is_wrong(tmp_path: Path) -> None:
    file(tmp_path)
    file(tmp_path, "name: b\ndescription: x\nmodle: y\n", name="b.md")
    file(tmp_path, "name: c\n", name="deep/c.md")

    with pytest.raises(BadInput) as caught:
        load_agents(tmp_path)

    assert str(caught.value).replace(f"{tmp_path}/", "").splitlines() == [
        "b.md line 4, modle: unknown key 'modle', did you mean 'model'?",
        "deep/c.md line 2, 'description' is missing",
    ]
