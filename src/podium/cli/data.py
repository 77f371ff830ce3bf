"""An existing data folder, and the session in it that a person means."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from podium.analysis.trace import Trace
from podium.app import Podium
from podium.core.ports import Store
from podium.core.rows import Owner, SessionRow
from podium.errors import BadInput, NotFound
from podium.store.sqlite_file import FILE

LAST = "last"


@asynccontextmanager
async def existing(data: Path) -> AsyncIterator[Podium]:
    """The data folder, opened; one that is not there is not made.

    Errors: NotFound, StoreError.
    """
    if _is_missing(data):
        raise NotFound(f"there are no sessions in {data}; `podium run` makes one, or name another folder with --data")
    async with Podium(data) as podium:
        yield podium


def _is_missing(data: Path) -> bool:
    return not data.exists() or (data.is_dir() and not (data / FILE).exists())


async def meant(store: Store, name: str) -> SessionRow:
    """The session that "last", an id, or the beginning or the end of one names.

    Errors: NotFound; BadInput if several are meant.
    """
    rows = await store.sessions()
    if not rows:
        raise NotFound("there are no sessions here yet; `podium run` makes one")
    if name == LAST:
        return rows[0]
    found = [row for row in rows if row.id == name]
    if not found and name:
        found = [row for row in rows if row.id.startswith((name, f"sesn_{name}")) or row.id.endswith(name)]
    if len(found) > 1:
        raise BadInput(f"'{name}' may be any of {', '.join(row.id for row in found[:5])}; give more of the id")
    if not found:
        raise NotFound(f"there is no session '{name}' here; `podium sessions` lists them")
    return found[0]


async def traced(store: Store, session: str) -> Trace:
    """The trace of the session's whole log, as far as it is written now."""
    made = Trace()
    while page := await store.records(session, after=made.head):
        for record in page:
            made.apply(record)
    main = made.threads[made.primary]
    main.agent = main.agent or (await store.session(session)).agent_name  # of one that has had no task yet
    return made


def standing(row: SessionRow, owner: Owner | None) -> str:
    """How the session stands, in words."""
    if row.about.archived_at is not None:
        return "archived"
    if row.facts.status != "idle":
        if owner is None:
            return "unfinished"
        return f"running (process {owner.pid}{', stopped' if owner.state == 'stopped' else ''})"
    if row.paused:
        return "paused"
    return "idle" if row.facts.stop_reason is None else row.facts.stop_reason.type
