"""Rate limits: what passes in a minute, what a provider says of it, and what it means for those who wait."""

from podium.core.ports import Rates
from tests.unit.calling import Calls


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{n}" for n in range(count)]


def test_requests_of_a_minute_may_go_at_once_and_then_one_by_one(calls: Calls) -> None:
    calls.limiter.rate("provider:p", requests_per_minute=6)

    calls.start(*names("a", 8))
    calls.pass_time(60)

    assert calls.times == dict.fromkeys(names("a", 6), 0.0) | {"a6": 10.0, "a7": 20.0}


def test_tokens_are_taken_as_estimated_and_put_right_at_the_end(calls: Calls) -> None:
    calls.limiter.rate("model:m", tokens_per_minute=6000)
    calls.start("a", tokens=5000)
    calls.start("b", tokens=5000)
    assert calls.went == ["a"]

    calls.end("a", used=1000)

    assert calls.went == ["a", "b"]
    calls.end("b", used=9000)  # 4,000 more than were left
    assert not calls.can_go()
    calls.pass_time(39)
    assert not calls.can_go()
    calls.pass_time(2)
    assert calls.can_go()


def test_unknown_use_leaves_the_estimate(calls: Calls) -> None:
    calls.limiter.rate("model:m", tokens_per_minute=6000)
    calls.start("a", tokens=6000)

    calls.end("a")

    assert not calls.can_go(tokens=100)


def test_call_larger_than_the_limit_goes_when_the_bucket_is_full_and_leaves_it_in_debt(calls: Calls) -> None:
    calls.limiter.rate("model:m", tokens_per_minute=60)
    calls.start("small", tokens=30)

    calls.start("huge", tokens=120)
    calls.start("next", tokens=10)
    calls.pass_time(200)

    assert calls.times == {"small": 0.0, "huge": 30.0, "next": 100.0}


def test_small_calls_do_not_keep_a_large_one_waiting(calls: Calls) -> None:
    calls.limiter.rate("provider:p", tokens_per_minute=60)
    calls.start("first", tokens=60)
    calls.start("large", tokens=50)

    for n in range(50):
        calls.start(f"small{n}", tokens=5, session=f"s{n % 3}", model=f"m{n % 2}")
        calls.pass_time(1)

    assert calls.went[:2] == ["first", "large"]
    assert calls.times["large"] == 50.0


def test_rate_of_one_model_leaves_the_others_alone(calls: Calls) -> None:
    calls.limiter.rate("model:m", requests_per_minute=1)
    calls.start("a", "b")

    calls.start("c", model="other")

    assert calls.went == ["a", "c"]


def test_call_says_which_rate_it_waits_for(calls: Calls) -> None:
    calls.limiter.rate("provider:p", requests_per_minute=6)
    calls.limiter.learn("m", "p", Rates(requests_limit=100))
    calls.start(*names("a", 7))

    calls.pass_time(6.8)


def test_rate_set_again_does_not_fill_up(calls: Calls) -> None:
    calls.limiter.rate("model:m", requests_per_minute=6)
    calls.start(*names("a", 6))

    calls.limiter.rate("model:m", requests_per_minute=6)

    assert not calls.can_go()


def test_rate_taken_away_holds_nobody(calls: Calls) -> None:
    calls.limiter.rate("model:m", requests_per_minute=1)
    calls.start("a", "b")

    calls.limiter.rate("model:m")
    calls.settle()

    assert calls.went == ["a", "b"]
    assert calls.slot() is None


def test_call_cancelled_in_the_moment_it_may_go_uses_nothing_up(calls: Calls) -> None:
    calls.limiter.rate("model:m", requests_per_minute=1, tokens_per_minute=100)
    calls.limiter.cap({"model:m": 1})
    calls.start("a")
    calls.pass_time(60)
    calls.start("b", tokens=100)

    calls.limiter.give_back(calls.slots["a"])
    calls.cancel("b")

    assert "b" not in calls.went
    assert calls.can_go(tokens=100)


def test_call_that_was_not_made_uses_nothing_up(calls: Calls) -> None:
    calls.limiter.rate("model:m", requests_per_minute=1, tokens_per_minute=100)
    calls.start("a", tokens=100)

    calls.limiter.undo(calls.slots["a"])

    assert calls.can_go(tokens=100)


def test_those_behind_a_cancelled_large_call_go_at_once(calls: Calls) -> None:
    calls.limiter.rate("model:m", tokens_per_minute=60)
    calls.start("a", tokens=40)
    calls.start("large", tokens=50)
    calls.start("small", tokens=10)
    assert calls.went == ["a"]

    calls.cancel("large")

    assert calls.went == ["a", "small"]


