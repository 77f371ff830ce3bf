"""What clients see of threads, row by row: which stream shows what, who counts, what interrupts and overrides reach.

Source: the Managed Agents API, sections C.7, D.3 and D.4. Rows of their own: test_archive.py, test_client_tools.py,
test_approvals.py, test_budget_changes.py, test_inline_agents.py.
"""

import msgspec
import pytest

from podium import Agent, ModelRequest, SessionLimits, call, say
from podium.core.content import ThinkingBlock
from podium.core.definitions import Definition, ToolSpec
from podium.core.events import StopReason
from podium.core.inputs import Archive, Confirm, Interrupt, Update
from podium.core.ports import Reply
from podium.core.records import OWN, PRIMARY, is_queued
from podium.errors import ModelFailed
from podium.models.rehearsal import Said
from tests.lab.cast import ClientTool, after, hangs, raises
from tests.lab.lab import SESSION, Lab, interrupted, interrupted_thread
from tests.lab.log import Played
from tests.scenario.test_archive import idles, lead, payer, start

END_TURN = StopReason("end_turn")
BOTH = {"session", "child"}
SHOWN: dict[str, set[str]] = {  # of a child's: the streams that show it
    "agent.message": {"child"},
    "agent.thinking": {"child"},
    "span.model_request_start": {"child"},
    "span.model_request_end": {"child"},
    "agent.tool_use": {"child"},
    "agent.tool_use, asks": BOTH,
    "agent.tool_result": {"child"},
    "agent.custom_tool_use": BOTH,
    "user.custom_tool_result": BOTH,
    "user.tool_confirmation": BOTH,
    "agent.thread_message_sent": {"child"},
    "agent.thread_message_received": {"child"},
    "session.thread_created": {"session"},
    "session.thread_status_running": BOTH,
    "session.thread_status_idle": BOTH,
    "session.thread_status_terminated": BOTH,
}


def streams(log: Played, agent: str) -> dict[str, set[str]]:
    """The kinds of the public events of an agent's thread, and which streams show them."""
    shown: dict[str, set[str]] = {}
    for record in log.records:
        if record.thread != log.thread(agent) or not record.views:
            continue
        asks = getattr(record.event, "evaluated_permission", "") == "ask"
        kind = f"{record.type}{', asks' if asks else ''}"
        seen = {name for bit, name in ((OWN, "child"), (PRIMARY, "session")) if record.views & bit}
        assert shown.setdefault(kind, seen) == seen, kind
    return shown


def test_each_stream_shows_what_the_api_says_it_shows() -> None:
    lab = Lab(
        lead=[call("child", task="x"), "done"],
        child=[
            Reply((ThinkingBlock("hm", "signed"), say("so"), call("look"), call("pay"), call("crm")), "tool_use"),
            "report",
        ],
    )
    tools = [lab.tool("look"), lab.tool("pay"), ClientTool("crm")]
    child = Agent("child", model="m", tools=tools, permissions={"pay": "always_ask"})
    lab.run(lead(child))
    lab.answer("pay", allow=True)
    lab.give("crm", "yes")
    log = lab.resume()
    lab.tell(Interrupt())
    lab.tell(Archive(thread=log.thread("child")))
    log = lab.played()

    assert streams(log, "child") == SHOWN
    own_kinds = {record.type for record in log.records if record.thread == log.thread("lead") and record.views == OWN}
    assert {"agent.thread_message_sent", "agent.thread_message_received", "session.usage"} <= own_kinds
    assert {record.views for record in log.records if record.thread == log.thread("lead")} <= {0, OWN}


def test_task_comes_first_in_the_childs_stream_and_the_delegation_in_order_in_the_sessions() -> None:
    lab = Lab(lead=[call("child", task="x"), "done"], child="report")
    log = lab.run(lead(Agent("child", model="m")))

    child = log.thread("child")
    assert next(r.type for r in log.records if r.thread == child and r.views & OWN) == "agent.thread_message_received"
    session = [r.type for r in log.records if r.views & (OWN if r.thread != child else PRIMARY)]
    begin = session.index("session.thread_created")
    assert session[begin : begin + 5] == [
        "session.thread_created",
        "session.thread_status_running",
        "agent.thread_message_sent",
        "agent.thread_message_received",
        "session.thread_status_idle",
    ]


