"""Joins the adapters to the ports: one `Podium` is a data folder and the sessions this process runs on it."""

import asyncio
import logging
import os
import shutil
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from podium.approvals import Approve
from podium.core.content import Content
from podium.core.definitions import Agent, Concurrency, Definition, SessionLimits
from podium.core.events import PublicEvent
from podium.core.inputs import (
    Archive,
    Confirm,
    Delete,
    GiveResult,
    InputRequest,
    Instruct,
    Interrupt,
    Resume,
    SendMessage,
)
from podium.core.moment import Moment
from podium.core.money import ModelFacts
from podium.core.opening import open_session
from podium.core.pinning import pin
from podium.core.ports import Clock, Model, Mount, Onto, Receipt, Sandboxes
from podium.core.records import Draft, Record
from podium.core.rows import About, SessionRow
from podium.engine.bound import Bound
from podium.engine.clock import SortedIds, SystemClock
from podium.engine.driver import Driver, fold_on, read_state
from podium.engine.limiter import Limiter
from podium.engine.parts import Parts
from podium.engine.play_again import check_resumable
from podium.errors import BadInput, Owned, StoreError
from podium.flows import (
    Pins,
    workflow_for,
    workflow_of,
)
from podium.given import checked_content, checked_settings
from podium.making import Binder, BindTo, Here, How, HowToStart, Ready, Tools, make_ready, priced
from podium.needs import bind, check_models, describe, needs_of, program
from podium.places import make_place, make_sandboxes
from podium.providers import Providers
from podium.running import Run, RunResult
from podium.store.sqlite import SqliteStore
from podium.workflows.workflow import Workflow

if TYPE_CHECKING:
    from podium.config import Config

logger = logging.getLogger(__name__)
DATA = Path(".podium")
WAKES = (SendMessage, Instruct, Confirm, GiveResult, Interrupt)  # inputs that change nothing of what is bound
BUSY_LOOK_S, IDLE_LOOK_S = 0.025, 0.25  # how often other processes' writing is looked for


