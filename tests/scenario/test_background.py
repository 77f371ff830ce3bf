"""Agents in the background: started, waited for, talked to, stopped; what they say comes as messages."""

import re
from typing import Any

import pytest

from podium import Agent, Limits, ModelRequest, SessionLimits, call
from podium.core.content import ToolUseBlock
from podium.core.inputs import Interrupt
from podium.core.json import JSON
from podium.errors import ModelFailed
from podium.models.rehearsal import Said
from tests.lab.cast import Line, after, hangs, raises
from tests.lab.lab import Lab, interrupted_thread, said
from tests.lab.log import Played


def start(agent: str, task: str = "x", **limits: JSON) -> ToolUseBlock:
    more: dict[str, JSON] = {"limits": limits} if limits else {}
    return call("start_agent", agent=agent, input={"task": task}, **more)


def to(tool: str, nth: int = 0, **given: JSON) -> Line:
    """A line that calls a harness tool for the nth thread that the last results named."""

    def line(request: ModelRequest) -> Said:
        return call(tool, thread=threads_in(request)[nth], **given)

    return line


def threads_in(request: ModelRequest) -> list[str]:
    """The ids of threads that the model was told of."""
    return list(dict.fromkeys(re.findall(r"sthr_\d+", str(list(request.messages)))))


def lead(*callable_agents: Agent, **how: Any) -> Agent:
    return Agent("lead", model="m", callable_agents=callable_agents, **how)


WORKER = Agent("worker", model="m")


def times(log: Played, agent: str) -> list[float]:
    """When the agent's model was called."""
    return [log.at(record) for record in log.of("span.model_request_start", log.thread(agent))]


# --- starting ----------------------------------------------------------------------------------------


def test_started_agent_is_named_at_once_and_its_report_wakes_the_idle_parent() -> None:
    lab = Lab(lead=[start("worker"), "I wait", "all is done"], worker=after(5, "found it"))

    log = lab.run(lead(WORKER))

    thread = log.thread("worker")
    assert log.told("lead", 1) == [f"agent 'worker' works in thread {thread}; its report will come as a message"]
    assert log.told("lead", 2) == [f"Report of agent 'worker', thread {thread}:", "found it"]
    assert (log.text, log.seconds, times(log, "lead")) == ("all is done", 5, [0, 0, 5])
    assert log.kinds().count("session.status_idle") == 1
    main = [kind for kind in log.kinds(log.thread("lead")) if "status" in kind]
    assert main == [
        "session.status_running",
        "session.thread_status_running",
        "session.thread_status_idle",
        "session.thread_status_running",
        "session.thread_status_idle",
        "session.status_idle",
    ]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"agent": "nobody", "input": {"task": "x"}}, "start_agent"),
        ({"agent": "worker", "input": {}}, "'worker'"),
        ({"agent": "worker"}, "start_agent"),
        ({"agent": "worker", "input": {"task": "x"}, "limits": {"turns": 0}}, "start_agent"),
        ({"agent": "worker", "input": {"task": "x"}, "limits": {"wishes": 3}}, "start_agent"),
    ],
)
def test_start_that_cannot_be_is_an_error_result_and_starts_nothing(given: dict[str, JSON], why: str) -> None:
    lab = Lab(lead=[call("start_agent", **given), "I see"], worker="never")

    log = lab.run(lead(WORKER))

    assert log.result_of("start_agent").is_error
    assert why in log.said_to("start_agent")
    assert (log.text, len(log.state.threads)) == ("I see", 1)


def test_limits_of_a_start_stop_the_child_which_hands_over() -> None:
    lab = Lab(
        lead=[start("worker", turns=2), "I wait", "fine"],
        worker=[call("look"), call("look"), "this is what I have"],
    )
    worker = Agent("worker", model="m", tools=[lab.tool("look")], limits=Limits(turns=9))

    log = lab.run(lead(worker))

    assert [request.purpose for request in log.requests("worker")] == ["turn", "turn", "hand_over"]
    assert log.told("lead")[1] == (
        "delegation limit reached: 2 of 2 turns. Its last words, a partial result:\nthis is what I have"
    )
    assert log.closings() == [("worker", "limit")]


