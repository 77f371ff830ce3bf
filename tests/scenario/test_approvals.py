"""Calls that ask a person first: who waits, what an answer sets going, and that it counts once."""

import asyncio

import pytest

from podium import Agent, Limits, call, say
from podium.core.content import text
from podium.core.events import SessionIdle, StopReason, UserToolConfirmation
from podium.core.inputs import Confirm, Interrupt, SendMessage
from podium.core.records import is_queued
from podium.errors import Refused
from tests.lab.cast import after
from tests.lab.lab import SESSION, Lab, Live, allowed, denied, interrupted, said
from tests.lab.log import Played
from tests.lab.world import Fuse

RETRY = "Tool execution was interrupted before completion. Please retry."
DAY_S = 86_400


def asker(lab: Lab, name: str = "lead", *callable_agents: Agent, seconds: float = 0.0, tool: str = "pay") -> Agent:
    """An agent whose tool asks, beside one that does not."""
    tools = [lab.tool(tool, seconds=seconds), lab.tool("look", seconds=seconds)]
    return Agent(name, model="m", tools=tools, permissions={tool: "always_ask"}, callable_agents=callable_agents)


def statuses(log: Played, agent: str, nth: int = 0) -> list[str]:
    """What statuses the thread had, in order."""
    kinds = log.kinds(log.thread(agent, nth))
    return [kind.removeprefix("session.thread_status_") for kind in kinds if "thread_status" in kind]


def idles(log: Played) -> list[StopReason]:
    """Why the session was idle, each time."""
    return [record.event.stop_reason for record in log.records if isinstance(record.event, SessionIdle)]


def waits(lab: Lab) -> bool:
    """Whether any call waits for a person."""
    return any(call.state == "asks" for call in lab.world.log.sessions[SESSION].calls.values())


def test_call_that_asks_waits_and_runs_once_it_is_allowed() -> None:
    lab = Lab(lead=[[say("may I?"), call("pay", key="1")], "done"])

    log = lab.run(asker(lab))

    ask = lab.asking("pay").id
    assert (idles(log), log.effects) == ([StopReason("requires_action", (ask,))], [])
    assert log.kinds()[-6:] == [
        "agent.tool_use",
        "model.replied",
        "span.model_request_end",
        "session.thread_status_idle",
        "session.usage",
        "session.status_idle",
    ]

    lab.answer("pay", allow=True)
    log = lab.resume()

    assert (log.text, log.said_to("pay"), [effect.key for effect in log.effects]) == ("done", "pay 1", ["1"])
    kinds = log.kinds()
    woken = kinds.index("user.tool_confirmation")
    assert kinds[woken : woken + 7] == [
        "user.tool_confirmation",
        "session.status_running",
        "session.thread_status_running",
        "driving.started",
        "user.tool_confirmation",
        "tool.started",
        "agent.tool_result",
    ]


@pytest.mark.parametrize(("reason", "ends"), [("", ""), ("too dear", ". too dear")])
def test_denied_call_is_an_error_result_with_the_reason(reason: str, ends: str) -> None:
    lab = Lab(lead=[call("pay", key="1"), "as you wish"])
    lab.run(asker(lab))

    lab.answer("pay", allow=False, reason=reason)
    log = lab.resume()

    assert (log.text, log.effects) == ("as you wish", [])
    assert log.said_to("pay") == f"Permission to use pay has been denied{ends}"
    assert log.result_of("pay").is_error


def test_child_waits_while_its_sibling_goes_on_and_the_session_idles_when_nothing_moves() -> None:
    lab = Lab(
        lead=[[call("careful", task="x"), call("quick", task="y")], "done"],
        careful=[call("pay", key="1"), "paid"],
        quick=after(9, "quick"),
    )
    lead = Agent("lead", model="m", callable_agents=[asker(lab, "careful"), Agent("quick", model="m")])

    log = lab.run(lead)

    ask = lab.asking("pay").id
    assert log.at(log.of("session.thread_status_idle", log.thread("careful"))[0]) == 0
    assert (log.seconds, idles(log)) == (9, [StopReason("requires_action", (ask,))])
    assert statuses(log, "lead") == ["running", "idle"]
    assert log.state.main.stop_reason == StopReason("requires_action", (ask,))

    lab.answer("pay", allow=True)
    log = lab.resume()

    assert (log.text, log.said_to("careful")) == ("done", "paid")
    assert statuses(log, "lead") == ["running", "idle", "running", "idle"]
    assert statuses(log, "careful") == ["running", "idle", "running", "idle"]
    shown = [record.views for record in log.of("agent.tool_use", log.thread("careful"))]
    assert shown == [3]  # in the child's stream and in the session's


