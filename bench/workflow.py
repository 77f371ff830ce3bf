"""What a call of a workflow costs: a map of one agent over many items, rehearsed, on the durable log.

`all` has every call under way at once through run.gather, `waves` at most 64, and so has `map`, by the ready pattern.
Prints milliseconds of wall time and of the processor for each call, with everything a call is: its thread, its task,
one reply, its report, its end; and what telling the whole run again costs, as after a crash. Each way runs in a process
of its own, so that memory is that way's.
"""

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from podium import Agent, ModelRequest, Podium, Rehearsal, WorkflowRun, workflow
from podium.patterns import map_over

WAVE = 64
worker = Agent("worker", model="fake", description="Works.")


def script(request: ModelRequest) -> str:
    return "done: the part is complete"


@workflow
async def all_at_once(run: WorkflowRun, items: int) -> int:
    """Map over the items, all at once, and wait for a person."""
    got = await run.gather(*(run.agent(worker, f"item {n}") for n in range(items)))
    await run.checkpoint("was it told")
    return len(got)


@workflow
async def in_waves(run: WorkflowRun, items: int) -> int:
    """Map over the items, so many at once, and wait for a person."""
    room = asyncio.Semaphore(WAVE)

    async def one(n: int) -> str:
        async with room:
            return (await run.agent(worker, f"item {n}")).text

    got = await run.gather(*(one(n) for n in range(items)))
    await run.checkpoint("was it told")
    return len(got)


@workflow
async def mapped(run: WorkflowRun, items: int) -> int:
    """The ready pattern, so many at once, and wait for a person."""
    made = await map_over(run, worker, [f"item {n}" for n in range(items)], task="{item}", at_once=WAVE, most=items)
    await run.checkpoint("was it told")
    return len(made.results)


WAYS = {"all": all_at_once, "waves": in_waves, "map": mapped}


def memory_mb() -> float:
    """The most this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def once(way: str, items: int) -> dict[str, float]:
    """One run, and what it cost."""
    with tempfile.TemporaryDirectory() as folder:
        async with Podium(folder, models={"fake": Rehearsal(script)}) as podium:
            await podium.run(WAYS[way], 2)  # what is imported at the first use
            before = memory_mb()
            wall, cpu = time.perf_counter(), time.process_time()
            result = await podium.run(WAYS[way], items)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            assert (len(result.threads), result.stop_reason) == (items + 1, "requires_action"), result
            [waiting] = result.waiting
            await podium.approve(result.session_id, waiting.call_id, allow=True)
            session = result.session_id
            del result
            peak = memory_mb()
        async with Podium(folder, models={"fake": Rehearsal(script)}) as podium:
            again = time.perf_counter()
            run = await podium.resume(session, workflow=WAYS[way])
            result = await run.result()
            again = time.perf_counter() - again
            assert result.output == items, result
        size_mb = sum(file.stat().st_size for file in Path(folder).rglob("podium.db*")) / 2**20  # noqa: ASYNC240
    return {
        "wall_ms_per_call": round(wall / items * 1e3, 3),
        "cpu_ms_per_call": round(cpu / items * 1e3, 3),
        "replay_ms_per_call": round(again / items * 1e3, 3),
        "peak_mb": round(peak, 1),
        "before_mb": round(before, 1),
        "log_kb_per_call": round(size_mb * 1024 / items, 1),
    }


def main() -> None:
    if len(sys.argv) == 4 and sys.argv[1] == "one":
        print(json.dumps(asyncio.run(once(sys.argv[2], int(sys.argv[3])))))
        return
    items = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    for way in WAYS:
        argv = [sys.executable, __file__, "one", way, str(items)]
        rows = [json.loads(subprocess.check_output(argv)) for _ in range(repeats)]
        best = min(rows, key=lambda row: row["wall_ms_per_call"])
        print(f"{way:>6}, {items:,} items, best of {repeats}: {json.dumps(best)}")


if __name__ == "__main__":
    main()
