"""Plays of models that fail, cost money and forget: retries, compaction, reservations, turns to hand over."""

import asyncio
import re
from decimal import Decimal

from podium import Agent, Limits, ModelRequest, SessionLimits, call, say
from podium.core.content import TextBlock
from podium.errors import ModelFailed, ModelFailure
from podium.models.rehearsal import Said
from tests.crash.play import Play
from tests.crash.stage import PRICED, SMALL, Stage
from tests.lab.cast import Line, after, hangs, raises, speak, turn_of


def fails_until(second: float, kind: ModelFailure, said: Line, *, asks: bool = False) -> Line:
    """A line that comes only from this second of the play on; one that `asks` says how long to wait."""

    async def line(request: ModelRequest) -> Said:
        left = second - asyncio.get_running_loop().time()
        if left > 0:
            raise ModelFailed(f"not before {second:g} s", kind=kind, retry_after_s=left if asks else None)
        return await speak(said, request)

    return line


def hands_over(*lines: Line) -> list[Line]:
    """Lines of which each gives what there is if it is the last turn."""

    def either(line: Line) -> Line:
        async def say_either(request: ModelRequest) -> Said:
            return "as far as I got" if request.purpose == "hand_over" else await speak(line, request)

        return say_either

    return [either(line) for line in lines]


def retried() -> Play:
    """Models that are overloaded, slow down or break off, and answer in the end; tools go on meanwhile."""
    lab = Stage(
        lead=[
            fails_until(2, "transient", [call("a", task="x"), call("b", task="y"), call("again", key="lead")]),
            fails_until(40, "overloaded", "done"),
        ],
        a=[[call("again", key="a")], fails_until(12, "overloaded", "a done")],
        b=fails_until(30, "rate_limited", "b done", asks=True),
    )
    again = lab.tool("again", idempotent=True, seconds=1)
    children = [Agent("a", model="ma", tools=[again]), Agent("b", model="mb")]
    lead = Agent("lead", model="m", tools=[again], callable_agents=children)
    return Play(lab=lab, lead=lead, is_repeatable=True)


def exhausted() -> Play:
    """A child whose model never answers: the lead is told, and goes on with another."""
    lab = Stage(
        lead=[[call("a", task="x"), call("b", task="y")], [call("b", task="z")], "done"],
        a=[[call("again", key="a")], raises(ModelFailed("too much", kind="overloaded"), after_s=1)],
        b=[[call("again", key="b")], "b done"],
    )
    again = lab.tool("again", idempotent=True, seconds=1)
    children = [Agent("a", model="ma", tools=[again]), Agent("b", model="m", tools=[again])]
    return Play(lab=lab, lead=Agent("lead", model="m", callable_agents=children), is_repeatable=True)


async def worker(request: ModelRequest) -> Said:
    """Six steps, one a turn; a summary says how far it has come."""
    said = " ".join(
        block.text for message in request.messages for block in message.content if isinstance(block, TextBlock)
    )
    before = [int(done) for done in re.findall(r"(\d+) steps are done", said)]
    done = (before[-1] if before else 0) + turn_of(request)
    if request.purpose == "compact":
        await asyncio.sleep(1)
        return f"{done} steps are done"
    return [say(f"step {done} " + "word " * 30), call("again", key=str(done))] if done < 6 else f"{done} steps"


def forgetful(request: ModelRequest) -> Said:
    """One whose provider finds its messages too long, rather than that it is known before."""
    if request.purpose == "turn" and len(request.messages) > 4:
        raise ModelFailed("the prompt is too long", kind="too_long")
    return "2 steps are done" if request.purpose == "compact" else worker_now(request)


def worker_now(request: ModelRequest) -> Said:
    """As `worker`, without a wait."""
    is_new = not any(
        "2 steps are done" in block.text for block in request.messages[0].content if isinstance(block, TextBlock)
    )
    return call("again", key=str(turn_of(request))) if is_new or turn_of(request) < 1 else "enough"