def test_idle_session_names_every_call_that_waits_anywhere_and_idles_again_with_the_rest() -> None:
    lab = Lab(
        lead=[[call("careful", task="x"), call("pay", key="lead")], "done"],
        careful=[[call("pay", key="1"), call("pay", key="2")], "paid"],
    )
    lead = asker(lab, "lead", asker(lab, "careful"))

    log = lab.run(lead)
    asks = [lab.asking("pay", nth).id for nth in range(3)]
    assert set(idles(log)[-1].event_ids) == set(asks)

    for left in (2, 1):
        lab.answer("pay", allow=True, nth=left)
        log = lab.resume()
        assert (log.stop_reason, set(idles(log)[-1].event_ids)) == ("requires_action", set(asks[:left]))

    lab.answer("pay", allow=True)
    log = lab.resume()

    assert (log.text, log.stop_reason, len(log.effects)) == ("done", "end_turn", 3)


def test_denial_while_others_wait_leaves_the_session_idle_with_the_rest_and_runs_nothing() -> None:
    lab = Lab(lead=[[call("pay", key="1"), call("pay", key="2")], "done"])
    lab.run(asker(lab))
    rest = lab.asking("pay", 1).id

    lab.answer("pay", allow=False)

    log = lab.played()
    assert idles(log)[-1] == StopReason("requires_action", (rest,))
    assert log.kinds()[-4:] == [
        "user.tool_confirmation",
        "session.thread_status_idle",
        "session.usage",
        "session.status_idle",
    ]
    lab.answer("pay", allow=True)
    log = lab.resume()
    assert log.told("lead") == ["Permission to use pay has been denied", "pay 2"]


def test_denial_in_a_child_while_others_wait_is_told_to_everyone_above() -> None:
    lab = Lab(lead=[call("careful", task="x"), "done"], careful=[[call("pay", key="1"), call("pay", key="2")], "paid"])
    lab.run(Agent("lead", model="m", callable_agents=[asker(lab, "careful")]))
    rest = StopReason("requires_action", (lab.asking("pay", 1).id,))

    lab.answer("pay", allow=False)

    log = lab.played()
    assert [thread.stop_reason for thread in log.state.threads.values()] == [rest, rest]
    lab.answer("pay", allow=False)
    assert lab.resume().text == "done"


def test_answers_that_fit_no_waiting_call_are_refused() -> None:
    lab = Lab(lead=[call("pay", key="1"), "done"])
    lab.run(asker(lab))
    ask = lab.asking("pay")

    with pytest.raises(Refused, match="has another input than the one you saw"):
        lab.tell(Confirm(call=ask.id, allow=True, input_hash="0" * 64))
    with pytest.raises(Refused, match="call nothing of session sesn_1 does not wait for approval"):
        lab.tell(Confirm(call="nothing", allow=True))
    lab.tell(Confirm(call=ask.id, allow=True, input_hash=ask.input_hash))
    with pytest.raises(Refused, match="was answered before; its first answer stands"):
        lab.tell(Confirm(call=ask.id, allow=False))
    log = lab.resume()
    with pytest.raises(Refused, match="waits no longer: it was answered before, or is over"):
        lab.tell(Confirm(call=ask.id, allow=True))
    assert len(log.effects) == 1


def test_delegation_and_call_that_was_not_asked_take_no_answer() -> None:
    lab = Lab(lead=[[call("careful", task="x"), call("look")], "done"], careful=call("pay"))
    lab.run(asker(lab, "lead", asker(lab, "careful")))

    for row in lab.world.log.sessions[SESSION].calls.values():
        if row.state != "asks":
            with pytest.raises(Refused):
                lab.tell(Confirm(call=row.id, allow=True))


