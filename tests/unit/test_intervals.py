"""Arithmetic on stretches of time."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from podium.analysis.intervals import Interval, most_at_once, overlap, total, union

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def span(start: float, end: float) -> Interval:
    return Interval(at(start), at(end))


pairs = st.tuples(st.integers(0, 100), st.integers(0, 100))
intervals = st.lists(pairs.map(lambda pair: span(min(pair), max(pair))), max_size=8)
sets = st.lists(intervals.map(union), max_size=5)


def counted(stretches: list[Interval], second: int) -> int:
    """How many of them are under way in this second."""
    return sum(stretch.start <= at(second) and at(second + 1) <= stretch.end for stretch in stretches)


@given(intervals)
def test_union_is_in_order_apart_and_covers_the_same_seconds(some: list[Interval]) -> None:
    joined = union(some)

    assert all(a.end < b.start for a, b in pairwise(joined))
    assert [counted(joined, second) for second in range(100)] == [counted(some, s) > 0 for s in range(100)]
    assert max((it.length for it in some), default=timedelta()) <= total(joined) <= total(some)


@given(intervals.map(union), intervals.map(union))
def test_overlap_is_what_both_share(one: list[Interval], other: list[Interval]) -> None:
    both = overlap(one, other)

    assert both == overlap(other, one)
    assert both.total_seconds() == sum(counted(one, s) > 0 and counted(other, s) > 0 for s in range(100))
    assert both <= min(total(one), total(other))
    assert total(one) + total(other) == total(union([*one, *other])) + both


@given(sets)
def test_most_at_once_is_the_busiest_second(some: list[list[Interval]]) -> None:
    busiest = max(sum(counted(each, s) for each in some) for s in range(100))

    assert most_at_once(some) == busiest


def test_stretches_that_touch_do_not_overlap() -> None:
    assert most_at_once([[span(0, 5)], [span(5, 9)]]) == 1
    assert overlap([span(0, 5)], [span(5, 9)]) == timedelta()
    assert union([span(0, 5), span(5, 9)]) == [span(0, 9)]
