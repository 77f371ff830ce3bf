"""Workflows: what their calls open, when they run, and what comes back."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from podium import Agent, CallResult, Limits, WorkflowRun, call, workflow
from podium.core.content import plain
from podium.core.events import AgentMessage, ThreadCreated, WorkflowPhaseStarted, WorkflowRunCreated
from podium.core.facts import PhaseBegun, StepAsked
from podium.errors import CallFailed
from tests.lab.cast import after, raises
from tests.lab.lab import Lab
from tests.lab.log import Played, overlap


def agent(name: str, **how: Any) -> Agent:
    return Agent(name, model="m", **how)


A, B, C = agent("a"), agent("b"), agent("c")


def output(lab: Lab) -> Any:
    """What the workflow returned."""
    assert lab.result is not None
    assert lab.result.error == ""
    return lab.result.output


def asked(log: Played) -> list[tuple[str, str, int]]:
    """The calls that were made: key, name and attempt."""
    return [(r.event.key, r.event.name, r.event.attempt) for r in log.records if isinstance(r.event, StepAsked)]


@workflow
async def one_after_another(run: WorkflowRun, topic: str) -> str:
    """Two calls."""
    first = await run.agent(A, f"look at {topic}")
    second = await run.agent(B, "sum up", context=[first])
    return second.text


def test_calls_are_threads_of_the_run_whose_results_the_code_gets() -> None:
    lab = Lab(a=after(1, "A"), b=after(2, "B"))

    log = lab.run(one_after_another, "birds")

    assert (log.text, log.seconds, log.stop_reason) == ("B", 3, "end_turn")
    assert log.told("a") == ["look at birds"]
    assert log.told("b") == ["sum up\n\nContext:\n[a]\nA"]
    [created] = log.of("workflow_run.created")
    assert isinstance(created.event, WorkflowRunCreated)
    run = created.event.workflow_run_id
    assert (created.event.name, created.event.description) == ("one_after_another", "Two calls.")
    assert {log.state_of(name).workflow_run for name in "ab"} == {run}
    assert {r.event.workflow_run_id for r in log.records if isinstance(r.event, ThreadCreated)} == {run}
    assert [log.state_of(name).status for name in "ab"] == ["terminated", "terminated"]
    assert [kind for kind in log.kinds(log.state.primary) if "workflow" in kind] == [
        "workflow.opened",
        "workflow_run.created",
        "workflow_run.status_running",
        *("workflow.step_asked", "workflow.told") * 2,
        "workflow.returned",
        "workflow_run.status_ended",
    ]


def test_the_primary_makes_no_model_call() -> None:
    lab = Lab(a="A", b="B")

    log = lab.run(one_after_another, "birds")

    assert log.of("span.model_request_start", log.state.primary) == []
    assert {request.agent for request in lab.world.requests} == {"a", "b"}
    [said] = [r.event for r in log.records if isinstance(r.event, AgentMessage) and r.thread == log.state.primary]
    assert plain(said.content) == "B"


def test_gathered_calls_run_side_by_side_and_come_back_in_their_order() -> None:
    @workflow
    async def all_three(run: WorkflowRun, topic: str) -> list[str]:
        got = await run.gather(run.agent(A, topic), run.agent(B, topic), run.agent(C, topic))
        return [each.text for each in got]

    lab = Lab(a=after(3, "A"), b=after(1, "B"), c=after(2, "C"))

    log = lab.run(all_three)

    assert (output(lab), log.seconds) == (["A", "B", "C"], 3)
    assert overlap([*log.under_way("a"), *log.under_way("b"), *log.under_way("c")])


def test_a_step_whose_inputs_are_ready_never_waits_for_a_slower_one() -> None:
    @workflow
    async def two_lanes(run: WorkflowRun, topic: str) -> list[str]:
        async def lane(first: Agent, second: Agent) -> str:
            start = await run.agent(first, topic)
            return (await run.agent(second, "go on", context=start)).text

        return list(await run.gather(lane(A, C), lane(B, C)))

    lab = Lab(a=after(10, "A"), b=after(1, "B"), c=after(2, "C"))

    log = lab.run(two_lanes)

    assert log.under_way("c") == [(1, 3), (10, 12)]
    assert (output(lab), log.seconds) == (["C", "C"], 12)
    assert asked(log) == [("1.0/1", "a", 1), ("1.1/1", "b", 1), ("1.1/2", "c", 1), ("1.0/2", "c", 1)]


def test_asyncios_own_tasks_and_gathers_take_calls_too() -> None:
    @workflow
    async def plainly(run: WorkflowRun, topic: str) -> list[str]:
        task: asyncio.Task[CallResult] = asyncio.create_task(run.agent(A, topic))
        both = await asyncio.gather(run.agent(B, topic), run.agent(C, topic))
        async with asyncio.TaskGroup() as group:
            more = group.create_task(run.agent(B, "more"))
        return [each.text for each in (await task, *both, more.result())]

    lab = Lab(a=after(5, "A"), b=after(1, "B"), c=after(2, "C"))

    log = lab.run(plainly)

    assert output(lab) == ["A", "B", "C", "B"]
    assert log.under_way("b") == [(0, 1), (2, 3)]
    assert log.seconds == 5


def test_a_call_begins_when_it_is_made_and_not_when_it_is_awaited() -> None:
    @workflow
    async def early(run: WorkflowRun, topic: str) -> str:
        slow = run.agent(A, topic)
        await run.agent(B, topic)
        return (await slow).text

    lab = Lab(a=after(3, "A"), b=after(2, "B"))

    assert lab.run(early).seconds == 3


def test_structured_output_comes_as_its_model_and_costs_are_told() -> None:
    class Figures(BaseModel):
        n: int

    @workflow
    async def typed(run: WorkflowRun, topic: str) -> Figures:
        got = await run.agent(A, topic, output_schema=Figures)
        assert isinstance(got.output, Figures)
        assert got.usage.total_tokens > 0
        return Figures(n=got.output.n + 1)

    lab = Lab(a=[[call("submit_result", n="x")], [call("submit_result", n=1)]])

    log = lab.run(typed)

    assert output(lab) == Figures(n=2)
    assert len(log.requests("a")) == 2  # told why it did not fit, and asked again


def test_corrective_turns_are_counted_on_the_result_and_in_the_row_of_the_call() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}

    @workflow
    async def corrected(run: WorkflowRun, topic: str) -> list[int]:
        both = await run.gather(run.agent(A, topic, output_schema=schema), run.agent(B, topic))
        return [each.corrections for each in both]

    lab = Lab(a=["not yet", call("submit_result", n="x"), call("submit_result", n=1)], b="B")

    lab.run(corrected)

    assert output(lab) == [2, 0]
    assert lab.result is not None
    assert [made.corrections for made in lab.result.calls] == [2, 0]


def test_structured_input_reaches_the_agent_as_json() -> None:
    strict = agent("a", input_schema={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})

    @workflow
    async def given(run: WorkflowRun, n: int) -> str:
        return (await run.agent(strict, {"n": n})).text

    lab = Lab(a="A")

    log = lab.run(given, 7)

    assert log.told("a") == ['{"n":7}']


def test_input_that_does_not_fit_the_agents_schema_fails_the_call() -> None:
    strict = agent("a", input_schema={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})

    @workflow
    async def given(run: WorkflowRun, n: int) -> str:
        try:
            await run.agent(strict, {"n": "many"})
        except CallFailed as error:
            return error.reason
        return "?"

    lab = Lab(a="A")

    log = lab.run(given, 7)

    assert "does not fit the schema of 'a'" in output(lab)
    assert len(log.state.threads) == 1


def test_several_parameters_are_an_object_with_their_names() -> None:
    @workflow
    async def two(run: WorkflowRun, company: str, year: int = 2026) -> str:
        return (await run.agent(A, f"{company} in {year}")).text

    lab = Lab(a="A")

    log = lab.run(two, {"company": "Acme"})

    assert log.told("a") == ["Acme in 2026"]


def test_context_comes_in_named_parts_and_tells_what_is_missing() -> None:
    @workflow
    async def parts(run: WorkflowRun, topic: str) -> str:
        got = await run.gather(run.agent(A, topic), run.agent(B, topic), join="best_effort")
        return (await run.agent(C, "sum up", context=[{"topic": topic, "figures": [1, 2]}, got, "mind the gap"])).text

    lab = Lab(a="A", b=raises(RuntimeError("broken")), c="C")

    log = lab.run(parts, "birds")

    [said] = log.told("c")
    context = said.removeprefix("sum up\n\nContext:\n").split("\n\n")
    assert context[:3] == ["[topic]\nbirds", "[figures]\n[1,2]", "[a]\nA"]
    assert context[3].startswith("[missing]\nb: failed, agent 'b' failed: RuntimeError: broken")
    assert context[4] == "mind the gap"


def test_a_function_runs_once_and_its_result_is_in_the_log() -> None:
    ran: list[str] = []

    @workflow
    async def with_function(run: WorkflowRun, topic: str) -> list[Any]:
        async def look(what: str) -> dict[str, Any]:
            ran.append(what)
            await asyncio.sleep(2)  # it may take its time: it is no part of the workflow's own code
            return {"what": what, "pair": (1, 2)}

        first, second = await run.gather(run.step(look, "x"), run.agent(A, topic))
        return [first, second]

    lab = Lab(a=after(1, "A"))

    log = lab.run(with_function)

    assert output(lab) == [{"what": "x", "pair": [1, 2]}, "A"]
    assert (ran, log.seconds) == (["x"], 2)


def test_phases_are_declared_begun_and_left() -> None:
    @workflow
    async def phased(run: WorkflowRun, topic: str) -> str:
        run.phase("research")
        await run.agent(A, topic)
        for name in ("writing", f"checking {topic}"):
            run.phase(name)
            await run.agent(B, name)
        return "done"

    lab = Lab(a="A", b="B")

    log = lab.run(phased, "birds")

    [created] = log.of("workflow_run.created")
    assert isinstance(created.event, WorkflowRunCreated)
    declared = {phase.id: phase.name for phase in created.event.phases}
    assert list(declared.values()) == ["research"]  # what stands as a literal in the source
    begun = {r.event.phase: r.event.name for r in log.records if isinstance(r.event, PhaseBegun)}
    assert list(begun.values()) == ["research", "writing", "checking birds"]
    started = [r.event for r in log.records if isinstance(r.event, WorkflowPhaseStarted)]
    assert [event.workflow_run_phase_id for event in started] == list(begun)
    assert set(declared) <= set(begun)
    run = log.state.run
    assert run is not None
    assert [(step.name, step.phase) for step in run.steps.values()] == [
        ("a", "research"),
        ("b", "writing"),
        ("b", "checking birds"),
    ]


def test_phases_without_a_call_at_the_end_are_begun_and_left_too() -> None:
    @workflow
    async def phased(run: WorkflowRun, topic: str) -> str:
        run.phase("research")
        await run.agent(A, topic)
        run.phase("writing")
        run.phase("sending")
        return "done"

    lab = Lab(a="A")
    lab.is_rehearsed = True

    log = lab.run(phased)

    assert (output(lab), log.stop_reason) == ("done", "end_turn")
    assert [r.event.name for r in log.records if isinstance(r.event, PhaseBegun)] == ["research", "writing", "sending"]
    of_run = [kind for kind in log.kinds() if "phase" in kind or kind == "workflow_run.status_ended"]
    one = ["workflow.phase_begun", "workflow_run.phase_started", "workflow_run.phase_ended"]
    assert sorted(of_run) == sorted([*one * 3, "workflow_run.status_ended"])
    assert of_run[-2:] == ["workflow_run.phase_ended", "workflow_run.status_ended"]


def test_a_failed_call_is_made_again_as_often_as_was_said() -> None:
    @workflow
    async def stubborn(run: WorkflowRun, topic: str) -> int:
        return (await run.agent(A, topic, retries=2)).attempts

    tries = iter(range(3))

    async def sometimes(request: Any) -> str:
        if next(tries) < 2:
            raise RuntimeError("broken")
        return "A"

    lab = Lab(a=sometimes)

    log = lab.run(stubborn)

    assert output(lab) == 3
    assert asked(log) == [("1", "a", 1), ("1~2", "a", 2), ("1~3", "a", 3)]
    assert [outcome for _, outcome in log.closings()] == ["failed", "failed", "reported"]


def test_a_call_that_fails_for_good_is_told_with_how_it_ended() -> None:
    @workflow
    async def ends(run: WorkflowRun, topic: str) -> list[list[str]]:
        ended = []
        for who, limits in ((A, None), (B, Limits(seconds=2)), (C, Limits(turns=1))):
            try:
                await run.agent(who, topic, limits=limits, name=f"call of {who.name}")
            except CallFailed as error:
                ended.append([error.end, error.name, error.partial])
        return ended

    lab = Lab(a=raises(RuntimeError("broken")), b=after(9, "B"), c=[[call("nothing")], "C"])
    log = lab.run(ends)

    failed, timed_out, over_budget = output(lab)
    assert failed == ["failed", "call of a", ""]
    assert timed_out[:2] == ["timed_out", "call of b"]
    assert over_budget[:2] == ["over_budget", "call of c"]
    assert "Its last words, a partial result" in over_budget[2] or "had said nothing" in over_budget[2]
    assert log.stop_reason == "end_turn"


def test_workflows_are_parts_of_others() -> None:
    @workflow
    async def outer(run: WorkflowRun, topics: list[str]) -> list[str]:
        return list(await run.gather(*(one_after_another(run, topic) for topic in topics)))

    lab = Lab(a=after(1, "A"), b=after(2, "B"))

    log = lab.run(outer, ["x", "y"])

    assert (output(lab), log.seconds) == (["B", "B"], 3)


def test_an_agent_may_have_agents_of_its_own() -> None:
    lead = agent("lead", callable_agents=[A])

    @workflow
    async def deep(run: WorkflowRun, topic: str) -> str:
        return (await run.agent(lead, topic)).text

    lab = Lab(lead=[[call("a", task="look")], "done"], a=after(1, "A"))

    log = lab.run(deep)

    assert output(lab) == "done"
    assert {log.state_of(name).workflow_run for name in ("lead", "a")} == {log.state_of("a").workflow_run}
    assert [log.state_of(name).status for name in ("lead", "a")] == ["terminated", "terminated"]


def test_an_agent_of_a_workflow_has_nobody_to_send_messages_to_but_its_own_agents_have() -> None:
    lead = agent("lead", callable_agents=[A])

    @workflow
    async def deep(run: WorkflowRun, topic: str) -> str:
        return (await run.agent(lead, topic)).text

    lab = Lab(lead=[[call("a", task="look")], "done"], a="A")

    log = lab.run(deep)

    assert "send_to_parent" not in [offer.name for offer in log.requests("lead")[0].tools]
    assert "send_to_parent" in [offer.name for offer in log.requests("a")[0].tools]


@pytest.mark.parametrize("join", ["all", "best_effort"])
def test_a_gather_of_nothing_is_nothing(join: Any) -> None:
    @workflow
    async def empty(run: WorkflowRun, topic: str) -> list[str]:
        return list(await run.gather(join=join))

    lab = Lab()

    lab.run(empty)

    assert output(lab) == []
