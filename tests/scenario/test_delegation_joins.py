"""The agents of one reply under a rule: when they are over, who is stopped, and what the coordinator is told."""

from typing import Any

import pytest

from podium import Agent, Limits, SessionLimits, call, n_of
from podium.core.content import plain
from podium.core.events import ThreadRunning
from podium.core.inputs import Archive
from tests.crash.plays_background import threads
from tests.lab.cast import Line, after, hangs, raises
from tests.lab.lab import Lab, allowed, archived, interrupted_thread, said
from tests.lab.log import Played

NAMES = ("a", "b", "c")
BROKEN = raises(RuntimeError("broken"), after_s=2)
ASKED = [call(name, task="x") for name in NAMES]
ENOUGH = "stopped: not needed any more, 1 of 3 was enough"


def lead(join: Any, *callees: Agent, **how: Any) -> Agent:
    agents = callees or tuple(Agent(name, model="m") for name in NAMES)
    return Agent("lead", model="m", callable_agents=agents, join=join, **how)


def calls_three(**lines: Any) -> Lab:
    return Lab(lines, lead=[ASKED, "done"])


def told(log: Played) -> list[str]:
    return [plain(log.result_of(name).content) for name in NAMES]


def test_any_is_met_by_the_first_report_and_the_others_are_stopped_at_once() -> None:
    lab = calls_three(a=hangs, b=after(3, "B"), c=BROKEN)

    log = lab.run(lead("any"))

    assert log.seconds == 3
    assert told(log) == [ENOUGH, "B", "agent 'c' failed: RuntimeError: broken. It had said nothing yet."]
    assert [log.result_of(name).is_error for name in NAMES] == [True, False, True]
    assert log.closings() == [("c", "failed"), ("b", "reported"), ("a", "stopped")]
    assert [record.type for record in log.records[-17:]] == [
        "agent.message",
        "model.replied",
        "span.model_request_end",
        "agent.thread_message_sent",
        "agent.thread_message_received",
        "delegation.closed",
        "session.thread_status_idle",
        "span.model_request_end",
        "delegation.closed",
        "session.thread_status_idle",
        "span.model_request_start",
        "agent.message",
        "model.replied",
        "span.model_request_end",
        "session.thread_status_idle",
        "session.usage",
        "session.status_idle",
    ]


def test_all_is_lost_with_the_first_failure_and_the_others_are_stopped_at_once() -> None:
    lab = calls_three(a=after(1, "A"), b=BROKEN, c=hangs)

    log = lab.run(lead("all"))

    assert log.seconds == 2
    assert told(log) == [
        "A",
        "agent 'b' failed: RuntimeError: broken. It had said nothing yet.",
        "stopped: 'b' failed, and all were needed",
    ]
    assert log.closings() == [("a", "reported"), ("b", "failed"), ("c", "stopped")]
    assert log.text == "done"


def test_all_waits_for_all_that_report() -> None:
    log = calls_three(a=after(1, "A"), b=after(2, "B"), c=after(3, "C")).run(lead("all"))

    assert (log.seconds, told(log)) == (3, ["A", "B", "C"])


@pytest.mark.parametrize("join", [2, n_of(2)])
def test_two_of_three_are_enough(join: Any) -> None:
    log = calls_three(a=after(1, "A"), b=after(9, "B"), c=after(4, "C")).run(lead(join))

    assert (log.seconds, told(log)) == (4, ["A", "stopped: not needed any more, 2 of 3 were enough", "C"])


def test_two_of_three_cannot_be_met_after_two_failures() -> None:
    log = calls_three(a=after(9, "A"), b=BROKEN, c=raises(ValueError("no"), after_s=3)).run(lead(2))

    assert log.seconds == 3
    assert told(log)[0] == "stopped: 'b' failed and 'c' failed, and 2 of 3 were needed"


def test_a_number_larger_than_the_calls_is_all_of_them() -> None:
    log = calls_three(a=after(1, "A"), b=after(2, "B"), c=after(3, "C")).run(lead(7))

    assert (log.seconds, told(log)) == (3, ["A", "B", "C"])


