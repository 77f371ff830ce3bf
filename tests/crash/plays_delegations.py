"""Plays of agents that are called again where they failed, and stopped where they are not needed any more."""

from podium import Agent, Limits, ModelRequest, call
from podium.models.rehearsal import Said
from tests.crash.people import answered
from tests.crash.play import Play
from tests.crash.plays_background import LATE
from tests.crash.stage import Stage
from tests.lab.cast import after, raises, speak, turn_of

BROKEN = raises(RuntimeError("broken"), after_s=1)


def tried_again() -> Play:
    """Two agents that fail, one of them after a tool; and one that works, and has an agent of its own that fails."""
    lab = Stage(
        lead=[[call("bad", task="x"), call("worse", task="y"), call("good", task="z")], "done"],
        bad=[[call("note", key="bad")], BROKEN],
        worse=BROKEN,
        good=[[call("worse", task="deep"), call("note", key="good")], "good"],
    )
    note = lab.tool("note", idempotent=True, seconds=1)
    worse = Agent("worse", model="m")
    bad = Agent("bad", model="m", tools=[note])
    good = Agent("good", model="m", tools=[note], callable_agents=[worse], retries=1)
    retries = {"bad": 2, "worse": 1}
    return Play(
        lab=lab, lead=Agent("lead", model="m", callable_agents=[bad, worse, good], retries=retries), is_repeatable=True
    )


def timed_out_again() -> Play:
    """An agent that runs out of time with a tool under way, is called again, and runs out of time again."""

    async def hangs(request: ModelRequest) -> Said:
        return await speak(call("slow", key="x") if turn_of(request) == 0 else "half of it", request)

    lab = Stage(lead=[[call("slow_one", task="x"), call("note", key="lead")], "done"], slow_one=hangs)
    slow, note = lab.tool("slow", seconds=50), lab.tool("note", seconds=1)
    worker = Agent("slow_one", model="m", tools=[slow], limits=Limits(seconds=3))
    return Play(lab=lab, lead=Agent("lead", model="m", tools=[note], callable_agents=[worker], retries=1))


def one_is_enough() -> Play:
    """Four agents of whom one is enough: one in a model call, one in a tool, one with agents of its own."""
    lab = Stage(
        lead=[
            [*(call(name, task="x") for name in ("quick", "late", "busy", "above")), call("note", key="lead")],
            "done",
        ],
        quick=[[call("note", key="quick")], after(2, "quick")],
        late=LATE,
        busy=[[call("linger", key="busy")], "busy"],
        above=[[call("late", task="deep"), call("start_agent", agent="late", input={"task": "aside"})], "above"],
    )
    note, linger = lab.tool("note", idempotent=True, seconds=1), lab.tool("linger", idempotent=True, seconds=100_000)
    late = Agent("late", model="m")
    callees = [
        Agent("quick", model="m", tools=[note]),
        late,
        Agent("busy", model="m", tools=[linger]),
        Agent("above", model="m", callable_agents=[late]),
    ]
    lead = Agent("lead", model="m", tools=[note], callable_agents=callees, join="any")
    return Play(lab=lab, lead=lead, is_repeatable=True)


def all_are_needed() -> Play:
    """One of three fails in each of its attempts, and the others are stopped; in the second reply all report."""
    lab = Stage(
        lead=[
            [call("bad", task="x"), call("late", task="y"), call("good", task="z")],
            [call("good", task="x"), call("good", task="y")],
            "done",
        ],
        bad=[[call("note", key="bad")], BROKEN],
        late=LATE,
        good=[[call("note", key="good")], "good"],
    )
    note = lab.tool("note", idempotent=True, seconds=1)
    callees = [Agent("bad", model="m", tools=[note]), Agent("late", model="m"), Agent("good", model="m", tools=[note])]
    lead = Agent("lead", model="m", callable_agents=callees, join="all", retries=1)
    return Play(lab=lab, lead=lead, is_repeatable=True)


def two_of_four() -> Play:
    """Two of four agents are enough: of these one cannot be started, and two ask a person."""
    lab = Stage(
        lead=[[call("a", task="x"), call("a", wrong="y"), call("b", task="x"), call("c", task="x")], "done"],
        a=[[call("pay", key="a")], "a done"],
        b=[[call("pay", key="no b")], BROKEN],
        c=after(4, "c done"),
    )
    pay = lab.tool("pay", seconds=1)
    asking = [Agent(name, model="m", tools=[pay], permissions={"pay": "always_ask"}) for name in ("a", "b")]
    callees = [*asking, Agent("c", model="m")]
    lead = Agent("lead", model="m", callable_agents=callees, join=2, retries={"b": 1})
    return Play(lab=lab, lead=lead, acts=[(6, answered(most=1, allow=True))])


PLAYS = (tried_again, timed_out_again, one_is_enough, all_are_needed)
ASKING = (two_of_four,)
