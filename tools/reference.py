"""Writes the pages of docs/ that are read from the code: `reference.py` writes them, `reference.py check` compares.

The text is the code's own: help of commands and options, docstrings of records, of entries and of their fields.
"""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from podium.api.differences import DIFFERENCES
from podium.cli import app
from podium.cli.exit_codes import MEANING
from podium.config.shape import ConfigFile
from podium.core import definitions, events, facts
from podium.core.events import PublicEvent
from podium.core.facts import PrivateFact
from podium.team.shape import TeamFile

DOCS = Path(__file__).resolve().parent.parent / "docs"
ORIGIN = "<!-- Written by tools/reference.py from the code. -->"


def main() -> None:
    """Write the pages, or say which are behind."""
    if sys.argv[1:] == ["check"]:
        sys.exit("\n".join(f"docs/{name} is behind the code: run tools/reference.py" for name in behind()) or 0)
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())


def behind() -> list[str]:
    """The pages that do not say what the code says."""
    return [name for name, page in PAGES.items() if not _is_same(DOCS / name, page())]


def _is_same(file: Path, text: str) -> bool:
    return file.exists() and file.read_text() == text


# --- the command line --------------------------------------------------------------------------------


# Where a command is shown at work.
_MORE = {
    "run": "[Team files](team-files.md), [workflows](workflows.md#on-the-command-line), [limits](limits.md), "
    "[the live view and JSON lines](looking.md), "
    "[a team on a server](server.md#a-team-file-on-a-server), [what Ctrl-C does](resuming.md#stopping-on-purpose).",
    "show": "[Looking](looking.md#afterwards).",
    "sessions": "[Looking](looking.md#afterwards).",
    "resume": "[Resuming](resuming.md), [taking over](processes.md#a-driver-that-does-not-let-go).",
    "watch": "[The live view](looking.md#while-it-works), [who drives what](processes.md).",
    "approve": "[Approvals](approvals.md).",
    "send": "[Steering](steering.md#a-message).",
    "interrupt": "[Steering](steering.md#an-interrupt).",
    "cost": "[Money](limits.md#money).",
    "compare": "[One agent or a team](compare.md), with the rule of what follows.",
    "check": "[What it warns of](check.md), [models and prices](models.md).",
    "doctor": "[The sandbox](sandbox.md).",
    "plan make": "[Plans](plans.md).",
    "plan show": "[The file](plans.md#the-file).",
    "plan edit": "[When the plan is wrong](plans.md#when-the-plan-is-wrong).",
    "plan run": "[When a step begins](plans.md#when-a-step-begins), [when it fails](plans.md#when-a-step-fails).",
    "key create": "[Keys of the server](keys.md).",
    "serve": "[The server](server.md), [differences from the hosted service](differences.md).",
}


def cli_page() -> str:
    """Every command with its arguments and options, and the exit codes."""
    group: Any = typer.main.get_command(app)
    parts = [
        "# The command line",
        "`podium` runs teams of agents from [team files](team-files.md), and looks at what they did. Everything it "
        "knows lies in the data folder. Messages begin with `podium:` and go to stderr.",
        "Where a command takes a `SESSION`, that is an id, its beginning or end, or `last`.",
        "## Exit codes",
        _table(("code", "what it says"), [(str(code.value), said) for code, said in MEANING.items()]),
        "A command killed by `kill -9` has no code of its own; its session can be resumed all the same.",
    ]
    for name, command in _commands(group):
        parts += [f"## podium {name}", *_command(name, command)]
    return _page(parts)


def _commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = [it for it in command.params if it.param_type_name == "argument"]
    options = [it for it in command.params if it.param_type_name == "option"]
    named = [_argument(it) if it.required else f"[{_argument(it)}]" for it in arguments]
    yield "    " + " ".join(["podium", name, *named, "[OPTIONS]"])
    yield inspect.cleandoc(command.help)
    rows = [(f"`{_argument(it)}`", it.help, "") for it in arguments]
    rows += [(_option(it), it.help, _default(it)) for it in options]
    yield _table(("", "", "if left out"), rows)
    if name in _MORE:
        yield f"More: {_MORE[name]}"


