"""Stretches of time, and sets of them: how long, how much at once."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple


class Interval(NamedTuple):
    """From `start` up to `end`, never before it."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The same stretches in order, those that touch or overlap made one."""
    joined: list[Interval] = []
    for interval in sorted(intervals):
        if joined and interval.start <= joined[-1].end:
            joined[-1] = Interval(joined[-1].start, max(joined[-1].end, interval.end))
        else:
            joined.append(interval)
    return joined


def total(intervals: Iterable[Interval]) -> timedelta:
    """Their lengths added up; what overlaps counts as often as it is there."""
    return sum((interval.length for interval in intervals), timedelta())


def overlap(one: Sequence[Interval], other: Sequence[Interval]) -> timedelta:
    """How long both are under way. Shape: each is in order and does not overlap itself."""
    both, i, j = timedelta(), 0, 0
    while i < len(one) and j < len(other):
        start, end = max(one[i].start, other[j].start), min(one[i].end, other[j].end)
        both += max(end - start, timedelta())
        if one[i].end <= other[j].end:
            i += 1
        else:
            j += 1
    return both


def most_at_once(sets: Iterable[Sequence[Interval]]) -> int:
    """How many are under way at the busiest moment. Shape: each set is in order and does not overlap itself."""
    edges: list[tuple[datetime, int]] = []
    for intervals in sets:
        for interval in intervals:
            if interval.start < interval.end:
                edges += [(interval.start, 1), (interval.end, -1)]
    now = most = 0
    for _, step in sorted(edges):  # at one moment, ends come before starts: touching is not overlapping
        now += step
        most = max(most, now)
    return most
