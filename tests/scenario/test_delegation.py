"""Delegation: what a child is given, when it works, and how its report comes back."""

from collections.abc import Awaitable
from typing import Any

from podium import Agent, ModelRequest, call, say
from podium.core.content import Message, TextBlock, plain, text
from podium.models.rehearsal import Said
from tests.lab.cast import after, speak
from tests.lab.lab import Lab
from tests.lab.log import overlap


def agent(name: str, *callable_agents: Agent, **how: Any) -> Agent:
    return Agent(name, model="m", callable_agents=callable_agents, **how)


def task(request: ModelRequest) -> str:
    """What the thread was told first."""
    [block] = request.messages[0].content
    assert isinstance(block, TextBlock)
    return block.text


def test_delegations_of_one_reply_start_together_and_their_results_go_back_in_one_message_in_the_order_asked() -> None:
    lab = Lab(
        lead=[[call("slow", task="1"), call("quick", task="2"), call("middling", task="3")], "done"],
        slow=after(3, "slow"),
        quick=after(1, "quick"),
        middling=after(2, "middling"),
    )

    log = lab.run(agent("lead", agent("slow"), agent("quick"), agent("middling")))

    lead = log.thread("lead")
    assert [thread.definition.name for thread in log.state.threads.values()] == ["lead", "slow", "quick", "middling"]
    assert [log.under_way(name) for name in ("slow", "quick", "middling")] == [[(0, 3)], [(0, 1)], [(0, 2)]]
    first, second = log.requests("lead")
    assert len(first.messages) == 1
    assert (len(second.messages), log.told("lead")) == (3, ["slow", "quick", "middling"])
    assert [kind for kind in log.kinds(lead) if "message" in kind or "request" in kind or "delegation" in kind] == [
        "user.message",
        "user.message",
        "span.model_request_start",
        "span.model_request_end",
        *("delegation.opened", "agent.thread_message_sent") * 3,
        *("agent.thread_message_received", "delegation.closed") * 3,
        "span.model_request_start",
        "agent.message",
        "span.model_request_end",
    ]
    assert log.closings() == [("quick", "reported"), ("middling", "reported"), ("slow", "reported")]
    assert log.seconds == 3


def test_two_delegations_whose_models_take_a_second_end_in_a_second() -> None:
    lab = Lab(lead=[[call("a", task="x"), call("b", task="y")], "both are done"], a=after(1, "A"), b=after(1, "B"))

    log = lab.run(agent("lead", agent("a"), agent("b")), "do both")

    assert (log.text, log.seconds, log.stop_reason) == ("both are done", 1, "end_turn")
    assert overlap([*log.under_way("a"), *log.under_way("b")])


def test_a_hundred_and_four_agents_work_at_once() -> None:
    names = [f"worker{n}" for n in range(103)]
    lab = Lab({name: after(1, name) for name in names}, lead=[[call(name, task="x") for name in names], "all are done"])

    log = lab.run(agent("lead", *(agent(name) for name in names)))

    assert (log.seconds, log.text, len(log.state.threads)) == (1, "all are done", 104)
    assert lab.script.most["*"] == 103
    assert [log.said_to(name) for name in names] == names


def test_the_same_agent_called_twice_in_one_reply_is_two_threads() -> None:
    lab = Lab(
        lead=[[call("worker", task="first"), call("worker", task="second")], "done"],
        worker=after(1, lambda request: f"did {task(request)}"),
    )

    log = lab.run(agent("lead", agent("worker")))

    assert [plain(result.content) for result in log.results_of("worker")] == ["did first", "did second"]
    assert log.seconds == 1


