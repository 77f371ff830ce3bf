"""A trace as JSON, for programs."""

from datetime import datetime

from podium.analysis.clients import ClientCall
from podium.analysis.effects import Approval, Effect
from podium.analysis.intervals import Interval, total
from podium.analysis.siblings import batches
from podium.analysis.spending import spending, told_cost
from podium.analysis.thread import ThreadTrace
from podium.analysis.trace import Trace
from podium.core.json import JSON


def report(trace: Trace, until: datetime) -> dict[str, JSON]:
    """The whole trace. Units: times in seconds since the session was started; `until` closes what is under way."""
    start = trace.started_at or until
    below = spending(trace, {}).below

    def s(at: datetime) -> float:
        return round((at - start).total_seconds(), 6)

    def stretch(interval: Interval) -> list[float]:
        return [s(interval.start), s(interval.end)]

    def effect(it: Effect) -> dict[str, JSON]:
        return {
            "call": it.id,
            "kind": "model" if it.is_model else "tool",
            "name": it.name,
            "turn": it.turn,
            "attempt": it.attempt,
            "start": s(it.start),
            "end": None if it.end is None else s(it.end),
            "outcome": it.outcome,
            "reason": it.reason,
            **(model_call(it) if it.is_model else {}),
        }

    def model_call(it: Effect) -> dict[str, JSON]:
        return {
            "purpose": it.purpose,
            "model": it.model,
            "failure": it.kind,
            "after_s": None if it.after is None else it.after.total_seconds(),
            "tokens": it.usage.total_tokens,
            **told_cost(it.cost),
        }

    def approval(it: Approval) -> dict[str, JSON]:
        return {
            "call": it.call,
            "thread": it.thread,
            "name": it.name,
            "input": it.input,
            "since": s(it.since),
            "answer": it.answer,
            "reason": it.reason,
            "waited_s": it.waited(until).total_seconds(),
        }

    def client_call(it: ClientCall) -> dict[str, JSON]:
        return {
            "call": it.call,
            "thread": it.thread,
            "name": it.name,
            "input": it.input,
            "since": s(it.since),
            "outcome": it.outcome,
            "waited_s": it.waited(until).total_seconds(),
        }

    def thread(it: ThreadTrace) -> dict[str, JSON]:
        return {
            "id": it.id,
            "agent": it.agent,
            "parent": it.parent,
            "depth": it.depth,
            "background": it.is_background,
            "call": it.call,
            "attempt": it.attempt,
            "status": it.status,
            "ended": it.ended,
            "reason": it.reason,
            "start": s(it.opened_at),
            "worked_s": total(it.worked(until)).total_seconds(),
            "worked": [stretch(interval) for interval in it.worked(until)],
            "waits_for_person": it.waits_for == "person",
            "waits_for_client": it.waits_for == "client",
            "waited_for_person_s": total(it.waited("person", until)).total_seconds(),
            "waited_for_client_s": total(it.waited("client", until)).total_seconds(),
            "waited_to_retry_s": total(it.waited("retry", until)).total_seconds(),
            "tasks": it.tasks,
            "turns": it.turns,
            "tokens": it.usage.total_tokens,
            "cost": told_cost(it.cost),
            "cost_with_below": told_cost(below[it.id].cost),
            "compactions": it.compactions,
            "corrections": it.corrections,
            "notices": [{"at": s(notice.at), "kind": notice.kind, "text": notice.text} for notice in it.notices],
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
        "cost": told_cost(trace.cost),
        "rehearsed": trace.is_rehearsed,
        "approvals": [approval(it) for it in trace.approvals],
        "client_calls": [client_call(it) for it in trace.clients.calls],
        "changes": [{"at": s(it.at), "fields": list(it.fields)} for it in trace.clients.changes],
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
        "workflow": trace.flow.report(start) if trace.flow.runs else None,
    }
