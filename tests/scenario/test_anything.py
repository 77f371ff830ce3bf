"""Whatever models say, people do and processes suffer: every log holds the invariants, and nothing waits for ever."""

import asyncio
import re
from contextlib import suppress
from decimal import Decimal
from random import Random

import pytest

from podium import Agent, Concurrency, Limits, ModelRequest, Reply, SessionLimits, Usage, call, say
from podium.core.content import ToolUseBlock, text
from podium.core.inputs import (
    Archive,
    Confirm,
    GiveResult,
    InputRequest,
    Instruct,
    Interrupt,
    SendMessage,
    Update,
)
from podium.core.json import JSON
from podium.core.money import ModelFacts, Price
from podium.errors import ModelFailed, ModelFailure, NotFound, Refused
from podium.models.rehearsal import Said
from tests.lab.cast import ClientTool
from tests.lab.lab import SESSION, Act, Lab, Live
from tests.lab.world import Fuse, Killed

FACTS = ModelFacts(
    price=Price(input=Decimal(1), output=Decimal(1000), cache_write=Decimal(1), cache_read=Decimal(0)),
    max_tokens=5000,
    context_window=3000,
)
FAILURES: list[ModelFailure] = ["transient", "rate_limited", "overloaded", "too_long", "failed"]


class Anything:
    """A session of three levels, whose models, people and processes do anything."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = Random(seed)
        self.rules = Random(seed + 1_000)  # of its own: the others draw what they drew before there were any
        facts = chance.choice([None, FACTS])
        commit_s = chance.choice([0, 0, 0.1, 0.3])
        names = ("lead", "middle", "leaf", "scout")
        self.lab = Lab(dict.fromkeys(names, self.line), facts=facts, commit_s=commit_s, chance=chance.random())
        leaf = self.agent("leaf")
        self.lead = self.agent("lead", self.agent("middle", leaf), leaf)

    def agent(self, name: str, *callable_agents: Agent) -> Agent:
        pick, rule = self.chance.choice, self.rules.choice
        is_ruled = bool(callable_agents) and self.rules.random() < 0.7
        return Agent(
            name,
            model="m",
            tools=[
                self.lab.tool("look", seconds=pick([0, 0.3, 1])),
                self.lab.tool("pay", seconds=pick([0, 0.3])),
                ClientTool("crm"),
            ],
            permissions={"pay": "always_ask"},
            callable_agents=callable_agents,
            inline_agents=pick([True, False]),
            limits=Limits(turns=pick([None, None, 4]), seconds=pick([None, None, 3]), usd=pick([None, 6, 10])),
            retries=rule([0, 1, 3]) if is_ruled else 0,
            join=rule(["best_effort", "all", "any", 2]) if is_ruled else "best_effort",
        )

    async def line(self, request: ModelRequest) -> Said:
        chance = self.chance
        await asyncio.sleep(chance.choice([0, 0.1, 0.2, 0.5, 1]))
        if request.purpose == "compact":
            return "what matters"
        usage = Usage(chance.randint(1, 600), chance.randint(1, 1500))
        if chance.random() < 0.06:
            raise ModelFailed("no", kind=chance.choice(FAILURES), retry_after_s=chance.choice([None, 2]), usage=usage)
        replies = sum(message.role == "assistant" for message in request.messages)
        calls = [made for _ in range(3) if (made := self.any_call(request)) is not None]
        if not calls or chance.random() < 0.25 + 0.1 * replies:
            return Reply((say("done"),), usage=usage)
        return Reply(tuple(calls[: chance.randint(1, 3)]), "tool_use", usage=usage)

    def any_call(self, request: ModelRequest) -> ToolUseBlock | None:
        chance = self.chance
        threads = re.findall(r"sthr_\d+", str(list(request.messages)))
        agents = [offer.name for offer in request.tools if offer.is_agent]
        match name := chance.choice(request.tools).name:
            case "look" | "pay" | "crm":
                return call(name, key=str(chance.randint(0, 9)))
            case "create_agent":
                more: dict[str, JSON] = chance.choice([{}, {"tools": ["crm"]}, {"background": True}, {"tools": ["no"]}])
                return call(name, name=chance.choice(["scout", "leaf"]), system="Look.", task="x", **more)
            case "start_agent":
                limits = chance.choice([{}, {"turns": 2}, {"usd": 3}])
                return call(name, agent=chance.choice(agents), input={"task": "x"}, limits=limits)
            case "send_to_agent":
                return call(name, thread=chance.choice(threads), message="hey") if threads else None
            case "stop_agent":
                return call(name, thread=chance.choice(threads)) if threads else None
            case "wait_for_agents" | "list_agents":
                return call(name)
            case "send_to_parent":
                return call(name, message="hey")
            case _:
                return call(name, task="x")

    def waiting(self, state: str) -> list[str]:
        return [row.id for row in self.lab.world.log.sessions[SESSION].calls.values() if row.state == state]

    def any_input(self) -> InputRequest:
        chance = self.chance
        if (asks := self.waiting("asks")) and chance.random() < 0.5:
            return Confirm(call=chance.choice(asks), allow=chance.random() < 0.6)
        if (asks := self.waiting("client")) and chance.random() < 0.6:
            return GiveResult(call=chance.choice(asks), content=text("so"), is_error=chance.random() < 0.3)
        threads = list(self.lab.world.log.sessions[SESSION].threads)
        inputs: list[InputRequest] = [Interrupt(), Interrupt(pause=True)]
        inputs += [SendMessage(content=text("so?"))] * 5
        inputs += [Instruct(content=text("be brief")), SendMessage(content=text("and?"), waits=False)]
        inputs += [Update(budget=Decimal(chance.randint(20, 90))), Update(has_budget=False), Update(title="new")]
        inputs += [Archive(thread=chance.choice(threads)) for _ in range(3)]
        return chance.choice([*inputs, *(Interrupt(thread=chance.choice(threads)) for _ in range(4))])

    async def act(self, live: Live) -> None:
        if self.chance.random() < 0.07:
            await live.let_go()
            return
        with suppress(Refused, NotFound):
            await self.chance.choice([live.accept, live.accept, live.elsewhere])(self.any_input())

    def acts(self) -> list[Act]:
        return [(self.chance.random() * 6, self.act) for _ in range(self.chance.randint(0, 6))]

    def fuse(self) -> Fuse | None:
        return Fuse(self.chance.randint(20, 400)) if self.chance.random() < 0.3 else None

    def begin(self) -> None:
        pick = self.chance.choice
        limits = SessionLimits(turns=pick([None, 40]), usd=pick([None, 40]), live_threads=pick([None, 3]))
        concurrency = Concurrency(session=pick([None, 1, 3]))
        with suppress(Killed):
            self.lab.run(self.lead, acts=self.acts(), limits=limits, concurrency=concurrency, fuse=self.fuse())

    def go_on(self) -> None:
        if not self.lab.row().is_unfinished:
            with suppress(Refused):
                self.lab.tell(self.any_input())
        with suppress(Killed):
            self.lab.resume(acts=self.acts(), fuse=self.fuse())


@pytest.mark.parametrize("seed", [*range(40), 316, 585])
def test_anything_may_happen(seed: int) -> None:
    anything = Anything(seed)

    anything.begin()
    for _ in range(8):
        if SESSION in anything.lab.world.log.sessions:  # else it was killed before it began
            anything.go_on()