def test_call_that_would_be_refused_anyway_asks_nobody() -> None:
    lab = Lab(lead=[[call("pay", key=5)], "done"])

    log = lab.run(asker(lab))

    assert (log.stop_reason, log.result_of("pay").is_error) == ("end_turn", True)


def test_of_a_hundred_answers_at_once_one_counts() -> None:
    lab = Lab(lead=[[call("pay", key="1"), call("look")], "done"])

    async def crowd(live: Live) -> None:
        ask = lab.asking("pay").id
        answers = [live.process.store.admit(SESSION, Confirm(call=ask, allow=n % 2 == 0)) for n in range(100)]
        outcomes = await asyncio.gather(*answers, return_exceptions=True)
        assert sorted(isinstance(outcome, Refused) for outcome in outcomes) == [False] + [True] * 99
        await live.driver.notice()

    lead = Agent(
        "lead",
        model="m",
        tools=[lab.tool("pay"), lab.tool("look", seconds=9)],
        permissions={"pay": "always_ask"},
    )
    log = lab.run(lead, acts=[(1, crowd)])

    assert (log.text, [effect.tool for effect in log.effects]) == ("done", ["pay", "look"])


@pytest.mark.parametrize("allow", [True, False])
def test_answer_while_another_call_of_the_reply_runs_is_taken_at_once(allow: bool) -> None:
    lab = Lab(lead=[[call("slow", key="1"), call("pay", key="2")], "done"])
    tools = [lab.tool("slow", seconds=9), lab.tool("pay", seconds=2)]
    lead = Agent("lead", model="m", tools=tools, permissions={"pay": "always_ask"})

    log = lab.run(lead, acts=[(1, allowed("pay") if allow else denied("pay"))])

    assert (log.text, log.seconds, statuses(log, "lead")) == ("done", 9, ["running", "idle"])
    assert log.under_way("pay") == ([(1, 3)] if allow else [])
    assert log.told("lead")[1] == ("pay 2" if allow else "Permission to use pay has been denied")


@pytest.mark.parametrize("tenths", range(25))
def test_answer_at_any_moment_around_going_idle_is_not_lost(tenths: int) -> None:
    lab = Lab(lead=[call("pay", key="1"), "done"], commit_s=0.3)
    lead = asker(lab)

    async def allow(live: Live) -> None:
        if waits(lab):
            await allowed("pay")(live)

    log = lab.run(lead, acts=[(tenths / 10, allow)])

    if waits(lab):  # it came too early
        lab.answer("pay", allow=True)
    if lab.row().is_unfinished:  # it came when the process was about to end
        log = lab.resume()
    assert (log.text, len(log.effects)) == ("done", 1)


def test_two_answers_that_come_while_the_first_is_being_committed_are_both_taken_once() -> None:
    lab = Lab(lead=[[call("pay", key="1"), call("pay", key="2"), call("look")], "done"], commit_s=0.5)
    lead = Agent(
        "lead",
        model="m",
        tools=[lab.tool("pay"), lab.tool("look", seconds=9)],
        permissions={"pay": "always_ask"},
    )

    log = lab.run(lead, acts=[(2, allowed("pay")), (2.2, allowed("pay"))])

    assert (log.text, len(log.effects)) == ("done", 3)


def test_person_may_take_days_and_processes_may_come_and_go() -> None:
    lab = Lab(lead=[call("careful", task="x"), "done"], careful=[call("pay", key="1"), "paid"])
    careful = asker(lab, "careful")
    limits = Limits(seconds=10)
    careful = Agent("careful", model="m", tools=careful.tools, permissions={"pay": "always_ask"}, limits=limits)
    lab.run(Agent("lead", model="m", callable_agents=[careful], limits=limits))
    lab.world.now_s += 3 * DAY_S

    log = lab.resume()  # which finds nothing to do
    assert log.kinds()[-1] == "session.status_idle"
    lab.world.now_s += DAY_S
    lab.answer("pay", allow=True)
    lab.world.now_s += DAY_S
    log = lab.resume()

    assert (log.text, log.stop_reason) == ("done", "end_turn")


