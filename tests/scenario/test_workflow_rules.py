"""Rules that a workflow must keep, and what happens where one is broken."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from podium import Agent, Limits, Workflow, WorkflowRun, workflow
from podium.errors import BadInput
from tests.lab.cast import after, hangs
from tests.lab.lab import Lab, interrupted
from tests.scenario.test_workflow_ends import error, run_kinds
from tests.scenario.test_workflows import A, B, C, output


def failing(code: Any, **lines: Any) -> str:
    """The error of a run of this code."""
    lab = Lab(**{"a": "A", "b": "B", "c": "C", **lines})
    log = lab.run(workflow(code))
    assert log.stop_reason == "retries_exhausted"
    assert run_kinds(log)[-2:] == ["error", "status_ended"]
    return error(lab)


# --- what a workflow is ------------------------------------------------------------------------------


def test_what_is_no_workflow_is_refused() -> None:
    def plain(run: WorkflowRun) -> None: ...

    async def awaits_nothing(run: WorkflowRun) -> None:
        _ = run.agent(A, "x")

    async def without_run() -> None:
        await asyncio.sleep(0)

    async def many(run: WorkflowRun, *topics: str) -> None:
        await asyncio.sleep(0)

    for code, told in (
        (plain, "workflow 'plain': a workflow is an `async def` function"),
        (awaits_nothing, "workflow 'awaits_nothing' awaits nothing, so it would end before its calls do"),
        (without_run, "takes the run, and then its input"),
        (many, "takes the run, and then its input"),
        (3, "a workflow is an `async def` function"),
    ):
        with pytest.raises(BadInput, match=told):
            workflow(code)  # type: ignore[arg-type]


def test_names_and_phases_have_bounds() -> None:
    async def code(run: WorkflowRun) -> None:
        await asyncio.sleep(0)

    for how in (
        {"name": "x" * 65},
        {"phases": ["x" * 65]},
        {"phases": [""]},
        {"description": "x" * 257},
        {"agents": ["a"]},
    ):
        with pytest.raises(BadInput):
            workflow(**how)(code)


def test_a_workflow_names_its_phases_and_agents() -> None:
    team = {"b": B}

    @workflow
    async def code(run: WorkflowRun, topic: str) -> None:
        run.phase("one")
        await run.agent(A, topic)
        run.phase("two")
        await run.agent(team["b"], topic)

    assert isinstance(code, Workflow)
    assert (code.phases, code.agents) == (("one", "two"), (A, B))


def test_a_workflow_may_use_names_that_get_their_value_later() -> None:
    first = A

    @workflow
    async def countdown(run: WorkflowRun, n: int) -> list[str]:
        made = [(await run.agent(first, f"{n}")).text, (await run.agent(later, f"{n}")).text]
        return made + (await countdown(run, n - 1) if n > 1 else [])

    later = B
    lab = Lab(a="A", b="B")

    lab.run(countdown, 2)

    assert output(lab) == ["A", "B"] * 2
    assert countdown.agents == (A,)


def test_a_workflow_may_do_nothing_but_loop_over_what_awaits() -> None:
    @workflow
    async def loops(run: WorkflowRun, topic: str) -> str:
        said = ""

        async def several() -> AsyncIterator[str]:
            for each in (A, B):
                yield (await run.agent(each, topic)).text

        async for text in several():
            said += text
        return said

    lab = Lab(a="A", b="B")

    lab.run(loops)

    assert output(lab) == "AB"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"n": 1}, "lacks topic"),
        ({"topic": "x", "m": 1}, "has no 'm' (it has: topic, n)"),
        ({"topic": "x", "n": "many"}, "does not fit int"),
        ("x", "is an object with topic, n"),
        ({"topic": "x", "n": object()}, "must be JSON"),
        ({"topic": float("inf"), "n": {1: 2}}, "does not fit"),
    ],
)
def test_input_that_does_not_fit_is_refused_before_anything_starts(given: Any, told: str) -> None:
    @workflow
    async def code(run: WorkflowRun, topic: str, n: int = 1) -> None:
        await run.agent(A, topic)

    lab = Lab()
    with pytest.raises(BadInput) as refused:
        lab.run(code, given)
    assert told in str(refused.value)
    assert lab.world.log.sessions == {}


# --- what its code may not do ---------------------------------------------------------------------------


def test_a_call_that_nobody_awaits_is_an_error() -> None:
    async def forgets(run: WorkflowRun, topic: str) -> str:
        _ = run.agent(A, topic)
        return (await run.agent(B, topic)).text

    assert "returned and never awaited 'a' (forgets, test_workflow_rules.py:" in failing(forgets)
    assert "never awaited 'a'" in failing(forgets, a=hangs)


def test_what_tasks_are_left_behind_with_is_stopped() -> None:
    @workflow
    async def leaves(run: WorkflowRun, topic: str) -> str:
        async def aside() -> None:
            await run.agent(A, topic)

        task = asyncio.create_task(aside())
        got = await run.agent(B, topic)
        assert not task.done()
        return got.text

    lab = Lab(a=hangs, b=after(1, "B"))

    log = lab.run(leaves)

    assert (output(lab), log.seconds) == ("B", 1)
    assert log.state_of("a").status == "terminated"


def test_clocks_threads_and_the_network_are_not_there() -> None:
    async def sleeps(run: WorkflowRun, topic: str) -> None:
        await asyncio.sleep(1)

    async def bounds(run: WorkflowRun, topic: str) -> None:
        async with asyncio.timeout(3):
            await run.agent(A, topic)

    async def threads(run: WorkflowRun, topic: str) -> None:
        await asyncio.to_thread(len, topic)

    async def connects(run: WorkflowRun, topic: str) -> None:
        await asyncio.open_connection("127.0.0.1", 1)

    async def spawns(run: WorkflowRun, topic: str) -> None:
        await asyncio.create_subprocess_exec("true")

    assert "a workflow has no clock" in failing(sleeps)
    assert "a workflow has no clock" in failing(bounds)
    assert "(a thread): put that into a function" in failing(threads)
    assert "(the network): put that into a function" in failing(connects)
    assert "(a process): put that into a function" in failing(spawns)


def test_code_that_never_waits_is_stopped() -> None:
    async def spins(run: WorkflowRun, topic: str) -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(0)

    async def polls(run: WorkflowRun, topic: str) -> None:
        task = asyncio.ensure_future(run.agent(A, topic))
        while not task.done():  # noqa: ASYNC110
            await asyncio.sleep(0)

    assert failing(spins).startswith(
        "the workflow's code goes in circles without ever waiting for a call: await a call"
    )
    assert failing(polls, a=hangs) == failing(spins)


def test_code_that_waits_for_what_never_comes_is_stopped() -> None:
    async def waits(run: WorkflowRun, topic: str) -> None:
        await run.agent(A, topic)
        await asyncio.Event().wait()

    assert "the workflow waits for something that never comes" in failing(waits)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python says what it swallowed
def test_code_that_swallows_cancellation_is_stopped_all_the_same() -> None:
    @workflow
    async def stubborn(run: WorkflowRun, topic: str) -> None:
        while True:
            try:  # noqa: SIM105
                await run.agent(A, topic)
            except BaseException:
                pass

    lab = Lab(a=after(1, "A"))

    log = lab.run(stubborn, acts=[(10.5, interrupted())])

    gc.collect()
    assert (log.seconds, log.stop_reason) == (10.5, "end_turn")
    assert len(log.requests("a")) == 11


def test_a_branch_that_swallows_cancellation_does_not_hold_up_the_run() -> None:
    @workflow
    async def stubborn(run: WorkflowRun, topic: str) -> list[str]:
        async def branch() -> str:
            while True:
                with suppress(asyncio.CancelledError):
                    await run.agent(A, topic)

        async def quick() -> str:
            return (await run.agent(B, topic)).text

        return list(await run.gather(branch(), quick(), join="any"))

    lab = Lab(a=hangs, b=after(1, "B"))

    log = lab.run(stubborn)

    assert (output(lab), log.seconds) == (["B"], 1)


def test_calls_from_elsewhere_and_after_the_end_are_refused() -> None:
    kept: list[WorkflowRun] = []
    refused: list[str] = []

    def tries(run: WorkflowRun) -> None:
        try:
            _ = run.agent(A, "x")
        except BadInput as error:
            refused.append(str(error))

    @workflow
    async def lends(run: WorkflowRun, topic: str) -> str:
        kept.append(run)
        thread = threading.Thread(target=tries, args=(run,))
        thread.start()
        thread.join()

        async def inside() -> None:
            tries(run)

        await run.step(inside)
        return (await run.agent(B, topic)).text

    lab = Lab(b="B")
    lab.run(lends)
    tries(kept[0])

    assert output(lab) == "B"
    assert ["from outside the workflow's own code" in each for each in refused[:2]] == [True, True]
    assert refused[2] == "run.agent was called after the workflow had ended; nothing is done for it"


def test_sys_exit_ends_the_run_and_not_the_process() -> None:
    async def exits(run: WorkflowRun, topic: str) -> None:
        await run.agent(A, topic)
        raise SystemExit(3)

    assert failing(exits) == "the workflow called sys.exit(3)"


def test_what_it_returns_must_be_json() -> None:
    async def returns(run: WorkflowRun, topic: str) -> object:
        await run.agent(A, topic)
        return object()

    assert "what workflow 'returns' returns must be JSON" in failing(returns)


def test_arguments_that_make_no_sense_are_refused_with_the_remedy() -> None:
    async def nothing(run: WorkflowRun, topic: str) -> None:
        await run.agent(A, "  ")

    async def no_agent(run: WorkflowRun, topic: str) -> None:
        await run.agent("market", topic)  # type: ignore[arg-type]

    async def retries(run: WorkflowRun, topic: str) -> None:
        await run.agent(A, topic, retries=-1)

    async def limits(run: WorkflowRun, topic: str) -> None:
        await run.agent(A, topic, limits={"turns": 1})  # type: ignore[arg-type]

    async def zero(run: WorkflowRun, topic: str) -> None:
        await run.agent(A, topic, limits=Limits(turns=0))

    async def argument(run: WorkflowRun, topic: str) -> None:
        await run.step(len, object())

    async def function(run: WorkflowRun, topic: str) -> None:
        await run.step("len", topic)  # type: ignore[call-overload]

    async def payload(run: WorkflowRun, topic: str) -> None:
        await run.checkpoint("send", payload=object())

    async def empty(run: WorkflowRun, topic: str) -> None:
        await run.checkpoint("")

    async def phase(run: WorkflowRun, topic: str) -> None:
        run.phase("x" * 65)
        await run.agent(A, topic)

    async def gathers(run: WorkflowRun, topic: str) -> None:
        await run.gather(3)  # type: ignore[arg-type]

    async def context(run: WorkflowRun, topic: str) -> None:
        await run.agent(A, topic, context=object())

    async def model(run: WorkflowRun, topic: str) -> None:
        await run.agent(Agent("a", model=""), topic)

    assert "the task is a text that says what to do, not '  '" in failing(nothing)
    assert "run.agent takes an Agent(...), not 'market'" in failing(no_agent)
    assert "retries is a whole number from 0 to 100, not -1" in failing(retries)
    assert "limits are Limits(turns=..., " in failing(limits)
    assert "limits.turns must be a whole number above 0, not 0" in failing(zero)
    assert "the arguments of run.step(len, ...) must be JSON" in failing(argument)
    assert "run.step takes a function and its arguments, not 'len'" in failing(function)
    assert "the payload of a checkpoint must be JSON" in failing(payload)
    assert "run.checkpoint takes a text that says what is to be allowed" in failing(empty)
    assert "a name is a text of at most 64 characters" in failing(phase)
    assert "run.gather takes calls and coroutines, not 3" in failing(gathers)
    assert "a part of the context must be JSON" in failing(context)
    assert "model must be the name of a model" in failing(model)


@pytest.mark.parametrize(
    ("what", "call"),
    [
        ("run.agent('a', ...): the task", lambda run, half: run.agent(A, half)),
        ("run.agent('a', ...): the context", lambda run, half: run.agent(A, "x", context={half: "y"})),
        ("run.agent('a', ...): the expected_output", lambda run, half: run.agent(A, "x", expected_output=half)),
        ("run.agent('a', ...): the name", lambda run, half: run.agent(A, "x", name=half)),
        ("run.step: the name", lambda run, half: run.step(len, "x", name=half)),
        ("run.phase: the name", lambda run, half: run.phase(half)),
        ("the description of a checkpoint", lambda run, half: run.checkpoint(half)),
    ],
)
def test_half_a_character_is_refused_where_it_is_given(what: str, call: Any) -> None:
    refused: list[str] = []

    @workflow
    async def reads_a_folder(run: WorkflowRun, topic: str) -> str:
        try:
            call(run, "a\udcff.txt")
        except BadInput as error:
            refused.append(str(error))
        return (await run.agent(A, "go on")).text

    lab = Lab(a="A")
    lab.run(reads_a_folder)

    assert output(lab) == "A"
    assert [each.partition(" holds half a character ('\\udcff' at ")[0] for each in refused] == [what]
    with pytest.raises(BadInput, match="name holds half a character"):
        workflow(name="a\udcff.txt")(reads_a_folder.function)


def test_an_error_with_half_a_character_ends_the_run_in_words_that_can_be_kept() -> None:
    async def reads(run: WorkflowRun, topic: str) -> None:
        await run.agent(A, topic)
        raise OSError("cannot read a\udcff.txt")

    assert failing(reads).startswith("OSError: cannot read a\ufffd.txt (test_workflow_rules.py:")


def test_a_function_that_returns_no_json_fails_its_call() -> None:
    async def returns(run: WorkflowRun, topic: str) -> None:
        async def opaque() -> object:
            return object()

        await run.step(opaque)

    assert "what run.step(opaque, ...) returns must be JSON" in failing(returns)


def test_the_same_call_may_be_awaited_twice() -> None:
    @workflow
    async def twice(run: WorkflowRun, topic: str) -> list[str]:
        call = run.agent(A, topic)
        return [(await call).text, (await call).text, (await run.agent(C, topic)).text]

    lab = Lab(a="A", c="C")

    log = lab.run(twice)

    assert output(lab) == ["A", "A", "C"]
    assert len(log.requests("a")) == 1
