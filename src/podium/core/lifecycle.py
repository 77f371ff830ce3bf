"""How a session is changed, archived and deleted: rules over the projections, for `podium.core.admission`."""

from msgspec.structs import replace

from podium.core.content import text
from podium.core.ending import ARCHIVED
from podium.core.events import (
    PublicEvent,
    SessionDeleted,
    SessionTerminated,
    SessionUpdated,
)
from podium.core.facts import AgentReplaced, ArchiveAsked, DelegationClosed, LimitLifted
from podium.core.inputs import Archive, Update
from podium.core.moment import Moment
from podium.core.money import budget_of, cents
from podium.core.revisions import checked_metadata
from podium.core.rows import Changes, ThreadRow, View
from podium.core.waking import blocked_on, still_idle, thread_of, waits, wake
from podium.errors import Refused, RunOpen


def update(view: View, request: Update, at: Moment) -> tuple[PublicEvent | None, Changes]:
    """Record what changes; without a change nothing is."""
    row, primary, about = view.row, view.threads[0], view.row.about
    if request.definition is not None and row.facts.status != "idle":
        raise Refused(f"session {row.id} works: its agent can be changed once it is idle. Interrupt it, or wait")
    if request.definition is not None:
        _check_no_run(view, "changed")
        if row.is_workflow:
            raise Refused(f"session {row.id} runs a workflow: there is no agent of it that could be changed")
    changed: dict[str, object] = {}
    if request.title is not None and request.title != about.title:
        changed["title"] = request.title or None
        about = replace(about, title=request.title)
    metadata = checked_metadata({**about.metadata, **(request.metadata or {})})
    if metadata != about.metadata:
        changed["metadata"] = metadata
        about = replace(about, metadata=metadata)
    if not request.has_budget and about.budget is not None:
        changed["budget"] = None
        about = replace(about, budget=None)
    elif request.budget is not None and request.budget != about.budget:
        _check_raise(view, request)
        changed["budget"] = budget_of(request.budget)
        about = replace(about, budget=request.budget)
    definitions = {}
    if request.definition is not None and request.definition.version != primary.agent:
        changed["agent"] = dict(request.snapshot or {})
        definitions = {request.definition.version: request.definition}
        at.private(primary.id, AgentReplaced(definition=request.definition))
        primary = replace(primary, agent=request.definition.version)
    if not changed:
        return None, Changes(row.facts)
    has_new_budget = "budget" in changed and row.facts.status == "idle"
    facts = replace(row.facts, is_over_budget=False) if has_new_budget else row.facts
    event = SessionUpdated(id=at.event_id(), processed_at=at.now, **changed)  # type: ignore[arg-type]
    at.own(primary.id, event)
    if has_new_budget:  # else its driver records it
        at.private(primary.id, LimitLifted())
    reasons = [reason.type for reason in (row.facts.stop_reason, primary.stop_reason) if reason is not None]
    goes_on = has_new_budget and row.facts.is_over_budget and "budget_reached" in reasons
    changes = wake(replace(view, row=replace(row, facts=facts)), [primary], at) if goes_on else Changes(facts)
    threads = changes.threads or ((primary,) if definitions else ())
    return event, replace(changes, about=about, threads=threads, definitions=definitions)


def _check_raise(view: View, request: Update) -> None:
    about, spent = view.row.about, view.row.facts.usd
    if about.budget is None:
        raise Refused("budget: it can only be set when the session is created (budget_create_only)")
    if request.budget is not None and request.budget <= spent:
        asked, used = cents(request.budget).amount, cents(spent).amount
        raise Refused(f"budget: {asked} cents are not above the {used} that the session has used (budget_not_raised)")


def archive(view: View, request: Archive, at: Moment) -> tuple[PublicEvent | None, Changes]:
    """Record that the session, or one thread of it, is over for good. Done once, it is done: again, nothing is."""
    row, primary = view.row, view.threads[0]
    if request.thread is not None:
        return _archive_thread(view, thread_of(view, request.thread), at)
    if row.facts.status == "terminated":
        return None, Changes(row.facts)
    if row.facts.status != "idle":
        raise Refused(f"session {row.id} works and cannot be archived; interrupt it and wait until it is idle")
    _check_no_run(view, "archived")
    ended = [thread for thread in view.threads if thread.status != "terminated"]
    changes = _terminate(view, [*ended[1:], ended[0]], at)
    event = SessionTerminated(id=at.event_id(), processed_at=at.now)
    at.own(primary.id, event)
    facts = replace(row.facts, status="terminated", stop_reason=None)
    return event, replace(changes, session=facts, about=replace(row.about, archived_at=at.now))


