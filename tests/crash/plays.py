"""The sessions that are killed at every step: what they do, and what may be expected of them."""

from podium import Agent, Limits, SessionLimits, call, say
from tests.crash import (
    plays_approvals,
    plays_attempts,
    plays_background,
    plays_clients,
    plays_delegations,
    plays_workflows,
)
from tests.crash.play import Build, Play
from tests.crash.stage import Stage
from tests.lab.cast import after, hangs, raises
from tests.lab.lab import interrupted, said


def parallel_tools() -> Play:
    """Tools of both kinds in one reply, twice."""
    lab = Stage(
        lead=[
            [say("first"), *(call(tool, key=f"{tool}1") for tool in ("once", "again", "slow"))],
            [call("once", key="once2"), call("again", key="again2")],
            "done",
        ],
    )
    tools = [lab.tool("once"), lab.tool("again", idempotent=True), lab.tool("slow", seconds=2)]
    return Play(lab=lab, lead=Agent("lead", model="m", tools=tools))


def idempotent_tools() -> Play:
    """The same with tools that may be repeated."""
    lab = Stage(
        lead=[
            [call("a", key="1"), call("b", key="1"), call("nowhere")],
            after(1, [call("b", key="2"), call("a", key="2")]),
            "done",
        ],
    )
    tools = [lab.tool("a", idempotent=True, seconds=1), lab.tool("b", idempotent=True, fails=ValueError("no"))]
    return Play(lab=lab, lead=Agent("lead", model="m", tools=tools), is_repeatable=True)


def nested_delegation() -> Play:
    """Two children at once, of which one has two of its own; everybody uses a tool."""
    lab = Stage(
        lead=[
            [call("middle", task="m"), call("leaf", task="l"), call("note", key="lead")],
            [call("leaf", task="again")],
            "done",
        ],
        middle=[[call("leaf", task="1"), call("leaf", task="2"), call("note", key="middle")], after(1, "middle done")],
        leaf=[after(1, [say("so"), call("note", key="leaf")]), "leaf done"],
    )
    note = lab.tool("note", idempotent=True, seconds=1)
    leaf = Agent("leaf", model="m", tools=[note])
    middle = Agent("middle", model="m", tools=[note], callable_agents=[leaf])
    lead = Agent("lead", model="m", tools=[note], callable_agents=[middle, leaf])
    return Play(lab=lab, lead=lead, is_repeatable=True)


def failing_child() -> Play:
    """A child whose model fails, one that owes a result and gives it late, and their sibling."""
    lab = Stage(
        lead=[[call("bad", task="x"), call("strict", task="y"), call("good", task="z")], "done"],
        bad=[[say("I try"), call("once", key="bad")], raises(RuntimeError("broken"), after_s=1)],
        strict=["no result", [call("submit_result", n="one")], [call("submit_result", n=1), call("once", key="s")]],
        good=[[call("once", key="good")], after(2, "good")],
    )
    once = lab.tool("once", seconds=1)
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    children = [
        Agent("bad", model="m", tools=[once]),
        Agent("strict", model="m", tools=[once], output_schema=schema),
        Agent("good", model="m", tools=[once]),
    ]
    return Play(lab=lab, lead=Agent("lead", model="m", callable_agents=children))


def limits() -> Play:
    """Children that meet each limit, one with a child of its own, and their sibling."""
    lab = Stage(
        lead=[[call(name, task="x") for name in ("loops", "hungry", "hangs", "good")], after(1, "done")],
        loops=[[say("round"), call("once", key="loop")]],
        hungry=[[say("word " * 100), call("once", key="hungry")]],
        hangs=[[say("asking"), call("deep", task="x"), call("slow", key="hangs")]],
        deep=hangs,
        good=[[call("once", key="good")], after(1, "good")],
    )
    once, slow = lab.tool("once"), lab.tool("slow", seconds=100)
    deep = Agent("deep", model="m")
    children = [
        Agent("loops", model="m", tools=[once], limits=Limits(turns=3)),
        Agent("hungry", model="m", tools=[once], limits=Limits(tokens=50)),
        Agent("hangs", model="m", tools=[slow], callable_agents=[deep], limits=Limits(seconds=3)),
        Agent("good", model="m", tools=[once]),
    ]
    return Play(lab=lab, lead=Agent("lead", model="m", callable_agents=children))


def interrupt() -> Play:
    """A person pauses while a model, a tool and a nested delegation are under way; it is resumed."""
    lab = Stage(
        lead=[[call("middle", task="m"), call("slow", key="lead")], "done"],
        middle=[[call("leaf", task="1"), call("slow", key="middle")], "middle done"],
        leaf=[[call("once", key="leaf")], after(5, "leaf done")],
    )
    once, slow = lab.tool("once"), lab.tool("slow", seconds=4)
    leaf = Agent("leaf", model="m", tools=[once])
    middle = Agent("middle", model="m", tools=[slow], callable_agents=[leaf])
    lead = Agent("lead", model="m", tools=[slow], callable_agents=[middle])
    return Play(lab=lab, lead=lead, acts=[(1, interrupted(pause=True))])


def person() -> Play:
    """A person sends messages while tools run, and while the session goes idle; and interrupts without a pause."""
    lab = Stage(lead=[[call("slow", key="1")], "one", [call("slow", key="2")], "two", "three", "four"], commit_s=0.25)
    lead = Agent("lead", model="m", tools=[lab.tool("slow", seconds=2)])
    acts = [(1.0, said("more")), (3.0, said("and more")), (3.8, said("late")), (4.3, interrupted())]
    return Play(lab=lab, lead=lead, acts=acts)


def session_limit() -> Play:
    """The session's own limit of turns ends it with children under way."""
    lab = Stage(lead=[[call("a", task="x"), call("a", task="y")], "done"], a=[[call("once", key="a")], after(1, "a")])
    a = Agent("a", model="m", tools=[lab.tool("once")])
    lead = Agent("lead", model="m", callable_agents=[a])
    return Play(lab=lab, lead=lead, limits=SessionLimits(turns=4, seconds=20))


def small() -> Play:
    """A little of everything, for being killed twice."""
    lab = Stage(
        lead=[[call("a", task="x"), call("once", key="lead"), call("again", key="lead")], "done"],
        a=[[call("b", task="y"), call("once", key="a")], raises(RuntimeError("broken"))],
        b=after(1, "b"),
    )
    once, again = lab.tool("once", seconds=1), lab.tool("again", seconds=1, idempotent=True)
    a = Agent("a", model="m", tools=[once], callable_agents=[Agent("b", model="m")])
    return Play(lab=lab, lead=Agent("lead", model="m", tools=[once, again], callable_agents=[a]))


PLAYS: dict[str, Build] = {
    play.__name__: play
    for play in (
        parallel_tools,
        idempotent_tools,
        nested_delegation,
        failing_child,
        limits,
        interrupt,
        person,
        session_limit,
        *plays_attempts.PLAYS,
        *plays_background.PLAYS,
        *plays_clients.PLAYS,
        *plays_delegations.PLAYS,
    )
}
ASKING: dict[str, Build] = {
    play.__name__: play
    for play in (*plays_approvals.PLAYS, *plays_clients.ASKING, *plays_delegations.ASKING, *plays_workflows.PLAYS)
}  # these come to rest in between
ALL = {**PLAYS, **ASKING}
