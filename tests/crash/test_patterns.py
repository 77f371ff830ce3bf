"""A workflow of patterns, killed at every boundary of its process and resumed: the same result, nothing done twice."""

from typing import Any

import pytest

from podium import ModelRequest, WorkflowRun, call, workflow
from podium.core.content import TextBlock
from podium.patterns import debate, judge, map_over, pipeline, route, verify
from tests.lab.cast import after
from tests.lab.lab import Lab
from tests.lab.world import Fuse, Killed
from tests.scenario.test_workflows import A, B, C, asked, output

ITEMS = ["x", "y", "z"]


def told(request: ModelRequest) -> str:
    [first] = request.messages[0].content
    return first.text if isinstance(first, TextBlock) else ""


def worker(request: ModelRequest) -> str:
    """Its second try is better."""
    is_second = "[feedback]" in told(request) or "[issues]" in told(request)
    return "good" if is_second else "bad"


def decider(request: ModelRequest) -> Any:
    """Decides by what it is told, and fits the form that it is asked for."""
    [submit] = [tool for tool in request.tools if tool.name == "submit_result"]
    fields, is_good = set(submit.input_schema["properties"]), "good" in told(request)
    if "verified" in fields:
        return call("submit_result", verified=is_good, issues=[] if is_good else ["bad"], confidence=1)
    if "score" in fields:
        return call("submit_result", score=1 if is_good else 0, feedback="better")
    return call("submit_result", **({"to": "b"} if "to" in fields else {"winner": "b"}), reason="so")


@workflow
async def checks(run: WorkflowRun, topic: str) -> list[Any]:
    made = await map_over(run, A, ITEMS, task="do {item}", at_once=2)
    piped, judged = await run.gather(pipeline(run, [A, B], topic), judge(run, A, topic, by=C, at_least=0.5), join="all")
    checked = await verify(run, piped.text, by=C, reviser=A)
    return [made.output, judged.output, checked.output, checked.attempts]


@workflow
async def decides(run: WorkflowRun, topic: str) -> list[Any]:
    routed = await route(run, topic, to={"a": A, "b": B}, by=C)
    debated = await debate(run, topic, sides={"a": A, "b": B}, judge=C, rounds=2)
    return [routed.to, routed.text, debated.winner, len(debated.rounds)]


def lab_of() -> Lab:
    return Lab(a=after(1, worker), b=after(2, "bad"), c=decider)


@pytest.mark.crash
@pytest.mark.parametrize(
    ("flow", "expected"),
    [(checks, [["bad"] * 3, "good", "good", 2]), (decides, ["b", "bad", "b", 2])],
    ids=["checks", "decides"],
)
def test_killed_anywhere_and_resumed_it_ends_the_same(flow: Any, expected: list[Any]) -> None:
    whole, fuse = lab_of(), Fuse()
    first = whole.run(flow, fuse=fuse)
    assert output(whole) == expected

    for at in range(len(fuse.crossed)):
        lab = lab_of()
        try:
            lab.run(flow, fuse=Fuse(at))
        except Killed:
            if not lab.world.log.sessions:  # it died before there was a session
                continue
            log = lab.resume()
            run = log.state.run
            where = f"killed at boundary {at}: {fuse.crossed[at]}"
            assert run is not None, where
            assert (run.has_returned, run.output) == (True, expected), where
            assert sorted(asked(log)) == sorted(asked(first)), where
            # A model's call that was under way is made again, for each thread that worked: three at most here.
            assert len(lab.world.requests) <= len(whole.world.requests) + 3, where
