"""Plans: who writes them, what is told back, when steps start, what they are given, and what comes of failures."""

from typing import Any

import pytest
from msgspec.structs import replace

from podium import CallFailed, JoinFailed, Limits, ModelRequest, WorkflowRun, call, n_of, workflow
from podium.core.content import TextBlock
from podium.core.facts import DelegationClosed, DelegationOpened, StepAsked, StepWithdrawn
from podium.models.rehearsal import Generated
from podium.patterns import Plan, PlanResult, Step, make_plan, plan, run_plan, synthesise
from tests.lab.cast import after, hangs, raises
from tests.lab.lab import Lab
from tests.lab.log import Played
from tests.scenario.test_workflows import A, B, C, agent, output

LEAD = agent("lead", callable_agents=[A, B, C])
BROKEN = raises(RuntimeError("broken"), after_s=2)


def plan_of(*steps: tuple[str, str, list[str]], **how: Any) -> Plan:
    """Shape: (id, agent, depends_on) for each step; its task is "do ID"."""
    made = [Step(id=id, agent=who, task=f"do {id}", depends_on=tuple(needs)) for id, who, needs in steps]
    return Plan(task="the task", steps=tuple(made), **how)


def submits(*steps: dict[str, Any]) -> Any:
    return call("submit_result", steps=list(steps))


def running(made: Plan, team: Any = (A, B, C)) -> Any:
    @workflow
    async def runs(run: WorkflowRun, topic: str) -> PlanResult:
        return await run_plan(run, made, team)

    return runs


def said_to(request: ModelRequest) -> str:
    """The first message of a thread."""
    [block] = request.messages[0].content
    assert isinstance(block, TextBlock)
    return block.text


def spans(log: Played) -> dict[str, tuple[float, float]]:
    """From when to when each step's call was open, by its id."""
    names = {r.event.call: r.event.name for r in log.records if isinstance(r.event, StepAsked)}
    begun = {r.event.call: log.at(r) for r in log.records if isinstance(r.event, DelegationOpened)}
    closed = {r.event.call: log.at(r) for r in log.records if isinstance(r.event, DelegationClosed)}
    return {names[call]: (begun[call], closed[call]) for call in begun}


def steps_of(lab: Lab) -> dict[str, str]:
    """How each step ended."""
    return {id: step.end for id, step in output(lab).steps.items()}


def test_a_step_starts_when_what_it_depends_on_is_there_and_never_waits_for_a_slower_one() -> None:
    made = plan_of(("slow", "a", []), ("quick", "b", []), ("next", "c", ["quick"]), ("last", "c", ["slow", "next"]))
    lab = Lab(a=after(10, "A"), b=after(1, "B"), c=after(2, "C"))

    log = lab.run(running(made))

    assert spans(log) == {"slow": (0, 10), "quick": (0, 1), "next": (1, 3), "last": (10, 12)}
    assert steps_of(lab) == dict.fromkeys(["slow", "quick", "next", "last"], "done")


def test_a_step_is_given_exactly_what_it_depends_on_by_name() -> None:
    made = plan_of(("one", "a", []), ("two", "b", []), ("other", "a", []), ("sum", "c", ["two", "one"]))
    lab = Lab(a="A", b="B", c="C")

    log = lab.run(running(made))

    assert log.told("a", 0) == ["do one"]
    assert log.told("c") == ["do sum\n\nContext:\n[two]\nB\n\n[one]\nA"]


def test_steps_keep_their_places_whatever_the_order_in_which_they_end() -> None:
    made = plan_of(("last", "c", ["one", "two"]), ("one", "a", []), ("two", "b", []))

    keys = []
    for a_s, b_s in ((1, 5), (5, 1)):
        log = Lab(a=after(a_s, "A"), b=after(b_s, "B"), c="C").run(running(made))
        keys.append({r.event.name: r.event.key for r in log.records if isinstance(r.event, StepAsked)})

    assert keys == [{"last": "1.0/1", "one": "1.1/1", "two": "1.2/1"}] * 2


# --- failures --------------------------------------------------------------------------------------------------------


def test_what_depends_on_a_failed_step_is_skipped_at_once_and_the_rest_goes_on() -> None:
    made = plan_of(
        ("bad", "b", []),
        ("slow", "a", []),
        ("both", "c", ["slow", "bad"]),
        ("far", "c", ["both"]),
        ("ok", "c", ["slow"]),
    )
    lab = Lab(a=after(10, "A"), b=BROKEN, c=after(1, "C"))

    log = lab.run(running(made))

    assert steps_of(lab) == {"bad": "failed", "slow": "done", "both": "skipped", "far": "skipped", "ok": "done"}
    assert output(lab).steps["far"].reason == "it needs both"
    assert spans(log)["ok"] == (10, 11)
    assert log.seconds == 11