def compacted() -> Play:
    """Two threads whose context gets full again and again, and one whose provider says so."""
    lab = Stage(
        known={"small": SMALL},
        lead=[[call("a", task="x"), call("a", task="y"), call("b", task="z")], "done"],
        a=worker,
        b=forgetful,
    )
    again = lab.tool("again", idempotent=True, seconds=1)
    children = [Agent("a", model="small", tools=[again]), Agent("b", model="large", tools=[again])]
    return Play(lab=lab, lead=Agent("lead", model="m", callable_agents=children), is_repeatable=True)


def reserved() -> Play:
    """Calls that cost money, in parallel, under caps of the session and of an agent with a child of its own."""
    lab = Stage(
        known={"priced": PRICED},
        lead=hands_over(
            [call("a", task="x"), call("b", task="y"), call("b", task="z")], [call("b", task="again")], "done"
        ),
        a=hands_over(after(1, [call("c", task="deep")]), after(1, [call("c", task="deeper")]), "a done"),
        b=hands_over(after(2, [say("word " * 200), call("once", key="b")]), after(1, "b done")),
        c=hands_over(after(1, "word " * 200)),
    )
    once = lab.tool("once", seconds=1)
    a = Agent("a", model="priced", callable_agents=[Agent("c", model="priced")], limits=Limits(usd="0.3"))
    b = Agent("b", model="priced", tools=[once])
    lead = Agent("lead", model="priced", callable_agents=[a, b])
    caps = {"": Decimal("0.6"), "a": Decimal("0.3")}
    return Play(lab=lab, lead=lead, limits=SessionLimits(usd="0.6"), caps=caps)


def spent() -> Play:
    """The session's cap is met while children work: the lead hands over."""
    lab = Stage(
        known={"priced": PRICED},
        lead=hands_over([call("b", task="y"), call("b", task="z")]),
        b=hands_over([say("word " * 400), call("once", key="b")]),
    )
    b = Agent("b", model="priced", tools=[lab.tool("once", seconds=1)], limits=Limits(turns=3))
    lead = Agent("lead", model="priced", callable_agents=[b])
    return Play(lab=lab, lead=lead, limits=SessionLimits(usd="0.3"), caps={"": Decimal("0.3")})


def handed_over() -> Play:
    """Children that meet limits of turns and of tokens: each hands over what it has, one of them its output."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}

    def owing(request: ModelRequest) -> Said:
        is_last = request.purpose == "hand_over"
        return call("submit_result", n=turn_of(request)) if is_last else call("again", key="owing")

    lab = Stage(
        lead=[[call(name, task="x") for name in ("loops", "hungry", "owes")], "done"],
        loops=hands_over([say("round"), call("again", key="loops")]),
        hungry=hands_over([say("word " * 60), call("again", key="hungry")]),
        owes=owing,
    )
    again = lab.tool("again", idempotent=True, seconds=1)
    children = [
        Agent("loops", model="m", tools=[again], limits=Limits(turns=3)),
        Agent("hungry", model="m", tools=[again], limits=Limits(tokens=200)),
        Agent("owes", model="m", tools=[again], limits=Limits(turns=2), output_schema=schema),
    ]
    return Play(lab=lab, lead=Agent("lead", model="m", callable_agents=children), is_repeatable=True)


def out_of_time() -> Play:
    """Children whose time is over in a model call, in a tool and while they wait; one dallies in its last turn too."""
    lab = Stage(
        lead=hands_over([call(name, task="x") for name in ("calls", "works", "waits", "dallies")], after(1, "done")),
        calls=hands_over([call("once", key="calls")], hangs),
        works=hands_over([call("slow", key="works")]),
        waits=hands_over([say("asking"), call("calls", task="deep")]),
        dallies=[[say("so far"), call("slow", key="dallies")], hangs],
    )
    once, slow = lab.tool("once"), lab.tool("slow", seconds=100)
    calls = Agent("calls", model="m", tools=[once], limits=Limits(seconds=4))
    children = [
        calls,
        Agent("works", model="m", tools=[slow], limits=Limits(seconds=2)),
        Agent("waits", model="m", callable_agents=[calls], limits=Limits(seconds=3)),
        Agent("dallies", model="m", tools=[slow], limits=Limits(seconds=2)),
    ]
    return Play(lab=lab, lead=Agent("lead", model="m", callable_agents=children), limits=SessionLimits(seconds=90))


PLAYS = (retried, exhausted, compacted, reserved, spent, handed_over, out_of_time)
