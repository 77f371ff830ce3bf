"""The lab: sessions of scripted models and plain tools on a memory store, in simulated time.

    lab = Lab(lead=[[call("a", task="x"), call("b", task="y")], "both are done"], a=after(1, "A"), b=after(1, "B"))
    played = lab.run(lead, "do both")

The same lab may play on with `resume` after its process was killed or let the session go.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from podium.core.content import text
from podium.core.definitions import Agent, Concurrency, Definition, SessionLimits
from podium.core.facts import SessionSettings
from podium.core.inputs import Archive, Confirm, GiveResult, InputRequest, Interrupt, Resume, SendMessage
from podium.core.moment import Moment
from podium.core.money import ModelFacts
from podium.core.opening import open_session, settings_of
from podium.core.pinning import pin
from podium.core.ports import Model, Place, Sandboxes, Tool
from podium.core.rows import CallRow, SessionRow
from podium.core.session import SessionState
from podium.engine.bound import Bound
from podium.engine.driver import Driver, read_state
from podium.engine.limiter import Limiter
from podium.engine.parts import Parts
from podium.flows import Pins, checked_input, primary_of, with_program
from podium.needs import describe
from podium.running import Run, RunResult
from podium.store.memory import MemoryStore
from podium.workflows.workflow import Workflow
from tests.invariants import check
from tests.lab.cast import ClientTool, PlainTool, Script
from tests.lab.log import Played
from tests.lab.time import SimulatedClock, Stuck, VirtualLoop
from tests.lab.watch import Watch
from tests.lab.world import Dead, Fuse, FusedClock, FusedModel, FusedTool, Killed, QueuedStore, World

Happening = Callable[["Live"], Awaitable[object]]
Act = tuple[float, Happening]
T = TypeVar("T")
SESSION = "sesn_1"


class Live:
    """A session under way, for what happens to it from outside."""

    def __init__(self, process: "Process", run: Run, driver: Driver) -> None:
        self.process = process
        self.run = run
        self.driver = driver

    async def interrupt(self, *, pause: bool = False) -> None:
        """By a person, in this very process."""
        await self.run.interrupt(pause=pause)

    async def accept(self, request: InputRequest) -> None:
        """An input that this process is given."""
        await self.process.store.admit(self.run.id, request)
        await self.driver.notice()

    async def say(self, words: str) -> None:
        """A person's message that this process is given."""
        await self.accept(SendMessage(content=text(words)))

    def thread(self, agent: str, nth: int = 0) -> str:
        """The id of the agent's nth thread."""
        return [each for each in self.driver.state.threads.values() if each.definition.name == agent][nth].id

    async def elsewhere(self, request: InputRequest) -> None:
        """An input that another process accepts; this one is not told."""
        other = MemoryStore(self.process.world.log, self.process.clock, self.process.world.new_id)
        await other.admit(self.run.id, request)

    async def let_go(self) -> None:
        """The process ends in good order, with the session unfinished."""
        await self.run.close()


def interrupted(*, pause: bool = False) -> Happening:
    """An act: a person interrupts."""
    return lambda live: live.interrupt(pause=pause)


def said(words: str) -> Happening:
    """An act: a person sends a message."""
    return lambda live: live.say(words)


def said_elsewhere(words: str) -> Happening:
    """An act: a person sends a message through another process."""
    return lambda live: live.elsewhere(SendMessage(content=text(words)))


def interrupted_elsewhere(*, pause: bool = False) -> Happening:
    """An act: a person interrupts through another process."""
    return lambda live: live.elsewhere(Interrupt(pause=pause))


def interrupted_thread(agent: str, nth: int = 0) -> Happening:
    """An act: a person interrupts the agent's nth thread."""
    return lambda live: live.accept(Interrupt(thread=live.thread(agent, nth)))


def allowed(tool: str, nth: int = 0) -> Happening:
    """An act: a person allows the nth of this tool's calls that ask."""
    return lambda live: live.accept(Confirm(call=live.process.world.asking(tool, nth).id, allow=True))


