"""Limits of the session: turns, tokens, seconds, depth of delegation, live threads."""

import pytest

from podium import Agent, Limits, Reply, SessionLimits, Usage, call, say
from podium.core.content import plain
from podium.engine.threads import HAND_OVER_S
from podium.errors import CyclicRoster
from tests.lab.cast import after, hangs
from tests.lab.lab import Lab


def test_sessions_turns_are_counted_over_all_threads() -> None:
    lab = Lab(
        lead=[[call("a", task="x"), call("a", task="y")], "all I know"],
        a=[[say("half"), call("tool")], after(1, "a")],
    )
    a = Agent("a", model="m", tools=[lab.tool("tool")])

    log = lab.run(Agent("lead", model="m", callable_agents=[a]), limits=SessionLimits(turns=3))

    assert log.stop_reason == "budget_reached"
    assert [request.purpose for request in log.requests("a")] == ["turn", "turn"]
    assert [request.purpose for request in log.requests("lead")] == ["turn", "hand_over"]
    assert log.closings() == [("a", "limit"), ("a", "limit")]
    assert plain(log.results_of("a")[0].content) == (
        "session limit reached: 3 of 3 turns. Its last words, a partial result:\nhalf"
    )
    assert log.kinds()[-3:] == ["session.thread_status_idle", "session.usage", "session.status_idle"]


def test_sessions_tokens_are_counted_over_all_threads() -> None:
    spent = Usage(input_tokens=60)
    lab = Lab(
        lead=[Reply((call("a", task="x"),), usage=spent), "all I know"],
        a=Reply((say("a"),), usage=spent),
    )

    log = lab.run(Agent("lead", model="m", callable_agents=[Agent("a", model="m")]), limits=SessionLimits(tokens=100))

    assert (log.stop_reason, log.said_to("a"), log.text) == ("budget_reached", "a", "all I know")
    assert [request.purpose for request in log.requests("lead")] == ["turn", "hand_over"]


def test_sessions_seconds_stop_everything_under_way() -> None:
    lab = Lab(lead=[[call("a", task="x"), call("slow")], "never"], a=[[call("slow")], "never"])
    slow = lab.tool("slow", seconds=1e9)
    a = Agent("a", model="m", tools=[slow])

    log = lab.run(Agent("lead", model="m", tools=[slow], callable_agents=[a]), limits=SessionLimits(seconds=7))

    assert (log.stop_reason, log.seconds) == ("budget_reached", 7)
    assert log.closings() == [("a", "stopped")]
    assert [result.is_error for result in log.results_of("slow")] == [True, True]


@pytest.mark.parametrize("limits", [Limits(turns=1), Limits(turns=1, seconds=900), Limits(tokens=1), Limits(seconds=4)])
def test_last_turn_has_a_time_of_its_own_whichever_limit_was_met(limits: Limits) -> None:
    lab = Lab(lead=[[say("half"), call("look")], hangs])

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("look", seconds=4)], limits=limits))

    assert (log.stop_reason, log.text, log.seconds) == ("budget_reached", "half", 4 + HAND_OVER_S)


def test_limit_that_is_met_while_the_session_goes_idle_is_seen_when_it_goes_on() -> None:
    lab = Lab(
        lead=[[call("middle", task="x")], "done"],
        middle=[[call("asked"), call("leaf", task="x")], "so far"],
        leaf=hangs,
    )
    leaf = Agent("leaf", model="m", limits=Limits(seconds=2))
    middle = Agent(
        "middle",
        model="m",
        tools=[lab.tool("asked")],
        permissions={"asked": "always_ask"},
        callable_agents=[leaf],
        limits=Limits(seconds=2),
    )
    lead = Agent("lead", model="m", callable_agents=[middle])

    log = lab.run(lead)

    assert (log.stop_reason, log.kinds()[-1], lab.row().facts.status) == (
        "requires_action",
        "session.status_idle",
        "idle",
    )

    lab.answer("asked", allow=True)
    log = lab.resume()

    assert (log.text, log.closings()) == ("done", [("leaf", "limit"), ("middle", "limit")])


def test_childs_seconds_within_the_sessions_end_only_the_child() -> None:
    lab = Lab(lead=[[call("a", task="x")], after(1, "done")], a=hangs)
    a = Agent("a", model="m", limits=Limits(seconds=2))

    log = lab.run(Agent("lead", model="m", callable_agents=[a]), limits=SessionLimits(seconds=7))

    assert (log.stop_reason, log.seconds, log.closings()) == ("end_turn", 3, [("a", "limit")])


def test_limit_of_the_primary_ends_the_session() -> None:
    lab = Lab(lead=[[say("working"), call("tool")]])

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("tool")], limits=Limits(turns=2)))

    assert (log.stop_reason, log.text, len(log.effects)) == ("budget_reached", "working", 2)


def test_time_without_a_driver_does_not_count() -> None:
    lab = Lab(lead=[[call("slow", key="1")], after(2, "done")])
    slow = lab.tool("slow", seconds=3, idempotent=True)
    lead = Agent("lead", model="m", tools=[slow], limits=Limits(seconds=7))
    lab.run(lead, acts=[(1, lambda live: live.let_go())])
    lab.world.now_s += 3600

    log = lab.resume()

    assert (log.stop_reason, log.text) == ("end_turn", "done")


def test_delegation_below_the_depth_limit_is_refused_with_the_limit_and_the_thread_goes_on() -> None:
    lab = Lab(
        lead=[[call("lead", task="1")], "top"],
    )
    lead = Agent("lead", model="m", callable_agents=["self"])

    log = lab.run(lead, limits=SessionLimits(depth=2))

    assert [thread.depth for thread in log.state.threads.values()] == [0, 1, 2]
    refused, *reports = reversed(log.results_of("lead"))
    assert refused.is_error
    assert plain(refused.content) == (
        "limits.depth is 2: an agent this deep cannot delegate further. Do the work yourself."
    )
    assert [plain(report.content) for report in reports] == ["top", "top"]


def test_agents_that_call_each_other_in_a_circle_are_refused_with_the_circle() -> None:
    a = Agent("a", model="m")
    b = Agent("b", model="m", callable_agents=[a])
    object.__setattr__(a, "callable_agents", (b,))

    with pytest.raises(CyclicRoster, match="a -> b -> a"):
        Lab(a="x", b="y").run(a)


def test_more_live_threads_than_allowed_are_refused_while_all_work() -> None:
    lab = Lab(lead=[[call("a", task=str(n)) for n in range(4)], "done"], a=after(1, "a"))

    log = lab.run(
        Agent("lead", model="m", callable_agents=[Agent("a", model="m")]), limits=SessionLimits(live_threads=3)
    )

    *fine, refused = log.results_of("a")
    assert [plain(result.content) for result in fine] == ["a", "a", "a"]
    assert plain(refused.content).startswith("limits.live_threads is 3, and all of them are working.")
    assert refused.is_error


def test_thread_that_ended_its_turn_gives_way_to_a_new_one() -> None:
    lab = Lab(lead=[[call("a", task="1"), call("a", task="2")], [call("a", task="3")], "done"], a=after(1, "a"))

    log = lab.run(
        Agent("lead", model="m", callable_agents=[Agent("a", model="m")]), limits=SessionLimits(live_threads=2)
    )

    assert [plain(result.content) for result in log.results_of("a")] == ["a", "a", "a"]
    assert [thread.status for thread in log.state.threads.values()] == ["idle", "terminated", "idle", "idle"]
