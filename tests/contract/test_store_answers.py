"""Stores: several answers that come together are one change of what a session waits for."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from podium.core.events import AgentToolUse, AlwaysAsk, SessionIdle, StopReason, ThreadIdle
from podium.core.inputs import Confirm, InputRequest
from podium.core.ports import Append, Store
from podium.core.records import OWN, PRIMARY, Draft
from podium.core.rows import CallRow, Changes, SessionFacts, ThreadRow
from podium.errors import Answered, Refused
from tests.contract.stores import Disk
from tests.contract.writing import IDLE, START, WORKER, main, new_session, thread_row

CHILD = "sthr_child"


def asks(id: str, name: str = "bash") -> AgentToolUse:
    return AgentToolUse(
        id=id, processed_at=START, name=name, input={}, evaluated_permission="ask", evaluation=AlwaysAsk()
    )


async def session_that_asks(store: Store) -> None:
    """Idle: the primary waits for one call, a child in the background for two."""
    epoch = await store.create(new_session())
    own, below, every = ("sevt_a",), ("sevt_b", "sevt_c"), ("sevt_a", "sevt_b", "sevt_c")
    child = ThreadRow(CHILD, main("sesn_1"), WORKER.version, "worker", "idle", _waits(below), None, START, START)
    drafts = [
        Draft(main("sesn_1"), OWN, START, asks("sevt_a")),
        *[Draft(CHILD, OWN | PRIMARY, START, asks(id)) for id in below],
        Draft(main("sesn_1"), OWN, START, SessionIdle(id="sevt_i", processed_at=START, stop_reason=_waits(every))),
    ]
    calls = [CallRow(id, main("sesn_1") if id in own else CHILD, "bash", "h", "asks") for id in every]
    changes = Changes(
        SessionFacts("idle", _waits(every), IDLE.usage),
        threads=(replace(thread_row("sesn_1", "idle", _waits(own))), child),
        opened=tuple(calls),
    )
    await store.append(Append(session="sesn_1", epoch=epoch, drafts=drafts, changes=changes, release=True))


def _waits(ids: Sequence[str]) -> StopReason:
    return StopReason("requires_action", tuple(ids))


def confirms(*ids: str, allow: bool = False) -> list[InputRequest]:
    return [Confirm(call=id, allow=allow) for id in ids]


async def written(store: Store, *requests: InputRequest) -> list[str]:
    """The types of the records that these inputs write."""
    head = (await store.session("sesn_1")).head
    await store.admit("sesn_1", *requests)
    return [record.type for record in await store.records("sesn_1", after=head)]


async def test_answers_after_which_something_runs_say_so_at_once(disk: Disk) -> None:
    async with disk.process() as store:
        await session_that_asks(store)

        types = await written(store, *confirms("sevt_b", "sevt_a"))

        assert "session.status_idle" not in types
        assert types.count("session.status_running") == 1


async def test_answers_after_which_nothing_runs_say_once_what_is_left(disk: Disk) -> None:
    async with disk.process() as store:
        await session_that_asks(store)
        epoch = await store.claim("sesn_1")
        more = (CallRow("sevt_d", main("sesn_1"), "bash", "h", "asks"),)
        waits = replace(thread_row("sesn_1", "idle", _waits(("sevt_a", "sevt_d"))))
        changes = Changes(
            SessionFacts("idle", _waits(("sevt_a", "sevt_b", "sevt_c", "sevt_d")), IDLE.usage),
            threads=(waits,),
            opened=more,
        )
        drafts = [Draft(main("sesn_1"), OWN, START, asks("sevt_d"))]
        await store.append(Append(session="sesn_1", epoch=epoch, drafts=drafts, changes=changes, release=True))

        types = await written(store, *confirms("sevt_b", "sevt_a"))

        assert types == [
            "user.tool_confirmation",
            "user.tool_confirmation",
            "session.thread_status_idle",
            "session.thread_status_idle",
            "session.usage",
            "session.status_idle",
        ]
        records = await store.records("sesn_1")
        idle = [record.event for record in records if isinstance(record.event, ThreadIdle | SessionIdle)][-3:]
        assert [event.stop_reason.event_ids for event in idle] == [
            ("sevt_c",),
            ("sevt_d",),
            ("sevt_c", "sevt_d"),
        ]
        reasons = [row.stop_reason for row in await store.threads("sesn_1")]
        assert reasons == [_waits(("sevt_d",)), _waits(("sevt_c",))]


async def test_call_that_no_longer_asks_is_told_from_one_that_never_did(disk: Disk) -> None:
    async with disk.process() as store:
        await session_that_asks(store)
        await store.admit("sesn_1", Confirm(call="sevt_a", allow=True))
        epoch = await store.claim("sesn_1")
        changes = Changes((await store.session("sesn_1")).facts, closed=("sevt_a",))
        await store.append(Append(session="sesn_1", epoch=epoch, drafts=(), changes=changes))

        with pytest.raises(Answered, match="answered before, or is over"):
            await store.admit("sesn_1", Confirm(call="sevt_a", allow=False))
        with pytest.raises(Refused, match="was never asked") as refused:
            await store.admit("sesn_1", Confirm(call="sevt_none", allow=True))
        assert not isinstance(refused.value, Answered)
