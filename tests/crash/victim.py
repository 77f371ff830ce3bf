"""A program that runs teams with real tools on a real data folder, for tests that kill it: `victim.py MODE FOLDER`.

    work            resume what is unfinished, then run one session after another until killed
    finish          resume what is unfinished, until nothing is left to do, and end
    slow            one session whose models and tools take half a second each
    take SESSION    resume this session, or say why not

Shape: it says a line for each thing that happens, at once: `session ID` before a session is driven, `ack ID SEQ TYPE`
for each record it sees committed, `model-begin KEY`, `model-fail KEY` or `model-end KEY`, `tool-begin KEY` and
`tool-end KEY`, `rests ID REASON TEXT` where a person must answer, and `over ID REASON TEXT`. A key is the thread's task
and the number of its turn, with a "+" where the context is shortened. What tools do goes to FOLDER/journal, outside the
log.
"""

import asyncio
import dataclasses
import os
import random
import re
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from podium import (
    Agent,
    Limits,
    ModelRequest,
    Podium,
    PodiumError,
    Rehearsal,
    Run,
    SessionLimits,
    TextBlock,
    call,
    say,
    tool,
)
from podium.core.money import ModelFacts, Price
from podium.errors import ModelFailed
from podium.models.rehearsal import Said

MODE, FOLDER = sys.argv[1], Path(sys.argv[2])
JOURNAL = FOLDER / "journal"
WORKDIR = FOLDER / "workdir"
PAUSE_S = 0.5 if MODE == "slow" else 0.03
RETRY_S = 0.04  # how long a model that breaks off is left alone
PRICE = Price(input=Decimal(10), output=Decimal(50), cache_write=Decimal("12.5"), cache_read=Decimal(1))
FACTS = {
    "priced": ModelFacts(price=PRICE, max_tokens=400),
    "small": ModelFacts(context_window=100),
}
LOOK_S = 0.01
LIMITS = SessionLimits(usd="5")
CAP_USD = "0.3"  # of the middle one and those below it: some three calls at once


class Team(Podium):
    """Podium, with models whose backoff is short."""

    async def __aenter__(self) -> "Team":
        await super().__aenter__()
        self._parts = dataclasses.replace(self.parts, chance=lambda: 0.0)
        return self


class Known(Rehearsal):
    """A model of which something is known."""

    def __init__(self, script: Any, facts: ModelFacts) -> None:
        super().__init__(script)
        self.facts = facts


def tell(line: str) -> None:
    """To whoever watches: the line is out when this returns."""
    os.write(1, f"{line}\n".encode())