def denied(tool: str, reason: str = "", nth: int = 0) -> Happening:
    """An act: a person denies the nth of this tool's calls that ask."""
    return lambda live: live.accept(Confirm(call=live.process.world.asking(tool, nth).id, allow=False, reason=reason))


def given(tool: str, words: str = "", nth: int = 0, *, is_error: bool = False) -> Happening:
    """An act: the client gives the result of the nth of this tool's calls that wait for it."""

    async def act(live: Live) -> None:
        call = live.process.world.waiting(tool, nth)
        await live.accept(GiveResult(call=call.id, content=text(words), is_error=is_error))

    return act


def archived(agent: str, nth: int = 0) -> Happening:
    """An act: a person archives the agent's nth thread."""
    return lambda live: live.accept(Archive(thread=live.thread(agent, nth)))


class Process:
    """One process on the world: an event loop of its own, a store, and the drivers it runs."""

    def __init__(self, lab: "Lab", fuse: Fuse) -> None:
        self.world = world = lab.world
        self.loop = VirtualLoop(world.now_s)
        self.fuse = world.fuse = fuse
        self._lab = lab
        self.clock = SimulatedClock(self.loop)
        memory = MemoryStore(world.log, self.clock, world.new_id)
        self.worker = memory.worker
        self.store = QueuedStore(memory, fuse, self.loop, lab.commit_s)
        self.store.before_append = lab.before_append
        self.store.before_commit = lab.before_commit
        self.store.after_commit = lab.watch.look
        self.parts = Parts(
            store=self.store,
            clock=FusedClock(self.clock, fuse),
            new_id=world.new_id,
            sandboxes=lambda: lab.sandboxes,
            place=lambda state, thread: Place(workdir=Path(), home=Path(), tmp=Path(), data=Path()),
            limiter=Limiter(FusedClock(self.clock, fuse), chance=lambda: lab.chance),
            chance=lambda: lab.chance,
        )

    def play(self, work: Coroutine[Any, Any, T]) -> T:
        """Run this in the process's loop.

        Errors: Killed if the fuse blew, Stuck if nothing can happen any more.
        """
        try:
            return self.loop.run_until_complete(work)
        except (Dead, Stuck):
            for complaint in self.loop.complaints:
                if isinstance(error := complaint.get("exception"), AssertionError):
                    raise error from None
            if self.fuse.is_blown:
                raise Killed from None
            raise
        finally:
            self._end()

    def _end(self) -> None:
        """The process is gone: nothing of it has an effect any more, and its session is free."""
        self.fuse.is_blown = True
        self.world.log.kill(self.worker)
        self.world.now_s = self.loop.time() + 1
        for _ in range(100):
            tasks = asyncio.all_tasks(self.loop)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            self.loop.run_until_complete(asyncio.wait(tasks, timeout=1))
            for task in tasks:
                if task.done() and not task.cancelled():
                    task.exception()
        self.loop.close()
        if tasks := asyncio.all_tasks(self.loop):
            raise Stuck(f"these do not end when they are cancelled: {tasks}")

    async def start(self, agent: Agent | Workflow, task: Any, settings: SessionSettings) -> Live:
        tools: dict[tuple[str, str], Tool] = {}
        if isinstance(agent, Workflow):
            return await self._start_workflow(agent, task, settings, tools)
        definition, definitions = pin(
            agent, lambda tool, where: tool.spec if isinstance(tool, ClientTool) else describe(tool, where, tools)
        )
        at = Moment(self.clock.now(), self.world.new_id)
        state, new = open_session(
            SESSION, definition, definitions, task, settings=settings, needs=(), program="", at=at
        )
        self._lab.tools = tools
        epoch = await self.store.create(new)
        return self._drive(state, epoch, len(new.drafts), takes_over=False)

    async def _start_workflow(
        self, workflow: Workflow, input: Any, settings: SessionSettings, tools: dict[tuple[str, str], Tool]
    ) -> Live:
        definition = primary_of(workflow)
        given = checked_input(workflow, input)
        at = Moment(self.clock.now(), self.world.new_id)
        state, new = open_session(
            SESSION,
            definition,
            {definition.version: definition},
            workflow.shown(given),
            settings=settings,
            needs=[workflow.need],
            program="",
            at=at,
            input=given,
        )
        self._lab.tools, self._lab.workflow = tools, workflow
        epoch = await self.store.create(new)
        return self._drive(state, epoch, len(new.drafts), takes_over=False)

    async def resume(self, *, looks: bool = True) -> Live | None:
        """As the library does it: None if the session is finished; it `looks` before it claims."""
        row = await self.store.session(SESSION)
        if looks and not (row.is_unfinished or (self._lab.resumes_failed and row.has_failed_run)):
            return None
        if (row.paused or row.has_failed_run) and row.facts.status == "idle":
            await self.store.admit(SESSION, Resume())
        epoch = await self.store.claim(SESSION)
        state, head = await read_state(self.parts, SESSION)
        return self._drive(state, epoch, head, takes_over=True)

    def _drive(self, state: SessionState, epoch: int, head: int, *, takes_over: bool) -> Live:
        bound = self._bound(state.definitions)
        if (workflow := self._lab.workflow) is not None:

            async def bind_these(agents: Mapping[str, Definition]) -> Bound:
                return self._bound(agents)

            pins = Pins(workflow, state.settings.depth, self._lab.tools)
            bound = replace(bound, agents=())
            bound = with_program(bound, pins, bind_these, lambda: state.settings, lambda: self._lab.workdir)
            bound = replace(bound, is_rehearsed=self._lab.is_rehearsed)
        caps = {f"model:{name}": most for name, most in state.settings.model_calls.items()}
        caps |= {f"provider:{name}": most for name, most in state.settings.provider_calls.items()}
        if state.settings.session_calls is not None:
            caps[f"session:{state.id}"] = state.settings.session_calls
        self.parts.limiter.cap(caps)
        driver = Driver(self.parts, bound, state, epoch=epoch, head=head)
        return Live(self, Run(driver, Path(), schema=self._lab.workflow, caps=caps, takes_over=takes_over), driver)

    def _bound(self, agents: Mapping[str, Definition]) -> Bound:
        models = dict.fromkeys({definition.model for definition in agents.values()}, self._lab.model)
        return Bound(
            models={name: FusedModel(model, self.world, self.fuse) for name, model in models.items()},
            tools={key: FusedTool(tool, self.fuse) for key, tool in self._lab.tools.items()},
            agents=tuple(agents),
            facts={name: self._lab.facts_of(name) for name in models},
        )