def _argument(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _option(option: Any) -> str:
    value = "" if option.is_flag else f" {option.metavar or option.name.upper()}"
    return ", ".join(f"`{name}{value}`" for name in [*option.opts, *option.secondary_opts])


def _default(option: Any) -> str:
    variable = f"`${option.envvar}`, or " if option.envvar else ""
    is_plain = option.default is None or option.default is False or option.default == ""
    return variable + ("" if is_plain else f"`{option.default}`")


# --- records -----------------------------------------------------------------------------------------


def records_page() -> str:
    """Every type of record: what it says, and its fields."""
    parts = [
        "# Records",
        "A session's log is a list of records. Each has a `seq`, from 1 without a gap, in the order of commit; the "
        "`thread` that owns it; the time `at` which it was written; and an event, told apart by its `type`. "
        "`podium run --json` prints them, `RunResult.records` and `Podium.watch` give them.",
        "[Public events](#public-events) are what the Managed Agents API sends. [Private facts](#private-facts) are "
        "Podium's own: what the log must know beside them. Values that several records share are [below](#values).",
        "A field that is not required may be left out where it has its default.",
        "## Public events",
        _prose(events.Public),
        "Besides those of its own, each has `id` and `processed_at`.",
    ]
    for kind in get_args(PublicEvent):
        parts += _record(kind, without=("id", "processed_at"))
    parts += ["## Private facts", "No stream of the API shows them. They are named *noun.past*."]
    for kind in get_args(PrivateFact):
        parts += _record(kind)
    parts.append("## Values")
    for kind in _values():
        parts += [f"### {kind.__name__}", _prose(kind), *_fields(kind)]
    return _page(parts)


def _record(kind: Any, *, without: tuple[str, ...] = ()) -> Iterator[str]:
    yield f"### {kind.__struct_config__.tag}"
    yield _prose(kind)
    yield from _fields(kind, without=without)


def _fields(kind: Any, *, without: tuple[str, ...] = ()) -> Iterator[str]:
    tag = kind.__struct_config__.tag if kind in _values() else None
    rows = [("`type`", f"`{tag}`", "")] if tag else []
    for it in msgspec.structs.fields(kind):
        if it.name not in without:
            rows.append((f"`{it.encode_name}`", _told_type(it.type), "required" if it.required else ""))
    if rows:
        yield _table(("field", "", ""), rows)


_OF_RECORDS = (events.__name__, facts.__name__, definitions.__name__)


def _values() -> list[Any]:
    """The structures that stand in fields of records, in the order of the code."""
    every = [it for module in (events, facts, definitions) for it in vars(module).values()]
    records = {events.Public, facts.Private, *get_args(PublicEvent), *get_args(PrivateFact)}
    own = [it for it in every if inspect.isclass(it) and issubclass(it, msgspec.Struct) and it not in records]
    return list(dict.fromkeys(it for it in own if it.__module__ in _OF_RECORDS))


_PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false"}
_NAMED = {"datetime": "time", "Decimal": "exact number, as a text", "dict": "object", "JSON": "any JSON"}


def _told_type(kind: Any) -> str:
    """The type in words, for a cell of a table."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(f"`{it}`" for it in arguments)
    if origin in (Union, UnionType):
        told = [_told_type(it) for it in arguments if it not in (NoneType, msgspec.UnsetType)]
        if "list of any JSON" in told or len(told) > 6:
            return "any JSON"
        null = ", or null" if NoneType in arguments else ""
        return " or ".join(dict.fromkeys(told)) + null + (", or absent" if msgspec.UnsetType in arguments else "")
    if origin is tuple:
        return "content blocks" if _is_content(arguments[0]) else f"list of {_told_type(arguments[0])}"
    if origin is dict:
        value = _told_type(arguments[1])
        return "object" if value == "any JSON" else f"object, of {value} by name"
    if kind in _PLAIN:
        return _PLAIN[kind]
    name = getattr(kind, "__name__", str(kind))
    if inspect.isclass(kind) and issubclass(kind, msgspec.Struct):
        return f"[{name}](#{name.lower()})"
    return _NAMED.get(name, "any JSON")


def _is_content(kind: Any) -> bool:
    return any(getattr(it, "__name__", "") == "ImageBlock" for it in get_args(kind))


# --- files that people write -------------------------------------------------------------------------


def configuration_page() -> str:
    """Every key of podium.toml and of team files."""
    parts = [
        "# Keys of podium.toml and of team files",
        "What they mean, and examples: [models](models.md) for podium.toml, [team files](team-files.md). An unknown "
        "key is an error. A dot stands for a level: `providers.NAME.limits.calls`.",
        "## podium.toml",
        _table(("key", "", "if left out"), _keys(ConfigFile)),
        "## Team files",
        "`podium check --schema` prints the same as a JSON Schema, for editors.",
        _table(("key", "", "if left out"), _keys(TeamFile)),
    ]
    return _page(parts)


def _keys(entry: type[BaseModel], before: str = "") -> Iterator[tuple[str, str, str]]:
    for name, field in entry.model_fields.items():
        below, is_by_name, is_list = _entry_in(field.annotation)
        key = f"{before}{name}" + (".NAME" if is_by_name else "[]" if is_list and below else "")
        if below is None or is_list:
            yield f"`{key.removesuffix('[]')}`", str(field.description), _left_out(field)
        if below is not None:
            if not is_list:
                yield f"`{key}`", f"**{str(field.description).rstrip('.')}**", _left_out(field)
            yield from _keys(below, f"{key}.")


def _entry_in(annotation: Any) -> tuple[type[BaseModel] | None, bool, bool]:
    """The mapping that a key holds; whether several by name, or a list of them."""
    is_by_name, is_list = get_origin(annotation) is dict, get_origin(annotation) is list
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation, False, False
    found = [it for part in get_args(annotation) if (it := _entry_in(part))[0] is not None]
    if found and get_origin(annotation) in (Union, UnionType):
        return found[0]
    return (found[0][0] if found else None), is_by_name, is_list


def _left_out(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`" if isinstance(default, int | float) else ""


# --- the hosted service -------------------------------------------------------------------------------


def differences_page() -> str:
    """Everything that is otherwise than in the hosted service."""
    parts = [
        "# Differences from the hosted service",
        "Programs for Claude Managed Agents run against `podium serve` unchanged: the official SDKs, their events, "
        "statuses and errors. What is otherwise than there is listed here, with the reason; tests hold each entry.",
    ]
    about = ""
    for it in DIFFERENCES:
        if it.about != about:
            about = it.about
            parts.append(f"## {about}")
        parts += [f"### {it.id}", it.what, f"*Why:* {it.why}"]
    return _page(parts)


# --- Markdown ----------------------------------------------------------------------------------------


def _prose(of: Any) -> str:
    """A docstring as paragraphs: what it says of the shape needs no head."""
    text = inspect.cleandoc(of.__doc__ or "")
    paragraphs = [" ".join(lines.split()) for lines in text.replace("\nUnits:", "\n\nUnits:").split("\n\n")]
    paragraphs = [it.removeprefix("Shape: ") for it in paragraphs]
    return "\n\n".join(it[0].upper() + it[1:] for it in paragraphs if it)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(heads), *(list(row) for row in rows)]
    while lines and len(lines[0]) > 2 and not any(row[-1] for row in lines[1:]):
        lines = [row[:-1] for row in lines]
    drawn = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines]
    drawn = [line.replace("  |", " |") for line in drawn]
    return "\n".join([drawn[0], "|" + "---|" * len(lines[0]), *drawn[1:]])


def _page(parts: Iterable[str]) -> str:
    return "\n\n".join([ORIGIN, *parts]) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "configuration.md": configuration_page,
    "differences.md": differences_page,
    "records.md": records_page,
}


if __name__ == "__main__":
    main()
