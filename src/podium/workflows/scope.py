"""Where the code of a workflow is: the branch that makes a call, and the line of the user's code that it stands in."""

import asyncio
import os
import sys
from contextvars import Context, ContextVar, copy_context
from pathlib import Path

PODIUM = Path(__file__).parent.parent
OURS = tuple(
    f"{folder}{os.sep}" for folder in (PODIUM / "workflows", PODIUM / "patterns", Path(asyncio.__file__).parent)
)
LOOP = "run_until_quiet"  # above it, in a file of ours, stands who runs the program


class Scope:
    """A branch of the code, which counts what it does: so a call has a place, whatever other branches do meanwhile.

    Shape: `place` is the line that the branch was begun in.
    """

    def __init__(self, prefix: str = "", place: str = "") -> None:
        self._prefix = prefix
        self._count = 0
        self.place = place

    def next(self) -> str:
        """The place of what the branch does now."""
        self._count += 1
        return f"{self._prefix}{self._count}"


SCOPE: ContextVar[Scope] = ContextVar("scope")  # of the branch that runs


def branch(place: str, at: str) -> Context:
    """The context of a branch that begins in this line, and whose places are those below this one."""
    context = copy_context()
    context.run(SCOPE.set, Scope(f"{place}/", at))
    return context


def task_context() -> Context | None:
    """The context of a task that the code begins here: a branch of its own."""
    scope = SCOPE.get(None)
    return None if scope is None else branch(scope.next(), line())


def is_ours(file: str) -> bool:
    """Whether code of this file is what a workflow's code is run by, or a ready pattern, and not the user's."""
    return file.startswith(OURS)


def line() -> str:
    """Where in the user's code the call stands: "function, file:line"; "" if none of it is on the stack."""
    frame = sys._getframe(1)
    while is_ours(frame.f_code.co_filename):
        if frame.f_code.co_name == LOOP or frame.f_back is None:
            return ""
        frame = frame.f_back
    where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
    while frame.f_code.co_name.startswith("<") and frame.f_back is not None:  # a comprehension
        if is_ours(frame.f_back.f_code.co_filename):
            break
        frame = frame.f_back
    return f"{frame.f_code.co_name}, {where}"
