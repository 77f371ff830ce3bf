"""A workflow that goes on in another process: what is told again, what is noticed if its code is another."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Any

import pytest

from podium import Agent, Workflow, WorkflowRun, workflow
from podium.core.records import Record
from podium.errors import CallFailed, WorkflowChanged
from tests.lab.cast import after, hangs, raises
from tests.lab.lab import Lab
from tests.lab.world import Fuse, Killed
from tests.scenario.test_workflow_ends import error
from tests.scenario.test_workflows import A, B, C, agent, output


async def let_go(live: Any) -> None:
    await live.let_go()


def cut(lab: Lab, flow: Workflow, at_s: float, input: Any = "birds") -> None:
    """Play the workflow until its process ends, at this second."""
    lab.run(flow, input, acts=[(at_s, let_go)])
    assert lab.row().facts.status == "running"


@workflow
async def steps(run: WorkflowRun, topic: str) -> list[str]:
    run.phase("first")
    one = await run.agent(A, topic)
    two, three = await run.gather(run.agent(B, topic, context=one), run.agent(C, topic))
    run.phase("second")
    four = await run.agent(A, "again")
    return [each.text for each in (one, two, three, four)]


def lab_of() -> Lab:
    return Lab(a=after(1, "A"), b=after(2, "B"), c=after(5, "C"))


def test_finished_calls_are_told_again_and_open_ones_go_on() -> None:
    lab = lab_of()
    cut(lab, steps, 4)

    log = lab.resume()

    assert output(lab) == ["A", "B", "C", "A"]
    assert [len(log.requests(name)) for name in "abc"] == [2, 1, 2]  # the model call of c was lost with its process
    assert len(log.of("workflow_run.created")) == 1
    assert len(log.of("workflow_run.phase_started")) == 2
    assert len(log.of("workflow.step_asked")) == 4


def test_open_calls_do_nothing_before_the_code_has_asked_for_them_again() -> None:
    lab = lab_of()
    cut(lab, steps, 4)
    lab.workflow = changed(lambda run, topic: None)

    with pytest.raises(WorkflowChanged):
        lab.resume()

    assert len(lab.played().requests("c")) == 1


def changed(code: Callable[[WorkflowRun, str], Any], name: str = "steps") -> Workflow:
    async def steps(run: WorkflowRun, topic: str) -> Any:
        made = code(run, topic)
        return await made if made is not None else None

    return workflow(name=name)(steps)


async def _removed(run: WorkflowRun, topic: str) -> None:
    run.phase("first")
    await run.gather(run.agent(B, topic, context="A"), run.agent(C, topic))


async def _added(run: WorkflowRun, topic: str) -> None:
    run.phase("first")
    await run.agent(A, "before that")
    await run.agent(A, topic)


async def _reordered(run: WorkflowRun, topic: str) -> None:
    run.phase("first")
    one = await run.agent(A, topic)
    await run.gather(run.agent(C, topic), run.agent(B, topic, context=one))


async def _other_input(run: WorkflowRun, topic: str) -> None:
    run.phase("first")
    await run.agent(A, f"{topic}!")


async def _other_agent(run: WorkflowRun, topic: str) -> None:
    run.phase("first")
    await run.agent(agent("a", system="Be brief."), topic)


async def _other_phase(run: WorkflowRun, topic: str) -> None:
    run.phase("fist")
    await run.agent(A, topic)


async def _no_phase(run: WorkflowRun, topic: str) -> None:
    await run.agent(A, topic)


async def _function(run: WorkflowRun, topic: str) -> None:
    run.phase("first")
    await run.step(len, topic)


async def _ends_early(run: WorkflowRun, topic: str) -> str:
    run.phase("first")
    return (await run.agent(A, topic)).text


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (_removed, "Call 2 was agent 'a' (version"),
        (_added, "Call 2 was agent 'a' (version"),
        (_reordered, "Call 3 was agent 'b' (version"),
        (
            _other_input,
            'now it is agent \'a\' (version {a}) with {"task":"birds!"}, in _other_input, test_workflow_replay.py:',
        ),
        (_other_agent, "Call 2 was agent 'a' (version {a}) with"),
        (_other_phase, "Call 1 was phase 'first' when it was recorded; now phase 'fist'"),
        (_no_phase, "Call 1 was phase 'first' when it was recorded; now it is agent 'a'"),
        (_function, "now it is function 'len' with [\"birds\"]"),
        (_ends_early, "Call 3 was agent 'b'"),
    ],
)
def test_code_that_makes_other_calls_is_stopped_and_the_first_that_differs_is_named(code: Any, told: str) -> None:
    lab = lab_of()
    cut(lab, steps, 4)
    before = essence(lab.played().records)
    lab.workflow = changed(code)

    with pytest.raises(WorkflowChanged) as stopped:
        lab.resume()

    version = lab.played().state_of("a").definition.version[:8]
    assert told.replace("{a}", version) in str(stopped.value)
    assert "the workflow 'steps' has changed since session sesn_1 was recorded" in str(stopped.value)
    assert "put the code back and resume, or start a new session" in str(stopped.value)
    assert essence(lab.played().records) == before  # nothing was done
    assert lab.row().owner is None

    lab.workflow = steps  # the code is put back
    lab.resume()
    assert output(lab) == ["A", "B", "C", "A"]


def essence(records: list[Record]) -> list[str]:
    """What was done, without what a take-over closes."""
    closed = ("driving", "span.", "attempt", "session.error")
    return [record.type for record in records if not record.type.startswith(closed)]


def test_lines_that_move_and_names_limits_and_retries_that_change_are_no_change() -> None:
    from podium import Limits

    @workflow(name="steps")
    async def moved(run: WorkflowRun, topic: str) -> list[str]:
        # A remark, and other names.
        run.phase("first")
        one = await run.agent(A, topic, name="first look", limits=Limits(turns=7), retries=1)
        rest = await run.gather(run.agent(B, topic, context={"a": one}), run.agent(C, topic, name="x"))
        run.phase("second")
        return [one.text, *(each.text for each in rest), (await run.agent(A, "again")).text]

    moved.__name__ = "steps"
    lab = lab_of()
    cut(lab, steps, 4)

    lab.workflow = moved
    lab.resume()

    assert output(lab) == ["A", "B", "C", "A"]


@workflow
async def races(run: WorkflowRun, topic: str) -> list[str]:
    """Asks for what depends on which call came first, in tasks of plain asyncio."""
    pending = {asyncio.ensure_future(run.agent(who, topic)) for who in (A, B, C)}
    order = []
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            first = each.result()
            order.append(first.text)
            await run.agent(A, f"after {first.text}")
    return order


@pytest.mark.parametrize("at_s", [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5])
def test_code_that_depends_on_what_comes_first_does_the_same_again(at_s: float) -> None:
    # As many workers as there are orders in which results may be told.
    lab = Lab(a=after(2, "A"), b=after(1, "B"), c=after(3, "C"))
    cut(lab, races, at_s)

    lab.resume()

    assert output(lab)[0] == "B"
    assert sorted(output(lab)) == ["A", "B", "C"]


def test_a_run_killed_as_its_call_is_recorded_makes_the_call_once() -> None:
    lab = lab_of()
    with pytest.raises(Killed):
        lab.run(steps, "birds", fuse=Fuse(12))
    lab.played()

    log = lab.resume()

    assert output(lab) == ["A", "B", "C", "A"]
    assert len(log.of("workflow.step_asked")) == 4


def test_a_function_whose_process_died_has_an_unknown_outcome() -> None:
    ran: list[int] = []

    def flow(idempotent: bool) -> Workflow:
        @workflow
        async def with_function(run: WorkflowRun, topic: str) -> int:
            async def act() -> int:
                ran.append(1)
                await asyncio.sleep(5)
                return len(ran)

            return await run.step(act, idempotent=idempotent)

        return with_function

    lab = Lab()
    cut(lab, flow(idempotent=False), 2)
    log = lab.resume()
    assert log.stop_reason == "retries_exhausted"
    assert "was cut off: stopped while it ran: its outcome is unknown" in error(lab)
    assert len(ran) == 1
    lab.resumes_failed = True  # a person has looked
    lab.resume()
    assert output(lab) == 2

    lab = Lab()
    cut(lab, flow(idempotent=True), 2)
    lab.resume()
    assert output(lab) == 4


def test_a_rehearsed_run_that_is_not_repeatable_is_told_so() -> None:
    import random

    @workflow
    async def rolls(run: WorkflowRun, topic: str) -> str:
        return (await run.agent(A, f"{topic} {random.random()}")).text

    lab = Lab(a="A")
    lab.is_rehearsed = True

    log = lab.run(rolls)

    assert log.stop_reason == "retries_exhausted"
    assert error(lab).startswith("the workflow does not do the same when it is run again with the same results")
    assert "Call 1 was agent 'a'" in error(lab)
    assert "by run.step" in error(lab)


def test_a_rehearsed_run_that_returns_something_else_each_time_is_told_so() -> None:
    count = iter(range(9))

    @workflow
    async def counts(run: WorkflowRun, topic: str) -> int:
        await run.agent(A, topic)
        return next(count)

    lab = Lab(a="A")
    lab.is_rehearsed = True

    lab.run(counts)

    assert "it returned 0, and then did not" in error(lab)


def test_a_rehearsed_run_that_keeps_the_rules_comes_to_its_end() -> None:
    lab = lab_of()
    lab.is_rehearsed = True

    lab.run(steps)

    assert output(lab) == ["A", "B", "C", "A"]


def test_a_loser_whose_result_came_too_late_is_told_the_same_way_again() -> None:
    @workflow
    async def either(run: WorkflowRun, topic: str) -> list[str]:
        got = await run.gather(run.agent(A, topic), run.agent(B, topic), join="any")
        return [*(each.text for each in got), (await run.agent(C, "then")).text]

    lab = Lab(a=after(1, "A"), b=after(1, "B"), c=after(5, "C"))
    cut(lab, either, 3)

    lab.resume()

    assert output(lab) == ["A", "C"]


def test_open_losers_of_another_process_stay_stopped() -> None:
    @workflow
    async def either(run: WorkflowRun, topic: str) -> list[str]:
        got = await run.gather(run.agent(A, topic), run.agent(B, topic), join="any")
        return [*(each.text for each in got), (await run.agent(C, "then")).text]

    lab = Lab(a=after(1, "A"), b=hangs, c=after(5, "C"))
    cut(lab, either, 3)

    log = lab.resume()

    assert output(lab) == ["A", "C"]
    assert len(log.requests("b")) == 1


def test_a_failed_run_whose_process_died_before_it_failed_is_resumed_with_what_was_stopped() -> None:
    @workflow
    async def late(run: WorkflowRun, topic: str) -> list[str]:
        both = asyncio.create_task(run.gather(run.agent(A, topic), run.agent(B, topic)))
        slow = await run.agent(C, topic)
        return [slow.text, *(each.text for each in await both)]

    lab = Lab(a=raises(RuntimeError("broken"), after_s=1), b=hangs, c=after(5, "C"))
    cut(lab, late, 3)  # b was stopped, and the failure of a not yet seen
    log = lab.resume()
    assert log.stop_reason == "retries_exhausted"

    lab.resumes_failed = True
    lab.script.says("a", "A")
    lab.script.says("b", "B")
    log = lab.resume()

    assert output(lab) == ["C", "A", "B"]
    assert [len(log.requests(name)) for name in "abc"] == [2, 2, 2]  # of c, one was lost with its process


@pytest.mark.parametrize(("before", "now"), [(0, 2), (2, 0)])
@pytest.mark.parametrize("is_cut", [False, True])
def test_a_failure_that_the_code_went_on_from_stands_when_there_are_other_retries(
    before: int, now: int, is_cut: bool
) -> None:
    def version(retries: int, fails: bool) -> Workflow:
        @workflow
        async def goes_on(run: WorkflowRun, topic: str) -> str:
            with suppress(CallFailed):
                await run.agent(A, topic, retries=retries)
            second = await run.agent(B, topic)
            assert not fails
            return second.text

        return goes_on

    lab = Lab(a=raises(RuntimeError("broken")), b=after(3, "B"))
    if is_cut:
        cut(lab, version(before, False), 2)
    else:
        lab.run(version(before, True))
    lab.resumes_failed, lab.workflow = not is_cut, version(now, False)

    log = lab.resume()

    assert output(lab) == "B"
    assert len(log.requests("a")) == 1 + before


def test_retries_that_are_added_are_used_where_their_call_had_ended_the_run() -> None:
    def version(retries: int) -> Workflow:
        @workflow
        async def one(run: WorkflowRun, topic: str) -> str:
            return (await run.agent(A, topic, retries=retries)).text

        return one

    lab = Lab(a=raises(RuntimeError("broken")))
    lab.run(version(1))
    lab.resumes_failed, lab.workflow = True, version(3)

    log = lab.resume()

    assert "RuntimeError: broken" in error(lab)
    assert len(log.requests("a")) == 2 + 3  # the second try anew, and two more


def test_a_task_with_a_context_of_its_own_makes_calls_of_the_workflow() -> None:
    @workflow
    async def apart(run: WorkflowRun, topic: str) -> list[str]:
        async def call(who: Agent) -> str:
            return (await run.agent(who, topic)).text

        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(call(who), context=Context()) for who in (A, B)]
        return [(await run.agent(C, topic)).text, *[await task for task in tasks]]

    lab = lab_of()
    cut(lab, apart, 1.5)
    log = lab.resume()

    assert output(lab) == ["C", "A", "B"]
    assert [len(log.requests(name)) for name in "abc"] == [1, 2, 2]


def test_a_second_driver_of_the_process_runs_the_code_from_its_top() -> None:
    begun: list[int] = []

    @workflow
    async def counted(run: WorkflowRun, topic: str) -> str:
        begun.append(1)
        await run.agent(A, topic)
        await run.checkpoint("go on?")
        return (await run.agent(B, topic)).text

    lab = Lab(a="A", b="B")
    lab.run(counted)
    lab.answer("checkpoint", allow=True)
    log = lab.resume()

    assert (output(lab), len(begun)) == ("B", 2)
    assert len(log.requests("a")) == 1


def test_an_agent_that_was_mended_may_be_called_anew_where_it_had_failed() -> None:
    broken, mended = agent("b", system="You fail."), agent("b", system="You do not.")
    now: list[Agent] = [broken]

    @workflow
    async def two(run: WorkflowRun, topic: str) -> str:
        await run.agent(A, topic)
        return (await run.agent(now[0], topic)).text

    lab = Lab(a="A", b=raises(RuntimeError("broken")))
    lab.run(two)

    lab.resumes_failed, now[0] = True, mended
    lab.script.says("b", "B")
    lab.resume()

    assert output(lab) == "B"


def test_results_that_nobody_was_told_of_are_not_told_to_a_run_that_has_ended() -> None:
    @workflow
    async def either(run: WorkflowRun, topic: str) -> list[str]:
        got = await run.gather(run.agent(A, topic), run.agent(B, topic), join="any")
        return [each.text for each in got]

    written = 0
    while True:  # killed at each boundary: also where both results stand in the log, and nobody was told
        written += 1
        lab = Lab(a=after(1, "A"), b=after(1, "B"))
        try:
            lab.run(either, fuse=Fuse(written))
            break
        except Killed:
            pass
        if lab.world.log.sessions:
            run = lab.resume().state.run
            assert run is not None
            assert run.output in (["A"], ["B"])
    assert written > 20
