"""Any workflow: random graphs of up to 200 calls, some of which fail, joined by random rules.

What must come of each is worked out by itself: when each call begins and ends, and which are never made. So order,
overlap and rules are held at once, also when the process ends in the middle, and under any limit in dollars.
"""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from podium import Agent, SessionLimits, Workflow, WorkflowRun, n_of, workflow
from podium.core.money import ModelFacts, Price
from podium.errors import CallFailed
from tests.crash.rules import money_violations, workflow_violations
from tests.lab.cast import after, raises
from tests.lab.lab import Lab

NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)  # chance draws graphs whole: there is nothing to shrink
RULES = ("all", "any", "most", "best_effort")
PRICE = Price(input=Decimal(10), output=Decimal(50), cache_write=Decimal("12.5"), cache_read=Decimal(1))
PRICED = ModelFacts(price=PRICE, max_tokens=1_200)


@dataclass(frozen=True)
class Node:
    """A call: what it depends on and by which rule, how long it takes, and whether it fails."""

    name: str
    needs: tuple[int, ...]
    rule: str
    seconds: int
    fails: bool

    @property
    def least(self) -> int:
        """How many of those that it needs must succeed."""
        return {"all": len(self.needs), "any": 1, "most": len(self.needs) // 2 + 1, "best_effort": 0}[self.rule]


@st.composite
def graphs(draw: st.DrawFn, most: int = 12) -> list[Node]:
    chance = draw(st.randoms(use_true_random=False))
    count = draw(st.one_of(st.integers(1, 9), st.integers(1, most)))
    reach, fan_in, rate = chance.choice([1, 5, count]), chance.choice([1, 2, 4]), chance.choice([0, 0.05, 0.25])
    nodes: list[Node] = []
    for index in range(count):
        before = range(max(0, index - reach), index)
        needs = chance.sample(before, min(len(before), chance.randint(0, fan_in)))
        rule = chance.choice(RULES) if needs else "all"
        fails = chance.random() < rate
        nodes.append(Node(f"n{index}", tuple(sorted(needs)), rule, chance.randint(1, 9), fails))
    return nodes


def expected(nodes: list[Node]) -> list[tuple[float | None, float, bool]]:
    """For each call: when it begins (None if it never does), when it is over, and whether it gave a result."""
    ends: list[tuple[float | None, float, bool]] = []
    for node in nodes:
        good = sorted(ends[need][1] for need in node.needs if ends[need][2])
        bad = sorted(ends[need][1] for need in node.needs if not ends[need][2])
        begins: float | None = 0.0
        if node.rule == "best_effort":
            begins = max([*good, *bad], default=0.0)
        elif node.needs and len(good) >= node.least:
            begins = good[node.least - 1]
        elif node.needs:
            begins = None
        if begins is None:
            ends.append((None, bad[len(node.needs) - node.least], False))
        else:
            ends.append((begins, begins + node.seconds, not node.fails))
    return ends


def program(nodes: list[Node]) -> Workflow:
    agents = [Agent(node.name, model="m") for node in nodes]

    @workflow
    async def graph(run: WorkflowRun, topic: str) -> list[str]:
        tasks: list[asyncio.Task[str]] = []

        async def make(index: int) -> str:
            node = nodes[index]
            needs = [asyncio.shield(tasks[need]) for need in node.needs]
            if needs:
                rule: Any = n_of(node.least) if node.rule == "most" else node.rule
                await run.gather(*needs, join=rule)
            return (await run.agent(agents[index], topic)).text

        for index in range(len(nodes)):
            tasks.append(asyncio.create_task(make(index)))
        said = []
        for task in tasks:
            try:
                said.append(await task)
            except CallFailed as error:
                said.append(error.end)
        return said

    return graph


def lab_of(nodes: list[Node], **how: Any) -> Lab:
    cast = {
        node.name: raises(RuntimeError("broken"), after_s=node.seconds)
        if node.fails
        else after(node.seconds, node.name)
        for node in nodes
    }
    return Lab(cast, **how)


@settings(max_examples=10, deadline=None, phases=NO_SHRINKING)
@given(graphs(most=200))
def test_calls_begin_as_soon_as_their_rule_is_met_and_never_before(nodes: list[Node]) -> None:
    lab = lab_of(nodes)

    log = lab.run(program(nodes))

    meant = expected(nodes)
    assert log.seconds == max(end for _, end, _ in meant)
    for node, (begins, end, is_good) in zip(nodes, meant, strict=True):
        assert log.under_way(node.name) == ([] if begins is None else [(begins, end)])
        assert ((node.name, "reported") in log.closings()) == is_good
    assert log.state.run is not None
    assert log.state.run.output == [
        node.name if is_good else "failed" for node, (_, _, is_good) in zip(nodes, meant, strict=True)
    ]


@settings(max_examples=30, deadline=None, phases=NO_SHRINKING)
@given(graphs(), st.floats(0.1, 20), st.floats(0.1, 20))
def test_a_graph_whose_process_ends_twice_comes_to_the_same(nodes: list[Node], first: float, second: float) -> None:
    async def let_go(live: Any) -> None:
        await live.let_go()

    lab = lab_of(nodes)
    lab.run(program(nodes), acts=[(first, let_go)])
    for at_s in (second, None):
        if lab.row().facts.status != "idle":
            lab.resume(acts=[] if at_s is None else [(at_s, let_go)])

    log = lab.played()
    meant = expected(nodes)
    assert log.state.run is not None
    # Time that was lost may change which of two calls comes first, and so what is needed of a rule's calls; not whether
    # it is met.
    assert log.state.run.output == [
        node.name if is_good else "failed" for node, (_, _, is_good) in zip(nodes, meant, strict=True)
    ]
    assert workflow_violations(log.records) == []


@settings(max_examples=30, deadline=None, phases=NO_SHRINKING)
@given(graphs(), st.integers(1, 60))
def test_a_graph_under_a_limit_in_dollars_never_sets_aside_more(nodes: list[Node], cents: int) -> None:
    lab = lab_of(nodes, facts=PRICED)
    cap = Decimal(cents) / 100

    log = lab.run(program(nodes), limits=SessionLimits(usd=cap))

    assert log.stop_reason in ("end_turn", "budget_reached")
    definitions = log.state.definitions
    assert money_violations(log.state.id, definitions, log.records, {"": cap}) == []
