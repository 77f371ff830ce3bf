"""Any plan of up to 200 steps: its steps run in the order of what they need, as soon as they can, by its rule."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from podium import Agent, ModelRequest, Reply, SessionLimits, Usage, WorkflowRun, say, workflow
from podium.core.facts import BudgetReserved, BudgetSettled
from podium.core.money import ModelFacts, Price
from podium.core.plan import longest_chain, problems
from podium.errors import JoinFailed, ModelFailed
from podium.patterns import Plan, Step, run_plan
from tests.lab.lab import Lab, Live
from tests.scenario.test_plan import said_to, spans

WORKER = Agent("worker", model="m")
PRICE = Price(input=Decimal(0), output=Decimal(1000), cache_write=Decimal(0), cache_read=Decimal(0))
FACTS = ModelFacts(price=PRICE, max_tokens=2000)  # a dollar for a thousand tokens of output, $2 a call
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)  # chance draws plans whole: there is nothing to shrink


@dataclass(frozen=True)
class Trial:
    """A plan, how long each of its steps takes, and which of them fail."""

    plan: Plan
    seconds: dict[str, int]
    failing: frozenset[str]

    async def answer(self, request: ModelRequest) -> Reply:
        """What the worker says to the step that it is given."""
        id = said_to(request).split()[1]
        await asyncio.sleep(self.seconds[id])
        if id in self.failing:
            raise ModelFailed(f"{id} is broken")
        return Reply((say(f"result of {id}"),), usage=Usage(output_tokens=min(700, request.max_tokens or 700)))

    def expected(self) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
        """From when to when each step runs if nothing is stopped; and when it is known that the others do not."""
        steps = {step.id: step for step in self.plan.steps}
        ran: dict[str, tuple[float, float]] = {}
        skipped: dict[str, float] = {}
        while len(ran) + len(skipped) < len(steps):
            for id, step in steps.items():
                if id in ran or id in skipped or not all(each in ran or each in skipped for each in step.depends_on):
                    continue
                gone = [skipped[each] for each in step.depends_on if each in skipped]
                gone += [ran[each][1] for each in step.depends_on if each in self.failing and each in ran]
                if gone:
                    skipped[id] = min(gone)
                else:
                    start = max((ran[each][1] for each in step.depends_on), default=0)
                    ran[id] = start, start + self.seconds[id]
        return ran, skipped

    def over_at(self) -> float:
        """When the plan's rule is met or lost; if it is neither before, when its last step ends."""
        ran, skipped = self.expected()
        end = max(end for _, end in ran.values())
        if self.plan.join == "best_effort":
            return end
        finals = self.plan.finals
        done = sorted(ran[id][1] for id in finals if id in ran and id not in self.failing)
        lost = sorted(
            skipped[id] if id in skipped else ran[id][1] for id in finals if id in skipped or id in self.failing
        )
        return done[self.plan.least - 1] if len(done) >= self.plan.least else lost[len(finals) - self.plan.least]


@st.composite
def trials(draw: st.DrawFn, most: int = 200) -> Trial:
    chance = draw(st.randoms(use_true_random=False))
    count = draw(st.integers(1, most))
    ids = [f"s{number}" for number in range(count)]
    reach, fan_in = chance.choice([1, 3, 10, count]), chance.choice([1, 2, 5])
    steps = []
    for number, id in enumerate(ids):
        before = ids[max(0, number - reach) : number]
        needs = chance.sample(before, min(len(before), chance.randint(0, fan_in)))
        steps.append(Step(id=id, agent="worker", task=f"do {id} now", depends_on=tuple(needs)))
    chance.shuffle(steps)
    rule = chance.choice(["best_effort", "best_effort", "all", "any", "number"])
    made = Plan(steps=tuple(steps))
    join: Any = chance.randint(1, len(made.finals)) if rule == "number" else rule
    rate = chance.choice([0, 0, 0.05, 0.3])
    return Trial(
        plan=Plan(steps=tuple(steps), join=join),
        seconds={id: chance.randint(1, 60) for id in ids},
        failing=frozenset(id for id in ids if chance.random() < rate),
    )


def playing(trial: Trial) -> Any:
    @workflow
    async def plays(run: WorkflowRun, topic: str) -> Any:
        try:
            return await run_plan(run, trial.plan, [WORKER])
        except JoinFailed as error:
            return error.gathered

    return plays


