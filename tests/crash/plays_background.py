"""Plays of agents that work in the background, talk to each other, and are stopped."""

import re

from podium import Agent, ModelRequest, call, say
from podium.core.content import Content, TextBlock, ToolResultBlock, plain
from podium.models.rehearsal import Said
from tests.crash.people import stopped, wrote
from tests.crash.play import Play
from tests.crash.stage import Stage
from tests.lab.cast import Line, after
from tests.lab.lab import interrupted

LATE = after(100_000, "at last")  # a time that a float still tells from the next second


def told(request: ModelRequest) -> str:
    """All that the model was told, the latest last."""
    said: list[str] = []
    for message in request.messages:
        for block in message.content:
            content: Content = block.content if isinstance(block, ToolResultBlock) else ()
            said.append(block.text if isinstance(block, TextBlock) else plain(content))
    return "\n".join(said)


def threads(request: ModelRequest) -> list[str]:
    """The threads that the model was told of, in order."""
    return list(dict.fromkeys(re.findall(r"sthr_\d+", told(request))))


def start(agent: str, task: str, **limits: int) -> object:
    """A call that starts an agent in the background."""
    return call("start_agent", agent=agent, input={"task": task}, **({"limits": dict(limits)} if limits else {}))


def waits(request: ModelRequest) -> Said:
    """Wait until nobody works any more."""
    last = request.messages[-1].content
    results = [plain(block.content) for block in last if isinstance(block, ToolResultBlock)]
    is_over = any("all have ended" in said or "no agent of yours" in said for said in results)
    return "done" if is_over else call("wait_for_agents")


def waited_for() -> Play:
    """Two agents in the background, one with a child of its own, and a lead that waits for them."""
    lab = Stage(
        lead=[[start("a", "x"), start("b", "y"), call("note", key="lead")], waits],
        a=[[call("c", task="z"), call("note", key="a")], after(2, "a done")],
        b=[[call("note", key="b")], after(8, "b done")],
        c=after(1, "c done"),
    )
    note = lab.tool("note", idempotent=True, seconds=1)
    a = Agent("a", model="m", tools=[note], callable_agents=[Agent("c", model="m")])
    lead = Agent("lead", model="m", tools=[note], callable_agents=[a, Agent("b", model="m", tools=[note])])
    return Play(lab=lab, lead=lead, is_repeatable=True)


def woken() -> Play:
    """The lead ends its turn, and each report of the background wakes it."""
    lab = Stage(
        lead=[[start("a", "x"), start("b", "y")], "they work", "one is back", "both are back"],
        a=[[call("note", key="a")], after(3, "a done")],
        b=[[call("note", key="b")], after(9, "b done")],
    )
    note = lab.tool("note", idempotent=True, seconds=1)
    children = [Agent(name, model="m", tools=[note]) for name in ("a", "b")]
    return Play(lab=lab, lead=Agent("lead", model="m", callable_agents=children), is_repeatable=True)


def followed_up() -> Play:
    """A child that has reported is sent more to do, twice; it keeps its history."""

    def more(words: str) -> Line:
        return lambda request: call("send_to_agent", thread=threads(request)[-1], message=words)

    lab = Stage(
        lead=[
            [call("a", task="x"), call("list_agents")],
            call("list_agents"),
            more("and now?"),
            "I have asked",
            call("list_agents"),
            more("and at last?"),
            "I have asked again",
            "done",
        ],
        a=[after(2, "first"), [call("note", key="a")], after(2, "second"), after(2, "third")],
    )
    note = lab.tool("note", idempotent=True, seconds=1)
    lead = Agent("lead", model="m", callable_agents=[Agent("a", model="m", tools=[note])])
    return Play(lab=lab, lead=lead, is_repeatable=True)


def called_off() -> Play:
    """The lead stops two agents in the background: one in a model call, one that waits for a child."""
    lab = Stage(
        lead=[
            [start("a", "x"), start("b", "y"), call("linger", key="lead")],
            lambda request: [call("stop_agent", thread=id, reason="enough") for id in threads(request)[:2]],
            call("list_agents"),
            "done",
        ],
        a=LATE,
        b=[[call("note", key="b"), call("c", task="z")], "b done"],
        c=LATE,
    )
    note = lab.tool("note", idempotent=True, seconds=1)
    linger = lab.tool("linger", idempotent=True, seconds=9)
    b = Agent("b", model="m", tools=[note], callable_agents=[Agent("c", model="m")])
    lead = Agent("lead", model="m", tools=[linger], callable_agents=[Agent("a", model="m"), b])
    return Play(lab=lab, lead=lead, is_repeatable=True)


def told_above() -> Play:
    """Children tell the lead how far they are: one that it is blocked on, and one in the background."""
    lab = Stage(
        lead=[[call("a", task="x"), call("note", key="lead")], [start("a", "y")], waits],
        a=[[call("send_to_parent", message="half"), call("note", key="a")], after(3, "a done")],
    )
    note = lab.tool("note", idempotent=True, seconds=1)
    lead = Agent("lead", model="m", tools=[note], callable_agents=[Agent("a", model="m", tools=[note])])
    return Play(lab=lab, lead=lead, is_repeatable=True)


def detached() -> Play:
    """A person writes to the lead while all it waits for are children: they go on in the background."""
    lab = Stage(
        lead=[[call("a", task="x"), call("b", task="y")], "they work", "one is back", "done", "done"],
        a=[[call("once", key="a")], after(4, "a done")],
        b=[[call("once", key="b")], after(7, "b done")],
    )
    once = lab.tool("once", seconds=1)
    children = [Agent(name, model="m", tools=[once]) for name in ("a", "b")]
    lead = Agent("lead", model="m", callable_agents=children)
    return Play(lab=lab, lead=lead, acts=[(0.5, wrote("how far?")), (3, wrote("and now?", elsewhere=True))])


def child_interrupted() -> Play:
    """A person interrupts a child that has one of its own, while its sibling works; later one in the background."""
    lab = Stage(
        lead=[[call("a", task="x"), call("b", task="y"), start("c", "z")], after(3, "meanwhile"), "done"],
        a=[[call("c", task="deep"), call("once", key="a")], "a done"],
        b=[[call("once", key="b")], after(4, "b done")],
        c=after(9, "c done"),
    )
    once, c = lab.tool("once", seconds=3), Agent("c", model="m")
    a = Agent("a", model="m", tools=[once], callable_agents=[c])
    lead = Agent("lead", model="m", callable_agents=[a, Agent("b", model="m", tools=[once]), c])
    return Play(lab=lab, lead=lead, acts=[(1, stopped("a")), (6, stopped("c", elsewhere=True)), (6.5, stopped("b"))])


def all_interrupted() -> Play:
    """A person interrupts everything while some work in the background; a message has the lead go on."""
    lab = Stage(
        lead=[[start("a", "x"), start("b", "y")], "they work", [start("b", "z")], "again", "done"],
        a=[[call("c", task="deep"), call("once", key="a")], "a done"],
        b=[[say("so"), call("once", key="b")], after(5, "b done")],
        c=after(9, "c done"),
    )
    once = lab.tool("once", seconds=2)
    a = Agent("a", model="m", tools=[once], callable_agents=[Agent("c", model="m")])
    lead = Agent("lead", model="m", callable_agents=[a, Agent("b", model="m", tools=[once])])
    acts = [(1, interrupted()), (1, wrote("go on")), (5, interrupted(pause=True))]
    return Play(lab=lab, lead=lead, acts=acts)


PLAYS = (
    waited_for,
    woken,
    followed_up,
    called_off,
    told_above,
    detached,
    child_interrupted,
    all_interrupted,
)
