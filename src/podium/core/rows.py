"""The projections: rows that cache the fold of a log, for lists, claiming and admission.

They are written in the transaction of the records they follow from, and can be rebuilt by folding.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from podium.core.definitions import Definition
from podium.core.events import StopReason, Usage
from podium.core.records import Event

Status = Literal["idle", "running", "rescheduling", "terminated"]
ZERO = Decimal(0)
WORKFLOW = "workflow:"  # so begins the need of a session that runs one


class SessionFacts(msgspec.Struct, frozen=True, gc=False):
    """What a session's row caches of the fold, and only its driver (or, while it is idle, admission) writes.

    Shape: `wake_at` is when the first thread that waits for a time goes on. `running_since` is None unless it runs.
    With `is_over_budget` its own limit in dollars has stopped it. `open_run` is the id of the workflow run that has not
    ended, or "".
    Units: `usd` what its model calls cost at list price, as far as prices are known. `active_s` is the time in which it
    was running, up to its last change of status; `threads_s` the sum of that of its threads.
    """

    status: Status
    stop_reason: StopReason | None
    usage: Usage
    usd: Decimal = ZERO
    wake_at: datetime | None = None
    active_s: float = 0.0
    threads_s: float = 0.0
    running_since: datetime | None = None
    is_over_budget: bool = False
    open_run: str = ""


class About(msgspec.Struct, frozen=True, gc=False):
    """What people say of a session, and may change whoever drives it.

    Shape: `budget` is the session's limit in dollars. What is archived takes no input, what is deleted is shown to
    nobody any more.
    """

    title: str
    metadata: dict[str, str] = {}
    budget: Decimal | None = None
    archived_at: datetime | None = None
    deleted_at: datetime | None = None


class SessionRow(msgspec.Struct, frozen=True, gc=False):
    """A session as lists, claiming and admission see it: a cache of the fold, and who drives it.

    Shape: `head` is the seq of its last record. `owner` the worker that drives it, or None. `needs` what a program
    must bring to drive it: "tool:AGENT/NAME", "model:NAME", "rehearsal:FILE:FUNCTION@SHA256",
    "workflow:PLACE:NAME@SHA256". `agent` is the version of
    the definition the primary was started with, `agent_id` and `agent_number` what the server's API calls it.
    `environment` is the id of the one it was made in, or "".
    """

    id: str
    workspace: str
    about: About
    agent: str
    agent_name: str
    agent_id: str
    agent_number: int
    environment: str
    has_prices: bool
    created_at: datetime
    updated_at: datetime
    needs: tuple[str, ...]
    program: str
    facts: SessionFacts
    paused: bool
    head: int
    epoch: int
    owner: str | None

    @property
    def title(self) -> str:
        """What it is called: the beginning of its task, or what somebody named it."""
        return self.about.title

    @property
    def is_workflow(self) -> bool:
        """Whether its primary thread is driven by a workflow, and not by a model."""
        return any(need.startswith(WORKFLOW) for need in self.needs)

    @property
    def has_failed_run(self) -> bool:
        """Whether its workflow ended in an error, and can be resumed at the call that failed."""
        reason = self.facts.stop_reason
        return self.is_workflow and reason is not None and reason.type == "retries_exhausted"

    @property
    def is_unfinished(self) -> bool:
        """Whether there is work left that needs no person's input: it runs, or was paused."""
        if self.about.deleted_at is not None or self.facts.status == "terminated":
            return False
        return self.facts.status != "idle" or self.paused


class ThreadRow(msgspec.Struct, frozen=True, gc=False):
    """The thread as lists and admission see it.

    Shape: `usage` and `usd` are those of its last idle, None before. `running_since` is None unless it runs.
    `workflow_run` is the id of the run that made it, or that of a thread above; else "".
    Units: `usd` is what its own model calls cost at list price; `active_s` its working time up to its last change of
    status.
    """

    id: str
    parent: str | None
    agent: str
    agent_name: str
    status: Status
    stop_reason: StopReason | None
    usage: Usage | None
    created_at: datetime
    updated_at: datetime
    usd: Decimal | None = None
    active_s: float = 0.0
    running_since: datetime | None = None
    workflow_run: str = ""


CallState = Literal["asks", "client", "answered", "delegated", "joined", "waits"]


class CallRow(msgspec.Struct, frozen=True, gc=False):
    """An open call as admission sees it: one that waits for somebody. A tool call that runs waits for nobody.

    Shape: it "asks" a person for approval, or waits for the "client" to give its result, and is "answered" once that
    was accepted; it is "delegated" to the thread `child`, or "joined" where others of its reply may end it; or it
    "waits" for the thread's children in the background.
    """

    id: str
    thread: str
    name: str
    input_hash: str
    state: CallState
    child: str = ""


class View(msgspec.Struct, frozen=True, gc=False):
    """What admission sees of a session: its rows, the primary's thread first, and the calls that wait for somebody.

    Shape: `find` looks an event up in the log, by its id.
    """

    row: SessionRow
    threads: tuple[ThreadRow, ...]
    calls: tuple[CallRow, ...]
    find: Callable[[str], Event | None]


class InputRow(msgspec.Struct, frozen=True, gc=False):
    """A queued input: `taken_seq` is None until the driver took it."""

    id: str
    thread: str
    queued_seq: int
    taken_seq: int | None


class Changes(msgspec.Struct, frozen=True, gc=False):
    """What some records change in the projections.

    Shape: `paused` None leaves it: anybody may pause a session, so a driver that has not folded the pause yet must not
    write over it. The same holds for `about`. Calls in `closed` may never have been in `opened`; `answered` calls no
    longer ask; those in `moved` are open, and have another `child` now. `definitions` are new ones, by version.
    """

    session: SessionFacts
    paused: bool | None = None
    threads: tuple[ThreadRow, ...] = ()
    opened: tuple[CallRow, ...] = ()
    answered: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    about: About | None = None
    definitions: Mapping[str, Definition] = {}
    moved: tuple[CallRow, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A process that drives sessions. `state` is "running" or "stopped" (by a signal)."""

    worker: str
    pid: int
    state: str
