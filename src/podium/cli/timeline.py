"""A thread's time as a bar of text.

Shape: the axis holds only time in which the session was driven and not idle, so a night between two runs takes no room;
where such a gap was, a bar has a mark.
"""

from collections.abc import Iterable
from datetime import datetime

from podium.analysis.intervals import Interval, union
from podium.analysis.trace import ThreadTrace, Trace

TOOL, MODEL, WAIT, GAP = "█", "▒", "─", "┊"
LEGEND = f"{TOOL} tool  {MODEL} model  {WAIT} waits"


class Axis:
    """Places moments of a session on so many columns."""

    def __init__(self, trace: Trace, until: datetime, columns: int) -> None:
        start = trace.started_at or until
        self.columns = columns
        self.gaps = union([takeover.gap for takeover in trace.takeovers] + trace.rests)
        edges = [start, *(edge for gap in self.gaps for edge in gap), max(start, until)]
        self._active = [Interval(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        self.length_s = sum(interval.length.total_seconds() for interval in self._active)

    def offset_s(self, at: datetime) -> float:
        """Seconds of the axis before this moment."""
        return sum(max(0.0, (min(at, active.end) - active.start).total_seconds()) for active in self._active)

    def column(self, at: datetime) -> float:
        """Where the moment stands, from 0 to `columns`."""
        return self.offset_s(at) / self.length_s * self.columns if self.length_s else 0.0

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
    worked = thread.worked(until)
    calls: dict[bool, list[Interval]] = {True: [], False: []}
    for effect in thread.effects:
        calls[effect.is_model].append(Interval(effect.start, max(effect.start, effect.end or until)))
    alive = axis.shares(worked)
    tool, model = axis.shares(union(calls[False])), axis.shares(union(calls[True]))
    drawn = [_char(*shares) for shares in zip(alive, tool, model, strict=True)]
    if worked and axis.columns and not any(alive):  # shorter than can be measured
        drawn[min(int(axis.column(worked[0].start)), axis.columns - 1)] = WAIT
    for gap in axis.gaps:
        if drawn and worked and worked[0].start < gap.start and gap.end < worked[-1].end:
            drawn[min(int(axis.column(gap.start)), axis.columns - 1)] = GAP
    return "".join(drawn).rstrip()


def _char(alive: float, tool: float, model: float) -> str:
    if not alive:
        return " "
    waits = alive - tool - model
    if tool >= max(model, waits):
        return TOOL
    return MODEL if model >= waits else WAIT
