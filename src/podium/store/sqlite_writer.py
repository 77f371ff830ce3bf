"""What the writer thread does with the database: groups of appends in one transaction.

Everything here runs in that one thread, on that one connection.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from podium.core.ports import Append
from podium.core.records import INPUTS, RECEIVED, answers, encode, is_queued, received_id
from podium.core.rows import About, CallRow, Changes, ThreadRow
from podium.errors import Fenced, Refused, StoreError
from podium.store.moves import Moves
from podium.store.queries import SQL
from podium.store.times import micros, micros_or_none

BLOB_BYTES = 256 * 1024
_SEQ_BITS = 32

to_json = msgspec.json.Encoder().encode


def key(session_no: int, seq: int) -> int:
    """Where a record stands in the log's tree."""
    return session_no << _SEQ_BITS | seq


def seq_of(record_key: int) -> int:
    """The seq in a record's key."""
    return record_key & (1 << _SEQ_BITS) - 1


@dataclass(slots=True)
class PreparedAppend:
    """An append with its records encoded, made on the caller's thread so that the writer has less to do.

    Shape: rows are (thread id, views, at, body); the others begin with the index of their row. `is_conditional` if what
    others wrote may refuse it.
    """

    append: Append
    rows: list[tuple[str, int, int, bytes]]
    listed: list[tuple[int, str]]
    answered: list[tuple[int, str]]
    queued: list[tuple[int, str, str, bool]] = field(default_factory=list)  # (index, id, thread, is taken with it)
    taken: list[tuple[int, str]] = field(default_factory=list)  # (index, id)
    is_conditional: bool = False


def prepare(append: Append) -> PreparedAppend:
    """Encode the append's records."""
    rows: list[tuple[str, int, int, bytes]] = []
    prepared = PreparedAppend(
        append,
        rows,
        [],
        [],
        is_conditional=append.no_input_after is not None or append.at_head is not None or bool(append.changes.answered),
    )
    at, at_micros = None, 0
    for index, draft in enumerate(append.drafts):
        event = draft.event
        if draft.at is not at:
            at, at_micros = draft.at, micros(draft.at)
        rows.append((draft.thread, draft.views, at_micros, encode(event)))
        if (call := answers(event)) is not None:
            prepared.answered.append((index, call))
        if type(event) in RECEIVED and (received := received_id(event)) is not None:
            prepared.queued.append((index, received, draft.thread, True))
        if event.id is None:
            continue
        if type(event) in INPUTS and isinstance(event, INPUTS):  # the first is quick, the second tells the checker
            if is_queued(event):
                prepared.queued.append((index, event.id, draft.thread, False))
                continue
            prepared.taken.append((index, event.id))
        prepared.listed.append((index, event.id))
    return prepared


Job = Callable[["Writer"], Any]  # anything else that needs a transaction, such as a claim


@dataclass(slots=True)
class _Head:
    """A session's row as this transaction sees and changes it."""

    no: int
    epoch: int
    head: int
    owner: str | None
    changes: Changes | None = None
    paused: bool | None = None
    release: bool = False
    at: int = 0  # of its last record


