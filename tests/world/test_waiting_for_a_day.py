"""A provider that says "come back tomorrow": the session waits, and no process has to live that long."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

from podium import Agent
from tests.cli.podium import Folder
from tests.invariants import check
from tests.models.server import MessagesServer, fails, says, text
from tests.world.clock import HandClock
from tests.world.house import configured, house, shown, words
from tests.world.processes import SOON_S, Seen, until

DAY = timedelta(days=1)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
TOMORROW = fails(429, "rate_limit_error", "enough for today", retry_after="86400")
TEAM = """
name: patient
agents:
  solo: {model: m}
"""


async def test_session_goes_on_when_the_day_is_over(tmp_path: Path) -> None:
    server, clock = MessagesServer(TOMORROW, says(text("whole"))), HandClock(NOON)
    async with asyncio.timeout(SOON_S), server, house(tmp_path, server, clock) as podium:
        run = await podium.start(Agent("solo", model="m"), "go")

        await clock.until_set(NOON + DAY)
        facts = (await podium.parts.store.session(run.id)).facts
        clock.forward(DAY)
        result = await run.result()
        await check(podium.parts.store, run.id)

    assert (facts.status, facts.wake_at) == ("rescheduling", NOON + DAY)
    assert (result.stop_reason, result.output, len(server.requests)) == ("end_turn", "whole", 2)
    assert "attempt 2 of 2 after 24 h 00 min: is done" in shown(result)


async def test_restart_of_the_process_makes_the_wait_neither_longer_nor_shorter(tmp_path: Path) -> None:
    server, clock = MessagesServer(TOMORROW, says(text("whole"))), HandClock(NOON)
    async with asyncio.timeout(SOON_S), server:
        async with house(tmp_path, server, clock) as podium:
            run = await podium.start(Agent("solo", model="m"), "go")
            await clock.until_set(NOON + DAY)
        clock.forward(DAY / 2)
        async with house(tmp_path, server, clock) as podium:
            again = await podium.resume(run.id)
            await clock.until_set(NOON + DAY)
            facts = (await podium.parts.store.session(run.id)).facts
            clock.forward(DAY / 2)
            result = await again.result()
            await check(podium.parts.store, run.id)

    assert (facts.status, facts.wake_at) == ("rescheduling", NOON + DAY)
    assert (result.output, words(result), len(server.requests)) == ("whole", ["whole"], 2)


async def test_killed_process_is_followed_by_another_the_next_day(folder: Folder) -> None:
    folder.write("team.yaml", TEAM)
    async with MessagesServer(TOMORROW, says(text("whole"))) as server:
        configured(folder.path, server.url)
        process = folder.start("run", "team.yaml", "go", "--data", "data")
        seen = Seen(folder.path / "data")
        await until(lambda: "session.status_rescheduled" in seen.types())
        process.signal(signal.SIGKILL)
        process.end()
        clock = HandClock(datetime.now(UTC) + DAY)
        async with house(folder.path, server, clock) as podium:
            [row] = await podium.unfinished()
            result = await (await podium.resume(row.id)).result()
            await check(podium.parts.store, row.id)

    assert (result.stop_reason, result.output, len(server.requests)) == ("end_turn", "whole", 2)
