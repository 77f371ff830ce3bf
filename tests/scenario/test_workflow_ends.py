"""Workflows that wait for people, meet limits, are stopped, fail, and go on."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from podium import Agent, Denied, Limits, SessionLimits, WorkflowRun, call, say, workflow
from podium.core.content import text
from podium.core.events import RunFailed, RunStopped, SessionIdle, WorkflowRunEnded
from podium.core.facts import StepAsked
from podium.core.inputs import Archive, Delete, Instruct, Interrupt, Resume, SendMessage, Update
from podium.core.money import ModelFacts, Price
from podium.errors import CallFailed, Refused, RunOpen
from tests.lab.cast import after, hangs, raises
from tests.lab.lab import Lab, allowed, interrupted, interrupted_thread
from tests.lab.log import Played
from tests.lab.world import Fuse, Killed
from tests.scenario.test_money import spends
from tests.scenario.test_workflows import A, B, C, asked, output

PRICED = ModelFacts(
    price=Price(input=Decimal(10), output=Decimal(50), cache_write=Decimal("12.5"), cache_read=Decimal(1)),
    max_tokens=1_000,
)


def run_kinds(log: Played) -> list[str]:
    return [r.type.removeprefix("workflow_run.") for r in log.records if r.type.startswith("workflow_run.")]


def error(lab: Lab) -> str:
    assert lab.result is not None
    return lab.result.error


# --- checkpoints -----------------------------------------------------------------------------------


@workflow
async def send_it(run: WorkflowRun, topic: str) -> str:
    draft = await run.agent(A, topic)
    slow = run.agent(B, topic)
    await run.checkpoint("Send to client", payload={"body": draft.output})
    sent = await run.agent(C, "send")
    return f"{sent.text} {(await slow).text}"


def test_a_checkpoint_waits_for_a_person_while_siblings_go_on() -> None:
    lab = Lab(a=after(1, "A"), b=after(5, "B"), c=after(1, "C"))

    log = lab.run(send_it)

    assert (log.seconds, log.stop_reason) == (6, "requires_action")
    assert run_kinds(log) == ["created", "status_running", "status_idle"]
    [use] = log.of("agent.tool_use")
    assert use.event.input == {"description": "Send to client", "payload": {"body": "A"}}  # type: ignore[union-attr]
    assert lab.result is not None
    assert [(it.tool, it.input["description"]) for it in lab.result.waiting] == [("checkpoint", "Send to client")]

    lab.answer("checkpoint", allow=True)
    log = lab.resume()

    assert (output(lab), log.stop_reason) == ("C B", "end_turn")
    assert run_kinds(log) == ["created", "status_running", "status_idle", "status_running", "status_ended"]
    assert asked(log) == [("1", "a", 1), ("2", "b", 1), ("3", "Send to client", 1), ("4", "c", 1)]


def test_a_checkpoint_that_is_answered_under_way_goes_on_at_once() -> None:
    lab = Lab(a=after(1, "A"), b=after(9, "B"), c=after(1, "C"))

    log = lab.run(send_it, acts=[(3, allowed("checkpoint"))])

    assert log.under_way("c") == [(3, 4)]
    assert log.seconds == 10


@workflow
async def asks_twice(run: WorkflowRun, topic: str) -> list[str]:
    async def ask(what: str) -> str:
        try:
            await run.checkpoint(what)
        except Denied as no:
            return f"{what}: no, {no.reason}"
        return f"{what}: {(await run.agent(A, what)).text}"

    return list(await run.gather(ask("x"), ask("y")))


@pytest.mark.parametrize("first", [True, False])
def test_each_answer_is_told_at_once_though_others_are_still_waited_for(first: bool) -> None:
    lab = Lab(a="A")
    lab.run(asks_twice)

    lab.answer("checkpoint", allow=first, reason="not now")
    log = lab.resume()
    assert log.stop_reason == "requires_action"
    assert len(log.of("workflow.checkpoint_answered")) == 1
    assert len(log.requests("a")) == int(first)

    lab.answer("checkpoint", allow=not first, reason="not now")
    lab.resume()
    assert output(lab) == (["x: A", "y: no, not now"] if first else ["x: no, not now", "y: A"])


def test_a_no_that_nobody_catches_ends_the_run_and_a_resume_asks_again() -> None:
    lab = Lab(a="A", b="B", c="C")
    lab.run(send_it)
    lab.answer("checkpoint", allow=False, reason="not to him")

    log = lab.resume()

    assert log.stop_reason == "retries_exhausted"
    assert error(lab) == "a person said no at checkpoint 'Send to client': not to him"

    lab.resumes_failed = True
    log = lab.resume()
    assert log.stop_reason == "requires_action"
    lab.answer("checkpoint", allow=True)
    log = lab.resume()
    assert output(lab) == "C B"
    assert len(log.requests("a")) == len(log.requests("b")) == 1


def test_a_checkpoint_that_is_not_needed_any_more_is_closed() -> None:
    @workflow
    async def either(run: WorkflowRun, topic: str) -> int:
        got = await run.gather(run.checkpoint("really?"), run.agent(A, topic), join="any")
        return len(got)

    lab = Lab(a=after(2, "A"))

    log = lab.run(either)

    assert (output(lab), log.seconds, log.stop_reason) == (1, 2, "end_turn")
    [result] = log.of("agent.tool_result")
    assert result.event.is_error  # type: ignore[union-attr]


# --- limits of the session -----------------------------------------------------------------------------


@workflow
async def three(run: WorkflowRun, topic: str) -> list[str]:
    got = [await run.agent(who, topic) for who in (A, B, C)]
    return [each.text for each in got]


def test_at_a_limit_of_the_session_the_run_rests_with_what_is_finished() -> None:
    lab = Lab(a="A", b="B", c="C")

    log = lab.run(three, limits=SessionLimits(turns=2))

    assert log.stop_reason == "budget_reached"
    assert run_kinds(log) == ["created", "status_running", "status_idle"]
    run = log.state.run
    assert run is not None
    assert [(step.name, step.state) for step in run.steps.values()] == [("a", "over"), ("b", "over"), ("c", "again")]


def test_a_budget_that_is_raised_lets_the_run_go_on_where_it_was() -> None:
    lab = Lab(a="A" * 2000, b="B" * 2000, c="C" * 2000, facts=PRICED)
    log = lab.run(three, limits=SessionLimits(usd="0.12"))
    assert log.stop_reason == "budget_reached"
    assert log.state.usd + log.state.reserved_usd <= Decimal("0.12")
    before = len(log.requests("a"))

    lab.tell(Update(budget=Decimal(5)))
    log = lab.resume()

    assert [text[:1] for text in output(lab)] == ["A", "B", "C"]
    assert len(log.requests("a")) == before == 1


def at_its_budget(code: Any) -> tuple[Lab, Any]:
    """A workflow that calls b, which meets the session's budget at once, and c, which takes 20 s."""
    lab = Lab(b=[spends(9990, call("look")), spends(10, say("B"))], c=after(20, "C"), facts=PRICED)
    return lab, code(Agent("b", model="m", tools=[lab.tool("look", seconds=1)]))


