"""Agents that a coordinator defines as it works: what it must give, what they have, and how they go on."""

import re
from typing import Any

import pytest

from podium import Agent, Limits, ModelRequest, SessionLimits, call
from podium.core.content import TextBlock, ToolUseBlock
from podium.core.facts import DelegationOpened
from podium.core.json import JSON
from tests.lab.cast import after, raises
from tests.lab.lab import Lab, allowed
from tests.lab.log import Played

MAX_SYSTEM = 100_000


def create(name: str = "scout", task: str = "look", **more: JSON) -> ToolUseBlock:
    given: dict[str, JSON] = {"name": name, "system": f"You are {name}.", "task": task, **more}
    return call("create_agent", **given)


def lead(*callable_agents: Agent, **how: Any) -> Agent:
    return Agent("lead", model="m", callable_agents=callable_agents, inline_agents=True, **how)


def offered(log: Played, agent: str) -> list[str]:
    return [offer.name for offer in log.requests(agent)[0].tools]


def test_inline_agent_has_the_coordinators_model_its_own_prompt_and_the_task() -> None:
    lab = Lab(lead=[create(context="it is dark", expected_output="a word"), "done"], scout="nothing")
    log = lab.run(lead(tools=[lab.tool("see"), lab.tool("hear")]))

    [request] = log.requests("scout")
    assert (request.model, request.system) == ("m", "You are scout.")
    assert log.told("scout") == ["look\n\nContext:\nit is dark\n\nExpected output:\na word"]
    assert offered(log, "scout") == ["see", "hear", "send_to_parent"]
    assert (log.text, log.said_to("create_agent")) == ("done", "nothing")


def test_delegation_to_an_inline_agent_is_shown_as_any_other() -> None:
    lab = Lab(lead=[create(), "done"], scout="nothing")
    log = lab.run(lead())

    scout = log.thread("scout")
    main = [record.type for record in log.records if record.views & 2 or (record.views and record.thread != scout)]
    begin = main.index("session.thread_created")
    assert main[begin : begin + 5] == [
        "session.thread_created",
        "session.thread_status_running",
        "agent.thread_message_sent",
        "agent.thread_message_received",
        "session.thread_status_idle",
    ]
    assert "agent.tool_use" not in log.kinds()
    assert log.closings() == [("scout", "reported")]


def test_inline_agent_has_the_tools_it_is_given_in_the_coordinators_order_and_permissions() -> None:
    lab = Lab(
        lead=[create(tools=["pay", "see"]), "done"], scout=[[call("pay", key="1"), call("hear", key="2")], "paid"]
    )
    names = ["see", "hear", "pay"]
    log = lab.run(lead(tools=[lab.tool(name) for name in names], permissions={"pay": "always_ask"}))

    assert offered(log, "scout") == ["see", "pay", "send_to_parent"]
    assert log.stop_reason == "requires_action"
    lab.answer("pay", allow=True)
    log = lab.resume()
    assert [(effect.tool, effect.key) for effect in log.effects] == [("pay", "1")]
    assert log.said_to("hear") == "agent 'scout' called 'hear', which it was not given (it has: 'see', 'pay')"
    assert (log.text, log.said_to("create_agent")) == ("done", "paid")


