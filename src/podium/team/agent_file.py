"""Agent files as Claude Code has them: YAML between two lines of ---, and the system prompt below.

Each key has its effect here, or a note that says what is otherwise.
Source: Claude Code's page on subagents.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from podium.core.definitions import INHERIT, MAX_NAME, MAX_SYSTEM, Agent, Effort
from podium.entry import Count, Entry, Problem, Text, named, problem, wrong
from podium.errors import BadInput
from podium.team.grants import Grant, Note, PermissionMode, apart, grant
from podium.team.limits import LimitsEntry
from podium.team.shape import AgentEntry
from podium.team.source import Source, read

SUFFIX = ".md"

_FENCED = re.compile(r"---[ \t]*\r?\n(?P<keys>.*?)^---[ \t]*(?:\r?\n|\Z)(?P<body>.*)", re.DOTALL | re.MULTILINE)
# A value that YAML takes for something else than the text that it is meant to be; Claude Code takes it for the text.
_BARE = re.compile(r"^(?P<key>[A-Za-z]+):[ \t]+(?P<value>[^\s|>].*?)[ \t]*\r?$", re.MULTILINE)
_AND_MORE = re.compile(r"""("[^"]*"|'[^']*'|\[[^]]*\]|\{[^}]*\})\s*[^\s#,].*""")  # [a list] or "a quote", and more


def _name(name: str) -> str:
    if not name.strip() or len(name) > MAX_NAME or name.startswith("-") or ":" in name:
        raise wrong(f"must be 1 to {MAX_NAME} characters, without ':' and without '-' at its beginning")
    return name


def _names(value: object) -> list[str]:
    listed = apart(value) if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise wrong(f"must be a list of names, or a text such as 'Read, Grep', not {named(value)}; [] is none")
    return listed


def _servers(value: object) -> object:
    if value is not None and not isinstance(value, list | dict):
        raise wrong(f"must be a list of servers, or a mapping of their names to them, not {named(value)}")
    return value


Names = Annotated[list[str], BeforeValidator(_names)]
MaybeNames = Annotated[list[str] | None, BeforeValidator(_names)]  # None if left out, and never if written


class FileKeys(Entry):
    """What stands between the lines of ---, as Claude Code spells it."""

    name: Annotated[str, AfterValidator(_name)]
    description: Text
    tools: MaybeNames = None
    disallowedTools: Names = Field(default_factory=list)
    model: Text = INHERIT
    permissionMode: PermissionMode | None = None
    maxTurns: Count | None = None
    skills: MaybeNames = None
    mcpServers: Annotated[list[Any] | dict[str, Any] | None, BeforeValidator(_servers)] = None
    hooks: dict[str, Any] | None = None
    memory: Literal["user", "project", "local"] | None = None
    background: bool = False
    effort: Effort | None = None
    isolation: Literal["worktree"] | None = None
    color: Text | None = None
    initialPrompt: str = ""


