"""What a fold makes of the projections: what has changed in them since the last append, or the whole of them."""

from collections.abc import Mapping

from podium.core.definitions import Definition
from podium.core.json import digest
from podium.core.rows import CallRow, Changes, SessionFacts
from podium.core.thread import OpenCall, ThreadState


class News:
    """What has changed in the projections of a session since this was last asked."""

    __slots__ = ("_closed", "_defined", "_moved", "_opened", "_paused", "_threads")

    def __init__(self) -> None:
        self._threads: dict[str, None] = {}
        self._opened: dict[str, tuple[str, OpenCall]] = {}  # by call: its thread's id, and the call
        self._moved: dict[str, tuple[str, OpenCall]] = {}  # those that were opened before, and have another child now
        self._closed: list[str] = []
        self._defined: dict[str, Definition] = {}
        self._paused: bool | None = None

    def thread(self, id: str) -> None:
        """The thread's row is another."""
        self._threads[id] = None

    def call(self, thread: str, call: OpenCall) -> None:
        """The call waits for somebody."""
        self._opened[call.id] = thread, call

    def child(self, thread: str, call: OpenCall) -> None:
        """Another child works on the call."""
        if call.id not in self._opened:
            self._moved[call.id] = thread, call

    def no_call(self, id: str) -> None:
        """The call waits for nobody any more."""
        self._moved.pop(id, None)
        if self._opened.pop(id, None) is None:
            self._closed.append(id)

    def definition(self, definition: Definition) -> None:
        """An agent that the session was not started with."""
        self._defined[definition.version] = definition

    def paused(self, is_paused: bool) -> None:
        """The session was paused by a person, or goes on."""
        self._paused = is_paused

    def taken(self, facts: SessionFacts, threads: Mapping[str, ThreadState]) -> Changes:
        """All of it, which is told this once."""
        changes = Changes(
            facts,
            self._paused,
            tuple([threads[id].row() for id in self._threads]) if self._threads else (),
            _rows(self._opened),
            (),
            tuple(self._closed),
            None,
            self._defined,
            _rows(self._moved),
        )
        if self._threads:
            self._threads = {}
        if self._opened:
            self._opened = {}
        if self._moved:
            self._moved = {}
        if self._closed:
            self._closed = []
        if self._defined:
            self._defined = {}
        self._paused = None
        return changes


def _rows(calls: Mapping[str, tuple[str, OpenCall]]) -> tuple[CallRow, ...]:
    return tuple([call_row(thread, call) for thread, call in calls.values()]) if calls else ()


def call_row(thread: str, call: OpenCall) -> CallRow:
    """The row of a call that waits for somebody."""
    return CallRow(call.id, thread, call.name, digest(call.input), call.state, call.child or "")
