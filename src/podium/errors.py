"""Every error Podium raises, in one tree.

    PodiumError
    ├── BadInput            the caller can mend it: definitions, team files, arguments, schemas
    │   ├── UnknownName     a name that is not there; the message names the nearest right one
    │   ├── CyclicRoster    agents that may call each other in a circle
    │   ├── NeedsUnmet      a session needs functions or models this program has not given
    │   ├── NoPrice         a limit in dollars over models whose price nobody knows
    │   └── WorkflowChanged a workflow does not make the calls that were recorded of it
    ├── StoreError          the log could not be read or written
    │   ├── StoreDown       cannot be reached, locked, full, read-only; nothing was written
    │   ├── StoreCorrupt    the file is damaged, or newer than this version
    │   ├── Fenced          a newer driver has claimed the session; this one must stop
    │   └── Refused         an append or an input that the log's rules do not allow; nothing was written
    │       ├── Owned       another live process drives the session
    │       └── RunOpen     a workflow run of the session has not ended
    ├── Conflict            the thing was changed meanwhile, or exists: look at it again
    │   ├── KeyReused       an Idempotency-Key of another request; a BadInput too
    │   └── Answered        a call that asked was answered before; a Refused too
    ├── NotFound            no such session, thread or definition for this caller
    ├── SandboxUnavailable  no sandbox passed its self-test; tools that need one are refused
    ├── ModelFailed         a model call that gave no reply
    └── CallFailed          a call of a workflow gave no result; raised in the workflow
        ├── Denied          a person said no at a checkpoint
        └── JoinFailed      too many calls of a gather failed for its rule to be met

Why a session stopped is data (a stop reason), not an exception.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from podium.core.events import Usage
    from podium.core.ports import Rates


class PodiumError(Exception):
    """Anything Podium raises on purpose. Its text says what happened and what to do."""


class BadInput(PodiumError):
    """What was given cannot be used; nothing was started."""


class UnknownName(BadInput):
    """A name that does not exist here."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, where: str = "", remedy: str = "") -> None:
        names = sorted(known)
        near = get_close_matches(str(name), names, n=1)
        parts = [f"{where}: " if where else "", f"unknown {kind} '{name}'"]
        if near:
            parts.append(f", did you mean '{near[0]}'?")
        elif names:
            parts.append(f" (known: {', '.join(names)})")
        else:
            parts.append(f" (there is no {kind} here)")
        if remedy:
            parts.append(f". {remedy}" if not near else f" {remedy}")
        super().__init__("".join(parts))


class CyclicRoster(BadInput):
    """Agents that may call each other in a circle; the message draws it."""

    def __init__(self, cycle: Iterable[str]) -> None:
        super().__init__(
            f"agents call each other in a circle: {' -> '.join(cycle)}. "
            "Remove one of these calls; an agent that may call itself lists 'self'."
        )


class NeedsUnmet(BadInput):
    """The session uses parts that live in a program, and this program has not given them."""


class NoPrice(BadInput):
    """A limit in dollars could not be kept: the price of a model is not known."""


class WorkflowChanged(BadInput):
    """A workflow that is resumed does not make the calls that were recorded; nothing was done, nothing is lost."""


class StoreError(PodiumError):
    """The log could not be read or written."""


class StoreDown(StoreError):
    """The database cannot be reached, is locked, full or read-only. Nothing was written."""


class StoreCorrupt(StoreError):
    """The database is damaged, is no Podium database, or was written by a newer version."""


class Fenced(StoreError):
    """A newer driver has claimed the session: this one stops and writes nothing more."""


class Refused(StoreError):
    """The log's rules do not allow this append or input. Nothing was written.

    Shape: of several inputs that were handed over together, `request` is the number of the one that it is about.
    """

    request = 0


class WrongThread(Refused):
    """The call is of another thread than the one that was named with it."""


class Owned(Refused):
    """Another live process drives the session; the text names it."""


class RunOpen(Refused):
    """A workflow run of the session has not ended: it, and what belongs to it, cannot be put away."""


class Conflict(PodiumError):
    """What was to be changed is not what the caller saw, or exists already. Nothing was written; look at it again."""


class KeyReused(BadInput, Conflict):
    """An Idempotency-Key was sent with another request before."""


class Answered(Refused, Conflict):
    """The call asked, and no longer does: somebody was first, or it was closed. What was written first stands."""


class NotFound(PodiumError):
    """There is no such thing for this caller.

    Shape: `request` as in `Refused`; None if it is the session itself that is not there.
    """

    request: int | None = None


class SandboxUnavailable(PodiumError):
    """No sandbox kept its promises on this machine. Tools that need one are refused; the text has the remedy."""


CallEnd = Literal["failed", "cancelled", "timed_out", "over_budget", "unknown", "denied"]


class CallFailed(PodiumError):
    """A call of a workflow gave no result. Where nobody catches it, it ends the run, which can be resumed there.

    Shape: `end` is how it ended: "failed", "timed_out" or "over_budget" at a limit, "unknown" for a function whose
    process ended while it ran, "denied" by a person, "cancelled" if its result was not needed any more. `name` is that
    of the call, `reason` why; `partial` is what an agent that met a limit had by then; `thread_id` where it worked.
    """

    def __init__(
        self,
        message: str,
        *,
        end: CallEnd,
        name: str = "",
        reason: str = "",
        partial: str = "",
        thread_id: str = "",
        keys: Iterable[str] = (),
    ) -> None:
        super().__init__(message)
        self.end: CallEnd = end
        self.name = name
        self.reason = reason
        self.partial = partial
        self.thread_id = thread_id
        self.keys = frozenset(keys)  # the places of the calls in the program


class Denied(CallFailed):
    """A person said no at a checkpoint; `reason` is what they gave."""


class JoinFailed(CallFailed):
    """Too many calls of a gather failed for its rule to be met. `gathered` has what came, and what is missing."""

    gathered: Any = None


ModelFailure = Literal["failed", "refused", "rate_limited", "overloaded", "transient", "too_long"]


class ModelFailed(PodiumError):
    """A model call gave no reply. `place` is where in the model's code, for people and not for other models.

    Shape: `kind` is "rate_limited" (429), "overloaded" (529), "transient" (a broken connection or answer, a server's
    trouble, a deadline): these are tried again; "too_long" for the model's context; "refused" (the request is wrong or
    not allowed) and "failed": these are not. `usage` is what was used up all the same, as far as it is known; `rates`
    what the provider said of its limits.
    Units: `retry_after_s` seconds, as the provider asked.
    """

    def __init__(
        self,
        reason: str,
        place: str = "",
        *,
        kind: ModelFailure = "failed",
        retry_after_s: float | None = None,
        usage: "Usage | None" = None,
        rates: "Rates | None" = None,
    ) -> None:
        super().__init__(reason)
        self.place = place
        self.kind: ModelFailure = kind
        self.retry_after_s = retry_after_s
        self.usage = usage
        self.rates = rates
