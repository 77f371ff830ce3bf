"""Any agents of one reply, failing and slow as they like, under any rule and with any retries."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from podium import Agent, ModelRequest, Reply, SessionLimits, Usage, call, say
from podium.core.content import plain
from podium.core.facts import DelegationOpened
from podium.core.joins import Rule
from podium.core.money import ModelFacts, Price
from podium.errors import ModelFailed
from podium.models.rehearsal import Said
from tests.crash.rules import money_violations
from tests.lab.lab import SESSION, Lab
from tests.lab.log import Played
from tests.lab.world import Fuse, Killed

PRICE = Price(input=Decimal(0), output=Decimal(1000), cache_write=Decimal(0), cache_read=Decimal(0))
FACTS = ModelFacts(price=PRICE, max_tokens=2000)  # a dollar for a thousand tokens of output, $2 a call
UNIT_S = 10_000  # so that no two children end at one time: each has a place of its own in the rest


@dataclass(frozen=True)
class Child:
    """An agent: how long each of its attempts takes, and which the first is that succeeds, if any."""

    seconds: tuple[int, ...]
    succeeds: int | None
    retries: int

    def tries(self, place: int) -> list[tuple[int, bool]]:
        """When each of its attempts ends if nobody stops it, and whether with a report."""
        ended, made = 0, []
        for attempt in range(self.retries + 1):
            ended += self.seconds[attempt % len(self.seconds)] * UNIT_S + 6**place
            made.append((ended, attempt == self.succeeds))
            if attempt == self.succeeds:
                break
        return made


@dataclass(frozen=True)
class Trial:
    children: tuple[Child, ...]
    rule: Rule

    def over_at(self) -> int:
        """When the rule is met or lost, else when all have ended."""
        ends = sorted(child.tries(place)[-1] for place, child in enumerate(self.children))
        least = {"all": len(ends), "any": 1, "best_effort": len(ends) + 1}.get(str(self.rule), 0)
        least = least or min(int(self.rule), len(ends))
        for at, _ in ends:
            done = sum(is_done for end, is_done in ends if end <= at)
            lost = sum(not is_done for end, is_done in ends if end <= at)
            if done >= least or (self.rule != "best_effort" and len(ends) - lost < least):
                return at
        return ends[-1][0]

    def lab(self, facts: ModelFacts | None = None, commit_s: float = 0) -> Lab:
        names = [f"a{place}" for place in range(len(self.children))]
        made: Counter[str] = Counter()

        async def line(request: ModelRequest) -> Said:
            place = int(request.agent[1:])
            child, attempt = self.children[place], made[request.agent]
            made[request.agent] += 1
            used = Usage(output_tokens=min(700, request.max_tokens or 700))
            await asyncio.sleep(child.seconds[attempt % len(child.seconds)] * UNIT_S + 6**place)
            if attempt != child.succeeds:
                raise ModelFailed("broken", usage=used)
            return Reply((say(f"report of {request.agent}"),), usage=used)

        lead = [[call(name, task="x") for name in names], "done"]
        return Lab({**dict.fromkeys(names, line), "lead": lead}, facts=facts, commit_s=commit_s)

    def lead(self) -> Agent:
        callees = [Agent(f"a{place}", model="m") for place in range(len(self.children))]
        retries = {f"a{place}": child.retries for place, child in enumerate(self.children)}
        return Agent("lead", model="m", callable_agents=callees, retries=retries, join=self.rule)


children = st.builds(
    Child,
    seconds=st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple),
    succeeds=st.none() | st.integers(0, 3),
    retries=st.integers(0, 3),
)
trials = st.builds(
    Trial,
    children=st.lists(children, min_size=1, max_size=6).map(tuple),
    rule=st.sampled_from(["all", "any", "best_effort"]) | st.integers(1, 8),
)


def opened(log: Played, place: int) -> int:
    """How many attempts of this agent were begun."""
    name = f"a{place}"
    return sum(isinstance(it.event, DelegationOpened) and it.event.agent_name == name for it in log.records)


@given(trials)
def test_each_agent_is_tried_and_stopped_as_declared(trial: Trial) -> None:
    log = trial.lab().run(trial.lead())

    over = trial.over_at()
    assert (log.seconds, log.text, log.state.main.turns) == (over, "done", 2)
    for place, child in enumerate(trial.children):
        tries, said = child.tries(place), plain(log.result_of(f"a{place}").content)
        end, is_done = tries[-1]
        if end > over:
            assert said.startswith("stopped: ")
            assert opened(log, place) == 1 + sum(ended < over for ended, _ in tries)
        else:
            failed = "agent 'a" if len(tries) == 1 else f"after {len(tries)} attempts: agent 'a"
            assert said.startswith(f"report of a{place}" if is_done else failed)
            assert opened(log, place) == len(tries)


@given(trials, st.sampled_from([1, 3, 5, 8, 20]))
def test_all_attempts_together_spend_no_more_than_the_cap(trial: Trial, cap: int) -> None:
    log = trial.lab(FACTS).run(trial.lead(), limits=SessionLimits(usd=cap))

    definitions = log.state.definitions
    assert money_violations(SESSION, definitions, log.records, {"": Decimal(cap)}) == []
    assert log.stop_reason in ("end_turn", "budget_reached", "retries_exhausted")


@given(trials, st.lists(st.integers(0, 150), max_size=3), st.sampled_from([0, 0.3]))
def test_a_session_that_is_killed_anywhere_goes_on_by_the_same_rule(
    trial: Trial, deaths: list[int], commit_s: float
) -> None:
    """That the log keeps to the rule is among the invariants, which are looked at after each process."""
    lab = trial.lab(commit_s=commit_s)

    def live(fuse: Fuse) -> Played:
        is_there = SESSION in lab.world.log.sessions
        return lab.resume(fuse=fuse) if is_there else lab.run(trial.lead(), fuse=fuse)

    for death in deaths:
        with suppress(Killed):
            live(Fuse(death))
    log = live(Fuse())

    assert (log.text, log.state.main.turns) == ("done", 2)
    for place, child in enumerate(trial.children):
        assert opened(log, place) <= child.retries + 1
