"""A session that has gone idle in a process goes on there from the state it had: as if from its whole log."""

import asyncio
from pathlib import Path

import pytest

from podium import Agent, ModelRequest, Podium, Rehearsal, call
from podium.core.session import fold
from podium.engine.driver import read_state
from podium.models.rehearsal import Said
from podium.running import Run, RunResult
from tests.invariants import check, snapshot


def script(request: ModelRequest) -> Said:
    """The lead has a worker do each task."""
    last = request.messages[-1].content[-1]
    said = getattr(last, "text", "")
    if request.agent == "lead" and said.startswith("task"):
        return call("worker", task=said)
    return f"{request.agent} is done"


async def end(run: Run | None) -> RunResult:
    assert run is not None
    return await run.result()


async def as_its_log_says(podium: Podium, session: str) -> bool:
    """Whether what is kept of the session is what its log folds to."""
    row = await podium.parts.store.session(session)
    left = podium.parts.shelf.look(session, row.epoch)
    assert left is not None
    folded, head = await read_state(podium.parts, session)
    await check(podium.parts.store, session)
    return (snapshot(left.state), left.head) == (snapshot(folded), head)


@pytest.fixture
def lead() -> Agent:
    return Agent("lead", model="m", callable_agents=[Agent("worker", model="m")])


async def test_follow_ups_go_on_from_what_is_kept(tmp_path: Path, lead: Agent) -> None:
    async with Podium(tmp_path, models={"m": Rehearsal(script)}) as podium:
        run = await podium.start(lead, "task 0")
        await run.result()
        for number in range(1, 4):
            assert await as_its_log_says(podium, run.id)
            await podium.send(run.id, f"task {number}")
            result = await end(await podium.take_up_if_needed(run.id, within_s=0))
            assert result.output == "lead is done"

        assert await as_its_log_says(podium, run.id)
        records = await podium.parts.store.records(run.id)
        types = [record.type for record in records]
        assert types.count("session.thread_created") == 4
        assert "driving.started" not in types  # nothing was under way, so nothing was recovered


async def test_what_another_process_did_meanwhile_is_not_overlooked(tmp_path: Path, lead: Agent) -> None:
    models = {"m": Rehearsal(script)}
    async with Podium(tmp_path, models=models) as here, Podium(tmp_path, models=models) as there:
        run = await here.start(lead, "task 0")
        await run.result()
        await there.send(run.id, "task 1")
        await end(await there.take_up_if_needed(run.id, within_s=0))
        await here.send(run.id, "task 2")
        await end(await here.take_up_if_needed(run.id, within_s=0))

        assert await as_its_log_says(here, run.id)
        row = await here.parts.store.session(run.id)
        assert there.parts.shelf.look(run.id, row.epoch) is None
        state = fold(run.id, await here.parts.store.definitions(row.agent), await here.parts.store.records(run.id))
        assert len(state.threads) == 4


async def test_inputs_from_anywhere_before_it_goes_on_are_taken(tmp_path: Path, lead: Agent) -> None:
    models = {"m": Rehearsal(script)}
    async with Podium(tmp_path, models=models) as here, Podium(tmp_path, models=models) as there:
        run = await here.start(lead, "task 0")
        await run.result()
        await asyncio.gather(*[podium.send(run.id, "task more") for podium in (here, there) for _ in range(5)])
        await end(await here.take_up_if_needed(run.id, within_s=0))

        assert await as_its_log_says(here, run.id)
        assert all(row.taken_seq is not None for row in await here.parts.store.inputs(run.id))
