"""A thread's time as a bar of text, each kind of time with a character of its own.

Shape: the axis holds only time in which the session was driven and not idle, so a night between two runs takes no room;
where such a gap was, a bar has a mark. What is shorter than a column and must not be overlooked has one all the same.
"""

from collections.abc import Iterable
from datetime import datetime

from podium.analysis.intervals import Interval, union
from podium.analysis.trace import ThreadTrace, Trace

TOOL, MODEL, WAIT, PERSON, CLIENT, FAILED, RETRY, GAP = "█", "▒", "─", "?", "c", "x", "·", "┊"
LEGEND = f"{TOOL} tool  {MODEL} model  {WAIT} waits"
_MORE = {
    PERSON: "for a person",
    CLIENT: "for its client",
    FAILED: "failed attempt",
    RETRY: "tries again later",
    GAP: "nobody at work",
}


class Axis:
    """Places moments of a session on so many columns."""

    def __init__(self, trace: Trace, until: datetime, columns: int) -> None:
        start = trace.started_at or until
        self.columns = columns
        rest = [Interval(trace.idle_since, until)] if trace.idle_since is not None and trace.idle_since < until else []
        self.gaps = union([takeover.gap for takeover in trace.takeovers] + trace.rests + rest)
        edges = [start, *(edge for gap in self.gaps for edge in gap), max(start, until)]
        self._active = [Interval(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        self.length_s = sum(interval.length.total_seconds() for interval in self._active)

    def offset_s(self, at: datetime) -> float:
        """Seconds of the axis before this moment."""
        return sum(max(0.0, (min(at, active.end) - active.start).total_seconds()) for active in self._active)

    def column(self, at: datetime) -> float:
        """Where the moment stands, from 0 to `columns`."""
        return self.offset_s(at) / self.length_s * self.columns if self.length_s else 0.0

    def cell(self, at: datetime) -> int:
        """The column in which the moment lies."""
        return min(int(self.column(at)), self.columns - 1)

    def shares(self, intervals: Iterable[Interval]) -> list[float]:
        """How much of each column these fill, 1 for all of it."""
        filled = [0.0] * self.columns
        for interval in intervals:
            start, end = self.column(interval.start), self.column(interval.end)
            for index in range(int(start), min(int(end) + 1, self.columns)):
                filled[index] += max(0.0, min(end, index + 1) - max(start, index))
        return filled


def bar(thread: ThreadTrace, axis: Axis, until: datetime) -> str:
    """The thread's lane: in each column what took most of it."""
    if not axis.columns:
        return ""
    worked, asked, lent = thread.worked(until), thread.waited("person", until), thread.waited("client", until)
    failures = [it for it in thread.effects if it.is_model and it.outcome == "error"]
    models = [it for it in thread.effects if it.is_model and it.outcome != "error"]
    shares = {
        TOOL: axis.shares(union(it.until(until) for it in thread.effects if not it.is_model)),
        MODEL: axis.shares(union(it.until(until) for it in models)),
        FAILED: axis.shares(union(it.until(until) for it in failures)),
        PERSON: axis.shares(union(asked)),
        CLIENT: axis.shares(union(lent)),
        RETRY: axis.shares(union(thread.waited("retry", until))),
    }
    drawn = [
        _char(alive, {kind: share[column] for kind, share in shares.items()})
        for column, alive in enumerate(axis.shares(worked))
    ]
    if worked and not any(char != " " for char in drawn):  # shorter than can be measured
        drawn[axis.cell(worked[0].start)] = WAIT
    for gap in axis.gaps:
        if worked and worked[0].start < gap.start and gap.end < worked[-1].end:
            drawn[axis.cell(gap.start)] = GAP
    for effect in failures:
        drawn[axis.cell(effect.start)] = FAILED
    for interval in lent:
        drawn[axis.cell(interval.start)] = CLIENT
    for interval in asked:
        drawn[axis.cell(interval.start)] = PERSON
    return "".join(drawn).rstrip()


def _char(alive: float, shares: dict[str, float]) -> str:
    shares[WAIT] = alive - shares[TOOL] - shares[MODEL] - shares[FAILED]
    kind = max(shares, key=lambda kind: shares[kind])  # the first of equals
    return kind if shares[kind] > 1e-9 or alive else " "


def legend(bars: Iterable[str]) -> str:
    """What the characters mean: the usual ones, and of the others those that are there."""
    drawn = {char for line in bars for char in line}
    more = [f"{char} {said}" for char, said in _MORE.items() if char in drawn]
    return "  ".join([LEGEND, *more])
