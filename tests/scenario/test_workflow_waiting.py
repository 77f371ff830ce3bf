"""Who waits for a call of a workflow: one, several, nobody; and what becomes of it when they are stopped or fail."""

import asyncio
import gc

import pytest

from podium import Workflow, WorkflowRun, workflow
from podium.errors import CallFailed
from tests.lab.cast import after, hangs, raises
from tests.lab.lab import Lab
from tests.scenario.test_workflow_ends import error
from tests.scenario.test_workflow_replay import cut
from tests.scenario.test_workflow_rules import failing
from tests.scenario.test_workflows import A, B, C, output

BROKEN = raises(RuntimeError("broken"), after_s=1)


# --- nobody awaits it yet ------------------------------------------------------------------------------


@workflow
async def early_in_a_loser(run: WorkflowRun, topic: str) -> str:
    async def branch() -> str:
        slow = run.agent(A, topic)
        await run.agent(B, topic)
        return (await slow).text

    got = await run.gather(branch(), run.agent(C, topic), join="any")
    return str(got[0])


def test_a_branch_that_is_stopped_takes_along_what_it_has_not_awaited_yet() -> None:
    lab = Lab(a=after(9, "A"), b=after(9, "B"), c=after(2, "C"))

    log = lab.run(early_in_a_loser)

    assert (output(lab), log.seconds) == ("C", 2)
    assert sorted(log.closings()) == [("a", "stopped"), ("b", "stopped"), ("c", "reported")]


def test_what_a_stopped_branch_took_along_is_told_the_same_way_in_another_process() -> None:
    @workflow
    async def goes_on(run: WorkflowRun, topic: str) -> list[str]:
        return [await early_in_a_loser(run, topic), (await run.agent(C, "then")).text]

    lab = Lab(a=hangs, b=hangs, c=after(2, "C"))
    cut(lab, goes_on, 3)

    log = lab.resume()

    assert output(lab) == ["C", "C"]
    assert len(log.requests("a")) == len(log.requests("b")) == 1


def test_a_branch_that_fails_takes_along_what_it_has_not_awaited_yet() -> None:
    @workflow
    async def falls_back(run: WorkflowRun, topic: str) -> str:
        async def branch() -> str:
            slow = run.agent(A, topic)
            await run.agent(B, topic)
            return (await slow).text

        got = await run.gather(branch(), run.agent(C, topic), join="best_effort")
        return ", ".join([str(each) for each in got])

    lab = Lab(a=hangs, b=BROKEN, c=after(3, "C"))

    log = lab.run(falls_back)

    assert (output(lab), log.seconds) == ("C", 3)
    assert log.closings() == [("b", "failed"), ("a", "stopped"), ("c", "reported")]


def test_a_task_that_is_left_behind_may_not_have_awaited_its_calls_yet() -> None:
    @workflow
    async def leaves(run: WorkflowRun, topic: str) -> str:
        async def aside() -> None:
            slow = run.agent(A, topic)
            await run.agent(B, topic)
            await slow

        task = asyncio.create_task(aside())
        got = await run.agent(C, topic)
        assert not task.done()
        return got.text

    lab = Lab(a=hangs, b=hangs, c=after(1, "C"))

    log = lab.run(leaves)

    assert (output(lab), log.seconds) == ("C", 1)


def test_a_call_that_a_branch_hands_on_is_awaited_by_whoever_gets_it() -> None:
    async def hands_on(run: WorkflowRun, topic: str) -> str:
        async def begins() -> object:
            return run.agent(A, topic)

        await run.gather(begins())
        return "nobody has awaited it"

    assert "returned and never awaited 'a' (begins, test_workflow_waiting.py:" in failing(hands_on)


def test_a_call_that_is_cancelled_needs_nobody_to_await_it() -> None:
    @workflow
    async def changes_its_mind(run: WorkflowRun, topic: str) -> str:
        slow = run.agent(A, topic)
        try:
            await run.agent(B, topic)
        except CallFailed:
            slow.cancel()
        return (await run.agent(C, topic)).text

    lab = Lab(a=hangs, b=BROKEN, c=after(1, "C"))

    log = lab.run(changes_its_mind)

    assert (output(lab), log.seconds) == ("C", 2)
    assert log.under_way("a") == [(0, 1)]


# --- several await it -----------------------------------------------------------------------------------