def delete(view: View, at: Moment) -> tuple[PublicEvent | None, Changes]:
    """Record that the session is gone: its last record."""
    row = view.row
    if row.facts.status not in ("idle", "terminated"):
        raise Refused(f"session {row.id} works and cannot be deleted; interrupt it and wait until it is idle")
    _check_no_run(view, "deleted")
    event = SessionDeleted(id=at.event_id(), processed_at=at.now)
    at.own(view.threads[0].id, event)
    return event, Changes(row.facts, about=replace(row.about, deleted_at=at.now))


def _check_no_run(view: View, what: str) -> None:
    if view.row.facts.open_run:
        raise RunOpen(
            f"session {view.row.id} has an open workflow run and cannot be {what}; interrupt it first: that ends it"
        )


def _archive_thread(view: View, thread: ThreadRow, at: Moment) -> tuple[PublicEvent | None, Changes]:
    row = view.row
    if thread.workflow_run:
        raise RunOpen(f"thread {thread.id} is of a workflow run, and is archived when the run has its result")
    if thread.parent is None:
        raise Refused(f"thread {thread.id} is the session's primary one; archive the session instead")
    if thread.status == "terminated":
        return None, Changes(row.facts)
    if thread.status != "idle":
        raise Refused(f"thread {thread.id} ({thread.agent_name}) works and cannot be archived; interrupt it first")
    if row.facts.status != "idle":  # its driver writes statuses
        at.private(thread.id, ArchiveAsked(input=at.event_id(), thread=thread.id))
        return None, Changes(row.facts)
    changes = _terminate(view, [*_below(view, thread), thread], at)
    parent = thread_of(view, thread.parent)
    calls = [call.id for call in view.calls if call.child == thread.id and call.state in ("delegated", "joined")]
    if not waits(thread) or parent.status == "terminated":
        asked = () if row.facts.stop_reason is None else row.facts.stop_reason.event_ids
        if set(asked).intersection(changes.closed):  # by those below it, in the background
            changes = replace(changes, session=still_idle(view, (), changes.closed, at).session)
        return None, changes
    call = calls[0] if calls else ""  # in the background no call waits for it
    closed = DelegationClosed(call=call, thread=thread.id, outcome="failed", content=text(ARCHIVED), is_error=True)
    at.private(parent.id, closed)
    others = [each.state for each in view.calls if each.thread == parent.id and each.id != call]
    # It answers the last call that the parent waits for, or may be the end of others of its reply; or it is news to a
    # parent that waits for news or for nothing.
    is_last = all(state == "answered" for state in others) or "joined" in others
    goes_on = is_last if call else "waits" in others or not waits(parent)
    waiting = (parent, *blocked_on(view, parent))
    woken = wake(view, [parent], at) if goes_on else still_idle(view, waiting, changes.closed, at)
    threads = {row.id: row for row in (*changes.threads, *woken.threads)}
    return None, replace(woken, threads=tuple(threads.values()), closed=(*changes.closed, *calls))


def _below(view: View, thread: ThreadRow) -> list[ThreadRow]:
    """The threads below this one that are not over for good, the lowest first: nobody could hear them any more."""
    children = [each for each in view.threads if each.parent == thread.id]
    return [
        each
        for child in children
        for each in (*_below(view, child), *([child] if child.status != "terminated" else []))
    ]


def _terminate(view: View, threads: list[ThreadRow], at: Moment) -> Changes:
    """Record that these threads are over for good; what they have open is never answered."""
    primary, ended = view.threads[0].id, []
    for thread in threads:
        at.thread_terminated(thread.id, primary, thread.agent_name)
        ended.append(replace(thread, status="terminated", stop_reason=None, updated_at=at.now))
    ids = {thread.id for thread in threads}
    closed = tuple(call.id for call in view.calls if call.thread in ids)
    return Changes(view.row.facts, threads=tuple(ended), closed=closed)
