"""Hand-offs: what one agent made, for the next one to know. Named parts; long ones go by path, with a summary line."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from podium.core.definitions import Agent
from podium.errors import BadInput, CallFailed
from podium.patterns.given import count
from podium.workflows.run import WorkflowRun
from podium.workflows.values import context_text

READERS = ("read", "bash")
SUMMARY = 160  # characters of a part that tell what it is about
MANY = 10  # parts that go by path, and more go into one file
MOST = 100_000_000
TO_BE_READ = "to be read with your tools"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something to know, with a line that says what it is: that is what an agent sees where the part goes by path."""

    content: Any
    summary: str

    def __podium_context__(self) -> list[tuple[str, str]]:
        return [("", context_text({"": self.content}))]


@dataclass(frozen=True, kw_only=True)
class Handoff:
    """What goes by path: into a file of the workdir, which the agent's tools read.

    Shape: a part does that is longer than `longest`; and if what is left is longer than `together`, the longest of it,
    until it is not. An agent that has no tool to read with is given all whole, up to `whole`.
    Units: characters, some four to a token.
    """

    longest: int = 8_000
    together: int = 32_000
    whole: int = 200_000

    def __post_init__(self) -> None:
        for name in ("longest", "together", "whole"):
            count("Handoff", name, getattr(self, name), most=MOST)


USUAL = Handoff()
Handoffs = Handoff | Literal[False] | None  # None: the usual one; False: all goes whole


@dataclass(frozen=True, slots=True)
class _Told:
    """A part as it is told. Shape: `name` and `summary` are "" for none."""

    name: str
    text: str
    summary: str = ""


async def hand_over(run: WorkflowRun, context: Any, *, to: Agent, by: Handoffs = None) -> Any:
    """The context as this agent is to be given it.

    Shape: `context` as `run.agent` takes it, and `Part`s in it.
    Errors: CallFailed where an agent without file tools would get more than goes whole, or a file cannot be written.
    """
    rule = _rule(by)
    if rule is None or context is None:
        return context
    parts = list(_parts(context))
    size = sum(len(part.text) for part in parts)
    if size <= rule.together and all(len(part.text) <= rule.longest for part in parts):
        return context
    if not any(tool in READERS for tool in to.tools if isinstance(tool, str)):
        if size <= rule.whole:
            return context
        reason = (
            f"it is to be given {size:,} characters, and at most {rule.whole:,} go whole. Give it the tool 'read', so "
            "that they go by path; or have them summarized first"
        )
        raise CallFailed(f"agent '{to.name}': {reason}", end="failed", name=to.name, reason=reason)
    long = _by_path(parts, rule)
    files = {}
    if len(long) > MANY:
        files[long[0]] = await _together(run, [parts[index] for index in long])
    else:
        for index in long:
            files[index] = await _alone(run, parts[index])
    given = [files.get(index) or part for index, part in enumerate(parts) if index in files or index not in long]
    return [{each.name: each.text} if each.name else each.text for each in given]


def _rule(by: Any) -> Handoff | None:
    """What a pattern was given as its `handoff`. Errors: BadInput."""
    if by is None:
        return USUAL
    if by is not False and not isinstance(by, Handoff):
        raise BadInput(f"handoff is a Handoff(...), or False for all to go whole, not {by!r:.80}")
    return by or None


def _parts(context: Any) -> Iterable[_Told]:
    """The parts of a context, in order."""
    if isinstance(context, Part):
        yield _Told("", context_text({"": context.content}), context.summary)
    elif (told := getattr(context, "__podium_context__", None)) is not None:
        for name, text in told():
            yield _Told(name, text)
    elif isinstance(context, Mapping):
        for name, value in context.items():
            yield _Told(str(name), context_text({"": value}), value.summary if isinstance(value, Part) else "")
    elif isinstance(context, Sequence) and not isinstance(context, str):
        for each in context:
            yield from _parts(each)
    elif context is not None:
        yield _Told("", context_text({"": context}))


def _by_path(parts: Sequence[_Told], rule: Handoff) -> list[int]:
    """The places of those that go by path."""
    longest_first = sorted(range(len(parts)), key=lambda index: -len(parts[index].text))
    left, found = sum(len(part.text) for part in parts), []
    for index in longest_first:
        length = len(parts[index].text)
        if length <= rule.longest and left <= rule.together:
            break
        left -= length
        found.append(index)
    return sorted(found)


async def _alone(run: WorkflowRun, part: _Told) -> _Told:
    about, kind = _about(part.text)
    path = await run.file((part.name or "part") + kind, part.text)
    said = f"in the file {path} ({len(part.text):,} characters), {TO_BE_READ}; {part.summary or about}"
    return _Told(part.name, said)


async def _together(run: WorkflowRun, parts: Sequence[_Told]) -> _Told:
    """Many parts in one file: a line for each would be long again."""
    text = context_text([{part.name: part.text} for part in parts])
    path = await run.file("parts", text)
    names = _shortened(", ".join(part.name for part in parts if part.name))
    said = f"in the file {path} ({len(text):,} characters), each under its name, {TO_BE_READ}: {names}"
    return _Told(f"{len(parts)} parts", said)


def _about(text: str) -> tuple[str, str]:
    """What a part is about that has no summary, and how the file's name ends."""
    try:
        value = msgspec.json.decode(text) if text[:1] in ("{", "[") else None
    except (msgspec.DecodeError, RecursionError):
        value = None
    first = value[0] if isinstance(value, list) and value else value
    keys = _shortened(", ".join(first)) if isinstance(first, Mapping) else ""
    if isinstance(value, list):
        return f"a JSON list of {len(value):,}{f', the first with the keys {keys}' if keys else ''}", ".json"
    if keys:
        return f"JSON with the keys {keys}", ".json"
    return f"it begins: {_shortened(text[: 2 * SUMMARY])}", ""


def _shortened(text: str) -> str:
    return " ".join(text.split())[:SUMMARY]