def test_all_is_lost_with_the_first_step_that_fails_and_the_others_are_stopped() -> None:
    made = plan_of(("bad", "b", []), ("slow", "a", []), ("end", "c", ["bad", "slow"]), join="all")
    lab = Lab(a=hangs, b=BROKEN, c="C")

    log = lab.run(running(made))

    assert (log.stop_reason, log.seconds) == ("retries_exhausted", 2)
    assert lab.result is not None
    assert "the plan's rule 'all' cannot be met any more: bad: failed, " in lab.result.error
    assert [r.event.key for r in log.records if isinstance(r.event, StepWithdrawn)] == ["1.1/1"]


@pytest.mark.parametrize(("join", "seconds", "came"), [("any", 1, ["quick"]), (2, 3, ["quick", "next"])])
def test_a_plan_is_done_when_enough_of_its_final_steps_are(join: Any, seconds: float, came: list[str]) -> None:
    made = plan_of(("quick", "a", []), ("first", "b", []), ("next", "b", ["first"]), ("slow", "c", []), join=join)
    lab = Lab(a=after(1, "A"), b=after(1.5, "B"), c=hangs)

    log = lab.run(running(made))

    assert log.seconds == seconds
    ends = steps_of(lab)
    assert [id for id in made.finals if ends[id] == "done"] == came
    assert ends["slow"] == "cancelled"


def test_enough_final_steps_that_can_come_no_more_are_a_failure_with_what_came() -> None:
    made = plan_of(("x", "a", []), ("y", "b", []), ("z", "b", ["y"]), ("w", "c", []), join=3)

    @workflow
    async def catches(run: WorkflowRun, topic: str) -> dict[str, str]:
        try:
            await run_plan(run, made, [A, B, C])
        except JoinFailed as error:
            return {id: step.end for id, step in error.gathered.steps.items()}
        return {}

    lab = Lab(a=after(1, "A"), b=BROKEN, c=hangs)

    log = lab.run(catches)

    assert output(lab) == {"x": "done", "y": "failed", "z": "skipped", "w": "cancelled"}
    assert log.seconds == 2


def test_a_plan_of_which_nothing_came_is_a_failure_by_any_rule() -> None:
    lab = Lab(b=BROKEN)

    lab.run(running(plan_of(("x", "b", []), ("y", "b", ["x"]))))

    assert lab.result is not None
    assert lab.result.error.startswith("no step has a result: x: failed, ")


def test_a_failed_plan_goes_on_at_the_steps_that_failed() -> None:
    made = plan_of(
        ("good", "a", []), ("bad", "b", ["good"]), ("slow", "c", ["good"]), ("end", "a", ["bad"]), join="all"
    )
    lab = Lab(a=after(1, "A"), b=BROKEN, c=after(5, "C"))
    lab.run(running(made))
    assert lab.result is not None
    assert "cannot be met" in lab.result.error
    lab.resumes_failed = True
    lab.script.says("b", "B")

    log = lab.resume()

    assert steps_of(lab) == dict.fromkeys(["good", "bad", "slow", "end"], "done")
    assert [len(log.requests(name)) for name in "abc"] == [2, 2, 2]  # c was stopped, and begins again


def test_a_step_is_taken_again_as_often_as_its_plan_says() -> None:
    step = Step(id="x", agent="b", task="do x", retries=2)
    lab = Lab(b=BROKEN)

    log = lab.run(running(Plan(steps=(step,))))

    assert len(log.requests("b")) == 3
    assert lab.result is not None
    assert [(made.name, made.attempt) for made in lab.result.calls] == [("x", 1), ("x", 2), ("x", 3)]


def test_a_steps_result_counts_attempts_and_corrections() -> None:
    made = plan_of(("good", "a", []), ("bad", "b", []))
    steps = tuple(replace(step, retries=1) for step in made.steps)
    careless = agent("a", output_schema={"type": "object", "required": ["n"]})
    lab = Lab(a=[call("submit_result"), call("submit_result", n=1)], b=BROKEN)

    lab.run(running(replace(made, steps=steps), (careless, B)))

    steps_made = output(lab).steps
    assert [(step.attempts, step.corrections) for step in steps_made.values()] == [(1, 1), (2, 0)]
    assert steps_made["bad"].end == "failed"


# --- making ----------------------------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {"id": "one", "agent": "a", "task": "look"}


@workflow
async def planned(run: WorkflowRun, task: str) -> dict[str, Any]:
    result = await plan(run, task, planner=LEAD, team=LEAD, synthesis=C)
    return {"plan": result.plan.as_json(), "missing": [str(step) for step in result.missing], "output": result.output}


