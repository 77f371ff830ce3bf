"""Plays of workflows: gathers, functions, checkpoints and branches that fail; what they return is the same always."""

import asyncio
from typing import Any

from podium import Agent, Denied, JoinFailed, ModelRequest, WorkflowRun, call, say, workflow
from podium.core.content import TextBlock, ToolUseBlock
from tests.crash.play import Play
from tests.crash.stage import Stage
from tests.lab.cast import after, raises
from tests.lab.lab import interrupted


def task(request: ModelRequest) -> str:
    """What the thread was asked for, with its context."""
    [said, *_] = request.messages[0].content
    return said.text if isinstance(said, TextBlock) else ""


def writes(request: ModelRequest) -> str:
    """The second draft is better than the first one."""
    return "a good draft" if "[issues]" in task(request) else "a draft"


def checks(request: ModelRequest) -> ToolUseBlock:
    """Forgets first what it owes, and then has something against all but good drafts."""
    if len(request.messages) == 1:
        return call("submit_result", verified=False)
    is_good = "a good draft" in task(request)
    return call("submit_result", verified=is_good, issues=[] if is_good else ["not good"], confidence=1)


def brief() -> Play:
    """Two branches at once of which one fails, a function that may run again, a draft that is verified and revised,
    checkpoints, and what follows on them."""
    lab = Stage(
        market=[[say("I look"), call("note", key="market")], after(2, "the market")],
        finance=raises(RuntimeError("broken"), after_s=1),
        writer=after(1, writes),
        checker=after(1, checks),
        sender="sent",
    )
    note = lab.tool("note", idempotent=True, seconds=1)
    market = Agent("market", model="m", tools=[note])
    finance, writer, checker, sender = (Agent(name, model="m") for name in ("finance", "writer", "checker", "sender"))

    @workflow
    async def brief(run: WorkflowRun, topic: str) -> list[Any]:
        async def number() -> int:
            await asyncio.sleep(1)
            return 7

        async def look() -> str:
            facts = await run.agent(market, topic)
            return f"{facts} {await run.step(number, idempotent=True)}"

        run.phase("research")
        got = await run.gather(look(), run.agent(finance, topic, retries=1), join="best_effort")
        run.phase("writing")
        draft = await run.agent(writer, "write", context=got)
        checked = await run.verify(draft, by=checker, against=got)
        await run.checkpoint("yes", payload={"body": checked.output})
        try:
            await run.checkpoint("no")
        except Denied as no:
            sent = await run.agent(sender, "send")
            return [*got, checked.output, checked.attempts, no.name, sent.text]
        return []

    return Play(lab=lab, lead=brief, returns=["the market 7", "a good draft", 2, "no", "sent"])


def races() -> Play:
    """Rules of all kinds, in each other, with losers that are stopped while they work."""
    lab = Stage(
        quick=after(1, "quick"),
        slow=[[call("note", key="slow")], after(3, "slow")],
        broken=raises(RuntimeError("broken"), after_s=1),
    )
    note = lab.tool("note", idempotent=True, seconds=1)
    quick, broken = Agent("quick", model="m"), Agent("broken", model="m")
    slow = Agent("slow", model="m", tools=[note])

    @workflow
    async def races(run: WorkflowRun, topic: str) -> list[str]:
        async def either(name: str) -> str:
            # The slow one takes so long that it loses however often its process is killed.
            got = await run.gather(run.agent(broken, name), run.agent(quick, name), join="any")
            return str(got[0])

        async def lost() -> str:
            try:
                await run.gather(run.agent(broken, "lost"), run.agent(slow, "lost"))
            except JoinFailed as error:
                return error.end
            return "?"

        task = asyncio.create_task(run.agent(slow, "aside"))
        got = await run.gather(either("a"), either("b"), lost())
        more = await run.gather(run.agent(quick, "c"), run.agent(quick, "d"), join="best_effort")
        return [*got, *(each.text for each in more), (await task).text]

    return Play(lab=lab, lead=races, returns=["quick", "quick", "failed", "quick", "quick", "slow"])


def paused_workflow() -> Play:
    """A person pauses it while calls, a function and a checkpoint are open; it is resumed."""
    lab = Stage(
        quick=after(1, "quick"),
        slow=[[call("note", key="slow")], after(3, "slow")],
    )
    note = lab.tool("note", idempotent=True, seconds=1)
    quick, slow = Agent("quick", model="m"), Agent("slow", model="m", tools=[note])

    @workflow
    async def paused_workflow(run: WorkflowRun, topic: str) -> list[str]:
        async def wait() -> int:
            await asyncio.sleep(3)
            return 7

        async def asked() -> str:
            await run.checkpoint("yes")
            return (await run.agent(quick, "asked")).text

        one = await run.agent(quick, topic)
        got = await run.gather(run.agent(slow, topic), run.step(wait, idempotent=True), asked())
        return [one.text, str(got[0]), str(got[1]), str(got[2])]

    acts = [(2.5, interrupted(pause=True))]
    return Play(lab=lab, lead=paused_workflow, acts=acts, returns=["quick", "slow", "7", "quick"])


PLAYS = (brief, races, paused_workflow)
