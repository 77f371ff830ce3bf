"""Gathers and their rules: when they are over, what is stopped, what is missing; and what comes back if they fail."""

from typing import Any

import pytest

from podium import Gathered, JoinFailed, WorkflowRun, n_of, workflow
from podium.core.facts import StepWithdrawn
from podium.errors import CallFailed
from tests.lab.cast import after, hangs, raises
from tests.lab.lab import Lab
from tests.scenario.test_workflows import A, B, C, output


def told(got: Gathered[Any]) -> dict[str, Any]:
    return {
        "came": [each.text for each in got],
        "missing": [[each.index, each.name, each.end] for each in got.missing],
    }


def gathering(join: Any) -> Any:
    @workflow
    async def gathers(run: WorkflowRun, topic: str) -> dict[str, Any]:
        calls = [run.agent(who, topic) for who in (A, B, C)]
        try:
            return told(await run.gather(*calls, join=join))
        except JoinFailed as error:
            return {"failed": told(error.gathered), "end": error.end, "said": str(error)}

    return gathers


BROKEN = raises(RuntimeError("broken"), after_s=2)


def test_all_is_lost_with_the_first_that_fails_and_the_others_are_stopped() -> None:
    lab = Lab(a=after(1, "A"), b=BROKEN, c=hangs)

    log = lab.run(gathering("all"))

    lost = output(lab)
    assert log.seconds == 2
    assert lost["failed"] == {"came": ["A"], "missing": [[1, "b", "failed"], [2, "c", "cancelled"]]}
    assert lost["end"] == "failed"
    assert "the rule 'all' of a gather cannot be met any more: b: failed" in lost["said"]
    assert log.closings() == [("a", "reported"), ("b", "failed"), ("c", "stopped")]
    assert [r.event.key for r in log.records if isinstance(r.event, StepWithdrawn)] == ["3"]
    assert log.state_of("c").status == "terminated"


def test_any_is_met_by_the_first_that_succeeds() -> None:
    lab = Lab(a=hangs, b=after(3, "B"), c=raises(RuntimeError("broken"), after_s=1))

    log = lab.run(gathering("any"))

    assert log.seconds == 3
    assert output(lab) == {"came": ["B"], "missing": [[0, "a", "cancelled"], [2, "c", "failed"]]}


def test_any_is_lost_when_all_have_failed() -> None:
    lab = Lab(a=BROKEN, b=BROKEN, c=BROKEN)

    lab.run(gathering("any"))

    assert output(lab)["failed"]["missing"] == [[0, "a", "failed"], [1, "b", "failed"], [2, "c", "failed"]]


def test_n_of_is_met_by_so_many_and_lost_as_soon_as_they_cannot_come_any_more() -> None:
    lab = Lab(a=after(1, "A"), b=after(2, "B"), c=hangs)
    assert lab.run(gathering(n_of(2))).seconds == 2
    assert output(lab)["came"] == ["A", "B"]

    lab = Lab(a=hangs, b=BROKEN, c=BROKEN)
    assert lab.run(gathering(n_of(2))).seconds == 2
    assert output(lab)["failed"]["missing"][0] == [0, "a", "cancelled"]


def test_best_effort_waits_for_all_and_tells_what_is_missing() -> None:
    lab = Lab(a=after(1, "A"), b=BROKEN, c=after(4, "C"))

    log = lab.run(gathering("best_effort"))

    assert log.seconds == 4
    assert output(lab) == {"came": ["A", "C"], "missing": [[1, "b", "failed"]]}


def test_slots_have_a_place_for_every_call() -> None:
    @workflow
    async def gathers(run: WorkflowRun, topic: str) -> list[Any]:
        got = await run.gather(run.agent(A, topic), run.agent(B, topic), join="best_effort")
        return [None if each is None else each.text for each in got.slots]

    lab = Lab(a=BROKEN, b="B")

    lab.run(gathers)

    assert output(lab) == [None, "B"]


def test_a_branch_that_is_not_needed_is_stopped_with_all_it_has_begun() -> None:
    @workflow
    async def gathers(run: WorkflowRun, topic: str) -> list[str]:
        async def slow() -> str:
            got = await run.gather(run.agent(A, topic), run.agent(B, topic))
            return str(got[0])

        async def quick() -> str:
            return (await run.agent(C, topic)).text

        return list(await run.gather(slow(), quick(), join="any"))

    lab = Lab(a=hangs, b=hangs, c=after(1, "C"))

    log = lab.run(gathers)

    assert (output(lab), log.seconds) == (["C"], 1)
    assert sorted(log.closings()) == [("a", "stopped"), ("b", "stopped"), ("c", "reported")]


def test_a_loser_with_agents_of_its_own_takes_them_along() -> None:
    from podium import call
    from tests.scenario.test_workflows import agent

    lead = agent("lead", callable_agents=[A])

    @workflow
    async def gathers(run: WorkflowRun, topic: str) -> list[str]:
        return [each.text for each in await run.gather(run.agent(lead, topic), run.agent(B, topic), join="any")]

    lab = Lab(
        lead=[[call("a", task="x"), call("start_agent", agent="a", input={"task": "y"})], "done"],
        a=hangs,
        b=after(2, "B"),
    )

    log = lab.run(gathers)

    assert (output(lab), log.seconds) == (["B"], 2)
    assert [log.state_of("a", nth).status for nth in (0, 1)] == ["terminated", "terminated"]


def test_two_that_end_at_the_same_moment_are_told_one_after_the_other() -> None:
    lab = Lab(a=after(1, "A"), b=after(1, "B"), c=hangs)

    lab.run(gathering("any"))

    assert output(lab) == {"came": ["A"], "missing": [[1, "b", "cancelled"], [2, "c", "cancelled"]]}


def test_a_mistake_in_a_branch_is_no_failed_call() -> None:
    @workflow
    async def gathers(run: WorkflowRun, topic: str) -> str:
        async def wrong() -> str:
            await run.agent(A, topic)
            raise KeyError("oops")

        await run.gather(wrong(), run.agent(B, topic), join="best_effort")
        return "?"

    lab = Lab(a="A", b=hangs)

    log = lab.run(gathers)

    assert log.stop_reason == "retries_exhausted"
    assert lab.result is not None
    assert lab.result.error.startswith("KeyError: 'oops' (test_workflow_joins.py:")


@pytest.mark.parametrize("join", [n_of(4), "some", 2, None])
def test_rules_that_are_none_or_can_never_be_met_are_refused(join: Any) -> None:
    lab = Lab(a=hangs, b=hangs, c=hangs)

    log = lab.run(gathering(join))

    assert log.stop_reason == "retries_exhausted"
    assert lab.result is not None
    assert "join" in lab.result.error
    assert log.seconds == 0


def test_a_failed_call_outside_of_a_gather_ends_only_itself() -> None:
    @workflow
    async def catches(run: WorkflowRun, topic: str) -> str:
        slow = run.agent(B, topic)
        try:
            await run.agent(A, topic)
        except CallFailed as error:
            return f"{error.end}, {(await slow).text}"
        return "?"

    lab = Lab(a=raises(RuntimeError("broken")), b=after(3, "B"))

    log = lab.run(catches)

    assert (output(lab), log.seconds) == ("failed, B", 3)
