"""Replies of every kind: cut off, paused, empty, refused, with thoughts and with blocks that are only handed back."""

import pytest

from podium import Agent, Limits, ModelRequest, Reply, call, say
from podium.core.content import RawBlock, TextBlock, ThinkingBlock, ToolUseBlock
from podium.core.events import SessionIdle, StopDetails, ThreadIdle
from podium.errors import ModelFailed
from podium.models.rehearsal import Said
from tests.lab.cast import raises
from tests.lab.lab import Lab

LEAD = Agent("lead", model="m")
CUT = "this call was cut off at the limit of output tokens; send less at once"
AGAIN = "Your reply was cut off at the limit of output tokens. Give it again, whole and shorter."


def test_text_that_was_cut_off_is_asked_for_again() -> None:
    lab = Lab(lead=[Reply((say("once upon a"),), "max_tokens"), "short"])

    log = lab.run(LEAD)

    assert (log.text, log.told("lead")) == ("short", [AGAIN])


def test_text_that_is_cut_off_each_time_is_taken_as_it_is_in_the_end() -> None:
    lab = Lab(lead=Reply((say("once upon a"),), "max_tokens"))

    log = lab.run(LEAD)

    assert (log.text, log.stop_reason, len(log.requests("lead"))) == ("once upon a", "end_turn", 3)


def test_call_that_was_cut_off_is_not_run_and_those_before_it_are() -> None:
    reply = Reply((ToolUseBlock("t1", "look", {"key": "1"}), ToolUseBlock("t2", "look", {})), "max_tokens", cut=("t2",))
    lab = Lab(lead=[reply, "done"])

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("look")]))

    assert (log.told("lead"), [effect.key for effect in log.effects]) == (["look 1", CUT], ["1"])
    assert [result.is_error for result in log.results_of("look")] == [False, True]


def test_delegation_that_was_cut_off_opens_nobody() -> None:
    reply = Reply((ToolUseBlock("t1", "worker", {"task": "x"}),), "max_tokens", cut=("t1",))
    lab = Lab(lead=[reply, "done"], worker="never")

    log = lab.run(Agent("lead", model="m", callable_agents=[Agent("worker", model="m")]))

    assert (log.said_to("worker"), len(log.state.threads)) == (CUT, 1)


def test_paused_turn_goes_on_where_it_was() -> None:
    lines = iter([Reply((say("first"),), "pause_turn"), Reply((say("second"),), "pause_turn"), Reply((say("third"),))])
    lab = Lab(lead=lambda request: next(lines))

    log = lab.run(LEAD)

    assert (log.text, len(log.requests("lead"))) == ("third", 3)
    last = log.requests("lead")[-1].messages
    assert [message.role for message in last] == ["user", "assistant"]
    assert last[-1].content == (TextBlock("first"), TextBlock("second"))


def test_empty_reply_ends_the_turn() -> None:
    log = Lab(lead=Reply(())).run(LEAD)

    assert (log.text, log.stop_reason, len(log.requests("lead"))) == ("", "end_turn", 1)


def test_refusal_of_the_primary_is_the_sessions_reason_with_what_the_model_said() -> None:
    details = StopDetails(category="cyber", explanation="not this")
    lab = Lab(lead=[Reply((say("no"),), "refusal", stop_details=details), "done"])

    log = lab.run(LEAD)

    ends = [r.event for r in log.records if isinstance(r.event, SessionIdle | ThreadIdle)]
    assert [(end.stop_reason.type, end.stop_details) for end in ends] == [("refusal", details)] * 2
    assert lab.say("something else").stop_reason == "end_turn"


def test_refusal_of_a_child_goes_to_its_parent_and_never_becomes_the_sessions_reason() -> None:
    refused = Reply((), "refusal", stop_details=StopDetails(explanation="not this"))
    lab = Lab(lead=[call("worker", task="x"), "a pity"], worker=refused)

    log = lab.run(Agent("lead", model="m", callable_agents=[Agent("worker", model="m")]))

    assert (log.said_to("worker"), log.text) == ("the model of agent 'worker' refused: not this", "a pity")
    assert (log.stop_reason, log.closings()) == ("end_turn", [("worker", "failed")])
    reason = log.state_of("worker").stop_reason
    assert reason is not None
    assert reason.type == "refusal"


