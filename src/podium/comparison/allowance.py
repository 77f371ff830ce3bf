"""A limit over several sessions: how much of it is left for the next one. Pure."""

from dataclasses import replace
from typing import Any, Literal

from podium.analysis.intervals import total
from podium.analysis.trace import Trace
from podium.core.definitions import Limits, SessionLimits
from podium.core.facts import LimitReached
from podium.core.records import Record

Kind = Literal["turns", "seconds", "tokens", "usd"]
KINDS: tuple[Kind, ...] = ("turns", "seconds", "tokens", "usd")


class Allowance:
    """What several sessions may use together, and what they have used.

    Shape: `met` says which limit allows no further session; "" while there is room.
    Units: as of `Limits`; each session's seconds are its primary thread's working time.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._used: dict[Kind, Any] = dict.fromkeys(KINDS, 0)
        self.met = ""

    def within(self, limits: SessionLimits) -> SessionLimits:
        """These limits of a session, made no wider than what is left."""
        left = {kind: self._left(kind) for kind in KINDS}
        own = {kind: getattr(limits, kind) for kind in KINDS}
        narrower = {
            kind: most if own[kind] is None else min(own[kind], most) for kind, most in left.items() if most is not None
        }
        return replace(limits, **narrower)

    def take(self, made: Trace, given: SessionLimits, records: list[Record]) -> None:
        """A session is over: count what it used. Shape: `given` are the limits that it had."""
        main = made.threads[made.primary]
        used: dict[Kind, Any] = {
            "turns": made.turns,
            "seconds": total(main.worked(made.last_at or main.opened_at)).total_seconds(),
            "tokens": made.usage.total_tokens,
            "usd": made.cost.usd,
        }
        met = {
            record.event.met.kind
            for record in records
            if isinstance(record.event, LimitReached) and record.event.met.of == "session"
        }
        for kind in KINDS:
            before = self._left(kind)
            self._used[kind] += used[kind]
            left = self._left(kind)
            # A session may stop short of what was left, since its next call would not have fitted.
            if self.met or left is None:
                continue
            of_all = f"{kind} {getattr(self._limits, kind)}, of all sessions together,"
            if left <= 0:
                self.met = f"{of_all} is used up"
            elif kind in met and getattr(given, kind) == before:
                self.met = f"{of_all} leaves too little for the next call"

    def _left(self, kind: Kind) -> Any:
        most = getattr(self._limits, kind)
        return None if most is None else most - self._used[kind]
