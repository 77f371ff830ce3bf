"""Starts victims, kills them at chosen moments, and finds out from the log what each kill has hit.

What a kill has hit is told by the session's log as the dead process left it, and by what the process had said before:

    commit      a model's reply or a tool's result was there, and its record is not in the log
    delegation  a thread was opened, and its first model call is not in the log
    tool        a call is started in the log, and has no result
    model       a model call is begun in the log, and not ended
    other       none of these: the process was starting, recovering, or between two sessions

Several threads are at work at once, so a kill may hit several of these; it counts for the first in this order. What it
hits besides is counted for each of these:

    approval     a call asks a person, and has no answer
    timer        a thread waits for the time to call its model again
    background   a thread works for which no call waits
    compaction   a model is about to shorten its thread's context
    reservation  money is set aside for a model call
"""

import asyncio
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from podium.core.content import plain
from podium.core.events import (
    AgentToolResult,
    AgentToolUse,
    MessageReceived,
    ModelRequestEnd,
    ModelRequestStart,
    UserMessage,
)
from podium.core.facts import DelegationOpened, ModelCalled, ModelReplied, ToolStarted
from podium.core.records import Record
from podium.core.session import fold
from podium.engine.clock import SortedIds, SystemClock
from podium.errors import StoreDown
from podium.store.sqlite import SqliteStore, read_log
from tests.invariants import Kept, read, violations

ROOT = Path(__file__).parents[2]
VICTIM = Path(__file__).with_name("victim.py")
PERSON = Path(__file__).with_name("person.py")
CLASSES = ("model", "tool", "delegation", "commit")
BESIDES = ("approval", "timer", "background", "compaction", "reservation")
GONE_WITHIN_S = 1.0


