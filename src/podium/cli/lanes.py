"""A session under way as lanes: for each thread a bar over time, what it does now, and what it has used."""

from collections.abc import Sequence
from datetime import datetime

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from podium.analysis.cost import Cost
from podium.analysis.trace import ASKS, ThreadTrace, Trace
from podium.cli.lines import ENDED
from podium.cli.text import age, count, one_line, printable, seconds, told_call
from podium.cli.timeline import CLIENT, FAILED, GAP, MODEL, PERSON, RETRY, TOOL, WAIT, Axis, bar, legend
from podium.cli.tree import branches

_BAR_STYLES = {
    TOOL: "green",
    MODEL: "blue",
    WAIT: "dim",
    PERSON: "bold yellow",
    CLIENT: "yellow",
    FAILED: "red",
    RETRY: "red",
    GAP: "dim",
}
_NARROWEST_BAR, _WIDEST_NAME = 12, 28
_ROOMY = 100  # columns; where there are fewer, the working time gives way to what each thread does
_SAID_SHARE, _SAID_MOST = 0.6, 60  # of what names and figures leave: for what each thread does; the bars get the rest


def lanes(made: Trace, now: datetime, width: int, height: int, *, words: str = "") -> list[Text]:
    """The picture in at most so many lines, none wider than `width`.

    Shape: of too many threads those that move are shown, then the latest. `words` is what the primary's model says.
    """
    if not made.primary:
        return []
    lines = _summary(made, now, width)
    rows = _shown(made, max(1, height - 2 - len(lines)))
    hidden = len(made.threads) - len(rows)
    widest = _WIDEST_NAME if width >= _ROOMY else width // 4
    names = [set_cell_size(name, min(cell_len(name), widest)) for _, name in rows]
    name_width = max(6, *(cell_len(name) for name in names))
    columns_of = [_figures(made, thread, now, has_time=width >= _ROOMY) for thread, _ in rows]
    heads, figures = tuple(columns_of[0]), [tuple(it.values()) for it in columns_of]
    widths = [max(len(cell) for cell in column) for column in zip(heads, *figures, strict=True)]
    room = width - name_width - sum(widths) - 2 * (len(widths) + 2)
    columns = max(_NARROWEST_BAR, room - min(_SAID_MOST, int(room * _SAID_SHARE)))
    axis, says = Axis(made, now, columns), max(0, room - columns)
    bars = [bar(thread, axis, now) for thread, _ in rows]
    end = f"{seconds(axis.length_s)}"
    scale = f"0 s{end:>{columns - 3}}"
    lines.append(Text(f"{'':{name_width}}  {scale}  {'':{says}}  {_cells(heads, widths)}", style="dim"))
    for (thread, _), name, drawn, cells in zip(rows, names, bars, figures, strict=True):
        doing, style = state_of(made, thread, now)
        if words and thread.id == made.primary and thread.open:
            doing = words
        line = Text(set_cell_size(name, name_width) + "  ")
        for char in drawn.ljust(columns):
            line.append(char, style=_BAR_STYLES.get(char, ""))
        line.append("  ").append(_fitted(doing, says), style=style).append("  " + _cells(cells, widths))
        lines.append(line)
    key = legend(bars)
    more = f"and {count(hidden, 'more thread')}; " if hidden else ""
    lines.append(Text(f"{more}{key}", style="dim"))
    for line in lines:
        line.truncate(width)
    return lines


def _summary(made: Trace, now: datetime, width: int) -> list[Text]:
    """The title and the session's figures, on one line if it holds both."""
    spent = [count(made.turns, "turn"), count(made.usage.total_tokens, "token")]
    spent += [made.cost.told] if made.cost.told else []
    spent += ["rehearsed"] if made.is_rehearsed else []
    spent += [seconds(Axis(made, now, 1).length_s)]
    phase = [f"phase {one_line(made.flow.phase, 30)}"] if made.flow.phase else []
    figures = " · ".join([_standing(made), *phase, *spent])
    title = Text(one_line(made.title, width), style="bold")
    between = width - title.cell_len - len(figures)
    return [title.append(" " * between).append(figures, style="not bold")] if between > 1 else [title, Text(figures)]