def test_background_child_that_fails_is_news_and_the_session_ends_its_turn() -> None:
    lab = Lab(lead=[start("worker"), "I wait", "a pity"], worker=raises(ModelFailed("broken"), after_s=3))

    log = lab.run(lead(WORKER))

    thread = log.thread("worker")
    assert log.told("lead") == [
        f"News of agent 'worker', thread {thread}:",
        "agent 'worker' failed: broken. It had said nothing yet.",
    ]
    assert (log.text, log.stop_reason, log.state_of("worker").status) == ("a pity", "end_turn", "terminated")


def test_report_to_a_parent_at_work_goes_with_its_next_results() -> None:
    lab = Lab(lead=[[start("worker"), call("slow")], "done"], worker=after(1, "found it"))

    log = lab.run(lead(WORKER, tools=[lab.tool("slow", seconds=5)]))

    assert [said for said in log.told("lead") if said in ("slow", "found it")] == ["slow", "found it"]
    assert times(log, "lead") == [0, 5]


def test_report_does_not_wake_a_parent_that_is_blocked_on_another_child() -> None:
    lab = Lab(
        lead=[[start("worker"), call("slow", task="y")], "done"], worker=after(1, "found it"), slow=after(9, "slow")
    )

    log = lab.run(lead(WORKER, Agent("slow", model="m")))

    assert times(log, "lead") == [0, 9]
    assert log.told("lead")[1] == "slow"
    assert log.told("lead")[-1] == "found it"


# --- waiting -----------------------------------------------------------------------------------------


def test_wait_ends_when_all_have_reported() -> None:
    lab = Lab(
        lead=[[start("worker"), start("other")], call("wait_for_agents"), call("wait_for_agents"), "done"],
        worker=after(3, "worker"),
        other=after(7, "other"),
    )

    log = lab.run(lead(WORKER, Agent("other", model="m")))

    assert times(log, "lead") == [0, 0, 3, 7]
    assert log.told("lead", 2)[0] == f"there is news; still working: 'other' ({log.thread('other')})"
    assert log.told("lead", 3)[0] == "all have ended their turns; what they said follows"


def test_wait_with_nobody_at_work_is_over_at_once() -> None:
    lab = Lab(lead=[call("wait_for_agents"), "done"], worker="never")

    log = lab.run(lead(WORKER))

    assert (log.text, log.said_to("wait_for_agents")) == ("done", "no agent of yours works in the background")


def test_wait_for_named_agents_lets_the_others_be_but_any_news_ends_it() -> None:
    lab = Lab(
        lead=[
            [start("worker"), start("other")],
            lambda request: call("wait_for_agents", threads=[threads_in(request)[0]]),
            "done",
        ],
        worker=after(3, "worker"),
        other=after(7, "other"),
    )

    log = lab.run(lead(WORKER, Agent("other", model="m")))

    assert times(log, "lead")[:3] == [0, 0, 3]


def test_message_of_a_child_ends_the_wait() -> None:
    lab = Lab(
        lead=[start("worker"), call("wait_for_agents"), call("wait_for_agents"), "done"],
        worker=[after(2, call("send_to_parent", message="half of it")), after(5, "all of it")],
    )

    log = lab.run(lead(WORKER))

    thread = log.thread("worker")
    assert times(log, "lead") == [0, 0, 2, 7]
    assert log.told("lead", 2) == [
        f"there is news; still working: 'worker' ({thread})",
        f"Message from agent 'worker', thread {thread}:",
        "half of it",
    ]


def test_person_ends_the_wait() -> None:
    lab = Lab(lead=[start("worker"), call("wait_for_agents"), "I hear you", "done"], worker=after(9, "worker"))

    log = lab.run(lead(WORKER), acts=[(2, said("so?"))])

    assert times(log, "lead") == [0, 0, 2, 9]
    assert log.told("lead", 2)[-1] == "so?"


# --- talking -----------------------------------------------------------------------------------------


def test_message_to_a_child_at_work_goes_with_its_next_results() -> None:
    lab = Lab(
        lead=[start("worker"), after(1, to("send_to_agent", message="hurry")), "I wait", "done"],
        worker=[call("slow"), "found it"],
    )

    log = lab.run(lead(Agent("worker", model="m", tools=[lab.tool("slow", seconds=3)])))

    assert log.told("worker") == ["slow", "hurry"]
    assert log.closings() == [("worker", "reported")]


