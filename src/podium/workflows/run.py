"""What a workflow's code sees of its run: agents to call, gathers, phases, checkpoints, functions that run once."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import ContextVar, copy_context
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from podium.core.content import plain
from podium.core.definitions import Agent, Definition, Limits
from podium.core.facts import CallLimits
from podium.core.json import JSON
from podium.core.program import Ask, AskAgent, AskFunction, AskPerson, BeginPhase, Move, Told, Withdraw
from podium.errors import BadInput
from podium.workflows.calls import Call, CallResult, Result, failure
from podium.workflows.joins import Gathered, Join, Joining
from podium.workflows.loop import ProgramLoop
from podium.workflows.scope import Scope, line
from podium.workflows.values import check_readable, checked_text, context_text, from_json, to_json, typed

if TYPE_CHECKING:
    from podium.patterns.given import How
    from podium.patterns.handoff import Handoff
    from podium.patterns.verify import Verified

T = TypeVar("T")
Pin = Callable[[Agent], tuple[Definition, Mapping[str, Definition]]]
InThread = Callable[[Callable[[], Any], str], Awaitable[Any]]
MOST_NAME = 64  # characters. Source: contract D.6
MOST_RETRIES = 100


_scope: ContextVar[Scope] = ContextVar("scope")


class WorkflowRun:
    """A run of a workflow, as its code sees it.

    Every method but `gather` and `verify` does its work when it is called; what it returns is awaited for the result.
    """

    def __init__(self, loop: ProgramLoop, pin: Pin, in_thread: InThread) -> None:
        self._loop = loop
        self._pin = pin
        self._in_thread = in_thread
        self._scope = Scope()  # of the workflow itself
        self._pinned: dict[tuple[int, int], tuple[Any, Agent, Definition, Mapping[str, Definition]]] = {}
        self._open: dict[str, tuple[Call[Any], Ask, Result, int]] = {}  # by key; with the retries that are left
        self.calls: list[Call[Any]] = []  # those that nobody has awaited when last looked
        self.moves: list[Move] = []
        self.is_over = False
        self.is_dropped = False  # then what it asks for comes to nothing

    # --- what the code calls -------------------------------------------------------------------------

    def agent(
        self,
        agent: Agent,
        task: Any,
        *,
        context: Any = None,
        expected_output: str = "",
        output_schema: Any = None,
        limits: Limits | None = None,
        name: str = "",
        retries: int = 0,
    ) -> Call[CallResult]:
        """Have an agent do a task, in a thread of its own. It begins at once; await it for the result.

        Shape: `task` is a text, or what the agent's `input_schema` wants. `context` is all it is told beside: a text, a
        result of another call, a gather's, a mapping of names to these, or a list. `output_schema` takes the place of
        the agent's own. `limits` narrow the agent's. `name` is what people see. A call that failed, or ran out of
        time, is made again up to `retries` times.
        Errors: BadInput at once; CallFailed when awaited, with how it ended.
        """
        self._check("run.agent")
        if not isinstance(agent, Agent):
            raise BadInput(f"run.agent takes an Agent(...), not {agent!r:.80}")
        where = f"run.agent({agent.name!r}, ...)"
        if limits is not None and type(limits) is not Limits:
            raise BadInput(
                f"{where}: limits are Limits(turns=..., seconds=..., tokens=..., usd=...), not {limits!r:.80}"
            )
        meant, definition, team = self._pinned_of(agent, output_schema)
        ask = AskAgent(
            key=self._next(),
            name=_name(name, where) or agent.name,
            place=_place(),
            definition=definition,
            team=team,
            given=_given(agent, task, context, expected_output, where),
            limits=_call_limits(limits),
        )

        def result(told: Told, attempts: int) -> CallResult:
            is_typed = told.output is not None
            return CallResult(
                name=ask.name,
                agent=agent.name,
                made_by=meant,
                output=typed(told.output, meant.output_schema) if is_typed else plain(told.content),
                text=plain(told.content),
                thread_id=told.thread,
                attempts=attempts,
                corrections=told.corrections,
                usage=told.usage,
                cost_usd=told.usd,
            )

        return self._call(ask, result, _retries(retries, where))

    @overload
    def step(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any, **how: Any) -> Call[T]: ...
    @overload
    def step(self, function: Callable[..., T], *args: Any, **how: Any) -> Call[T]: ...
    def step(
        self,
        function: Callable[..., Any],
        *args: Any,
        name: str = "",
        returns: Any = None,
        idempotent: bool = False,
        retries: int = 0,
    ) -> Call[Any]:
        """Run a function once, and keep its result in the log: for clocks, randomness, files, the network.

        Shape: arguments and result are JSON; `returns` is the type that the result is read back as, that of the
        function's annotation if not given, as far as JSON has it. After a crash its outcome is unknown, unless it is
        `idempotent`: then it runs again. A plain function runs in a thread of its own.
        Errors: BadInput at once; CallFailed when awaited, if it raised, or its process ended while it ran.
        """
        self._check("run.step")
        if not callable(function):
            raise BadInput(f"run.step takes a function and its arguments, not {function!r:.80}")
        called = _name(name, "run.step") or getattr(function, "__name__", type(function).__name__)
        where = f"run.step({called}, ...)"
        if returns is not None:
            check_readable(returns, f"what {where} returns")
        wanted = returns if returns is not None else _returns(function)
        in_thread = self._in_thread

        async def do() -> JSON:
            if inspect.iscoroutinefunction(function):
                value = await function(*args)
            else:
                value = await in_thread(lambda: function(*args), called)
                if inspect.isawaitable(value):
                    value = await value
            return to_json(value, f"what {where} returns")

        ask = AskFunction(
            key=self._next(),
            name=called,
            place=_place(),
            given=to_json(list(args), f"the arguments of {where}"),
            do=do,
            idempotent=idempotent,
        )

        def result(told: Told, attempts: int) -> Any:
            return from_json(told.output, wanted, f"what {where} returns", or_plain=True)

        return self._call(ask, result, _retries(retries, where))

    def checkpoint(self, description: str, *, payload: Any = None) -> Call[None]:
        """Ask a person for a yes, and wait for it: in the terminal, by a callback, or through the API.

        Shape: `payload` is shown with the description: exactly what will be done.
        Errors: BadInput at once; Denied when awaited, with the reason, if the answer is no.
        """
        self._check("run.checkpoint")
        if not isinstance(description, str) or not description.strip():
            raise BadInput(f"run.checkpoint takes a text that says what is to be allowed, not {description!r:.80}")
        checked_text(description, "the description of a checkpoint")
        given = {"description": description, "payload": to_json(payload, "the payload of a checkpoint")}
        ask = AskPerson(key=self._next(), name=description[:MOST_NAME], place=_place(), given=given)
        return self._call(ask, lambda told, _: None, 0)

    def phase(self, name: str) -> None:
        """What follows belongs to this phase; the one before is over. It is shown, and costs are told by it."""
        self._check("run.phase")
        if not isinstance(name, str) or not _name(name, "run.phase"):
            raise BadInput(f"run.phase takes a name, not {name!r:.80}")
        self.moves.append(BeginPhase(key=self._next(), name=name, place=_place()))

    async def gather(self, *calls: Awaitable[Any], join: Join = "all") -> Gathered[Any]:
        """Wait for several calls, or branches of your own code, at once; results in their order.

        Shape: by the rule `join` it is over when "all" have succeeded, "any" has, `n_of(k)` have, or with
        "best_effort" when all have ended in some way. What is left then is stopped; what is missing is told by
        `.missing`.
        Errors: JoinFailed as soon as the rule cannot be met any more. What is no CallFailed in a branch goes through.
        """
        self._check("run.gather")
        key, place = self._next(), _place()
        futures: list[asyncio.Future[Any]] = []
        names: list[str] = []
        for index, each in enumerate(calls):
            if isinstance(each, Call):
                each.is_awaited = True
                futures.append(each.future)
                names.append(each.name)
            elif asyncio.isfuture(each):
                futures.append(each)
                names.append(f"branch {index}")
            elif inspect.iscoroutine(each):
                context = copy_context()
                context.run(_scope.set, Scope(f"{key}.{index}/", place))
                futures.append(self._loop.create_task(each, context=context))
                names.append(getattr(each, "__name__", f"branch {index}"))
            else:
                raise BadInput(f"run.gather takes calls and coroutines, not {each!r:.80}")
        return await Joining(futures, names, join).gathered()

    async def verify(
        self,
        draft: Any,
        *,
        by: Agent,
        against: Any = None,
        attempts: int = 3,
        reviser: Agent | None = None,
        handoff: "Handoff | None" = None,
        **how: Unpack["How"],
    ) -> "Verified":
        """Have `by` check a draft against its sources, and have it revised until it is verified or out of attempts.

        Shape, errors: as `podium.patterns.verify`, which this is.
        """
        from podium.patterns.verify import verify  # it is made of this class

        return await verify(
            self, draft, by=by, against=against, attempts=attempts, reviser=reviser, handoff=handoff, **how
        )

    # --- what the program does -----------------------------------------------------------------------

    def begin_scope(self) -> None:
        """What is called from here on belongs to the workflow itself."""
        _scope.set(self._scope)

    def told(self, told: Told) -> None:
        """Something came of a call."""
        found = self._open.pop(told.key, None)
        if found is None or found[0].future.done():
            return
        call, ask, result, retries = found
        if told.outcome == "done":
            try:
                call.future.set_result(result(told, ask.attempt))
            except (BadInput, ValueError) as error:  # a validator of its own, which the schema does not say
                said = replace(
                    told, outcome="failed", reason=f"its output fits the schema, but cannot be used: {error}"
                )
                call.future.set_exception(failure(said, ask.name, ask.place))
        elif _is_tried_again(told, retries):
            attempt = ask.attempt + 1
            again = replace(ask, key=f"{call.key}~{attempt}", attempt=attempt, instead_of=told.key)
            call.asked = again.key
            self._open[again.key] = call, again, result, max(retries - 1, 0)
            self.moves.append(again)
        else:
            call.future.set_exception(failure(told, ask.name, ask.place))

    def unawaited(self) -> list[Call[Any]]:
        """The calls that nobody has awaited."""
        return [call for call in self.calls if not call.is_awaited]

    def _call(self, ask: Ask, result: Result, retries: int) -> Call[Any]:
        call: Call[Any] = Call(ask.key, ask.name, ask.place, self._loop)
        self._open[ask.key] = call, ask, result, retries
        call.future.add_done_callback(lambda future: self._withdraw(call) if future.cancelled() else None)
        self.calls.append(call)
        self.moves.append(ask)
        return call

    def _withdraw(self, call: Call[Any]) -> None:
        if self._open.pop(call.asked, None) is not None:
            self.moves.append(Withdraw(key=call.asked))

    def _check(self, what: str) -> None:
        if self.is_dropped:
            return
        if self.is_over:
            raise BadInput(f"{what} was called after the workflow had ended; nothing is done for it")
        if asyncio._get_running_loop() is not self._loop:
            raise BadInput(
                f"{what} was called from outside the workflow's own code (a thread, a function of run.step, another "
                "loop); call it in the workflow, or in a coroutine that the workflow awaits"
            )

    def _next(self) -> str:
        return "" if self.is_dropped else _scope.get(self._scope).next()  # a task may have a context of its own

    def _pinned_of(self, agent: Agent, schema: Any) -> tuple[Agent, Definition, Mapping[str, Definition]]:
        """The agent as it is called, with this schema in place of its own; its definition, and all it leads to."""
        key = id(agent), id(schema)
        if key not in self._pinned:
            meant = agent if schema is None else replace(agent, output_schema=schema)
            # Kept beside what it is known by, so that nothing else can take its identity.
            self._pinned[key] = (agent, schema), meant, *self._pin(meant)
        return self._pinned[key][1:]


def _given(agent: Agent, task: Any, context: Any, expected_output: str, where: str) -> dict[str, JSON]:
    """What the agent is called with."""
    if agent.input_schema is not None:
        given = to_json(task, f"{where}: the task")
        if not isinstance(given, dict):
            raise BadInput(
                f"{where}: the agent has an input_schema, so the task is an object that fits it, not {task!r:.80}"
            )
        if context is not None or expected_output:
            raise BadInput(f"{where}: the agent has an input_schema; what it is to know stands in its input")
        return given
    if not isinstance(task, str) or not task.strip():
        raise BadInput(f"{where}: the task is a text that says what to do, not {task!r:.80}")
    parts = {"context": context_text(context), "expected_output": expected_output}
    given = {"task": task, **{name: said for name, said in parts.items() if said}}
    return {name: checked_text(said, f"{where}: the {name}") for name, said in given.items()}


def _call_limits(limits: Limits | None) -> CallLimits:
    if limits is None:
        return CallLimits()
    usd: Any = limits.usd  # a Decimal: Limits has made it one
    seconds = None if limits.seconds is None else float(limits.seconds)
    return CallLimits(turns=limits.turns, seconds=seconds, tokens=limits.tokens, usd=usd)


def _is_tried_again(told: Told, retries: int) -> bool:
    """Whether a call that gave no result is made once more. What was decided once stands."""
    if told.is_tried_again is not None:
        return told.is_tried_again
    return retries > 0 and (told.outcome == "failed" or told.limit == "seconds")


def _retries(retries: Any, where: str) -> int:
    if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= MOST_RETRIES:
        raise BadInput(f"{where}: retries is a whole number from 0 to {MOST_RETRIES}, not {retries!r:.40}")
    return retries


def _name(name: Any, where: str) -> str:
    if not isinstance(name, str) or len(name) > MOST_NAME:
        raise BadInput(f"{where}: a name is a text of at most {MOST_NAME} characters, not {name!r:.80}")
    return checked_text(name, f"{where}: the name").strip()


def _returns(function: Callable[..., Any]) -> Any:
    try:
        from typing import get_type_hints

        return get_type_hints(function).get("return", Any)
    except Exception:  # of a callable without any, or with names that cannot be looked up: it is read as JSON
        return Any


def _place() -> str:
    """Where in the user's code the call stands; in a branch that has none of it, where the branch was begun."""
    scope = _scope.get(None)
    return line() or (scope.place if scope is not None else "")
