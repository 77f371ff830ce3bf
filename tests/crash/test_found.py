"""What the crash suites have found, each in as few lines as show it."""

import pytest

from podium import Agent, Reply, ToolUseBlock, call
from podium.core.ports import ModelRequest
from tests.crash.people import answered
from tests.crash.plays_attempts import fails_until
from tests.crash.plays_background import start, threads
from tests.crash.stage import Stage
from tests.lab.cast import after
from tests.lab.lab import interrupted_elsewhere
from tests.lab.log import overlap


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


@pytest.mark.parametrize("tenths", range(0, 30, 3))
def test_pause_holds_though_a_thread_that_waited_for_its_time_goes_on_meanwhile(tenths: int) -> None:
    lab = Stage(commit_s=0.1, lead=fails_until(9, "overloaded", "done"))

    log = lab.run(Agent("lead", model="m"), acts=[(tenths / 10, interrupted_elsewhere(pause=True))])

    assert (log.state.status, log.state.paused) == ("idle", True)
