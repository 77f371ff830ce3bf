"""Hand-offs: what one agent made, for the next one to know. Named parts; long ones go by path, with a summary line."""

import hashlib
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podium.core.definitions import Agent
from podium.errors import BadInput
from podium.patterns.given import count
from podium.workflows.run import WorkflowRun
from podium.workflows.values import context_text

FOLDER = "handoffs"  # in the workdir
READERS = ("read", "bash")
SUMMARY = 160  # characters of a part that tell what it is about
MOST = 100_000_000


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something to know, with a line that says what it is: that is what an agent sees where the part goes by path."""

    content: Any
    summary: str

    def __podium_context__(self) -> list[tuple[str, str]]:
        return [("", _text(self.content))]


@dataclass(frozen=True, kw_only=True)
class Handoff:
    """Where long parts go: into files of the run's workdir, which the agents' tools read.

    Shape: `workdir` is the folder that the session was started with. A part goes by path if it is longer than
    `longest`, or if all of them are longer than `together`. To an agent that has no tool to read it with, it goes
    whole, up to `whole` for all.
    Units: characters, some four to a token.
    """

    workdir: Path | str
    longest: int = 8_000
    together: int = 32_000
    whole: int = 200_000

    def __post_init__(self) -> None:
        for name in ("longest", "together", "whole"):
            count("Handoff", name, getattr(self, name), most=MOST)


async def hand_over(run: WorkflowRun, context: Any, *, to: Agent, by: Handoff | None) -> Any:
    """The context as this agent is to be given it.

    Shape: `context` as `run.agent` takes it, and `Part`s in it. Without a `Handoff` it goes whole.
    Errors: BadInput where an agent without file tools would get more than goes whole.
    """
    if by is None or context is None:
        return context
    parts = named_parts(context)
    size = sum(len(said) for _, said, _ in parts)
    if size <= by.together and all(len(said) <= by.longest for _, said, _ in parts):
        return context
    if not any(tool in READERS for tool in to.tools if isinstance(tool, str)):
        if size <= by.whole:
            return context
        raise BadInput(
            f"agent '{to.name}' is to be given {size:,} characters, and at most {by.whole:,} go whole. Give it the "
            "tool 'read', so that they go by path; or have them summarized first"
        )
    is_crowded = size > by.together
    given = []
    for name, said, summary in parts:
        if len(said) > by.longest or (is_crowded and len(said) > 2 * SUMMARY):
            said = await _by_path(run, name, said, summary, by)
        given.append({name: said} if name else said)
    return given


def named_parts(context: Any) -> list[tuple[str, str, str]]:
    """The parts of a context: name ("" for none), text and summary ("" for none)."""
    if isinstance(context, Part):
        return [("", _text(context.content), context.summary)]
    told = getattr(context, "__podium_context__", None)
    if told is not None:
        return [(name, said, "") for name, said in told()]
    if isinstance(context, Mapping):
        summaries = {name: value.summary for name, value in context.items() if isinstance(value, Part)}
        return [(str(name), _text(value), summaries.get(name, "")) for name, value in context.items()]
    if isinstance(context, Sequence) and not isinstance(context, str):
        return [part for each in context for part in named_parts(each)]
    return [] if context is None else [("", _text(context), "")]


def _text(value: Any) -> str:
    return context_text({"": value})


async def _by_path(run: WorkflowRun, name: str, said: str, summary: str, by: Handoff) -> str:
    """What the agent is told instead of the part. The file is named by its content: the same part, the same file."""
    data = said.encode()
    slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40] or "part"
    file = f"{slug}-{hashlib.sha256(data).hexdigest()[:12]}.txt"

    def write(path: str) -> str:
        write_below(Path(by.workdir), file, data)
        return path

    path = await run.step(write, f"{FOLDER}/{file}", name="hand over", idempotent=True)
    about = summary or f"it begins: {' '.join(said[: 2 * SUMMARY].split())[:SUMMARY]}"
    return f"in the file {path} ({len(said):,} characters), to be read with your tools; {about}"


def write_below(workdir: Path, name: str, data: bytes) -> None:
    """Write a file of the workdir's folder for hand-offs, whole or not at all.

    No link is followed: agents write to the workdir, and could lay one that leads out of it.
    Errors: BadInput for a workdir, or a folder in it, that is none.
    """
    try:
        root = os.open(workdir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise BadInput(f"the workdir {workdir} of a hand-off cannot be opened: {error.strerror}") from None
    try:
        if FOLDER not in os.listdir(root):
            os.mkdir(FOLDER, dir_fd=root)
        try:
            folder = os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
        except OSError as error:
            raise BadInput(f"{workdir / FOLDER} is no folder that hand-offs can go to: {error.strerror}") from None
    finally:
        os.close(root)
    new = f".{secrets.token_hex(8)}"  # a new file always: what lies there may be a link, or wait for a reader
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(data)
            os.replace(new, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            os.unlink(new, dir_fd=folder)
            raise
    finally:
        os.close(folder)
