"""Statuses of a session while nobody drives it: what an input sets going, and who goes on waiting.

Pure, over the projections, like `podium.core.admission`, which these are for.
"""

from collections.abc import Collection, Iterable, Iterator

from msgspec.structs import replace

from podium.core.events import SessionRunning, StopReason
from podium.core.moment import Moment
from podium.core.money import budget_of, snapshot
from podium.core.rows import Changes, ThreadRow, View
from podium.core.standing import END_TURN
from podium.errors import NotFound


def wake(view: View, moved: Iterable[ThreadRow], at: Moment) -> Changes:
    """Record that these threads run, those that are blocked on them, and with them the session."""
    row = view.row
    if row.facts.status != "idle":
        return Changes(row.facts)
    at.own(view.threads[0].id, SessionRunning(id=at.event_id(), processed_at=at.now))
    running: dict[str, ThreadRow] = {}
    for thread in moved:
        for each in (thread, *blocked_on(view, thread)):
            if each.id not in running:
                at.thread_running(each.id, view.threads[0].id, each.agent_name)
                now = {"status": "running", "stop_reason": None, "updated_at": at.now, "running_since": at.now}
                running[each.id] = replace(each, **now)
    facts = replace(row.facts, status="running", stop_reason=None, running_since=at.now)
    return Changes(facts, False, tuple(running.values()))


def still_idle(view: View, threads: Iterable[ThreadRow], over: Collection[str], at: Moment) -> Changes:
    """Record that those of the threads that wait for these calls wait for the rest, since they are over.

    Shape: if nothing is left that the session waits for, it is idle for what its primary thread is.
    """
    row, primary = view.row, view.threads[0]
    changed = []
    for each in threads:
        if each.stop_reason is None or not set(over).intersection(each.stop_reason.event_ids):
            continue
        reason = _without(each.stop_reason, over)
        at.thread_idle(each.id, primary.id, each.agent_name, reason)
        changed.append(replace(each, stop_reason=reason, updated_at=at.now))
    reason = _without(row.facts.stop_reason, over)
    if not reason.event_ids:
        reason = StopReason("budget_reached") if row.facts.is_over_budget else primary.stop_reason or END_TURN
    used = snapshot(row.facts.usage, row.facts.usd if row.has_prices else None, row.facts.active_s)
    at.session_idle(primary.id, used, budget_of(row.about.budget), reason)
    return Changes(replace(row.facts, stop_reason=reason), None, tuple(changed))


def _without(reason: StopReason | None, over: Collection[str]) -> StopReason:
    ids = () if reason is None else tuple(id for id in reason.event_ids if id not in over)
    return StopReason("requires_action", ids)


def blocked_on(view: View, thread: ThreadRow) -> Iterator[ThreadRow]:
    """The threads above that wait for this one, nearest first."""
    while thread.parent is not None:
        parent = thread_of(view, thread.parent)
        calls = [call for call in view.calls if call.thread == parent.id]
        if not any(call.child == thread.id or call.state == "waits" for call in calls):
            return
        yield parent
        thread = parent


def waits(thread: ThreadRow) -> bool:
    """Whether its turn is open, though it is idle."""
    return thread.stop_reason is not None and thread.stop_reason.type == "requires_action"


def thread_of(view: View, id: str) -> ThreadRow:
    """The thread of this id. Errors: NotFound."""
    for thread in view.threads:
        if thread.id == id:
            return thread
    raise NotFound(f"session {view.row.id} has no thread {id}")