BUDGET = SessionLimits(usd="0.58")


def both(b: Agent) -> Any:
    @workflow
    async def both(run: WorkflowRun, topic: str) -> list[str]:
        return [each.text for each in await run.gather(run.agent(b, topic), run.agent(C, topic))]

    return both


def either(b: Agent) -> Any:
    @workflow
    async def either(run: WorkflowRun, topic: str) -> list[str]:
        return [each.text for each in await run.gather(run.agent(b, topic), run.agent(C, topic), join="any")]

    return either


def raise_budget(live: Any) -> Any:
    return live.accept(Update(budget=Decimal(5)))


@pytest.mark.parametrize("at_s", [5, 19.999, 30])
def test_a_budget_that_is_raised_under_way_makes_the_calls_anew_that_it_cut_short(at_s: float) -> None:
    lab, flow = at_its_budget(both)

    log = lab.run(flow, limits=BUDGET, acts=[(at_s, raise_budget)])
    if at_s == 30:
        assert log.stop_reason == "budget_reached"
        lab.tell(Update(budget=Decimal(5)))
        log = lab.resume()

    assert (output(lab), log.stop_reason) == (["B", "C"], "end_turn")
    assert asked(log) == [("1", "b", 1), ("2", "c", 1), ("1", "b", 1)]
    assert len(log.requests("c")) == 1


