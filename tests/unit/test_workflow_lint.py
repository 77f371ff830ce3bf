"""What the source of a workflow shows of what it may not do by itself."""

import asyncio
import os
import random
import re
import time
import uuid
from datetime import UTC
from datetime import datetime as moment
from pathlib import Path
from typing import Any

import pytest

from podium import workflow
from podium.workflows.lint import lint
from podium.workflows.workflow import Workflow

DICE = random.Random(7)
NOTES = Path("notes")


class Watch:
    def shown(self) -> str:
        return time.strftime("%H:%M")


def now() -> float:
    return time.time()


def folders() -> list[str]:
    return os.listdir(".")


async def nap(run: Any) -> None:
    await asyncio.sleep(1)


@workflow
async def clock(run: Any, x: str) -> None:
    await run.step(now)
    print(moment.now(UTC))


@workflow
async def dice(run: Any, x: str) -> list[Any]:
    await run.step(random.random)
    return [random.choice("ab"), DICE.random(), uuid.uuid4()]


@workflow
async def outside(run: Any, x: str) -> Any:
    file = Path(x)
    open(x).close()  # noqa: ASYNC230
    file.write_text(await run.step(os.getcwd))  # noqa: ASYNC240
    return os.environ.get("HOME"), os.path.join("a", "b")


@workflow
async def of_now(run: Any, x: str) -> Any:
    told = await run.step(now), time.strftime("%H", time.gmtime(0)), time.localtime(1.0)
    return told, time.strftime("%H"), time.ctime(), time.process_time(), Watch().shown()


@workflow
async def seeds(run: Any, x: str) -> Any:
    told = await run.step(now), uuid.UUID(x), uuid.uuid5(uuid.NAMESPACE_DNS, x), random.Random(x)
    return told, random.Random(), random.SystemRandom()


@workflow
async def disk(run: Any, x: str) -> Any:
    told = NOTES.with_suffix(".md"), NOTES / x, Path(x).name, Path(x).joinpath("a"), os.path.join("a", "b")
    await asyncio.to_thread(folders)
    return told, NOTES.read_text(), Path(x).exists(), Path.cwd(), os.path.exists(x), os.environ["HOME"]  # noqa: ASYNC240


@workflow
async def below(run: Any, x: str) -> Any:
    await nap(run)
    return folders()


@workflow
async def outer(run: Any, x: str) -> Any:
    return await clock(run, x)


@workflow
async def right(run: Any, x: str) -> Any:
    def later() -> float:
        return time.time()

    class Kept:
        at = time.time

    open = max  # a name of its own
    got = await run.step(later), await run.step(lambda: time.time()), await run.step(folders)
    return x.strip(), open(1, 2), sorted(got), Kept


FOUND = {
    "a clock": (clock, ["moment.now() reads a clock"]),
    "what is another each time": (dice, ["DICE.random(...) is", "random.choice(...) is", "uuid.uuid4(...) is"]),
    "what is outside": (outside, ["open(...) reads", "file.write_text(...) reads", "os.environ.get(...) reads"]),
    "now, where no time is given": (
        of_now,
        [
            "time.strftime() reads a clock: write `await run.step(time.strftime, ...)`",
            "time.ctime() reads a clock",
            "time.process_time() reads a clock",
            "time.strftime() reads a clock",
        ],
    ),
    "what has no seed": (seeds, ["random.Random(...) is another", "random.SystemRandom(...) is another"]),
    "files, the environment and threads": (
        disk,
        [
            "asyncio.to_thread(...) reads",
            "NOTES.read_text(...) reads",
            "Path(x).exists(...) reads",
            "Path.cwd(...) reads",
            "os.environ[...] reads",
            "os.path.exists(...) reads",
        ],
    ),
    "functions of the same module": (below, ["os.listdir(...) reads", "asyncio.sleep(...) waits"]),
    "another workflow": (outer, ["moment.now() reads a clock"]),
    "what only a step runs": (right, []),
}


@pytest.mark.parametrize("case", FOUND)
def test_it_is_told_with_its_line_and_the_remedy(case: str) -> None:
    made, expected = FOUND[case]

    found = lint(made)

    assert [each.said[: len(said)] for each, said in zip(found, expected, strict=True)] == expected
    lines = Path(__file__).read_text().splitlines()
    assert all(re.split(r"\(\.\.\.\)|\[|\(\)", each.said)[0] in lines[each.line - 1] for each in found)
    assert all("run.step" in each.said or "limits=" in each.said for each in found)


def test_a_seeded_generator_of_the_code_s_own_is_right() -> None:
    async def seeded(run: Any, x: int) -> None:
        own = random.Random(x)
        await run.agent(None, str(own.random()))

    assert lint(Workflow(seeded)) == []


def test_code_without_a_source_is_not_looked_into() -> None:
    names: dict[str, Any] = {}
    exec("import time\nasync def made(run):\n    await run.step(time.time)\n    time.time()", names)

    assert lint(Workflow(names["made"])) == []
