"""Caps on model calls under way, and the order in which those who wait are served."""

import pytest

from podium.errors import BadInput
from tests.unit.calling import Calls


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{n}" for n in range(count)]


def test_nothing_is_counted_while_nothing_is_limited(calls: Calls) -> None:
    calls.start("a", "b")

    assert calls.went == ["a", "b"]
    assert calls.slots == {"a": None, "b": None}


@pytest.mark.parametrize("key", ["session:s", "model:m", "provider:p"])
def test_no_more_calls_than_the_cap_are_under_way(calls: Calls, key: str) -> None:
    calls.limiter.cap({key: 2})

    calls.start(*names("a", 4))

    assert calls.went == ["a0", "a1"]
    calls.end("a0")
    assert calls.went == ["a0", "a1", "a2"]


def test_call_says_which_cap_it_waits_for(calls: Calls) -> None:
    calls.limiter.cap({"session:s": 5, "model:m": 2, "provider:p": 3})

    calls.start("a", "b", "c")


def test_call_takes_nothing_while_it_waits(calls: Calls) -> None:
    calls.limiter.cap({"session:s": 2, "model:narrow": 1})

    calls.start("a", "b", model="narrow")

    assert calls.went == ["a"]
    assert calls.can_go(model="wide")


def test_raised_cap_lets_those_who_wait_through(calls: Calls) -> None:
    calls.limiter.cap({"model:m": 1})
    calls.start("a", "b", "c")

    calls.limiter.cap({"model:m": 2})
    calls.settle()

    assert calls.went == ["a", "b"]


def test_cap_that_is_forgotten_holds_nobody(calls: Calls) -> None:
    calls.limiter.cap({"model:m": 1})
    calls.start("a", "b", "c")

    calls.limiter.uncap("model:m")
    calls.settle()

    assert calls.went == ["a", "b", "c"]
    calls.end("a", "b", "c")
    assert calls.slot() is None


def test_calls_under_way_count_when_a_cap_comes_back(calls: Calls) -> None:
    calls.limiter.cap({"model:m": 1})
    calls.start("a")
    calls.limiter.uncap("model:m")

    calls.limiter.cap({"model:m": 1})

    assert not calls.can_go()
    calls.end("a")
    assert calls.can_go()


def test_giving_back_twice_frees_one_place(calls: Calls) -> None:
    calls.limiter.cap({"model:m": 1})
    calls.start("a", "b", "c")

    calls.end("a", "a")

    assert calls.went == ["a", "b"]


def test_slot_can_be_taken_again_for_the_next_attempt(calls: Calls) -> None:
    calls.limiter.cap({"model:m": 1})
    calls.start("a")
    calls.end("a")

    assert calls.limiter.take(calls.slots["a"])
    assert not calls.can_go()


def test_cancelled_call_leaves_the_line(calls: Calls) -> None:
    calls.limiter.cap({"model:m": 1})
    calls.start("a", "b", "c")

    calls.cancel("b")
    calls.end("a")

    assert calls.went == ["a", "c"]


def test_place_given_in_the_moment_of_cancellation_goes_to_the_next(calls: Calls) -> None:
    calls.limiter.cap({"model:m": 1})
    calls.limiter.rate("model:m", requests_per_minute=2, tokens_per_minute=100)
    calls.start("a", "b", "c", tokens=50)

    calls.limiter.give_back(calls.slots["a"])
    calls.cancel("b")

    assert calls.went == ["a", "c"]


def test_place_that_comes_free_between_cancellation_and_its_end_is_not_lost(calls: Calls) -> None:
    calls.limiter.cap({"model:m": 1})
    calls.start("a", "b", "c")

    calls.cancel("b", settle=False)
    calls.limiter.give_back(calls.slots["a"])
    calls.settle()

    assert calls.went == ["a", "c"]


# --- order -------------------------------------------------------------------------------------------


def one_by_one(calls: Calls, *, most: int = 10_000) -> list[str]:
    """End the calls as they go, until nobody waits; the names in the order they went."""
    ended = 0
    while ended < len(calls.went) and ended < most:
        calls.end(calls.went[ended])
        ended += 1
    return calls.went


def test_session_with_one_call_comes_second_to_one_with_a_thousand(calls: Calls) -> None:
    calls.limiter.cap({"provider:p": 1})
    calls.start("first")
    calls.start(*names("many", 1000), session="greedy")
    calls.start("one", session="modest")

    calls.end("first")
    calls.end("many0")

    assert calls.went == ["first", "many0", "one"]


