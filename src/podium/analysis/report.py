"""A trace as JSON, for programs."""

from datetime import datetime

from podium.analysis.intervals import Interval, total
from podium.analysis.siblings import batches
from podium.analysis.trace import Effect, ThreadTrace, Trace
from podium.core.json import JSON


def report(trace: Trace, until: datetime) -> dict[str, JSON]:
    """The whole trace. Units: times in seconds since the session was started; `until` closes what is under way."""
    start = trace.started_at or until

    def s(at: datetime) -> float:
        return round((at - start).total_seconds(), 6)

    def stretch(interval: Interval) -> list[float]:
        return [s(interval.start), s(interval.end)]

    def effect(it: Effect) -> dict[str, JSON]:
        return {
            "call": it.id,
            "kind": "model" if it.is_model else "tool",
            "name": it.name,
            "attempt": it.attempt,
            "start": s(it.start),
            "end": None if it.end is None else s(it.end),
            "outcome": it.outcome,
            "reason": it.reason,
        }

    def thread(it: ThreadTrace) -> dict[str, JSON]:
        return {
            "id": it.id,
            "agent": it.agent,
            "parent": it.parent,
            "depth": it.depth,
            "status": it.status,
            "ended": it.ended,
            "reason": it.reason,
            "start": s(it.opened_at),
            "worked_s": total(it.worked(until)).total_seconds(),
            "worked": [stretch(interval) for interval in it.worked(until)],
            "turns": it.turns,
            "tokens": it.usage.total_tokens,
            "retried": it.retried,
            "unknown": it.count("unknown"),
            "shells_lost": it.shells_lost,
            "effects": [effect(each) for each in it.effects],
        }

    return {
        "session": trace.id,
        "title": trace.title,
        "status": trace.status,
        "stop_reason": trace.stop_reason,
        "paused": trace.paused,
        "error": trace.error,
        "started_at": start.isoformat(),
        "wall_s": s(until),
        "turns": trace.turns,
        "tokens": trace.usage.total_tokens,
        "threads": [thread(it) for it in trace.threads.values()],
        "delegations": [
            {
                "parent": batch.parent,
                "threads": list(batch.threads),
                "busy_s": batch.busy.total_seconds(),
                "elapsed_s": batch.elapsed.total_seconds(),
                "most_at_once": batch.most_at_once,
                "overlaps": [{"threads": [a, b], "overlap_s": both.total_seconds()} for a, b, both in batch.pairs],
            }
            for batch in batches(trace, until)
        ],
        "takeovers": [
            {
                "after": it.after,
                "epoch": it.epoch,
                "start": s(it.gap.start),
                "end": s(it.gap.end),
                "took_shells": it.took_shells,
            }
            for it in trace.takeovers
        ],
        "rests": [stretch(interval) for interval in trace.rests],
    }