def test_first_thread_status_of_a_session_is_the_primarys_which_has_no_parent_and_was_created_with_it() -> None:
    lab = Lab(lead=[call("child", task="x"), "done"], child="report")
    log = lab.run(lead(Agent("child", model="m")))

    statuses = [record for record in log.records if "thread_status" in record.type]
    assert statuses[0].thread == log.thread("lead")
    assert log.state.main.parent is None
    assert [record.thread for record in log.of("session.thread_created")] == [log.thread("child")]


# --- who counts --------------------------------------------------------------------------------------


def test_twenty_five_children_live_at_once_and_the_longest_idle_makes_room_for_the_next() -> None:
    many = [call("child", task=str(number)) for number in range(25)]
    lab = Lab(lead=[many, call("child", task="one more"), "done"], child="report")
    log = lab.run(lead(Agent("child", model="m")), limits=SessionLimits(live_threads=25))

    rows = lab.world.log.sessions[SESSION].threads.values()
    assert [row.status for row in rows].count("terminated") == 1
    assert (len(rows), log.text) == (27, "done")
    assert log.state_of("child", 0).status == "terminated"


def test_twenty_sixth_child_is_an_error_while_all_others_work() -> None:
    many = [call("child", task=str(number)) for number in range(26)]
    lab = Lab(lead=[many, "done"], child=after(5, "report"))
    log = lab.run(lead(Agent("child", model="m")), limits=SessionLimits(live_threads=25))

    results = log.results_of("child")
    assert [result.is_error for result in results] == [False] * 25 + [True]
    assert "limits.live_threads is 25" in str(results[-1].content)


def test_idle_child_whose_own_child_works_does_not_make_room() -> None:
    lab = Lab(
        lead=[call("middle", task="x"), call("other", task="y"), "done"],
        middle=[start("leaf"), "it works"],
        leaf=after(9, "leaf"),
        other="never",
    )
    leaf, other = Agent("leaf", model="m"), Agent("other", model="m")
    middle = Agent("middle", model="m", callable_agents=[leaf])
    log = lab.run(lead(middle, other), limits=SessionLimits(live_threads=2))

    assert log.result_of("other").is_error
    assert log.closings() == [("middle", "reported"), ("leaf", "reported"), ("middle", "reported")]


def test_usage_of_a_thread_is_empty_before_it_is_idle_and_the_sessions_is_the_sum() -> None:
    lab = Lab(lead=[call("child", task="x"), after(3, "done")], child="report")
    log = lab.run(lead(Agent("child", model="m")), acts=[(1, lambda live: live.let_go())])
    rows = {row.agent_name: row for row in lab.world.log.sessions[SESSION].threads.values()}
    assert rows["lead"].usage is None
    assert rows["child"].usage == log.state_of("child").usage

    log = lab.resume()

    rows = {row.agent_name: row for row in lab.world.log.sessions[SESSION].threads.values()}
    used = [row.usage for row in rows.values()]
    assert used[0] is not None
    assert used[1] is not None
    assert used[0] + used[1] == log.state.usage == lab.row().facts.usage


def test_child_that_ended_its_turn_is_idle_and_not_over() -> None:
    lab = Lab(lead=[call("child", task="x"), "done"], child="report")
    log = lab.run(lead(Agent("child", model="m")))

    assert (log.state_of("child").status, log.state_of("child").stop_reason) == ("idle", END_TURN)


def test_child_whose_retries_are_used_up_is_terminated_and_the_coordinator_is_told() -> None:
    lab = Lab(lead=[call("child", task="x"), "a pity"], child=raises(ModelFailed("busy", kind="overloaded")))
    log = lab.run(lead(Agent("child", model="m")))

    assert log.state_of("child").status == "terminated"
    assert log.said_to("child").startswith("agent 'child' failed: busy")
    assert (log.text, log.stop_reason) == ("a pity", "end_turn")


# --- interrupts --------------------------------------------------------------------------------------


def test_interrupt_without_a_name_reaches_every_thread() -> None:
    lab = Lab(lead=[[call("a", task="x"), start("b"), call("look")], "never"], a=hangs, b=hangs)
    agent = Agent(
        "lead",
        model="m",
        tools=[lab.tool("look", seconds=60)],
        callable_agents=[Agent("a", model="m"), Agent("b", model="m")],
    )
    log = lab.run(agent, acts=[(3, interrupted())])

    assert {thread.status for thread in log.state.threads.values()} == {"idle"}
    assert {thread.stop_reason for thread in log.state.threads.values()} == {END_TURN}
    assert (log.seconds, idles(log)) == (3, ["end_turn"])