def test_a_plan_is_made_taken_and_put_together() -> None:
    second = {"id": "two", "agent": "b", "task": "sum up", "depends_on": ["one"]}
    lab = Lab(lead=submits(GOOD, second), a="A", b="B", c="the answer")

    log = lab.run(planned, "look at birds")

    assert output(lab)["output"] == "the answer"
    assert Plan.of(output(lab)["plan"]) == Plan(
        task="look at birds",
        steps=(
            Step(id="one", agent="a", task="look"),
            Step(id="two", agent="b", task="sum up", depends_on=("one",)),
        ),
    )
    [asked] = log.requests("lead")
    assert [offer.name for offer in asked.tools] == ["submit_result"]
    assert "look at birds" in log.told("lead")[0]
    assert "- a: -\n- b: -\n- c: -" in log.told("lead")[0]
    [said] = log.told("c")
    assert said.endswith("Context:\n[two]\nB")


def test_the_synthesis_is_told_what_is_missing_and_given_what_came_before_it() -> None:
    steps = [GOOD, {"id": "two", "agent": "b", "task": "x", "depends_on": ["one"]}]
    lab = Lab(lead=submits(*steps), a="A", b=BROKEN, c="the answer")

    log = lab.run(planned, "look at birds")

    [said] = log.told("c")
    assert "Say in the answer what is missing" in said
    assert "[one]\nA" in said
    assert "[missing]\ntwo: failed, " in said
    assert output(lab)["missing"][0].startswith("two: failed")


def test_a_wrong_plan_is_told_back_and_mended() -> None:
    circle = [{**GOOD, "depends_on": ["two"]}, {"id": "two", "agent": "b", "task": "x", "depends_on": ["one"]}]
    unknown: list[dict[str, Any]] = [{**GOOD, "depends_on": ["on"]}]
    told: list[str] = []

    def lead(request: ModelRequest) -> Any:
        told.append(said_to(request))
        return submits(*(circle, unknown, [GOOD])[len(told) - 1])

    lab = Lab(lead=lead, a="A", c="the answer")

    lab.run(planned, "look")

    assert output(lab)["output"] == "the answer"
    assert len(told) == 3
    assert "what is wrong" not in told[0]
    assert "steps depend on each other in a circle: one -> two -> one" in told[1]
    assert "unknown step 'on', did you mean 'one'?" in told[2]
    assert "circle" not in told[2]


def test_a_plan_that_stays_wrong_is_a_failure_with_its_last_faults() -> None:
    lab = Lab(lead=submits({**GOOD, "depends_on": ["one"]}))

    log = lab.run(planned, "look")

    assert len(log.requests("lead")) == 3
    assert lab.result is not None
    assert lab.result.error.startswith(
        "no plan came about: the plan of 'lead' cannot be run: steps[0].depends_on: steps"
    )
    assert "one -> one" in lab.result.error


def test_a_plan_that_did_not_come_about_is_resumed_at_the_last_try() -> None:
    lab = Lab(lead=submits({**GOOD, "depends_on": ["one"]}), a="A", c="the answer")
    lab.run(planned, "look")
    lab.resumes_failed = True
    lab.script.says("lead", submits(GOOD))

    log = lab.resume()

    assert output(lab)["output"] == "the answer"
    assert len(log.requests("lead")) == 4


def test_an_agent_that_is_not_of_the_team_is_told_back_in_the_same_thread() -> None:
    wrong, right = submits({**GOOD, "agent": "z"}), submits(GOOD)
    lab = Lab(lead=[wrong, right], a="A", c="the answer")

    log = lab.run(planned, "look")

    assert output(lab)["output"] == "the answer"
    assert len(log.requests("lead")) == 2
    assert '"z" is not one of' in str(log.requests("lead")[1].messages[-1].content)


def test_a_planner_that_keeps_naming_one_that_is_not_there_fails_with_the_name() -> None:
    lab = Lab(lead=submits({**GOOD, "agent": "z"}))

    log = lab.run(planned, "look")

    assert len(log.requests("lead")) == 3
    assert lab.result is not None
    assert 'steps/0/agent: "z" is not one of' in lab.result.error


def test_a_plan_of_ten_thousand_steps_is_refused_clearly_and_not_sent_back() -> None:
    many = [{**GOOD, "id": f"s{n}"} for n in range(10_000)]
    lab = Lab(lead=submits(*many), a="A", c="the answer")

    log = lab.run(planned, "look")

    assert lab.result is not None
    assert "the plan has 10,000 steps, and may have 200 at most" in lab.result.error
    assert max(len(str(request.messages[0])) for request in log.requests("lead")) < 5_000


def test_a_plan_can_be_made_and_run_in_a_rehearsal_that_makes_replies_up() -> None:
    lab = Lab(model=Generated())

    lab.run(planned, "look")

    assert output(lab)["missing"] == []
    assert output(lab)["output"] == "(rehearsed) c is done."


