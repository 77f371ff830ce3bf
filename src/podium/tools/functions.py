"""Python functions as tools: the signature is the schema, the docstring the description."""

import asyncio
import inspect
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar, get_type_hints, overload

import msgspec

from podium.core.content import text
from podium.core.json import JSON
from podium.core.ports import Sandbox, ToolCall, ToolOutcome
from podium.errors import BadInput

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__podium_tool__"


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(*, name: str = "", description: str = "", idempotent: bool = False) -> Callable[[F], F]: ...
def tool(
    function: F | None = None, /, *, name: str = "", description: str = "", idempotent: bool = False
) -> F | Callable[[F], F]:
    """Say more about a function that is used as a tool; a plain function needs no decorator.

    Shape: `idempotent`: running it twice with the same input does no harm, so after a crash it may run again. Without
    it, the model is told that the outcome is unknown.
    """

    def mark(function: F) -> F:
        setattr(function, _MARK, {"name": name, "description": description, "idempotent": idempotent})
        return function

    return mark if function is None else mark(function)


class FunctionTool:
    """The Tool port on a Python function, which runs in this process and not in a sandbox.

    Shape: the function's parameters, with their type hints, become the input schema; what it returns becomes text as it
    is, or JSON. A plain function runs in a thread of its own, which a cancelled call cannot stop.
    Errors: BadInput for a signature that cannot become a schema.
    """

    needs_sandbox = False

    def __init__(self, function: Callable[..., Any], where: str) -> None:
        marked: dict[str, Any] = getattr(function, _MARK, {})
        self.name = str(marked.get("name") or getattr(function, "__name__", type(function).__name__))
        self.description = str(marked.get("description") or inspect.getdoc(function) or self.name)
        self.idempotent = bool(marked.get("idempotent", False))
        self.function = function
        self._is_async = inspect.iscoroutinefunction(function)
        self._arguments = _arguments(function, self.name, where)
        self._names = tuple(self._arguments.model_fields)
        self.input_schema: dict[str, JSON] = self._arguments.model_json_schema()
        self.input_schema.pop("title", None)

    async def run(self, call: ToolCall, sandbox: Sandbox | None) -> ToolOutcome:
        from pydantic import ValidationError

        try:
            arguments = self._arguments.model_validate(call.input)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            return ToolOutcome(content=text(f"the input does not fit '{self.name}': {wrong}"), is_error=True)
        given = {name: getattr(arguments, name) for name in self._names}
        if self._is_async:
            result = await self.function(**given)
        else:
            result = await in_thread(lambda: self.function(**given), self.name)
            if inspect.isawaitable(result):
                result = await result
        return ToolOutcome(content=text(_as_text(result)))


async def in_thread(function: Callable[[], Any], name: str) -> Any:
    """What the function returns, from a thread of its own.

    Not from a pool: one that hangs would take the place of others, and keep the program from ending.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if done.done():  # the call was cancelled
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(RuntimeError("StopIteration") if isinstance(error, StopIteration) else error)

    def work() -> None:
        result, error = None, None
        try:
            result = function()
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=copy_context().run, args=(work,), name=f"tool {name}", daemon=True).start()
    return await done


def _arguments(function: Callable[..., Any], name: str, where: str) -> Any:
    """A Pydantic model of the function's parameters."""
    from pydantic import ConfigDict, create_model
    from pydantic.errors import PydanticUserError

    try:
        hints = get_type_hints(
            function if inspect.isroutine(function) else type(function).__call__, include_extras=True
        )
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError, NameError) as error:
        raise BadInput(f"{where}: the signature of tool '{name}' cannot be read: {error}") from None
    fields: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise BadInput(f"{where}: tool '{name}' takes '{parameter}'; a tool's parameters must each have a name")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints.get(parameter.name, Any), default)
    try:
        return create_model(name, __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=False), **fields)
    except (PydanticUserError, NameError, TypeError) as error:
        raise BadInput(f"{where}: a parameter of tool '{name}' has no JSON form: {error}") from None


def _as_text(result: Any) -> str:
    if isinstance(result, str):
        return result
    dump = getattr(result, "model_dump_json", None)
    return str(dump()) if dump is not None else msgspec.json.encode(result).decode()