def test_seconds_do_not_count_while_a_person_is_waited_for_and_others_work() -> None:
    lab = Lab(
        lead=[[call("careful", task="x"), call("quick", task="y")], "done"],
        careful=[call("pay", key="1"), after(3, "paid")],
        quick=after(20, "quick"),
    )
    tools = [lab.tool("pay")]
    careful = Agent("careful", model="m", tools=tools, permissions={"pay": "always_ask"}, limits=Limits(seconds=5))

    log = lab.run(
        Agent("lead", model="m", callable_agents=[careful, Agent("quick", model="m")]), acts=[(12, allowed("pay"))]
    )

    assert (log.text, log.said_to("careful"), log.seconds) == ("done", "paid", 20)


def test_interrupt_while_a_person_is_waited_for_closes_the_call_and_asks_no_model() -> None:
    lab = Lab(lead=[call("careful", task="x"), "done"], careful=[call("pay", key="1"), "paid"])
    lab.run(Agent("lead", model="m", callable_agents=[asker(lab, "careful")]))

    lab.tell(Interrupt())
    log = lab.resume()

    assert (log.stop_reason, log.said_to("pay"), log.effects) == ("end_turn", RETRY, [])
    assert log.closings() == [("careful", "interrupted")]
    assert "span.model_request_start" not in log.after_interrupt()


def test_interrupt_of_the_child_alone_lets_its_parent_go_on() -> None:
    lab = Lab(lead=[call("careful", task="x"), "done"], careful=[call("pay", key="1"), "paid"])
    log = lab.run(Agent("lead", model="m", callable_agents=[asker(lab, "careful")]))

    lab.tell(Interrupt(thread=log.thread("careful")))
    log = lab.resume()

    assert (log.text, log.said_to("careful")) == ("done", "interrupted by a person")


def test_answer_and_interrupt_together_run_nothing() -> None:
    lab = Lab(lead=[call("pay", key="1"), "done"])
    lab.run(asker(lab))
    lab.answer("pay", allow=True)
    lab.tell(Interrupt())

    log = lab.resume()

    assert (log.stop_reason, log.effects, log.said_to("pay")) == ("end_turn", [], RETRY)
    shown = [r.event for r in log.records if isinstance(r.event, UserToolConfirmation) and not is_queued(r.event)]
    assert len(shown) == 1


def test_message_while_the_primary_itself_waits_is_only_queued_and_goes_with_the_result() -> None:
    lab = Lab(lead=[call("pay", key="1"), "done"])
    lab.run(asker(lab))

    lab.tell(SendMessage(content=text("hurry")))
    log = lab.resume()
    assert (log.stop_reason, log.kinds()[-1]) == ("requires_action", "user.message")
    lab.answer("pay", allow=True)
    log = lab.resume()

    assert log.told("lead") == ["pay 1", "hurry"]


def test_message_while_only_a_child_waits_wakes_the_primary_and_detaches_the_child() -> None:
    lab = Lab(lead=[call("careful", task="x"), "one thing at a time", "done"], careful=[call("pay", key="1"), "paid"])
    lab.run(Agent("lead", model="m", callable_agents=[asker(lab, "careful")]))

    log = lab.say("how is it going?")

    ask = lab.asking("pay").id
    assert (log.text, log.stop_reason, idles(log)[-1].event_ids) == ("one thing at a time", "requires_action", (ask,))
    assert log.state.main.stop_reason == StopReason("end_turn")

    lab.answer("pay", allow=True)
    log = lab.resume()

    assert (log.text, log.told("lead")[-1], log.closings()) == ("done", "paid", [("careful", "reported")])


@pytest.mark.parametrize("tenths", range(1, 13))
def test_message_at_any_moment_around_going_idle_detaches_the_waiting_child(tenths: int) -> None:
    lab = Lab(lead=[call("careful", task="x"), "I hear you"], careful=[call("pay", key="1"), "paid"], commit_s=0.3)

    log = lab.run(Agent("lead", model="m", callable_agents=[asker(lab, "careful")]), acts=[(tenths / 10, said("so?"))])
    if lab.row().is_unfinished:  # it came when the process was about to end
        log = lab.resume()

    assert (log.text, log.stop_reason) == ("I hear you", "requires_action")


