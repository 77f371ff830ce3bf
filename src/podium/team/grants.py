"""Which of Podium's tools an agent has whose file names those of Claude Code.

Source: the pages of Claude Code on subagents, tools and permissions.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

from podium.entry import Problem, Where
from podium.tools import BUILT_IN

PermissionMode = Literal["default", "manual", "acceptEdits", "auto", "dontAsk", "bypassPermissions", "plan"]
Note = tuple[str, str]  # a key of the file, and what is otherwise here

TOOLS = {"Bash": "bash", "Read": "read", "Write": "write", "Edit": "edit", "Glob": "glob", "Grep": "grep"}
_AGENT = ("Agent", "Task")  # Task is the older name
# Tools of Claude Code, older ones too, that have no like here.
# fmt: off
_ABSENT = frozenset([
    "AgentOutputTool", "Artifact", "AskUserQuestion", "BashOutput", "CronCreate", "CronDelete", "CronList",
    "EndConversation", "EnterPlanMode", "EnterWorktree", "ExitPlanMode", "ExitWorktree", "KillBash", "KillShell",
    "LS", "LSP", "ListAgents", "ListMcpResourcesTool", "Monitor", "MultiEdit", "NotebookEdit", "NotebookRead",
    "PowerShell", "PushNotification", "ReadMcpResourceTool", "RemoteTrigger", "ReportFindings", "ScheduleWakeup",
    "SendMessage", "SendUserFile", "ShareOnboardingGuide", "Skill", "SlashCommand", "TaskCreate", "TaskGet",
    "TaskList", "TaskOutput", "TaskStop", "TaskUpdate", "TeamCreate", "TeamDelete", "TodoRead", "TodoWrite",
    "ToolSearch", "WaitForMcpServers", "WebFetch", "WebSearch", "Workflow",
])
# fmt: on
_KNOWN = (*TOOLS, *_AGENT, *_ABSENT)
_MCP = "mcp__"
_ANY = "*"
_GUARD = "PreToolUse"  # the event of hooks that look at what is about to be done
_WRITES = ("bash", "write", "edit")  # what Claude Code asks a person about in its manual mode
_ENTRY = re.compile(r"(?P<tool>[^()]+)(\((?P<scope>.*)\))?", re.DOTALL)
_APART = re.compile(r"[^\s,()]+(?:\((?:[^()]|\([^()]*\))*\)?)?|[()]")


@dataclass(kw_only=True)
class Grant:
    """What an agent may use.

    Shape: `tools` are names of built-in tools, and `asks` those of them before whose calls a person is asked. `callees`
    are the names of the agents it may call; with `calls_any`, it may call whoever there is but `barred`. `is_void` if
    it lists tools, and none of them is here.
    """

    tools: list[str] = field(default_factory=list)
    asks: list[str] = field(default_factory=list)
    callees: list[str] = field(default_factory=list)
    calls_any: bool = False
    barred: list[str] = field(default_factory=list)
    is_void: bool = False
    notes: list[Note] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def apart(text: str) -> list[str]:
    """The entries of a list that is written as one text: "Read, Bash(git add:*)" are two."""
    return _APART.findall(text)


def grant(
    tools: Sequence[str] | None, denied: Sequence[str], mode: PermissionMode | None, hooks: Mapping[str, object]
) -> Grant:
    """What the lists `tools` and `disallowedTools`, the permission mode and the hooks leave an agent with.

    Shape: without `tools`, it has every built-in one. Problems are told with their place in the file.
    """
    made = Grant()
    unread: dict[Note, str] = {}  # notes that a part of a tool is not looked into, and the tool
    if tools is None or list(tools) == [_ANY]:
        made.tools = list(BUILT_IN)
    else:
        _allow(made, tools, unread)
    _deny(made, denied, unread)
    _apply(made, mode)
    _check(made, hooks)
    made.tools = [name for name in BUILT_IN if name in made.tools]
    made.asks = [name for name in made.tools if name in made.asks]
    made.notes = [note for note in made.notes if note not in unread or unread[note] in made.asks]
    return made


def _allow(made: Grant, tools: Sequence[str], unread: dict[Note, str]) -> None:
    absent, whole = [], set()
    for place, entry, tool, scope in _parsed("tools", tools, made):
        if tool in TOOLS:
            made.tools.append(TOOLS[tool])
            if scope is None:
                whole.add(TOOLS[tool])
            else:
                made.asks.append(TOOLS[tool])
                note = ("tools", f"{_unread(entry, tool)}; write {tool} alone to have nobody asked")
                made.notes.append(note)
                unread[note] = TOOLS[tool]
        elif tool in _AGENT:
            made.calls_any |= scope is None
            made.callees += [] if scope is None else [name.strip() for name in scope.split(",") if name.strip()]
        elif (slip := _slip(tool)) is not None:
            made.problems.append((place, slip))
        else:
            absent.append(entry)
    made.asks = [name for name in made.asks if name not in whole]
    made.notes = [note for note in made.notes if unread.get(note) not in whole]
    made.is_void = bool(absent) and not (made.tools or made.callees or made.calls_any or made.problems)
    if absent:
        made.notes.append(("tools", f"{', '.join(absent)}: not here, it does without"))


def _deny(made: Grant, denied: Sequence[str], unread: dict[Note, str]) -> None:
    for place, entry, tool, scope in _parsed("disallowedTools", denied, made):
        if tool == _ANY:
            made.tools, made.callees, made.calls_any = [], [], False
        elif tool in TOOLS and scope is None:
            made.tools = [name for name in made.tools if name != TOOLS[tool]]
        elif tool in TOOLS and TOOLS[tool] in made.tools:
            made.asks.append(TOOLS[tool])
            note = ("disallowedTools", f"{_unread(entry, tool)}; write {tool} alone to take it away")
            made.notes.append(note)
            unread[note] = TOOLS[tool]
        elif tool in _AGENT and scope is None:
            made.callees, made.calls_any = [], False
        elif tool in _AGENT:
            made.barred += [name.strip() for name in str(scope).split(",")]
            made.callees = [name for name in made.callees if name not in made.barred]
        elif (slip := _slip(tool)) is not None:
            made.problems.append((place, slip))
        elif not _is_known(tool):
            made.notes.append(("disallowedTools", f"there is no tool '{tool}' here"))


def _apply(made: Grant, mode: PermissionMode | None) -> None:
    match mode:
        case None | "bypassPermissions":
            pass
        case "default" | "manual":
            made.asks += _WRITES
        case "acceptEdits":
            made.asks.append("bash")
        case "plan":
            made.tools = [name for name in made.tools if name not in ("write", "edit")]
            made.asks.append("bash")
        case "dontAsk":
            lost = [name for name in made.tools if name in _WRITES]
            made.tools = [name for name in made.tools if name not in lost]
            if lost:
                said = f"'dontAsk' denies what would ask, and no settings.json is read: it has no {', '.join(lost)}"
                made.notes.append(("permissionMode", said))
        case "auto":
            made.asks.append("bash")
            if "bash" in made.tools:
                said = "'auto': no model looks through commands here; a person is asked before each call of bash"
                made.notes.append(("permissionMode", said))


def _check(made: Grant, hooks: Mapping[str, object]) -> None:
    """Have a person asked where a hook would have looked at what is about to be done."""
    if not hooks:
        return
    for event in hooks:
        if event != _GUARD and get_close_matches(re.sub("[-_]", "", event).lower(), [_GUARD.lower()], cutoff=0.85):
            made.problems.append((("hooks", event), f"unknown event '{event}', did you mean '{_GUARD}'?"))
    groups = hooks.get(_GUARD)
    listed = groups if isinstance(groups, list) else []
    matchers = [str(each.get("matcher", "")) if isinstance(each, dict) else "" for each in listed]
    checked = [name for tool, name in TOOLS.items() if name in _WRITES and _is_matched(tool, matchers)]
    made.asks += (asked := [name for name in checked if name in made.tools])
    instead = f"; a person is asked before each call of {', '.join(asked)}, which one would check" if asked else ""
    made.notes.append(("hooks", f"has no effect here: none is run{instead}"))


def _is_matched(tool: str, matchers: Iterable[str]) -> bool:
    for matcher in matchers:
        try:
            if matcher in ("", _ANY) or re.fullmatch(matcher, tool):
                return True
        except re.error:  # whatever was meant
            return True
    return False


def _parsed(key: str, entries: Sequence[str], made: Grant) -> Iterator[tuple[Where, str, str, str | None]]:
    """Place, text, tool and scope of each entry; "Bash(*)" and "Bash()" are "Bash"."""
    for index, entry in enumerate(entries):
        parts = _ENTRY.fullmatch(entry.strip())
        if parts is None:
            made.problems.append(((key, index), f"'{entry}' names no tool: write Tool, or Tool(what of it)"))
            continue
        scope = parts["scope"]
        yield (key, index), entry, parts["tool"].strip(), None if scope in (None, "", _ANY) else scope


def _unread(entry: str, tool: str) -> str:
    return f"'{entry}' is not looked into here: a person is asked before each call of {TOOLS[tool]}"


def _slip(tool: str) -> str | None:
    """What is said of a misspelt name; one that is like none may be that of a plugin's tool."""
    if _is_known(tool) or not (near := get_close_matches(tool, _KNOWN, n=1)):
        return None
    return f"unknown tool '{tool}', did you mean '{near[0]}'?"


def _is_known(tool: str) -> bool:
    return tool in _KNOWN or tool.startswith(_MCP)