def test_a_call_that_was_cut_short_and_is_then_not_needed_is_not_made_anew() -> None:
    def goes_on(b: Agent) -> Any:
        @workflow
        async def goes_on(run: WorkflowRun, topic: str) -> list[str]:
            got = await run.gather(run.agent(b, topic), run.agent(C, topic), join="any")
            return [*(each.text for each in got), (await run.agent(A, "then")).text]

        return goes_on

    lab, flow = at_its_budget(goes_on)
    lab.script.says("a", "A")
    log = lab.run(flow, limits=BUDGET)
    assert log.stop_reason == "budget_reached"

    lab.tell(Update(budget=Decimal(5)))
    log = lab.resume()

    assert output(lab) == ["C", "A"]
    assert asked(log) == [("1", "b", 1), ("2", "c", 1), ("4", "a", 1)]


def test_a_budget_that_is_raised_when_the_run_has_ended_changes_nothing() -> None:
    written, ended = 0, 0
    while True:  # killed after each record
        written += 1
        lab, flow = at_its_budget(either)
        try:
            lab.run(flow, limits=BUDGET, fuse=Fuse(written))
            break
        except Killed:
            pass
        run = lab.played().state.run
        ended += run is not None and run.is_over
        lab.tell(Update(budget=Decimal(5)))
        lab.resume()
        assert output(lab) in (["B"], ["C"])
    assert ended


def test_seconds_of_the_session_stop_the_run_in_the_middle() -> None:
    lab = Lab(a=after(2, "A"), b=hangs)

    log = lab.run(three, limits=SessionLimits(seconds=5))

    assert (log.seconds, log.stop_reason) == (5, "budget_reached")
    assert run_kinds(log)[-1] == "status_idle"


def test_depth_that_an_agent_needs_must_be_there() -> None:
    from tests.scenario.test_workflows import agent

    deep = agent("lead", callable_agents=[agent("middle", callable_agents=[A])])

    @workflow
    async def too_deep(run: WorkflowRun, topic: str) -> str:
        return (await run.agent(deep, topic)).text

    lab = Lab()

    lab.run(too_deep)

    assert "delegates 3 levels deep below the workflow (lead -> middle -> a)" in error(lab)


def test_spending_stays_within_what_a_call_may_cost() -> None:
    @workflow
    async def bounded(run: WorkflowRun, topic: str) -> str:
        try:
            return (await run.agent(A, topic, limits=Limits(usd="0.00001"))).text
        except CallFailed as stopped:
            return stopped.end

    lab = Lab(a="A", facts=PRICED)

    lab.run(bounded)

    assert output(lab) == "over_budget"


# --- people stop it ------------------------------------------------------------------------------------


def test_an_interrupt_stops_the_run_for_good() -> None:
    lab = Lab(a=after(1, "A"), b=hangs)

    log = lab.run(three, acts=[(3, interrupted())])

    assert (log.seconds, log.stop_reason) == (3, "end_turn")
    [ended] = [r.event for r in log.records if isinstance(r.event, WorkflowRunEnded)]
    assert ended.result == RunStopped()
    assert [log.state_of(name).status for name in "ab"] == ["terminated", "terminated"]
    assert lab.row().facts.open_run == ""


def test_a_paused_run_goes_on_with_the_calls_that_were_cut() -> None:
    lab = Lab(a=after(1, "A"), b=after(5, "B"), c="C")
    log = lab.run(three, acts=[(3, interrupted(pause=True))])
    assert (log.seconds, log.state.paused) == (3, True)
    assert run_kinds(log) == ["created", "status_running", "status_idle"]
    assert lab.row().facts.open_run

    log = lab.resume()

    assert output(lab) == ["A", "B", "C"]
    assert [len(log.requests(name)) for name in "abc"] == [1, 2, 1]
    assert run_kinds(log)[2:] == ["status_idle", "status_running", "status_ended"]


@workflow
async def in_phases(run: WorkflowRun, topic: str) -> list[str]:
    run.phase("first")
    first = await run.agent(A, topic)
    run.phase("second")
    return [first.text, (await run.agent(B, topic)).text]


def paused(lab: Lab) -> Played:
    return lab.run(in_phases, acts=[(3, interrupted(pause=True))])


def at_its_limit(lab: Lab) -> Played:
    return lab.run(in_phases, limits=SessionLimits(seconds=3))


