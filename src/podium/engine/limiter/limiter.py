"""Lets model calls go: each through all its gates at once, or through none.

A call that waits has taken nothing, so a thread that waits for its children, or for its turn, is in nobody's way. What
is free goes to the first in the line who may pass all its gates. Others may pass a call that waits, as long as they
take nothing away that it could use now. Two rules keep a call from waiting for ever:

- What a rate limit refuses a large call, it refuses the smaller ones behind it too: else it would never fill up.
- A call that needs two scarce things may find one of them gone whenever the other is free. If that goes on for a while,
  the one that has waited longest goes first, and what is free of its needs is held for it.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf

from podium.core.ports import Clock, Rates
from podium.engine.limiter.breaker import Breaker
from podium.engine.limiter.line import Line, Lines
from podium.engine.limiter.places import Places
from podium.engine.limiter.rates import Bucket, Unit
from podium.engine.limiter.slot import Gate, Lane, Slot
from podium.errors import BadInput

OVERTAKEN_OFTEN = 3  # times; fewer would keep places empty for calls whose turn comes soon anyway
SHORTEST_ALARM_S = 0.001  # an alarm may ring a little early: it must not ring again and again


@dataclass(slots=True)
class _Look:
    """What one look along the line has found: who need not be looked at any more, and when to look again."""

    now_s: float
    lanes: set[Lane] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    refused: list[Slot] = field(default_factory=list)
    again_in_s: float = inf

    def leaves_out(self, slot: Slot) -> bool:
        return slot.lane in self.lanes or slot.session in self.sessions


class Limiter:
    """One for the process, on one event loop. It costs next to nothing while nothing is limited."""

    def __init__(self, clock: Clock, chance: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._chance = chance
        self._places: dict[str, Places] = {}
        self._rates: dict[str | Lane, dict[Unit, Bucket]] = {}
        self._breakers: dict[Lane, Breaker] = {}
        self._lines = Lines()
        self._first: Slot | None = None  # overtaken often: it goes before all others
        self._held: list[Gate] = []
        self._read = clock.now()
        self._now_s = 0.0
        self._alarm: Callable[[], None] | None = None
        self._rings_at_s = inf

    # --- what limits ---------------------------------------------------------------------------------

    def cap(self, caps: Mapping[str, int]) -> None:
        """Set caps by key: "session:ID", "model:NAME", "provider:NAME". A cap for a model holds for all sessions."""
        for key, most in caps.items():
            if places := self._places.get(key):
                places.most = most
            else:
                self._places[key] = Places(key, most)
        self._serve()

    def uncap(self, key: str) -> None:
        """Forget a cap, such as that of a session that is over."""
        if places := self._places.get(key):
            places.most = None
            self._drop_if_over(places)
            self._serve()

    def rate(self, key: str, *, requests_per_minute: int | None = None, tokens_per_minute: int | None = None) -> None:
        """Set the rates of "model:NAME" or "provider:NAME"; None is no limit.

        Errors: BadInput for another key, or less than 1 per minute.
        """
        kind, _, name = key.partition(":")
        if kind not in ("model", "provider") or not name:
            raise BadInput(f"there is no rate of '{key}'. Give it to 'model:NAME' or 'provider:NAME'.")
        limits: dict[Unit, int | None] = {"requests": requests_per_minute, "tokens": tokens_per_minute}
        for unit, limit in limits.items():
            if limit is not None and limit < 1:
                raise BadInput(f"{limit} {unit} per minute of '{key}' would let nothing through. Give 1 or more.")
        now_s = self._now()
        known = self._rates.pop(key, {})
        rates: dict[Unit, Bucket] = {}
        for unit, limit in limits.items():
            if limit is not None:
                rates[unit] = known.get(unit) or Bucket(unit, limit, now_s)
                rates[unit].set_limit(now_s, limit)
        if rates:
            self._rates[key] = rates
        self._serve()

    def learn(self, model: str, provider: str, rates: Rates) -> None:
        """What the provider said of the model's limits with an answer."""
        said: list[tuple[Unit, int | None, int | None, float | None]] = [
            ("requests", rates.requests_limit, rates.requests_left, rates.requests_reset_s),
            ("tokens", rates.tokens_limit, rates.tokens_left, rates.tokens_reset_s),
        ]
        now_s = self._now()
        for unit, limit, left, reset_s in said:
            known = self._rates.get((model, provider), {})
            if unit not in known:
                if limit is None or limit < 1:
                    continue  # nothing can be said of what is left of it
                known[unit] = Bucket(unit, limit, now_s)
                self._rates[model, provider] = known
            known[unit].learn(now_s, limit=limit or None, left=left, reset_s=reset_s)
        self._serve()

    def slow(self, model: str, provider: str, retry_after_s: float) -> None:
        """The provider has too many requests for this model (429): no session calls it for so long."""
        self._breaker(model, provider).slow(self._now(), retry_after_s)
        self._serve()

    def overloaded(self, model: str, provider: str) -> None:
        """The model is overloaded (529): nobody calls it for a while, then one call tries, and so on."""
        self._breaker(model, provider).overloaded(self._now())
        self._serve()

    def answered(self, model: str, provider: str) -> None:
        """The model works: it answered, if only that the request is wrong. Say so before the call is given back."""
        if breaker := self._breakers.get((model, provider)):
            breaker.answered(self._now())
            self._serve()

    # --- calls -----------------------------------------------------------------------------------------

    def slot(
        self, *, session: str, thread: str, model: str, provider: str, tokens: int = 0, workspace: str = "default"
    ) -> Slot | None:
        """What a call needs; None if nothing is limited, and then it is free to go.

        Units: `tokens` the estimate of what it will use, all kinds together.
        """
        if not (self._places or self._rates or self._breakers):
            return None
        return Slot(session=session, thread=thread, model=model, provider=provider, tokens=tokens, workspace=workspace)

    def take(self, slot: Slot | None) -> bool:
        """Go now, if that is possible. What somebody waits for, and could use now, is never free: it is handed on."""
        if slot is None:
            return True
        now_s = self._now()
        if now_s >= self._rings_at_s:
            self._serve()  # the alarm is late, and those who wait for it came first
        if self._lines.has_thread_of(slot):
            return False
        if any(gate.wait_s(now_s, slot) for gate in self._gates(slot, now_s)):
            return False
        self._let_through(slot, now_s)
        return True

    async def wait(self, slot: Slot | None) -> None:
        """Wait until the call may go. Cancelled, it has taken nothing."""
        if slot is None or self.take(slot):  # it may go since the caller looked, and nobody would tell it again
            return
        turn = slot.begin_to_wait()
        self._lines.add(slot)
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was let through in the very moment
                self.undo(slot)
            else:
                self._lines.remove(slot)
                if self._first is slot:
                    self._first = None
                self._serve()  # it may have held something
            raise

    def give_back(self, slot: Slot | None, used_tokens: int | None = None) -> None:
        """The call is over. Doing it again does nothing.

        Shape: `used_tokens` corrects the estimate; None leaves it.
        """
        if slot is None or slot.taken is None:
            return
        now_s = self._now()
        for gate in slot.taken:
            gate.give_back(now_s, slot, used_tokens)
        self._leave(slot)

    def undo(self, slot: Slot | None) -> None:
        """The call was not made after all: it counts for nothing."""
        if slot is None or slot.taken is None:
            return
        now_s = self._now()
        for gate in slot.taken:
            gate.undo(now_s, slot)
        self._leave(slot)

    # --- the line --------------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Let through whoever may go, in the order of the line."""
        for gate in self._held:
            gate.let_go()
        self._held.clear()
        if not self._lines:
            self._ring_in(inf)
            return
        look = _Look(self._now())
        while slot := self._next(look):
            self._lines.serve(slot)
            self._let_through(slot, look.now_s)
            assert slot.turn is not None
            slot.turn.set_result(None)
        if self._first is None:
            often = [slot for slot in look.refused if slot.times_overtaken >= OVERTAKEN_OFTEN]
            self._first = min(often, key=lambda slot: slot.number, default=None)
        self._ring_in(look.again_in_s)

    def _next(self, look: _Look) -> Slot | None:
        if (first := self._first) is not None and not look.leaves_out(first) and self._may_go(first, look):
            return first
        can = [slot for lane, line in self._lines if (slot := self._first_of(lane, line, look))]
        return min(can, key=self._lines.rank, default=None)

    def _first_of(self, lane: Lane, line: Line, look: _Look) -> Slot | None:
        """The first call of a lane that may go."""
        if lane in look.lanes:
            return None
        for slot in line.heads(look.sessions):
            if self._may_go(slot, look):
                return slot
            if lane in look.lanes:
                return None
        look.lanes.add(lane)
        return None

    def _may_go(self, slot: Slot, look: _Look) -> bool:
        """Whether the call may go now; if not, what that means for those behind it."""
        assert slot.turn is not None
        if slot.turn.done():  # it is cancelled, and about to leave the line
            return False
        gates = list(self._gates(slot, look.now_s))
        waits_s = {gate: wait_s for gate in gates if (wait_s := gate.wait_s(look.now_s, slot))}
        if not waits_s:
            return True
        look.refused.append(slot)
        look.again_in_s = min(look.again_in_s, max(waits_s.values()))
        if self._places.get(f"session:{slot.session}") in waits_s:
            look.sessions.add(slot.session)
        else:
            look.lanes.add(slot.lane)
        slot.refused_by(waits_s)
        self._hold(slot, gates, waits_s)
        return False

    def _hold(self, slot: Slot, gates: list[Gate], waits_s: Mapping[Gate, float]) -> None:
        """Hold what those behind this call must not take from it."""
        is_first = slot is self._first
        kinds = {type(gate) for gate in waits_s}
        if Breaker in kinds:  # it may take long: nothing is held
            if is_first:
                self._first = None
            return
        for gate in gates:
            if isinstance(gate, Bucket):  # it fills up for this call, if that is all it waits for
                is_held = is_first or (gate in waits_s and Places not in kinds)
            else:  # a place is kept empty only if nothing but places is missing
                is_held = is_first and gate not in waits_s and Bucket not in kinds
            if is_held:
                gate.hold(slot)
                self._held.append(gate)

    def _let_through(self, slot: Slot, now_s: float) -> None:
        slot.taken = list(self._gates(slot, now_s))
        slot.taken_at_s = now_s
        for gate in slot.taken:
            gate.take(now_s, slot)
        if slot is self._first:
            self._first = None

    def _leave(self, slot: Slot) -> None:
        taken, slot.taken = slot.taken or [], None
        for gate in taken:
            if isinstance(gate, Places):
                self._drop_if_over(gate)
        self._serve()

    def _gates(self, slot: Slot, now_s: float) -> Iterator[Gate]:
        """What the call must pass, as it stands now."""
        lane = slot.lane
        if breaker := self._breakers.get(lane):
            if breaker.is_over(now_s):
                del self._breakers[lane]
            else:
                yield breaker
        model, provider = f"model:{slot.model}", f"provider:{slot.provider}"
        for key in (f"session:{slot.session}", model, provider):
            if places := self._places.get(key):
                yield places
        for rated in (model, provider, lane):
            if rates := self._rates.get(rated):
                yield from rates.values()

    def _breaker(self, model: str, provider: str) -> Breaker:
        return self._breakers.setdefault((model, provider), Breaker(self._chance))

    def _drop_if_over(self, places: Places) -> None:
        if places.is_over and self._places.get(places.key) is places:
            del self._places[places.key]

    # --- time ------------------------------------------------------------------------------------------

    def _now(self) -> float:
        """Seconds since the limiter was made. The time of day may be set back; this never goes back."""
        now = self._clock.now()
        self._now_s += max((now - self._read).total_seconds(), 0.0)
        self._read = now
        return self._now_s

    def _ring_in(self, after_s: float) -> None:
        """Look along the line again after so long; there is one alarm, or none."""
        at_s = self._now_s + max(after_s, SHORTEST_ALARM_S)
        if at_s == self._rings_at_s:
            return
        if self._alarm is not None:
            self._alarm()
            self._alarm = None
        self._rings_at_s = at_s
        if at_s < inf:
            self._alarm = self._clock.alarm(at_s - self._now_s, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._rings_at_s = inf
        self._serve()
