"""`podium show`: what a session did when, from its log."""

import asyncio
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from podium.analysis.intervals import total
from podium.analysis.siblings import Batch, batches
from podium.analysis.trace import ThreadTrace, Trace
from podium.cli.data import LAST, existing, meant, standing
from podium.cli.options import Data
from podium.cli.text import DATA, age, command, count, one_line, seconds, told_call
from podium.cli.tree import MOST, NAME_WIDTH, WELL, shown, state
from podium.cli.under_way import how_it_goes_on, under_way

WIDTH = 120  # where there is no terminal


def show(
    session: Annotated[str, typer.Argument(help="An id, its beginning or end, or 'last'.")] = LAST,
    all: Annotated[bool, typer.Option("--all", help=f"Show every thread, also of more than {MOST}.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")] = False,
    data: Data = DATA,
) -> None:
    """Show what a session did when.

    Its threads with their times, turns, tokens and attempts, how far siblings overlapped, and what is under way.
    """
    asyncio.run(_show(session, all, json, data))


async def _show(name: str, everything: bool, json: bool, data: Path) -> None:
    async with existing(data) as podium:
        row = await meant(podium.parts.store, name)
        owner = await podium.parts.store.owner(row.id)
        made, after = Trace(), 0
        while page := await podium.parts.store.records(row.id, after=after):
            for record in page:
                made.apply(record)
            after = page[-1].seq
    last = made.last_at or row.created_at
    until = datetime.now(UTC) if owner is not None and row.facts.status != "idle" else last
    if json:
        import msgspec

        from podium.analysis.report import report

        told = {**report(made, until), "agent": row.agent_name, "standing": standing(row, owner)}
        print(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH
    most, for_all = None if everything else MOST, f"{command('show', made.id, data)} --all"
    for line in picture(made, standing(row, owner), until, width, most=most, for_all=for_all):
        print(line)
    if made.status != "idle":
        print("\nunder way:" if owner is not None else "\nunder way when its process ended:")
        for line in _bounded(under_way(made), most, for_all):
            print(f"  {line}")
    if goes_on := how_it_goes_on(row, owner, data):
        print(f"\n{goes_on}")


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
    if told:
        yield ""
        yield from _bounded(_overlaps(made, told), most, for_all)
    troubles = list(_troubles(made))
    if troubles:
        yield ""
        yield from _bounded(troubles, most, for_all)


def _bounded(lines: Iterable[str], most: int | None, for_all: str) -> Iterator[str]:
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
    parts += [count(made.usage.total_tokens, "token"), f"{seconds(wall)} from start to end"]
    if rested >= 0.005:
        parts.append(f"{seconds(rested)} of it idle")
    if undriven >= 0.005:
        parts.append(f"{seconds(undriven)} of it without a driver")
    yield ", ".join(parts)
    if made.error:
        yield f"error: {one_line(made.error)}"


def _tree(made: Trace, threads: Sequence[tuple[ThreadTrace, str]], until: datetime) -> Iterator[str]:
    rows = [("thread", "ended", "start", "works", "turns", "tokens", "tools", "attempts")]
    start = made.started_at or until
    for thread, name in threads:
        worked = total(thread.worked(until)).total_seconds()
        tools = len({effect.id for effect in thread.effects if not effect.is_model})
        rows.append(
            (
                name,
                state(thread),
                f"+{seconds((thread.opened_at - start).total_seconds())}",
                seconds(worked),
                f"{thread.turns:,}",
                f"{thread.usage.total_tokens:,}",
                f"{tools:,}",
                attempts(thread),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if 2 <= column <= 6 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def attempts(thread: ThreadTrace) -> str:
    """Whether its calls went well the first time."""
    unknown, lost, failed = thread.count("unknown"), thread.count("lost"), 0
    failed = sum(effect.is_model and effect.outcome == "error" for effect in thread.effects)
    told = [f"{number} {word}" for number, word in ((lost, "lost"), (failed, "failed")) if number]
    told += [f"{thread.retried} tried again"] if thread.retried else []
    told += [f"{unknown} of unknown outcome"] if unknown else []
    return ", ".join(told) or "first"


def _lanes(made: Trace, threads: Sequence[tuple[ThreadTrace, str]], until: datetime, width: int) -> Iterator[str]:
    from podium.cli.timeline import GAP, LEGEND, Axis, bar

    names = max(len(name) for _, name in threads)
    axis = Axis(made, until, max(20, width - names - 2))
    end = seconds(axis.length_s)
    legend = LEGEND + (f"  {GAP} nobody at work" if axis.gaps else "")
    yield f"{'':{names}}  {'0 s':<{axis.columns - len(end)}}{end}"
    for thread, name in threads:
        yield f"{name:{names}}  {bar(thread, axis, until)}".rstrip()
    yield f"{'':{names}}  {legend}"


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
    for thread in made.threads.values():
        for effect in thread.effects:
            if effect.outcome == "unknown":
                yield f"unknown outcome: {thread.label} ran {told_call(effect.name, effect.input, 100)}"
        if thread.shells_lost:
            yield f"{thread.label} lost its shell {count(thread.shells_lost, 'time')}"
        if thread.reason and thread.parent is not None and state(thread) not in WELL:
            yield f"{thread.label} {thread.ended}: {one_line(thread.reason)}"
