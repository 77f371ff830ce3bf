"""Joins the adapters to the ports: one `Podium` is a data folder and the sessions this process runs on it."""

import asyncio
import logging
import os
import resource
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from podium.core.definitions import Agent, Concurrency, Definition, SessionLimits, depth_of, pin
from podium.core.facts import SessionSettings
from podium.core.moment import Moment
from podium.core.opening import open_session, settings_of
from podium.core.ports import Clock, Model, Mount, Place, Resume, Sandboxes, Tool
from podium.core.records import Record
from podium.core.rows import SessionRow
from podium.core.session import SessionState
from podium.engine.clock import SortedIds, SystemClock
from podium.engine.driver import Driver, read_state
from podium.engine.limiter import Limiter
from podium.engine.parts import Bound, Parts
from podium.errors import BadInput
from podium.needs import bind, check_models, describe, need_of_rehearsal, needs_of, program
from podium.running import Run, RunResult
from podium.store.sqlite import SqliteStore

logger = logging.getLogger(__name__)
DATA = Path(".podium")
MOST_FILES = 65_536


class Podium:
    """A data folder and the sessions this process runs on it.

    Use it as an async context manager where several sessions run; `run` and its sisters below open one for each call.
    """

    def __init__(
        self,
        data: Path | str = DATA,
        *,
        models: Mapping[str, Model] | None = None,
        sandboxes: Sandboxes | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._data = Path(data)
        self._models = check_models(models or {})
        self._sandboxes = sandboxes
        self._clock = clock or SystemClock()
        self._new_id = SortedIds()
        self._parts: Parts | None = None
        self._runs: list[Run] = []

    async def __aenter__(self) -> Self:
        store = SqliteStore.open(self._data, self._clock, self._new_id)
        self.folder = store.folder
        self._parts = Parts(
            store=store,
            clock=self._clock,
            new_id=self._new_id,
            sandboxes=self._made_sandboxes,
            place=self._place,
            limiter=Limiter(self._clock),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for run in self._runs:
            await run.close()
        await self.parts.shelf.close()
        await self.parts.store.close()

    @property
    def parts(self) -> Parts:
        """The ports, once entered."""
        if self._parts is None:
            raise BadInput("use Podium as a context manager: async with Podium(...) as podium")
        return self._parts

    # --- running -------------------------------------------------------------------------------------

    async def start(
        self,
        agent: Agent,
        task: str,
        *,
        workdir: Path | str | None = None,
        mounts: Sequence[Mount] = (),
        models: Mapping[str, Model] | None = None,
        rehearsal: str | None = None,
        rehearsal_folder: Path | None = None,
        limits: SessionLimits | None = None,
        concurrency: Concurrency | None = None,
    ) -> Run:
        """Create a session for the agent with the task, and drive it.

        Shape: `workdir` is a folder that all threads share, a fresh one in the data folder if not given. `models` plugs
        in models by the name agents use. `rehearsal` is "FILE.py:FUNCTION" (beside `rehearsal_folder`) or "generated":
        it answers for every model.
        Errors: BadInput, SandboxUnavailable, StoreError; nothing was created then.
        """
        parts, limits, concurrency = self.parts, limits or SessionLimits(), concurrency or Concurrency()
        _check_kinds(task, mounts, limits, concurrency)
        if not task.strip():
            raise BadInput("the task is empty; say what the team is to do")
        if not task.isprintable() and task.encode("utf-8", "replace").decode() != task:
            raise BadInput("the task holds bytes that are not UTF-8")
        tools: dict[tuple[str, str], Tool] = {}
        definition, definitions = pinned(agent, limits, tools)
        needs = list(needs_of(definitions.values()))
        if rehearsal is not None:
            needs = [need for need in needs if not need.startswith("model:")]
            needs.append(need_of_rehearsal(rehearsal, rehearsal_folder or Path.cwd()))
        settings = _settings(workdir, mounts, limits, concurrency)
        session = self._new_id("sesn")
        given = {**self._models, **check_models(models or {})}
        bound = await self._bind(definitions, needs, given, tools, settings, session)
        state, new = open_session(
            session,
            definition,
            definitions,
            task,
            settings=settings,
            needs=needs,
            program=program(),
            at=Moment(parts.clock.now(), self._new_id),
        )
        epoch = await parts.store.create(new)
        return self._drive(state, bound, epoch, len(new.drafts), schema=agent.output_schema, takes_over=False)

    async def run(self, agent: Agent, task: str, **how: Any) -> RunResult:
        """Start a session (see `start`) and wait for its end."""
        return await (await self.start(agent, task, **how)).result()

    async def resume(
        self,
        session: str,
        *,
        agents: Iterable[Agent] = (),
        models: Mapping[str, Model] | None = None,
        accept_changed: bool = False,
    ) -> Run:
        """Go on with a session from its last record.

        Shape: `agents` bring the Python functions that the session's agents use as tools; `models` the models it was
        started with. `accept_changed` takes a rehearsal file that has changed since.
        Errors: NotFound; Owned if a live process drives it; NeedsUnmet naming what is missing and the program that has
        it; BadInput if the session is finished.
        """
        parts = self.parts
        row = await parts.store.session(session)
        if not row.is_unfinished:
            raise BadInput(f"session {session} is finished; there is nothing to resume")
        agents, tools = tuple(agents), dict[tuple[str, str], Tool]()
        for agent in agents:
            pin(agent, lambda tool, where: describe(tool, where, tools))
        definitions = await parts.store.definitions(row.agent)
        state, _ = await read_state(parts, session)
        given = {**self._models, **check_models(models or {})}
        bound = await self._bind(
            definitions, row.needs, given, tools, state.settings, session, resumer=row.program, changed=accept_changed
        )
        schema = next((agent.output_schema for agent in agents if agent.name == row.agent_name), None)
        if row.paused and row.facts.status != "idle":
            # The process before did not live to take its interrupt: that comes first, and then it goes on.
            await (await self._take_up(session, bound, schema)).result()
            row = await parts.store.session(session)
        if row.paused:
            await parts.store.admit(session, Resume())
        return await self._take_up(session, bound, schema)

    async def _take_up(self, session: str, bound: Bound, schema: Any) -> Run:
        epoch = await self.parts.store.claim(session)
        state, head = await read_state(self.parts, session)
        return self._drive(state, bound, epoch, head, schema=schema, takes_over=True)

    async def unfinished(self) -> list[SessionRow]:
        """The sessions with work left and no live driver, oldest first."""
        rows = [row for row in reversed(await self.parts.store.sessions()) if row.is_unfinished]
        return [row for row in rows if await self.parts.store.owner(row.id) is None]

    # --- joining -------------------------------------------------------------------------------------

    def _drive(self, state: SessionState, bound: Bound, epoch: int, head: int, *, schema: Any, takes_over: bool) -> Run:
        settings, caps = state.settings, {}
        if settings.session_calls is not None:
            caps[f"session:{state.id}"] = settings.session_calls
        caps |= {f"model:{name}": most for name, most in settings.model_calls.items()}
        caps |= {f"provider:{name}": most for name, most in settings.provider_calls.items()}
        self.parts.limiter.cap(caps)
        driver = Driver(self.parts, bound, state, epoch=epoch, head=head)
        run = Run(driver, self.folder, schema=schema, caps=caps, takes_over=takes_over)
        run.when_over(lambda: self._uncap(run))
        self._runs = [other for other in self._runs if not other.is_over]
        self._runs.append(run)
        return run

    def _uncap(self, run: Run) -> None:
        """Forget the caps that the run brought, where no other run brought them too."""
        kept = {key for other in self._runs if not other.is_over for key in other.caps}
        for key in run.caps.keys() - kept:
            self.parts.limiter.uncap(key)

    async def _bind(
        self,
        definitions: Mapping[str, Definition],
        needs: Sequence[str],
        models: Mapping[str, Model],
        tools: Mapping[tuple[str, str], Tool],
        settings: SessionSettings,
        session: str,
        *,
        resumer: str = "",
        changed: bool = False,
    ) -> Bound:
        """What the session needs of this process; a sandbox is tested first if one of its tools runs in it."""
        bound = bind(definitions.values(), needs, models, tools, program=resumer, accept_changed=changed)
        has_sandbox = any(tool.needs_sandbox for tool in bound.tools.values())
        if not has_sandbox and not settings.mounts:
            return bound
        from podium.sandbox.layout import check  # only who shows folders pays for it

        place = self._make_place(settings, session, "check")
        check(place)
        if not has_sandbox:
            return bound
        sandboxes = self.parts.sandboxes()
        promises = await sandboxes.check()
        await sandboxes.check_mounts(place)
        return Bound(
            models=bound.models,
            tools=bound.tools,
            sandbox_promises=promises,
            sandbox_backend=sandboxes.backend,
        )

    def _made_sandboxes(self) -> Sandboxes:
        if self._sandboxes is None:
            from podium.sandbox.bubblewrap import Bubblewrap  # only who needs a sandbox pays for it

            if os.geteuid() == 0:
                logger.warning("running as root: what agents run is not bounded in processes; see docs/sandbox.md")
            # A live sandbox holds some six descriptors, and the usual soft limit of 1,024 is soon reached.
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
            self._sandboxes = Bubblewrap()
        return self._sandboxes

    def _place(self, state: SessionState, thread: str) -> Place:
        return self._make_place(state.settings, state.id, thread)

    def _make_place(self, settings: SessionSettings, session: str, thread: str) -> Place:
        folder = self.folder / "sessions" / session
        workdir = Path(settings.workdir) if settings.workdir else folder / "workdir"
        home, tmp = folder / "threads" / thread / "home", folder / "threads" / thread / "tmp"
        for made in (home, tmp, *(() if settings.workdir else (workdir,))):
            made.mkdir(parents=True, exist_ok=True)
        mounts = tuple(
            Mount(path=Path(mount["path"]), at=mount["at"], read_only=mount["read_only"]) for mount in settings.mounts
        )
        return Place(workdir=workdir, home=home, tmp=tmp, data=self.folder, mounts=mounts)


def pinned(
    agent: Agent, limits: SessionLimits, tools: dict[tuple[str, str], Tool] | None = None
) -> tuple[Definition, dict[str, Definition]]:
    """The agent and everyone below it as a session pins them; a program's own tools are put into `tools`.

    Errors: BadInput for what no session can be started with.
    """
    found = {} if tools is None else tools
    definition, definitions = pin(agent, lambda tool, where: describe(tool, where, found))
    if len(chain := depth_of(definition.version, definitions)) - 1 > limits.depth:
        raise BadInput(
            f"the team delegates {len(chain) - 1} levels deep ({' -> '.join(chain)}), and limits.depth is "
            f"{limits.depth}. Raise it, or flatten the team"
        )
    return definition, definitions


def _check_kinds(task: Any, mounts: Any, limits: Any, concurrency: Any) -> None:
    """What a program passes may be anything."""
    if not isinstance(task, str):
        raise BadInput(f"the task must be a text, not {type(task).__name__}")
    if not isinstance(mounts, list | tuple) or not all(isinstance(mount, Mount) for mount in mounts):
        raise BadInput(f"mounts is a list of Mount(path, at='/source'), not {mounts!r:.80}")
    if not isinstance(limits, SessionLimits):
        raise BadInput(f"limits of a session are SessionLimits(turns=..., seconds=..., tokens=...), not {limits!r:.80}")
    if not isinstance(concurrency, Concurrency):
        raise BadInput(f"concurrency is Concurrency(session=..., models=...), not {concurrency!r:.80}")


def _settings(
    workdir: Path | str | None, mounts: Sequence[Mount], limits: SessionLimits, concurrency: Concurrency
) -> SessionSettings:
    return settings_of(
        limits,
        concurrency,
        workdir="" if workdir is None else str(existing_folder(Path(workdir), "workdir")),
        mounts=tuple(
            {
                "path": str(existing_folder(mount.path, f"mount at {mount.at}")),
                "at": mount.at,
                "read_only": mount.read_only,
            }
            for mount in mounts
        ),
    )


def existing_folder(path: Path, what: str) -> Path:
    """The folder, absolute and without symlinks.

    Errors: BadInput naming it, and the remedy, if it is none or cannot be read.
    """
    if os.fsencode(path).decode(errors="replace") != str(path):
        raise BadInput(f"{what}: the path {str(path)!a} is not UTF-8; rename the folder")
    try:
        folder = path.expanduser().resolve(strict=True)
        next(folder.iterdir(), None)
    except FileNotFoundError:
        raise BadInput(f"{what}: {path} does not exist; create it first") from None
    except NotADirectoryError:
        raise BadInput(f"{what}: {path} is a file, not a folder") from None
    except OSError as error:
        raise BadInput(f"{what}: {path} cannot be read: {error.strerror}. Check its owner and permissions") from None
    return folder


# --- one call each -----------------------------------------------------------------------------------


async def run(agent: Agent, task: str, *, data: Path | str = DATA, **how: Any) -> RunResult:
    """Run the agent on the task to its end, and return what came of it.

    Shape: `how` as in `Podium.start`: workdir, mounts, models, rehearsal, limits, concurrency.
    Errors: BadInput, SandboxUnavailable, StoreError. Why a session stopped is data: see `RunResult.stop_reason`.
    """
    async with Podium(data) as podium:
        return await podium.run(agent, task, **how)


def run_sync(agent: Agent, task: str, *, data: Path | str = DATA, **how: Any) -> RunResult:
    """`run`, for programs without an event loop."""
    return asyncio.run(run(agent, task, data=data, **how))


async def stream(agent: Agent, task: str, *, data: Path | str = DATA, **how: Any) -> AsyncIterator[Record]:
    """Run the agent on the task; the session's records, as they are committed. Leaving early lets the session go."""
    async with Podium(data) as podium:
        records = (await podium.start(agent, task, **how)).records()
        async with aclosing(records):
            async for record in records:
                yield record


async def resume(
    session_id: str,
    *,
    agents: Iterable[Agent] = (),
    models: Mapping[str, Model] | None = None,
    accept_changed: bool = False,
    data: Path | str = DATA,
) -> RunResult:
    """Go on with an unfinished session (see `Podium.resume`) to its end."""
    async with Podium(data) as podium:
        run = await podium.resume(session_id, agents=agents, models=models, accept_changed=accept_changed)
        return await run.result()