def test_inline_agent_works_with_the_coordinators_functions_though_another_agent_has_its_name() -> None:
    lab = Lab(lead=[[create("scout"), call("scout", task="x")], "done"], scout=[call("see", key="1"), "seen"])
    own, other = lab.tool("see", says=None), lab.tool("see", fails=ValueError("the other's"))
    log = lab.run(lead(Agent("scout", model="m", tools=[other]), tools=[own]))

    [mine, others] = log.results_of("see")
    assert (mine.is_error, others.is_error) == (False, True)
    assert len(log.state.threads) == 3


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "n" * 65}, "name"),
        ({"name": 7}, "name"),
        ({"name": "wait_for_agents"}, "wait_for_agents"),
        ({"name": "submit result"}, "submit result"),
        ({"system": ""}, "system"),
        ({"system": "s" * (MAX_SYSTEM + 1)}, "system"),
        ({"task": ""}, "task"),
        ({"tools": ["hear"]}, "hear"),
        ({"tools": "see"}, "tools"),
        ({"background": "yes"}, "background"),
        ({"model": "large"}, "model"),
    ],
)
def test_definition_that_cannot_be_is_an_error_result_and_starts_nothing(given: dict[str, JSON], why: str) -> None:
    lab = Lab(lead=[create(**given), "I see"])
    log = lab.run(lead(tools=[lab.tool("see")]))

    assert log.result_of("create_agent").is_error
    assert why in log.said_to("create_agent")
    assert (log.text, len(log.state.threads)) == ("I see", 1)


def test_longest_name_and_prompt_that_are_allowed_are_taken() -> None:
    lab = Lab({"lead": [create("n" * 64, system="s" * MAX_SYSTEM), "done"], "n" * 64: "here"})
    log = lab.run(lead())
    assert log.said_to("create_agent") == "here"


def test_agent_without_tools_defines_agents_without_tools() -> None:
    lab = Lab(lead=[create(tools=[]), create(), "done"], scout="thought")
    log = lab.run(lead())

    first, second = log.results_of("create_agent")
    assert (first.is_error, second.is_error) == (True, False)
    assert offered(log, "scout") == ["send_to_parent"]


def test_only_an_agent_that_may_is_offered_to_define_others() -> None:
    lab = Lab(lead=[[create(), call("worker", task="x")], "done"], worker=[create(), "no"])
    plain = Agent("lead", model="m", callable_agents=[Agent("worker", model="m")])
    log = lab.run(plain)

    assert "create_agent" not in offered(log, "lead") + offered(log, "worker")
    assert all(result.is_error for result in log.results_of("create_agent"))
    assert len(log.results_of("create_agent")) == 2
    assert len(log.state.threads) == 2


def test_agent_with_inline_agents_alone_can_talk_to_them_and_starts_none_by_name() -> None:
    lab = Lab(lead=["done"])
    log = lab.run(lead())
    assert offered(log, "lead") == ["create_agent", "send_to_agent", "wait_for_agents", "list_agents", "stop_agent"]


def test_inline_agents_of_one_reply_work_at_the_same_time_and_may_be_called_the_same() -> None:
    lab = Lab(lead=[[create(task="1"), create(task="2"), create("other")], "done"], scout=after(5, "s"), other="o")
    log = lab.run(lead())

    assert log.seconds == 5
    assert [thread.definition.name for thread in log.state.threads.values()] == ["lead", "scout", "scout", "other"]
    assert log.state_of("scout", 0).agent == log.state_of("scout", 1).agent


def test_inline_agent_in_the_background_is_named_at_once_and_wakes_the_coordinator() -> None:
    lab = Lab(lead=[create(background=True), "I wait", "all is done"], scout=after(5, "found it"))
    log = lab.run(lead())

    thread = log.thread("scout")
    assert log.told("lead", 1) == [f"agent 'scout' works in thread {thread}; its report will come as a message"]
    assert log.told("lead", 2) == [f"Report of agent 'scout', thread {thread}:", "found it"]
    assert log.text == "all is done"


def test_inline_agent_that_reported_keeps_its_history_and_is_told_more() -> None:
    def more(request: ModelRequest) -> ToolUseBlock:
        [thread] = re.findall(r"sthr_\d+", str(request.messages[-1]))
        return call("send_to_agent", thread=thread, message="and?")

    lab = Lab(lead=[create(), call("list_agents"), more, "I wait", "done"], scout=["first", after(3, "second")])
    log = lab.run(lead())

    said = [block for message in log.requests("scout")[1].messages for block in message.content]
    assert [block.text for block in said if isinstance(block, TextBlock)] == [
        "look",
        "first",
        "and?",
    ]
    assert log.told("lead") == [f"Report of agent 'scout', thread {log.thread('scout')}:", "second"]


