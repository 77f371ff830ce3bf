"""Which sessions a server drives, and which it leaves alone."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from podium.app import Podium
from podium.core.definitions import Agent
from podium.core.ports import Model, ModelRequest, Place, Sandbox
from podium.errors import SandboxUnavailable
from podium.models.rehearsal import Rehearsal
from podium.serving import Serving, logger
from podium.store.sqlite_file import FILE

SOLO = Agent("solo", model="m")
SOON_S = 20.0


class Gate:
    """A model that answers once it is open. `called` is set when it was asked."""

    def __init__(self) -> None:
        self.called = asyncio.Event()
        self.open = asyncio.Event()

    async def script(self, request: ModelRequest) -> str:
        self.called.set()
        await self.open.wait()
        return "done"


def done() -> Rehearsal:
    return Rehearsal(lambda request: "done")


@asynccontextmanager
async def opened(folder: Path, model: Model | None = None, **others: Model) -> AsyncIterator[Podium]:
    """A data folder, as a process of its own would have it."""
    async with Podium(folder, models={**({} if model is None else {"m": model}), **others}) as podium:
        yield podium


async def left_unfinished(folder: Path, model: str = "m") -> str:
    """A session whose process is gone."""
    async with Podium(folder, models={model: done()}) as podium:
        run = await podium.start(Agent("solo", model=model), "go")
        await run.close()
    return run.id


async def finished(folder: Path) -> str:
    """A session that is done."""
    async with opened(folder, done()) as podium:
        return (await podium.run(SOLO, "go")).session_id


async def until(podium: Podium, session: str, type: str = "session.status_idle", times: int = 1) -> list[str]:
    """The types of the session's records, once one of this type was written so many times."""
    seen: list[str] = []
    async with asyncio.timeout(SOON_S):
        async for record in podium.watch(session):
            seen.append(record.type)
            if seen.count(type) == times:
                break
    return seen


async def test_session_that_was_left_unfinished_goes_on_at_the_start(tmp_path: Path) -> None:
    session = await left_unfinished(tmp_path)

    async with opened(tmp_path, done()) as podium, Serving(podium):
        seen = await until(podium, session)

        assert "driving.started" in seen
        assert (await podium.parts.store.session(session)).facts.status == "idle"


async def test_message_to_an_idle_session_is_worked_on_wherever_it_was_sent(tmp_path: Path) -> None:
    session = await finished(tmp_path)

    async with opened(tmp_path, done()) as podium, opened(tmp_path) as elsewhere, Serving(podium):
        await podium.send(session, "once more")
        await until(podium, session, times=2)
        await elsewhere.send(session, "and again")
        seen = await until(podium, session, times=3)

        assert seen.count("agent.message") == 3


async def types(podium: Podium, session: str) -> list[str]:
    return [record.type for record in await podium.parts.store.records(session)]


async def test_paused_session_is_left_alone(tmp_path: Path) -> None:
    paused = await left_unfinished(tmp_path)
    other = await left_unfinished(tmp_path)
    async with opened(tmp_path, done()) as podium:
        await podium.interrupt(paused, pause=True)

    async with opened(tmp_path, done()) as podium, Serving(podium) as serving:
        await until(podium, other)

        assert (await podium.parts.store.session(paused)).epoch == 1
        assert serving.unmet == {}


async def test_session_that_needs_another_program_stays_as_it_is_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    foreign = await left_unfinished(tmp_path, model="theirs")
    own = await left_unfinished(tmp_path)

    async with opened(tmp_path, done()) as podium, Serving(podium) as serving:
        await until(podium, own)
        await podium.send(foreign, "are you there?")
        await podium.send(own, "again")
        await until(podium, own, times=2)

        assert list(serving.unmet) == [foreign]
        assert "needs the model 'theirs', which live in the program that started it" in serving.unmet[foreign]
        assert (await podium.parts.store.session(foreign)).is_unfinished
    told = [record.getMessage() for record in caplog.records if foreign in record.getMessage()]
    assert len(told) == 1
    assert told[0].startswith(f"session {foreign} cannot be driven by this server: ")


