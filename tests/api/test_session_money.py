"""What sessions cost, and the budgets that bound them."""

import asyncio
from decimal import Decimal

import pytest

from podium import ModelRequest, Rehearsal
from podium.core.content import TextBlock
from podium.core.events import Usage
from podium.core.money import ModelFacts, Price
from podium.core.ports import Reply
from tests.api.calls import Calls, ok, only
from tests.api.server import Serve

ONE = Decimal(1)
BUDGET = {"type": "limit", "max_list_cost": {"amount": "500", "currency": "USD"}}


class Priced(Rehearsal):
    """Each call of it costs a dollar."""

    facts = ModelFacts(price=Price(input=ONE, output=ONE, cache_write=ONE, cache_read=ONE), max_tokens=100)

    async def reply(self, request: ModelRequest) -> Reply:
        return Reply((TextBlock("ok"),), usage=Usage(input_tokens=999_000, output_tokens=1_000))


async def test_a_budget_needs_models_with_a_price(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        agent = await calls.agent(model="priced")
        ok(await server.post("/v1/agents", {"name": "other", "model": "unknown"}))

        session = await calls.post_session(agent=agent["id"], budget=BUDGET)

        assert session.status == 400
        assert session.error.startswith(("budget: ", "agent"))


@pytest.mark.difference("list-cost-of-tokens")
async def test_what_a_session_costs_is_told_and_bounded(served: Serve) -> None:
    async with served(given={"priced": Priced(lambda _: "ok")}) as server:
        calls = Calls(server)
        agent = await calls.agent(model="priced")
        id = (await calls.session(agent, budget=BUDGET))["id"]
        await calls.turn(id, "one")

        session = await calls.get(id)
        [thread] = await calls.threads(id)

        cost = {"amount": "100", "currency": "USD"}
        assert session["budget"] == BUDGET
        assert (session["usage"]["list_cost"], thread["usage"]["list_cost"]) == (cost, cost)
        assert only(await calls.listed(id), "session.usage")["budget"] == BUDGET
        raised = {"type": "limit", "max_list_cost": {"amount": "1000", "currency": "USD"}}
        assert ok(await server.post(f"/v1/sessions/{id}", {"budget": raised}))["budget"] == raised
        low = {"type": "limit", "max_list_cost": {"amount": "100", "currency": "USD"}}
        refused = (await server.post(f"/v1/sessions/{id}", {"budget": low})).error
        assert refused == ("budget: 100 cents are not above the 100 that the session has used (budget_not_raised)")
        assert ok(await server.post(f"/v1/sessions/{id}", {"budget": None}))["budget"] is None
        assert "budget_create_only" in (await server.post(f"/v1/sessions/{id}", {"budget": raised})).error


@pytest.mark.difference("interrupted-calls-estimated")
async def test_an_interrupted_call_counts_with_all_that_was_set_aside(served: Serve) -> None:
    class Endless(Priced):
        async def reply(self, request: ModelRequest) -> Reply:
            await asyncio.Event().wait()
            raise AssertionError

    async with served(given={"priced": Endless(lambda _: "ok")}) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.agent(model="priced"), budget=BUDGET))["id"]
        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await calls.send(id, "one"))
            await stream.until_kind("span.model_request_start")
            ok(await calls.send(id, {"type": "user.interrupt"}))
            await stream.until_idle()

        cost = (await calls.get(id))["usage"]["list_cost"]

        assert 0 < Decimal(cost["amount"]) < 100


async def test_a_cost_that_nobody_knows_is_not_told(served: Serve) -> None:
    async with served() as server:
        calls = Calls(server)
        id = (await calls.session())["id"]
        events = await calls.turn(id, "one")

        session = await calls.get(id)
        [thread] = (await server.get(f"/v1/sessions/{id}/threads")).json["data"]

        for usage in (session["usage"], thread["usage"], only(events, "session.usage")["usage"]):
            assert "list_cost" not in usage, "absent, since the SDKs' types have no null for it in events"
        assert session["usage"]["output_tokens"] > 0
        assert session["stats"]["duration_seconds"] >= session["stats"]["active_seconds"] > 0