def test_calls_of_a_refusal_are_not_run() -> None:
    lab = Lab(lead=Reply((call("look"),), "refusal"))

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("look")]))

    assert (log.effects, log.stop_reason, log.said_to("look")) == ([], "refusal", "not run: the model refused")


def test_thoughts_and_unknown_blocks_come_back_as_they_were_and_in_order() -> None:
    cited = {"type": "text", "text": "so it says", "citations": [{"cited_text": "it"}]}
    blocks = (
        ThinkingBlock("let me see", "signed"),
        RawBlock({"type": "redacted_thinking", "data": "xyz"}),
        say("I look"),
        RawBlock(cited),
        ToolUseBlock("t1", "look", {"key": "1"}),
    )
    lab = Lab(lead=[Reply(blocks, "tool_use"), "done"])

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("look")]))

    sent = log.requests("lead")[1].messages[1].content
    assert sent[:4] == blocks[:4]
    assert isinstance(sent[4], ToolUseBlock)
    shown = [kind for kind in log.kinds() if kind.startswith("agent.")]
    assert shown[:4] == ["agent.thinking", "agent.message", "agent.message", "agent.tool_use"]


def test_unknown_tool_is_an_error_result_that_says_what_there_is() -> None:
    lab = Lab(lead=[call("serch"), "done"], worker="w")
    lead = Agent("lead", model="m", tools=[lab.tool("look")], callable_agents=[Agent("worker", model="m")])

    log = lab.run(lead)

    assert log.said_to("serch") == ("agent 'lead' called 'serch', which it was not given (it has: 'look', 'worker')")


@pytest.mark.parametrize("name", ["start_agent", "send_to_parent", "wait_for_agents", "submit_result"])
def test_harness_tools_of_others_are_unknown(name: str) -> None:
    log = Lab(lead=[call(name), "done"]).run(LEAD)

    assert log.said_to(name) == f"agent 'lead' called '{name}', which it was not given (it has: no tools)"


def test_same_tool_called_twice_in_a_reply_with_one_id_has_two_results() -> None:
    def line(request: ModelRequest) -> Said:
        return [call("look", key="1"), call("look", key="2")]

    lab = Lab(lead=[line, "done"])

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("look")]))

    assert log.told("lead") == ["look 1", "look 2"]


def test_context_that_the_reply_overflows_is_summarized() -> None:
    def line(request: ModelRequest) -> Said:
        if request.purpose == "compact":
            return "what matters"
        is_short = "what matters" in str(list(request.messages))
        return "done" if is_short else Reply((say("half"),), "model_context_window_exceeded")

    log = Lab(lead=line).run(LEAD)

    assert (log.text, [request.purpose for request in log.requests("lead")]) == ("done", ["turn", "compact", "turn"])


def test_thread_that_owes_a_result_and_hands_over_may_submit_it() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    lab = Lab(lead=[call("look"), call("submit_result", n=1)])
    lead = Agent("lead", model="m", tools=[lab.tool("look")], output_schema=schema, limits=Limits(turns=1))

    log = lab.run(lead)

    assert (log.text, log.stop_reason) == ('{"n":1}', "budget_reached")
    assert [request.may_call for request in log.requests("lead")] == [True, True]


def test_hand_over_that_fails_ends_the_thread_with_its_limit() -> None:
    lab = Lab(lead=[[say("half"), call("look")], raises(ModelFailed("busy", kind="transient"))])

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("look")], limits=Limits(turns=1)))

    assert (log.text, log.stop_reason, len(log.requests("lead"))) == ("half", "budget_reached", 2)
    assert "session.error" not in log.kinds()
