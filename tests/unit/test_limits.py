"""Where a thread and a session are stopped: turns, tokens, seconds of working time."""

import pytest

from podium.core.content import ToolResultBlock, plain, text
from podium.core.events import Usage
from podium.core.facts import LimitMet, SessionSettings
from podium.core.inputs import Interrupt, SendMessage
from podium.core.limits import overdue, seconds_left
from podium.core.steps import CallModel, RunTools, Step, Stop, Warn
from tests.unit.play import Play, agent, calls, says

WORKER = agent("worker", tools=["grep"])


def limited(kind: str, of: str, limit: float, used: float) -> Stop:
    return Stop(LimitMet(kind, of, limit, used))  # type: ignore[arg-type]


def takes_a_turn(play: Play, usage: Usage | None = None) -> Step:
    """The primary calls a tool and gets its result; what comes next."""
    [call] = [event for event in play.replies(play.main, calls("grep"), usage=usage) if hasattr(event, "input")]
    assert isinstance(play.step(play.main), RunTools)
    play.returns(play.main, str(call.id))
    return play.step(play.main)


def test_agents_turns() -> None:
    play = Play(agent("lead", tools=["grep"], turns=2))

    assert takes_a_turn(play) == CallModel()
    assert takes_a_turn(play) == limited("turns", "agent", 2, 2)


def test_last_turn_that_needs_no_other_is_a_report_and_no_limit() -> None:
    play = Play(agent("lead", turns=1))

    play.replies(play.main, says("done"))

    assert not isinstance(play.step(play.main), CallModel)
    assert play.step(play.main) != limited("turns", "agent", 1, 1)


def test_agents_tokens_count_what_was_read_written_and_cached() -> None:
    play = Play(agent("lead", tools=["grep"], tokens=20))

    assert takes_a_turn(play, Usage(1, 2, 3, 4)) == CallModel()
    assert takes_a_turn(play, Usage(4, 3, 2, 1)) == limited("tokens", "agent", 20, 20)


def test_tokens_of_a_failed_call_count() -> None:
    play = Play(agent("lead", tokens=1))
    play.ask(play.main)

    play.fails_to_reply(play.main)

    assert play.step(play.main) == limited("tokens", "agent", 1, 1)


def test_sessions_turns_are_those_of_all_threads() -> None:
    play = Play(agent("lead", calls=[WORKER]), WORKER, settings=SessionSettings(turns=2))
    play.replies(play.main, calls("worker", task="x"))
    play.replies(play.thread("worker"), says("found it"))

    play.moves(play.thread("worker"))

    assert play.step(play.main) == limited("turns", "session", 2, 2)


def test_sessions_tokens_are_those_of_all_threads() -> None:
    play = Play(agent("lead", calls=[WORKER]), WORKER, settings=SessionSettings(tokens=100))
    play.replies(play.main, calls("worker", task="x"), usage=Usage(40, 20))
    worker = play.thread("worker")
    assert play.step(worker) == CallModel()

    play.replies(worker, calls("nothing"), usage=Usage(30, 10))

    assert play.step(worker) == limited("tokens", "session", 100, 100)


def test_agents_seconds() -> None:
    play = Play(agent("lead", tools=["grep"], seconds=10))
    play.pass_(9.5)
    assert takes_a_turn(play) == Warn(near=LimitMet("seconds", "agent", 10, 9.5))
    assert overdue(play.state, play.main, play.now) is None
    assert seconds_left(play.state, play.main, play.now) == 0.5

    play.pass_(1)

    assert play.step(play.main) == limited("seconds", "agent", 10, 10.5)
    assert overdue(play.state, play.main, play.now) == LimitMet("seconds", "agent", 10, 10.5)
    assert seconds_left(play.state, play.main, play.now) == 0