@pytest.mark.parametrize(("rests", "reason"), [(paused, "end_turn"), (at_its_limit, "budget_reached")])
def test_an_interrupt_of_a_run_at_rest_ends_it(rests: Any, reason: str) -> None:
    lab = Lab(a=after(1, "A"), b=after(5, "B"))
    assert run_kinds(rests(lab))[-1] == "status_idle"

    lab.tell(Interrupt())
    log = lab.resume()

    assert run_kinds(log)[-3:] == ["status_idle", "phase_ended", "status_ended"]
    assert [log.state_of(name).status for name in "ab"] == ["terminated", "terminated"]
    assert len(log.requests("b")) == 1
    row = lab.row()
    assert (log.stop_reason, row.facts.open_run, row.paused, row.is_unfinished) == (reason, "", False, False)
    with pytest.raises(Refused, match="is not paused, so there is nothing to resume"):
        lab.tell(Resume())
    lab.tell(Archive())
    assert lab.played().state.status == "terminated"


def test_an_interrupt_while_only_a_person_is_waited_for_ends_it() -> None:
    lab = Lab(a="A", b="B", c="C")
    lab.run(send_it)

    lab.tell(Interrupt())
    log = lab.resume()

    assert (log.stop_reason, run_kinds(log)[-1]) == ("end_turn", "status_ended")


def test_an_interrupt_of_one_thread_of_a_run_stops_nothing() -> None:
    lab = Lab(a=after(5, "A"), b="B", c="C")

    log = lab.run(three, acts=[(2, interrupted_thread("a"))])

    assert output(lab) == ["A", "B", "C"]
    assert len(log.of("user.interrupt")) == 2  # queued, and taken without effect


def test_what_belongs_to_an_open_run_cannot_be_put_away() -> None:
    lab = Lab(a="A", b="B", c="C")
    log = lab.run(send_it)

    for request in (Archive(), Delete(), Archive(thread=log.thread("b"))):
        with pytest.raises(RunOpen):
            lab.tell(request)
    for told in (SendMessage(content=text("hello")), Instruct(content=text("be brief"))):
        with pytest.raises(Refused, match="runs a workflow, which takes no messages"):
            lab.tell(told)


# --- failures and resuming -----------------------------------------------------------------------------


def test_a_failed_run_is_resumed_at_the_call_that_failed() -> None:
    lab = Lab(a="A", b=raises(RuntimeError("broken")), c="C")
    log = lab.run(three)
    assert log.stop_reason == "retries_exhausted"
    assert "call 'b' (three, test_workflow_ends.py:" in error(lab)
    assert "RuntimeError: broken" in error(lab)
    [ended] = [r.event for r in log.records if isinstance(r.event, WorkflowRunEnded)]
    assert isinstance(ended.result, RunFailed)
    assert ended.result.error.type == "program_error"
    assert run_kinds(log)[-2:] == ["error", "status_ended"]

    lab.resumes_failed = True
    lab.script.says("b", "B")
    log = lab.resume()

    assert output(lab) == ["A", "B", "C"]
    assert [len(log.requests(name)) for name in "abc"] == [1, 2, 1]
    runs = {r.event.workflow_run_id for r in log.records if isinstance(r.event, WorkflowRunEnded)}
    assert len(runs) == 2  # on the wire, a run that has ended is another one than the one that follows it


@workflow
async def gathers(run: WorkflowRun, topic: str) -> list[str]:
    run.phase("gathering")
    first = await run.agent(A, "first")
    got = await run.gather(run.agent(A, "again"), run.agent(B, topic), run.agent(C, topic))
    return [first.text, *(each.text for each in got)]


def test_a_failed_gather_is_resumed_with_what_was_stopped_because_of_it() -> None:
    lab = Lab(a=after(1, "A"), b=raises(RuntimeError("broken"), after_s=2), c=after(9, "C"))
    log = lab.run(gathers)
    assert log.stop_reason == "retries_exhausted"

    lab.resumes_failed = True
    lab.script.says("b", "B")
    log = lab.resume()

    assert output(lab) == ["A", "A", "B", "C"]
    assert [len(log.requests(name)) for name in "abc"] == [2, 2, 2]
    run = log.state.run
    assert run is not None
    assert {step.phase for step in run.steps.values()} == {"gathering"}
    assert [kind for kind in run_kinds(log) if "phase" in kind] == ["phase_started", "phase_ended"] * 2