def test_follow_up_to_a_child_that_has_reported_keeps_its_history() -> None:
    lab = Lab(
        lead=[
            call("worker", task="count"),
            call("list_agents"),
            to("send_to_agent", message="again"),
            "I wait",
            "done",
        ],
        worker=[after(1, "three"), after(1, "still three")],
    )

    log = lab.run(lead(WORKER))

    first, second = log.requests("worker")
    assert [message.role for message in second.messages] == ["user", "assistant", "user"]
    assert list(second.messages[:1]) == list(first.messages)
    assert log.told("lead")[-1] == "still three"
    assert log.closings() == [("worker", "reported"), ("worker", "reported")]


def test_message_to_a_child_that_waits_for_others_ends_its_wait() -> None:
    lab = Lab(
        lead=[start("middle"), after(2, to("send_to_agent", message="hurry")), "I wait", "done"],
        middle=[start("worker"), call("wait_for_agents"), "as you wish", "and this"],
        worker=after(20, "worker"),
    )

    log = lab.run(lead(Agent("middle", model="m", callable_agents=[WORKER])))

    assert times(log, "middle")[:3] == [0, 0, 2]


def test_message_to_a_thread_that_is_not_its_own_is_refused() -> None:
    lab = Lab(lead=[call("send_to_agent", thread="sthr_none", message="hi"), call("stop_agent", thread="x"), "done"])

    log = lab.run(lead(WORKER))

    assert log.said_to("send_to_agent") == "no agent of yours has the thread 'sthr_none' (yours: none)"
    assert log.result_of("stop_agent").is_error


def test_message_to_a_child_that_failed_is_refused() -> None:
    lab = Lab(
        lead=[call("worker", task="x"), call("list_agents"), to("send_to_agent", message="hi"), "done"],
        worker=raises(ModelFailed("broken")),
    )

    log = lab.run(lead(WORKER))

    assert log.said_to("list_agents").endswith("worker: has failed and ended for good")
    assert log.result_of("send_to_agent").is_error
    assert len(log.requests("worker")) == 1


def test_list_says_what_each_child_does() -> None:
    lab = Lab(
        lead=[[call("done", task="x"), start("worker"), start("asks")], after(1, call("list_agents")), "I wait", "ok"],
        done="done",
        worker=after(5, "worker"),
        asks=[call("pay"), "paid"],
    )
    asks = Agent("asks", model="m", tools=[lab.tool("pay")], permissions={"pay": "always_ask"})

    log = lab.run(lead(Agent("done", model="m"), WORKER, asks))

    assert [line.split("  ")[1] for line in log.said_to("list_agents").splitlines()] == [
        "done: has ended its turn",
        "worker: works",
        "asks: waits for a person",
    ]
    assert log.stop_reason == "requires_action"


def test_child_talks_to_a_parent_that_is_blocked_on_it_without_waking_it() -> None:
    lab = Lab(
        lead=[call("worker", task="x"), "done"],
        worker=[call("send_to_parent", message="half of it"), after(3, "all of it")],
    )

    log = lab.run(lead(WORKER))

    assert times(log, "lead") == [0, 3]
    thread = log.thread("worker")
    assert log.told("lead") == ["all of it", f"Message from agent 'worker', thread {thread}:", "half of it"]
    assert log.said_to("send_to_parent") == "sent"


def test_child_talks_to_an_idle_parent_and_wakes_it() -> None:
    lab = Lab(
        lead=[start("worker"), "I wait", "I hear", "done"],
        worker=[after(2, call("send_to_parent", message="half of it")), after(3, "all of it")],
    )

    log = lab.run(lead(WORKER))

    assert times(log, "lead") == [0, 0, 2, 5]
    assert log.told("lead", 2)[-1] == "half of it"


def test_report_after_detaching_wakes_the_parent() -> None:
    lab = Lab(lead=[call("worker", task="x"), "I hear you", "done"], worker=after(5, "found it"))

    log = lab.run(lead(WORKER), acts=[(1, said("so?"))])

    assert (times(log, "lead"), log.told("lead")[-1], log.text) == ([0, 1, 5], "found it", "done")


