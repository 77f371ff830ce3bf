"""A model that makes the same call again and again is told so, and then stopped."""

from typing import Any

from podium import Agent, ModelRequest, call
from podium.models.rehearsal import Said
from tests.lab.cast import Line, turn_of
from tests.lab.lab import Lab

NOTICE = (
    "(You have called 'look' 5 times with the same input of late. If that does not get you further, do something else, "
    "or end your turn and say what is in the way.)"
)


def played(line: Any) -> tuple[Lab, Agent]:
    lab = Lab(lead=line)
    return lab, Agent("lead", model="m", tools=[lab.tool("look")])


def test_same_call_is_noticed_once_and_stopped_in_the_end() -> None:
    lab, lead = played(call("look", key="1"))

    log = lab.run(lead)

    assert (log.stop_reason, len(log.effects)) == ("retries_exhausted", 10)
    assert log.told("lead", 5) == ["look 1", NOTICE]
    assert sum(NOTICE in log.told("lead", nth) for nth in range(10)) == 1
    assert lab.result is not None
    assert lab.result.error == "it called 'look' 10 times with the same input, and was stopped as going in a loop"


def test_other_input_is_another_call() -> None:
    def line(request: ModelRequest) -> Said:
        return call("look", key=str(turn_of(request))) if turn_of(request) < 15 else "done"

    lab, lead = played(line)

    log = lab.run(lead)

    assert (log.text, len(log.of("notice.sent"))) == ("done", 0)


def test_same_call_is_seen_through_others_between() -> None:
    def line(request: ModelRequest) -> Said:
        return call("look", key="same" if turn_of(request) % 2 else str(turn_of(request)))

    lab, lead = played(line)

    log = lab.run(lead)

    assert (log.stop_reason, len(log.effects)) == ("retries_exhausted", 20)


def test_childs_loop_is_its_parents_to_deal_with() -> None:
    lab = Lab(lead=[call("worker", task="x"), "a pity"], worker=call("look", key="1"))
    worker = Agent("worker", model="m", tools=[lab.tool("look")])

    log = lab.run(Agent("lead", model="m", callable_agents=[worker]))

    assert (log.text, log.closings(), log.stop_reason) == ("a pity", [("worker", "failed")], "end_turn")
    assert "going in a loop" in log.said_to("worker")


def test_waiting_and_listing_again_is_no_loop() -> None:
    lines: list[Line] = [call("list_agents")] * 12
    lab = Lab(lead=[*lines, "done"], worker="w")

    log = lab.run(Agent("lead", model="m", callable_agents=[Agent("worker", model="m")]))

    assert (log.text, len(log.of("notice.sent"))) == ("done", 0)


def test_message_after_a_loop_lets_the_model_try_anew() -> None:
    lab, lead = played(call("look", key="1"))
    lab.run(lead)
    lab.script.says("lead", "I see")

    log = lab.say("that does not help")

    assert (log.text, log.stop_reason) == ("I see", "end_turn")
