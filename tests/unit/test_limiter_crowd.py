"""A whole team that wants to go at once: caps, rates, a 429 and a 529 together, in simulated time."""

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from podium.analysis.intervals import Interval, most_at_once
from podium.engine.limiter import Limiter
from tests.lab.time import SimulatedClock, VirtualLoop

MODELS = [("large", "north"), ("small", "north"), ("local", "south")]
SESSIONS = ["s0", "s1", "s2", "s3"]
TURNS = 3
TOKENS = 2000


@dataclass(frozen=True)
class Done:
    """One call. Shape: `turn` counts those of its agent."""

    agent: int
    turn: int
    session: str
    model: str
    provider: str
    when: Interval


@dataclass
class Crowd:
    """104 agents of 4 sessions on 3 models of 2 providers; each makes 3 calls, one after another."""

    loop: VirtualLoop
    limiter: Limiter
    clock: SimulatedClock
    began: list[tuple[str, str]] = field(default_factory=list)  # session and model, in the order they went
    done: list[Done] = field(default_factory=list)

    async def all_agents(self) -> None:
        await asyncio.gather(*[self._agent(n) for n in range(104)])

    async def _agent(self, n: int) -> None:
        session, (model, provider) = SESSIONS[n % 4], MODELS[n % 3]
        for turn in range(TURNS):
            slot = self.limiter.slot(session=session, thread=f"{n}", model=model, provider=provider, tokens=TOKENS)
            if not self.limiter.take(slot):
                await self.limiter.wait(slot)
            began = self.clock.now()
            self.began.append((session, model))
            await asyncio.sleep(3)  # of simulated time
            if len(self.done) == 20:
                self.limiter.slow("small", "north", retry_after_s=20)
            if len(self.done) == 40:
                self.limiter.overloaded("local", "south")
            else:
                self.limiter.answered(model, provider)
            self.limiter.give_back(slot, TOKENS // 2)
            self.done.append(Done(n, turn, session, model, provider, Interval(began, self.clock.now())))


def played() -> Crowd:
    loop = VirtualLoop()
    clock = SimulatedClock(loop)
    limiter = Limiter(clock, Random(1).random)
    limiter.cap({"model:large": 4, "provider:north": 8, "provider:south": 6, "session:s0": 3})
    limiter.rate("provider:north", requests_per_minute=60, tokens_per_minute=60_000)
    limiter.rate("model:local", requests_per_minute=40)
    crowd = Crowd(loop, limiter, clock)
    loop.run_until_complete(crowd.all_agents())
    loop.close()
    return crowd


def test_all_of_a_hundred_and_four_agents_finish_within_all_limits() -> None:
    crowd = played()

    assert sorted((call.agent, call.turn) for call in crowd.done) == [(n, t) for n in range(104) for t in range(TURNS)]
    assert most_at_once([[call.when] for call in crowd.done if call.model == "large"]) == 4
    assert most_at_once([[call.when] for call in crowd.done if call.provider == "north"]) == 8
    assert most_at_once([[call.when] for call in crowd.done if call.provider == "south"]) == 6
    assert most_at_once([[call.when] for call in crowd.done if call.session == "s0"]) == 3
    north = sorted(call.when.start for call in crowd.done if call.provider == "north")
    for first in range(len(north)):
        for last in range(first, len(north)):
            minutes = (north[last] - north[first]).total_seconds() / 60
            assert last - first + 1 <= 60 + 60 * minutes + 0.001


def test_sessions_of_a_crowd_share_evenly() -> None:
    """Those without a cap of their own, in the first half: later, one after another has nothing left to do."""
    sessions = [session for session, _ in played().began if session != "s0"]

    for many in range(1, len(sessions) // 2):
        shares = [sessions[:many].count(session) for session in SESSIONS[1:]]
        assert max(shares) - min(shares) <= 2 * len(MODELS)  # two turns in each


def test_each_session_of_a_crowd_has_its_turn_in_each_model_in_two_rounds_at_most() -> None:
    began = played().began

    for name, _ in MODELS:
        sessions = [session for session, model in began if model == name and session != "s0"]
        for first in range(len(sessions) // 2):
            assert set(sessions[first : first + 6]) == {"s1", "s2", "s3"}


def test_no_agent_of_a_crowd_is_a_turn_ahead_of_one_that_has_not_begun() -> None:
    crowd = played()

    for model, _ in MODELS:
        for session in SESSIONS:
            mine = sorted(
                (call for call in crowd.done if (call.model, call.session) == (model, session)),
                key=lambda call: call.when.start,
            )
            assert all(later.turn - earlier.turn >= -1 for earlier, later in pairwise(mine))
            assert [call.turn for call in mine][: len(mine) // TURNS] == [0] * (len(mine) // TURNS)
