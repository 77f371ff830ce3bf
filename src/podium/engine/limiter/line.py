"""Those who wait, in fair order."""

from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Iterator

from podium.engine.limiter.slot import Lane, Slot

Threads = OrderedDict[str, deque[Slot]]
Sessions = OrderedDict[str, Threads]
Group = tuple[str, ...]  # a workspace; a workspace and a session


class Line:
    """Those who wait for one lane: workspaces take turns, in each its sessions, in each its threads.

    Whoever was served goes to the end of the turns, at every level. So nobody gains by asking for more.
    """

    def __init__(self) -> None:
        self._workspaces: OrderedDict[str, Sessions] = OrderedDict()
        self._stepped_back: set[Group] = set()

    def __bool__(self) -> bool:
        return bool(self._workspaces)

    def heads(self, skip: Collection[str]) -> Iterator[Slot]:
        """The first call of each thread, those first whose turn is next; `skip` are sessions to leave out."""
        for sessions in self._workspaces.values():
            for session, threads in sessions.items():
                for slots in threads.values():
                    if session in skip:
                        break
                    yield slots[0]

    def has_thread_of(self, slot: Slot) -> bool:
        """Whether a call of the same thread waits."""
        sessions = self._workspaces.get(slot.workspace)
        return sessions is not None and slot.thread in sessions.get(slot.session, ())

    def add(self, slot: Slot) -> None:
        """At the end of the turns, unless others of its kind wait already."""
        threads = self._workspaces.setdefault(slot.workspace, OrderedDict()).setdefault(slot.session, OrderedDict())
        threads.setdefault(slot.thread, deque()).append(slot)

    def remove(self, slot: Slot) -> None:
        """It waits no longer."""
        sessions = self._workspaces[slot.workspace]
        threads = sessions[slot.session]
        threads[slot.thread].remove(slot)
        if not threads[slot.thread]:
            del threads[slot.thread]
        if not threads:
            del sessions[slot.session]
            self._stepped_back.discard((slot.workspace, slot.session))
        if not sessions:
            del self._workspaces[slot.workspace]
            self._stepped_back.discard((slot.workspace,))

    def end_turn(self, slot: Slot) -> None:
        """It was served here: its workspace, session and thread go to the end of the turns."""
        self._stepped_back.difference_update(slot.groups)
        if sessions := self._workspaces.get(slot.workspace):
            self._workspaces.move_to_end(slot.workspace)
            if threads := sessions.get(slot.session):
                sessions.move_to_end(slot.session)
                if slot.thread in threads:
                    threads.move_to_end(slot.thread)

    def step_back(self, slot: Slot) -> None:
        """It was served in another lane: its workspace and session lose their turn here, but not twice in a row.

        Otherwise those whose other calls are often served would never get their turn in this lane.
        """
        workspace, session = slot.groups
        sessions = self._workspaces.get(slot.workspace)
        if sessions is None:
            return
        if workspace not in self._stepped_back:
            self._workspaces.move_to_end(slot.workspace)
            self._stepped_back.add(workspace)
        if slot.session in sessions and session not in self._stepped_back:
            sessions.move_to_end(slot.session)
            self._stepped_back.add(session)


class Lines:
    """The lines of all lanes. Between lanes it counts whose workspace, then session, was not served the longest."""

    def __init__(self) -> None:
        self._lines: OrderedDict[Lane, Line] = OrderedDict()
        self._waiting: Counter[Group] = Counter()
        self._since: dict[Group, int] = {}  # when it was last served, or else came, as a count of such things
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._lines)

    def __iter__(self) -> Iterator[tuple[Lane, Line]]:
        """Those lanes first that were not served the longest."""
        return iter(self._lines.items())

    def rank(self, slot: Slot) -> tuple[int, int]:
        """The smallest goes first, of those who may go."""
        workspace, session = slot.groups
        return self._since[workspace], self._since[session]

    def has_thread_of(self, slot: Slot) -> bool:
        """Whether a call of the same thread waits in the same lane."""
        return slot.lane in self._lines and self._lines[slot.lane].has_thread_of(slot)

    def add(self, slot: Slot) -> None:
        """It begins to wait."""
        self._count += 1
        slot.number = self._count
        self._lines.setdefault(slot.lane, Line()).add(slot)
        for group in slot.groups:
            self._waiting[group] += 1
            self._since.setdefault(group, self._count)

    def remove(self, slot: Slot) -> None:
        """It waits no longer."""
        line = self._lines[slot.lane]
        line.remove(slot)
        if not line:
            del self._lines[slot.lane]
        for group in slot.groups:
            self._waiting[group] -= 1
            if not self._waiting[group]:
                del self._waiting[group], self._since[group]

    def serve(self, slot: Slot) -> None:
        """It goes, and all it belongs to have had their turn."""
        self.remove(slot)
        self._count += 1
        self._since.update((group, self._count) for group in slot.groups if group in self._since)
        for lane, line in self._lines.items():
            if lane == slot.lane:
                line.end_turn(slot)
            else:
                line.step_back(slot)
        if slot.lane in self._lines:
            self._lines.move_to_end(slot.lane)
