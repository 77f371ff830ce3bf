"""How far siblings, the children that one reply opened, worked at the same time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations

from podium.analysis.intervals import Interval, most_at_once, overlap, total, union
from podium.analysis.trace import Trace

MOST_PAIRS = 1000  # of a batch of 1,000 nobody reads the half million


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Children that one reply of `parent` opened.

    Shape: a child is busy while a call of its own or of a thread below it is under way, not while it waits; where its
    call was made again, the attempts are one child, by the first one's thread. `busy` is
    the sum of that, `elapsed` the time in which at least one of them had not ended; `pairs` say how long each two were
    busy at once (none where there are more than 1,000 pairs).
    """

    parent: str
    threads: tuple[str, ...]
    busy: timedelta
    elapsed: timedelta
    most_at_once: int
    pairs: tuple[tuple[str, str, timedelta], ...]

    @property
    def mean_at_once(self) -> float:
        """How many were busy on average."""
        return self.busy / self.elapsed if self.elapsed else 0.0


def batches(trace: Trace, until: datetime) -> list[Batch]:
    """Every batch of two or more, in the order of the log. What still works is counted up to `until`."""
    found, by_thread = [], busy(trace, until)
    again: dict[str, list[str]] = {}  # the attempts of each call
    for thread in trace.threads.values():
        again.setdefault(thread.call or thread.id, []).append(thread.id)
    for (parent, _), threads in trace.batches.items():
        if len(threads) < 2:
            continue
        tries = {id: again[trace.threads[id].call or id] for id in threads}
        calls = {id: union(each for attempt in tries[id] for each in by_thread[attempt]) for id in threads}
        lives = [each for ids in tries.values() for id in ids for each in trace.threads[id].worked(until)]
        is_small = len(threads) * (len(threads) - 1) // 2 <= MOST_PAIRS
        found.append(
            Batch(
                parent=parent,
                threads=tuple(threads),
                busy=total(interval for intervals in calls.values() for interval in intervals),
                elapsed=total(union(lives)),
                most_at_once=most_at_once(calls.values()),
                pairs=tuple((a, b, overlap(calls[a], calls[b])) for a, b in combinations(threads, 2))
                if is_small
                else (),
            )
        )
    return found


def busy(trace: Trace, until: datetime) -> dict[str, list[Interval]]:
    """When a call of each thread, or of a thread below it, was under way."""
    calls: dict[str, list[Interval]] = {id: [] for id in trace.threads}
    for thread in reversed(trace.threads.values()):  # children stand after their parents
        own = [Interval(effect.start, max(effect.start, effect.end or until)) for effect in thread.effects]
        calls[thread.id] = union([*own, *calls[thread.id]])
        if thread.parent is not None:
            calls[thread.parent] += calls[thread.id]
    return calls
