"""Does a turn cost the same late in a thread as early? One thread, many tool turns, the durable log.

Prints microseconds per turn over windows of the thread's records, and the last window's ratio to the first. A turn with
a tool is 6 records, so 10,000 records are about 1,700 turns.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time

from podium import Agent, ModelRequest, Podium, Reply, Usage
from podium.core.content import TextBlock, ToolUseBlock

RECORDS_A_TURN = 6
WINDOWS = [(10, 100), (100, 1_000), (1_000, 4_000), (4_000, 7_000), (7_000, 10_000)]
TURNS = WINDOWS[-1][1] // RECORDS_A_TURN + 10
CALL = Reply((ToolUseBlock("", "lookup", {"query": "q"}),), "tool_use", Usage(input_tokens=100, output_tokens=20))


async def lookup(query: str) -> str:
    """Look up a query."""
    return "ok: 42 rows"


class Clocked:
    """A model that notes when it was called, and never looks back over the transcript."""

    provider = "fake"

    def __init__(self) -> None:
        self.called_at: list[float] = []

    async def reply(self, request: ModelRequest) -> Reply:
        self.called_at.append(time.perf_counter())
        return CALL if len(self.called_at) < TURNS else Reply((TextBlock("done"),))


async def once() -> list[float]:
    """Microseconds per turn in each window."""
    model = Clocked()
    with tempfile.TemporaryDirectory() as folder:
        async with Podium(folder, models={"fake": model}) as podium:
            await podium.run(Agent("solo", model="fake", tools=[lookup]), "go")
    costs = []
    for first, last in WINDOWS:
        a, b = first // RECORDS_A_TURN, last // RECORDS_A_TURN
        turns = [later - earlier for earlier, later in zip(model.called_at[a:b], model.called_at[a + 1 : b + 1])]
        costs.append(statistics.median(turns) * 1e6)
    return costs


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    rows = [asyncio.run(once()) for _ in range(repeats)]
    medians = [statistics.median(row[i] for row in rows) for i in range(len(WINDOWS))]
    for (first, last), cost in zip(WINDOWS, medians):
        print(f"records {first:>6,} to {last:>6,}: {cost:7.0f} us per turn")
    print(json.dumps({"flat_ratio": round(medians[-1] / medians[0], 2), "us_per_turn": [round(m) for m in medians]}))


if __name__ == "__main__":
    main()