class Lab:
    """Plays one session, in as many processes as it takes.

    Shape: the lines of each agent by its name, as keywords or in `cast`; `commit_s` is how long the store takes;
    `facts` is what is known of every model, and `chance` what is drawn wherever chance decides. `workdir` is a real
    folder, for workflows that put files there.
    """

    def __init__(
        self,
        cast: Mapping[str, Any] | None = None,
        *,
        model: Model | None = None,
        commit_s: float = 0.0,
        facts: ModelFacts | None = None,
        chance: float = 0.5,
        workdir: Path = Path("no workdir"),
        **lines: Any,
    ) -> None:
        self.world = World()
        self.script = Script({**(cast or {}), **lines})
        self.model: Model = model or self.script
        self.commit_s = commit_s
        self.facts = facts or ModelFacts()
        self.chance = chance
        self.workdir = workdir
        self.tools: dict[tuple[str, str], Tool] = {}
        self.workflow: Workflow | None = None
        self.resumes_failed = False  # whether a process takes up a workflow that ended in an error
        self.is_rehearsed = False  # whether workflows are checked as in a rehearsal
        self.sandboxes: Sandboxes
        self.watch = Watch(self.world.log)
        self.before_append: Callable[..., None] = lambda append: None
        self.before_commit: Callable[..., None] = lambda append: None
        self.result: RunResult | None = None

    def tool(self, name: str, **how: Any) -> PlainTool:
        """A plain tool of this world; `how` as in PlainTool."""
        return PlainTool(name, self.world, **how)

    def facts_of(self, model: str) -> ModelFacts:
        """What is known of a model."""
        return self.facts

    def run(
        self,
        agent: Agent | Workflow,
        task: Any = "go",
        *,
        acts: Sequence[Act] = (),
        limits: SessionLimits | None = None,
        concurrency: Concurrency | None = None,
        fuse: Fuse | None = None,
    ) -> Played:
        """Start the session and play it until it is idle, or its process ends; acts come at their seconds."""
        limits, concurrency = limits or SessionLimits(), concurrency or Concurrency()
        settings = settings_of(limits, concurrency, has_prices=self.facts.price is not None)
        process = Process(self, fuse or Fuse())
        return self._play(process, process.start(agent, task, settings), acts)

    def resume(self, *, acts: Sequence[Act] = (), fuse: Fuse | None = None, looks: bool = True) -> Played:
        """A new process takes the session up and plays it on; `looks` whether it is finished, before it claims it."""
        process = Process(self, fuse or Fuse())
        return self._play(process, process.resume(looks=looks), acts)

    def tell(self, request: InputRequest) -> None:
        """An input while no process drives the session."""
        process = Process(self, Fuse())
        process.play(process.store.admit(SESSION, request))

    def asking(self, tool: str, nth: int = 0) -> CallRow:
        """The nth of this tool's calls that wait for a person."""
        return self.world.asking(tool, nth)

    def answer(self, tool: str, *, allow: bool, reason: str = "", nth: int = 0) -> None:
        """A person's answer while no process drives the session."""
        self.tell(Confirm(call=self.asking(tool, nth).id, allow=allow, reason=reason))

    def give(self, tool: str, words: str = "", nth: int = 0, *, is_error: bool = False) -> None:
        """The client's result while no process drives the session."""
        self.tell(GiveResult(call=self.world.waiting(tool, nth).id, content=text(words), is_error=is_error))

    def say(self, words: str) -> Played:
        """A person's message while no process drives the session, and a process that takes it up."""
        self.tell(SendMessage(content=text(words)))
        return self.resume()

    def row(self) -> SessionRow:
        """The session's row."""
        return self.world.log.sessions[SESSION].row

    def _play(self, process: Process, began: Coroutine[Any, Any, Live | None], acts: Sequence[Act]) -> Played:
        async def whole() -> None:
            live = await began
            if live is None:
                return
            happening = [asyncio.ensure_future(_act(live, *act)) for act in acts]
            try:
                self.result = await live.run.result()
                self.watch.compare(SESSION, live.driver.state, live.driver.head)
            except asyncio.CancelledError:
                if not any(act.done() for act in happening):
                    raise
            finally:
                for act in happening:
                    if act.done() and not act.cancelled() and not process.fuse.is_blown:
                        act.result()  # what it raised is the test's to see
                    act.cancel()
            await process.parts.shelf.close()  # as a process does at its end

        process.play(whole())
        return self.played()

    def played(self) -> Played:
        """The session as its log has it now, which holds every invariant."""
        loop = VirtualLoop(self.world.now_s)
        try:
            store = MemoryStore(self.world.log, SimulatedClock(loop), self.world.new_id)
            loop.run_until_complete(check(store, SESSION, effects=self.world.effects))
            records = loop.run_until_complete(store.records(SESSION, limit=1_000_000))
            row = loop.run_until_complete(store.session(SESSION))
            definitions = loop.run_until_complete(store.definitions(row.agent))
        finally:
            loop.close()
        return Played(records, definitions, self.world)


async def _act(live: Live, at_s: float, act: Happening) -> None:
    await asyncio.sleep(at_s)
    await act(live)