async def let_go(live: Live) -> None:
    await live.let_go()


def ends_of(lab: Lab) -> dict[str, str]:
    """How each step ended."""
    assert lab.result is not None
    assert lab.result.error == ""
    return {id: step["end"] for id, step in lab.result.output["steps"].items()}


@given(trials())
@settings(max_examples=40, phases=NO_SHRINKING)
def test_steps_run_in_order_with_the_greatest_overlap_and_failures_obey_the_rule(trial: Trial) -> None:
    lab = Lab(worker=trial.answer)
    ran, skipped = trial.expected()
    over_at = trial.over_at()

    log = lab.run(playing(trial))

    found, ends = spans(log), ends_of(lab)
    assert log.seconds == over_at
    for id in trial.seconds:
        if id in skipped:
            assert id not in found
            if skipped[id] < over_at:
                assert ends[id] == "skipped"
        elif ran[id][1] < over_at or trial.plan.join == "best_effort":
            assert found[id] == ran[id]  # it starts the moment the last of what it needs is there
            assert ends[id] == ("failed" if id in trial.failing else "done")
        elif ran[id][0] > over_at:
            assert (id in found, ends[id]) == (False, "cancelled")
        elif id in found:  # under way when the plan was over, or over in the same moment
            assert found[id] == (ran[id][0], over_at)


@given(trials(most=30), st.floats(0.5, 60))
@settings(max_examples=30, phases=NO_SHRINKING)
def test_a_plan_that_was_cut_off_comes_to_the_same_end_without_repeating_a_finished_step(
    trial: Trial, cut_s: float
) -> None:
    whole, lab = Lab(worker=trial.answer), Lab(worker=trial.answer)
    whole.run(playing(trial))
    cut = lab.run(playing(trial), acts=[(cut_s, let_go)])
    finished = {id for id, (_, end) in trial.expected()[0].items() if end < cut_s and id not in trial.failing}

    log = lab.resume() if lab.row().is_unfinished else cut

    if trial.plan.join == "best_effort":
        assert ends_of(lab) == ends_of(whole)
    asked = [said_to(request).split()[1] for request in log.requests("worker")]
    assert all(asked.count(id) == 1 for id in finished & set(spans(log)))


@given(trials(most=40), st.integers(2, 30))
@settings(max_examples=30, phases=NO_SHRINKING)
def test_spend_and_what_is_set_aside_never_exceed_the_cap(trial: Trial, usd: int) -> None:
    lab = Lab(worker=trial.answer, facts=FACTS)

    log = lab.run(playing(trial), limits=SessionLimits(usd=usd))

    spent, reserved = Decimal(0), dict[str, Decimal]()
    for record in log.records:
        if isinstance(record.event, BudgetReserved):
            reserved[record.event.span] = record.event.usd
        elif isinstance(record.event, BudgetSettled):
            reserved.pop(record.event.span)
            spent += record.event.usd
        assert spent + sum(reserved.values()) <= usd
    assert log.state.usd == spent


@given(trials())
@settings(max_examples=60, phases=NO_SHRINKING)
def test_a_plan_without_circles_has_no_problems_and_a_chain_that_is_none_longer(trial: Trial) -> None:
    assert problems(trial.plan, {"worker": WORKER}) == []
    ones = Trial(trial.plan, dict.fromkeys(trial.seconds, 1), frozenset())
    assert len(longest_chain(trial.plan)) == max(end for _, end in ones.expected()[0].values())


@given(trials(), st.data())
@settings(max_examples=60, phases=NO_SHRINKING)
def test_a_dependency_that_closes_a_circle_is_found_and_the_circle_named(trial: Trial, data: st.DataObject) -> None:
    chain = longest_chain(trial.plan)
    last = chain[data.draw(st.integers(0, len(chain) - 1))]
    steps = [
        Step(
            id=step.id,
            agent="worker",
            task="x",
            depends_on=(*step.depends_on, *([last] if step.id == chain[0] else ())),
        )
        for step in trial.plan.steps
    ]

    [(_, said)] = problems(Plan(steps=tuple(steps)), {"worker": WORKER})

    circle = said.split(": ")[1].split(". None")[0].split(" -> ")
    needs = {step.id: step.depends_on for step in steps}
    assert circle[0] == circle[-1]
    assert all(after in needs[before] for before, after in pairwise(circle))