def test_what_plain_asyncio_left_open_when_it_failed_is_made_anew() -> None:
    import asyncio

    @workflow
    async def plainly(run: WorkflowRun, topic: str) -> list[str]:
        got = await asyncio.gather(run.agent(B, topic), run.agent(C, topic))
        return [each.text for each in got]

    lab = Lab(b=raises(RuntimeError("broken"), after_s=2), c=after(9, "C"))
    log = lab.run(plainly)
    assert log.seconds == 2

    lab.resumes_failed = True
    lab.script.says("b", "B")
    lab.resume()

    assert output(lab) == ["B", "C"]


@workflow
async def falls_back(run: WorkflowRun, topic: str) -> str:
    try:
        return (await run.agent(A, topic)).text
    except CallFailed as first:
        try:
            return (await run.agent(B, topic)).text
        except CallFailed:
            raise first from None


@workflow
async def cleans_up(run: WorkflowRun, topic: str) -> str:
    try:
        return (await run.agent(A, topic)).text
    finally:
        await run.step(lambda: "cleaned", name="clean")


@workflow
async def begins_a_phase(run: WorkflowRun, topic: str) -> str:
    run.phase("work")
    try:
        return (await run.agent(A, topic)).text
    except CallFailed:
        run.phase("failed")
        raise


@workflow
async def wraps(run: WorkflowRun, topic: str) -> str:
    try:
        return (await run.agent(A, topic)).text
    except CallFailed:
        await run.step(lambda: "noted", name="note")
        raise RuntimeError("wrapped")  # noqa: B904  # as it is often written


@workflow
async def ends_it_beside_others(run: WorkflowRun, topic: str) -> str:
    got = await run.gather(cleans_up.function(run, topic), run.agent(C, topic))
    return str(got[0])


@pytest.mark.parametrize("flow", [falls_back, cleans_up, begins_a_phase, wraps, ends_it_beside_others])
def test_what_the_code_did_on_its_way_out_of_a_failure_is_made_anew_with_it(flow: Any) -> None:
    lab = Lab(a=raises(RuntimeError("broken"), after_s=2), b=raises(RuntimeError("broken too")), c=after(1, "C"))
    lab.run(flow)
    assert "RuntimeError: " in error(lab)

    lab.resumes_failed = True
    lab.resume()  # fails once more
    lab.script.says("a", "A")
    log = lab.resume()

    assert output(lab) == "A"
    assert len(log.requests("a")) == 3
    assert len(log.requests("c")) == (1 if flow is ends_it_beside_others else 0)  # what is finished is not repeated


def test_what_was_done_on_the_way_out_leaves_room_for_what_is_done_instead() -> None:
    @workflow
    async def publishes(run: WorkflowRun, topic: str) -> str:
        try:
            await run.agent(A, topic)
        except CallFailed:
            await run.step(lambda: "cleaned", name="clean")
            run.phase("failed")
            await run.agent(B, "tell them")
            raise
        run.phase("publish")
        return (await run.agent(C, topic)).text

    async def let_go(live: Any) -> None:
        await live.let_go()

    lab = Lab(a=raises(RuntimeError("broken")), b="B", c=after(5, "C"))
    lab.run(publishes)
    lab.resumes_failed = True
    lab.script.says("a", "A")
    lab.resume(acts=[(2, let_go)])
    lab.resumes_failed = False

    lab.resume()

    assert output(lab) == "C"
    assert lab.result is not None
    assert [(it.name, it.phase) for it in lab.result.calls if it.name in "ac"] == [("a", ""), ("c", "publish")]


def test_a_failure_that_the_code_went_on_from_is_told_again() -> None:
    @workflow
    async def goes_on(run: WorkflowRun, topic: str) -> str:
        with suppress(CallFailed):
            await run.agent(A, topic)
        return (await run.agent(B, topic)).text

    lab = Lab(a=raises(RuntimeError("broken")), b=raises(RuntimeError("broken too")))
    lab.run(goes_on)

    lab.resumes_failed = True
    lab.script.says("b", "B")
    log = lab.resume()

    assert output(lab) == "B"
    assert len(log.requests("a")) == 1


