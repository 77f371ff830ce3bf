"""What a workflow's code sees of its run: agents to call, gathers, phases, checkpoints, functions that run once."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from podium.core.content import plain
from podium.core.definitions import Agent, Definition, Limits
from podium.core.json import JSON
from podium.core.program import Ask, AskAgent, AskFunction, AskPerson, BeginPhase, Move, Told, Withdraw
from podium.errors import BadInput, PodiumError
from podium.workflows.calls import Call, CallResult, Result, Unawaited, failure
from podium.workflows.given import MOST_NAME, call_limits, checked_name, checked_retries, given_to, returned_by
from podium.workflows.joins import Gathered, Join, Joining
from podium.workflows.loop import ProgramLoop
from podium.workflows.scope import SCOPE, Scope, branch, line
from podium.workflows.shared_files import path_of, put
from podium.workflows.values import check_readable, checked_text, from_json, to_json, typed

if TYPE_CHECKING:
    from podium.patterns.given import How
    from podium.patterns.handoff import Handoffs
    from podium.patterns.verify import Verified

logger = logging.getLogger(__name__)
T = TypeVar("T")
Pin = Callable[[Agent], tuple[Definition, Mapping[str, Definition]]]
InThread = Callable[[Callable[[], Any], str], Awaitable[Any]]


class WorkflowRun:
    """A run of a workflow, as its code sees it.

    Every method but `gather` and `verify` does its work when it is called; what it returns is awaited for the result.
    """

    def __init__(self, loop: ProgramLoop, pin: Pin, in_thread: InThread, workdir: Callable[[], Path]) -> None:
        self._loop = loop
        self._pin = pin
        self._in_thread = in_thread
        self._workdir = workdir
        self._scope = Scope()  # of the workflow itself
        self._pinned: dict[tuple[int, int], tuple[Any, Agent, Definition, Mapping[str, Definition]]] = {}
        self._open: dict[str, tuple[Call[Any], Ask, Result, int]] = {}  # by key; with the retries that are left
        self._files: dict[str, Callable[[], str]] = {}  # by key: what writes those that this process has not written
        self.unawaited = Unawaited(loop)
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
            name=checked_name(name, where) or agent.name,
            place=_place(),
            definition=definition,
            team=team,
            given=given_to(agent, task, context, expected_output, where),
            limits=call_limits(limits),
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

        return self._call(ask, result, checked_retries(retries, where))

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
        called = checked_name(name, "run.step") or getattr(function, "__name__", type(function).__name__)
        where = f"run.step({called}, ...)"
        if returns is not None:
            check_readable(returns, f"what {where} returns")
        wanted = returns if returns is not None else returned_by(function)
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

        return self._call(ask, result, checked_retries(retries, where))

    def file(self, name: str, content: str) -> Call[str]:
        """Put a text into a file of the workdir, for agents to read; its path from there.

        Shape: the path tells the name and the content: one text of one name is one file, written once. A resume that
        finds it gone or changed writes it anew.
        Errors: BadInput at once; CallFailed when awaited, if it cannot be written.
        """
        self._check("run.file")
        if not isinstance(name, str) or not isinstance(content, str):
            raise BadInput(f"run.file takes a name and a text, not {name!r:.80} and {content!r:.80}")
        checked_text(name, "run.file: the name")
        data = checked_text(content, f"run.file({name!r:.80}, ...): the text").encode()
        path, workdir, in_thread = path_of(name, data), self._workdir, self._in_thread
        key, called = self._next(), f"file {' '.join(name.split())}"[:MOST_NAME].strip()

        def write() -> str:
            put(workdir(), path, data)
            return path

        async def do() -> JSON:
            self._files.pop(key, None)
            return str(await in_thread(write, "file"))

        self._files[key] = write
        ask = AskFunction(key=key, name=called, place=_place(), given={"path": path}, do=do, idempotent=True)
        return self._call(ask, lambda told, _: told.output, 0)

    @property
    def workdir(self) -> Path:
        """The folder that the agents share, for functions of `run.step`.

        Shape: it may be another one where the run is resumed, so a workflow may not decide by it; paths in it, such as
        a function returns, are told from there.
        Errors: BadInput in the workflow's own code.
        """
        if asyncio._get_running_loop() is self._loop:
            raise BadInput(
                "run.workdir is for functions of run.step: where a run is resumed it may be another folder, and the "
                "workflow must do the same there"
            )
        return self._workdir()

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
        if not isinstance(name, str) or not checked_name(name, "run.phase"):
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
                futures.append(each.waiting())
                names.append(each.name)
            elif asyncio.isfuture(each):
                futures.append(each)
                names.append(f"branch {index}")
            elif inspect.iscoroutine(each):
                futures.append(self._loop.create_task(each, context=branch(f"{key}.{index}", place)))
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
        handoff: "Handoffs" = None,
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
        SCOPE.set(self._scope)

    async def restore(self, told: Told) -> None:
        """See that the file is there which a call gave that this process has not made: it may be gone since."""
        write = self._files.pop(told.key, None)
        if write is not None and told.outcome == "done":
            try:
                await self._in_thread(write, "file")
            except PodiumError as error:  # who needs it will find that it is not there
                logger.warning("a file that was handed over is not as it was: %s", error)

    def told(self, told: Told) -> None:
        """Something came of a call."""
        found = self._open.pop(told.key, None)
        if found is None or found[0].is_over:
            return
        call, ask, result, retries = found
        if told.outcome == "done":
            try:
                call.gave(result(told, ask.attempt))
            except (BadInput, ValueError) as error:  # a validator of its own, which the schema does not say
                said = replace(
                    told, outcome="failed", reason=f"its output fits the schema, but cannot be used: {error}"
                )
                call.failed(failure(said, ask.name, ask.place))
        elif _is_tried_again(told, retries):
            attempt = ask.attempt + 1
            again = replace(ask, key=f"{call.key}~{attempt}", attempt=attempt, instead_of=told.key)
            call.asked, call.attempts = again.key, attempt
            self._open[again.key] = call, again, result, max(retries - 1, 0)
            self.moves.append(again)
        else:
            call.failed(failure(told, ask.name, ask.place))

    def _call(self, ask: Ask, result: Result, retries: int) -> Call[Any]:
        call: Call[Any] = Call(ask.key, ask.name, ask.place, self._loop, self._withdraw)
        self._open[ask.key] = call, ask, result, retries
        self.unawaited.add(call)
        self.moves.append(ask)
        return call

    def _withdraw(self, call: Call[Any]) -> None:
        self._files.pop(call.key, None)
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
        return "" if self.is_dropped else SCOPE.get(self._scope).next()  # a task may have a context of its own

    def _pinned_of(self, agent: Agent, schema: Any) -> tuple[Agent, Definition, Mapping[str, Definition]]:
        """The agent as it is called, with this schema in place of its own; its definition, and all it leads to."""
        key = id(agent), id(schema)
        if key not in self._pinned:
            meant = agent if schema is None else replace(agent, output_schema=schema)
            # Kept beside what it is known by, so that nothing else can take its identity.
            self._pinned[key] = (agent, schema), meant, *self._pin(meant)
        return self._pinned[key][1:]


def _is_tried_again(told: Told, retries: int) -> bool:
    """Whether a call that gave no result is made once more. What was decided once stands."""
    if told.is_tried_again is not None:
        return told.is_tried_again
    return retries > 0 and (told.outcome == "failed" or told.limit == "seconds")


def _place() -> str:
    """Where in the user's code the call stands; in a branch that has none of it, where the branch was begun."""
    scope = SCOPE.get(None)
    return line() or (scope.place if scope is not None else "")
