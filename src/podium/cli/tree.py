"""The threads of a session as a tree of text."""

from collections.abc import Iterator

from podium.analysis.trace import ThreadTrace, Trace
from podium.cli.text import one_line

NAME_WIDTH = 34  # the widest a name is printed


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
