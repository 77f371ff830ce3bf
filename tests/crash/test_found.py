"""What the crash suites have found, each in as few lines as show it."""

from podium import Agent, Reply, SessionLimits, ToolUseBlock, call
from podium.core.events import ModelRequestStart
from podium.core.ports import ModelRequest
from tests.crash.people import answered
from tests.crash.plays_background import start, threads
from tests.crash.stage import PRICED, Stage
from tests.lab.cast import after, hangs, raises
from tests.lab.log import overlap


def test_threads_that_wait_for_money_do_not_wake_each_other() -> None:
    lab = Stage(known={"priced": PRICED}, lead=[[call("a", task=task) for task in "xyz"], "done"], a=after(1, "a done"))
    lead = Agent("lead", model="m", callable_agents=[Agent("a", model="priced")])

    log = lab.run(lead, limits=SessionLimits(usd="0.2"))  # one call at a time may cost 0.1 and some

    assert (log.text, log.seconds) == ("done", 3)


def test_agents_in_the_background_of_one_that_fails_are_stopped_with_what_they_have_under_way() -> None:
    lab = Stage(
        lead=[[call("a", task="x")], after(9, "done")],
        a=[[start("b", "y"), start("c", "z")], raises(RuntimeError("broken"), after_s=1)],
        b=[call("once", key="b")],
        c=hangs,
    )
    b, c = Agent("b", model="m", tools=[lab.tool("once", seconds=4)]), Agent("c", model="m")
    a = Agent("a", model="m", callable_agents=[b, c])

    log = lab.run(Agent("lead", model="m", callable_agents=[a]))

    assert log.text == "done"
    assert log.closings() == [("a", "failed"), ("b", "stopped"), ("c", "stopped")]
    assert log.effects == []


def test_agent_that_a_reply_too_long_to_be_heard_would_have_stopped_works_on() -> None:
    def stops(request: ModelRequest) -> Reply:
        said = (ToolUseBlock("1", "stop_agent", {"thread": threads(request)[0]}),)
        return Reply(said, "model_context_window_exceeded")

    lab = Stage(lead=[[start("a", "x")], stops], a=after(5, "a done"))
    lead = Agent("lead", model="m", callable_agents=[Agent("a", model="m")])

    log = lab.run(lead)

    assert log.closings() == [("a", "reported")]


def test_call_that_is_allowed_while_another_begins_runs_beside_it() -> None:
    lab = Stage(
        commit_s=1, lead=[[call("a", task="x"), call("ask", key="1"), call("ask", key="2")], "done"], a=after(30, "a")
    )
    ask = lab.tool("ask", seconds=10)
    lead = Agent(
        "lead", model="m", tools=[ask], callable_agents=[Agent("a", model="m")], permissions={"ask": "always_ask"}
    )

    log = lab.run(lead, acts=[(3.0, answered(most=1)), (3.3, answered(most=1))])

    assert overlap(log.under_way("ask"))


def test_agent_that_waits_for_one_that_asks_runs_again_when_another_has_news() -> None:
    lab = Stage(
        lead=[
            [start("a", "x"), start("b", "y")],
            lambda request: call("wait_for_agents", threads=threads(request)[:1]),
            after(1, "news"),
            "done",
        ],
        a=[call("ask", key="yes"), "a done"],
        b=[after(2, call("send_to_parent", message="half")), after(9, "b done")],
    )
    a = Agent("a", model="m", tools=[lab.tool("ask")], permissions={"ask": "always_ask"})
    lead = Agent("lead", model="m", callable_agents=[a, Agent("b", model="m")])

    log = lab.run(lead)

    own = [record for record in log.records if record.thread == log.state.primary]
    statuses = [
        record.type for record in own if "thread_status" in record.type or isinstance(record.event, ModelRequestStart)
    ]
    assert statuses[:6] == [
        "session.thread_status_running",
        "span.model_request_start",
        "span.model_request_start",
        "session.thread_status_idle",
        "session.thread_status_running",
        "span.model_request_start",
    ]
