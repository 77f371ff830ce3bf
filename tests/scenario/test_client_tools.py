"""Tools that the client answers: who waits, what a result sets going, and that it counts once.

Source: the Managed Agents API, sections C.1, C.7, C.9 and D.5.
"""

import pytest

from podium import Agent, Limits, call, say
from podium.core.content import text
from podium.core.events import AgentCustomToolUse, SessionIdle, StopReason, UserCustomToolResult
from podium.core.inputs import Confirm, GiveResult, Interrupt, SendMessage
from podium.errors import Refused
from tests.lab.cast import ClientTool, after
from tests.lab.lab import SESSION, Lab, Live, given, interrupted, interrupted_thread
from tests.lab.log import Played

RETRY = "Tool execution was interrupted before completion. Please retry."
ASK = ClientTool("ask_crm")


def asker(name: str = "lead", *callable_agents: Agent, lab: Lab | None = None) -> Agent:
    """An agent with a tool of the client's, and where there is a lab a plain one."""
    tools = [ASK, *([lab.tool("look", seconds=2)] if lab is not None else [])]
    return Agent(name, model="m", tools=tools, callable_agents=callable_agents)


def idles(log: Played) -> list[StopReason]:
    return [record.event.stop_reason for record in log.records if isinstance(record.event, SessionIdle)]


def shown(log: Played, kind: str) -> list[tuple[str, int]]:
    """The events of a kind: whose, and in which streams (1 its own, 2 the session's)."""
    return [(log.state.threads[record.thread].definition.name, record.views) for record in log.of(kind)]


def test_call_of_a_client_tool_waits_and_its_result_goes_to_the_model() -> None:
    lab = Lab(lead=[[say("let me ask"), call("ask_crm", key="7")], "done"])
    log = lab.run(asker())

    waiting = lab.world.waiting("ask_crm").id
    [use] = [record.event for record in log.records if isinstance(record.event, AgentCustomToolUse)]
    assert (use.id, use.name, use.input) == (waiting, "ask_crm", {"key": "7"})
    assert idles(log) == [StopReason("requires_action", (waiting,))]
    assert log.kinds()[-3:] == ["session.thread_status_idle", "session.usage", "session.status_idle"]

    lab.give("ask_crm", "a good customer")
    log = lab.resume()

    assert (log.text, log.said_to("ask_crm")) == ("done", "a good customer")
    kinds = log.kinds()
    begin = kinds.index("user.custom_tool_result")
    assert kinds[begin : begin + 6] == [
        "user.custom_tool_result",
        "session.status_running",
        "session.thread_status_running",
        "driving.started",
        "call.answered",
        "span.model_request_start",
    ]
    assert kinds.count("user.custom_tool_result") == 1  # it is processed as it comes
    assert "agent.tool_result" not in kinds


@pytest.mark.parametrize("is_error", [True, False])
def test_error_of_the_client_is_an_error_result(is_error: bool) -> None:
    lab = Lab(lead=[call("ask_crm"), "I see"])
    lab.run(asker())
    lab.give("ask_crm", "out of order", is_error=is_error)
    log = lab.resume()

    assert (log.result_of("ask_crm").is_error, log.said_to("ask_crm")) == (is_error, "out of order")


def test_child_waits_for_the_client_while_its_sibling_goes_on() -> None:
    lab = Lab(
        lead=[[call("asker", task="x"), call("slow", task="y")], "done"],
        asker=[call("ask_crm", key="1"), "asked"],
        slow=after(9, "slow"),
    )
    lead = Agent("lead", model="m", callable_agents=[asker("asker"), Agent("slow", model="m")])
    log = lab.run(lead, acts=[(3, given("ask_crm", "yes"))])

    assert (log.text, log.seconds, log.said_to("asker")) == ("done", 9, "asked")
    assert idles(log) == [StopReason("end_turn")]
    assert [log.at(record) for record in log.of("span.model_request_start", log.thread("asker"))] == [0, 3]
    assert shown(log, "agent.custom_tool_use") == [("asker", 3)]
    assert shown(log, "user.custom_tool_result") == [("asker", 3)]
    [result] = [record.event for record in log.records if isinstance(record.event, UserCustomToolResult)]
    assert result.session_thread_id == log.thread("asker")
    child = [kind.removeprefix("session.thread_status_") for kind in log.kinds(log.thread("asker")) if "status" in kind]
    assert child == ["running", "idle", "running", "idle"]


