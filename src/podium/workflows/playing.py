"""The Program port on a Python workflow."""

import asyncio
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import copy_context
from pathlib import Path
from typing import Any

from podium.core.json import JSON
from podium.core.program import Move, Raised, Returned, Told
from podium.errors import BadInput, CallFailed, PodiumError
from podium.workflows.loop import ProgramLoop, Spinning
from podium.workflows.run import InThread, Pin, WorkflowRun
from podium.workflows.scope import is_ours
from podium.workflows.values import to_json
from podium.workflows.workflow import Workflow

CANCELLED = "the workflow's own code cancelled what it was waiting for, and did not catch that"
UNNOTICED = "the workflow returned, and nobody has awaited a task of it that failed"
SPINNING = (
    "the workflow's code goes in circles without ever waiting for a call: await a call or a task itself, or the first "
    "of several by asyncio.wait, instead of asking again and again whether it is done"
)


class PythonProgram:
    """A workflow as a program of this process.

    Shape: `new_pin` gives each play what makes definitions of the agents that it calls, and keeps their tools;
    `in_thread` runs what blocks; `workdir` gives the folder that the agents share.
    """

    def __init__(
        self, workflow: Workflow, new_pin: Callable[[], Pin], in_thread: InThread, workdir: Callable[[], Path]
    ) -> None:
        self.workflow = workflow
        self.name = workflow.name
        self.description = workflow.description
        self.phases: Sequence[str] = workflow.phases
        self.source = workflow.source
        self._new_pin = new_pin
        self._in_thread = in_thread
        self._workdir = workdir

    def play(self, input: JSON) -> "PythonPlaying":
        """Begin it, from its top. Errors: BadInput for an input that does not fit."""
        arguments = self.workflow.arguments(input)
        loop = ProgramLoop()  # type: ignore[abstract]  # what is left out raises NotImplementedError
        run = WorkflowRun(loop, self._new_pin(), self._in_thread, self._workdir)
        return PythonPlaying(self.workflow, arguments, loop, run)


class PythonPlaying:
    """A workflow's code under way, on a loop of its own."""

    def __init__(self, workflow: Workflow, arguments: Mapping[str, Any], loop: ProgramLoop, run: WorkflowRun) -> None:
        self._workflow = workflow
        self._arguments = arguments
        self._loop = loop
        self._run = run
        self._main: asyncio.Task[Any] | None = None

    async def go_on(self, told: Told | None) -> Sequence[Move]:
        """Tell it what came of a call, and run it until it waits; what it did."""
        if told is not None:
            await self._run.restore(told)
        outer = asyncio.get_running_loop()
        done: asyncio.Future[Sequence[Move]] = outer.create_future()
        # In a callback of its own: an event loop does not let one task run inside another.
        outer.call_soon(self._play, told, done)
        return await done

    def close(self) -> None:
        """Drop it where it stands."""
        self._run.is_dropped = True
        # Code that swallows its end is ended once more when it is forgotten: what it asks for then must still wait.
        self._run.is_dropped = not self._loop.drop()
        self._run.is_over = True

    def _play(self, told: Told | None, done: "asyncio.Future[Sequence[Move]]") -> None:
        if done.done():  # who asked was cancelled: the program is dropped
            return
        end: Returned | Raised | None
        try:
            if told is None:
                context = copy_context()
                context.run(self._run.begin_scope)
                code = self._workflow.function(self._run, **self._arguments)
                self._main = self._loop.create_task(code, context=context)
            else:
                self._run.told(told)
            self._loop.run_until_quiet()
            end = self._ended()
        except Spinning:
            end = Raised(error=SPINNING)
        except SystemExit as error:
            end = Raised(error=f"the workflow called sys.exit({error.code!r})")
        except Exception as error:
            done.set_exception(error)
            return
        if end is not None:
            self._run.is_over = True
        moves, self._run.moves = self._run.moves, []
        done.set_result(moves if end is None else [*moves, end])

    def _ended(self) -> Returned | Raised | None:
        """How the code ended, if it has."""
        main = self._main
        if main is None or not main.done():
            return None
        if main.cancelled():
            return Raised(error=CANCELLED)
        if (error := main.exception()) is not None:
            return Raised(error=_said(error), because=frozenset(_because(error, set())))
        if failed := self._loop.unnoticed():
            more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
            keys = frozenset(key for each in failed for key in _because(each, set()))
            return Raised(error=f"{UNNOTICED}{more}: {_said(failed[0])}", because=keys)
        if unawaited := self._run.unawaited.left():
            named = ", ".join(f"'{call.name}' ({call.place})" for call in unawaited[:5])
            more = f" and {len(unawaited) - 5} more" if len(unawaited) > 5 else ""
            return Raised(
                error=f"the workflow returned and never awaited {named}{more}: await it, give it to run.gather, or "
                "cancel() it if its result is not needed"
            )
        try:
            return Returned(output=to_json(main.result(), f"what workflow '{self._workflow.name}' returns"))
        except BadInput as unfit:
            return Raised(error=str(unfit))


def _because(error: BaseException, seen: set[int]) -> Iterator[str]:
    """The keys of the calls whose failure this error is, or was raised for, or while that was handled."""
    if id(error) in seen:
        return
    seen.add(id(error))
    if isinstance(error, CallFailed):
        yield from error.keys
    elif error.__context__ is not None and not error.__suppress_context__:
        yield from _because(error.__context__, seen)
    if error.__cause__ is not None:
        yield from _because(error.__cause__, seen)
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _because(each, seen)


def _said(error: BaseException) -> str:
    """The error in words, with the place in the user's code where it was raised."""
    said = str(error) if isinstance(error, PodiumError) else f"{type(error).__name__}: {error}"
    if isinstance(error, BaseExceptionGroup):
        said += "".join(f"; {_said(each)}" for each in error.exceptions)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not is_ours(frame.filename)]
    if not frames or isinstance(error, CallFailed):
        return said
    last = frames[-1]
    return f"{said} ({last.filename.rsplit('/', 1)[-1]}:{last.lineno}, in {last.name})"