# --- what the provider says --------------------------------------------------------------------------


def test_what_the_provider_says_is_left_counts(calls: Calls) -> None:
    calls.limiter.learn("m", "p", Rates(requests_limit=60, requests_left=2, requests_reset_s=58))

    calls.start(*names("a", 4))
    calls.pass_time(10)

    assert calls.times == {"a0": 0.0, "a1": 0.0, "a2": 1.0, "a3": 2.0}


def test_learned_rate_holds_for_one_model_of_one_provider_in_all_sessions(calls: Calls) -> None:
    calls.limiter.learn("m", "p", Rates(tokens_limit=1000, tokens_left=0, tokens_reset_s=60))

    assert not calls.can_go(session="another", tokens=100)
    assert calls.can_go(model="other", tokens=100)
    assert calls.can_go(provider="other", tokens=100)


def test_more_left_than_was_thought_is_believed_only_after_the_reset(calls: Calls) -> None:
    calls.limiter.learn("m", "p", Rates(tokens_limit=6000))
    calls.start("a", tokens=24_000)  # as estimated: in debt for three minutes

    calls.limiter.learn("m", "p", Rates(tokens_limit=6000, tokens_left=5000, tokens_reset_s=10))

    assert not calls.can_go(tokens=1000)
    calls.pass_time(10)
    assert calls.can_go(tokens=6000)


def test_what_was_taken_since_the_provider_spoke_is_not_there_after_its_reset(calls: Calls) -> None:
    calls.limiter.learn("m", "p", Rates(tokens_limit=6000, tokens_left=6000, tokens_reset_s=1))
    calls.start("a", tokens=6000)

    calls.pass_time(1)

    assert not calls.can_go(tokens=1000)


def test_limit_per_day_is_not_taken_for_one_per_minute(calls: Calls) -> None:
    calls.limiter.learn("m", "p", Rates(requests_limit=200, requests_left=0, requests_reset_s=86_400))
    calls.start("a", "b")

    calls.pass_time(800)

    assert calls.times == {"a": 432.0}


def test_estimate_is_not_given_back_twice_when_the_provider_has_counted_already(calls: Calls) -> None:
    calls.limiter.learn("m", "p", Rates(tokens_limit=10_000))
    calls.start("a", tokens=8000)
    calls.pass_time(1)

    calls.limiter.learn("m", "p", Rates(tokens_limit=10_000, tokens_left=500))
    calls.end("a", used=1000)

    assert not calls.can_go(tokens=1000)


def test_rates_without_a_limit_say_nothing(calls: Calls) -> None:
    calls.limiter.learn("m", "p", Rates(requests_left=0, tokens_limit=0, tokens_left=0))

    assert calls.slot() is None


def test_provider_that_counts_as_it_says_is_never_asked_for_too_much(calls: Calls) -> None:
    """It has 60 requests a minute, filled up continuously. Somebody else uses most of them up at second 30."""
    calls.limiter.learn("m", "p", Rates(requests_limit=60))
    calls.start("first")
    left, answered = 60.0, 0

    for second in range(200):
        left = min(60.0, left + 1) if second else left
        if second == 30:
            left = 5.0
            calls.start("one")
        if second == 31:
            calls.start(*names("a", 120))
        for name in calls.went[answered:]:
            answered += 1
            left -= 1
            assert left >= 0
            rates = Rates(requests_limit=60, requests_left=int(left), requests_reset_s=60 - left)
            calls.limiter.learn("m", "p", rates)
            calls.end(name)
        calls.pass_time(1)

    assert answered == 122


# --- time --------------------------------------------------------------------------------------------


def test_there_is_one_alarm_at_most_and_none_when_nobody_waits(calls: Calls) -> None:
    calls.limiter.rate("provider:p", requests_per_minute=60)
    calls.limiter.rate("model:x", tokens_per_minute=600)
    calls.start(*names("a", 70), tokens=5)
    calls.start(*names("x", 70), model="x", tokens=20)

    calls.limiter.slow("m", "p", 20)
    calls.pass_time(30)
    calls.limiter.overloaded("x", "p")
    calls.pass_time(30)
    calls.limiter.answered("x", "p")
    calls.pass_time(300)

    assert len(calls.went) == 140
    assert (calls.clock.most, calls.clock.pending) == (1, 0)
