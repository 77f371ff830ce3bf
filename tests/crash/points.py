"""Kills a session at the boundaries of its ports, and plays it to its end in new processes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from podium.core.content import Message, TextBlock, ToolResultBlock, ToolUseBlock
from podium.core.events import SessionIdle
from podium.core.session import SessionState
from tests.crash.plays import Play
from tests.lab.lab import SESSION, Act
from tests.lab.log import Played
from tests.lab.world import Fuse, Killed

MOST_PROCESSES = 12  # to bring a session to its end; more means that it goes nowhere


def killed_at(build: Callable[[], Play], *points: int) -> tuple[Play, Played, list[str]]:
    """Play it, and kill its first process at the first of these boundaries, the next one at the second, and so on.

    Shape: the play, how it ended, and the boundaries at which it was killed: fewer than `points` if it came to its end
    before.
    """
    play = build()
    deaths: list[str] = []
    fuses: Iterator[Fuse] = iter([Fuse(point) for point in points])
    for _ in range(len(points) + MOST_PROCESSES):
        try:
            played = live(play, next(fuses, Fuse()))
        except Killed as death:
            deaths.append(str(death))
            if SESSION in play.lab.world.log.sessions:
                play.lab.played()  # what was left behind holds the invariants too
            continue
        if isinstance(played.records[-1].event, SessionIdle) and not played.state.paused:
            return play, played, deaths
    raise AssertionError(f"after {MOST_PROCESSES} processes the session has not come to its end: {deaths}")


def live(play: Play, fuse: Fuse, acts: Sequence[Act] | None = None) -> Played:
    """One process of the play; `acts` come in place of the play's own."""
    if SESSION not in play.lab.world.log.sessions:
        return play.lab.run(play.lead, acts=play.acts if acts is None else acts, limits=play.limits, fuse=fuse)
    return play.lab.resume(fuse=fuse, acts=acts or [])


def essence(state: SessionState) -> dict[str, Any]:
    """What a session came to, without its ids, times and attempts: its threads by their place in the tree."""
    paths: dict[str, str] = {}
    calls: dict[str, str] = {}
    threads: dict[str, Any] = {}
    for thread in state.threads.values():
        thread.transcript.send()
        messages = list(thread.transcript.sent())
        path = "lead" if thread.parent is None else calls[thread.call or ""]
        paths[thread.id] = path
        for turn, message in enumerate(messages):
            for place, block in enumerate(message.content):
                if isinstance(block, ToolUseBlock):
                    calls[block.id] = f"{path}/{turn}.{place}:{block.name}"
        threads[path] = {
            "agent": thread.definition.name,
            "messages": [_plain(message, calls) for message in messages],
            "status": thread.status,
            "stop_reason": thread.stop_reason,
            "output": thread.output if thread.submitted else thread.last_text,
            "usage": thread.usage,
            "turns": thread.turns,
        }
    return {"status": state.status, "reason": state.stop_reason, "usage": state.usage, "threads": threads}


def _plain(message: Message, calls: dict[str, str]) -> list[Any]:
    said: list[Any] = [message.role]
    for block in message.content:
        match block:
            case TextBlock(text=words):
                said.append(words)
            case ToolUseBlock(id=id, input=given):
                said.append((calls[id], given))
            case ToolResultBlock(tool_use_id=id, content=content, is_error=is_error):
                said.append((calls[id], content, is_error))
    return said
