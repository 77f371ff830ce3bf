"""What a workflow is: an async function that calls agents, with its name, its phases and the agents that it names."""

import ast
import dis
import hashlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, get_type_hints, overload

from podium.core.definitions import Agent
from podium.core.json import JSON, canonical
from podium.core.rows import WORKFLOW
from podium.errors import BadInput
from podium.workflows.values import checked_text, from_json

Code = Callable[..., Coroutine[Any, Any, Any]]
MOST_NAME, MOST_DESCRIPTION = 64, 256  # characters. Source: contract D.6


class Workflow:
    """An async function that calls agents. Made by the decorator `workflow`.

    Shape: its first parameter is the run; the others are its input. With one, that is the input itself; with several,
    the input is an object with their names. `phases` are the names that it begins phases by, as far as they can be
    read from its source, or were given. `agents` are those that the function names, or that were given.
    """

    def __init__(
        self,
        function: Code,
        *,
        name: str = "",
        description: str = "",
        phases: Sequence[str] | None = None,
        agents: Sequence[Agent] | None = None,
    ) -> None:
        self.function = function
        called = getattr(function, "__name__", "")
        where = f"workflow '{name or called}'"
        if not inspect.iscoroutinefunction(function):
            raise BadInput(f"{where}: a workflow is an `async def` function, not {function!r:.80}")
        self.name = _text(name or called, f"{where}: name", MOST_NAME)
        first = (inspect.getdoc(function) or "").partition("\n")[0]
        self.description = _text(description or first[:MOST_DESCRIPTION], f"{where}: description", MOST_DESCRIPTION)
        if not any(op.opname in _AWAITS for op in dis.get_instructions(function)):
            raise BadInput(f"{where} awaits nothing, so it would end before its calls do; await them")
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError) as error:
            raise BadInput(f"{where}: its signature cannot be read: {error}") from None
        if not parameters or any(each.kind not in _PLAIN for each in parameters):
            raise BadInput(f"{where} takes the run, and then its input in parameters that each have a name")
        self.parameters = parameters[1:]
        self.types = _hints(function)
        self.phases = tuple(phases) if phases is not None else tuple(dict.fromkeys(_literal_phases(function)))
        for phase in self.phases:
            _text(phase, f"{where}: phase", MOST_NAME)
        self.agents = tuple(agents) if agents is not None else tuple(_named_agents(function))
        for agent in self.agents:
            if not isinstance(agent, Agent):
                raise BadInput(f"{where}: agents takes Agent(...) objects, not {agent!r:.80}")
        self.__doc__ = function.__doc__
        self.__name__ = called

    def __call__(self, *args: Any, **named: Any) -> Coroutine[Any, Any, Any]:
        """The code itself, as a part of another workflow: `await other(run, ...)`."""
        return self.function(*args, **named)

    @property
    def source(self) -> str:
        """SHA-256 of the function's source, or "" where that cannot be read."""
        text = _source(self.function)
        return hashlib.sha256(text.encode()).hexdigest() if text else ""

    @property
    def need(self) -> str:
        """What a session that runs it needs: "workflow:PLACE:NAME@SHA256", the place a file, or else a module."""
        module = sys.modules.get(self.function.__module__)
        file = getattr(module, "__file__", None)
        is_there = module is not None and file is not None and getattr(module, self.__name__, None) is self
        place = str(Path(str(file)).resolve()) if is_there else self.function.__module__
        return f"{WORKFLOW}{place}:{self.__name__}@{self.source}"

    def whole_input(self, given: JSON) -> JSON:
        """The input that the log keeps for what is given: here that itself. Errors: BadInput."""
        return given

    def as_started(self, input: JSON) -> "Workflow":
        """The workflow as a run with this input was started with it: here itself."""
        return self

    def arguments(self, input: JSON) -> Mapping[str, Any]:
        """What the function is called with. Errors: BadInput for an input that does not fit."""
        what = f"the input of workflow '{self.name}'"
        names = [each.name for each in self.parameters]
        if not names:
            if input not in (None, ""):
                raise BadInput(f"{what}: it takes none, and was given {input!r:.80}")
            return {}
        if len(names) == 1:
            return {names[0]: from_json(input, self.types.get(names[0], Any), what)}
        if not isinstance(input, dict):
            raise BadInput(f"{what} is an object with {', '.join(names)}, not {input!r:.80}")
        if unknown := [name for name in input if name not in names]:
            raise BadInput(f"{what} has no '{unknown[0]}' (it has: {', '.join(names)})")
        missing = [each.name for each in self.parameters if each.default is each.empty and each.name not in input]
        if missing:
            raise BadInput(f"{what} lacks {', '.join(missing)}")
        return {name: from_json(value, self.types.get(name, Any), f"{what}, {name},") for name, value in input.items()}

    def shown(self, input: JSON) -> str:
        """The input in words: the session's first message, and what it is called by."""
        said = input if isinstance(input, str) else canonical(input).decode()
        return said if said.strip() else "(no input)"

    def parsed(self, text: str) -> JSON:
        """The input that a text on the command line stands for: itself where the workflow takes a text, else JSON."""
        import msgspec

        takes_text = len(self.parameters) == 1 and self.types.get(self.parameters[0].name, str) in (str, Any)
        if takes_text or not self.parameters:
            return text
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise BadInput(f"the input of workflow '{self.name}' is JSON, and {text!r:.80} is not: {error}") from None

    def returned(self, output: JSON) -> Any:
        """What the function returned, as its annotation says; as JSON, if that has no such type."""
        return from_json(output, self.types.get("return", Any), f"what workflow '{self.name}' returns", or_plain=True)

    def __repr__(self) -> str:
        return f"<Workflow {self.name}>"