def _standing(made: Trace) -> str:
    if made.paused:
        return "paused" if made.status == "idle" else "stopping"
    if made.asking:
        return "waits for you" if made.status == "idle" else "works, waits for you"
    if made.status == "terminated":
        return made.clients.ended
    if made.status == "idle" and made.clients.waiting:
        return "waits for its client"
    if made.status == "idle" and made.stop_reason == ASKS:
        return "was answered"
    return {"idle": ENDED.get(made.stop_reason, made.stop_reason), "rescheduling": "tries again"}.get(
        made.status, "works"
    )


def _figures(made: Trace, thread: ThreadTrace, now: datetime, *, has_time: bool) -> dict[str, str]:
    """The thread's figures by the head of their column."""
    told = {"turns": f"{thread.turns:,}", "tokens": _short(thread.usage.total_tokens)}
    if made.cost != Cost():
        told["cost"] = _short_cost(thread.cost)
    if has_time:
        told["time"] = seconds(sum(interval.length.total_seconds() for interval in thread.worked(now)))
    return told


def _short(number: int) -> str:
    if number < 100_000:
        return f"{number:,}"
    return f"{number / 1000:,.0f}k" if number < 10_000_000 else f"{number / 1_000_000:,.0f}M"


def _short_cost(cost: Cost) -> str:
    return f"{Cost(cost.usd)!s}+?" if cost.unknown and cost.usd else str(cost)


def _cells(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))


def _fitted(text: str, width: int) -> str:
    line = printable(" ".join(text.split()), keep="")
    return set_cell_size(line if cell_len(line) <= width else set_cell_size(line, max(0, width - 1)) + "…", width)


def _shown(made: Trace, most: int) -> list[tuple[ThreadTrace, str]]:
    rows = list(branches(made))
    if len(rows) <= most:
        return rows
    moves = [thread.id for thread, _ in rows if not thread.ended]
    kept = set((moves + [thread.id for thread, _ in rows if thread.ended][::-1])[:most]) | {made.primary}
    return [(thread, name) for thread, name in rows if thread.id in kept][:most]


def state_of(made: Trace, thread: ThreadTrace, now: datetime) -> tuple[str, str]:
    """What a thread does, or how it ended, in words; and their style."""
    if thread.ended:
        if thread.parent is None and made.paused:
            return "paused", "yellow"
        reason = f": {thread.reason}" if thread.reason else ""
        is_well = thread.ended in ("end_turn", "reported")
        return ENDED.get(thread.ended, thread.ended) + reason * (not is_well), "green" if is_well else "red"
    own = [it for it in made.asking.values() if it.thread == thread.id]
    if own:
        return "asks you: " + ", ".join(told_call(it.name, it.input) for it in own), "bold yellow"
    if thread.waits_for == "client":
        lent = [told_call(it.name, it.input) for it in made.clients.waiting.values() if it.call in thread.asks]
        return f"waits for its client: {', '.join(lent)}" if lent else "was answered", "yellow"
    if thread.waits_for == "person":
        below = {made.threads[it.thread].label for it in made.asking.values() if it.call in thread.asks}
        return f"waits for you, with {', '.join(sorted(below))}" if below else "was answered", "yellow"
    if thread.waits_for == "retry":
        return _tries_again(thread, now), "red"
    if thread.open:
        return ", ".join(_doing(thread, call) for call in thread.open), "cyan"
    return _waits(made, thread), "dim"


def _tries_again(thread: ThreadTrace, now: datetime) -> str:
    failed = thread.failed
    if failed is None:
        return "tries again"
    left = "" if failed.retry_at is None else f" in {age((failed.retry_at - now).total_seconds())}"
    return f"attempt {failed.attempt + 1}{left}: {failed.reason}"


def _doing(thread: ThreadTrace, call: str) -> str:
    effect = thread.open[call]
    purpose = {"turn": "asks its model", "compact": "summarizes", "hand_over": "hands over"}[effect.purpose]
    again = f", attempt {effect.attempt}" if effect.attempt > 1 else ""
    return (purpose if effect.is_model else told_call(effect.name, effect.input)) + again


def _waits(made: Trace, thread: ThreadTrace) -> str:
    children = [
        child.label
        for child in made.threads.values()
        if child.parent == thread.id and not child.ended and not child.is_background
    ]
    if not children:
        return "waits for its turn"
    return "waits for " + (", ".join(children) if len(children) <= 6 else f"{len(children):,} threads")