def test_a_call_goes_on_as_long_as_one_waits_for_it() -> None:
    @workflow
    async def shared(run: WorkflowRun, topic: str) -> list[str]:
        slow = run.agent(A, topic)

        async def waits() -> str:
            return (await slow).text

        async def races() -> str:
            got = await run.gather(waits(), slow, run.agent(B, topic), join="any")
            return str(got[0])

        return [str(each) for each in await run.gather(waits(), races())]

    lab = Lab(a=after(5, "A"), b=after(1, "B"))

    log = lab.run(shared)

    assert (output(lab), log.seconds) == (["A", "B"], 5)
    assert len(log.requests("a")) == 1


def test_a_call_whose_only_waiter_is_stopped_is_stopped_unless_it_is_shielded() -> None:
    @workflow
    async def shared(run: WorkflowRun, topic: str) -> list[str]:
        slow, kept = run.agent(A, topic), asyncio.ensure_future(run.agent(A, topic))

        async def waits() -> list[str]:
            return [(await slow).text, (await asyncio.shield(kept)).text]

        async def waits_for_kept() -> str:
            return (await asyncio.shield(kept)).text

        got = await run.gather(waits(), waits_for_kept(), run.agent(B, topic), join="any")
        return [str(got[0]), (await kept).text]

    lab = Lab(a=after(5, "A"), b=after(1, "B"))

    log = lab.run(shared)

    assert output(lab) == ["B", "A"]
    assert log.closings() == [("b", "reported"), ("a", "stopped"), ("a", "reported")]


def test_a_call_that_is_cancelled_ends_all_who_wait_for_it() -> None:
    @workflow
    async def stops_both(run: WorkflowRun, topic: str) -> list[str]:
        slow = run.agent(A, topic)

        async def waits() -> str:
            return (await slow).text

        async def stops() -> str:
            await run.agent(B, topic)
            slow.cancel()
            return "stopped"

        got = await run.gather(waits(), waits(), stops(), join="best_effort")
        return [*got, *(each.end for each in got.missing)]

    lab = Lab(a=hangs, b=after(1, "B"))

    log = lab.run(stops_both)

    assert (output(lab), log.seconds) == (["stopped", "cancelled", "cancelled"], 1)


def test_a_failure_is_raised_wherever_it_is_awaited() -> None:
    @workflow
    async def shared(run: WorkflowRun, topic: str) -> list[str]:
        call = run.agent(A, topic)

        async def waits() -> str:
            return (await call).text

        got = await run.gather(waits(), waits(), call, join="best_effort")
        with pytest.raises(CallFailed):
            await call
        return [each.end for each in got.missing]

    lab = Lab(a=BROKEN)

    lab.run(shared)

    assert output(lab) == ["failed", "failed", "failed"]


# --- tasks that nobody awaits --------------------------------------------------------------------------


def with_a_task(*, fails_by: str) -> Workflow:
    @workflow
    async def with_a_task(run: WorkflowRun, topic: str) -> str:
        async def aside() -> None:
            await run.agent(A, topic)
            if fails_by:
                raise ValueError(fails_by)

        tasks = [asyncio.create_task(aside())]
        said = (await run.agent(B, topic)).text
        return said if tasks else ""

    return with_a_task


def test_a_task_that_fails_and_that_nobody_awaits_fails_the_run(caplog: pytest.LogCaptureFixture) -> None:
    lab = Lab(a=BROKEN, b=after(3, "B"))

    log = lab.run(with_a_task(fails_by=""))

    assert (log.stop_reason, log.seconds) == ("retries_exhausted", 3)
    told = "the workflow returned, and nobody has awaited a task of it that failed: call 'a' (aside, test_workflow_"
    assert error(lab).startswith(told)
    assert "RuntimeError: broken" in error(lab)
    gc.collect()
    assert [record for record in caplog.records if record.name.startswith("podium")] == []


def test_a_mistake_in_a_task_that_nobody_awaits_can_be_mended() -> None:
    lab = Lab(a="A", b=after(3, "B"))
    lab.run(with_a_task(fails_by="a mistake"))
    assert "a task of it that failed: ValueError: a mistake (test_workflow_waiting.py:" in error(lab)

    lab.resumes_failed, lab.workflow = True, with_a_task(fails_by="")
    log = lab.resume()

    assert (output(lab), len(log.requests("a")), len(log.requests("b"))) == ("B", 1, 1)


def test_a_failure_that_was_looked_at_is_no_error() -> None:
    @workflow
    async def looks(run: WorkflowRun, topic: str) -> list[str]:
        tasks = [asyncio.ensure_future(run.agent(who, topic)) for who in (A, B)]
        done, _ = await asyncio.wait(tasks)
        return sorted(str(each.exception() or each.result())[:10] for each in done)

    lab = Lab(a=BROKEN, b=after(3, "B"))

    lab.run(looks)

    assert output(lab) == ["B", "call 'a' ("]
