"""The threads of a session as a tree of text, and which of very many are shown."""

from collections import Counter
from collections.abc import Iterator

from podium.analysis.trace import ThreadTrace, Trace
from podium.cli.text import one_line

NAME_WIDTH = 34  # the widest a name is printed
MOST = 60  # threads that are shown without being asked for all
FIRST = 20  # of these, kept for the first ones, however many others ended badly
WELL = ("reported", "end_turn")


def state(thread: ThreadTrace) -> str:
    """How the thread ended, or what it is."""
    if thread.ended:
        return thread.ended
    waits = {"person": "for a person", "client": "for its client", "retry": "tries again"}.get(thread.waits_for, "")
    return waits or ("works" if thread.status == "running" else thread.status)


def shown(made: Trace, most: int | None) -> tuple[list[tuple[ThreadTrace, str]], str]:
    """The tree's rows, and what is left out, in words.

    Shape: of more than `most`, those that did not end well come before others, each with all above it.
    """
    rows = list(branches(made))
    if most is None or len(rows) <= most:
        return rows, ""
    kept: set[str] = set()
    for thread, _ in rows:
        if state(thread) not in WELL and len(kept) < most - FIRST:
            kept.update(_up(made, thread.id))
    for thread, _ in rows:
        if len(kept) >= most:
            break
        kept.add(thread.id)
    ends = Counter(state(thread) for thread, _ in rows if thread.id not in kept)
    number = f"{ends.total():,} more {'thread' if ends.total() == 1 else 'threads'}"
    told = ", ".join(f"{many:,} {ended}" for ended, many in ends.most_common())
    return (
        [(thread, name) for thread, name in rows if thread.id in kept],
        f"{number} that {next(iter(ends))}" if list(ends) == ["reported"] else f"{number}: {told}",
    )


def _up(made: Trace, thread: str | None) -> Iterator[str]:
    while thread is not None:
        yield thread
        thread = made.threads[thread].parent


def branches(made: Trace) -> Iterator[tuple[ThreadTrace, str]]:
    """The threads as a tree, each with its drawn name; those below a thread follow it."""
    below: dict[str | None, list[ThreadTrace]] = {}
    for thread in made.threads.values():
        below.setdefault(thread.parent, []).append(thread)
    waiting = [(made.threads[made.primary], "", "")]
    while waiting:
        thread, stem, indent = waiting.pop()
        yield thread, stem + one_line(thread.label, NAME_WIDTH)
        children = below.get(thread.id, [])
        for index, child in reversed(list(enumerate(children))):
            is_last = index == len(children) - 1
            waiting.append((child, f"{indent}{'└─' if is_last else '├─'} ", indent + ("   " if is_last else "│  ")))
