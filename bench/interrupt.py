"""How long `podium interrupt` in a second process takes until the driver's log has the record that takes it.

The driver is a process of its own whose model reply never ends. Measured between the times of the two records, that
which the second process writes and that which takes it; and, as people feel it, from the start of the command.

    python bench/interrupt.py [TRIES]
"""

import asyncio
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from podium.core.events import UserInterrupt
from podium.core.records import Record
from podium.store.sqlite import read_log

DRIVER = """
import asyncio
from podium import Agent, Podium, Rehearsal

async def never(request):
    await asyncio.Event().wait()

async def main():
    async with Podium(models={"m": Rehearsal(never)}) as podium:
        while input():
            run = await podium.start(Agent("solo", model="m"), "go")
            async for record in run.records():
                if record.type == "span.model_request_start":
                    print(run.id, flush=True)
            await run.result()

asyncio.run(main())
"""


async def main(tries: int) -> None:
    """Print min, median and max, in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        driver = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            DRIVER,
            cwd=folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert driver.stdin is not None
        assert driver.stdout is not None
        taken, felt = [], []
        for _ in range(tries):
            driver.stdin.write(b"again\n")
            session = (await driver.stdout.readline()).decode().strip()
            began = time.time()
            command = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "podium.cli", "interrupt", session, cwd=folder, stderr=asyncio.subprocess.DEVNULL
            )
            queued, took = await _interrupts(Path(folder, ".podium"), session)
            await command.wait()
            taken.append((took - queued).total_seconds())
            felt.append(took.timestamp() - began)
        driver.kill()
        await driver.wait()
    for what, found in (("from input to its taking", taken), ("from the command's start", felt)):
        low, middle, high = min(found), statistics.median(found), max(found)
        print(f"{what}: min {low * 1000:.0f}, median {middle * 1000:.0f}, max {high * 1000:.0f} ms ({tries} tries)")


async def _interrupts(data: Path, session: str) -> tuple[datetime, datetime]:
    """When the interrupt was queued, and when it was taken."""
    while len(found := [record for record in read_log(data, session) if _is_interrupt(record)]) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    return found[0].at, found[1].at


def _is_interrupt(record: Record) -> bool:
    return isinstance(record.event, UserInterrupt)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