def test_primarys_own_call_names_no_thread_and_stands_once_in_its_stream() -> None:
    lab = Lab(lead=[call("ask_crm"), "done"])
    lab.run(asker())
    lab.give("ask_crm", "yes")
    log = lab.resume()

    assert shown(log, "agent.custom_tool_use") == shown(log, "user.custom_tool_result") == [("lead", 1)]
    [result] = [record.event for record in log.records if isinstance(record.event, UserCustomToolResult)]
    assert result.session_thread_id is None


def test_part_of_the_results_has_the_session_idle_again_with_the_rest() -> None:
    lab = Lab(lead=[[call("ask_crm", key="1"), call("ask_crm", key="2"), call("asker", task="x")], "done"])
    lab.script.says("asker", call("ask_crm", key="3"))
    lab.run(asker("lead", asker("asker")))
    first, second, third = (lab.world.waiting("ask_crm", nth).id for nth in range(3))

    lab.give("ask_crm", "one")
    log = lab.played()

    assert idles(log) == [
        StopReason("requires_action", (first, second, third)),
        StopReason("requires_action", (second, third)),
    ]
    assert log.state.status == "idle"
    assert log.kinds()[-4:] == [
        "user.custom_tool_result",
        "session.thread_status_idle",
        "session.usage",
        "session.status_idle",
    ]


def test_all_results_in_one_request_are_taken_together() -> None:
    lab = Lab(lead=[[call("ask_crm", key="1"), call("ask_crm", key="2")], "done"])
    lab.run(asker())
    lab.give("ask_crm", "one")
    lab.give("ask_crm", "two")
    log = lab.resume()

    assert log.told("lead") == ["one", "two"]
    assert len(log.requests("lead")) == 2


def test_result_that_comes_while_another_tool_runs_is_kept_and_the_model_has_both_in_order() -> None:
    lab = Lab(lead=[[call("ask_crm", key="1"), call("look", key="2")], "done"])
    log = lab.run(asker(lab=lab), acts=[(1, given("ask_crm", "yes"))])

    assert log.told("lead") == ["yes", "look 2"]
    assert [log.at(record) for record in log.of("span.model_request_start")] == [0, 2]
    assert idles(log) == [StopReason("end_turn")]


def test_result_counts_once_and_only_for_a_call_that_waits_for_it() -> None:
    lab = Lab(lead=[[call("ask_crm", key="1"), call("ask_crm", key="2")], "done"])
    lab.run(asker())
    one, two = lab.world.waiting("ask_crm", 0).id, lab.world.waiting("ask_crm", 1).id
    lab.tell(GiveResult(call=one, content=text("first")))

    with pytest.raises(Refused, match="answered before"):
        lab.tell(GiveResult(call=one, content=text("second")))
    with pytest.raises(Refused, match="does not wait"):
        lab.tell(GiveResult(call="sevt_none", content=text("x")))
    with pytest.raises(Refused, match="does not wait for approval"):
        lab.tell(Confirm(call=two, allow=True))
    lab.give("ask_crm", "other")
    assert lab.resume().told("lead") == ["first", "other"]


def test_message_to_a_primary_that_waits_for_the_client_is_refused_where_it_may_not_wait() -> None:
    lab = Lab(lead=[call("ask_crm"), "done", "more"])
    lab.run(asker())

    with pytest.raises(Refused, match="waits for an answer to sevt_"):
        lab.tell(SendMessage(content=text("hello?"), waits=False))
    lab.tell(SendMessage(content=text("hello?")))
    assert lab.played().state.status == "idle"
    lab.give("ask_crm", "yes")
    assert lab.resume().told("lead") == ["yes", "hello?"]


def test_call_that_does_not_fit_is_answered_at_once_and_no_client_sees_it() -> None:
    lab = Lab(lead=[[call("ask_crm", key=7), call("ask_crm", wrong=1)], "I see"])
    log = lab.run(asker())

    assert all(result.is_error for result in log.results_of("ask_crm"))
    assert (log.text, log.of("agent.custom_tool_use")) == ("I see", [])


# --- interrupts --------------------------------------------------------------------------------------


