"""Calls of tools: what runs, what is refused, what comes back."""

import pytest

from podium import Agent, call, say
from podium.core.content import ToolResultBlock, plain, text
from podium.core.ports import ToolOutcome
from tests.lab.cast import after
from tests.lab.lab import Lab
from tests.lab.log import overlap


def test_calls_of_one_reply_run_together_and_go_back_in_the_order_asked() -> None:
    lab = Lab(lead=[[call("slow", key="1"), call("quick", key="2"), call("slow", key="3")], "done"])
    tools = [lab.tool("slow", seconds=3), lab.tool("quick", seconds=1)]

    log = lab.run(Agent("lead", model="m", tools=tools))

    assert overlap([*log.under_way("slow"), *log.under_way("quick")])
    assert log.seconds == 3
    answers = log.requests("lead")[1].messages[2].content
    assert [plain(b.content) for b in answers if isinstance(b, ToolResultBlock)] == ["slow 1", "quick 2", "slow 3"]
    assert [effect.key for effect in log.effects] == ["2", "1", "3"]


def test_call_is_started_in_the_log_before_its_effect() -> None:
    lab = Lab(lead=[[call("tool", key="1")], "done"], commit_s=0.5)

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("tool")]))

    [started] = log.of("tool.started")
    assert [effect.head >= started.seq for effect in log.effects] == [True]


def test_turn_with_a_tool_waits_for_two_commits() -> None:
    lab = Lab(lead=[[call("tool", key="1")], "done"], commit_s=1)

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("tool")]))

    starts = [log.at(record) for record in log.of("span.model_request_start")]
    assert log.at(log.of("tool.started")[0]) - starts[0] == 1  # the start's own commit, and the model takes no time
    assert starts[1] - log.at(log.of("tool.started")[0]) == 1


def test_unknown_tool_is_an_error_result_that_names_what_there_is() -> None:
    lab = Lab(lead=[[call("serch", q="x")], "done"], other="other")

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("search")], callable_agents=[Agent("other", model="m")]))

    assert log.said_to("serch") == ("agent 'lead' called 'serch', which it was not given (it has: 'search', 'other')")
    assert log.result_of("serch").is_error
    assert log.text == "done"
    assert "tool.started" not in log.kinds()


def test_tools_of_other_agents_are_not_there() -> None:
    lab = Lab(lead=[[call("child", task="x")], "done"], child=[[call("secret", key="1")], "child"])
    child = Agent("child", model="m")

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("secret")], callable_agents=[child]))

    assert log.said_to("secret") == "agent 'child' called 'secret', which it was not given (it has: no tools)"
    assert log.effects == []


def test_input_that_does_not_fit_is_refused_and_nothing_runs() -> None:
    lab = Lab(lead=[[call("tool", key=1), call("tool", kye="1"), call("tool", key="fits")], "done"])

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("tool")]))

    wrong, misspelt, fits = log.results_of("tool")
    assert (wrong.is_error, misspelt.is_error, fits.is_error) == (True, True, False)
    assert plain(wrong.content).startswith("the input does not fit the schema of 'tool': key: ")
    assert "kye" in plain(misspelt.content)
    assert [effect.key for effect in log.effects] == ["fits"]


def test_input_for_an_agent_that_does_not_fit_starts_nobody() -> None:
    lab = Lab(lead=[[call("child", tsk="x")], "done"], child="child")

    log = lab.run(Agent("lead", model="m", callable_agents=[Agent("child", model="m")]))

    assert log.result_of("child").is_error
    assert log.said_to("child").startswith("the input does not fit the schema of 'child': ")
    assert len(log.state.threads) == 1


def test_tool_that_raises_is_an_error_result() -> None:
    lab = Lab(lead=[[call("tool", key="1")], "done"])

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("tool", fails=ZeroDivisionError("by zero"))]))

    assert log.said_to("tool") == "tool 'tool' raised ZeroDivisionError: by zero"
    assert (log.result_of("tool").is_error, log.text) == (True, "done")


@pytest.mark.parametrize(
    "rubbish",
    [
        7,
        "a text",
        {"content": []},
        ToolOutcome(content="a text"),  # type: ignore[arg-type]
        ToolOutcome(content=(7,)),  # type: ignore[arg-type]
        ToolOutcome(content=text("fine"), seen={"file": 7}),  # type: ignore[dict-item]
    ],
    ids=["number", "text", "mapping", "bare text", "no block", "no hash"],
)
def test_tool_that_returns_rubbish_is_an_error_result_and_the_session_can_be_read_again(rubbish: object) -> None:
    lab = Lab(lead=[[call("odd", key="1"), call("fine", key="2")], "done"])
    tools = [lab.tool("odd", says=rubbish), lab.tool("fine", seconds=1)]

    log = lab.run(Agent("lead", model="m", tools=tools))

    assert (log.text, log.stop_reason, log.said_to("fine")) == ("done", "end_turn", "fine 2")
    assert log.result_of("odd").is_error
    assert "'odd'" in log.said_to("odd")


def test_each_result_is_committed_when_it_is_there() -> None:
    lab = Lab(lead=[[say("go"), *(call("tool", key=str(n)) for n in range(3))], "done"])
    tools = [lab.tool("tool", seconds=1)]
    log = lab.run(Agent("lead", model="m", tools=tools))
    assert [log.at(record) for record in log.of("agent.tool_result")] == [1, 1, 1]

    lab = Lab(lead=[[call("quick", key="1"), call("slow", key="2")], after(1, "done")])
    log = lab.run(Agent("lead", model="m", tools=[lab.tool("slow", seconds=5), lab.tool("quick", seconds=1)]))
    assert [log.at(record) for record in log.of("agent.tool_result")] == [1, 5]


def test_half_a_character_in_a_result_becomes_a_replacement_character() -> None:
    lab = Lab(lead=[[call("odd", key="1")], "done"])
    odd = ToolOutcome(content=text("a name: \udcff"), seen={"\udcff": "hash"})

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("odd", says=odd)]))

    assert (log.said_to("odd"), log.result_of("odd").is_error) == ("a name: \ufffd", False)
    assert log.text == "done"
