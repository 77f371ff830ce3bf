"""The limits of threads and sessions: which one was met, which one is near, how long a thread may still run."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from podium.core.facts import LimitMet
from podium.core.session import SessionState
from podium.core.thread import ThreadState

NEAR = 0.8  # of a limit: from here on the model knows what is left


def limit_met(session: SessionState, thread: ThreadState, now: datetime) -> LimitMet | None:
    """The limit that forbids the thread another model call, or None."""
    return next((used for used in _uses(session, thread, now) if used.used >= used.limit), None)


def overdue(session: SessionState, thread: ThreadState, now: datetime) -> LimitMet | None:
    """The limit of seconds that has run out, or None."""
    uses = _uses(session, thread, now)
    return next((used for used in uses if used.kind == "seconds" and used.used >= used.limit), None)


def limit_near(session: SessionState, thread: ThreadState, now: datetime) -> LimitMet | None:
    """The limit of which little is left, or None."""
    return next((used for used in _uses(session, thread, now) if used.used >= NEAR * used.limit), None)


def seconds_left(session: SessionState, thread: ThreadState, now: datetime) -> float | None:
    """Seconds until the thread must be stopped, or None without a limit; the session's stops the primary thread."""
    own, shared = thread.limits.seconds, session.settings.seconds
    left = [] if own is None else [own - thread.worked(now)]
    if shared is not None and thread.parent is None:
        left.append(shared - session.main.worked(now))
    return max(0.0, min(left)) if left else None


@dataclass(frozen=True, slots=True)
class UsdLimit:
    """A limit in dollars, what was spent of it and what is set aside for calls under way."""

    of: Literal["agent", "delegation", "session"]
    limit: Decimal
    spent: Decimal
    reserved: Decimal


def usd_limits(session: SessionState, thread: ThreadState) -> Iterator[UsdLimit]:
    """The limits in dollars that hold for a call of the thread: its own, those of the threads above, the session's."""
    for each in session.above(thread):
        if each.limits.usd is not None:
            yield UsdLimit(_whose(each, "usd"), each.limits.usd, each.usd, each.reserved_usd)
    if session.settings.usd is not None:
        yield UsdLimit("session", session.settings.usd, session.usd, session.reserved_usd)


def _uses(session: SessionState, thread: ThreadState, now: datetime) -> Iterator[LimitMet]:
    """How far each limit that holds for the thread is used up."""
    own, shared = thread.limits, session.settings
    if own.turns is not None:
        yield LimitMet("turns", _whose(thread, "turns"), own.turns, thread.turns)
    if own.tokens is not None:
        yield LimitMet("tokens", _whose(thread, "tokens"), own.tokens, thread.usage.total_tokens)
    if shared.turns is not None:
        yield LimitMet("turns", "session", shared.turns, session.turns)
    if shared.tokens is not None:
        yield LimitMet("tokens", "session", shared.tokens, session.usage.total_tokens)
    for money in usd_limits(session, thread):
        yield LimitMet("usd", money.of, float(money.limit), float(money.spent))
    if own.seconds is not None:
        yield LimitMet("seconds", _whose(thread, "seconds"), own.seconds, thread.worked(now))
    if shared.seconds is not None:
        yield LimitMet("seconds", "session", shared.seconds, session.main.worked(now))


def _whose(thread: ThreadState, kind: Literal["turns", "tokens", "usd", "seconds"]) -> Literal["agent", "delegation"]:
    """Whether the agent's own limit holds, or a narrower one of the call that opened the thread."""
    return "agent" if getattr(thread.limits, kind) == getattr(thread.definition, kind) else "delegation"