class Spoken:
    """A process that says what it does. What it says is read as it comes."""

    def __init__(self, program: Path, folder: Path, *args: str) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, str(program), *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        )
        assert self._popen.stdout is not None
        self._out = self._popen.stdout.fileno()
        self._rest = b""
        self.pid = self._popen.pid
        self.lines: list[str] = []

    def hear(self, timeout_s: float) -> list[str]:
        """The lines that it says next; none if it is silent for so long, or has ended."""
        if not select.select([self._out], [], [], max(0.0, timeout_s))[0]:
            return []
        *lines, self._rest = (self._rest + os.read(self._out, 1 << 20)).split(b"\n")
        heard = [line.decode() for line in lines]
        self.lines += heard
        return heard

    def wait_for(self, begin: str, *, nth: int = 1, timeout_s: float = 20.0) -> str | None:
        """The nth line that begins like this, or None if it has not come by then."""
        until = time.monotonic() + timeout_s
        seen = 0
        while (left := until - time.monotonic()) > 0:
            for line in self.hear(left):
                seen += line.startswith(begin)
                if seen == nth and line.startswith(begin):
                    return line
            if self._popen.poll() is not None and not select.select([self._out], [], [], 0)[0]:
                return None
        return None

    def stop(self) -> None:
        """SIGSTOP; it has stopped when this returns."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)

    def go_on(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """kill -9; it is gone when this returns, and all it has said is in `lines`."""
        self._popen.kill()
        self.end()

    def end(self) -> int:
        """Wait for its end; its exit code. May be called twice."""
        if self._popen.stdout is not None and self._popen.stdout.closed:
            return self._popen.wait()
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        *lines, _ = (self._rest + self._popen.stdout.read()).split(b"\n")
        self.lines += [line.decode() for line in lines]
        self.said_wrong = self._popen.stderr.read().decode()
        code = self._popen.wait()
        self._popen.stdout.close()
        self._popen.stderr.close()
        return code

    def heard(self, begin: str) -> list[str]:
        """What came after this in the lines that begin with it."""
        return [line.removeprefix(f"{begin} ") for line in self.lines if line.startswith(f"{begin} ")]


class Victim(Spoken):
    """A process of `victim.py`."""

    def __init__(self, mode: str, folder: Path, *args: str) -> None:
        super().__init__(VICTIM, folder, mode, str(folder), *args)


@dataclass
class Hunt:
    """Many victims on one folder, one after another, and what became known about them."""

    folder: Path
    chance: random.Random
    hits: Counter[str] = field(default_factory=Counter)
    besides: Counter[str] = field(default_factory=Counter)
    told: set[tuple[str, str]] = field(default_factory=set)  # inputs that a person gave: sessions and events
    acknowledged: dict[tuple[str, int], str] = field(default_factory=dict)
    cut: set[tuple[str, str]] = field(default_factory=set)  # sessions and calls that a kill has cut
    sessions: dict[str, None] = field(default_factory=dict)
    left_behind: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.person = Spoken(PERSON, self.folder, str(self.folder))

    def kill_one(self) -> str:
        """Start a victim, let it work, kill it; what was hit."""
        victim = Victim("work", self.folder)
        try:
            self._choose_the_moment(victim)
        finally:
            victim.kill()
        assert victim.said_wrong.count("Traceback") == 0, victim.said_wrong
        self._listen(victim)
        self.left_behind += sandboxes_of(self.folder)
        if running := victim.heard("session"):
            [kept] = asyncio.run(self.read(running[-1:]))
            self.besides.update(_besides(kept))
        hit = self._what_was_hit(victim)
        self.hits[hit] += 1
        return hit

    def finish(self) -> None:
        """A last victim brings everything to its end; then the person may leave."""
        victim = Victim("finish", self.folder)
        assert victim.end() == 0, victim.said_wrong
        self._listen(victim)
        self.person.kill()
        assert not self.person.said_wrong, self.person.said_wrong
        self.told = {(session, event) for session, event in (line.split(" ") for line in self.person.heard("told"))}

    async def read(self, sessions: Iterable[str]) -> list[Kept]:
        """These sessions as they are on the disk, where they hold the invariants."""
        store = SqliteStore.open(self.folder / "data", SystemClock(), SortedIds())
        kept = []
        for session in sessions:
            found = await read(store, session)
            while await store.session(session) != found.row:  # the person has given an input in between
                found = await read(store, session)
            assert not (wrong := violations(found)), "\n".join(wrong)
            kept.append(found)
        await store.close()
        return kept

    def _choose_the_moment(self, victim: Victim) -> None:
        """Return when it is time to kill: mostly where the class that was hit least may be hit."""
        chance = self.chance
        if chance.random() < 0.1:
            time.sleep(chance.uniform(0.0, 1.0))
            return
        hits = self.hits + self.besides
        wanted = min((*CLASSES, *BESIDES), key=lambda kind: hits[kind])
        nth = chance.randint(1, 8)
        if wanted == "model":
            victim.wait_for("model-begin", nth=nth, timeout_s=3)
            time.sleep(chance.uniform(0.0, 0.025))
        elif wanted == "tool":
            victim.wait_for("tool-begin", nth=nth, timeout_s=3)
            time.sleep(chance.uniform(0.0, 0.025))
        elif wanted == "commit":
            victim.wait_for(chance.choice(["model-end", "tool-end"]), nth=nth, timeout_s=3)
            time.sleep(chance.uniform(0.0, 0.001))
        elif wanted == "compaction":
            _wait_until(victim, "model-begin", "+")
            time.sleep(chance.uniform(0.0, 0.02))
        elif wanted == "timer":
            victim.wait_for("model-fail", nth=chance.randint(1, 3), timeout_s=3)
            time.sleep(chance.uniform(0.002, 0.03))
        elif wanted in BESIDES:  # they last
            victim.wait_for("model-end", nth=nth, timeout_s=3)
            time.sleep(chance.uniform(0.0, 0.1))
        else:
            self._wait_for_a_delegation(victim)
            time.sleep(chance.uniform(0.0, 0.006))

    def _wait_for_a_delegation(self, victim: Victim) -> None:
        """Until the model of one who delegates has answered: the lead's first turn, or the middle one's."""
        _wait_until(victim, "model-end", self.chance.choice([".0", "/m.0"]))

    def _listen(self, victim: Victim) -> None:
        for line in victim.heard("ack"):
            session, seq, kind = line.split(" ")
            self.acknowledged[session, int(seq)] = kind
        self.sessions.update(dict.fromkeys(victim.heard("session")))

    def _what_was_hit(self, victim: Victim) -> str:
        running = victim.heard("session")
        if not running or victim.lines[-1].startswith(("over", "rests")):
            return "other"
        state = Open(self.log(running[-1]))
        self.cut |= {(running[-1], call) for call in state.tools}
        ended = {*victim.heard("model-end"), *victim.heard("tool-end")}
        if ended & {*state.models.values(), *state.tools.values()}:
            return "commit"
        if state.newborn:
            return "delegation"
        if state.tools:
            return "tool"
        return "model" if state.models else "other"

    def log(self, session: str) -> list[Record]:
        """The session's log as it is on the disk."""
        for _ in range(100):
            try:
                return read_log(self.folder / "data", session)
            except StoreDown:  # a reader may find the database being taken over by nobody in particular
                time.sleep(0.01)
        raise AssertionError(f"the log of {session} cannot be read")