class Writer:
    """Writes groups. Its caches of row numbers hold committed rows only."""

    def __init__(self, db: sqlite3.Connection, explain: Callable[[Exception], StoreError]) -> None:
        self.db = db
        self._explain = explain
        self._thread_nos: dict[tuple[int, str], int] = {}  # by session's number and thread's id
        self._new_thread_nos: dict[tuple[int, str], int] = {}
        self._heads: dict[str, _Head] = {}
        self._failed: dict[tuple[str, int], StoreError] = {}  # drivers, by session and epoch, that lost an append
        self.moves = Moves(db)

    def commit(self, works: Sequence[PreparedAppend | Job]) -> list[Any]:
        """Write the group; for each its result, or the error its caller gets. Raises nothing: the thread must live."""
        if not self._failed:
            return self._commit(works)
        # What a driver had handed over behind a lost append was decided on it, and must not be written without it.
        lost = [self._failed.get(_driver(work)) if isinstance(work, PreparedAppend) else None for work in works]
        outcomes = iter(self._commit([work for work, error in zip(works, lost, strict=True) if error is None]))
        return [next(outcomes) if error is None else error for error in lost]

    def _commit(self, works: Sequence[PreparedAppend | Job]) -> list[Any]:
        if all(isinstance(work, PreparedAppend) and not work.is_conditional for work in works):
            try:
                return self._transaction(lambda: self.together([w for w in works if isinstance(w, PreparedAppend)]))
            except Exception as error:
                if _is_trouble(error):
                    return self._fail(works, self._explain(error))
                # else one of them breaks a rule: find out which, the others stand
        try:
            return self._transaction(lambda: [self._alone(work) for work in works])
        except sqlite3.Error as error:
            return self._fail(works, self._explain(error))

    def _fail(self, works: Sequence[PreparedAppend | Job], error: StoreError) -> list[Any]:
        for work in works:
            if isinstance(work, PreparedAppend):
                self._failed[_driver(work)] = error
        return [error] * len(works)

    def _transaction(self, write: Callable[[], list[Any]]) -> list[Any]:
        self._heads, self._new_thread_nos = {}, {}
        self.moves.begin()
        self.db.execute("BEGIN IMMEDIATE")
        try:
            outcomes = write()
            self.db.execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:  # a full disk has rolled back already
                self.db.execute("ROLLBACK")
            raise
        self.moves.committed()
        if len(self._thread_nos) > 100_000:
            self._thread_nos.clear()
        self._thread_nos.update(self._new_thread_nos)
        return outcomes

    def _alone(self, work: PreparedAppend | Job) -> Any:
        """One work in a savepoint of its own: refused, it leaves no trace and takes no other with it."""
        self.db.execute("SAVEPOINT one")
        self._heads = {}
        known = dict(self._new_thread_nos)
        try:
            outcome = self.together([work])[0] if isinstance(work, PreparedAppend) else work(self)
            if isinstance(outcome, BaseException):
                raise outcome
        except Exception as error:
            if _is_trouble(error):
                raise
            self._new_thread_nos = known
            self.db.execute("ROLLBACK TO one")
            outcome = error
            if isinstance(error, sqlite3.IntegrityError):
                outcome = Refused(f"the log's schema does not allow this: {error}")
            elif isinstance(error, msgspec.DecodeError):
                outcome = self._explain(error)
        self.db.execute("RELEASE one")
        return outcome

    def together(self, works: Sequence[PreparedAppend]) -> list[Any]:
        outcomes: list[Any] = []
        records: list[tuple[Any, ...]] = []
        listed: list[tuple[int, str, int]] = []
        answered: list[tuple[int, str, int]] = []
        opened: list[tuple[Any, ...]] = []
        moved: list[tuple[str, int, str]] = []
        confirmed: list[tuple[int, str]] = []
        closed: list[tuple[int, str]] = []
        threads: list[tuple[Any, ...]] = []
        for work in works:
            append = work.append
            try:
                head = self._head(append)
            except StoreError as refusal:
                outcomes.append(refusal)
                continue
            first = head.head + 1
            for row in append.changes.threads:
                self._thread(head.no, row, threads)
            nos: dict[str, int] = {}
            record_key = key(head.no, first)
            for thread, views, at, body in work.rows:
                no = nos.get(thread)
                if no is None:
                    no = nos[thread] = self._thread_no(head.no, thread)
                if len(body) <= BLOB_BYTES:
                    records.append((record_key, no, views, at, body, None))
                else:
                    records.append((record_key, no, views, at, None, self._blob(body)))
                record_key += 1
            listed += [(head.no, id, first + index) for index, id in work.listed]
            answered += [(head.no, call, first + index) for index, call in work.answered]
            for index, id, thread, is_taken in work.queued:
                seq = first + index
                self.db.execute(SQL["queue_input"], (head.no, id, thread, seq, seq if is_taken else None))
            for version, definition in append.changes.definitions.items():
                self.db.execute(SQL["insert_definition"], (version, to_json(definition)))
            if append.changes.about is not None:
                self._describe(head.no, append.changes.about)
            if append.drafts:
                head.at = micros(append.drafts[-1].at)
            for index, id in work.taken:
                self.db.execute(SQL["take_input"], (first + index, head.no, id))
            if append.at_head is not None and head.head != append.at_head:
                raise Refused("something was written meanwhile")
            after = append.no_input_after
            if after is not None and self.db.execute(SQL["waiting_input"], (head.no, after)).fetchone() is not None:
                raise Refused("an input came meanwhile")  # only ever reached in a savepoint of its own
            opened += [_call(head.no, call) for call in append.changes.opened]
            moved += [(call.child, head.no, call.id) for call in append.changes.moved]
            confirmed += [(head.no, id) for id in append.changes.answered]
            closed += [(head.no, id) for id in append.changes.closed]
            head.head += len(work.rows)
            head.changes = append.changes
            head.paused = append.changes.paused if append.changes.paused is not None else head.paused
            head.release = head.release or append.release
            outcomes.append(first)
        self.db.executemany(SQL["insert_record"], records)
        self.db.executemany(SQL["insert_listed"], listed)
        self.db.executemany(SQL["insert_answered"], answered)
        self.db.executemany(SQL["update_thread"], threads)
        self.db.executemany(SQL["open_call"], opened)
        self.db.executemany(SQL["move_call"], moved)
        for call in confirmed:  # only ever with one append, in a savepoint of its own
            if self.db.execute(SQL["answer_call"], call).rowcount != 1:
                raise Refused(f"call {call[1]} waits for no approval: it has been answered, or is not open")
        self.db.executemany(SQL["close_call"], closed)
        for head in self._heads.values():
            self._write_head(head)
        return outcomes

    def _head(self, append: Append) -> _Head:
        head = self._heads.get(append.session)
        if head is None:
            row = self.db.execute(SQL["session_head"], (append.session,)).fetchone()
            if row is None:
                raise Fenced(f"session {append.session} is gone")
            head = self._heads[append.session] = _Head(*row)
        if head.epoch != append.epoch:
            raise Fenced(
                f"session {append.session} was claimed by another driver (epoch {head.epoch}, this one had "
                f"{append.epoch}); nothing more is written here"
            )
        return head

    def _write_head(self, head: _Head) -> None:
        changes = head.changes
        if changes is None:
            return
        facts = changes.session
        self.db.execute(
            SQL["update_session"],
            (
                facts.status,
                to_json(facts.stop_reason).decode() if facts.stop_reason is not None else None,
                to_json(facts.usage).decode(),
                str(facts.usd),
                micros_or_none(facts.wake_at),
                facts.active_s,
                facts.threads_s,
                micros_or_none(facts.running_since),
                int(facts.is_over_budget),
                facts.open_run,
                head.head,
                head.at,
                None if head.release else head.owner,
                self.moves.number(),
                head.no,
            ),
        )
        if head.paused is not None:
            self.db.execute(SQL["pause_session"], (int(head.paused), head.no))
        head.changes = head.paused = None

    def _thread(self, session_no: int, row: ThreadRow, updates: list[tuple[Any, ...]]) -> None:
        """Insert a new thread now, since records need its number; gather a change of a known one."""
        stop_reason = to_json(row.stop_reason).decode() if row.stop_reason is not None else None
        usage = to_json(row.usage).decode() if row.usage is not None else None
        known = session_no, row.id
        usd = None if row.usd is None else str(row.usd)
        changing = micros(row.updated_at), usd, row.active_s, micros_or_none(row.running_since)
        if known in self._thread_nos or known in self._new_thread_nos:
            updates.append((row.agent, row.status, stop_reason, usage, *changing, row.id))
            return
        about = session_no, row.id, row.parent, row.agent, row.agent_name, row.workflow_run
        values = *about, row.status, stop_reason, usage
        inserted = self.db.execute(SQL["insert_thread"], (*values, micros(row.created_at), *changing)).fetchone()
        if inserted is None:
            raise Refused(f"thread {row.id} belongs to another session")
        self._new_thread_nos[known] = inserted[0]

    def _describe(self, session_no: int, about: About) -> None:
        values = (
            about.title,
            to_json(about.metadata).decode(),
            None if about.budget is None else str(about.budget),
            micros_or_none(about.archived_at),
            micros_or_none(about.deleted_at),
        )
        self.db.execute(SQL["describe_session"], (*values, session_no))

    def _find_thread_no(self, session_no: int, id: str) -> int | None:
        known = session_no, id
        no = self._thread_nos.get(known) or self._new_thread_nos.get(known)
        if no is None:
            row = self.db.execute(SQL["thread_no"], (id, session_no)).fetchone()
            if row is not None:
                no = self._new_thread_nos[known] = row[0]
        return no

    def _thread_no(self, session_no: int, id: str) -> int:
        no = self._find_thread_no(session_no, id)
        if no is None:
            raise Refused(f"the session has no thread {id}")
        return no

    def _blob(self, body: bytes) -> str:
        hash = sha256(body).hexdigest()
        self.db.execute(SQL["insert_blob"], (hash, body))
        return hash


def _call(session_no: int, call: CallRow) -> tuple[Any, ...]:
    return session_no, call.id, call.thread, call.name, call.input_hash, call.state, call.child


def _driver(work: PreparedAppend) -> tuple[str, int]:
    return work.append.session, work.append.epoch


def _is_trouble(error: Exception) -> bool:
    """Whether the database is in trouble, and the whole group with it; anything else is one work's own fault."""
    return isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.IntegrityError)
