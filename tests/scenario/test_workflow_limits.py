"""Limits of a workflow's calls: zero, negative, contradictory; and what a run may do that has none."""

import asyncio
from typing import Any

import pytest

from podium import Limits, SessionLimits, WorkflowRun, n_of, workflow
from podium.errors import BadInput, CallFailed
from tests.lab.cast import after, hangs
from tests.lab.lab import Lab
from tests.scenario.test_workflow_rules import failing
from tests.scenario.test_workflows import A, B, agent, output


def bounded(who: Any, limits: Limits) -> Any:
    @workflow
    async def bounded(run: WorkflowRun, topic: str) -> list[str]:
        try:
            return [(await run.agent(who, topic, limits=limits)).text]
        except CallFailed as error:
            return [error.end, error.reason]

    return bounded


@pytest.mark.parametrize(("of_agent", "of_call"), [(3, 7), (7, 3)])
def test_of_two_limits_of_a_call_the_narrower_holds(of_agent: float, of_call: float) -> None:
    who = agent("a", limits=Limits(seconds=of_agent))
    lab = Lab(a=hangs)

    log = lab.run(bounded(who, Limits(seconds=of_call)))

    assert (output(lab)[0], log.seconds) == ("timed_out", 3)


def test_a_call_may_be_given_more_than_its_session_has_and_the_session_rests() -> None:
    lab = Lab(a=hangs)

    log = lab.run(bounded(A, Limits(seconds=9)), limits=SessionLimits(seconds=4))

    assert (log.stop_reason, log.seconds) == ("budget_reached", 4)


@pytest.mark.parametrize(
    "limits", [{"turns": 0}, {"seconds": -1}, {"seconds": float("nan")}, {"tokens": 1.5}, {"usd": 0}]
)
def test_limits_that_are_none_are_refused_where_they_are_written(limits: Any) -> None:
    async def writes(run: WorkflowRun, topic: str) -> None:
        await run.agent(A, topic, limits=Limits(**limits))

    assert f"limits.{next(iter(limits))} must be " in failing(writes)


def test_limits_of_a_session_are_none_of_a_call() -> None:
    async def writes(run: WorkflowRun, topic: str) -> None:
        await run.agent(A, topic, limits=SessionLimits(turns=3))

    assert "limits are Limits(turns=..., seconds=..., tokens=..., usd=...), not SessionLimits(" in failing(writes)


@pytest.mark.parametrize("least", [0, -1, True, 1.0, "2"])
def test_rules_that_ask_for_nothing_are_refused_where_they_are_written(least: Any) -> None:
    with pytest.raises(BadInput, match="n_of takes a whole number above 0"):
        n_of(least)


@pytest.mark.parametrize("retries", [-1, 101, True, 1.0])
def test_retries_are_a_number_of_times(retries: Any) -> None:
    async def writes(run: WorkflowRun, topic: str) -> None:
        await run.agent(A, topic, retries=retries)

    assert "retries is a whole number from 0 to 100" in failing(writes)


def test_calls_may_be_counted_by_a_semaphore_of_the_code() -> None:
    @workflow
    async def three_at_once(run: WorkflowRun, topic: str) -> int:
        room = asyncio.Semaphore(3)

        async def one(n: int) -> str:
            async with room:
                return (await run.agent(B, f"{n}")).text

        return len(await run.gather(*(one(n) for n in range(100))))

    lab = Lab(b=after(1, "B"))

    log = lab.run(three_at_once)

    assert (output(lab), log.seconds, lab.script.most["b"]) == (100, 34, 3)


def test_more_calls_may_be_open_than_the_hosted_service_allows() -> None:
    @workflow
    async def many(run: WorkflowRun, topic: str) -> int:
        return len(await run.gather(*(run.agent(B, f"{n}") for n in range(200))))

    lab = Lab(b=after(1, "B"))

    log = lab.run(many)

    assert (output(lab), log.seconds, lab.script.most["b"]) == (200, 1, 200)