class Podium:
    """A data folder and the sessions this process runs on it.

    Use it as an async context manager where several sessions run; `run` and its sisters below open one for each call.
    Shape: `models` plugs in models by the name that agents use; other models are those of podium.toml (`config`, or
    where it is looked for) and of the environment.
    """

    def __init__(
        self,
        data: Path | str = DATA,
        *,
        models: Mapping[str, Model] | None = None,
        config: Path | str | None = None,
        sandboxes: Sandboxes | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._data = Path(data)
        self._models = check_models(models or {})
        self._config = None if config is None else Path(config)
        self._sandboxes = sandboxes
        self._clock = clock or SystemClock()
        self._new_id = SortedIds()
        self._parts: Parts | None = None
        self._runs: list[Run] = []
        self._moved: list[Callable[[str], None]] = []
        self._going_on: Callable[[Run], None] | None = None

    async def __aenter__(self) -> Self:
        store = SqliteStore.open(self._data, self._clock, self._new_id)
        self.folder = store.folder
        self._parts = Parts(
            store=store,
            clock=self._clock,
            new_id=self._new_id,
            sandboxes=self._made_sandboxes,
            place=lambda state, thread: make_place(store.folder, state.settings, state.id, thread),
            limiter=Limiter(self._clock),
        )
        self._providers = Providers(self._read_config, self._parts.limiter)
        self._here = Here(folder=store.folder, providers=self._providers, sandboxes=self._parts.sandboxes)
        self._looking = asyncio.create_task(self._look_around(), name="other processes")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._looking.cancel()
        for run in self._runs:
            await run.close()
        await asyncio.wait([self._looking])
        await self._providers.close()
        await self.parts.shelf.close()
        await self.parts.store.close()

    def _read_config(self) -> "Config":
        from podium.config import load_config  # only who calls models pays for it

        return load_config(self._config, env=os.environ)

    @property
    def parts(self) -> Parts:
        """The ports, once entered."""
        if self._parts is None:
            raise BadInput("use Podium as a context manager: async with Podium(...) as podium")
        return self._parts

    @property
    def config(self) -> "Config":
        """What podium.toml and the environment say of models. Errors: BadInput for a file that cannot be used."""
        return self._providers.config

    @property
    def models(self) -> Mapping[str, Model]:
        """The models that were plugged in, by name."""
        return self._models

    def facts_of(self, model: str) -> ModelFacts:
        """What is known of a model, by the name that agents call it."""
        given = self._models.get(model)
        return self._providers.facts(model) if given is None else getattr(given, "facts", None) or ModelFacts()

    async def _look_around(self) -> None:
        """Tell runs and followers what other processes have written."""
        parts = self.parts
        while True:
            is_busy = parts.hub.is_followed or any(not run.is_over for run in self._runs)
            await asyncio.sleep(BUSY_LOOK_S if is_busy else IDLE_LOOK_S)
            try:
                for session in await parts.store.moved_elsewhere():
                    parts.hub.moved(session)
                    await self._notice(session)
            except StoreError as error:  # whoever needs the store is told so himself
                logger.debug("cannot look for what other processes wrote: %s", error)
            except Exception:  # the edge: this must go on looking
                logger.exception("what other processes wrote could not be taken in")

    def when_moved(self, then: Callable[[str], None]) -> None:
        """Call this with each session that somebody else than its driver has written to, here or elsewhere."""
        self._moved.append(then)

    def when_going_on(self, then: Callable[[Run], None] | None) -> None:
        """Drive sessions on at once that had gone idle here and were written to; each is told.

        Shape: with None, nothing is driven on any more that nobody asked for.
        """
        self._going_on = then

    async def _notice(self, session: str) -> None:
        for then in self._moved:
            then(session)
        for run in self._under_way(session):
            await run.notice()

    def _under_way(self, session: str) -> list[Run]:
        return [run for run in self._runs if run.id == session and not run.is_over]

    # --- running -------------------------------------------------------------------------------------

    async def start(
        self,
        agent: Agent | Workflow,
        task: Any,
        *,
        workdir: Path | str | None = None,
        mounts: Sequence[Mount] = (),
        models: Mapping[str, Model] | None = None,
        rehearsal: str | None = None,
        rehearsal_folder: Path | None = None,
        limits: SessionLimits | None = None,
        concurrency: Concurrency | None = None,
        approve: Approve | None = None,
    ) -> Run:
        """Create a session for the agent with the task, or for the workflow with its input, and drive it.

        Shape: a workflow's input is JSON, or what becomes JSON. An agent's `task` is a text, or blocks of text, images
        and documents. `workdir` is a folder that all threads share, a fresh one in the data folder if not given.
        `models` plugs in models by the name agents use. `rehearsal` is "FILE.py:FUNCTION" (beside `rehearsal_folder`)
        or "generated": it answers for every model. `approve` is asked for each call of a tool whose permission is
        "always_ask", and at each checkpoint.
        Errors: BadInput, SandboxUnavailable, StoreError; nothing was created then.
        """
        parts = self.parts
        ready = await self._made_ready(
            agent,
            task,
            workdir=workdir,
            mounts=mounts,
            models=models,
            rehearsal=rehearsal,
            rehearsal_folder=rehearsal_folder,
            limits=limits,
            concurrency=concurrency,
        )
        state, new = open_session(
            ready.session,
            ready.definition,
            ready.definitions,
            ready.task,
            settings=ready.settings,
            needs=ready.needs,
            program=program(),
            at=Moment(parts.clock.now(), self._new_id),
            input=ready.input,
        )
        epoch = await parts.store.create(new)
        driver = Driver(parts, ready.bound, state, epoch=epoch, head=len(new.drafts))
        schema = agent if isinstance(agent, Workflow) else agent.output_schema
        return self._drive(driver, ready.bind_to, schema=schema, takes_over=False, approve=approve)

    async def check(self, agent: Agent | Workflow, task: Any, **how: Unpack[How]) -> None:
        """Refuse what `start` would refuse; nothing is created.

        Shape: `how` as in `start`, without `approve`.
        Errors: as `start`.
        """
        ready = await self._made_ready(agent, task, **how)
        await asyncio.to_thread(shutil.rmtree, self.folder / "sessions" / ready.session, ignore_errors=True)

    async def _made_ready(self, agent: Agent | Workflow, task: Any, **how: Unpack[How]) -> Ready:
        how["models"] = {**self._models, **check_models(how.get("models") or {})}
        return await make_ready(self._here, self._new_id("sesn"), agent, task, **how)

    async def open_session(
        self,
        definition: Definition,
        definitions: Mapping[str, Definition],
        *tasks: Content,
        about: About,
        limits: SessionLimits,
        environment: str = "",
        workspace: str = "default",
        notes: Sequence[str] = (),
        receipt: Receipt | None = None,
    ) -> str:
        """Create a session of agents that are pinned already, without driving it; its id.

        Shape: with tasks it is running at once, for `podium.serving` or another process to drive; else it is idle.
        With a receipt that is known, the id is that of the session of the first time.
        Errors: BadInput, SandboxUnavailable, StoreError; KeyReused if the receipt is another request's. Nothing was
        created then.
        """
        parts = self.parts
        needs = needs_of(definitions.values(), self._models)
        bound = bind(definitions, needs, self._models, {}, self._providers)
        if any(tool.needs_sandbox for tool in bound.tools.values()):
            await parts.sandboxes().check()
        settings = checked_settings(None, (), limits, Concurrency())
        session = self._new_id("sesn")
        _, new = open_session(
            session,
            definition,
            definitions,
            *tasks,
            settings=priced(definitions, settings, bound),
            needs=needs,
            program="",
            at=Moment(parts.clock.now(), self._new_id),
            about=about,
            environment=environment,
            workspace=workspace,
            notes=notes,
        )
        if not await parts.store.create(replace(new, is_driven=False), receipt):
            assert receipt is not None
            return await parts.store.made(receipt) or session
        await self._notice(session)
        return session

    async def run(self, agent: Agent | Workflow, task: Any, **how: Unpack[HowToStart]) -> RunResult:
        """Start a session (see `start`) and wait for its end."""
        return await (await self.start(agent, task, **how)).result()

    async def resume(
        self,
        session: str,
        *,
        agents: Iterable[Agent] = (),
        models: Mapping[str, Model] | None = None,
        accept_changed: bool = False,
        approve: Approve | None = None,
        workflow: Workflow | None = None,
        imports: bool = True,
    ) -> Run:
        """Go on with a session from its last record; with a failed run of a workflow from the call that failed.

        Shape: `workflow` is the one that the session runs; without it the file it was started from is run, if it
        `imports`. `agents` bring the Python functions that the session's agents use as tools; `models` the models it
        was started with. `accept_changed` takes a rehearsal file that has changed since. A session that only waits for
        approval is taken up with `approve` alone, which is asked.
        Errors: NotFound; Owned if a live process drives it; NeedsUnmet naming what is missing and the program that has
        it; BadInput if there is nothing to go on with.
        """
        parts = self.parts
        row = await parts.store.session(session)
        waits = row.facts.stop_reason is not None and row.facts.stop_reason.type == "requires_action"
        if not (row.is_unfinished or row.has_failed_run or (waits and approve is not None)):
            raise BadInput(_nothing_to_resume(row, waits=waits))
        if workflow is not None and not row.is_workflow:
            raise BadInput(f"session {session} runs no workflow; resume it without one")
        agents, tools = tuple(agents), Tools()
        for agent in agents:
            pin(agent, lambda tool, where: describe(tool, where, tools))
        left = parts.shelf.look(session, row.epoch)
        is_bound = left is not None and not (agents or models or accept_changed or workflow)
        if row.is_workflow:
            kept = workflow_of(left.bound) if left is not None and is_bound else None
            if not (kept or workflow or row.paused) and (ended := await self._end_run(session)) is not None:
                return ended
            workflow = kept or workflow_for(row, workflow, imports=imports)
        state = left.state if left is not None else (await read_state(parts, session))[0]
        workflow = workflow and workflow.as_started(state.input)
        given = {**self._models, **check_models(models or {})}
        pins = None if workflow is None else Pins(workflow, state.settings.depth, tools)
        binder = Binder(
            here=self._here,
            session=session,
            settings=state.settings,
            needs=row.needs,
            models=given,
            tools=tools,
            pins=pins,
            resumer=row.program,
            changed=accept_changed,
        )
        if left is not None and is_bound:
            bound = left.bound
        else:
            bound = await binder.bind_to(state.team() if pins is None else pins.named())
        schema = workflow or next((agent.output_schema for agent in agents if agent.name == row.agent_name), None)
        if row.paused and row.facts.status != "idle":
            # The process before did not live to take its interrupt: that comes first, and then it goes on.
            driver = await self._take_up(session, bound, binder.bind_to)
            await self._drive(driver, binder.bind_to, schema=schema, takes_over=True).result()
            row = await parts.store.session(session)
        if row.paused or (row.has_failed_run and row.facts.status == "idle"):
            if bound.program is not None:
                await check_resumable(bound.program, (await read_state(parts, session))[0], parts.clock.now())
            await parts.store.admit(session, Resume())
        driver = await self._take_up(session, bound, binder.bind_to)
        return self._drive(driver, binder.bind_to, schema=schema, takes_over=True, approve=approve)

    async def _end_run(self, session: str) -> Run | None:
        """Drive a session whose workflow run an interrupt ends: that needs no program, which may be gone; else None."""
        state, _ = await read_state(self.parts, session)
        if all(interrupt.session_thread_id is not None for interrupt in state.interrupts()):
            return None

        async def bind_none(agents: Mapping[str, Definition]) -> Bound:
            return Bound(models={}, tools={}, agents=tuple(agents))

        driver = await self._take_up(session, await bind_none(state.team()), bind_none)
        return self._drive(driver, bind_none, takes_over=True)

    async def _take_up(self, session: str, bound: Bound, bind_to: BindTo) -> Driver:
        """Claim the session. While nobody drove it, its agent may have been changed: then it is bound anew."""
        epoch = await self.parts.store.claim(session)
        left = self.parts.shelf.take(session, epoch)
        try:
            if left is None:
                state, head = await read_state(self.parts, session)
            else:
                state, head = left.state, await fold_on(self.parts, left.state, left.head)
            # A workflow's agents are bound as it calls them.
            if bound.program is None and not (team := state.team()).keys() <= set(bound.agents):
                bound = await bind_to(team)
        except BaseException:  # nobody drives it now, so it must not count as driven
            if left is not None:
                self.parts.shelf.let_go(left)
            self.parts.store.dropped(session)
            raise
        return Driver(self.parts, bound, state, epoch=epoch, head=head, left=left)

    async def unfinished(self) -> list[SessionRow]:
        """The sessions with work left and no live driver, oldest first."""
        rows = [row for row in reversed(await self.parts.store.sessions()) if row.is_unfinished]
        return [row for row in rows if await self.parts.store.owner(row.id) is None]

    # --- steering, whoever drives it -----------------------------------------------------------------

    async def send(self, session: str, message: str | Content) -> str:
        """Queue a message for the session's primary agent; the id of its event.

        Errors: NotFound; Refused for a session that is over; BadInput for an empty message.
        """
        return await self._admit(session, SendMessage(content=checked_content(message, "message")))

    async def interrupt(self, session: str, thread: str | None = None, *, pause: bool = False) -> str:
        """Stop all threads of the session at once, or one; the id of the event.

        Errors: NotFound; Refused for what is over.
        """
        return await self._admit(session, Interrupt(thread=thread, pause=pause))

    async def approve(
        self, session: str, call: str, *, allow: bool, reason: str = "", input_hash: str | None = None
    ) -> str:
        """Answer a call that waits for approval; the id of the event.

        Shape: `input_hash` is of the input you saw (`Approval.input_hash`): another one is refused.
        Errors: NotFound; Refused if the call does not wait, or was answered before.
        """
        return await self._admit(session, Confirm(call=call, allow=allow, reason=reason, input_hash=input_hash))

    async def admit(
        self, session: str, *requests: InputRequest, receipt: Receipt | None = None, workspace: str | None = None
    ) -> tuple[PublicEvent, ...]:
        """Have inputs accepted, all of them or none, and whoever drives or follows the session told; their events.

        Errors: as `Store.admit`.
        """
        onto, goes_on = None, False

        def claimed(epoch: int, first: int, drafts: Sequence[Draft]) -> None:
            nonlocal goes_on
            goes_on = self._go_on(session, epoch, first, drafts)

        left = self.parts.shelf.look(session)
        is_ours = self._going_on is not None and not any(self._under_way(session))
        if left is not None and is_ours and all(isinstance(each, WAKES) for each in requests):
            onto = Onto(epoch=left.epoch, head=left.head, claimed=claimed)
        events = await self.parts.store.admit(session, *requests, receipt=receipt, workspace=workspace, onto=onto)
        if goes_on:
            return events
        if any(isinstance(each, Delete) or (isinstance(each, Archive) and each.thread is None) for each in requests):
            self.parts.shelf.drop(session)
        self.parts.hub.moved(session)  # for those who follow it while nothing of it runs here
        await self._notice(session)
        return events

    def _go_on(self, session: str, epoch: int, first: int, drafts: Sequence[Draft]) -> bool:
        """Drive a session on that was set going, and is claimed; False if what its driver had left is gone."""
        left = self.parts.shelf.take(session, epoch)
        if left is None or self._going_on is None:
            if left is not None:
                self.parts.shelf.let_go(left)
            self.parts.store.dropped(session)
            return False
        for draft in drafts:
            left.state.apply(draft.thread, draft.at, draft.event)
        left.state.changes()  # the projections have them already
        self.parts.hub.wrote(session, first, drafts)
        head = first + len(drafts) - 1
        driver = Driver(self.parts, left.bound, left.state, epoch=epoch, head=head, left=left, is_abreast=True)
        self._going_on(self._drive(driver, takes_over=True))
        return True

    async def _admit(self, session: str, request: InputRequest) -> str:
        return (await self.admit(session, request))[0].id

    async def purge(self, deleted_for_s: float = 60.0) -> list[str]:
        """Take sessions out for good that were deleted so long ago, with their folders; their ids.

        Shape: who follows one has seen its last record by then. Folders that a user named stay as they are.
        """
        before = self.parts.clock.now() - timedelta(seconds=deleted_for_s)
        for session in await self.parts.store.deleted(before):  # what has no row is looked for by nobody
            await asyncio.to_thread(shutil.rmtree, self.folder / "sessions" / session, ignore_errors=True)
        return await self.parts.store.purge(before)

    async def forget_receipts(self, done_for_s: float = 24 * 3600.0) -> None:
        """Forget requests that were done so long ago: one that is sent again under its key would be done again."""
        await self.parts.store.forget_receipts(self.parts.clock.now() - timedelta(seconds=done_for_s))

    async def take_up_if_needed(
        self, session: str, *, within_s: float = 1.0, approve: Approve | None = None
    ) -> Run | None:
        """Drive the session, if it has something to do and no live process takes it up within this time.

        Errors: NeedsUnmet naming the program that must resume it; its inputs stay accepted.
        """
        store = self.parts.store
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            row = await store.session(session)
            if row.facts.status == "idle" or await store.owner(session) is not None:
                return None
            if asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(BUSY_LOOK_S)
        try:
            return await self.resume(session, approve=approve)
        except Owned:  # in the last moment
            return None

    async def watch(self, session: str, *, after: int = 0) -> AsyncGenerator[Record, None]:
        """The session's records after this seq, as they are committed, whoever drives it. It never ends by itself.

        Errors: NotFound.
        """
        parts = self.parts
        await parts.store.session(session)
        async for record in parts.hub.follow(parts.store, session, after=after, until=asyncio.Event()):
            yield record

    # --- joining -------------------------------------------------------------------------------------

    def _drive(
        self,
        driver: Driver,
        bind_to: BindTo | None = None,
        *,
        schema: Any = None,
        takes_over: bool,
        approve: Approve | None = None,
    ) -> Run:
        """Drive it. Shape: `bind_to` is needed where somebody is asked, for who goes on with what was answered."""
        settings, caps = driver.state.settings, {}
        if settings.session_calls is not None:
            caps[f"session:{driver.state.id}"] = settings.session_calls
        caps |= {f"model:{name}": most for name, most in settings.model_calls.items()}
        caps |= {f"provider:{name}": most for name, most in settings.provider_calls.items()}
        usual = self._providers.caps
        self.parts.limiter.cap({key: min(most, usual.get(key, most)) for key, most in caps.items()})
        run = Run(
            driver,
            self.folder,
            schema=schema,
            caps=caps,
            takes_over=takes_over,
            approve=approve,
            take_up=None if bind_to is None else lambda: self._take_up(driver.state.id, driver.bound, bind_to),
        )
        run.when_over(lambda: self._uncap(run))
        self._runs = [other for other in self._runs if not other.is_over]
        self._runs.append(run)
        return run

    def _uncap(self, run: Run) -> None:
        """Forget the caps that the run brought, where no other run brought them too; those of the providers stay."""
        kept = {key for other in self._runs if not other.is_over for key in other.caps}
        for key in run.caps.keys() - kept:
            if key in self._providers.caps:
                self.parts.limiter.cap({key: self._providers.caps[key]})
            else:
                self.parts.limiter.uncap(key)

    def _made_sandboxes(self) -> Sandboxes:
        if self._sandboxes is None:
            self._sandboxes = make_sandboxes()
        return self._sandboxes


def _nothing_to_resume(row: SessionRow, *, waits: bool) -> str:
    if waits:
        return f"session {row.id} waits for a person's approval; answer it with `podium approve {row.id}`"
    if row.facts.open_run and row.facts.is_over_budget:
        return f"session {row.id} has reached its budget, where its run rests; it goes on once the budget is raised"
    if row.facts.open_run:
        return (
            f"session {row.id} has reached a limit of turns, seconds or tokens, and its run rests with what is "
            f"finished. These cannot be raised: start a new session. `podium interrupt {row.id}` ends the run"
        )
    if row.is_workflow:
        return (
            f"session {row.id} is finished; there is nothing to resume. It runs a workflow, which takes no messages: "
            "start a new session with another input"
        )
    return f"session {row.id} is finished; there is nothing to resume. `podium send` gives it more to do"
