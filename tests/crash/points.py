"""Kills a session at the boundaries of its ports, and plays it to its end in new processes."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from podium.core.content import Message, TextBlock, ToolResultBlock, ToolUseBlock, plain
from podium.core.events import SessionIdle
from podium.core.inputs import Update
from podium.core.session import SessionState
from tests.crash.people import answer
from tests.crash.play import Play
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
        if not isinstance(played.records[-1].event, SessionIdle) or played.state.paused:
            continue
        if not goes_on(play, played):
            return play, played, deaths
    raise AssertionError(f"after {MOST_PROCESSES} processes the session has not come to its end: {deaths}")


def goes_on(play: Play, played: Played) -> bool:
    """Whether a person who finds the session idle has it go on."""
    if played.stop_reason == "requires_action":
        answer(played, play.lab)
        return True
    if played.stop_reason == "budget_reached" and play.raised_to not in (None, played.state.settings.usd):
        play.lab.tell(Update(budget=Decimal(play.raised_to or 0)))
        return True
    return False


def live(play: Play, fuse: Fuse, acts: Sequence[Act] | None = None) -> Played:
    """One process of the play; `acts` come in place of the play's own."""
    if SESSION not in play.lab.world.log.sessions:
        return play.lab.run(play.lead, acts=play.acts if acts is None else acts, limits=play.limits, fuse=fuse)
    return play.lab.resume(fuse=fuse, acts=acts or [])


def essence(state: SessionState) -> dict[str, Any]:
    """What a session came to, without its ids, times and attempts: its threads by their place in the tree.

    Shape: where a text names a thread, its place stands there.
    """
    places: dict[str, str] = {}
    born: Counter[str] = Counter()
    for thread in state.threads.values():
        above = thread.parent or ""
        places[thread.id] = f"{places.get(above, '')}/{born[above]}:{thread.definition.name}"
        born[above] += 1
    told = {}
    for thread in state.threads.values():
        thread.transcript.send()
        messages = list(thread.transcript.sent())
        calls = {
            block.id: f"{turn}.{place}"
            for turn, message in enumerate(messages)
            for place, block in enumerate(message.content)
            if isinstance(block, ToolUseBlock)
        }
        told[places[thread.id]] = {
            "messages": [_plain(message, calls, places) for message in messages],
            "status": thread.status,
            "stop_reason": thread.stop_reason,
            "result": _placed(thread.result_text(), places),
            "usage": thread.usage,
            "turns": thread.turns,
        }
    return {"status": state.status, "reason": state.stop_reason, "usage": state.usage, "threads": told}


def _plain(message: Message, calls: Mapping[str, str], places: Mapping[str, str]) -> list[Any]:
    said: list[Any] = [message.role]
    for block in message.content:
        match block:
            case ToolUseBlock(id=id, name=name, input=given):
                said.append((calls[id], name, _placed(str(given), places)))
            case ToolResultBlock(tool_use_id=id, content=content, is_error=is_error):
                said.append((calls[id], _placed(plain(content), places), is_error))
            case TextBlock(text=words):
                said.append(_placed(words, places))
            case _:
                said.append(block)
    return said


def _placed(words: str, places: Mapping[str, str]) -> str:
    return re.sub(r"sthr_\d+", lambda id: places.get(id[0], id[0]), words)