def test_best_effort_waits_for_everybody_as_without_a_rule() -> None:
    lines: dict[str, Line] = {"a": after(1, "A"), "b": BROKEN, "c": after(5, "C")}
    ruled = calls_three(**lines).run(lead("best_effort"))
    plainly = calls_three(**lines).run(
        Agent("lead", model="m", callable_agents=[Agent(name, model="m") for name in NAMES])
    )

    assert ruled.kinds() == plainly.kinds()
    assert ruled.state.definitions.keys() == plainly.state.definitions.keys()


@pytest.mark.parametrize(
    ("lines", "how", "why"),
    [
        ([[call("look", key="b")]], {"limits": Limits(turns=2)}, "met a limit"),
        (after(5, "too late"), {"limits": Limits(seconds=2)}, "met a limit"),
    ],
)
def test_a_partial_result_is_none_for_a_rule(lines: Any, how: Any, why: str) -> None:
    lab = calls_three(a=hangs, b=lines, c=after(1, "C"))
    worker = Agent("b", model="m", tools=[lab.tool("look")], **how)

    log = lab.run(lead("all", Agent("a", model="m"), worker, Agent("c", model="m")))

    assert told(log)[0] == f"stopped: 'b' {why}, and all were needed"
    assert "limit reached" in told(log)[1]


def test_an_agent_that_could_not_be_started_counts_as_one_that_failed() -> None:
    lab = Lab(lead=[[call("a", task="x"), call("b", wrong="x"), call("c", task="x")], "done"], a=hangs, b="B", c="C")

    log = lab.run(lead("all"))

    assert log.seconds == 0
    assert [log.requests(name) for name in NAMES] == [[], [], []]  # nobody was set to work
    assert told(log)[0] == told(log)[2] == "stopped: 'b' could not be started, and all were needed"


def test_a_sibling_in_a_tool_call_is_stopped_and_other_calls_of_the_reply_go_on() -> None:
    lab = Lab(
        lead=[[call("a", task="x"), call("b", task="x"), call("look", key="lead")], "done"],
        a=[[call("slow", key="a")], "A"],
        b=after(1, "B"),
    )
    a = Agent("a", model="m", tools=[lab.tool("slow", seconds=60)])

    log = lab.run(lead("any", a, Agent("b", model="m"), tools=[lab.tool("look", seconds=5)]))

    assert log.seconds == 5
    assert log.said_to("a") == "stopped: not needed any more, 1 of 2 was enough"
    assert (log.said_to("look"), log.said_to("slow")) == (
        "look lead",
        "stopped, its outcome is unknown: the thread ended",
    )
    assert log.at(log.of("delegation.closed")[-1]) == 1
    assert [effect.tool for effect in log.effects] == ["look"]


def test_a_sibling_that_waits_for_a_person_is_stopped_and_asks_no_more() -> None:
    lab = calls_three(a=[[call("pay", key="a")], "A"], b=after(2, "B"), c=hangs)
    a = Agent("a", model="m", tools=[lab.tool("pay")], permissions={"pay": "always_ask"})

    log = lab.run(lead("any", a, Agent("b", model="m"), Agent("c", model="m")))

    assert (log.seconds, log.stop_reason, log.text) == (2, "end_turn", "done")
    assert told(log) == [ENOUGH, "B", ENOUGH]
    assert log.effects == []


def test_an_answer_that_has_one_report_ends_the_others_who_ask() -> None:
    lab = calls_three(**{name: [[call("pay", key=name)], name.upper()] for name in NAMES})
    agents = [Agent(n, model="m", tools=[lab.tool("pay")], permissions={"pay": "always_ask"}) for n in NAMES]
    waiting = lab.run(lead("any", *agents))
    assert waiting.stop_reason == "requires_action"

    lab.answer("pay", allow=True, nth=1)
    log = lab.resume()

    assert (log.stop_reason, told(log)) == ("end_turn", [ENOUGH, "B", ENOUGH])
    assert [effect.key for effect in log.effects] == ["b"]


