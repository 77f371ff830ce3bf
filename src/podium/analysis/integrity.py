"""Is what a store keeps beside a session's log what the log says?"""

from collections.abc import Sequence

from msgspec.structs import replace

from podium.core.ports import Store
from podium.core.rows import ThreadRow
from podium.core.session import SessionState

_TRIES = 5


async def differences(store: Store, session: str) -> list[str]:
    """Where the session's projections differ from the fold of its log, in words; empty if all is well.

    Shape: a session that is being written is read again; if it never holds still, the last reading counts.
    """
    found: list[str] = []
    for _ in range(_TRIES):
        before = await store.session(session)
        found = await _compare(store, session)
        if not found or (await store.session(session)).head == before.head:
            break
    return found


async def _compare(store: Store, session: str) -> list[str]:
    row = await store.session(session)
    state, after = SessionState(session, await store.definitions(row.agent)), 0
    while after < row.head and (page := await store.records(session, after=after)):
        for record in page:
            if record.seq != after + 1:
                return [f"record {after + 1} is missing"]
            state.apply(record.thread, record.at, record.event)
            after = record.seq
    folded = state.projection()
    kept_threads = await store.threads(session)
    pairs: list[tuple[str, object, object]] = [
        ("head", row.head, after),
        ("status", row.facts.status, folded.session.status),
        ("stop reason", row.facts.stop_reason, folded.session.stop_reason),
        ("usage", row.facts.usage, folded.session.usage),
        ("cost", row.facts.usd, folded.session.usd),
        ("time to wake", row.facts.wake_at, folded.session.wake_at),
        ("paused", row.paused, folded.paused),
        ("threads", kept_threads, _as_old(kept_threads, folded.threads)),
        ("open calls", await store.open_calls(session), sorted(folded.opened, key=lambda call: call.id)),
    ]
    return [
        f"{name}: the store has {kept!r:.200}, the log says {said!r:.200}" for name, kept, said in pairs if kept != said
    ]


def _as_old(kept: Sequence[ThreadRow], folded: Sequence[ThreadRow]) -> list[ThreadRow]:
    """The folded rows; one that was written before rows had times and costs has none of them here either."""
    old = {row.id: row for row in kept if row.updated_at == row.created_at}
    return [
        replace(
            row,
            updated_at=was.updated_at,
            usd=was.usd,
            active_s=was.active_s,
            running_since=was.running_since,
        )
        if (was := old.get(row.id)) is not None
        else row
        for row in folded
    ]


async def damaged(store: Store) -> list[str]:
    """Every session whose projections differ, or that cannot be read, with what is wrong."""
    found = []
    for row in await store.sessions():
        try:
            found += [f"{row.id}: {difference}" for difference in await differences(store, row.id)]
        except Exception as error:  # the edge: damage may break anything, and the other sessions are looked at too
            found.append(f"{row.id}: {type(error).__name__}: {error}")
    return found