def test_a_mistake_in_the_code_can_be_mended() -> None:
    def version(mends: bool) -> Any:
        @workflow
        async def wrong(run: WorkflowRun, topic: str) -> str:
            got = await run.agent(A, topic)
            return got.text if mends else got.txt  # type: ignore[attr-defined]

        return wrong

    lab = Lab(a="A")
    lab.run(version(mends=False))
    assert error(lab).startswith("AttributeError: 'CallResult' object has no attribute 'txt' (test_workflow_ends.py:")

    lab.resumes_failed, lab.workflow = True, version(mends=True)
    log = lab.resume()

    assert output(lab) == "A"
    assert len(log.requests("a")) == 1


def test_a_function_that_raises_fails_its_call_and_runs_again_on_resume() -> None:
    tries: list[int] = []

    @workflow
    async def with_function(run: WorkflowRun, topic: str) -> int:
        async def count() -> int:
            tries.append(1)
            if len(tries) == 1:
                raise OSError("no disk")
            return len(tries)

        return await run.step(count)

    lab = Lab()
    lab.run(with_function)
    assert "call 'count' (with_function, test_workflow_ends.py:" in error(lab)
    assert error(lab).endswith("failed: OSError: no disk")

    lab.resumes_failed = True
    lab.resume()

    assert output(lab) == 2


def test_the_rest_of_a_run_that_has_failed_is_stopped() -> None:
    @workflow
    async def fails(run: WorkflowRun, topic: str) -> None:
        calls = [run.agent(A, topic), run.agent(B, topic)]
        await run.agent(C, topic)
        await calls[0]
        await calls[1]

    lab = Lab(a=hangs, b=hangs, c=raises(RuntimeError("broken"), after_s=1))

    log = lab.run(fails)

    assert log.seconds == 1
    assert {log.state_of(name).status for name in "abc"} == {"terminated"}
    last = log.records[-1].event
    assert isinstance(last, SessionIdle)
    run = log.state.run
    assert run is not None
    assert set(run.again) == {"1", "2", "3"}
    assert len([r for r in log.records if isinstance(r.event, StepAsked)]) == 3


def test_phases_behind_the_last_call_of_a_run_that_failed_may_be_changed() -> None:
    def version(phase: str, *, mends: bool) -> Any:
        @workflow
        async def phased(run: WorkflowRun, topic: str) -> str:
            await run.agent(A, topic)
            run.phase(phase)
            if not mends:
                raise ValueError("a mistake")
            return phase

        return phased

    lab = Lab(a="A")
    lab.run(version("wrting", mends=False))

    lab.resumes_failed, lab.workflow = True, version("writing", mends=True)
    lab.resume()

    assert output(lab) == "writing"


def test_what_failed_beside_the_failure_that_ended_the_run_is_made_anew_with_it_and_what_succeeded_is_not() -> None:
    import asyncio

    @workflow
    async def plainly(run: WorkflowRun, topic: str) -> list[str]:
        return [each.text for each in await asyncio.gather(*(run.agent(who, topic) for who in (A, B, C)))]

    lab = Lab(a=raises(RuntimeError("broken"), after_s=1), b=raises(RuntimeError("broken"), after_s=1), c=after(1, "C"))
    log = lab.run(plainly)
    assert log.closings() == [("a", "failed"), ("b", "failed"), ("c", "reported")]

    lab.resumes_failed = True
    lab.script.says("a", "A")
    lab.script.says("b", "B")
    log = lab.resume()

    assert output(lab) == ["A", "B", "C"]
    assert len(log.requests("c")) == 1


def test_a_run_that_waits_for_a_person_rests_when_it_is_taken_up_at_its_budget() -> None:
    import asyncio

    async def looks() -> str:
        await asyncio.sleep(9)
        return "looked"

    def asks(b: Agent) -> Any:
        @workflow
        async def asks(run: WorkflowRun, topic: str) -> list[Any]:
            calls = run.agent(b, topic), run.step(looks, idempotent=True), run.checkpoint("go on?")
            return list(await run.gather(*calls))[1:]

        return asks

    async def let_go(live: Any) -> None:
        await live.let_go()

    lab, flow = at_its_budget(asks)
    lab.run(flow, limits=BUDGET, acts=[(5, let_go)])

    log = lab.resume()

    assert (log.stop_reason, run_kinds(log)) == ("requires_action", ["created", "status_running", "status_idle"])
    lab.answer("checkpoint", allow=True)
    lab.tell(Update(budget=Decimal(5)))
    lab.resume()
    assert output(lab) == ["looked", None]
