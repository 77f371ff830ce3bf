"""The projections: rows that cache the fold of a log, for lists, claiming and admission.

They are written in the transaction of the records they follow from, and can be rebuilt by folding.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from podium.core.events import StopReason, Usage

Status = Literal["idle", "running", "rescheduling", "terminated"]
ZERO = Decimal(0)


class SessionFacts(msgspec.Struct, frozen=True, gc=False):
    """What a session's row caches of the fold, and only its driver (or, while it is idle, admission) writes.

    Shape: `wake_at` is when the first thread that waits for a time goes on.
    Units: `usd` what its model calls cost at list price, as far as prices are known.
    """

    status: Status
    stop_reason: StopReason | None
    usage: Usage
    usd: Decimal = ZERO
    wake_at: datetime | None = None


class SessionRow(msgspec.Struct, frozen=True, gc=False):
    """A session as lists, claiming and admission see it: a cache of the fold, and who drives it.

    Shape: `head` is the seq of its last record. `owner` the worker that drives it, or None. `needs` what a program
    must bring to drive it: "tool:AGENT/NAME", "model:NAME", "rehearsal:FILE:FUNCTION@SHA256".
    """

    id: str
    workspace: str
    title: str
    agent: str
    agent_name: str
    created_at: datetime
    needs: tuple[str, ...]
    program: str
    facts: SessionFacts
    paused: bool
    head: int
    epoch: int
    owner: str | None

    @property
    def is_unfinished(self) -> bool:
        """Whether there is work left that needs no person's input: it runs, or was paused."""
        return self.facts.status != "idle" or self.paused


class ThreadRow(msgspec.Struct, frozen=True, gc=False):
    """The thread as lists and admission see it. `usage` is that of its last idle, as on the wire."""

    id: str
    parent: str | None
    agent: str
    agent_name: str
    status: Status
    stop_reason: StopReason | None
    usage: Usage | None
    created_at: datetime


CallState = Literal["asks", "answered", "delegated", "waits"]


class CallRow(msgspec.Struct, frozen=True, gc=False):
    """An open call as admission sees it: one that waits for somebody. A tool call that runs waits for nobody.

    Shape: it "asks" a person for approval, and is "answered" once that was accepted; it is "delegated" to the thread
    `child`; or it "waits" for the thread's children in the background.
    """

    id: str
    thread: str
    name: str
    input_hash: str
    state: CallState
    child: str = ""


class View(msgspec.Struct, frozen=True, gc=False):
    """What admission sees of a session: its rows, the primary's thread first, and the calls that wait for somebody."""

    row: SessionRow
    threads: tuple[ThreadRow, ...]
    calls: tuple[CallRow, ...]


class InputRow(msgspec.Struct, frozen=True, gc=False):
    """A queued input: `taken_seq` is None until the driver took it."""

    id: str
    thread: str
    queued_seq: int
    taken_seq: int | None


class Changes(msgspec.Struct, frozen=True, gc=False):
    """What some records change in the projections.

    Shape: `paused` None leaves it: anybody may pause a session, so a driver that has not folded the pause yet must not
    write over it. Calls in `closed` may never have been in `opened`; `answered` calls no longer ask.
    """

    session: SessionFacts
    paused: bool | None = None
    threads: tuple[ThreadRow, ...] = ()
    opened: tuple[CallRow, ...] = ()
    answered: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A process that drives sessions. `state` is "running" or "stopped" (by a signal)."""

    worker: str
    pid: int
    state: str
