"""What patterns do not take: told before any call is made, with what to change."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from podium import WorkflowRun, n_of, workflow
from podium.errors import BadInput
from podium.patterns import (
    Files,
    Handoff,
    debate,
    judge,
    map_over,
    parallel,
    perspectives,
    pipeline,
    route,
    verify,
)
from tests.lab.lab import Lab
from tests.scenario.test_patterns import TAKES_FIGURES, error
from tests.scenario.test_workflows import A, B, C

X: Any = None  # what no agent is
Pattern = Callable[[WorkflowRun], Awaitable[Any]]
WRONG: dict[str, tuple[Pattern, str]] = {
    "no stages": (lambda run: pipeline(run, [], "go"), "stages is a list of at least one agent, not []"),
    "a stage that is none": (lambda run: pipeline(run, [A, X], "go"), "stage 1: it is an Agent(...), not None"),
    "a stage of three": (lambda run: pipeline(run, [(A, "x", "y")], "go"), "stage 0 is an agent, or (agent, task)"),  # type: ignore[list-item]
    "a stage with two inputs": (
        lambda run: pipeline(run, [A, (TAKES_FIGURES, "count")], "go"),
        "agent 'b' has an input_schema, so its input is the output before",
    ),
    "a context beside an input": (
        lambda run: pipeline(run, [TAKES_FIGURES], {"sales": 1}, context="x"),
        "agent 'b' has an input_schema, so it takes no context beside it",
    ),
    "a context beside an item": (
        lambda run: map_over(run, TAKES_FIGURES, [{"sales": 1}], context="x"),
        "agent 'b' has an input_schema: its input is the item, and there is no context",
    ),
    "an empty task of a stage": (lambda run: pipeline(run, [(A, " ")], "go"), "its task is a text that is not empty"),
    "an empty task": (lambda run: pipeline(run, [A], ""), "the task is a text that says what to do"),
    "nothing to do at once": (lambda run: parallel(run, {}), "calls is a mapping of at least 1 names, not 0"),
    "an agent without a task": (lambda run: parallel(run, {"a": A}), "'a' is (agent, task)"),  # type: ignore[dict-item]
    "no items": (lambda run: map_over(run, A, [], task="x"), "items is a list of at least one thing"),
    "items that are a text": (lambda run: map_over(run, A, "abc", task="x"), "items is a list of at least one thing"),
    "an item that is no task": (
        lambda run: map_over(run, A, ["x", " "], task="{item}", at_once=1),
        "the task of item 2 of 2 is a text that is not empty, not ' '",
    ),
    "too many items": (lambda run: map_over(run, A, [1, 2], task="x", most=1), "there are 2 items, and most=1"),
    "a cap of nothing": (lambda run: map_over(run, A, [1], task="x", most=0), "most is a whole number from 1"),
    "nothing at once": (lambda run: map_over(run, A, [1], task="x", at_once=0), "at_once is a whole number from 1"),
    "less than nothing": (lambda run: map_over(run, A, [1], task="x", at_once=-1), "at_once is a whole number from 1"),
    "true at once": (lambda run: map_over(run, A, [1], task="x", at_once=True), "at_once is a whole number from 1"),
    "a map without a task": (lambda run: map_over(run, A, [1]), "task is a text that is not empty"),
    "a task beside a schema": (
        lambda run: map_over(run, TAKES_FIGURES, [{"sales": 1}], task="count"),
        "its input is the item, and there is no task",
    ),
    "a merger with a schema": (
        lambda run: map_over(run, A, [1], task="x", merge_by=TAKES_FIGURES),
        "merge_by is told what to do in words",
    ),
    "a rule that is none": (
        lambda run: map_over(run, A, [1], task="x", join="some"),  # type: ignore[arg-type]
        "join is one of 'all', 'any', 'best_effort' or n_of(k)",
    ),
    "a rule that can never be met": (
        lambda run: parallel(run, {"a": (A, "x")}, join=n_of(2)),
        "join=n_of(2) of 1 calls can never be met",
    ),
    "less tries than none": (
        lambda run: parallel(run, {"a": (A, "x")}, retries=-1),
        "retries is a whole number from 0",
    ),
    "no views": (lambda run: perspectives(run, "go", A, views=()), "views is a list of at least one name"),
    "one view twice": (lambda run: perspectives(run, "go", A, views=("x", "x")), "each view has a name of its own"),
    "an agent of no view": (
        lambda run: perspectives(run, "go", {"for": A, "againts": B}, views=("for", "against")),
        "unknown view 'againts', did you mean 'against'?",
    ),
    "a view of no agent": (
        lambda run: perspectives(run, "go", {"for": A}, views=("for", "against")),
        "nobody takes the view 'against'",
    ),
    "no attempts": (lambda run: verify(run, "x", by=A, attempts=0), "attempts is a whole number from 1"),
    "nobody revises": (lambda run: verify(run, "x", by=A), "who revises the draft? Say reviser=AGENT"),
    "no draft": (lambda run: verify(run, " ", by=A, reviser=B), "the draft is empty"),
    "no checker": (lambda run: verify(run, "x", by=X, reviser=B), "by is an Agent(...), not None"),
    "no tries": (lambda run: judge(run, A, "go", by=B, attempts=0), "attempts is a whole number from 1"),
    "a score above all": (lambda run: judge(run, A, "go", by=B, at_least=80), "at_least is a number from 0 to 1"),
    "a score that is none": (
        lambda run: judge(run, A, "go", by=B, at_least=float("nan")),
        "at_least is a number from 0 to 1",
    ),
    "nobody to route to": (lambda run: route(run, "go", to={}, by=A), "to is a mapping of at least 1 names"),
    "a route to nobody": (lambda run: route(run, "go", to={"x": X}, by=A), "the agent of 'x' is an Agent(...)"),
    "a nameless route": (lambda run: route(run, "go", to={"": A}, by=A), "a name in to is a text that is not empty"),
    "a route with a long name": (
        lambda run: route(run, "go", to={"x" * 65: A}, by=B),
        "a name in to has at most 64 characters, and no spaces at its ends, not 'xxx",
    ),
    "calls whose names differ in a space": (
        lambda run: parallel(run, {"x": (A, "go"), "x ": (B, "go")}),
        "a name in calls has at most 64 characters, and no spaces at its ends, not 'x '",
    ),
    "one side": (
        lambda run: debate(run, "go", sides={"x": A}, judge=B),
        "sides is a mapping of at least 2 names, not 1",
    ),
    "no rounds": (
        lambda run: debate(run, "go", sides={"x": A, "y": B}, judge=C, rounds=0),
        "rounds is a whole number from 1",
    ),
    "a side called none": (
        lambda run: debate(run, "go", sides={"none": A, "y": B}, judge=C),
        "no side may be called 'none'",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_told_and_no_agent_is_called(wrong: str) -> None:
    pattern, said = WRONG[wrong]

    @workflow
    async def wrongly(run: WorkflowRun, topic: str) -> None:
        await pattern(run)

    lab = Lab(a="A", b="B", c="C")

    log = lab.run(wrongly)

    assert said in error(lab)
    assert lab.world.requests == []
    assert log.stop_reason == "retries_exhausted"


@pytest.mark.parametrize("name", ["longest", "together", "whole"])
def test_a_handoff_without_room_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match=f"Handoff: {name} is a whole number from 1"):
        Handoff(**{name: 0})


@pytest.mark.parametrize("glob", ["", "/etc/*", "../*.md", "a/../../b"])
def test_a_glob_that_leads_out_of_the_workdir_is_refused(glob: str) -> None:
    with pytest.raises(BadInput, match="Files: glob is"):
        Files(glob=glob)
