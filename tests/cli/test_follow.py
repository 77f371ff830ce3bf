"""Following a session: each record is shown once, and who leaves waits for nothing."""

import asyncio
from io import StringIO

from podium.analysis.trace import Trace
from podium.cli.follow import Feed, unless
from podium.cli.lines import Lines
from podium.running import Run
from tests.unit.hand_log import Log


def fed(*batches: slice, known: int = 0) -> tuple[Trace, list[str]]:
    """A feed that got these records of a log one batch after the other, when the trace knew the first ones."""
    log, out, trace = Log(), StringIO(), Trace()
    log.tool("lead", 1, 2)
    log.fails("lead", 3, 4)
    for record in log.records[:known]:
        trace.apply(record)
    feed = Feed("sesn_1", trace, Lines(out))
    for batch in batches:
        for record in log.records[batch]:
            feed.take(record)
    return trace, [line[11:].split(":")[1].strip() for line in out.getvalue().splitlines()]


def test_record_that_comes_twice_is_folded_and_told_once() -> None:
    trace, told = fed(slice(0, 7), slice(3, None))

    assert told == ["starts", "runs bash (ls)", "bash is done in 1.00 s", "got no reply"]
    assert len(trace.threads["lead"].effects) == 2


def test_record_that_the_trace_knows_already_is_told_all_the_same() -> None:
    trace, told = fed(slice(4, None), known=6)

    assert told == ["runs bash (ls)", "bash is done in 1.00 s", "got no reply"]
    assert len(trace.threads["lead"].effects) == 2


async def test_who_leaves_waits_for_nothing_and_what_was_waited_for_is_over() -> None:
    leave, is_over = asyncio.Event(), asyncio.Event()

    async def forever() -> Run | None:
        try:
            await asyncio.Event().wait()
        finally:
            is_over.set()
        return None

    waiting = asyncio.create_task(unless(leave, forever()))
    await asyncio.sleep(0)
    leave.set()

    assert await waiting is None
    assert is_over.is_set()