def test_a_sibling_with_agents_of_its_own_is_stopped_with_all_below_it() -> None:
    lab = Lab(
        lead=[[call("middle", task="x"), call("b", task="x")], "done"],
        middle=[[call("leaf", task="deep"), call("start_agent", agent="leaf", input={"task": "aside"})], "M"],
        leaf=hangs,
        b=after(2, "B"),
    )
    middle = Agent("middle", model="m", callable_agents=[Agent("leaf", model="m")])

    log = lab.run(lead("any", middle, Agent("b", model="m")))

    assert log.seconds == 2
    assert log.closings() == [("b", "reported"), ("leaf", "stopped"), ("middle", "stopped"), ("leaf", "stopped")]
    assert not any(thread.is_open for thread in log.state.threads.values())


def test_a_rule_further_down_has_no_say_above() -> None:
    lab = Lab(
        lead=[[call("middle", task="x"), call("b", task="x")], "done"],
        middle=[[call("quick", task="x"), call("slow", task="x")], lambda request: "M"],
        quick=after(1, "Q"),
        slow=hangs,
        b=after(4, "B"),
    )
    below = [Agent("quick", model="m"), Agent("slow", model="m")]
    middle = Agent("middle", model="m", callable_agents=below, join="any")

    log = lab.run(Agent("lead", model="m", callable_agents=[middle, Agent("b", model="m")]))

    assert (log.said_to("middle"), log.said_to("b"), log.seconds) == ("M", "B", 4)
    assert log.said_to("slow") == "stopped: not needed any more, 1 of 2 was enough"


def test_each_reply_has_a_group_of_its_own() -> None:
    lab = Lab(
        lead=[[call("a", task="x"), call("b", task="x")], [call("a", task="y"), call("c", task="y")], "done"],
        a=after(3, "A"),
        b=hangs,
        c=after(1, "C"),
    )
    log = lab.run(lead("any"))

    assert log.closings() == [("a", "reported"), ("b", "stopped"), ("c", "reported"), ("a", "stopped")]
    assert log.seconds == 4


def test_an_agent_that_was_stopped_can_be_told_to_go_on() -> None:
    lab = Lab(
        lead=[
            [call("a", task="x"), call("b", task="x")],
            call("list_agents"),
            lambda request: call("send_to_agent", thread=threads(request)[0], message="go on"),
            call("wait_for_agents"),
            "done",
        ],
        a=[[call("look", key="a")], after(9, "A after all")],
        b=after(2, "B"),
    )
    a = Agent("a", model="m", tools=[lab.tool("look")])

    log = lab.run(lead("any", a, Agent("b", model="m")))

    assert "A after all" in log.told("lead")
    assert [outcome for name, outcome in log.closings() if name == "a"] == ["stopped", "reported"]
    assert len(log.effects) == 1


def test_an_inline_agent_counts_as_any_other() -> None:
    lab = Lab(
        lead=[[call("create_agent", name="x", system="s", task="t"), call("b", task="x")], "done"],
        x=hangs,
        b=after(1, "B"),
    )

    log = lab.run(lead("any", Agent("b", model="m"), inline_agents=True))

    assert (log.said_to("create_agent"), log.seconds) == ("stopped: not needed any more, 1 of 2 was enough", 1)


def test_agents_in_the_background_are_under_no_rule() -> None:
    start = call("start_agent", agent="c", input={"task": "x"})
    lab = Lab(
        lead=[[start, call("a", task="x"), call("b", task="x")], call("wait_for_agents"), "done"],
        a=after(1, "A"),
        b=hangs,
        c=after(5, "C"),
    )

    log = lab.run(lead("any"))

    assert log.closings() == [("a", "reported"), ("b", "stopped"), ("c", "reported")]


