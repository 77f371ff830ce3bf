"""Structured results: an agent with an output schema gives its result by submit_result, or fails."""

import pytest

from podium import Agent, call, say
from podium.analysis.report import report
from podium.analysis.trace import trace
from podium.cli.picture import attempts
from podium.core.content import plain
from podium.core.json import JSON
from tests.lab.cast import Line, after
from tests.lab.lab import Lab
from tests.lab.log import Played

SCHEMA: dict[str, JSON] = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
REMINDER = "You ended without a result. Call submit_result with what you have; it must fit its schema."


def child_saying(*lines: Line) -> Played:
    """A lead calls a child that owes a result."""
    lab = Lab(lead=[[call("child", task="x")], "done"], child=list(lines))
    child = Agent("child", model="m", output_schema=SCHEMA, tools=[lab.tool("tool", seconds=1)])
    log = lab.run(Agent("lead", model="m", callable_agents=[child]))
    assert (log.text, log.stop_reason) == ("done", "end_turn")
    return log


def test_result_that_fits_is_the_report_and_ends_the_childs_work() -> None:
    log = child_saying([say("here it is"), call("submit_result", n=3)])

    assert log.said_to("child") == '{"n":3}'
    assert log.state_of("child").output == {"n": 3}
    assert log.kinds(log.thread("child"))[-6:] == [
        "agent.message",
        "model.replied",
        "span.model_request_end",
        "result.submitted",
        "agent.thread_message_sent",
        "session.thread_status_idle",
    ]
    assert len(log.requests("child")) == 1


def test_result_that_misfits_twice_and_then_fits_is_taken() -> None:
    log = child_saying([call("submit_result", n="3")], [call("submit_result")], [call("submit_result", n=3)])

    assert log.said_to("child") == '{"n":3}'
    refusals = log.results_of("submit_result")[:2]
    assert [result.is_error for result in refusals] == [True, True]
    assert plain(refusals[0].content).startswith("the input does not fit the schema of 'submit_result': n: ")
    assert '"n" is a required property' in plain(refusals[1].content)


def test_result_that_misfits_three_times_fails_the_child() -> None:
    log = child_saying([call("submit_result", n="3")])

    assert log.said_to("child") == (
        "agent 'child' failed: its result did not fit its schema, 3 times. The last time, the input does not fit the "
        'schema of \'submit_result\': n: "3" is not of type "integer". It had said nothing yet.'
    )
    assert (log.result_of("child").is_error, len(log.requests("child"))) == (True, 3)
    assert log.closings() == [("child", "failed")]


def test_child_that_ends_without_a_result_is_told_twice_and_then_fails() -> None:
    log = child_saying("three, I think")

    assert log.said_to("child").startswith(
        "agent 'child' failed: it ended 3 times without giving its result by submit_result. Its last words"
    )
    assert [log.told("child", nth) for nth in (1, 2)] == [[REMINDER], [REMINDER]]
    assert len(log.requests("child")) == 3


def test_child_that_ends_without_a_result_and_then_gives_it_reports() -> None:
    log = child_saying("three", [call("submit_result", n=3)])

    assert log.said_to("child") == '{"n":3}'
    assert log.told("child") == [REMINDER]


def test_calls_beside_the_result_are_finished_before_the_report() -> None:
    log = child_saying([call("submit_result", n=3), call("tool", key="1"), call("tool", key="2")])

    assert log.said_to("child") == '{"n":3}'
    assert [effect.key for effect in log.effects] == ["1", "2"]
    assert log.under_way("child") == [(0, 1)]
    kinds = log.kinds(log.thread("child"))
    assert kinds.index("result.submitted") < kinds.index("agent.tool_result")
    assert kinds[-2:] == ["agent.thread_message_sent", "session.thread_status_idle"]


def test_first_of_two_results_in_one_reply_stands() -> None:
    log = child_saying([call("submit_result", n=1), call("submit_result", n=2)])

    assert log.said_to("child") == '{"n":1}'
    assert [plain(result.content) for result in log.results_of("submit_result")] == [
        "accepted",
        "submit_result was called before in this reply; the first result stands",
    ]


def test_result_beside_a_misfit_is_taken() -> None:
    log = child_saying([call("submit_result", n="x"), call("submit_result", n=2)])

    assert log.said_to("child") == '{"n":2}'


def test_agent_without_a_schema_has_no_submit_result() -> None:
    lab = Lab(lead=[[call("submit_result", n=1)], "done"])

    log = lab.run(Agent("lead", model="m"))

    assert log.said_to("submit_result").startswith("agent 'lead' called 'submit_result', which it was not given")
    assert log.text == "done"


@pytest.mark.parametrize("lines", [["three"], [[call("submit_result", n="x")]]], ids=["never", "misfits"])
def test_primary_that_owes_a_result_fails_without_it(lines: list[Line]) -> None:
    lab = Lab(lead=lines)

    log = lab.run(Agent("lead", model="m", output_schema=SCHEMA))

    assert log.stop_reason == "retries_exhausted"
    assert lab.result is not None
    assert "3 times" in lab.result.error


def test_primarys_result_is_shown_as_a_message_and_is_the_output() -> None:
    lab = Lab(lead=after(1, [call("submit_result", n=3)]))

    log = lab.run(Agent("lead", model="m", output_schema=SCHEMA))

    assert lab.result is not None
    assert lab.result.output == {"n": 3}
    assert log.kinds()[-4:] == [
        "agent.message",
        "session.thread_status_idle",
        "session.usage",
        "session.status_idle",
    ]


def test_a_trace_counts_how_often_a_thread_was_corrected() -> None:
    log = child_saying(say("I am done."), [call("submit_result", n="3")], [call("submit_result", n=3)])

    made = trace(log.records)

    lead, child = made.threads.values()
    assert (lead.corrections, child.corrections) == (0, 2)
    assert (attempts(lead), attempts(child)) == ("first", "2 corrected")
    assert [each["corrections"] for each in report(made, log.records[-1].at)["threads"]] == [0, 2]
