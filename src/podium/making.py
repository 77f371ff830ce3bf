"""What a session is made of, before there is one, and what its agents need of this process."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import msgspec

from podium.approvals import Approve
from podium.core.content import Content, text
from podium.core.definitions import Agent, Concurrency, Definition, SessionLimits, depth_of
from podium.core.facts import SessionSettings
from podium.core.json import JSON
from podium.core.pinning import pin
from podium.core.ports import Model, Mount, Sandboxes, Tool
from podium.engine.bound import Bound
from podium.errors import BadInput
from podium.flows import Pins, check_limits, checked_input, needs_of_workflow, primary_of, with_program
from podium.given import check_kinds, checked_content, checked_settings
from podium.needs import bind, check_prices, describe, need_of_rehearsal, needs_of, windows_of
from podium.places import make_place, workdir_of
from podium.providers import Providers
from podium.workflows.workflow import Workflow

Tools = dict[tuple[str, str], Tool]
BindTo = Callable[[Mapping[str, Definition]], Awaitable[Bound]]  # agents, by version, to what they need


class How(TypedDict, total=False):
    """How a session is started, as `Podium.start` says it."""

    workdir: Path | str | None
    mounts: Sequence[Mount]
    models: Mapping[str, Model] | None
    rehearsal: str | None
    rehearsal_folder: Path | None
    limits: SessionLimits | None
    concurrency: Concurrency | None


class HowToStart(How, total=False):
    """The same, and who is asked for approval."""

    approve: Approve | None


class Ready(NamedTuple):
    """All that a session is opened with, and what drives it needs."""

    session: str
    definition: Definition
    definitions: dict[str, Definition]
    task: Content
    settings: SessionSettings
    needs: list[str]
    bound: Bound
    bind_to: BindTo
    input: JSON


@dataclass(frozen=True, kw_only=True)
class Here:
    """This process, as sessions need it. Shape: `folder` is the data folder."""

    folder: Path
    providers: Providers
    sandboxes: Callable[[], Sandboxes]


@dataclass(kw_only=True)
class Binder:
    """Finds here what a session's agents need; a sandbox is tested first if one of their tools runs in it.

    Shape: `models` and `tools` are those that the program brings. With `pins` it runs a workflow. `resumer` is
    the program that must resume the session if something is missing; `changed` takes a rehearsal that has changed.
    """

    here: Here
    session: str
    settings: SessionSettings
    needs: Sequence[str]
    models: Mapping[str, Model]
    tools: Tools
    pins: Pins | None = None
    resumer: str = ""
    changed: bool = False

    async def bind_to(self, agents: Mapping[str, Definition]) -> Bound:
        """What these agents need, and the workflow with what binds those it calls later.

        Errors: NeedsUnmet, BadInput.
        """
        bound = await self._bind(agents)
        if self.pins is None:
            return bound
        return with_program(bound, self.pins, self._bind, lambda: self.settings, self._workdir)

    def _workdir(self) -> Path:
        return workdir_of(self.here.folder, self.settings, self.session)

    async def _bind(self, agents: Mapping[str, Definition]) -> Bound:
        bound = bind(
            agents,
            self.needs,
            self.models,
            self.tools,
            self.here.providers,
            program=self.resumer,
            accept_changed=self.changed,
        )
        has_sandbox = any(tool.needs_sandbox for tool in bound.tools.values())
        if not has_sandbox and not self.settings.mounts:
            return bound
        from podium.sandbox.layout import check  # only who shows folders pays for it

        place = make_place(self.here.folder, self.settings, self.session, "check")
        check(place)
        if not has_sandbox:
            return bound
        sandboxes = self.here.sandboxes()
        promises = await sandboxes.check()
        await sandboxes.check_mounts(place)
        return replace(bound, sandbox_promises=promises, sandbox_backend=sandboxes.backend)


async def make_ready(
    here: Here,
    session: str,
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
) -> Ready:
    """All that a session of the agent, or of the workflow, is made of. Errors: as `Podium.start`."""
    limits, concurrency = limits or SessionLimits(), concurrency or Concurrency()
    check_kinds(agent, mounts, limits, concurrency)
    tools: Tools = {}
    given: JSON = None
    pins = None
    if isinstance(agent, Workflow):
        check_limits(agent, limits)
        given = checked_input(agent, task)
        content = text(agent.shown(given))
        definition = primary_of(agent)
        definitions = {definition.version: definition}
        pins = Pins(agent, limits.depth, tools)
        agents = pins.named()
        needs = needs_of_workflow(agent, needs_of(agents.values(), models or {}))
    else:
        content = checked_content(task, "task")
        definition, definitions = pinned(agent, limits, tools)
        agents = definitions
        needs = list(needs_of(agents.values(), models or {}))
    if rehearsal is not None:
        needs = [need for need in needs if not need.startswith("model:")]
        needs.append(need_of_rehearsal(rehearsal, rehearsal_folder or Path.cwd()))
    binder = Binder(
        here=here,
        session=session,
        settings=checked_settings(workdir, mounts, limits, concurrency),
        needs=needs,
        models=models or {},
        tools=tools,
        pins=pins,
    )
    bound = await binder.bind_to(agents)
    binder.settings = priced(agents, binder.settings, bound)
    return Ready(session, definition, definitions, content, binder.settings, needs, bound, binder.bind_to, given)


def pinned(agent: Agent, limits: SessionLimits, tools: Tools | None = None) -> tuple[Definition, dict[str, Definition]]:
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


def priced(definitions: Mapping[str, Definition], settings: SessionSettings, bound: Bound) -> SessionSettings:
    """The settings with what is known of the models. Errors: BadInput for a limit in dollars that nobody can keep."""
    check_prices(definitions.values(), settings, bound)
    return msgspec.structs.replace(
        settings,
        # What a workflow calls that names no agents is not known yet.
        has_prices=bool(bound.facts) and all(facts.price is not None for facts in bound.facts.values()),
        context_windows=windows_of(definitions, bound),
    )