_AWAITS = ("GET_AWAITABLE", "GET_ANEXT")  # await and async with; async for
_PLAIN = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@overload
def workflow(function: Code, /) -> Workflow: ...
@overload
def workflow(
    *,
    name: str = "",
    description: str = "",
    phases: Sequence[str] | None = None,
    agents: Sequence[Agent] | None = None,
) -> Callable[[Code], Workflow]: ...
def workflow(function: Code | None = None, /, **how: Any) -> Workflow | Callable[[Code], Workflow]:
    """Make a workflow of an async function: its calls are durable, and it goes on where it was.

    Shape: the first parameter is the `WorkflowRun`, the others are the input. `name` and `description` are the
    function's own if not given, `phases` the literals it begins phases with, `agents` those that stand in the names it
    uses: they are checked before anything starts.
    Errors: BadInput for what is no async function, or awaits nothing.
    """
    if function is None:
        return lambda function: Workflow(function, **how)
    return Workflow(function)


def _text(value: Any, what: str, most: int) -> str:
    if not isinstance(value, str) or (not value and "description" not in what) or len(value) > most:
        raise BadInput(f"{what} is a text of at most {most} characters, not {value!r:.80}")
    return checked_text(value, what)


def _hints(function: Code) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except Exception:  # names that cannot be looked up here: the values are taken as JSON
        return {}


def _source(function: Code) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""


def _literal_phases(function: Code) -> Iterator[str]:
    """The names in calls such as run.phase("research")."""
    try:
        tree = ast.parse(textwrap.dedent(_source(function)))
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "phase":
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value[:MOST_NAME]


def _named_agents(function: Code) -> Iterator[Agent]:
    """The agents that stand in the names the function uses."""
    seen: set[int] = set()
    for value in _used(function):
        values = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else [value]
        for each in values:
            if isinstance(each, Agent) and id(each) not in seen:
                seen.add(id(each))
                yield each


def _used(function: Any) -> Iterator[Any]:
    """The values of the names that the function uses, as far as they have one by now."""
    for name in function.__code__.co_names:
        if name in function.__globals__:
            yield function.__globals__[name]
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # the name of the workflow itself, or of what is made after it
            yield cell.cell_contents