@pytest.mark.parametrize(
    ("team", "said"),
    [
        ([], "the team has no agents"),
        ([A, agent("a")], "two agents of the team are called 'a'"),
        (["a"], "a team is a list of agents"),
        ([agent("x", input_schema={"type": "object"})], "every agent of the team has an input_schema (x)"),
    ],
)
def test_teams_that_can_take_no_steps_are_refused(team: Any, said: str) -> None:
    @workflow
    async def makes(run: WorkflowRun, topic: str) -> Any:
        return (await make_plan(run, topic, planner=LEAD, team=team)).as_json()

    lab = Lab()

    lab.run(makes)

    assert lab.result is not None
    assert said in lab.result.error


FORM = agent("form", input_schema={"type": "object"})


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"repairs": -1}, "repairs is a whole number from 0 to 100, not -1"),
        ({"repairs": True}, "repairs is a whole number"),
        ({"retries": 101}, "retries is a whole number from 0 to 100, not 101"),
        ({"retries": 1.5}, "retries is a whole number"),
        ({"join": "most"}, "join is one of 'all', 'any', 'best_effort', or a number of final steps, not 'most'"),
        ({"join": 0}, "join is one of"),
        ({"join": True}, "join is one of"),
        ({"planner": FORM}, "agent 'form' is to write a plan, and takes an input of its own form"),
        ({"synthesis": FORM}, "agent 'form' is to put the results together, and takes an input of its own form"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anybody_is_called(how: dict[str, Any], said: str) -> None:
    @workflow
    async def plans(run: WorkflowRun, topic: str) -> Any:
        return await plan(run, topic, **{"planner": LEAD, "team": [A], **how})

    lab = Lab()

    log = lab.run(plans)

    assert lab.result is not None
    assert said in lab.result.error
    assert log.of("workflow.step_asked") == []


def test_a_rule_that_the_plan_cannot_meet_is_told_back_to_the_planner() -> None:
    @workflow
    async def plans(run: WorkflowRun, topic: str) -> Any:
        return (await plan(run, topic, planner=LEAD, team=LEAD, join=n_of(2), retries=1)).plan.as_json()

    def lead(request: ModelRequest) -> Any:
        if not said_to(request).startswith("Plan "):
            return "the answer"
        is_told = "2 final steps cannot be done: the plan has 1 (one)" in said_to(request)
        return submits(GOOD, {**GOOD, "id": "two"}) if is_told else submits(GOOD)

    lab = Lab(lead=lead, a="A")

    lab.run(plans)

    assert (output(lab)["join"], [step["retries"] for step in output(lab)["steps"]]) == (2, [1, 1])


@pytest.mark.parametrize("made", [{"steps": []}, None, Plan(steps=(Step(id=1, agent="a", task="x"),))])  # type: ignore[arg-type]
def test_what_is_no_plan_is_refused(made: Any) -> None:
    lab = Lab()

    lab.run(running(made))

    assert lab.result is not None
    assert "run_plan takes a Plan" in lab.result.error or "this is no plan: " in lab.result.error


def test_a_plan_that_the_team_cannot_run_is_refused_before_any_step() -> None:
    lab = Lab()

    log = lab.run(running(plan_of(("x", "z", []), ("y", "a", ["y"]))))

    assert lab.result is not None
    assert "steps[0].agent: unknown agent 'z'" in lab.result.error
    assert log.of("workflow.step_asked") == []


def test_a_limit_that_a_step_meets_leaves_its_partial_result_to_the_synthesis() -> None:
    brief = agent("a", limits=Limits(seconds=5))

    @workflow
    async def runs(run: WorkflowRun, topic: str) -> str:
        result = await run_plan(run, plan_of(("x", "a", []), ("y", "b", [])), [brief, B])
        return (await synthesise(run, result, by=C)).text

    lab = Lab(a=[after(4, call("nothing")), after(3, "half of it")], b="B", c="C")

    log = lab.run(runs)

    assert "x: timed out" in log.told("c")[0]
    assert log.told("c")[0].count("half of it") == 1


def test_results_are_json_and_come_back_as_they_were() -> None:
    made = plan_of(("x", "a", []))
    lab = Lab(a="A")

    log = lab.run(running(made))

    result = output(lab)
    assert (result.plan, result.steps["x"].text, result.output) == (made, "A", {"x": "A"})
    assert log.text.startswith('{"plan":{"task":"the task","steps":[{"id":"x"')


def test_a_failed_planner_is_a_failed_call() -> None:
    @workflow
    async def makes(run: WorkflowRun, topic: str) -> str:
        try:
            await make_plan(run, topic, planner=LEAD, team=LEAD)
        except CallFailed as error:
            return f"{error.name}: {error.end}"
        return ""

    lab = Lab(lead=BROKEN)

    lab.run(makes)

    assert output(lab) == "plan: failed"