def test_an_interrupted_agent_is_one_that_gives_nothing() -> None:
    lab = calls_three(a=hangs, b=hangs, c=hangs)

    log = lab.run(lead("all"), acts=[(2, interrupted_thread("b"))])

    assert log.seconds == 2
    assert told(log) == [
        "stopped: 'b' was interrupted, and all were needed",
        "interrupted by a person",
        "stopped: 'b' was interrupted, and all were needed",
    ]


def test_an_archived_agent_is_one_that_gives_nothing() -> None:
    lab = calls_three(a=[[call("pay", key="a")], "A"], b=hangs, c=hangs)
    a = Agent("a", model="m", tools=[lab.tool("pay")], permissions={"pay": "always_ask"})

    log = lab.run(lead("all", a, Agent("b", model="m"), Agent("c", model="m")), acts=[(2, archived("a"))])

    assert log.seconds == 2
    assert told(log)[1] == "stopped: 'a' failed, and all were needed"


def test_an_agent_archived_while_nobody_drives_the_session_ends_those_that_ask() -> None:
    lab = calls_three(**{name: [[call("pay", key=name)], name.upper()] for name in NAMES})
    agents = [Agent(n, model="m", tools=[lab.tool("pay")], permissions={"pay": "always_ask"}) for n in NAMES]
    waiting = lab.run(lead("all", *agents))
    assert waiting.stop_reason == "requires_action"

    lab.tell(Archive(thread=waiting.thread("b")))
    assert lab.row().is_unfinished
    log = lab.resume()

    assert (log.stop_reason, log.text) == ("end_turn", "done")
    assert told(log) == [
        "stopped: 'b' failed, and all were needed",
        "its thread was archived by a person",
        "stopped: 'b' failed, and all were needed",
    ]


def test_an_archived_agent_that_is_not_missed_leaves_the_others_waiting() -> None:
    lab = calls_three(**{name: [[call("pay", key=name)], name.upper()] for name in NAMES})
    agents = [Agent(n, model="m", tools=[lab.tool("pay")], permissions={"pay": "always_ask"}) for n in NAMES]
    waiting = lab.run(lead("any", *agents))

    lab.tell(Archive(thread=waiting.thread("b")))
    log = lab.resume()

    assert log.stop_reason == "requires_action"
    assert [call.name for _, call in log.state.waiting_calls()] == ["pay", "pay"]


def test_a_message_to_the_coordinator_ends_the_rule_with_the_waiting() -> None:
    lab = Lab(lead=[ASKED, "they work", "one", "two", "three"], a=after(5, "A"), b=after(6, "B"), c=after(7, "C"))

    log = lab.run(lead("any"), acts=[(1, said("how far?"))])

    assert [outcome for _, outcome in log.closings()] == ["reported"] * 3
    assert "still running" in told(log)[0]


def test_reports_of_the_same_moment_all_count() -> None:
    log = calls_three(a=after(2, "A"), b=after(2, "B"), c=after(2, "C")).run(lead("any"))

    assert log.seconds == 2
    reports = [said for said in told(log) if said in "ABC"]
    others = [said for said in told(log) if said not in "ABC"]
    assert reports
    assert all("enough" in said for said in others)


def test_turns_of_the_coordinator_are_not_spent_on_stopping() -> None:
    log = calls_three(a=hangs, b=after(1, "B"), c=hangs).run(lead("any"), limits=SessionLimits(turns=9))

    assert log.state.main.turns == 2
    assert len([r for r in log.records if isinstance(r.event, ThreadRunning) and r.thread == log.thread("lead")]) == 1


def test_a_person_who_allows_a_call_too_late_is_shown_as_taken() -> None:
    lab = calls_three(a=[[call("pay", key="a")], "A"], b=after(2, "B"), c=hangs)
    a = Agent("a", model="m", tools=[lab.tool("pay", seconds=3)], permissions={"pay": "always_ask"})

    log = lab.run(lead("any", a, Agent("b", model="m"), Agent("c", model="m")), acts=[(1, allowed("pay"))])

    assert told(log)[0] == ENOUGH
    assert log.said_to("pay") == "stopped, its outcome is unknown: the thread ended"
