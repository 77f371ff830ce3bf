"""What is missing is told to whoever goes on, whatever the pattern; and corrective turns are counted and shown."""

from typing import Any

import pytest

from podium import Limits, WorkflowRun, call, workflow
from podium.analysis.trace import trace
from podium.cli.picture import attempts
from podium.patterns import (
    Plan,
    Step,
    debate,
    judge,
    make_plan,
    map_over,
    parallel,
    perspectives,
    pipeline,
    route,
    run_plan,
    synthesise,
    verify,
)
from tests.lab.cast import after, raises
from tests.lab.lab import Lab
from tests.scenario.test_patterns import error
from tests.scenario.test_workflows import A, B, C, agent, output

D = agent("d")
BROKEN = raises(RuntimeError("broken"))
VIEWS = {"one": A, "two": B}
TASKS = {"one": (A, "do one"), "two": (B, "do two")}
PLAN = Plan(task="both", steps=(Step(id="one", agent="a", task="do one"), Step(id="two", agent="b", task="do two")))


async def halves(run: WorkflowRun) -> Any:
    """Results of which 'two' is missing."""
    return await parallel(run, TASKS, join="best_effort")


async def by_merge(run: WorkflowRun) -> Any:
    got = await perspectives(run, "which?", VIEWS, views=["one", "two"], synthesis=C, join="best_effort")
    return await run.agent(D, "go on", context=got)


async def by_parallel(run: WorkflowRun) -> Any:
    return await pipeline(run, [(C, "go on"), (D, "end")], await halves(run))


async def by_map(run: WorkflowRun) -> Any:
    second = await map_over(run, C, await halves(run), task="polish {item}", merge_by=D)
    return await run.agent(C, "go on", context=second)


async def by_debate(run: WorkflowRun) -> Any:
    return await run.agent(D, "go on", context=await debate(run, "which?", sides=VIEWS, judge=C, join="best_effort"))


async def by_plan(run: WorkflowRun) -> Any:
    result = await run_plan(run, PLAN, [A, B])
    await synthesise(run, result, by=C)
    return await run.agent(D, "go on", context=result)


async def by_make_plan(run: WorkflowRun) -> Any:
    await make_plan(run, "both", planner=C, team=[A], context=await halves(run))
    return await run.agent(D, "go on", context=await halves(run))


async def by_verify(run: WorkflowRun) -> Any:
    return await verify(run, "draft", by=C, against=await halves(run), reviser=D, attempts=2)


async def by_judge(run: WorkflowRun) -> Any:
    return await judge(run, D, "do it", by=C, context=await halves(run), attempts=1)


async def by_route(run: WorkflowRun) -> Any:
    return await route(run, "do it", to={"d": D}, by=C, context=await halves(run))


def decides(request: Any) -> Any:
    """Decides in the form it is asked for."""
    forms = [tool.input_schema["properties"] for tool in request.tools if tool.name == "submit_result"]
    if not forms:
        return "C"
    told: dict[str, dict[str, Any]] = {
        "verified": {"verified": False, "issues": ["wrong"], "confidence": 1},
        "score": {"score": 1, "feedback": ""},
        "winner": {"winner": "one", "reason": ""},
        "to": {"to": "d", "reason": ""},
        "steps": {"steps": [{"id": "x", "agent": "a", "task": "x"}]},
    }
    return call("submit_result", **told[next(iter(forms[0]))])


@pytest.mark.parametrize(
    ("flow", "told"),
    [
        (by_merge, "cd"),
        (by_parallel, "c"),
        (by_map, "d"),
        (by_debate, "cd"),
        (by_plan, "cd"),
        (by_make_plan, "cd"),
        (by_verify, "cd"),
        (by_judge, "cd"),
        (by_route, "cd"),
    ],
)
def test_who_goes_on_is_told_what_is_missing(flow: Any, told: str) -> None:
    @workflow
    async def goes_on(run: WorkflowRun, topic: str) -> None:
        await flow(run)

    lab = Lab(a="A", b=BROKEN, c=decides, d="D")

    log = lab.run(goes_on)

    assert error(lab) == ""
    for name in told:
        assert "two: failed" in log.told(name)[0], name
        assert "[missing" in log.told(name)[0], name


def test_whoever_goes_on_after_a_second_map_is_told_what_the_first_lacked() -> None:
    @workflow
    async def twice(run: WorkflowRun, topic: str) -> list[str]:
        second = await map_over(run, C, await halves(run), task="polish {item}")
        await run.agent(D, "go on", context=second)
        return [str(each) for each in second.missing]

    lab = Lab(a="A", b=BROKEN, c="C", d="D")

    log = lab.run(twice)

    assert output(lab)[0].startswith("two: failed")
    assert "[missing]\ntwo: failed" in log.told("d")[0]


def test_what_is_missing_is_told_with_what_was_there_by_then() -> None:
    brief = agent("b", limits=Limits(seconds=5))

    @workflow
    async def partly(run: WorkflowRun, topic: str) -> None:
        got = await parallel(run, {"one": (A, "x"), "two": (brief, "y")}, join="best_effort")
        await run.agent(D, "go on", context=got)

    lab = Lab(a="A", b=[after(4, call("nothing")), after(3, "half of it")], d="D")

    log = lab.run(partly)

    assert "[missing]\ntwo: timed out, " in log.told("d")[0]
    assert log.told("d")[0].count("half of it") == 1


def test_corrective_turns_of_a_pattern_stand_in_its_result_in_the_runs_and_in_what_is_shown() -> None:
    @workflow
    async def checked(run: WorkflowRun, topic: str) -> None:
        await verify(run, "draft", by=C, attempts=1)

    verdict = call("submit_result", verified=True, issues=[], confidence=1)
    lab = Lab(c=[call("submit_result", verified="perhaps"), call("submit_result", verified=True), verdict])

    log = lab.run(checked)

    assert lab.result is not None
    assert [(made.name, made.corrections) for made in lab.result.calls] == [("check 1", 2)]
    shown = {thread.agent: attempts(thread) for thread in trace(log.records).threads.values()}
    assert shown["c"] == "2 corrected"
