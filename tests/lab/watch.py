"""Looks at a memory log after every append."""

import msgspec

from podium.core.definitions import Definition
from podium.core.records import decode
from podium.core.session import SessionState
from podium.store.memory import MemoryLog
from tests.invariants import Kept, projection_violations, seq_violations, snapshot


class Watch:
    """Compares the stored projections with the fold of the log, at every append."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._states: dict[str, tuple[SessionState, int]] = {}

    def look(self, session: str) -> None:
        """An append of this session was committed."""
        state = self.state(session)
        kept = self._log.sessions[session]
        stored = Kept(
            row=kept.row,
            records=kept.records,
            threads=list(kept.threads.values()),
            calls=list(kept.calls.values()),
            inputs=(),
            definitions={},
        )
        wrong = seq_violations(stored) + projection_violations(stored, state)
        assert not wrong, f"after record {kept.row.head}: {wrong}"

    def compare(self, session: str, memory: SessionState, head: int) -> None:
        """This driver's state is the fold of the log, unless others have written after its last record."""
        if head != self._log.sessions[session].row.head:
            return
        mine, logged = snapshot(memory), snapshot(self.state(session))
        waiting = logged.pop("queue")  # the driver may fold what others have queued later
        assert mine.pop("queue").items() <= waiting.items()
        different = {key: (mine[key], logged[key]) for key in mine if mine[key] != logged[key]}
        assert not different, f"the state in memory is not the fold of the log: {different}"

    def state(self, session: str) -> SessionState:
        """The fold of this session's log as it stands."""
        if session not in self._states:
            bodies = self._log.definitions.items()
            definitions = {version: msgspec.json.decode(body, type=Definition) for version, body in bodies}
            self._states[session] = (SessionState(session, definitions), 0)
        state, seen = self._states[session]
        records = self._log.sessions[session].records
        for record in records[seen:]:
            state.apply(record.thread, record.at, decode(record.body))
        self._states[session] = (state, len(records))
        return state
