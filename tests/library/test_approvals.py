"""Approvals and steering through the library: a real store, real tools, a callback of the program's."""

import asyncio
from pathlib import Path

import pytest

from podium import Agent, Approval, ModelRequest, Podium, Rehearsal, call, resume, run
from podium.errors import BadInput, Refused
from podium.models.rehearsal import Said


class Shop:
    """An agent that pays, once it may."""

    def __init__(self) -> None:
        self.paid: list[int] = []

        def pay(amount: int) -> str:
            """Pay this amount."""
            self.paid.append(amount)
            return f"paid {amount}"

        self.agent = Agent("clerk", model="m", tools=[pay], permissions={"pay": "always_ask"})
        self.models = {"m": Rehearsal(self.says)}

    def says(self, request: ModelRequest) -> Said:
        if len(request.messages) == 1:
            return [call("pay", amount=1), call("pay", amount=2)]
        results = [block.content[0].text for block in request.messages[2].content]  # type: ignore[union-attr]
        return " | ".join(results)


async def test_callback_sees_the_exact_call_and_allows_or_denies_with_a_reason(tmp_path: Path) -> None:
    shop, seen = Shop(), list[Approval]()

    async def approve(approval: Approval) -> bool | str:
        seen.append(approval)
        return True if approval.input["amount"] == 1 else "too much"

    result = await run(shop.agent, "pay", models=shop.models, approve=approve, data=tmp_path)

    assert sorted((it.agent, it.tool, it.input["amount"]) for it in seen) == [("clerk", "pay", 1), ("clerk", "pay", 2)]
    assert result.text == "paid 1 | Permission to use pay has been denied. too much"
    assert shop.paid == [1]


async def test_plain_function_may_block_while_it_asks(tmp_path: Path) -> None:
    shop = Shop()

    result = await run(shop.agent, "pay", models=shop.models, approve=lambda approval: True, data=tmp_path)

    assert result.stop_reason == "end_turn"
    assert sorted(shop.paid) == [1, 2]


async def test_error_of_the_callback_is_the_callers_and_the_call_goes_on_waiting(tmp_path: Path) -> None:
    shop = Shop()

    def approve(approval: Approval) -> bool:
        raise ValueError("nobody is in")

    with pytest.raises(ValueError, match="nobody is in"):
        await run(shop.agent, "pay", models=shop.models, approve=approve, data=tmp_path)

    async with Podium(tmp_path) as podium:
        [row] = await podium.parts.store.sessions()
        assert [call.state for call in await podium.parts.store.open_calls(row.id)] == ["asks", "asks"]
    result = await resume(row.id, agents=[shop.agent], models=shop.models, approve=lambda approval: True, data=tmp_path)
    assert (result.stop_reason, sorted(shop.paid)) == ("end_turn", [1, 2])


async def test_without_a_callback_the_run_ends_and_says_what_waits(tmp_path: Path) -> None:
    shop = Shop()

    result = await run(shop.agent, "pay", models=shop.models, data=tmp_path)

    assert result.stop_reason == "requires_action"
    assert [(it.tool, it.input) for it in result.waiting] == [("pay", {"amount": 1}), ("pay", {"amount": 2})]
    assert shop.paid == []
    with pytest.raises(BadInput, match="waits for a person's approval; answer it with `podium approve"):
        await resume(result.session_id, agents=[shop.agent], models=shop.models, data=tmp_path)


async def test_answers_after_a_restart_are_consumed_once(tmp_path: Path) -> None:
    shop = Shop()
    first = await run(shop.agent, "pay", models=shop.models, data=tmp_path)
    one, two = first.waiting

    async with Podium(tmp_path) as podium:
        await podium.approve(first.session_id, one.call_id, allow=True, input_hash=one.input_hash)
        with pytest.raises(Refused, match="answered before"):
            await podium.approve(first.session_id, one.call_id, allow=False)
        with pytest.raises(Refused, match="another input"):
            await podium.approve(first.session_id, two.call_id, allow=True, input_hash=one.input_hash)
        with pytest.raises(Refused, match="does not wait for approval"):
            await podium.approve(first.session_id, "sevt_none", allow=True)
        await podium.approve(first.session_id, two.call_id, allow=False, reason="enough")
    result = await resume(first.session_id, agents=[shop.agent], models=shop.models, data=tmp_path)

    assert (result.stop_reason, result.text) == (
        "end_turn",
        "paid 1 | Permission to use pay has been denied. enough",
    )
    assert shop.paid == [1]


async def test_hundred_answers_at_once_run_the_call_once(tmp_path: Path) -> None:
    shop = Shop()
    first = await run(shop.agent, "pay", models=shop.models, data=tmp_path)

    async with Podium(tmp_path) as podium:
        answers = [
            podium.approve(first.session_id, first.waiting[0].call_id, allow=number % 2 == 0) for number in range(100)
        ]
        outcomes = await asyncio.gather(*answers, return_exceptions=True)

    assert sum(isinstance(outcome, str) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Refused) for outcome in outcomes) == 99


async def test_messages_and_interrupts_reach_a_run_of_this_process(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def slow(request: ModelRequest) -> Said:
        if begun.is_set():
            return "after: " + request.messages[-1].content[-1].text  # type: ignore[union-attr]
        begun.set()
        await asyncio.sleep(3600)
        return "never"

    async with Podium(tmp_path, models={"m": Rehearsal(slow)}) as podium:
        under_way = await podium.start(Agent("solo", model="m"), "go")
        await begun.wait()
        await podium.interrupt(under_way.id)
        stopped = await under_way.result()
        await podium.send(under_way.id, "and now?")
        again = await podium.take_up_if_needed(under_way.id, within_s=0)
        assert again is not None
        result = await again.result()

    assert (stopped.stop_reason, stopped.text) == ("end_turn", "")
    assert result.text == "after: and now?"


async def test_follower_hears_what_its_own_process_answers_while_nothing_runs(tmp_path: Path) -> None:
    shop = Shop()
    async with Podium(tmp_path) as podium:
        first = await podium.run(shop.agent, "pay", models=shop.models)
        records = podium.watch(first.session_id, after=len(first.records))
        heard = asyncio.create_task(anext(records))
        await asyncio.sleep(0)

        await podium.approve(first.session_id, first.waiting[0].call_id, allow=True)

        record = await asyncio.wait_for(heard, timeout=20)
        await records.aclose()
    assert record.type == "user.tool_confirmation"