class Open:
    """What a log leaves open, by the keys that a victim says: model calls by thread, tools by call, newborn threads."""

    def __init__(self, records: list[Record]) -> None:
        self.models: dict[str, str] = {}
        self.tools: dict[str, str] = {}
        self.newborn: set[str] = set()
        tasks: dict[str, str] = {}
        turns: Counter[str] = Counter()
        inputs: dict[str, str] = {}
        for record in records:
            thread, event = record.thread, record.event
            if isinstance(event, UserMessage | MessageReceived) and thread not in tasks:
                tasks[thread] = plain(event.content)
            elif isinstance(event, ModelReplied):
                turns[thread] += 1
            elif isinstance(event, ModelRequestStart):
                self.models[thread] = f"{tasks[thread]}.{turns[thread]}"
                self.newborn.discard(thread)
            elif isinstance(event, ModelCalled):
                self.models[thread] += "+" if event.purpose == "compact" else ""
            elif isinstance(event, ModelRequestEnd):
                self.models.pop(thread, None)
            elif isinstance(event, DelegationOpened):
                self.newborn.add(event.thread)
            elif isinstance(event, AgentToolUse):
                inputs[event.id] = str(event.input.get("key", ""))
            elif isinstance(event, ToolStarted):
                self.tools[event.call] = inputs[event.call]
            elif isinstance(event, AgentToolResult):
                self.tools.pop(event.tool_use_id, None)


def _wait_until(victim: Victim, begin: str, end: str) -> None:
    """Until it says a line that begins and ends like this, of a thread as deep as the end is; not for long."""
    until = time.monotonic() + 3
    while time.monotonic() < until:
        line = victim.wait_for(begin, timeout_s=until - time.monotonic())
        if line is not None and line.endswith(end) and (end == "+" or ("/" in line) == ("/" in end)):
            return


def _besides(kept: Kept) -> list[str]:
    """What was hit besides, by the log as the dead process left it."""
    state = fold(kept.row.id, kept.definitions, kept.records)
    threads = state.threads.values()
    hit = {
        "approval": any(state.waiting_calls()),
        "timer": any(thread.retry_at is not None for thread in threads),
        "background": any(thread.is_open and thread.background for thread in threads),
        "compaction": any(thread.span is not None and thread.purpose == "compact" for thread in threads),
        "reservation": any(thread.span_reserved_usd is not None for thread in threads),
    }
    return [kind for kind, is_hit in hit.items() if is_hit]


def sandboxes_of(folder: Path) -> list[str]:
    """Processes that still see this folder, which only sandboxes of its sessions mount, a while after a kill."""
    until = time.monotonic() + GONE_WITHIN_S
    while (found := _that_mount(folder)) and time.monotonic() < until:
        time.sleep(0.01)
    return found


def _that_mount(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and str(folder) in (process / "mountinfo").read_text():
                found.append(f"{process.name} {(process / 'cmdline').read_bytes()!r}")
        except OSError:  # it has ended, or is not ours to look at
            continue
    return found
