"""Whatever calls, providers and people do: no limit is exceeded, nobody waits for ever, nothing is lost."""

from dataclasses import dataclass
from math import inf

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from podium.core.ports import Rates
from tests.unit.calling import Calls

Lane = tuple[str, str]
LANES: list[Lane] = [("x", "north"), ("y", "north"), ("y", "south")]
SESSIONS = ["s0", "s1", "s2"]
KEYS = [f"session:{name}" for name in SESSIONS] + ["model:x", "model:y", "provider:north", "provider:south"]
MOST_TOKENS = 300
ROUNDING = 0.01


@dataclass(frozen=True)
class Went:
    """A call that went."""

    name: str
    at_s: float
    tokens: int
    keys: tuple[str, ...]
    lane: Lane


@dataclass
class Trouble:
    """An overloaded model. Shape: `longest_s` is how long the last wait was."""

    until_s: float
    longest_s: float


@dataclass(frozen=True)
class Said:
    """What a provider said is left, and until when that holds."""

    at_s: float
    until_s: float
    limit: int
    left: int


class LimiterMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.calls = Calls()
        self.count = 0
        self.caps: dict[str, int] = {}
        self.rates: dict[str, tuple[int | None, int | None]] = {}
        self.needs: dict[str, tuple[int, tuple[str, ...], Lane]] = {}
        self.went: list[Went] = []
        self.ended: set[str] = set()
        self.cancelled: set[str] = set()
        self.slow_until_s: dict[Lane, float] = {}
        self.trouble: dict[Lane, Trouble] = {}
        self.probes: dict[Lane, str] = {}
        self.said: dict[Lane, Said] = {}

    @initialize(
        caps=st.dictionaries(st.sampled_from(KEYS), st.integers(1, 3)),
        rates=st.dictionaries(
            st.sampled_from(KEYS[3:]),
            st.tuples(st.none() | st.integers(1, 60), st.none() | st.integers(50, 600)),
        ),
    )
    def limits(self, caps: dict[str, int], rates: dict[str, tuple[int | None, int | None]]) -> None:
        self.caps, self.rates = caps, rates
        self.calls.limiter.cap({"session:none": 1} | caps)  # so that every call has a slot
        for key, (requests, tokens) in rates.items():
            self.calls.limiter.rate(key, requests_per_minute=requests, tokens_per_minute=tokens)

    @property
    def under_way(self) -> list[Went]:
        return [call for call in self.went if call.name not in self.ended]

    @property
    def waiting(self) -> list[str]:
        gone = {call.name for call in self.went} | self.cancelled
        return [name for name in self.needs if name not in gone]

    @rule(
        session=st.sampled_from(SESSIONS),
        lane=st.sampled_from(LANES),
        tokens=st.integers(0, MOST_TOKENS),
        thread=st.sampled_from(["", "main"]),
        workspace=st.sampled_from(["default", "other"]),
        count=st.integers(1, 4),
    )
    def start(self, session: str, lane: Lane, tokens: int, thread: str, workspace: str, count: int) -> None:
        model, provider = lane
        for _ in range(count):
            self.count += 1
            name = f"c{self.count}"
            self.needs[name] = tokens, (f"session:{session}", f"model:{model}", f"provider:{provider}"), lane
            self.calls.start(
                name,
                session=session,
                thread=thread and f"{session}-{thread}",
                model=model,
                provider=provider,
                tokens=tokens,
                workspace=workspace,
            )

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), more=st.none() | st.integers(0, 100))
    def end(self, data: st.DataObject, more: int | None) -> None:
        call = data.draw(st.sampled_from(self.under_way))
        self._end(call, None if more is None else call.tokens + more)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.waiting))
        self.cancelled.add(name)
        self.calls.cancel(name)

    @precondition(lambda self: self.waiting and self.under_way)
    @rule(data=st.data())
    def cancel_while_a_place_comes_free(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.waiting))
        call = data.draw(st.sampled_from(self.under_way))
        self.ended.add(call.name)
        self.cancelled.add(name)
        self.calls.limiter.give_back(self.calls.slots[call.name])
        self.calls.cancel(name)

    @precondition(lambda self: self.waiting and self.under_way)
    @rule(data=st.data())
    def place_comes_free_while_one_is_cancelled(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.waiting))
        call = data.draw(st.sampled_from(self.under_way))
        self.cancelled.add(name)
        self.calls.cancel(name, settle=False)
        self._end(call, None)

    @rule(seconds=st.sampled_from([0.1, 1.0, 7.0, 30.0, 61.0]))
    def pass_time(self, seconds: float) -> None:
        self.calls.pass_time(seconds)

    @rule(lane=st.sampled_from(LANES), seconds=st.integers(0, 40))
    def too_many_requests(self, lane: Lane, seconds: int) -> None:
        self.calls.limiter.slow(*lane, seconds)
        self.slow_until_s[lane] = max(self.slow_until_s.get(lane, 0.0), self.calls.now_s + seconds)

    @rule(lane=st.sampled_from(LANES))
    def overloaded(self, lane: Lane) -> None:
        self.calls.limiter.overloaded(*lane)
        trouble = self.trouble.get(lane)
        if trouble is None:
            self.trouble[lane] = Trouble(self.calls.now_s + 1, 1)
        elif self.calls.now_s >= trouble.until_s - 1e-9:
            trouble.longest_s = min(60, 2 * trouble.longest_s)
            trouble.until_s = self.calls.now_s + trouble.longest_s
        else:
            return
        self.probes.pop(lane, None)

    @precondition(lambda self: self.trouble)
    @rule(data=st.data())
    def answered(self, data: st.DataObject) -> None:
        self._answered(data.draw(st.sampled_from(sorted(self.trouble))))

    @rule(
        lane=st.sampled_from(LANES),
        limit=st.integers(1, 40),
        share=st.floats(0, 1),
        reset_s=st.none() | st.floats(0, 200),
    )
    def learn(self, lane: Lane, limit: int, share: float, reset_s: float | None) -> None:
        left = int(share * limit)
        rates = Rates(requests_limit=limit, requests_left=left, requests_reset_s=reset_s)
        before = len(self.calls.went)
        now_s = self.calls.now_s
        self.calls.limiter.learn(*lane, rates)
        self.calls.settle()
        self.said[lane] = Said(now_s, inf if reset_s is None else now_s + reset_s, limit, left)
        self._note(self.calls.went[:before])

    @invariant()
    def all_limits_hold(self) -> None:
        self._note(self.calls.went)
        for key, most in self.caps.items():
            assert sum(key in call.keys for call in self.under_way) <= most
        for key, (requests, tokens) in self.rates.items():
            mine = [call for call in self.went if key in call.keys]
            check_windows([(call.at_s, 1) for call in mine], requests)
            check_windows([(call.at_s, call.tokens) for call in mine], tokens)
        for lane, said in self.said.items():
            since = [c for c in self.went if c.lane == lane and said.at_s < c.at_s < said.until_s - ROUNDING]
            for number, call in enumerate(since, 1):
                assert number <= said.left + said.limit / 60 * (call.at_s - said.at_s) + ROUNDING
        assert self.calls.clock.pending <= 1

    def teardown(self) -> None:
        for _ in range(3 * self.count + 5):
            for lane in sorted(self.trouble):
                self._answered(lane)
            for call in self.under_way:
                self._end(call, None)
            self.calls.pass_time(MOST_TOKENS)
            self._note(self.calls.went)
        assert self.waiting == []
        assert self.under_way == []
        for key in ["session:none", *self.caps]:
            self.calls.limiter.uncap(key)
        for key in self.rates:
            self.calls.limiter.rate(key)
        for model, provider in LANES:
            self.calls.can_go(model=model, provider=provider)
        assert self.calls.slot() is None or self.said
        assert self.calls.clock.pending == 0
        self.calls.close()

    def _end(self, call: Went, used: int | None) -> None:
        self.ended.add(call.name)
        if self.probes.get(call.lane) == call.name:
            del self.probes[call.lane]
        self.calls.end(call.name, used=used)

    def _answered(self, lane: Lane) -> None:
        self.calls.limiter.answered(*lane)
        if self.calls.now_s >= self.trouble[lane].until_s - 1e-9:
            del self.trouble[lane]
            self.probes.pop(lane, None)
        self.calls.settle()

    def _note(self, went: list[str]) -> None:
        """Look at those that went since the last time."""
        for name in went[len(self.went) :]:
            tokens, keys, lane = self.needs[name]
            call = Went(name, self.calls.exact_times[name], tokens, keys, lane)
            self.went.append(call)
            assert name not in self.cancelled
            assert call.at_s >= self.slow_until_s.get(lane, 0.0) - 1e-6
            if trouble := self.trouble.get(lane):
                assert call.at_s >= trouble.until_s - 1e-6
                assert self.probes.get(lane) in {None} | self.ended
                self.probes[lane] = name


def check_windows(amounts: list[tuple[float, int]], limit: int | None) -> None:
    """In no stretch of time went more than the rate allows, plus a minute's worth, plus what one call has too much."""
    if limit is None:
        return
    most = max((amount for _, amount in amounts), default=0)
    burst = limit + max(most - limit, 0) + ROUNDING
    total = 0.0
    lowest = inf  # of what was used up before a call, less what had been let through by then
    for at_s, amount in amounts:
        lowest = min(lowest, total - limit / 60 * at_s)
        total += amount
        assert total - limit / 60 * at_s - lowest <= burst


TestLimiterMachine = LimiterMachine.TestCase