def test_inline_agent_delegates_to_nobody() -> None:
    lab = Lab(lead=[create(), "done"], scout=[[create(), call("worker", task="x"), call("list_agents")], "alone"])
    log = lab.run(lead(Agent("worker", model="m")))

    assert [thread.definition.name for thread in log.state.threads.values()] == ["lead", "scout"]
    assert log.said_to("worker") == "agent 'scout' called 'worker', which it was not given (it has: no tools)"


def test_depth_counts_inline_agents() -> None:
    lab = Lab(lead=[call("middle", task="x"), "done"], middle=[create(), "alone"])
    middle = Agent("middle", model="m", inline_agents=True)
    log = lab.run(Agent("lead", model="m", callable_agents=[middle]), limits=SessionLimits(depth=1))

    assert log.said_to("create_agent").startswith("limits.depth is 1")
    assert (log.text, len(log.state.threads)) == ("done", 2)


def test_inline_agent_has_the_coordinators_limits() -> None:
    lab = Lab(lead=[create(), "done"], scout=[call("see"), call("see"), "as far as I got"])
    log = lab.run(lead(tools=[lab.tool("see")], limits=Limits(turns=2)))

    assert log.closings() == [("scout", "limit")]
    assert [request.purpose for request in log.requests("scout")] == ["turn", "turn", "hand_over"]


def test_failing_inline_agent_is_an_error_for_its_coordinator_alone() -> None:
    lab = Lab(lead=[[create("bad"), create("good")], "done"], bad=raises(RuntimeError("broken")), good=after(2, "good"))
    log = lab.run(lead())

    bad, good = log.results_of("create_agent")
    assert (bad.is_error, good.is_error, log.text) == (True, False, "done")


@pytest.mark.parametrize("most", [1, 2])
def test_longest_idle_thread_gives_way_where_one_too_many_is_defined(most: int) -> None:
    lab = Lab(lead=[create("a"), create("b"), create("c"), "done"], a="a", b="b", c="c")
    log = lab.run(lead(), limits=SessionLimits(live_threads=most))

    ended = [thread.definition.name for thread in log.state.threads.values() if thread.status == "terminated"]
    assert (log.text, ended) == ("done", ["a", "b", "c"][: 3 - most])


def test_definition_is_written_once_and_the_log_alone_tells_it_after_a_crash() -> None:
    lab = Lab(lead=[create(tools=["see"]), "done"], scout=[call("see", key="1"), after(5, "seen")])
    agent = lead(tools=[lab.tool("see", idempotent=True), lab.tool("hear")])
    lab.run(agent, acts=[(2, lambda live: live.let_go())])

    log = lab.resume()

    [opened] = [record.event for record in log.records if isinstance(record.event, DelegationOpened)]
    assert opened.definition is not None
    assert opened.agent == opened.definition.version == log.state_of("scout").agent
    assert opened.definition.wire == {"type": "inline"}
    assert opened.agent in lab.world.log.definitions
    assert (log.text, log.said_to("create_agent")) == ("done", "seen")


def test_call_that_asks_of_an_inline_agent_is_allowed_while_its_sibling_works() -> None:
    lab = Lab(
        lead=[[create("payer", tools=["pay"]), create("slow", tools=[])], "done"],
        payer=[call("pay", key="1"), "paid"],
        slow=after(9, "slow"),
    )
    agent = lead(tools=[lab.tool("pay")], permissions={"pay": "always_ask"})
    log = lab.run(agent, acts=[(3, allowed("pay"))])

    assert (log.text, log.seconds) == ("done", 9)
    assert [(effect.key, effect.at_s) for effect in log.effects] == [("1", 3)]