class Rooms:
    """Sandboxes that pass their self-test, or do not. Nothing runs in them."""

    backend = "test"

    def __init__(self, trouble: str = "") -> None:
        self._trouble = trouble

    async def check(self) -> Mapping[str, bool]:
        if self._trouble:
            raise SandboxUnavailable(self._trouble)
        return {}

    async def check_mounts(self, place: Place) -> None: ...

    def open(self, place: Place) -> Sandbox:
        raise AssertionError("nothing is to run here")


async def test_session_whose_sandbox_does_not_hold_here_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Podium(tmp_path, models={"m": done()}, sandboxes=Rooms()) as podium:
        run = await podium.start(Agent("solo", model="m", tools=["bash"]), "go")
        await run.close()
    own = await left_unfinished(tmp_path)

    without = Podium(tmp_path, models={"m": done()}, sandboxes=Rooms("no namespaces"))
    async with without as podium, Serving(podium) as serving:
        await until(podium, own)
        await podium.send(run.id, "are you there?")
        await podium.send(own, "again")
        await until(podium, own, times=2)

        assert serving.unmet == {run.id: "no namespaces"}
    assert len([record for record in caplog.records if run.id in record.getMessage()]) == 1


async def test_session_goes_on_here_when_the_process_that_drove_it_lets_it_go(tmp_path: Path) -> None:
    gate = Gate()
    async with opened(tmp_path, done()) as podium, opened(tmp_path, Rehearsal(gate.script)) as elsewhere:
        run = await elsewhere.start(SOLO, "go")
        await gate.called.wait()
        async with Serving(podium, probe_s=0.02) as serving:
            assert serving.running == 0
            await run.close()

            seen = await until(podium, run.id)

    assert seen.count("driving.started") == 1


async def test_end_lets_go_of_what_is_under_way_in_good_order(tmp_path: Path) -> None:
    session = await left_unfinished(tmp_path)
    gate = Gate()

    async with opened(tmp_path, Rehearsal(gate.script)) as podium:
        async with Serving(podium) as serving:
            await gate.called.wait()
            assert serving.running == 1

        assert (await types(podium, session))[-1] == "driving.stopped"
        assert await podium.parts.store.owner(session) is None
        assert [row.id for row in await podium.unfinished()] == [session]


async def test_end_just_after_the_start_leaves_nothing_claimed(tmp_path: Path) -> None:
    sessions = [await left_unfinished(tmp_path) for _ in range(3)]
    gate = Gate()

    async with opened(tmp_path, Rehearsal(gate.script)) as podium:
        for _ in range(3):
            async with Serving(podium):
                await asyncio.sleep(0)

        assert sorted(row.id for row in await podium.unfinished()) == sorted(sessions)


class Ear(logging.Handler):
    """Sets `heard` when something that begins so is logged."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.heard = asyncio.Event()
        self._words = words

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith(self._words):
            self.heard.set()


async def test_session_that_the_disk_refuses_is_tried_again_and_others_go_on(tmp_path: Path) -> None:
    broken, well = await left_unfinished(tmp_path), await left_unfinished(tmp_path)
    db = sqlite3.connect(tmp_path / FILE)
    [[number]] = db.execute("SELECT no FROM session WHERE id = ?", (broken,)).fetchall()
    db.execute(
        f"CREATE TRIGGER full BEFORE INSERT ON record WHEN NEW.key >> 32 = {number} "
        "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
    )
    db.commit()

    ear = Ear(f"session {broken} cannot go on now")
    logger.addHandler(ear)
    try:
        async with opened(tmp_path, done()) as podium, Serving(podium, first_patience_s=0.01):
            await until(podium, well)
            async with asyncio.timeout(SOON_S):
                await ear.heard.wait()
            db.execute("DROP TRIGGER full")
            db.commit()

            await until(podium, broken)
    finally:
        logger.removeHandler(ear)
        db.close()