# --- stopping ----------------------------------------------------------------------------------------


def test_stopped_child_in_a_model_call_ends_and_does_not_report() -> None:
    lab = Lab(lead=[start("worker"), after(1, to("stop_agent", reason="no need")), "done"], worker=hangs)

    log = lab.run(lead(WORKER))

    assert (log.text, log.seconds, log.closings()) == ("done", 1, [("worker", "stopped")])
    assert log.said_to("stop_agent") == "stopped"
    assert log.kinds(log.thread("worker"))[-2:] == ["span.model_request_end", "session.thread_status_idle"]


def test_stopped_child_in_a_tool_closes_its_call() -> None:
    lab = Lab(lead=[start("worker"), after(1, to("stop_agent")), "done"], worker=[call("slow"), "never"])

    log = lab.run(lead(Agent("worker", model="m", tools=[lab.tool("slow", seconds=9)])))

    assert (log.text, log.effects, log.said_to("slow")) == (
        "done",
        [],
        "stopped, its outcome is unknown: the thread ended",
    )


def test_stopped_child_that_waits_for_a_person_waits_no_longer() -> None:
    lab = Lab(lead=[start("worker"), after(1, to("stop_agent")), "done"], worker=[call("pay"), "never"])
    worker = Agent("worker", model="m", tools=[lab.tool("pay")], permissions={"pay": "always_ask"})

    log = lab.run(lead(worker))

    assert (log.text, log.stop_reason, log.effects) == ("done", "end_turn", [])


def test_stop_of_a_child_that_is_not_at_work_changes_nothing() -> None:
    lab = Lab(lead=[call("worker", task="x"), call("list_agents"), to("stop_agent"), "done"], worker="found it")

    log = lab.run(lead(WORKER))

    assert log.said_to("stop_agent") == "agent 'worker' is not working in the background"


def test_second_stop_of_the_same_reply_finds_the_child_stopped() -> None:
    def twice(request: ModelRequest) -> Said:
        [thread] = threads_in(request)
        return [call("stop_agent", thread=thread), call("stop_agent", thread=thread), call("list_agents")]

    lab = Lab(lead=[start("worker"), after(1, twice), "done"], worker=hangs)

    log = lab.run(lead(WORKER))

    assert log.told("lead")[:2] == ["stopped", "agent 'worker' is not working in the background"]
    assert log.told("lead")[2].endswith("worker: has ended its turn")
    assert log.closings() == [("worker", "stopped")]


def test_agent_started_and_given_a_message_in_one_reply_with_a_new_one_that_needs_its_place() -> None:
    """A child that is written to is no longer idle, so that its place is not given away."""

    def both(request: ModelRequest) -> Said:
        return [call("send_to_agent", thread=threads_in(request)[0], message="again"), call("worker", task="y")]

    lab = Lab(
        lead=[call("worker", task="x"), call("list_agents"), both, "I wait", "done"], worker=[after(1, "one"), "two"]
    )

    log = lab.run(lead(WORKER), limits=SessionLimits(live_threads=1))

    assert [result.is_error for result in log.results_of("worker")] == [False, True]
    assert [thread.status for thread in log.state.threads.values()] == ["idle", "idle"]


@pytest.mark.parametrize("bad", [{"reason": 5}, {"why": "x"}])
def test_stop_with_bad_input_stops_nothing(bad: dict[str, JSON]) -> None:
    lab = Lab(lead=[start("worker"), after(1, to("stop_agent", **bad)), "I wait", "done"], worker=after(5, "found it"))

    log = lab.run(lead(WORKER))

    assert log.result_of("stop_agent").is_error
    assert log.closings() == [("worker", "reported")]


def test_stop_in_the_turn_that_hands_over_stops_nothing() -> None:
    lab = Lab(lead=[start("worker"), to("stop_agent"), to("stop_agent")], worker=after(5, "found it"))

    log = lab.run(lead(WORKER, limits=Limits(turns=1)))

    assert log.said_to("stop_agent") == "not run: a limit was reached, and this was your last turn"
    assert log.closings() == [("worker", "reported")]
    assert log.stop_reason == "budget_reached"


# --- ends --------------------------------------------------------------------------------------------