def test_session_that_waits_for_several_models_counts_as_one(calls: Calls) -> None:
    calls.limiter.cap({"provider:p": 1})
    calls.start("first")
    for model in ("x", "y", "z"):
        calls.start(*names(model, 3), session="greedy", model=model)
    calls.start("one", session="modest", model="z")

    calls.end("first")

    assert one_by_one(calls, most=2)[:3] == ["first", "x0", "one"]


def test_sessions_take_turns(calls: Calls) -> None:
    calls.limiter.cap({"model:m": 1})
    calls.start("first")
    for session in ("a", "b", "c"):
        calls.start(*names(session, 3), session=session)

    assert one_by_one(calls)[1:] == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


def test_workspaces_take_turns_before_their_sessions_do(calls: Calls) -> None:
    calls.limiter.cap({"model:m": 1})
    calls.start("first")
    for session in ("a", "b", "c"):
        calls.start(*names(session, 2), session=session, workspace="large")
    calls.start(*names("z", 3), session="z", workspace="small")

    assert one_by_one(calls)[1:] == ["a0", "z0", "b0", "z1", "c0", "z2", "a1", "b1", "c1"]


def test_threads_of_a_session_take_turns_and_keep_their_own_order(calls: Calls) -> None:
    calls.limiter.cap({"model:m": 1})
    calls.start("first")
    calls.start(*names("x", 3), thread="x")
    calls.start(*names("y", 2), thread="y")

    assert one_by_one(calls)[1:] == ["x0", "y0", "x1", "y1", "x2"]


def test_newcomer_of_a_thread_does_not_overtake_its_own_call(calls: Calls) -> None:
    calls.limiter.rate("model:m", tokens_per_minute=60)
    calls.start("a", tokens=60)
    calls.start("b", thread="t", tokens=30)

    calls.start("c", thread="t", tokens=0)

    assert calls.went == ["a"]


def test_call_of_another_model_passes_those_who_wait_for_a_narrow_one(calls: Calls) -> None:
    calls.limiter.cap({"model:narrow": 1, "session:s": 3})
    calls.start("a", "b", "c", model="narrow")

    calls.start("d", model="wide")

    assert calls.went == ["a", "d"]


def test_call_that_needs_two_scarce_places_is_not_overtaken_for_ever(calls: Calls) -> None:
    """Its session's place and its model's come free in turn, and each time somebody is there who needs only that."""
    calls.limiter.cap({"session:s": 1, "model:m": 1})
    calls.start("other0", session="s", model="other")
    calls.start("same0", session="t", model="m")
    calls.start("both", session="s", model="m")

    for n in range(20):
        calls.start(f"other{n + 1}", session="s", model="other")
        calls.end(f"other{n}")
        calls.start(f"same{n + 1}", session="t", model="m")
        calls.end(f"same{n}")
        if "both" in calls.went:
            break

    assert "both" in calls.went
    assert len(calls.went) < 15


def test_call_that_just_waits_for_a_narrow_model_keeps_no_place_empty(calls: Calls) -> None:
    calls.limiter.cap({"session:s": 2, "model:narrow": 1})
    calls.start("a", "b", model="narrow")

    calls.start(*names("w", 30), model="wide")
    for n in range(29):
        calls.end(f"w{n}")

    assert calls.went == ["a", *names("w", 30)]


def test_session_is_served_in_a_scarce_model_though_its_other_calls_are_served_all_the_time(calls: Calls) -> None:
    calls.limiter.cap({"model:m": 1, "model:busy": 1})
    calls.start("m", session="t")
    calls.start("busy0", session="s", model="busy")
    calls.start(*names("t", 20), session="t")
    calls.start("u", *names("u", 20), session="u")
    calls.start("wanted", session="s")

    under_way = "m"
    for n in range(20):
        calls.start(f"busy{n + 1}", session="s", model="busy")
        calls.end(f"busy{n}")
        calls.end(under_way)
        under_way = next(name for name in reversed(calls.went) if not name.startswith("busy"))
        if under_way == "wanted":
            break

    went = [name for name in calls.went if not name.startswith("busy")]
    assert "wanted" in went[:6]


# --- rates' and caps' keys ---------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["session:s", "m", "model:"])
def test_rate_of_anything_but_a_model_or_provider_is_refused(calls: Calls, key: str) -> None:
    with pytest.raises(BadInput, match="Give it to 'model:NAME' or 'provider:NAME'"):
        calls.limiter.rate(key, requests_per_minute=1)


def test_rate_that_would_let_nothing_through_is_refused_and_changes_nothing(calls: Calls) -> None:
    with pytest.raises(BadInput, match="0 tokens per minute"):
        calls.limiter.rate("model:m", requests_per_minute=1, tokens_per_minute=0)

    assert calls.slot() is None