def test_interrupt_closes_calls_that_wait_for_the_client_and_samples_no_model() -> None:
    lab = Lab(
        lead=[[call("ask_crm", key="1"), call("asker", task="x")], "never"], asker=[call("ask_crm", key="2"), "n"]
    )
    before = lab.run(asker("lead", asker("asker")))

    lab.tell(Interrupt())
    log = lab.resume()

    assert log.state.stop_reason == StopReason("end_turn")
    assert [log.said_to("asker"), *(str(r.content[0].text) for r in log.results_of("ask_crm"))] == [  # type: ignore[union-attr]
        "interrupted by a person",
        RETRY,
        RETRY,
    ]
    assert "span.model_request_start" not in [record.type for record in log.records[len(before.records) :]]
    assert lab.world.log.sessions[SESSION].calls == {}


def test_named_child_that_waits_for_the_client_is_interrupted_alone() -> None:
    lab = Lab(
        lead=[[call("asker", task="x"), call("slow", task="y")], "done"],
        asker=[call("ask_crm"), "never"],
        slow=after(9, "slow"),
    )
    lead = Agent("lead", model="m", callable_agents=[asker("asker"), Agent("slow", model="m")])
    log = lab.run(lead, acts=[(3, interrupted_thread("asker"))])

    assert (log.text, log.said_to("asker"), log.said_to("slow")) == ("done", "interrupted by a person", "slow")
    assert log.said_to("ask_crm") == RETRY
    assert len(log.requests("asker")) == 1
    assert log.state_of("asker").stop_reason == StopReason("end_turn")


def test_result_that_came_before_the_interrupt_stands() -> None:
    async def both(live: Live) -> None:
        await live.elsewhere(GiveResult(call=lab.world.waiting("ask_crm").id, content=text("in time")))
        await interrupted()(live)

    lab = Lab(lead=[[call("ask_crm", key="1"), call("look", key="2")], "again"], commit_s=0.1)
    log = lab.run(asker(lab=lab), acts=[(0.9, both)])

    assert log.said_to("ask_crm") == "in time"
    assert log.said_to("look") == RETRY
    assert log.state.stop_reason == StopReason("end_turn")


def test_result_that_comes_after_the_interrupt_is_refused() -> None:
    lab = Lab(lead=[call("ask_crm"), "never"])
    lab.run(asker())
    waiting = lab.world.waiting("ask_crm").id
    lab.tell(Interrupt())
    lab.resume()

    with pytest.raises(Refused, match="waits no longer"):
        lab.tell(GiveResult(call=waiting, content=text("late")))


# --- limits, crashes ---------------------------------------------------------------------------------


def test_waiting_for_the_client_takes_no_time_of_the_threads() -> None:
    lab = Lab(lead=[call("ask_crm"), after(2, "done")])
    lab.run(Agent("lead", model="m", tools=[ASK], limits=Limits(seconds=10)))
    lab.world.now_s += 86_400
    lab.give("ask_crm", "at last")
    log = lab.resume()

    assert (log.text, log.stop_reason) == ("done", "end_turn")


def test_result_that_came_while_the_process_was_gone_is_taken_by_the_next() -> None:
    lab = Lab(
        lead=[[call("asker", task="x"), call("slow", task="y")], "done"],
        asker=[call("ask_crm"), "asked"],
        slow=after(9, "slow"),
    )
    lead = Agent("lead", model="m", callable_agents=[asker("asker"), Agent("slow", model="m")])
    lab.run(lead, acts=[(3, lambda live: live.let_go())])
    lab.give("ask_crm", "yes")

    log = lab.resume()
    assert (log.text, log.said_to("ask_crm"), log.said_to("asker")) == ("done", "yes", "asked")


def test_inline_agent_may_have_the_clients_tools() -> None:
    lab = Lab(
        lead=[call("create_agent", name="clerk", system="Ask.", task="x", tools=["ask_crm"]), "done"],
        clerk=[call("ask_crm"), "asked"],
    )
    log = lab.run(Agent("lead", model="m", tools=[ASK], inline_agents=True))
    assert shown(log, "agent.custom_tool_use") == [("clerk", 3)]
    lab.give("ask_crm", "yes")

    assert lab.resume().said_to("create_agent") == "asked"
