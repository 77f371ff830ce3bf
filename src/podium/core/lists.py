"""What may be asked of the lists of sessions and of events, and what stands in them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from podium.core.records import OWN, PRIMARY, Record, is_queued
from podium.core.rows import SessionRow, Status


@dataclass(frozen=True, kw_only=True)
class Times:
    """A range of time; None is open."""

    gt: datetime | None = None
    gte: datetime | None = None
    lt: datetime | None = None
    lte: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Whether it holds this time."""
        return (
            (self.gt is None or at > self.gt)
            and (self.gte is None or at >= self.gte)
            and (self.lt is None or at < self.lt)
            and (self.lte is None or at <= self.lte)
        )

    @property
    def is_open(self) -> bool:
        """Whether it holds every time."""
        return self.gt is None and self.gte is None and self.lt is None and self.lte is None


ALWAYS = Times()


class Place(msgspec.Struct, frozen=True):
    """Where a session stands in lists: those of the same time are ordered by their ids."""

    created_at: datetime
    id: str


@dataclass(frozen=True, kw_only=True)
class SessionsWanted:
    """The part of a list of sessions that is asked for, ordered by their creation.

    Shape: `after` is the place behind which it begins. `agent` is an id, `number` one of its versions. Empty `statuses`
    are all of them.
    """

    workspace: str
    limit: int
    newest_first: bool = True
    after: Place | None = None
    agent: str | None = None
    number: int | None = None
    statuses: tuple[Status, ...] = ()
    archived: bool = False
    made: Times = ALWAYS

    def holds(self, row: SessionRow) -> bool:
        """Whether the session is asked for, wherever the part begins."""
        return (
            row.workspace == self.workspace
            and row.about.deleted_at is None
            and (self.archived or row.about.archived_at is None)
            and self.agent in (None, row.agent_id)
            and self.number in (None, row.agent_number)
            and (not self.statuses or row.facts.status in self.statuses)
            and self.made.holds(row.created_at)
        )


class ListedSession(msgspec.Struct, frozen=True, gc=False):
    """A session with what its object shows of its threads.

    Shape: `primary` is the id of its primary thread, `agent` the version of the definition that this has now.
    `running` are the times since when each of its running threads runs.
    """

    row: SessionRow
    primary: str
    agent: str
    running: tuple[datetime, ...]


@dataclass(frozen=True, kw_only=True)
class EventsWanted:
    """The part of a thread's stream that is asked for.

    Shape: seqs above `low` up to `high`. With `is_primary` it is the session's stream. Empty `types` are all of them.
    """

    thread: str
    is_primary: bool
    low: int
    high: int
    limit: int
    newest_first: bool = False
    types: frozenset[str] = frozenset()
    processed: Times = ALWAYS

    def shows(self, record: Record) -> bool:
        """Whether the thread's stream shows the record."""
        return is_shown(record.views, is_own=record.thread == self.thread, is_primary=self.is_primary)

    def listed(self, records: Iterable[Record], limit: int) -> list[Record]:
        """Those of these records that stand in the list, `limit` at most."""
        found: list[Record] = []
        for record in records:
            if (
                self.low < record.seq <= self.high
                and self.shows(record)
                and not is_queued(record.event)
                and (not self.types or record.type in self.types)
                and self.processed.holds(record.at)
            ):
                found.append(record)
                if len(found) == limit:
                    break
        return found


def is_shown(views: int, *, is_own: bool, is_primary: bool) -> bool:
    """Whether a thread's stream shows a record with these views, which is its own or not."""
    return bool((is_own and views & OWN) or (is_primary and views & PRIMARY))
