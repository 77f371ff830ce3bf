"""Those who wait, in fair order."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator

from podium.engine.limiter.slot import Slot

Threads = OrderedDict[str, deque[Slot]]
Sessions = OrderedDict[str, Threads]


class Line:
    """Workspaces take turns, in each its sessions, in each its threads; a thread's calls go as they came.

    Whoever was served goes to the end of the turns, at every level. So nobody gains by asking for more.
    """

    def __init__(self) -> None:
        self._workspaces: OrderedDict[str, Sessions] = OrderedDict()
        self._waiting: Counter[tuple[str, str]] = Counter()

    def __bool__(self) -> bool:
        return bool(self._workspaces)

    def __iter__(self) -> Iterator[Slot]:
        """The first call of each thread, those first whose turn is next."""
        for sessions in self._workspaces.values():
            for threads in sessions.values():
                for slots in threads.values():
                    yield slots[0]

    @property
    def lanes(self) -> int:
        """In how many lanes calls wait."""
        return len(self._waiting)

    def has_thread_of(self, slot: Slot) -> bool:
        """Whether a call of the same thread waits."""
        return slot.thread in self._workspaces.get(slot.workspace, {}).get(slot.session, {})

    def add(self, slot: Slot) -> None:
        """At the end of the turns, unless others of its kind wait already."""
        threads = self._workspaces.setdefault(slot.workspace, OrderedDict()).setdefault(slot.session, OrderedDict())
        threads.setdefault(slot.thread, deque()).append(slot)
        self._waiting[slot.lane] += 1

    def remove(self, slot: Slot) -> None:
        """It waits no longer."""
        sessions = self._workspaces[slot.workspace]
        threads = sessions[slot.session]
        threads[slot.thread].remove(slot)
        if not threads[slot.thread]:
            del threads[slot.thread]
        if not threads:
            del sessions[slot.session]
        if not sessions:
            del self._workspaces[slot.workspace]
        self._waiting[slot.lane] -= 1
        if not self._waiting[slot.lane]:
            del self._waiting[slot.lane]

    def serve(self, slot: Slot) -> None:
        """It goes: it waits no longer, and its thread, session and workspace have had their turn."""
        self.remove(slot)
        if sessions := self._workspaces.get(slot.workspace):
            self._workspaces.move_to_end(slot.workspace)
            if threads := sessions.get(slot.session):
                sessions.move_to_end(slot.session)
                if slot.thread in threads:
                    threads.move_to_end(slot.thread)
