"""The library in one call each: a Podium is opened, a session is run or resumed on it, and it is closed."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Unpack

from podium.app import DATA, Podium
from podium.approvals import Approve
from podium.core.definitions import Agent
from podium.core.ports import Model
from podium.core.records import Record
from podium.errors import BadInput
from podium.making import HowToStart
from podium.running import RunResult
from podium.workflows.workflow import Workflow


async def run(agent: Agent | Workflow, task: Any, *, data: Path | str = DATA, **how: Unpack[HowToStart]) -> RunResult:
    """Run the agent on the task, or the workflow on its input, to its end, and return what came of it.

    Shape: `how` as in `Podium.start`: workdir, mounts, models, rehearsal, limits, concurrency.
    Errors: BadInput, SandboxUnavailable, StoreError. Why a session stopped is data: see `RunResult.stop_reason`.
    """
    async with Podium(data) as podium:
        return await podium.run(agent, task, **how)


def run_sync(agent: Agent | Workflow, task: Any, *, data: Path | str = DATA, **how: Unpack[HowToStart]) -> RunResult:
    """`run`, for programs without an event loop.

    Errors: BadInput inside one, such as a notebook's.
    """
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        raise BadInput("an event loop runs here already: write `await run(...)` instead of run_sync(...)")
    return asyncio.run(run(agent, task, data=data, **how))


async def stream(
    agent: Agent | Workflow, task: Any, *, data: Path | str = DATA, **how: Unpack[HowToStart]
) -> AsyncIterator[Record]:
    """Run the agent or the workflow; the session's records, as they are committed. Leaving early lets it go."""
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
    approve: Approve | None = None,
    workflow: Workflow | None = None,
    data: Path | str = DATA,
) -> RunResult:
    """Go on with an unfinished session (see `Podium.resume`) to its end."""
    async with Podium(data) as podium:
        run = await podium.resume(
            session_id, agents=agents, models=models, accept_changed=accept_changed, approve=approve, workflow=workflow
        )
        return await run.result()