def test_agents_seconds_are_its_own() -> None:
    worker = agent("worker", seconds=10)
    play = Play(agent("lead", calls=[worker]), worker)
    play.pass_(100)

    play.replies(play.main, calls("worker", task="x"))

    assert seconds_left(play.state, play.thread("worker"), play.now) == 10
    assert seconds_left(play.state, play.main, play.now) is None


def test_sessions_seconds_stop_every_thread_at_its_next_step() -> None:
    play = Play(agent("lead", calls=[WORKER]), WORKER, settings=SessionSettings(seconds=60))
    play.pass_(40)
    play.replies(play.main, calls("worker", task="x"))

    play.pass_(25)

    assert play.step(play.thread("worker")) == limited("seconds", "session", 60, 65)
    assert seconds_left(play.state, play.main, play.now) == 0


def test_message_says_which_limit_and_how_far() -> None:
    assert str(LimitMet("turns", "agent", 3, 3)) == "agent limit reached: 3 of 3 turns"
    assert str(LimitMet("seconds", "session", 1.5, 2.25)) == "session limit reached: 2.25 of 1.5 seconds"


# --- working time ----------------------------------------------------------------------------------


def test_idle_time_is_no_working_time() -> None:
    play = Play(agent("lead", seconds=100))
    play.pass_(10)
    play.replies(play.main, says("done"))
    play.moves(play.main)
    play.idles()
    play.pass_(1000)
    play.hears("more")
    play.pass_(5)

    assert play.main.worked(play.now) == 15


def test_time_between_two_drivers_is_no_working_time() -> None:
    play = Play(agent("lead", calls=[WORKER]), WORKER)
    play.pass_(10)
    play.replies(play.main, calls("worker", task="x"))
    play.pass_(3)
    play.replies(play.thread("worker"), says("let me see"))  # the last that the dead driver wrote
    play.pass_(1000)

    play.taken_over()
    play.pass_(4)

    assert play.main.worked(play.now) == 17
    assert play.thread("worker").worked(play.now) == 7


@pytest.mark.parametrize("request_", [SendMessage(content=text("are you there?")), Interrupt(pause=True)])
def test_input_that_comes_while_there_is_no_driver_makes_no_working_time(request_: SendMessage | Interrupt) -> None:
    play = Play(agent("lead"))
    play.pass_(10)
    play.ask(play.main)
    play.pass_(500)
    play.admits(request_)
    play.pass_(500)

    play.taken_over()

    assert play.main.worked(play.now) == 10


def test_time_that_a_woken_session_waits_for_its_driver_is_no_working_time() -> None:
    play = Play(agent("lead"))
    play.replies(play.main, says("done"))
    play.moves(play.main)
    play.idles()
    play.admits(SendMessage(content=text("more")))
    play.pass_(300)

    play.taken_over()
    play.pass_(2)

    assert play.main.worked(play.now) == 2


def test_working_time_goes_on_through_many_drivers() -> None:
    play = Play(agent("lead", tools=["grep"]))
    for _ in range(5):
        play.pass_(1)
        takes_a_turn(play)
        play.pass_(100)
        play.taken_over()

    assert play.main.worked(play.now) == 5


def test_partial_result_of_a_limited_child_says_why() -> None:
    worker = agent("worker", tools=["grep"], turns=1)
    play = Play(agent("lead", calls=[worker]), worker)
    play.replies(play.main, calls("worker", task="x"))
    play.replies(play.thread("worker"), says("seen half of it"), calls("grep"))
    play.returns(play.thread("worker"), next(iter(play.thread("worker").calls)))

    play.moves(play.thread("worker"))
    assert play.step(play.thread("worker")) == CallModel("hand_over")
    play.replies(play.thread("worker"), says("half of it is fine"))
    play.moves(play.thread("worker"))

    play.ask(play.main)
    [block] = play.main.transcript.sent()[-1].content
    assert isinstance(block, ToolResultBlock)
    assert plain(block.content) == (
        "agent limit reached: 1 of 1 turns. Its last words, a partial result:\nhalf of it is fine"
    )