def test_child_gets_its_task_and_its_own_system_and_tools_and_nothing_of_its_parent() -> None:
    lab = Lab(
        lead=[
            [say("a secret thought"), call("secret", key="s")],
            [call("child", task="count", context="there are 3", expected_output="a number")],
            "done",
        ],
        child="3",
    )
    child = agent("child", system="You count.", tools=[lab.tool("own")])
    lead = agent("lead", child, system="You lead.", tools=[lab.tool("secret")])

    log = lab.run(lead, "a secret task")

    [request] = log.requests("child")
    assert request.system == "You count."
    assert [offer.name for offer in request.tools] == ["own", "send_to_parent"]
    told = "count\n\nContext:\nthere are 3\n\nExpected output:\na number"
    assert list(request.messages) == [Message("user", text(told))]
    assert log.state_of("child").parent == log.thread("lead")


def test_second_delegation_to_an_agent_begins_anew() -> None:
    lab = Lab(
        lead=[[call("child", task="first")], [call("child", task="second")], "done"],
        child=task,
    )

    log = lab.run(agent("lead", agent("child")))

    assert [len(request.messages) for request in log.requests("child")] == [1, 1]
    assert [plain(result.content) for result in log.results_of("child")] == ["first", "second"]


def test_structured_input_reaches_the_child_as_json() -> None:
    schema = {"type": "object", "properties": {"b": {"type": "integer"}, "a": {"type": "string"}}, "required": ["b"]}
    lab = Lab(lead=[[call("child", b=1, a="x")], "done"], child="ok")

    log = lab.run(agent("lead", agent("child", input_schema=schema)))

    [request] = log.requests("child")
    assert list(request.messages) == [Message("user", text('{"a":"x","b":1}'))]


def test_siblings_do_not_wait_for_each_other_on_any_level() -> None:
    """Two chains, of which one is slow above and the other below: no step waits for a step of the other chain."""

    def leaf(request: ModelRequest) -> Awaitable[Said]:
        return speak(after(299 if task(request) == "slow" else 1, "leaf"), request)

    lab = Lab(
        lead=[[call("left", task="x"), call("right", task="y")], "done"],
        left=[after(300, [call("leaf", task="quick")]), "left"],
        right=[after(1, [call("leaf", task="slow")]), "right"],
        leaf=leaf,
    )
    below = agent("leaf")

    log = lab.run(agent("lead", agent("left", below), agent("right", below)))

    assert log.seconds == 301
    assert log.under_way("right") == [(0, 300)]
    assert log.under_way("left") == [(0, 301)]


def test_ten_minutes_beside_ten_minutes_are_ten_minutes_three_levels_deep() -> None:
    lab = Lab(
        lead=[[call("middle", task="1"), call("middle", task="2")], "done"],
        middle=[[call("leaf", task="1"), call("leaf", task="2")], "middle"],
        leaf=after(600, "leaf"),
    )

    log = lab.run(agent("lead", agent("middle", agent("leaf"))))

    assert (log.seconds, len(log.state.threads)) == (600, 7)


def test_parents_own_tools_run_while_its_children_work() -> None:
    lab = Lab(lead=[[call("child", task="x"), call("tool", key="t")], "done"], child=after(2, "child"))
    tool = lab.tool("tool", seconds=2)

    log = lab.run(agent("lead", agent("child"), tools=[tool]))

    assert log.under_way("tool") == log.under_way("child") == [(0, 2)]
    assert log.seconds == 2


def test_child_that_says_nothing_reports_nothing() -> None:
    lab = Lab(lead=[[call("child", task="x")], "done"], child=[[]])

    log = lab.run(agent("lead", agent("child")))

    assert (log.said_to("child"), log.result_of("child").is_error, log.text) == ("", False, "done")


def test_childs_report_is_its_last_words() -> None:
    lab = Lab(
        lead=[[call("child", task="x")], "done"],
        child=[[say("first"), call("tool")], [say("one"), TextBlock("two")]],
    )

    log = lab.run(agent("lead", agent("child", tools=[lab.tool("tool")])))

    assert log.result_of("child").content == (TextBlock("one"), TextBlock("two"))
