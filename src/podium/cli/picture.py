"""A session as a picture of text: the tree of its threads, a bar for each, and what did not go smoothly."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from podium.analysis.cost import Cost
from podium.analysis.intervals import total
from podium.analysis.siblings import Batch, batches
from podium.analysis.spending import spending
from podium.analysis.trace import ThreadTrace, Trace
from podium.cli.attempts import attempts_told
from podium.cli.flow import flow_told
from podium.cli.text import age, count, one_line, seconds, told_call
from podium.cli.tree import NAME_WIDTH, WELL, shown, state

_ANSWERS = {"allow": "was allowed", "deny": "was refused", "closed": "was closed without an answer"}
_RESULTS = {"ok": "gave a result", "error": "gave an error", "closed": "was closed without a result"}
_SHORT_S = 0.005  # what is shorter reads as nothing


def picture(made: Trace, stands: str, until: datetime, width: int, *, most: int | None, for_all: str) -> Iterator[str]:
    """The lines of the whole picture; of each kind `most`, where `for_all` is the command that shows all."""
    rows, left_out = shown(made, most)
    yield from _head(made, stands, until)
    yield ""
    yield from _tree(made, rows, until)
    if left_out:
        yield f"… {left_out} ({for_all})"
    yield ""
    yield from _lanes(made, rows, until, width)
    told = batches(made, until)
    for lines in (flow_told(made, until), _overlaps(made, told), attempts_told(made, until), _troubles(made)):
        if found := list(lines):
            yield ""
            yield from bounded(found, most, for_all)


def bounded(lines: Iterable[str], most: int | None, for_all: str) -> Iterator[str]:
    """The first `most` lines, and how many more there are."""
    found = list(lines)
    yield from found[:most]
    if most is not None and len(found) > most:
        yield f"… {len(found) - most:,} more lines ({for_all})"


def _head(made: Trace, stands: str, until: datetime) -> Iterator[str]:
    start = made.started_at or until
    main = made.threads[made.primary]
    rested = sum(interval.length.total_seconds() for interval in made.rests)
    undriven = sum(it.gap.length.total_seconds() for it in made.takeovers if it.after != "rest")
    wall = (until - start).total_seconds()
    yield one_line(made.title, 100)
    yield f"{made.id} · {one_line(main.agent, 60)} · {stands} · {age((datetime.now(UTC) - start).total_seconds())} ago"
    parts = [count(len(made.threads), "thread"), count(made.turns, "turn")]
    parts += [count(made.usage.total_tokens, "token")]
    parts += [told] if (told := made.cost.told) else []
    parts += [f"{seconds(wall)} from start to end"]
    if rested >= _SHORT_S:
        parts.append(f"{seconds(rested)} of it idle")
    if undriven >= _SHORT_S:
        parts.append(f"{seconds(undriven)} of it without a driver")
    yield ", ".join(parts)
    if made.error:
        yield f"error: {one_line(made.error)}"


def _tree(made: Trace, threads: Sequence[tuple[ThreadTrace, str]], until: datetime) -> Iterator[str]:
    columns = _columns(made, threads, until)
    rows = list(zip(*([name, *cells] for name, cells in columns.items()), strict=True))
    widths = [max(len(row[column]) for row in rows) for column in range(len(columns))]
    for row in rows:
        cells = [
            cell.ljust(width) if name in ("thread", "ended", "attempts") else cell.rjust(width)
            for name, cell, width in zip(columns, row, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def _columns(made: Trace, threads: Sequence[tuple[ThreadTrace, str]], until: datetime) -> dict[str, list[str]]:
    """The columns by name; of money and of waiting for a person only where there was any."""
    start, shown_threads = made.started_at or until, [thread for thread, _ in threads]

    def spent(intervals: Iterable[float]) -> list[str]:
        return [seconds(value) if value >= _SHORT_S else "" for value in intervals]

    columns = {
        "thread": [name for _, name in threads],
        "ended": [state(it) + (", background" if it.is_background else "") for it in shown_threads],
        "start": [f"+{seconds((it.opened_at - start).total_seconds())}" for it in shown_threads],
        "works": [seconds(total(it.worked(until)).total_seconds()) for it in shown_threads],
        "for a person": spent(total(it.waited("person", until)).total_seconds() for it in shown_threads),
        "for its client": spent(total(it.waited("client", until)).total_seconds() for it in shown_threads),
        "turns": [f"{it.turns:,}" for it in shown_threads],
        "tokens": [f"{it.usage.total_tokens:,}" for it in shown_threads],
    }
    if any(it.context_window is not None for it in shown_threads):
        columns["context"] = [it.context for it in shown_threads]
    for waits in ("for a person", "for its client"):
        if not any(columns[waits]):
            del columns[waits]
    if made.cost != Cost():
        below = spending(made, {}).below
        columns["cost"] = [str(it.cost) for it in shown_threads]
        columns["with below"] = [str(below[it.id].cost) for it in shown_threads]
        if columns["with below"] == columns["cost"]:
            del columns["with below"]
    columns["tools"] = [f"{len({it.id for it in thread.effects if not it.is_model}):,}" for thread in shown_threads]
    columns["attempts"] = [attempts(it) for it in shown_threads]
    return columns


def attempts(thread: ThreadTrace) -> str:
    """Whether its calls went well the first time."""
    unknown, lost = thread.count("unknown"), thread.count("lost")
    failed = sum(effect.is_model and effect.outcome == "error" for effect in thread.effects)
    told = [f"attempt {thread.attempt}"] if thread.attempt > 1 else []
    told += [f"{number} {word}" for number, word in ((lost, "lost"), (failed, "failed")) if number]
    told += [f"{thread.retried} tried again"] if thread.retried else []
    told += [f"{unknown} of unknown outcome"] if unknown else []
    told += [f"{thread.corrections} corrected"] if thread.corrections else []
    return ", ".join(told) or "first"


def _lanes(made: Trace, threads: Sequence[tuple[ThreadTrace, str]], until: datetime, width: int) -> Iterator[str]:
    from podium.cli.timeline import Axis, bar, legend

    names = max(len(name) for _, name in threads)
    axis = Axis(made, until, max(20, width - names - 2))
    end = seconds(axis.length_s)
    yield f"{'':{names}}  {'0 s':<{axis.columns - len(end)}}{end}"
    bars = [bar(thread, axis, until) for thread, _ in threads]
    for (_, name), drawn in zip(threads, bars, strict=True):
        yield f"{name:{names}}  {drawn}".rstrip()
    yield f"{'':{names}}  {legend(bars)}"


def _overlaps(made: Trace, told: list[Batch]) -> Iterator[str]:
    for batch in told:
        parent = one_line(made.threads[batch.parent].label, NAME_WIDTH)
        busy, elapsed = seconds(batch.busy.total_seconds()), seconds(batch.elapsed.total_seconds())
        yield f"{parent} called {len(batch.threads):,} at once: {busy} of calls in {elapsed}"
        yield f"  {batch.mean_at_once:.1f} under way at the same time on average, {batch.most_at_once:,} at most"
        pairs = sorted(batch.pairs, key=lambda pair: -pair[2])
        for a, b, both in pairs[:10]:
            names = f"{made.threads[a].label} and {made.threads[b].label}"
            yield f"  {one_line(names, 70)}: {seconds(both.total_seconds())} together"
        if len(pairs) > 10:
            yield f"  and {len(pairs) - 10:,} more pairs (--json lists them)"


def _troubles(made: Trace) -> Iterator[str]:
    start = made.started_at
    for takeover in made.takeovers:
        if takeover.after == "rest" or start is None:
            continue
        at = seconds((takeover.gap.end - start).total_seconds())
        why = "its process had died" if takeover.after == "crash" else "its process had let go"
        undriven = seconds(takeover.gap.length.total_seconds())
        shells = "; every shell of before is gone" if takeover.took_shells else ""
        yield f"taken over at +{at}: {why}, {undriven} without a driver{shells}"
    for approval in made.approvals:
        if approval.answer:
            call = told_call(approval.name, approval.input, 100)
            why = f": {one_line(approval.reason)}" if approval.reason else ""
            waited = seconds(approval.waited(approval.since).total_seconds())
            label = made.threads[approval.thread].label
            yield f"{label} asked for {call}: it {_ANSWERS[approval.answer]} after {waited}{why}"
    yield from _of_clients(made)
    for thread in made.threads.values():
        yield from _troubles_of(thread)


def _of_clients(made: Trace) -> Iterator[str]:
    for call in made.clients.calls:
        if call.outcome:
            label, run = made.threads[call.thread].label, told_call(call.name, call.input, 100)
            waited = seconds(call.waited(call.since).total_seconds())
            yield f"{label} had its client run {run}: it {_RESULTS[call.outcome]} after {waited}"
    for change in made.clients.changes:
        at = seconds((change.at - (made.started_at or change.at)).total_seconds())
        yield f"changed at +{at}: {', '.join(change.fields)}"


def _troubles_of(thread: ThreadTrace) -> Iterator[str]:
    for effect in thread.effects:
        if effect.outcome == "unknown":
            yield f"unknown outcome: {thread.label} ran {told_call(effect.name, effect.input, 100)}"
    if thread.shells_lost:
        yield f"{thread.label} lost its shell {count(thread.shells_lost, 'time')}"
    if thread.tasks > 1 and thread.parent is not None:
        yield f"{thread.label} was set to work {count(thread.tasks, 'time')}"
    if thread.compactions:
        yield f"{thread.label} had its messages summarized {count(thread.compactions, 'time')}"
    for notice in thread.notices:
        yield f"{thread.label} was told: {one_line(notice.text)}"
    if thread.reason and thread.ended and thread.parent is not None and state(thread) not in WELL:
        yield f"{thread.label} {thread.ended}: {one_line(thread.reason)}"
