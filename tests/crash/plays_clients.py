"""Plays of what programs on the server's API do: tools of their own, agents defined on the way, archives, budgets."""

from decimal import Decimal

from podium import Agent, SessionLimits, call, say
from podium.core.content import ToolUseBlock
from podium.core.json import JSON
from tests.crash.people import answered, archived, raised, stopped
from tests.crash.play import Play
from tests.crash.plays_attempts import hands_over
from tests.crash.plays_background import start, waits
from tests.crash.stage import PRICED, Stage
from tests.lab.cast import ClientTool, after
from tests.lab.lab import interrupted

CRM = ClientTool("crm")
ASKED = {"ask": "always_ask"}


def create(name: str, **more: JSON) -> ToolUseBlock:
    """A call that defines an agent."""
    given: dict[str, JSON] = {"name": name, "system": f"You are {name}.", "task": "x", **more}
    return call("create_agent", **given)


def asked_clients() -> Play:
    """The lead and a child call the client's tools, beside others; all wait for the client, who fails one of them."""
    lab = Stage(
        lead=[
            [call("crm", key="lead"), call("free", key="lead"), call("a", task="x"), call("crm", key="no lead")],
            [call("crm", key="again")],
            "done",
        ],
        a=[[say("let me see"), call("crm", key="a"), call("free", key="a")], [call("crm", key="no a")], "a done"],
    )
    free = lab.tool("free", idempotent=True, seconds=1)
    a = Agent("a", model="m", tools=[CRM, free])
    lead = Agent("lead", model="m", tools=[CRM, free], callable_agents=[a])
    return Play(lab=lab, lead=lead, is_repeatable=True)


def clients_under_way() -> Play:
    """The client answers while siblings work, here and elsewhere; one that waits is interrupted, then all of them."""
    lab = Stage(
        lead=[[call("a", task="x"), call("b", task="y"), call("crm", key="lead")], [call("crm", key="more")], "done"],
        a=[[call("crm", key="a"), call("slow", key="a")], [call("crm", key="a2")], "a done"],
        b=[[call("slow", key="b"), call("crm", key="b")], after(3, "b done")],
    )
    slow = lab.tool("slow", seconds=2)
    a, b = (Agent(name, model="m", tools=[CRM, slow]) for name in ("a", "b"))
    lead = Agent("lead", model="m", tools=[CRM], callable_agents=[a, b])
    acts = [
        (0.7, answered(most=1)),
        (1.4, answered(most=1, elsewhere=True)),
        (2.5, stopped("a")),
        (3.0, answered(elsewhere=True)),
        (6.5, interrupted()),
    ]
    return Play(lab=lab, lead=lead, acts=acts)


def defined() -> Play:
    """Agents that the lead defines, in the foreground and in the background; a child defines one of its own."""
    lab = Stage(
        lead=[
            [create("scout", tools=["note"]), create("clerk", background=True), call("a", task="x")],
            [create("scout"), create("wait_for_agents"), create("scout", tools=["nothing"])],
            waits,
        ],
        a=[[create("scout", task="deep"), call("note", key="a")], "a done"],
        scout=[[say("so"), call("note", key="scout"), create("scout")], after(1, "seen")],
        clerk=[[call("note", key="clerk")], after(60, "written")],
    )
    note = lab.tool("note", idempotent=True, seconds=1)
    a = Agent("a", model="m", tools=[note], inline_agents=True)
    lead = Agent("lead", model="m", tools=[note], callable_agents=[a], inline_agents=True)
    return Play(lab=lab, lead=lead, is_repeatable=True)


def archives() -> Play:
    """A person archives threads: one that is over, one that asks, one with a family below it, one that works."""
    lab = Stage(
        lead=[
            [call("a", task="x"), call("b", task="y"), call("c", task="z"), start("e", "w")],
            "they are gone",
            "done",
        ],
        a="a done",
        b=[[call("ask", key="yes b")], "b done"],
        c=[[call("d", task="deep"), start("e", "v")], after(9, "c done")],
        d=[[call("ask", key="yes d"), call("crm", key="d")], "d done"],
        e=after(9, "e done"),
    )
    ask = lab.tool("ask", seconds=1)
    b = Agent("b", model="m", tools=[ask], permissions=ASKED)
    d = Agent("d", model="m", tools=[ask, CRM], permissions=ASKED)
    e = Agent("e", model="m")
    c = Agent("c", model="m", callable_agents=[d, e])
    lead = Agent("lead", model="m", callable_agents=[Agent("a", model="m"), b, c, e])
    acts = [
        (0.5, archived("a")),
        (1, archived("b", elsewhere=True)),
        (1.5, answered(most=1)),
        (2, archived("e")),
        (3, archived("d")),
        (5.5, archived("c")),
        (9, archived("e", elsewhere=True)),
    ]
    return Play(lab=lab, lead=lead, acts=acts)


def raises_budget() -> Play:
    """A session that comes to its budget while a child works; it is raised just then, and again once it is idle."""
    lab = Stage(
        known={"m": PRICED},
        lead=hands_over([call("a", task="x"), call("once", key="lead")], [call("a", task="y")], "done", "done"),
        a=hands_over([say("word " * 400), call("once", key="a")], after(1, "word " * 400)),
    )
    once = lab.tool("once", seconds=1)
    lead = Agent("lead", model="m", tools=[once], callable_agents=[Agent("a", model="m", tools=[once])])
    acts = [(0.5, raised("0.16", elsewhere=True)), (2.5, raised("0.2", elsewhere=True))]
    return Play(lab=lab, lead=lead, acts=acts, limits=SessionLimits(usd=Decimal("0.14")), raised_to=2)


def stops_at_budget() -> Play:
    """A session that is idle at its budget until somebody raises it."""
    lab = Stage(
        known={"m": PRICED},
        lead=hands_over([say("word " * 500), call("again", key="lead")], [call("a", task="y")], "done", "done"),
        a=hands_over([say("word " * 100), call("again", key="a")], after(1, "a done")),
    )
    again = lab.tool("again", seconds=1, idempotent=True)
    lead = Agent("lead", model="m", tools=[again], callable_agents=[Agent("a", model="m", tools=[again])])
    return Play(lab=lab, lead=lead, limits=SessionLimits(usd=Decimal("0.14")), raised_to=2)


PLAYS = (defined,)
ASKING = (asked_clients, clients_under_way, archives, raises_budget, stops_at_budget)