def write_down(line: str) -> None:
    """Into the journal, for good."""
    journal = os.open(JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(journal, f"{line}\n".encode())
    os.fsync(journal)
    os.close(journal)


def act(kind: str, key: str) -> str:
    tell(f"tool-begin {key}")
    time.sleep(PAUSE_S / 2)
    write_down(f"{kind} {key}")
    time.sleep(PAUSE_S / 2)
    tell(f"tool-end {key}")
    return f"{kind} {key}"


def once(key: str) -> str:
    """Does something that must not happen twice."""
    return act("once", key)


@tool(idempotent=True)
def again(key: str) -> str:
    """Does something that may happen again."""
    return act("again", key)


def ask(key: str) -> str:
    """Does something that a person must allow, and that must not happen twice."""
    return act("ask", key)


def bash(key: str) -> str:
    """A command that writes the key down in the shared workdir, takes a while, and must not happen twice."""
    return f"echo 'bash {key}' >> /workspace/journal; sleep {PAUSE_S}"


def so_far(request: ModelRequest) -> tuple[str, int]:
    """The thread's task, and how many turns it has had: a summary of the context says so of those it replaced."""
    said = [block.text for block in request.messages[0].content if isinstance(block, TextBlock)]
    before = [int(turns) for turns in re.findall(r"(\d+) turns are summed up", "\n".join(said[1:]))]
    return said[0], (before[-1] if before else 0) + sum(message.role == "assistant" for message in request.messages)


async def script(request: ModelRequest) -> Said:
    """What each agent does, turn by turn; a function of the request, but for the calls that break off."""
    task, turn = so_far(request)
    key = f"{task}.{turn}{'+' if request.purpose == 'compact' else ''}"
    tell(f"model-begin {key}")
    await asyncio.sleep(PAUSE_S)
    if request.agent == "leaf" and random.random() < 0.3:
        tell(f"model-fail {key}")
        raise ModelFailed("the connection broke", kind="transient", retry_after_s=RETRY_S)
    tell(f"model-end {key}")
    if request.purpose != "turn":
        return f"{turn} turns are summed up" if request.purpose == "compact" else "as far as I got"
    step: Said = [say("word " * 50), call("again", key=f"{key}a")]
    lines: dict[str, list[Said]] = {
        "lead": [
            [
                say("I hand it out"),
                call("start_agent", agent="scout", input={"task": f"{task}/s"}),
                call("middle", task=f"{task}/m"),
                call("leaf", task=f"{task}/l"),
                call("once", key=f"{key}o"),
                call("ask", key=f"{key}yes"),
            ],
            [
                call("bash", command=bash(f"{key}b")),
                call("write", path=f"/workspace/{key}", content=key),
                call("again", key=f"{key}a"),
                call("ask", key=f"{key}no"),
            ],
            "done",
        ],
        "middle": [
            [call("leaf", task=f"{task}/1"), call("leaf", task=f"{task}/2"), call("bash", command=bash(f"{key}b"))],
            "middle is done",
        ],
        "leaf": [[call("once", key=f"{key}o"), call("again", key=f"{key}a")], "leaf is done"],
        "scout": [step, step, step, step, "scout is done"],
    }
    said = lines[request.agent]
    return said[min(turn, len(said) - 1)]


async def watch(run: Run) -> None:
    tell(f"session {run.id}")
    async for record in run.records():
        tell(f"ack {run.id} {record.seq} {record.type}")
    result = await run.result()
    how = "rests" if result.stop_reason == "requires_action" else "over"
    tell(f"{how} {run.id} {result.stop_reason} {result.text}")


def team() -> Agent:
    """Who is at work: children in the foreground and one in the background, with prices, limits and a small context."""
    leaf = Agent("leaf", model="priced", tools=[once, again])
    middle = Agent("middle", model="priced", tools=["bash"], callable_agents=[leaf], limits=Limits(usd=CAP_USD))
    scout = Agent("scout", model="small", tools=[again])
    return Agent(
        "lead",
        model="priced",
        tools=[once, again, ask, "bash", "write"],
        callable_agents=[middle, leaf, scout],
        permissions={"ask": "always_ask"} if MODE == "work" else {},  # else there is nobody to ask
    )


async def go_on(podium: Podium, lead: Agent) -> bool:
    """Drive all that is unfinished; whether something still waits for a person."""
    for row in await podium.unfinished():
        await watch(await podium.resume(row.id, agents=[lead]))
    reasons = [row.facts.stop_reason for row in await podium.parts.store.sessions()]
    return any(reason is not None and reason.type == "requires_action" for reason in reasons)


async def main() -> None:
    WORKDIR.mkdir(parents=True, exist_ok=True)
    lead, models = team(), {name: Known(script, facts) for name, facts in FACTS.items()}
    async with Team(FOLDER / "data", models=models) as podium:
        if MODE == "take":
            try:
                await watch(await podium.resume(sys.argv[3], agents=[lead]))
            except PodiumError as error:
                tell(f"refused {type(error).__name__}: {error}")
            return
        while True:
            # What a person answers in another process rings no bell here.
            while await go_on(podium, lead):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_S)
            if MODE == "finish":
                return
            await watch(await podium.start(lead, os.urandom(4).hex(), workdir=WORKDIR, limits=LIMITS))
            if MODE == "slow":
                return


if __name__ == "__main__":
    asyncio.run(main())
