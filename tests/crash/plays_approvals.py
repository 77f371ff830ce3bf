"""Plays in which a person is asked before calls happen."""

from podium import Agent, call, say
from tests.crash.people import answered, stopped, wrote
from tests.crash.play import Play
from tests.crash.plays_background import start
from tests.crash.stage import Stage
from tests.lab.cast import after
from tests.lab.lab import interrupted

ASKED = {"ask": "always_ask"}


def asked_at_rest() -> Play:
    """The lead and a child ask for calls of which one is denied, while a sibling works; all wait for a person."""
    lab = Stage(
        lead=[
            [call("ask", key="yes lead"), call("ask", key="no lead"), call("free", key="lead"), call("a", task="x")],
            [call("ask", key="yes again")],
            "done",
        ],
        a=[[say("may I"), call("ask", key="no a"), call("b", task="y")], [call("ask", key="yes a")], "a done"],
        b=[[call("free", key="b")], after(2, "b done")],
    )
    ask, free = lab.tool("ask", idempotent=True), lab.tool("free", idempotent=True, seconds=1)
    b = Agent("b", model="m", tools=[free])
    a = Agent("a", model="m", tools=[ask], callable_agents=[b], permissions=ASKED)
    lead = Agent("lead", model="m", tools=[ask, free], callable_agents=[a], permissions=ASKED)
    return Play(lab=lab, lead=lead, is_repeatable=True)


def asked_under_way() -> Play:
    """Calls that must not be repeated are answered while siblings work: one by one, one of them denied."""
    lab = Stage(
        lead=[[call("a", task="x"), call("b", task="y"), call("ask", key="yes lead")], "done"],
        a=[[call("ask", key="yes a"), call("ask", key="no a"), call("slow", key="a")], "a done"],
        b=[[call("slow", key="b")], after(3, "b done")],
    )
    ask, slow = lab.tool("ask", seconds=1), lab.tool("slow", seconds=2)
    a = Agent("a", model="m", tools=[ask, slow], permissions=ASKED)
    b = Agent("b", model="m", tools=[slow])
    lead = Agent("lead", model="m", tools=[ask], callable_agents=[a, b], permissions=ASKED)
    return Play(lab=lab, lead=lead, acts=[(0.7, answered(most=1)), (1.4, answered(most=1)), (4.2, answered())])


def asked_elsewhere() -> Play:
    """Another process takes the answers: as its sibling ends, and as the session comes to rest."""
    lab = Stage(
        lead=[[call("a", task="x"), call("b", task="y")], "done"],
        a=[[call("ask", key="yes 1"), call("ask", key="no 2")], [call("ask", key="yes 3")], "a done"],
        b=after(2, "b done"),
    )
    a = Agent("a", model="m", tools=[lab.tool("ask", seconds=1)], permissions=ASKED)
    lead = Agent("lead", model="m", callable_agents=[a, Agent("b", model="m")])
    acts = [(1.9, answered(most=1, elsewhere=True)), (2.0, answered(elsewhere=True)), (4.0, answered(elsewhere=True))]
    return Play(lab=lab, lead=lead, acts=acts)


def asked_and_interrupted() -> Play:
    """A person interrupts while calls ask, and pauses; then they are asked anew."""
    lab = Stage(
        lead=[[call("a", task="x"), call("ask", key="yes lead")], [call("ask", key="yes again")], "done"],
        a=[[call("ask", key="yes a"), call("slow", key="a")], "a done"],
    )
    ask, slow = lab.tool("ask"), lab.tool("slow", seconds=3)
    a = Agent("a", model="m", tools=[ask, slow], permissions=ASKED)
    lead = Agent("lead", model="m", tools=[ask], callable_agents=[a], permissions=ASKED)
    return Play(lab=lab, lead=lead, acts=[(1, answered(most=1)), (2, interrupted(pause=True))])


def asked_behind_the_lead() -> Play:
    """A person writes to a lead that is blocked on children that ask, and interrupts one instead of answering."""
    lab = Stage(
        lead=[[call("a", task="x"), call("b", task="y"), start("d", "w")], after(1, "they ask"), "done", "done"],
        a=[call("ask", key="yes a"), "a done"],
        b=[[call("c", task="z"), call("ask", key="yes b")], "b done"],
        c=[call("ask", key="no c"), after(6, "c done")],
        d=after(9, "d done"),
    )
    ask = lab.tool("ask", seconds=1)
    a, c = (Agent(name, model="m", tools=[ask], permissions=ASKED) for name in ("a", "c"))
    b = Agent("b", model="m", tools=[ask], callable_agents=[c], permissions=ASKED)
    lead = Agent("lead", model="m", callable_agents=[a, b, Agent("d", model="m")])
    acts = [
        (0.5, answered(most=1)),
        (1.2, wrote("what is it?")),
        (1.4, stopped("c")),
        (3, wrote("go on", elsewhere=True)),
    ]
    return Play(lab=lab, lead=lead, acts=acts)


PLAYS = (asked_at_rest, asked_under_way, asked_elsewhere, asked_and_interrupted, asked_behind_the_lead)