def test_message_to_a_primary_that_waits_for_a_waiting_child_while_others_work_shows_it_running() -> None:
    lab = Lab(
        lead=[[call("careful", task="x"), call("start_agent", agent="busy", input={"task": "y"})], "I hear you"],
        careful=[call("pay", key="1"), "paid"],
        busy=after(9, "busy"),
    )
    lead = Agent("lead", model="m", callable_agents=[asker(lab, "careful"), Agent("busy", model="m")])

    log = lab.run(lead, acts=[(3, said("so?"))])

    assert statuses(log, "lead")[:4] == ["running", "idle", "running", "idle"]
    spans = log.of("span.model_request_start", log.thread("lead"))
    assert [log.at(record) for record in spans] == [0, 3, 9]


@pytest.mark.parametrize("allow", [True, False])
def test_process_killed_at_any_boundary_around_an_answer_consumes_it_once(allow: bool) -> None:
    at = 0
    while True:
        lab = Lab(lead=[call("pay", key="1"), "done"])
        lab.run(asker(lab))
        lab.answer("pay", allow=allow)
        fuse = Fuse(at)
        try:
            log = lab.resume(fuse=fuse)
        except KeyboardInterrupt:
            log = lab.resume()
        assert (log.text, log.state.status) == ("done", "idle")
        assert len(log.effects) <= allow
        if not fuse.is_blown or len(fuse.crossed) <= at:
            break
        at += 1
    assert at > 10


def test_interrupt_while_an_approved_call_runs_closes_it_and_takes_its_answer_once() -> None:
    lab = Lab(lead=[call("pay", key="1"), "done"])
    lab.run(asker(lab, seconds=9))
    lab.answer("pay", allow=True)

    log = lab.resume(acts=[(2, interrupted())])

    assert (log.stop_reason, log.effects, log.said_to("pay")) == ("end_turn", [], RETRY)


@pytest.mark.parametrize("commit_s", [0.0, 0.1, 0.3])
def test_answer_that_another_process_accepted_is_taken_before_the_session_idles(commit_s: float) -> None:
    lab = Lab(lead=[[call("pay", key="1"), call("look"), call("look")], "done"], commit_s=commit_s)
    tools = [lab.tool("pay"), lab.tool("look", seconds=2)]
    lead = Agent("lead", model="m", tools=tools, permissions={"pay": "always_ask"})

    async def allow(live: Live) -> None:
        await live.elsewhere(Confirm(call=lab.asking("pay").id, allow=True))

    log = lab.run(lead, acts=[(1.5, allow)])

    assert (log.text, len(log.effects)) == ("done", 3)


def test_message_behind_a_denied_call_of_the_primary_is_taken_while_a_child_waits() -> None:
    lab = Lab(lead=[[call("pay", key="lead"), call("careful", task="x")], "I hear you"], careful=[call("pay"), "paid"])
    lab.run(asker(lab, "lead", asker(lab, "careful")))
    lab.tell(SendMessage(content=text("so?")))

    lab.answer("pay", allow=False)
    log = lab.resume()

    assert (log.text, log.stop_reason, log.told("lead")[-1]) == ("I hear you", "requires_action", "so?")


@pytest.mark.parametrize("tenths", range(3, 30))
def test_message_at_any_moment_while_a_child_comes_to_wait_is_heard(tenths: int) -> None:
    start = call("start_agent", agent="careful", input={"task": "x"})
    lab = Lab(lead=[start, after(0.5, "I wait"), "I hear you"], careful=[after(1, call("pay")), "paid"], commit_s=0.3)
    lead = Agent("lead", model="m", callable_agents=[asker(lab, "careful")])

    log = lab.run(lead, acts=[(tenths / 10, said("so?"))])
    if lab.row().is_unfinished:  # it came when the process was about to end
        log = lab.resume()

    is_heard = "so?" in str([list(request.messages) for request in log.requests("lead")])
    assert is_heard == ("so?" in str([record.body for record in log.of("user.message")]))


def test_pause_while_a_person_is_waited_for_closes_the_call_and_stays() -> None:
    lab = Lab(lead=[call("pay", key="1"), "done"])
    lab.run(asker(lab))
    lab.tell(Interrupt(pause=True))

    paused = lab.resume(looks=False)

    assert (paused.state.paused, lab.row().paused, paused.said_to("pay")) == (True, True, RETRY)
    assert lab.resume().text == "done"
