"""Models that said no: slow down (429), or overloaded (529)."""

from tests.unit.calling import Calls


def test_model_asked_to_slow_down_is_called_by_no_session_until_then(calls: Calls) -> None:
    calls.limiter.slow("m", "p", 8.0)

    calls.start("a")
    calls.start("b", session="another")
    calls.start("c", model="other")
    calls.start("d", provider="other")

    assert calls.went == ["c", "d"]
    calls.pass_time(10)
    assert calls.times == {"c": 0.0, "d": 0.0, "a": 8.0, "b": 8.0}


def test_shorter_wait_does_not_undo_a_longer_one(calls: Calls) -> None:
    calls.limiter.slow("m", "p", 8.0)
    calls.limiter.slow("m", "p", 1.0)

    calls.pass_time(5)

    assert not calls.can_go()


def test_slowed_model_is_limited_no_more_when_its_time_is_over(calls: Calls) -> None:
    calls.limiter.slow("m", "p", 8.0)
    calls.start("a")

    calls.pass_time(8)

    assert calls.went == ["a"]
    assert calls.slot() is None


def test_overloaded_model_is_tried_by_one_call_and_then_by_all(calls: Calls) -> None:
    calls.limiter.overloaded("m", "p")
    calls.start("a", "b", "c")
    calls.start("d", model="other")

    calls.pass_time(5)
    assert calls.times == {"d": 0.0, "a": 1.0}

    calls.limiter.answered("m", "p")
    calls.settle()
    assert calls.went == ["d", "a", "b", "c"]
    assert calls.slot() is None


def test_each_failed_probe_doubles_the_wait_up_to_a_minute(calls: Calls) -> None:
    calls.limiter.overloaded("m", "p")
    waits: list[float] = []

    for n in range(8):
        since_s = calls.now_s
        calls.start(f"probe{n}")
        while f"probe{n}" not in calls.went:
            calls.pass_time(1)
        waits.append(calls.now_s - since_s)
        calls.limiter.overloaded("m", "p")
        calls.end(f"probe{n}")

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_wait_is_a_random_part_of_the_longest_one(calls: Calls) -> None:
    calls.chance = 0.25
    calls.limiter.overloaded("m", "p")
    calls.start("a")

    calls.pass_time(5)

    assert calls.times == {"a": 0.25}


def test_wait_begins_small_again_after_an_answer(calls: Calls) -> None:
    calls.limiter.overloaded("m", "p")
    calls.start("a")
    calls.pass_time(1)
    calls.limiter.overloaded("m", "p")
    calls.end("a")
    calls.start("b")
    calls.pass_time(2)
    calls.limiter.answered("m", "p")

    calls.limiter.overloaded("m", "p")

    calls.start("c")


def test_calls_sent_before_say_nothing_while_nobody_may_go(calls: Calls) -> None:
    calls.limiter.overloaded("m", "p")
    for _ in range(50):
        calls.limiter.overloaded("m", "p")
    calls.limiter.answered("m", "p")
    calls.start("a")


def test_cancelled_probe_leaves_its_place_to_the_next_call(calls: Calls) -> None:
    calls.limiter.overloaded("m", "p")
    calls.start("a", "b", "c")
    calls.pass_time(1)
    assert calls.went == ["a"]

    calls.end("a")

    assert calls.went == ["a", "b"]


def test_probe_cancelled_in_the_moment_it_may_go_leaves_its_place_to_the_next_call(calls: Calls) -> None:
    calls.limiter.overloaded("m", "p")
    calls.start("a", "b", "c")
    calls.pass_time(1)
    calls.limiter.give_back(calls.slots["a"])  # its place goes to b, which is not told before it is cancelled

    calls.cancel("b")

    assert calls.went == ["a", "c"]


def test_late_end_of_a_failed_probe_does_not_free_the_place_of_the_next_one(calls: Calls) -> None:
    calls.limiter.overloaded("m", "p")
    calls.start("a", "b", "c")
    calls.pass_time(1)
    calls.limiter.overloaded("m", "p")
    calls.pass_time(2)
    assert calls.went == ["a", "b"]

    calls.end("a")

    assert calls.went == ["a", "b"]


def test_answer_told_after_the_probe_was_given_back_still_closes_it(calls: Calls) -> None:
    calls.limiter.overloaded("m", "p")
    calls.start("a")
    calls.pass_time(1)
    calls.end("a")

    calls.limiter.answered("m", "p")

    calls.start("b", "c")
    assert calls.went == ["a", "b", "c"]


def test_overloaded_model_keeps_no_place_from_the_others(calls: Calls) -> None:
    calls.limiter.cap({"provider:p": 1})
    calls.limiter.overloaded("m", "p")
    calls.start("a", "b")

    calls.start("c", model="other")

    assert calls.went == ["c"]
