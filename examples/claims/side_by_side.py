"""Two equal tasks side by side take the time of one.

    .venv/bin/python examples/claims/side_by_side.py [--runs N] [--data DIR]

Each run makes two sessions: in the first the lead calls one worker, in the second it calls two in one reply. The model
is rehearsed: a reply takes a second, as a model's does. Every figure is read from the sessions' logs. Exit code: 1 if
in any run two tasks took longer than one by more than the tolerance.
"""

import argparse
import asyncio
import os
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from podium import Agent, ModelRequest, Podium, Rehearsal, RunResult, TextBlock, call
from podium.analysis.intervals import Interval, total
from podium.analysis.siblings import batches, busy
from podium.analysis.trace import Trace, trace
from podium.models.rehearsal import Said

PACE = float(os.environ.get("PODIUM_REHEARSAL_PACE", "1"))  # 1: a reply takes a second
TOLERANCE = 0.25  # of the time of one: starting a thread and committing its records takes some, on a busy machine more

WORKER = Agent("worker", model="rehearsed", description="Weighs one thing. Returns its weight.")
LEAD = Agent("lead", model="rehearsed", callable_agents=[WORKER])


async def reply(request: ModelRequest) -> Said:
    """What an agent says, after the time that a model takes."""
    await asyncio.sleep(PACE)
    if request.agent == "worker":
        return "heavy"
    if len(request.messages) > 1:
        return "weighed"
    asked = request.messages[0].content[0]
    assert isinstance(asked, TextBlock)
    return [call("worker", task=f"Weigh {thing}.") for thing in asked.text.split(" and ")]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the logs of one run say.

    Shape: `one` is how long a worker took alone, `two` from the start of the first to the end of the last of two.
    `work` is the time of both added up, `overlap` how long both were at it. `path` is the critical path of the session
    with two: the calls of the lead, and the longer one of its workers; `wall` is how long it took.
    """

    one: timedelta
    two: timedelta
    work: timedelta
    overlap: timedelta
    path: timedelta
    wall: timedelta

    @property
    def ratio(self) -> float:
        """How much longer two take than one: 1 is not at all, 2 is one after the other."""
        return self.two / self.one


def measure(alone: Trace, both: Trace) -> Measured:
    """The figures of one run. Shape: the traces of its two sessions."""
    [worker] = _workers(alone)
    until = _end(both)
    [batch] = batches(both, until)
    [(_, _, overlap)] = batch.pairs
    lead = both.threads[both.primary]
    lead_calls = [Interval(effect.start, effect.end or until) for effect in lead.effects]
    assert both.started_at is not None
    return Measured(
        one=total(alone.threads[worker].worked(_end(alone))),
        two=batch.elapsed,
        work=batch.busy,
        overlap=overlap,
        path=total(lead_calls) + max(total(busy(both, until)[thread]) for thread in batch.threads),
        wall=until - both.started_at,
    )


def _workers(made: Trace) -> list[str]:
    return [thread.id for thread in made.threads.values() if thread.agent == "worker"]


def _end(made: Trace) -> datetime:
    assert made.last_at is not None
    return made.last_at


async def compare(data: Path, runs: int) -> list[Measured]:
    """Make the runs and print what their logs say; the figures."""
    found: list[Measured] = []
    async with Podium(data, models={"rehearsed": Rehearsal(reply)}) as podium:
        for number in range(1, runs + 1):
            alone = await podium.run(LEAD, "a stone")
            both = await podium.run(LEAD, "a stone and a feather")
            found.append(measure(trace(alone.records), trace(both.records)))
            show(number, found[-1], both)
    return found


def show(number: int, it: Measured, both: RunResult) -> None:
    """Print the figures of one run."""
    print(f"run {number}, {both.session_id}")
    print(f"  one task           {_s(it.one)}")
    print(f"  two side by side   {_s(it.two)}, {it.ratio:.3f} times the time of one")
    print(f"  work of both       {_s(it.work)}, {_s(it.overlap)} of it at the same time")
    print(f"  critical path      {_s(it.path)}; the session took {_s(it.wall)}, {it.wall / it.path:.3f} times that")


def _s(length: timedelta) -> str:
    return f"{length.total_seconds():.3f} s"


def main() -> int:
    """Make the runs; 0 if the claim held in each."""
    parser = argparse.ArgumentParser(description="Two equal tasks side by side take the time of one.")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path(".podium"), help="the data folder of the sessions")
    given = parser.parse_args()
    if given.runs < 1:
        parser.error("--runs must be at least 1")
    found = asyncio.run(compare(given.data, given.runs))
    worst = max(it.ratio for it in found)
    holds = worst <= 1 + TOLERANCE
    print(
        f"two side by side took at most {worst:.3f} times the time of one; one after the other, it is 2. "
        f"The claim {'holds' if holds else 'does not hold'}, with a tolerance of {TOLERANCE:.0%}"
    )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