def test_named_thread_that_works_is_cut_and_reports_nothing() -> None:
    lab = Lab(lead=[[call("a", task="x"), call("b", task="y")], "done"], a=hangs, b=after(9, "b"))
    log = lab.run(lead(Agent("a", model="m"), Agent("b", model="m")), acts=[(3, interrupted_thread("a"))])

    [cut] = log.of("span.model_request_end", log.thread("a"))
    assert log.at(cut) == 3
    assert log.state_of("a").stop_reason == END_TURN
    assert log.of("agent.thread_message_sent", log.thread("a")) == []
    assert (log.said_to("a"), log.said_to("b"), log.text) == ("interrupted by a person", "b", "done")


def test_named_thread_that_asks_has_its_call_closed_with_the_wires_text_and_no_model_is_sampled() -> None:
    lab = Lab(lead=[[call("payer", task="x"), call("b", task="y")], "done"], payer=call("pay"), b=after(9, "b"))
    log = lab.run(lead(payer(lab), Agent("b", model="m")), acts=[(3, interrupted_thread("payer"))])

    assert log.said_to("pay") == "Tool execution was interrupted before completion. Please retry."
    assert (len(log.requests("payer")), log.state_of("payer").stop_reason) == (1, END_TURN)


@pytest.mark.parametrize("works", [True, False])
def test_named_thread_whose_turn_is_over_is_left_as_it_is(works: bool) -> None:
    lab = Lab(lead=[[call("a", task="x"), call("b", task="y")], "done"], a="a", b=after(9, "b"))
    team = lead(Agent("a", model="m"), Agent("b", model="m"))
    if works:
        log = lab.run(team, acts=[(3, interrupted_thread("a"))])
    else:
        log = lab.run(team)
        lab.tell(Interrupt(thread=log.thread("a")))
        log = lab.played()

    assert [record.event.processed_at is None for record in log.of("user.interrupt")][-1:] == [False]  # type: ignore[union-attr]
    assert not any(is_queued(event) for event in log.state.queue.values())
    statuses = [kind for kind in log.kinds(log.thread("a")) if "thread_status" in kind]
    assert statuses == ["session.thread_status_running", "session.thread_status_idle"]
    assert (log.text, log.state.status) == ("done", "idle")


# --- overrides ---------------------------------------------------------------------------------------


def test_changed_agent_reaches_the_coordinator_and_copies_of_itself_alone() -> None:
    def says(request: ModelRequest) -> Said:
        if request.messages[0].content[0].text == "go" and len(request.messages) in (1, 5):  # type: ignore[union-attr]
            return (
                call("lead", task="copy")
                if len(request.messages) == 1
                else [
                    call("lead", task="copy"),
                    call("other", task="x"),
                ]
            )
        return "done"

    lab = Lab(lead=says, other="other")
    tools = [lab.tool("look")]
    lab.run(Agent("lead", model="m", tools=tools, callable_agents=["self", Agent("other", model="m", tools=tools)]))
    version = lab.row().agent
    definition = msgspec.json.decode(lab.world.log.definitions[version], type=Definition)
    hear = ToolSpec("hear", "", {"type": "object"}, source="custom")
    lab.tell(Update(definition=msgspec.structs.replace(definition, tools=(hear,)), snapshot={"name": "lead"}))
    log = lab.say("again")

    own = [thread for thread in log.state.threads.values() if thread.definition.name == "lead"]
    assert [[spec.name for spec in thread.definition.tools] for thread in own] == [["hear"], ["look"], ["hear"]]
    assert [spec.name for spec in log.state_of("other").definition.tools] == ["look"]
    assert lab.row().agent == version  # what it was started with


def test_tool_that_was_taken_from_the_agent_while_its_call_waited_is_not_run() -> None:
    lab = Lab(lead=[call("pay", key="1"), "I see"])
    agent = payer(lab, "lead")
    lab.run(agent)
    definition = msgspec.json.decode(lab.world.log.definitions[lab.row().agent], type=Definition)
    lab.tell(Update(definition=msgspec.structs.replace(definition, tools=()), snapshot={}))
    lab.tell(Confirm(call=lab.asking("pay").id, allow=True))
    lab.tools = {}
    log = lab.resume()

    assert (log.text, log.effects) == ("I see", [])
    assert log.said_to("pay") == "not run: the tool 'pay' was taken from agent 'lead'"