def test_interrupted_background_child_says_nothing_and_ends_the_wait() -> None:
    lab = Lab(lead=[start("worker"), call("wait_for_agents"), "done"], worker=hangs)

    log = lab.run(lead(WORKER), acts=[(3, interrupted_thread("worker"))])

    assert (log.text, log.seconds, log.closings()) == ("done", 3, [("worker", "interrupted")])
    assert log.said_to("wait_for_agents") == "no agent of yours works in the background"


def test_interrupted_background_child_does_not_wake_an_idle_parent() -> None:
    lab = Lab(lead=[start("worker"), "I wait"], worker=hangs)

    log = lab.run(lead(WORKER), acts=[(3, interrupted_thread("worker"))])

    assert (log.stop_reason, times(log, "lead")) == ("end_turn", [0, 0])


def test_primary_that_ended_its_turn_leaves_the_session_running_while_children_work() -> None:
    lab = Lab(
        lead=[start("middle"), "I wait", "done"], middle=[start("worker"), "middle waits", "all"], worker=after(5, "w")
    )

    log = lab.run(lead(Agent("middle", model="m", callable_agents=[WORKER])))

    assert log.kinds().count("session.status_idle") == 1
    assert log.seconds == 5
    assert log.closings() == [("middle", "reported"), ("worker", "reported"), ("middle", "reported")]
    assert log.told("lead")[-1] == "all"


def test_report_to_a_parent_that_gave_its_result_is_read_all_the_same() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    lab = Lab(
        lead=[[start("worker"), call("submit_result", n=1)], call("submit_result", n=2)], worker=after(5, "found it")
    )

    log = lab.run(lead(WORKER, output_schema=schema))

    assert (log.text, log.told("lead")[-1]) == ('{"n":2}', "found it")


def test_process_that_ends_lets_the_background_go_on_in_the_next() -> None:
    lab = Lab(lead=[start("worker"), "I wait", "done"], worker=after(5, "found it"))
    lab.run(lead(WORKER), acts=[(1, lambda live: live.let_go())])

    log = lab.resume()

    assert (log.text, log.told("lead")[-1]) == ("done", "found it")


def test_interrupt_of_everything_stops_the_background_too() -> None:
    lab = Lab(lead=[start("worker"), "I wait", "never"], worker=hangs)

    log = lab.run(lead(WORKER), acts=[(3, lambda live: live.accept(Interrupt()))])

    assert (log.stop_reason, log.seconds, log.closings()) == ("end_turn", 3, [("worker", "interrupted")])


def test_message_of_a_child_that_then_asks_a_person_ends_the_wait() -> None:
    lab = Lab(
        lead=[start("worker"), call("wait_for_agents"), "I hear"],
        worker=[after(1, [call("send_to_parent", message="before I pay"), call("pay")]), "never"],
    )
    worker = Agent("worker", model="m", tools=[lab.tool("pay")], permissions={"pay": "always_ask"})

    log = lab.run(lead(worker))

    assert (log.text, log.stop_reason) == ("I hear", "requires_action")
    assert log.told("lead")[-1] == "before I pay"


@pytest.mark.parametrize("seconds", [1.2, 1.35, 1.45, 1.55, 1.7])
def test_child_whose_parent_is_stopped_while_it_is_being_started_works_all_the_same(seconds: float) -> None:
    lab = Lab(lead=[after(1, start("worker")), "so far"], worker=after(5, "found it"), commit_s=0.3)

    log = lab.run(lead(WORKER, limits=Limits(seconds=seconds)))

    assert log.stop_reason == "budget_reached"
    assert log.closings() == [("worker", "reported")] * (len(log.state.threads) - 1)


def test_wait_beside_a_call_that_asks_is_over_when_its_last_child_is_interrupted() -> None:
    lab = Lab(lead=[[call("pay"), start("worker"), call("wait_for_agents")], "done"], worker=hangs)
    boss = lead(WORKER, tools=[lab.tool("pay")], permissions={"pay": "always_ask"})

    log = lab.run(boss, acts=[(3, interrupted_thread("worker"))])

    assert log.said_to("wait_for_agents") == "no agent of yours works in the background"
    assert (log.stop_reason, list(log.state.main.calls)) == ("requires_action", [lab.asking("pay").id])
