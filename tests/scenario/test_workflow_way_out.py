"""What the code does on its way out of a failure, and what a resume makes of it."""

import asyncio
from contextvars import Context
from typing import Any

import pytest

from podium import WorkflowRun, workflow
from podium.errors import CallFailed
from tests.lab.cast import after, raises
from tests.lab.lab import Lab
from tests.scenario.test_workflow_ends import error
from tests.scenario.test_workflows import A, B, C, asked, output

BROKEN = raises(RuntimeError("broken"), after_s=1)


async def clean() -> str:
    await asyncio.sleep(5)
    return "cleaned"


def beside(*, context: Context | None) -> Any:
    """A task that fails, and cleans up for long, beside one that goes on meanwhile."""

    @workflow
    async def beside(run: WorkflowRun, topic: str) -> list[str]:
        async def fails() -> str:
            try:
                return (await run.agent(A, topic)).text
            except CallFailed:
                await run.step(clean)
                raise

        async def goes_on() -> str:
            await run.agent(B, topic)
            return (await run.agent(C, topic)).text

        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(each(), context=context) for each in (fails, goes_on)]
        return list(await asyncio.gather(*tasks))

    return beside


def resumed(lab: Lab, flow: Any) -> Any:
    """The run failed, and goes on once all is mended."""
    lab.run(flow)
    assert "RuntimeError: broken" in error(lab)
    lab.resumes_failed = True
    lab.script.says("a", "A")
    return lab.resume()


def test_what_other_tasks_have_finished_meanwhile_is_not_repeated() -> None:
    lab = Lab(a=BROKEN, b=after(2, "B"), c=after(2, "C"))

    log = resumed(lab, beside(context=None))

    assert output(lab) == ["A", "C"]
    assert [len(log.requests(name)) for name in "abc"] == [2, 1, 1]
    assert asked(log)[:4] == [("1/1", "a", 1), ("2/1", "b", 1), ("1/2", "clean", 1), ("2/2", "c", 1)]


def test_a_run_goes_on_though_other_calls_come_to_stand_where_it_had_cleaned_up() -> None:
    # In tasks of one context, places are counted together: c comes to stand where the function had stood.
    lab = Lab(a=BROKEN, b=after(2, "B"), c=after(2, "C"))

    log = resumed(lab, beside(context=Context()))

    assert output(lab) == ["A", "C"]
    assert [len(log.requests(name)) for name in "abc"] == [2, 1, 2]


def test_a_phase_may_come_to_stand_where_it_had_cleaned_up() -> None:
    apart = Context()

    @workflow
    async def flow(run: WorkflowRun, topic: str) -> list[str]:
        async def fails() -> str:
            try:
                return (await run.agent(A, topic)).text
            except CallFailed:
                await run.step(clean)
                raise

        async def goes_on() -> str:
            await run.agent(B, topic)
            run.phase("then")
            return (await run.agent(C, topic)).text

        loop = asyncio.get_running_loop()
        return list(await asyncio.gather(*(loop.create_task(each(), context=apart) for each in (fails, goes_on))))

    lab = Lab(a=BROKEN, b=after(2, "B"), c=after(2, "C"))

    resumed(lab, flow)

    assert output(lab) == ["A", "C"]


@pytest.mark.parametrize("fails_again", [False, True])
def test_a_clean_up_is_done_after_each_try(fails_again: bool) -> None:
    cleaned: list[int] = []

    @workflow
    async def cleans_up(run: WorkflowRun, topic: str) -> str:
        def note() -> None:
            cleaned.append(1)

        try:
            return (await run.agent(A, topic)).text
        finally:
            await run.step(note)

    lab = Lab(a=BROKEN)
    lab.run(cleans_up)
    lab.resumes_failed = True
    if not fails_again:
        lab.script.says("a", "A")

    lab.resume()

    assert error(lab) if fails_again else output(lab) == "A"
    assert len(cleaned) == 2


def test_what_was_undone_on_the_way_out_is_not_done_again() -> None:
    done: list[str] = []

    @workflow
    async def pays(run: WorkflowRun, topic: str) -> str:
        def pay() -> None:
            done.append("pay")

        def refund() -> None:
            done.append("refund")

        await run.step(pay)
        try:
            return (await run.agent(A, topic)).text
        except CallFailed:
            await run.step(refund)
            raise

    lab = Lab(a=BROKEN)

    resumed(lab, pays)

    assert (output(lab), done) == ("A", ["pay", "refund"])  # as docs/workflows.md warns
