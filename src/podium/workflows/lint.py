"""What a workflow's own code does that its rules leave to `run.step`, as far as the source shows it.

docs/workflow-rules.md says why. What is behind other modules' functions is not looked into.
"""

import ast
import asyncio
import builtins
import datetime
import inspect
import os
import random
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import FunctionType
from typing import Any

from podium.workflows.workflow import Workflow

_CLOCKS: tuple[Any, ...] = (
    *(getattr(time, f"{name}{unit}") for name in ("time", "monotonic", "perf_counter") for unit in ("", "_ns")),
    *(getattr(time, f"{name}{unit}") for name in ("process_time", "thread_time") for unit in ("", "_ns")),
    *(getattr(datetime.datetime, name) for name in ("now", "utcnow", "today")),
    datetime.date.today,
)
# What these make of the time that they are given, and with no more arguments than so many, of now.
_OF_NOW: tuple[tuple[Any, int], ...] = (
    *((getattr(time, name), 0) for name in ("gmtime", "localtime", "ctime", "asctime")),
    (time.strftime, 1),
)
_TIMERS: tuple[Any, ...] = (asyncio.sleep, asyncio.wait_for, asyncio.timeout, asyncio.timeout_at, time.sleep)
_ASIDE: tuple[Any, ...] = (
    asyncio.to_thread,
    asyncio.create_subprocess_exec,
    asyncio.create_subprocess_shell,
    asyncio.open_connection,
)
_FILES = frozenset(  # of a path, whatever it is called
    [
        "exists",
        "is_dir",
        "is_file",
        "iterdir",
        "mkdir",
        "read_bytes",
        "read_text",
        "unlink",
        "write_bytes",
        "write_text",
    ]
)
_LOCAL = frozenset(["genericpath", "nt", "os", "posix", "shutil", "sqlite3", "subprocess", "tempfile"])
_NETWORK = frozenset(["aiohttp", "boto3", "httpx", "psycopg", "requests", "socket", "urllib", "urllib3"])
_RANDOM: tuple[Any, ...] = (uuid.uuid1, uuid.uuid4, random.SystemRandom)


@dataclass(frozen=True)
class Slip:
    """Something that the code does by itself. Shape: `line` of the file; `said` names the call and the remedy."""

    line: int
    said: str


def lint(workflow: Workflow) -> list[Slip]:
    """What the workflow and the functions of its own module that it calls do, by line; each line once for each call."""
    found: dict[tuple[int, str], Slip] = {}
    seen: set[FunctionType] = set()
    waiting: list[Any] = [workflow.function]
    for function in waiting:
        if function in seen or not isinstance(function, FunctionType):
            continue
        seen.add(function)
        for line, name, called, arguments in _calls(function):
            if (said := _judged(name, called, arguments)) is not None:
                found[line, name] = Slip(line, said)
            below = called.function if isinstance(called, Workflow) else called
            if isinstance(below, FunctionType) and below.__module__ == function.__module__:
                waiting.append(below)
    return [found[key] for key in sorted(found)]


def _judged(name: str, called: Any, arguments: int) -> str | None:
    """What is wrong with the code itself calling this."""
    if _is_one(called, _TIMERS):
        return f"{name}(...) waits by the clock, which a workflow cannot: give the call limits=Limits(seconds=...)"
    if _is_one(called, _CLOCKS) or any(called == each and arguments <= most for each, most in _OF_NOW):
        more = ", ..." if arguments else ""
        return f"{name}() reads a clock: write `await run.step({name}{more})`"
    root = (getattr(called, "__module__", None) or "").partition(".")[0]
    of = getattr(called, "__self__", None)
    is_unseeded = called is random.Random and not arguments
    if isinstance(of, random.Random) or is_unseeded or root == "secrets" or _is_one(called, _RANDOM):
        return f"{name}(...) is another each time: write `await run.step({name}, ...)`"
    is_local = callable(called) and root in _LOCAL | _NETWORK
    if is_local or of is os.environ or called is os.environ or _is_one(called, (open, input, *_ASIDE)):
        return _outside(name)
    return _outside(name) if _is_file(name.rpartition(".")[2], called, of) else None


def _is_file(name: str, called: Any, of: Any) -> bool:
    """Whether this is a method of a path that looks at the disk: one that mere names of files have not."""
    is_of_path = isinstance(of, Path) or (isinstance(of, type) and issubclass(of, Path))
    if is_of_path or str(getattr(called, "__module__", None)).startswith("pathlib"):
        return not (isinstance(called, type) or hasattr(PurePath, name))
    return called is None and name in _FILES


def _outside(name: str) -> str:
    brackets = "" if name.endswith("]") else "(...)"
    return f"{name}{brackets} reads or changes what is outside: put it in a function, and `await run.step(function)`"


def _is_one(called: Any, known: tuple[Any, ...]) -> bool:
    return called is not None and any(called == each for each in known)


def _calls(function: FunctionType) -> Iterator[tuple[int, str, Any, int]]:
    """Line, words, what is called where it is known, and number of arguments, of each call of the code itself.

    Shape: a look into the environment, as in os.environ["HOME"], is a call of it.
    """
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return
    look = _names(function)
    for node in _own(tree.body[0]):
        if isinstance(node, ast.Call):
            arguments = len(node.args) + len(node.keywords)
            yield first + node.lineno - 1, ast.unparse(node.func), look(node.func), arguments
        elif isinstance(node, ast.Subscript) and look(node.value) is os.environ:
            yield first + node.lineno - 1, f"{ast.unparse(node.value)}[...]", os.environ, 1


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when the function runs: not those of plain functions in it, which may be for `run.step`."""
    for node in ast.iter_child_nodes(function):
        if isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            continue
        yield node
        yield from _own(node)


def _names(function: FunctionType) -> Callable[[ast.expr], Any]:
    """Looks up a name such as time.time as the function would; None for what is not known before it runs."""
    code = function.__code__
    held: dict[str, Any] = {}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # nothing is in it yet
            held[name] = cell.cell_contents
    local = frozenset(code.co_varnames + code.co_cellvars)

    def look(node: ast.expr) -> Any:
        if isinstance(node, ast.Attribute):
            return getattr(look(node.value), node.attr, None)
        if isinstance(node, ast.Call):  # what a class makes has its methods
            made = look(node.func)
            return made if isinstance(made, type) else None
        if not isinstance(node, ast.Name) or node.id in local:
            return None
        return held.get(node.id, function.__globals__.get(node.id, getattr(builtins, node.id, None)))

    return look
