"""The patterns that lay out work: one after another, side by side, over a list or files, from several views."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from podium import WorkflowRun, call, n_of, workflow
from podium.core.content import plain
from podium.core.facts import StepAsked
from podium.patterns import Merged, map_over, parallel, perspectives, pipeline
from tests.lab.cast import after, raises
from tests.lab.lab import Lab
from tests.lab.log import Played, overlap
from tests.scenario.test_workflows import A, B, C, agent, output

BROKEN = raises(RuntimeError("broken"), after_s=1)


def names(log: Played) -> list[str]:
    """What the calls are called, in the order they were made."""
    return [r.event.name for r in log.records if isinstance(r.event, StepAsked)]


def error(lab: Lab) -> str:
    assert lab.result is not None
    return lab.result.error


class Figures(BaseModel):
    sales: int


FIGURES = Figures.model_json_schema()
TAKES_FIGURES = agent("b", input_schema=FIGURES)

# --- pipeline ----------------------------------------------------------------------------------------


@workflow
async def three_stages(run: WorkflowRun, topic: str) -> str:
    made = await pipeline(run, [A, (B, "shorten it"), C], topic)
    assert [stage.text for stage in made.stages] == ["A", "B", "C"]
    return made.text


def test_each_stage_works_on_what_the_one_before_made() -> None:
    lab = Lab(a=after(1, "A"), b=after(2, "B"), c=after(3, "C"))

    log = lab.run(three_stages, "birds")

    assert (output(lab), log.seconds) == ("C", 6)
    assert log.told("a") == ["birds"]
    assert log.told("b") == ["shorten it\n\nContext:\n[a]\nA"]
    assert log.told("c") == ["birds\n\nContext:\n[b]\nB"]
    assert [log.under_way(name) for name in "abc"] == [[(0, 1)], [(1, 3)], [(3, 6)]]


def test_a_stage_owes_what_the_next_one_takes_and_is_told_why_it_does_not_fit() -> None:
    @workflow
    async def typed(run: WorkflowRun, topic: str) -> str:
        return (await pipeline(run, [A, TAKES_FIGURES], topic)).text

    lab = Lab(a=[call("submit_result", sales="many"), call("submit_result", sales=7)], b="B")

    log = lab.run(typed)

    assert output(lab) == "B"
    assert "sales" in log.told("a")[0]
    assert "is not of type" in log.told("a")[0]
    assert log.told("b") == ['{"sales":7}']
    assert len(log.requests("b")) == 1  # it never saw the first


def test_a_stage_with_a_form_of_its_own_is_sent_back_when_the_next_one_cannot_take_it() -> None:
    loose = agent("a", output_schema={"type": "object"})

    @workflow
    async def typed(run: WorkflowRun, topic: str) -> int:
        return (await pipeline(run, [loose, TAKES_FIGURES], topic)).sent_back

    async def says(request: Any) -> Any:
        was_told = "why the next stage" in plain(request.messages[0].content)
        return call("submit_result", **({"sales": 7} if was_told else {"turnover": 7}))

    lab = Lab(a=says, b="B")

    log = lab.run(typed)

    assert output(lab) == 1
    assert len(log.requests("a")) == 2
    assert log.told("a", 0) == ["go"]
    assert '[why the next stage cannot take it]\n"sales" is a required property' in log.told("a", 1)[0]
    assert log.told("b") == ['{"sales":7}']


def test_a_stage_that_never_fits_ends_the_run_and_a_resume_has_only_its_last_try_made_anew() -> None:
    loose = agent("a", output_schema={"type": "object"})

    @workflow
    async def typed(run: WorkflowRun, topic: str) -> str:
        return (await pipeline(run, [loose, TAKES_FIGURES], topic)).text

    lab = Lab(a=call("submit_result", turnover=7), b="B")
    log = lab.run(typed)
    assert "the next stage cannot take the output of 'a', sent back 2 times" in error(lab)
    assert (len(log.requests("a")), log.requests("b")) == (3, [])

    lab.resumes_failed = True
    lab.script.says("a", call("submit_result", sales=1))
    log = lab.resume()

    assert output(lab) == "B"
    assert len(log.requests("a")) == 4


# --- parallel ----------------------------------------------------------------------------------------


def at_once(join: Any) -> Any:
    @workflow
    async def at_once(run: WorkflowRun, topic: str) -> list[str]:
        calls = {"first": (A, "x"), "second": (B, "y"), "third": (C, "z")}
        got = await parallel(run, calls, join=join, context={"topic": topic})
        return [*(each.text for each in got), *map(str, got.missing)]

    return at_once


def test_tasks_run_side_by_side_and_come_back_in_their_order() -> None:
    lab = Lab(a=after(3, "A"), b=after(1, "B"), c=after(2, "C"))

    log = lab.run(at_once("all"), "birds")

    assert (output(lab), log.seconds) == (["A", "B", "C"], 3)
    assert names(log) == ["first", "second", "third"]
    assert overlap([*log.under_way("a"), *log.under_way("b"), *log.under_way("c")])
    assert log.told("b") == ["y\n\nContext:\n[topic]\nbirds"]


def test_join_rules_say_when_tasks_are_over_and_what_is_missing_is_told() -> None:
    lab = Lab(a=after(3, "A"), b=BROKEN, c=after(2, "C"))
    log = lab.run(at_once(n_of(1)))
    assert (log.seconds, output(lab)[0]) == (2, "C")

    lab = Lab(a=after(3, "A"), b=BROKEN, c=after(2, "C"))
    log = lab.run(at_once("best_effort"))
    assert log.seconds == 3
    assert output(lab)[:2] == ["A", "C"]
    assert output(lab)[2].startswith("second: failed, agent 'b' failed: RuntimeError: broken")

    lab = Lab(a=after(3, "A"), b=BROKEN, c=after(2, "C"))
    log = lab.run(at_once("all"))
    assert log.seconds == 1
    assert "the rule 'all' of a gather cannot be met any more: second: failed" in error(lab)


def test_failed_tasks_are_tried_again() -> None:
    @workflow
    async def stubborn(run: WorkflowRun, topic: str) -> list[int]:
        return [each.attempts for each in await parallel(run, {"one": (A, topic), "two": (B, topic)}, retries=1)]

    tries = iter(range(2))

    async def sometimes(request: Any) -> str:
        if next(tries) == 0:
            raise RuntimeError("broken")
        return "A"

    lab = Lab(a=sometimes, b="B")

    lab.run(stubborn)

    assert output(lab) == [2, 1]


# --- map ---------------------------------------------------------------------------------------------


def over(items: Any, **how: Any) -> Any:
    how = {"task": "count {item}", **how}

    @workflow
    async def over(run: WorkflowRun, topic: str) -> list[Any]:
        made: Merged = await map_over(run, A, items, **how)
        return [made.output, [str(each) for each in made.results.missing]]

    return over


def test_every_item_has_a_call_and_results_stand_in_the_order_of_items() -> None:
    async def says(request: Any) -> str:
        return plain(request.messages[0].content).upper()

    lab = Lab(a=after(2, says))

    log = lab.run(over(["x", {"n": 1}]))

    assert output(lab)[0] == ["COUNT X", 'COUNT {"N":1}']
    assert (names(log), log.seconds) == (["x", '{"n":1}'], 2)


def test_no_more_than_so_many_items_are_under_way_at_once() -> None:
    lab = Lab(a=after(2, "A"))

    log = lab.run(over(list("abcde"), at_once=2))

    assert (lab.script.most["a"], log.seconds) == (2, 6)
    assert log.under_way("a") == [(0, 2), (0, 2), (2, 4), (2, 4), (4, 6)]


def test_an_item_that_ends_makes_room_for_the_next_though_others_are_slower() -> None:
    async def says(request: Any) -> str:
        return await after(9 if "a" in plain(request.messages[0].content) else 1, "A")(request)  # type: ignore[operator, misc, no-any-return]

    lab = Lab(a=says)

    log = lab.run(over(["a", "x", "y", "z"], at_once=2, task="{item}"))

    assert log.under_way("a") == [(0, 9), (0, 1), (1, 2), (2, 3)]


def test_results_are_merged_and_who_merges_is_told_what_is_missing() -> None:
    async def says(request: Any) -> str:
        if "y" in plain(request.messages[0].content).split():
            raise RuntimeError("broken")
        return "A"

    lab = Lab(a=says, b="merged")

    log = lab.run(over(["x", "y", "z"], join="best_effort", merge_by=B, merge_task="put together"))

    merged, missing = output(lab)
    assert merged == "merged"
    assert missing[0].startswith("y: failed")
    [said] = log.told("b")
    assert said.startswith("put together\n\nContext:\n[x]\nA\n\n[z]\nA\n\n[missing]\ny: failed")


def test_without_a_place_in_the_task_the_item_stands_beside_it() -> None:
    lab = Lab(a="A")

    log = lab.run(over(["x"], task="count"))

    assert log.told("a") == ["count\n\nContext:\n[item]\nx"]


def test_an_agent_with_an_input_schema_is_given_the_item_itself() -> None:
    @workflow
    async def each_figure(run: WorkflowRun, topic: str) -> Any:
        return (await map_over(run, TAKES_FIGURES, [{"sales": 1}, {"sales": 2}])).output

    lab = Lab(b="B")

    log = lab.run(each_figure)

    assert output(lab) == ["B", "B"]
    assert [log.told("b", nth) for nth in (0, 1)] == [['{"sales":1}'], ['{"sales":2}']]


def test_a_map_goes_over_the_results_of_another_one() -> None:
    @workflow
    async def twice(run: WorkflowRun, topic: str) -> Any:
        first = await map_over(run, A, ["x", "y"], task="count {item}")
        return (await map_over(run, B, first.results, task="check {item}")).output

    async def says(request: Any) -> str:
        return plain(request.messages[0].content).removeprefix("count ") + "!"

    lab = Lab(a=says, b="B")

    log = lab.run(twice)

    assert output(lab) == ["B", "B"]
    assert sorted(log.told("b", nth)[0] for nth in (0, 1)) == ["check x!", "check y!"]


# --- perspectives ------------------------------------------------------------------------------------


def test_a_question_is_looked_at_from_all_views_at_once_and_then_answered() -> None:
    @workflow
    async def ask(run: WorkflowRun, question: str) -> str:
        got = await perspectives(run, question, A, synthesis=B)
        assert isinstance(got.output, str)
        return got.output

    lab = Lab(a=after(2, "A"), b=after(1, "B"))

    log = lab.run(ask, "Shall we move?")

    assert (output(lab), log.seconds) == ("B", 3)
    assert names(log) == ["for", "against", "technical", "business", "user", "merge"]
    assert lab.script.most["a"] == 5
    assert log.told("a", 1) == ["Shall we move?\n\nMake the best case against it."]
    assert "[for]\nA\n\n[against]\nA" in log.told("b")[0]


def test_views_may_be_ones_own_and_each_may_have_its_agent() -> None:
    @workflow
    async def ask(run: WorkflowRun, question: str) -> list[str]:
        got = await perspectives(run, question, {"legal": A, "press": B}, views=["legal", "press"])
        return [each.text for each in got.results]

    lab = Lab(a="A", b="B")

    log = lab.run(ask, "Shall we move?")

    assert output(lab) == ["A", "B"]
    assert log.told("b") == ["Shall we move?\n\nTake the view of: press. Leave the others to others."]


@pytest.mark.parametrize("join", ["best_effort", n_of(1)])
def test_a_view_that_is_missing_is_told_to_who_answers(join: Any) -> None:
    @workflow
    async def ask(run: WorkflowRun, question: str) -> Any:
        both = {"for": A, "against": B}
        return (await perspectives(run, question, both, views=("for", "against"), synthesis=C, join=join)).output

    lab = Lab(a=after(2, "A"), b=BROKEN, c="C")

    log = lab.run(ask)

    assert output(lab) == "C"
    assert "[missing]\nagainst: failed" in log.told("c")[0]


# --- places ------------------------------------------------------------------------------------------


def line_of(text: str) -> str:
    """The one line of this file that has the text, as a place names it."""
    [number] = [n for n, line in enumerate(Path(__file__).read_text().splitlines(), 1) if text in line][:1]
    return f"test_patterns.py:{number}"


def places(log: Played) -> list[str]:
    return [r.event.place for r in log.records if isinstance(r.event, StepAsked)]


def test_the_place_of_a_patterns_call_is_the_line_that_calls_the_pattern() -> None:
    @workflow
    async def placed(run: WorkflowRun, topic: str) -> str:
        return (await pipeline(run, [A, B], topic)).text  # one after the other

    lab = Lab(a="A", b="B")

    log = lab.run(placed)

    assert places(log) == ["placed, " + line_of("# one after the other")] * 2


def test_the_place_of_a_call_in_a_branch_of_a_pattern_is_the_line_of_the_gather() -> None:
    @workflow
    async def gathered(run: WorkflowRun, topic: str) -> list[str]:
        both = [pipeline(run, [A], "x"), parallel(run, {"b": (B, "x"), "c": (C, "x")})]
        await run.gather(*both)  # both of them
        return []

    lab = Lab(a="A", b="B", c="C")

    log = lab.run(gathered)

    assert places(log) == ["gathered, " + line_of("# both of them")] * 3


def test_an_error_of_a_pattern_names_the_line_that_calls_it() -> None:
    @workflow
    async def wrongly(run: WorkflowRun, topic: str) -> None:
        await pipeline(run, [], topic)  # no stages

    lab = Lab()

    lab.run(wrongly)

    assert error(lab).endswith(f"({line_of('# no stages')}, in wrongly)")


def test_an_error_in_a_branch_names_the_line_of_the_gather() -> None:
    @workflow
    async def wrongly(run: WorkflowRun, topic: str) -> None:
        await run.gather(pipeline(run, [], topic))  # of nothing

    lab = Lab()

    lab.run(wrongly)

    assert error(lab).endswith(f"({line_of('# of nothing')}, in wrongly)")
