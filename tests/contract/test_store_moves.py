"""What other processes have committed, in every store: asked often, told once, nothing missed."""

import asyncio
from random import Random

from podium.core.content import text
from podium.core.inputs import SendMessage
from tests.contract.stores import Disk
from tests.contract.writing import goes_idle, new_session, said, writes

HELLO = SendMessage(content=text("hello"))
SESSIONS = ("sesn_1", "sesn_2", "sesn_3")


async def test_nothing_moves_elsewhere_by_ones_own_commits(disk: Disk) -> None:
    async with disk.process() as store:
        epoch = await store.create(new_session())
        await store.append(writes("sesn_1", epoch, said("sevt_a")))
        await store.admit("sesn_1", HELLO)

        assert await store.moved_elsewhere() == []
        assert await store.moved_elsewhere() == []


async def test_what_was_there_at_opening_has_not_moved(disk: Disk) -> None:
    async with disk.process() as first:
        await first.create(new_session())

        async with disk.process() as second:
            assert await second.moved_elsewhere() == []


async def test_every_kind_of_commit_elsewhere_is_told_once(disk: Disk) -> None:
    async with disk.process() as here, disk.process() as there:

        async def told() -> list[list[str]]:
            return [await here.moved_elsewhere(), await here.moved_elsewhere()]

        epoch = await there.create(new_session())
        assert await told() == [["sesn_1"], []]
        await there.append(writes("sesn_1", epoch, said("sevt_a")))
        assert await told() == [["sesn_1"], []]
        await there.admit("sesn_1", HELLO)
        assert await told() == [["sesn_1"], []]
        there.dropped("sesn_1")
        await there.claim("sesn_1")
        assert await told() == [["sesn_1"], []]


async def test_many_commits_to_many_sessions_elsewhere_are_told_together(disk: Disk) -> None:
    async with disk.process() as here, disk.process() as there:
        epochs = {id: await there.create(new_session(id)) for id in SESSIONS}
        await there.create(new_session("sesn_4"))
        await here.moved_elsewhere()

        await asyncio.gather(
            *[there.append(writes(id, epochs[id], said(f"sevt_{id}_{n}"))) for id in SESSIONS for n in range(5)]
        )

        assert sorted(await here.moved_elsewhere()) == list(SESSIONS)
        assert await here.moved_elsewhere() == []


async def test_commit_elsewhere_between_own_ones_is_told(disk: Disk) -> None:
    async with disk.process() as here, disk.process() as there:
        epoch = await here.create(new_session())
        await there.moved_elsewhere()

        await here.append(writes("sesn_1", epoch, said("sevt_a")))
        await there.admit("sesn_1", HELLO)
        await here.append(writes("sesn_1", epoch, said("sevt_b")))

        assert await here.moved_elsewhere() == ["sesn_1"]
        assert await there.moved_elsewhere() == ["sesn_1"]


async def test_own_sessions_that_moved_before_the_last_question_are_not_told(disk: Disk) -> None:
    async with disk.process() as here, disk.process() as there:
        await here.create(new_session("sesn_1"))
        await here.moved_elsewhere()

        await there.create(new_session("sesn_2"))

        assert await here.moved_elsewhere() == ["sesn_2"]


async def test_refused_commit_elsewhere_moves_nothing(disk: Disk) -> None:
    async with disk.process() as here, disk.process() as there:
        await here.append(goes_idle("sesn_1", await here.create(new_session())))
        outcomes = await asyncio.gather(
            there.claim("sesn_9"), there.append(writes("sesn_1", 9, said("sevt_a"))), return_exceptions=True
        )

        assert [type(outcome).__name__ for outcome in outcomes] == ["NotFound", "Fenced"]
        assert await here.moved_elsewhere() == []


async def test_commits_elsewhere_are_told_in_a_thousand_interleavings(disk: Disk) -> None:
    async with disk.process() as a, disk.process() as b:
        for id in SESSIONS:
            await a.append(goes_idle(id, await a.create(new_session(id))))
        stores = (a, b)
        await asyncio.gather(*[store.moved_elsewhere() for store in stores])
        chance = Random(1)
        wrote: list[list[set[str]]] = [[set(), set()], [set(), set()]]  # since each one's last question: by a, by b

        async def ask(asker: int) -> None:
            told = await stores[asker].moved_elsewhere()
            own, others = wrote[asker][asker], wrote[asker][1 - asker]
            assert len(told) == len(set(told))
            assert others <= set(told) <= (others | own if others else set())
            wrote[asker] = [set(), set()]

        for _ in range(1000):
            for _ in range(chance.randint(1, 4)):
                who, id = chance.randint(0, 1), chance.choice(SESSIONS)
                if chance.random() < 0.4:
                    await ask(who)
                else:
                    await stores[who].admit(id, HELLO)
                    wrote[0][who].add(id)
                    wrote[1][who].add(id)
            await ask(chance.randint(0, 1))


async def test_nothing_is_missed_by_questions_in_the_middle_of_commits(disk: Disk) -> None:
    async with disk.process() as here, disk.process() as there:
        for id in SESSIONS:
            await there.append(goes_idle(id, await there.create(new_session(id))))
        await here.moved_elsewhere()

        for round in range(50):
            told: list[str] = []

            async def ask(told: list[str] = told) -> None:
                told += await here.moved_elsewhere()

            await asyncio.gather(
                there.admit(SESSIONS[round % 2], HELLO), ask(), here.admit("sesn_3", HELLO), ask(), ask()
            )
            await ask()
            assert SESSIONS[round % 2] in told
            assert set(told) <= {SESSIONS[round % 2], "sesn_3"}


async def test_question_is_answered_beside_commits_under_way(disk: Disk) -> None:
    async with disk.process() as here, disk.process() as there:
        epoch = await here.create(new_session())
        await there.create(new_session("sesn_2"))

        first = here.append(writes("sesn_1", epoch, said("sevt_a")))
        told = asyncio.ensure_future(here.moved_elsewhere())
        second = here.append(writes("sesn_1", epoch, said("sevt_b")))

        assert [await first, await second] == [3, 4]
        assert "sesn_2" in await told
