"""The same work on each item of a list, or on each of some files."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from podium.core.definitions import Agent
from podium.errors import BadInput
from podium.patterns.given import How, a_text, an_agent, count, told_in_words
from podium.patterns.handoff import Handoffs, hand_over
from podium.patterns.parallel import MERGE, Merged, merge
from podium.workflows.calls import CallResult
from podium.workflows.given import MOST_NAME
from podium.workflows.joins import Gathered, Join
from podium.workflows.run import WorkflowRun
from podium.workflows.shared_files import FOLDER
from podium.workflows.values import context_text

ITEM = "{item}"


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of the workdir that a glob matches, as items: their paths from there, in order.

    Shape: "**" stands for any folders. Hidden files and hand-offs are left out unless the glob names them; what a link
    leads to outside of the workdir is never there.
    """

    glob: str

    def __post_init__(self) -> None:
        a_text("Files", "glob", self.glob)
        if self.glob.startswith("/") or ".." in self.glob.split("/"):
            raise BadInput(f"Files: glob is a path below the workdir, without '..', not {self.glob!r:.80}")


async def map_over(
    run: WorkflowRun,
    agent: Agent,
    items: Sequence[Any] | Files,
    *,
    task: str = "",
    at_once: int | None = None,
    most: int = 1_000,
    join: Join = "all",
    merge_by: Agent | None = None,
    merge_task: str = MERGE,
    context: Any = None,
    handoff: Handoffs = None,
    **how: Unpack[How],
) -> Merged:
    """Have an agent do the same with every item, all at once or `at_once` of them; results in the items' order.

    Shape: `items` may be the results of another map; what is missing of these is told on. An item takes the place of
    "{item}" in the task, or stands beside it. An agent with an `input_schema` is given the item itself, and neither
    task nor context. `context` is told to each. `merge_by` makes one thing of the results.
    Errors: BadInput for more items than `most`, and for none; the call "glob" fails where a glob matches none, or more
    than `most`, and looks again when the run is resumed. JoinFailed.
    """
    where = "map_over"
    count(where, "most", most, most=100_000)
    limit = count(where, "at_once", at_once if at_once is not None else most, most=100_000)
    if an_agent(where, "agent", agent).input_schema is None:
        a_text(where, "task", task)
    elif task or context is not None:
        raise BadInput(
            f"{where}: agent '{agent.name}' has an input_schema: its input is the item, and there is no "
            f"{'task' if task else 'context'}"
        )
    if merge_by is not None:
        told_in_words(where, "merge_by", merge_by)
    things = await _files(run, items, most) if isinstance(items, Files) else _listed(items, most)
    for number, item in enumerate(things, 1):
        given, _ = _given(agent, task, item)
        if isinstance(given, str):
            a_text(where, f"the task of item {number} of {len(things):,}", given)
    free = asyncio.Semaphore(limit)

    async def one(item: Any, name: str) -> CallResult:
        given, beside = _given(agent, task, item)
        async with free:
            told = await hand_over(run, [beside, context] if context is not None else beside, to=agent, by=handoff)
            return await run.agent(agent, given, context=told, name=name, **how)

    branches = [_called(name, one(item, name)) for item, name in zip(things, map(_name, things), strict=True)]
    results = await run.gather(*branches, join=join)
    before = items.missing if isinstance(items, Gathered) else ()
    return await merge(run, results, by=merge_by, task=merge_task, before=before, handoff=handoff, **how)


def _given(agent: Agent, task: str, item: Any) -> tuple[Any, Any]:
    """What the agent is called with, and told beside."""
    if agent.input_schema is not None:
        return item, None
    if ITEM in task:
        return task.replace(ITEM, context_text({"": item})), None
    return task, {"item": item}


def _name(item: Any) -> str:
    return " ".join(context_text({"": item}).split())[:MOST_NAME].strip() or "item"


def _called(name: str, branch: Coroutine[Any, Any, CallResult]) -> Coroutine[Any, Any, CallResult]:
    branch.__name__ = name  # type: ignore[attr-defined]  # what a gather calls it, and says is missing
    return branch


def _listed(items: Any, most: int) -> Sequence[Any]:
    if not isinstance(items, Sequence) or isinstance(items, str | bytes) or not items:
        raise BadInput(f"map_over: items is a list of at least one thing, or Files(...), not {items!r:.80}")
    if len(items) > most:
        raise BadInput(f"map_over: there are {len(items):,} items, and most={most:,}. Raise it, or give fewer")
    return items


async def _files(run: WorkflowRun, files: Files, most: int) -> list[str]:
    """The paths, as they were when the run came here first."""

    def glob(pattern: str, most: int) -> list[str]:
        return found(run.workdir.resolve(), pattern, most)

    return await run.step(glob, files.glob, most, idempotent=True)


def found(workdir: Path, pattern: str, most: int) -> list[str]:
    """The regular files below the workdir that the pattern matches, sorted. Errors: BadInput for none, or too many."""
    if not workdir.is_dir():
        raise BadInput(f"the workdir {workdir} is no folder")
    shows_hidden = any(part.startswith(".") for part in pattern.split("/"))
    shows_handoffs = pattern.split("/")[0] == FOLDER
    paths: list[str] = []
    for file in workdir.glob(pattern):
        path = file.relative_to(workdir)
        is_hidden = any(part.startswith(".") for part in path.parts)
        if (is_hidden and not shows_hidden) or (path.parts[0] == FOLDER and not shows_handoffs):
            continue
        if not file.is_file() or workdir not in file.resolve().parents:
            continue
        paths.append(str(path))
        if len(paths) > most:
            raise BadInput(f"the glob {pattern!r} matches more than {most:,} files below {workdir}. Raise `most`")
    if not paths:
        raise BadInput(f"the glob {pattern!r} matches no file below {workdir}")
    return sorted(paths)
