"""Functions that a workflow has run: those that do not let themselves be stopped."""

import asyncio
from contextlib import suppress

import pytest

from podium import WorkflowRun, workflow
from tests.lab.cast import after
from tests.lab.lab import Lab, interrupted
from tests.scenario.test_workflows import A, B, output

GRACE = 4  # seconds that a function that is cancelled has to end


def stubborn(more_s: float, *, raises: bool = False):  # type: ignore[no-untyped-def]
    async def goes_on() -> str:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(1000)
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(more_s)
        if raises:
            raise OSError("too late")
        return "too late"

    return goes_on


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("more_s", [8, 500])
def test_a_function_that_swallows_cancellation_does_not_hold_up_the_run(more_s: float, raises: bool) -> None:
    @workflow
    async def first_of_two(run: WorkflowRun, topic: str) -> list[str]:
        got = await run.gather(run.agent(A, topic), run.step(stubborn(more_s, raises=raises)), join="any")
        return [*(each.text for each in got), (await run.agent(B, topic)).text]

    lab = Lab(a=after(1, "A"), b=after(10, "B"))

    log = lab.run(first_of_two)

    assert (output(lab), log.seconds) == (["A", "B"], 1 + GRACE + 10)
    [ended] = log.of("workflow.step_ended")
    assert ended.event.outcome == "stopped"  # type: ignore[union-attr]


def test_a_function_that_swallows_cancellation_does_not_hold_up_a_failure() -> None:
    @workflow
    async def fails(run: WorkflowRun, topic: str) -> None:
        slow = run.step(stubborn(500))
        await run.agent(A, topic)
        raise RuntimeError("broken")
        await slow

    lab = Lab(a=after(1, "A"))

    log = lab.run(fails)

    assert (log.stop_reason, log.seconds) == ("retries_exhausted", 1 + GRACE)
    assert lab.result is not None
    assert "RuntimeError: broken" in lab.result.error


def test_a_function_that_swallows_cancellation_does_not_hold_up_an_interrupt() -> None:
    @workflow
    async def waits(run: WorkflowRun, topic: str) -> str:
        return await run.step(stubborn(500))

    lab = Lab()

    log = lab.run(waits, acts=[(3, interrupted())])

    assert (log.stop_reason, log.seconds) == ("end_turn", 3 + GRACE)
