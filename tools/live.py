"""Prints the live view of a small play: `python tools/live.py | python tools/picture.py > docs/live.svg`.

A coordinator and its specialists, on a rehearsal that takes as long as models do, when one of them asks.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal

from podium import Agent, ModelRequest, Podium, Rehearsal, call, say
from podium.analysis.trace import Trace
from podium.cli.bar import BLIND, Bar
from podium.cli.lanes import lanes
from podium.core.money import ModelFacts, Price
from podium.errors import ModelFailed
from podium.models.rehearsal import Said

WIDTH, HEIGHT = 112, 24
SHOWN_AFTER_S = 7.5
PRICE = Price(input=Decimal(3), output=Decimal(15), cache_write=Decimal("3.75"), cache_read=Decimal("0.3"))


class Played(Rehearsal):
    """A rehearsal with a price, so that the picture has a column for it."""

    facts = ModelFacts(price=PRICE)


async def bash(command: str) -> str:
    """Run a command."""
    await asyncio.sleep(1.3)
    return "\n".join([command] * 400)


async def write(file_path: str, content: str) -> str:
    """Write a file."""
    return "written"


async def _lead(request: ModelRequest) -> Said:
    await asyncio.sleep(0.8)
    parts = [call(name, task=f"Look into {name}.") for name in ("structure", "tests", "risks", "release")]
    return [say("Four specialists look at it."), *parts]


async def _risks(request: ModelRequest) -> Said:
    turn = sum(message.role == "assistant" for message in request.messages)
    await asyncio.sleep(0.5)
    if turn == 1 and _failures:
        raise _failures.pop()
    await asyncio.sleep(0.3)
    return call("bash", command=f"grep -rn --include=*.py 'eval(' part-{turn}")


async def _structure(request: ModelRequest) -> Said:
    await asyncio.sleep(0.9)
    turn = sum(message.role == "assistant" for message in request.messages)
    return call("bash", command=f"find part-{turn} -name '*.py' | xargs wc -l") if turn < 2 else "129 files."


async def _release(request: ModelRequest) -> Said:
    await asyncio.sleep(1.6)
    content = "## 0.2.0\n\n- Approvals, budgets, real models.\n- A live view.\n"
    return call("write", file_path="/workspace/CHANGELOG.md", content=content)


_failures = [ModelFailed("the model is overloaded", kind="overloaded", retry_after_s=1.2)]
_PLAY: dict[str, Callable[[ModelRequest], Awaitable[Said]]] = {
    "lead": _lead,
    "risks": _risks,
    "structure": _structure,
    "tests": _structure,
    "release": _release,
}


async def main() -> None:
    """Play, and print how it looks at that moment."""
    specialists = [Agent(name, model="m", tools=[bash]) for name in ("structure", "tests", "risks")]
    release = Agent("release", model="m", tools=[write], permissions={"write": "always_ask"})
    lead = Agent("lead", model="m", callable_agents=[*specialists, release])
    trace, bar = Trace(), Bar()
    with tempfile.TemporaryDirectory() as data:
        async with Podium(data, models={"m": Played(lambda request: _PLAY[request.agent](request))}) as podium:
            run = await podium.start(lead, "Audit the code base, and write the release notes.")
            try:
                async with asyncio.timeout(SHOWN_AFTER_S):
                    async for record in run.records():
                        trace.apply(record)
            except TimeoutError:
                pass
            now = datetime.now(UTC)
    bar.drawn(trace, now - 2 * BLIND, WIDTH, HEIGHT)
    for line in [*lanes(trace, now, WIDTH, HEIGHT), "", *bar.drawn(trace, now, WIDTH, HEIGHT)]:
        print(str(line).rstrip())


if __name__ == "__main__":
    asyncio.run(main())
