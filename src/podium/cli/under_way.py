"""What an unfinished session has under way, and how it goes on."""

import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from podium.analysis.trace import ThreadTrace, Trace
from podium.cli.text import command, one_line, seconds, told_call
from podium.cli.tree import NAME_WIDTH
from podium.core.rows import WORKFLOW, Owner, SessionRow
from podium.workflows.file import place_of

CALL_WIDTH = 60


def under_way(made: Trace) -> Iterator[str]:
    """A line for each open call: of a model, of a tool, of another agent."""
    start = made.started_at or made.last_at
    working: dict[str | None, list[ThreadTrace]] = {}
    for thread in made.threads.values():
        if thread.status == "running":
            working.setdefault(thread.parent, []).append(thread)
    for thread in (it for threads in working.values() for it in threads):
        calls = [(effect.start, _told(effect.name, effect.input, effect.attempt)) for effect in thread.open.values()]
        calls += [
            (child.opened_at, f"waits for {told_call(child.label, child.given, CALL_WIDTH)}")
            for child in working.get(thread.id, [])
        ]
        name = one_line(thread.label, NAME_WIDTH)
        for since, call in calls:
            yield f"{name} {call}, since {_offset(since, start)}"
        if not calls:
            yield f"{name} waits for its turn"

    for thread in made.threads.values():
        if thread.status == "rescheduling":
            yield f"{one_line(thread.label, NAME_WIDTH)} {tries_again(thread, start)}"


def tries_again(thread: ThreadTrace, start: datetime | None) -> str:
    """What a thread waits for that is to make its model call again."""
    failed = thread.failed
    if failed is None:
        return "waits for its next attempt"
    when = f" at {_offset(failed.retry_at, start)}" if failed.retry_at is not None else ""
    return f"makes attempt {failed.attempt + 1}{when}, after {one_line(failed.reason, CALL_WIDTH)}"


def waits_for_a_person(made: Trace, until: datetime) -> Iterator[str]:
    """A line for each call that asks: whose, which, since when, and who waits with it."""
    start = made.started_at
    for approval in made.asking.values():
        thread = made.threads[approval.thread]
        call = told_call(approval.name, approval.input, CALL_WIDTH)
        since = f"since {_offset(approval.since, start)}, {seconds(approval.waited(until).total_seconds())} ago"
        above = [one_line(it.label, NAME_WIDTH) for it in _above(made, thread)]
        with_it = f"; {', '.join(above)} {'waits' if len(above) == 1 else 'wait'} for it" if above else ""
        yield f"{one_line(thread.label, NAME_WIDTH)} asks to run {call}, {since}{with_it}  ({approval.call})"


def waits_for_its_client(made: Trace, until: datetime) -> Iterator[str]:
    """A line for each call of a tool that the session's client runs: whose, which, and since when."""
    for call in made.clients.waiting.values():
        name = one_line(made.threads[call.thread].label, NAME_WIDTH)
        since = f"since {_offset(call.since, made.started_at)}, {seconds(call.waited(until).total_seconds())} ago"
        yield f"{name} calls {told_call(call.name, call.input, CALL_WIDTH)}, {since}  ({call.call})"


def _above(made: Trace, thread: ThreadTrace) -> Iterator[ThreadTrace]:
    while thread.parent is not None and not thread.is_background:
        thread = made.threads[thread.parent]
        yield thread


def _told(tool: str, given: dict[str, object], attempt: int) -> str:
    again = f", attempt {attempt}" if attempt > 1 else ""
    return (f"runs {told_call(tool, given, CALL_WIDTH)}" if tool else "asks its model") + again


def _offset(at: datetime, start: datetime | None) -> str:
    return f"+{seconds((at - (start or at)).total_seconds())}"


def how_it_goes_on(row: SessionRow, owner: Owner | None, data: Path) -> str:
    """Who drives an unfinished session, or what resumes it; "" for a finished one."""
    if not row.is_unfinished and not row.has_failed_run:
        return ""
    if owner is not None and row.facts.status != "idle":
        stopped = f", and is stopped: 'kill -CONT {owner.pid}' lets it go on" if owner.state == "stopped" else ""
        return f"process {owner.pid} drives it{stopped}"
    is_rehearsed = any(need.startswith("rehearsal:") for need in row.needs)
    flow = next((need for need in row.needs if need.startswith(WORKFLOW)), None)
    if flow is not None and not Path(place_of(flow)[0]).is_file():
        where = f" ({shlex.quote(row.program)})" if row.program else ""
        return f"go on with it in the program that started it{where}: podium.resume({row.id!r}, workflow=)"
    own = [need for need in row.needs if need.startswith("tool:") or (need.startswith("model:") and not is_rehearsed)]
    if own:
        where = f" ({shlex.quote(row.program)})" if row.program else ""
        return f"go on with it in the program that started it{where}: podium.resume({row.id!r}, agents=, models=)"
    return f"go on with it: {command('resume', row.id, data)}"
