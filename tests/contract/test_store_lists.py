"""Lists of sessions and of events in every store."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from podium.core.content import text
from podium.core.events import AgentToolUse, UserMessage
from podium.core.inputs import Archive, Delete, SendMessage
from podium.core.lists import EventsWanted, Place, SessionsWanted, Times
from podium.core.ports import Append, NewSession, Receipt, Store
from podium.core.records import OWN, PRIMARY, Draft
from podium.core.rows import Changes, ThreadRow
from podium.errors import KeyReused, NotFound, Refused
from tests.contract.stores import Disk
from tests.contract.writing import RUNNING, START, WORKER, goes_idle, main, new_session, said, thread_row, writes

DEFAULT = SessionsWanted(workspace="default", limit=10)
CHILD = "sthr_child"


def made_at(number: int, workspace: str = "default") -> NewSession:
    """A session that was made so many seconds after the start."""
    new = new_session(f"sesn_{number}")
    at = START + timedelta(seconds=number)
    drafts = [msgspec.structs.replace(draft, at=at) for draft in new.drafts]
    return replace(new, drafts=drafts, workspace=workspace)


async def ids(store: Store, wanted: SessionsWanted) -> list[str]:
    return [listed.row.id for listed in await store.page_of_sessions(wanted)]


async def test_sessions_are_listed_by_creation_a_page_at_a_time(disk: Disk) -> None:
    async with disk.process() as store:
        for number in (3, 1, 2):
            await store.create(made_at(number))

        assert await ids(store, DEFAULT) == ["sesn_3", "sesn_2", "sesn_1"]
        assert await ids(store, replace(DEFAULT, newest_first=False)) == ["sesn_1", "sesn_2", "sesn_3"]
        assert await ids(store, replace(DEFAULT, limit=2)) == ["sesn_3", "sesn_2"]
        second = Place(START + timedelta(seconds=2), "sesn_2")
        assert await ids(store, replace(DEFAULT, after=second)) == ["sesn_1"]
        assert await ids(store, replace(DEFAULT, after=second, newest_first=False)) == ["sesn_3"]


async def test_sessions_of_the_same_time_are_ordered_by_their_ids(disk: Disk) -> None:
    async with disk.process() as store:
        for id in ("sesn_b", "sesn_c", "sesn_a"):
            await store.create(new_session(id))

        assert await ids(store, DEFAULT) == ["sesn_c", "sesn_b", "sesn_a"]
        assert await ids(store, replace(DEFAULT, after=Place(START, "sesn_b"))) == ["sesn_a"]


async def test_sessions_are_filtered_by_everything_that_may_be_asked(disk: Disk) -> None:
    async with disk.process() as store:
        for number in (1, 2, 3, 4):
            await store.create(made_at(number))
        await store.create(made_at(5, workspace="other"))
        for number in (2, 3, 4):
            await store.append(goes_idle(f"sesn_{number}", 1))
        await store.admit("sesn_3", Archive())
        await store.admit("sesn_4", Delete())
        row = await store.session("sesn_1")

        assert await ids(store, DEFAULT) == ["sesn_2", "sesn_1"]
        assert await ids(store, replace(DEFAULT, archived=True)) == ["sesn_3", "sesn_2", "sesn_1"]
        assert await ids(store, replace(DEFAULT, statuses=("idle",))) == ["sesn_2"]
        assert await ids(store, replace(DEFAULT, statuses=("idle", "running"))) == ["sesn_2", "sesn_1"]
        assert await ids(store, replace(DEFAULT, agent=row.agent_id)) == ["sesn_2", "sesn_1"]
        assert await ids(store, replace(DEFAULT, agent=row.agent_id, number=2)) == []
        assert await ids(store, replace(DEFAULT, agent="agent_other")) == []
        assert await ids(store, replace(DEFAULT, workspace="other")) == ["sesn_5"]
        assert await ids(store, replace(DEFAULT, made=Times(gt=row.created_at))) == ["sesn_2"]
        assert await ids(store, replace(DEFAULT, made=Times(gte=row.created_at))) == ["sesn_2", "sesn_1"]
        assert await ids(store, replace(DEFAULT, made=Times(lt=row.created_at + timedelta(seconds=1)))) == ["sesn_1"]
        assert await ids(store, replace(DEFAULT, made=Times(lte=row.created_at))) == ["sesn_1"]


async def test_a_listed_session_shows_what_its_threads_do(disk: Disk) -> None:
    async with disk.process() as store:
        await store.create(new_session())
        since = START + timedelta(seconds=7)
        running = msgspec.structs.replace(thread_row("sesn_1"), agent=WORKER.version, running_since=since)
        await store.append(Append(session="sesn_1", epoch=1, drafts=[], changes=Changes(RUNNING, threads=(running,))))

        listed = await store.listed("sesn_1")

        assert (listed.row.id, listed.primary, listed.agent) == ("sesn_1", main("sesn_1"), WORKER.version)
        assert listed.running == (since,)
        assert await store.page_of_sessions(DEFAULT) == [listed]
        with pytest.raises(NotFound):
            await store.listed("sesn_none")


async def test_a_session_is_made_once_of_two_requests(disk: Disk) -> None:
    receipt = Receipt(workspace="default", key="k1", fingerprint="f")
    async with disk.process() as store:
        assert await store.made(receipt) is None
        assert await store.create(new_session("sesn_1"), receipt) == 1

        assert await store.create(new_session("sesn_2"), receipt) == 0

        assert await store.made(receipt) == "sesn_1"
        assert await ids(store, DEFAULT) == ["sesn_1"]
        with pytest.raises(KeyReused):
            await store.create(new_session("sesn_3"), replace(receipt, fingerprint="g"))
        await store.create(new_session("sesn_2"))  # nobody holds what was not made


async def test_which_of_several_requests_was_refused_is_told(disk: Disk) -> None:
    async with disk.process() as store:
        await store.append(goes_idle("sesn_1", await store.create(new_session())))
        hello = SendMessage(content=text("hello"))

        with pytest.raises(Refused) as caught:
            await store.admit("sesn_1", hello, Archive())

        assert caught.value.request == 1
        assert (await store.session("sesn_1")).facts.status == "idle"


# --- events ------------------------------------------------------------------------------------------


async def with_a_child(store: Store) -> int:
    """A session at seq 7: 3 of the child, 4 of the child on both streams, 5 queued, 6 of the primary, 7 of the child
    on the primary's alone; the head.
    """
    await store.create(new_session())
    child = ThreadRow(CHILD, main("sesn_1"), WORKER.version, "worker", "running", None, None, START, START)
    call = AgentToolUse(id="sevt_call", processed_at=START, name="bash", input={})
    queued = UserMessage(id="sevt_queued", processed_at=None, content=text("more"))
    drafts = [
        Draft(CHILD, OWN, START, said("sevt_child")),
        Draft(CHILD, OWN | PRIMARY, START, call),
        Draft(main("sesn_1"), OWN, START, queued),
        Draft(main("sesn_1"), OWN, START + timedelta(seconds=60), said("sevt_main")),
        Draft(CHILD, PRIMARY, START, said("sevt_seen")),
    ]
    await store.append(Append(session="sesn_1", epoch=1, drafts=drafts, changes=Changes(RUNNING, threads=(child,))))
    return 7


async def seqs(store: Store, wanted: EventsWanted) -> Sequence[int]:
    return [record.seq for record in await store.shown("sesn_1", wanted)]


async def test_each_stream_lists_what_it_shows_and_no_waiting_input(disk: Disk) -> None:
    async with disk.process() as store:
        head = await with_a_child(store)
        primary = EventsWanted(thread=main("sesn_1"), is_primary=True, low=0, high=head, limit=100)
        child = EventsWanted(thread=CHILD, is_primary=False, low=0, high=head, limit=100)

        assert await seqs(store, primary) == [2, 4, 6, 7]
        assert await seqs(store, replace(primary, newest_first=True)) == [7, 6, 4, 2]
        assert await seqs(store, child) == [3, 4]


async def test_events_are_listed_from_a_place_to_a_place(disk: Disk) -> None:
    async with disk.process() as store:
        head = await with_a_child(store)
        primary = EventsWanted(thread=main("sesn_1"), is_primary=True, low=0, high=head, limit=100)

        assert await seqs(store, replace(primary, low=2, high=6)) == [4, 6]
        assert await seqs(store, replace(primary, limit=2)) == [2, 4]
        assert await seqs(store, replace(primary, newest_first=True, limit=2)) == [7, 6]


async def test_events_are_filtered_by_type_and_time(disk: Disk) -> None:
    async with disk.process() as store:
        head = await with_a_child(store)
        primary = EventsWanted(thread=main("sesn_1"), is_primary=True, low=0, high=head, limit=100)

        assert await seqs(store, replace(primary, types=frozenset(["agent.message"]))) == [6, 7]
        assert await seqs(store, replace(primary, types=frozenset(["agent"]))) == []
        assert await seqs(store, replace(primary, processed=Times(gt=START))) == [6]
        assert await seqs(store, replace(primary, processed=Times(lte=START))) == [2, 4, 7]


async def test_a_long_log_is_listed_whole(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())
        for part in range(9):
            await store.append(writes("sesn_1", epoch, *(said(f"sevt_{part}_{number}") for number in range(1000))))
        wanted = EventsWanted(thread=main("sesn_1"), is_primary=True, low=0, high=9002, limit=10_000)

        assert await seqs(store, wanted) == list(range(2, 9003))
        assert await seqs(store, replace(wanted, newest_first=True)) == list(range(9002, 1, -1))
        assert await seqs(store, replace(wanted, low=8000, limit=3)) == [8001, 8002, 8003]