# Words of other tools and of other files of Claude Code, and what they are called in this one.
_MEANT = {
    "allowed-tools": "tools",
    "allowedTools": "tools",
    "limits": "maxTurns",
    "mcp_servers": "mcpServers",
    "permissions": "permissionMode",
    "reasoning_effort": "effort",
}
_NO_EFFECT = {
    "skills": "there are no skills. Write into the prompt what it must know",
    "mcpServers": "no MCP servers are connected",
    "memory": "nothing is kept from session to session but the files of a folder that is mounted",
    "background": "whoever calls it decides, by start_agent",
    "isolation": "all agents share one folder, where no edit overwrites another unseen",
    "color": "the live view has its own",
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """An agent that is defined elsewhere than in a team file.

    Shape: `origin` says where, in words. `grant` is what it may use and whom it may call. `initial_prompt` comes before
    the task if the agent gets that from a person. `notes` say what is otherwise here, by the keys that they are about.
    """

    name: str
    origin: str
    entry: AgentEntry
    grant: Grant
    notes: tuple[Note, ...] = ()
    initial_prompt: str = ""
    is_ready_made: bool = False


def ready_made(agent: Agent) -> Found:
    """A ready-made agent."""
    entry = AgentEntry(
        model=agent.model,
        description=agent.description,
        system=agent.system,
        tools=list(agent.tools),
        limits=LimitsEntry(turns=agent.limits.turns),
    )
    return Found(name=agent.name, origin="the ready-made agents", entry=entry, grant=Grant(), is_ready_made=True)


def name_in(file: Path) -> str | None:
    """The agent's name in this file; None if it has none, and is there to be read by people.

    Errors: BadInput for a file that cannot be read so far.
    """
    if (parts := _parts(file)) is None or not isinstance(parts[0].value, dict):
        return None
    name = parts[0].value.get("name")
    return None if name is None else str(name)


def load_file(file: Path) -> Found:
    """The agent of this file.

    Errors: BadInput that tells everything that is wrong with it, each thing with its line and the remedy.
    """
    if (parts := _parts(file)) is None:
        raise BadInput(
            f"{file} is no agent file: it must begin with a line ---, then 'name:' and 'description:', a line --- and "
            "the system prompt"
        )
    source, body = parts
    if not isinstance(source.value, dict):
        raise BadInput(
            f"{file} line 1: between the lines of --- stand 'name:' and 'description:', not a text or a list"
        )
    strange, problems = _strange(source.value)
    written = {key: value for key, value in source.value.items() if key in FileKeys.model_fields}
    try:
        keys = FileKeys.model_validate(written)
    except ValidationError as error:
        source.refuse([*problems, *(problem(details, FileKeys, {}) for details in error.errors())])
    granted = grant(keys.tools, keys.disallowedTools, keys.permissionMode, keys.hooks or {})
    problems += granted.problems
    if len(body) > MAX_SYSTEM:
        problems.append(((), f"the system prompt is longer than {MAX_SYSTEM:,} characters"))
    if problems:
        source.refuse(problems)
    model, about_model = _model(keys.model)
    notes = [*_without_effect(keys), *about_model, *granted.notes, *strange]
    return Found(
        name=keys.name,
        origin=str(file),
        entry=AgentEntry(
            model=model,
            effort=keys.effort,
            description=keys.description,
            system=body.replace("\r\n", "\n").strip(),
            tools=granted.tools,
            permissions=dict.fromkeys(granted.asks, "always_ask"),
            callable_agents=granted.callees,
            limits=LimitsEntry(turns=keys.maxTurns),
        ),
        grant=granted,
        notes=tuple((key, source.at((key,), said)) for key, said in notes),
        initial_prompt=keys.initialPrompt,
    )


def _parts(file: Path) -> tuple[Source, str] | None:
    """The keys of the file and what is below them; None for a file that begins in another way."""
    text = read(file, "an agent file", "Markdown")
    if not re.match(r"---[ \t]*\r?$", text, re.MULTILINE):
        return None
    fenced = _FENCED.match(text)
    if fenced is None:
        raise BadInput(f"{file} line 1: the line --- that ends the keys is missing")
    keys = "\n" + fenced["keys"]  # so that lines are counted as in the file
    try:
        return Source(file, keys), fenced["body"]
    except BadInput:
        if (quoted := _BARE.sub(_quoted, keys)) == keys:
            raise
        try:
            return Source(file, quoted), fenced["body"]
        except BadInput:
            pass
        raise


def _quoted(line: re.Match[str]) -> str:
    value = line["value"]
    if value[0] in "'\"[{":
        is_meant = _AND_MORE.fullmatch(value) is None or (value[0] in "'\"" and value[-1] == value[0])
    else:
        is_meant = not re.search(r": |:$|\t|^[*&!%@`]|^- ", value)
    if is_meant:  # as YAML takes it
        return line[0]
    return f"{line['key']}: '{value.replace(chr(39), 2 * chr(39))}'"


def _strange(written: Mapping[str, object]) -> tuple[list[Note], list[Problem]]:
    """Keys that Claude Code has not: a slip of the pen is a problem, anything else a note."""
    lower = {key.lower(): key for key in FileKeys.model_fields}
    notes: list[Note] = []
    problems: list[Problem] = []
    for key in written.keys() - FileKeys.model_fields.keys():
        near = _MEANT.get(key) or next(iter(get_close_matches(re.sub("[-_]", "", key).lower(), lower, n=1)), None)
        if near is not None:
            problems.append(((key,), f"unknown key '{key}', did you mean '{lower.get(near, near)}'?"))
        else:
            notes.append((key, "is no key of Claude Code's agent files, and has no effect"))
    return sorted(notes), problems


def _without_effect(keys: FileKeys) -> Iterator[Note]:
    for key, why in _NO_EFFECT.items():
        if getattr(keys, key):
            yield key, f"has no effect here: {why}"
    if keys.initialPrompt.lstrip().startswith("/"):
        yield "initialPrompt", "is sent as it is: commands and skills are not run"


def _model(model: str) -> tuple[str, list[Note]]:
    """What the model is called here; Claude Code has names that stand for more than a model."""
    name = model.removesuffix("[1m]")
    meant = {"default": INHERIT, "best": "opus", "opusplan": "sonnet"}.get(name, name)
    if meant == model:
        return model, []
    return meant, [
        ("model", f"'{model}' is '{meant}' here; podium.toml says how long its context is, and who serves it")
    ]
