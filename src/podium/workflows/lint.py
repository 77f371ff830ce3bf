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
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from podium.workflows.workflow import Workflow

_CLOCKS: tuple[Any, ...] = (
    *(getattr(time, name) for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "localtime")),
    *(getattr(datetime.datetime, name) for name in ("now", "utcnow", "today")),
    datetime.date.today,
)
_TIMERS: tuple[Any, ...] = (asyncio.sleep, asyncio.wait_for, asyncio.timeout, asyncio.timeout_at, time.sleep)
_FILES = ("read_text", "read_bytes", "write_text", "write_bytes")  # of a path, whatever it is called
_LOCAL = frozenset(["nt", "os", "posix", "shutil", "sqlite3", "subprocess", "tempfile"])
_NETWORK = frozenset(["aiohttp", "boto3", "httpx", "psycopg", "requests", "socket", "urllib", "urllib3"])
_RANDOM = frozenset(["secrets", "uuid"])


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
        for line, name, called in _calls(function):
            if (said := _judged(name, called)) is not None:
                found[line, name] = Slip(line, said)
            below = called.function if isinstance(called, Workflow) else called
            if isinstance(below, FunctionType) and below.__module__ == function.__module__:
                waiting.append(below)
    return [found[key] for key in sorted(found)]


def _judged(name: str, called: Any) -> str | None:
    """What is wrong with the code itself calling this."""
    if _is_one(called, _TIMERS):
        return f"{name}(...) waits by the clock, which a workflow cannot: give the call limits=Limits(seconds=...)"
    if _is_one(called, _CLOCKS):
        return f"{name}() reads a clock: write `await run.step({name})`"
    root = (getattr(called, "__module__", None) or "").partition(".")[0]
    if isinstance(getattr(called, "__self__", None), random.Random) or root in _RANDOM:
        return f"{name}(...) is another each time: write `await run.step({name}, ...)`"
    is_file = called is None and name.rpartition(".")[2] in _FILES
    if (
        is_file
        or called in (open, input)
        or (callable(called) and root in _LOCAL | _NETWORK)
        or _is_environment(called)
    ):
        return f"{name}(...) reads or changes what is outside: put it in a function, and `await run.step(function)`"
    return None


def _is_one(called: Any, known: tuple[Any, ...]) -> bool:
    return called is not None and any(called == each for each in known)


def _is_environment(called: Any) -> bool:
    return getattr(called, "__self__", None) is os.environ


def _calls(function: FunctionType) -> Iterator[tuple[int, str, Any]]:
    """Line, words and, where it is known, what is called, of each call of the code itself."""
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return
    look = _names(function)
    for node in _own(tree.body[0]):
        if isinstance(node, ast.Call):
            yield first + node.lineno - 1, ast.unparse(node.func), look(node.func)


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
        if not isinstance(node, ast.Name) or node.id in local:
            return None
        return held.get(node.id, function.__globals__.get(node.id, getattr(builtins, node.id, None)))

    return look
