"""Model calls that fail: which are made again, when, and what clients see meanwhile."""

from itertools import pairwise
from typing import Any

import pytest

from podium import Agent, Concurrency, ModelRequest, Usage, call
from podium.core.events import SessionError, StopReason
from podium.core.facts import AttemptFailed
from podium.errors import ModelFailed, ModelFailure
from podium.models.rehearsal import Said
from tests.lab.cast import Line, after, raises
from tests.lab.lab import Lab, said
from tests.lab.log import Played

LEAD = Agent("lead", model="m")


class Fails:
    """A line that fails so many times, and then says something."""

    def __init__(self, times: int, said: Said = "done", *, seconds: float = 0.0, **how: Any) -> None:
        self._left = times
        self._said = said
        self._seconds = seconds
        self._how = {"kind": "transient", **how}

    async def __call__(self, request: ModelRequest) -> Said:
        if self._left == 0:
            return self._said
        self._left -= 1
        line = raises(ModelFailed("no answer", **self._how), after_s=self._seconds)
        assert callable(line)
        return await line(request)  # type: ignore[misc,no-any-return]


def calls_at(log: Played, agent: str = "lead") -> list[float]:
    return [log.at(record) for record in log.of("span.model_request_start", log.thread(agent))]


def attempts(log: Played) -> list[tuple[int, bool]]:
    """Each failed attempt: the how manieth, and whether another follows."""
    events = [record.event for record in log.records]
    return [(e.attempt, e.retry_at is not None) for e in events if isinstance(e, AttemptFailed)]


def errors(log: Played) -> list[tuple[str, str]]:
    events = [record.event for record in log.records]
    return [(e.error.type, e.error.retry_status.type) for e in events if isinstance(e, SessionError)]


def statuses(log: Played) -> list[str]:
    return [kind for kind in log.kinds() if "status_" in kind]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("transient", "model_request_failed_error"),
        ("rate_limited", "model_rate_limited_error"),
        ("overloaded", "model_overloaded_error"),
    ],
)
def test_failure_that_may_pass_is_tried_again_and_the_client_is_told(kind: ModelFailure, error: str) -> None:
    lab = Lab(lead=Fails(1, kind=kind, retry_after_s=7.0))

    log = lab.run(LEAD)

    assert (log.text, errors(log), attempts(log)) == ("done", [(error, "retrying")], [(1, True)])
    assert calls_at(log)[:2] == [0, 7] or kind == "overloaded"
    assert statuses(log) == [
        "session.status_running",
        "session.thread_status_running",
        "session.thread_status_rescheduled",
        "session.status_rescheduled",
        "session.thread_status_running",
        "session.status_running",
        "session.thread_status_idle",
        "session.status_idle",
    ]


@pytest.mark.parametrize("kind", ["failed", "refused"])
def test_failure_that_will_not_pass_ends_the_turn_at_once(kind: ModelFailure) -> None:
    lab = Lab(lead=Fails(1, kind=kind))

    log = lab.run(LEAD)

    assert (log.stop_reason, attempts(log), len(log.requests("lead"))) == ("retries_exhausted", [(1, False)], 1)
    assert errors(log) == [("model_request_failed_error", "exhausted")]


def test_chance_picks_a_moment_of_a_backoff_that_doubles_up_to_a_minute() -> None:
    lab = Lab(lead=Fails(7), chance=1.0)

    log = lab.run(LEAD)

    starts = calls_at(log)
    assert [later - earlier for earlier, later in pairwise(starts)] == [1, 2, 4, 8, 16, 32, 60]


def test_without_luck_the_call_is_made_again_at_once() -> None:
    log = Lab(lead=Fails(3), chance=0.0).run(LEAD)

    assert (log.text, log.seconds) == ("done", 0)
    assert "session.status_rescheduled" not in log.kinds()


def test_eighth_failure_is_the_last() -> None:
    log = Lab(lead=Fails(100), chance=0.01).run(LEAD)

    assert attempts(log) == [(n, n < 8) for n in range(1, 9)]
    assert (log.stop_reason, errors(log)[-1][1]) == ("retries_exhausted", "exhausted")


def test_failures_that_go_on_for_a_quarter_of_an_hour_are_the_last() -> None:
    log = Lab(lead=Fails(100, seconds=400), chance=0.0).run(LEAD)

    assert attempts(log) == [(1, True), (2, True), (3, True), (4, False)]
    assert log.seconds == 1600


def test_count_of_failures_begins_anew_with_a_reply() -> None:
    failing, again = Fails(7, [call("look")]), Fails(7)
    lab = Lab(lead=[failing, again], chance=0.01)

    log = lab.run(Agent("lead", model="m", tools=[lab.tool("look")]))

    assert (log.text, [number for number, _ in attempts(log)]) == ("done", [*range(1, 8), *range(1, 8)])


def test_what_the_provider_asks_for_is_obeyed_over_a_restart() -> None:
    lab = Lab(lead=Fails(1, retry_after_s=3600.0))
    log = lab.run(LEAD, acts=[(10, lambda live: live.let_go())])
    row = lab.row()
    assert (row.facts.status, row.is_unfinished) == ("rescheduling", True)
    assert row.facts.wake_at is not None
    assert (row.facts.wake_at - log.records[0].at).total_seconds() == 3600

    log = lab.resume()

    assert (log.text, calls_at(log), lab.row().facts.wake_at) == ("done", [0, 3600], None)


def test_time_that_nobody_drove_the_session_is_made_up_for_at_once() -> None:
    lab = Lab(lead=Fails(1, retry_after_s=60.0))
    lab.run(LEAD, acts=[(10, lambda live: live.let_go())])
    lab.world.now_s += 1000

    log = lab.resume()

    assert log.text == "done"
    assert calls_at(log)[1] > 1000


def test_usage_of_failed_attempts_counts() -> None:
    lab = Lab(lead=Fails(2, usage=Usage(input_tokens=100)), chance=0.0)

    log = lab.run(LEAD)

    assert log.state.usage.input_tokens > 200


def test_parent_of_a_child_that_waits_is_rescheduled_with_it_and_back() -> None:
    lab = Lab(lead=[call("worker", task="x"), "done"], worker=Fails(1, "found it", retry_after_s=9.0))

    log = lab.run(Agent("lead", model="m", callable_agents=[Agent("worker", model="m")]))

    assert (log.text, log.seconds) == ("done", 9)
    main = [kind for kind in log.kinds(log.thread("lead")) if "status" in kind]
    assert main == [
        "session.status_running",
        "session.thread_status_running",
        "session.thread_status_rescheduled",
        "session.status_rescheduled",
        "session.thread_status_running",
        "session.status_running",
        "session.thread_status_idle",
        "session.status_idle",
    ]


def test_session_runs_while_only_one_of_its_threads_waits() -> None:
    lab = Lab(
        lead=[[call("worker", task="x"), call("other", task="y")], "done"],
        worker=Fails(1, retry_after_s=9.0),
        other=after(20, "other"),
    )

    roster = [Agent("worker", model="m"), Agent("other", model="m")]
    log = lab.run(Agent("lead", model="m", callable_agents=roster))

    assert "session.status_rescheduled" not in log.kinds()
    assert log.kinds(log.thread("worker")).count("session.thread_status_rescheduled") == 1


def test_childs_exhausted_retries_are_its_parents_news_alone() -> None:
    lab = Lab(lead=[call("worker", task="x"), "a pity"], worker=Fails(100), chance=0.01)

    log = lab.run(Agent("lead", model="m", callable_agents=[Agent("worker", model="m")]))

    assert (log.text, log.stop_reason, log.state_of("worker").status) == ("a pity", "end_turn", "terminated")
    assert {status for _, status in errors(log)} == {"retrying"}
    assert log.said_to("worker") == "agent 'worker' failed: no answer. It had said nothing yet."


def test_message_after_exhausted_retries_tries_anew() -> None:
    lab = Lab(lead=Fails(1, kind="failed"))
    log = lab.run(LEAD)
    assert log.state.stop_reason == StopReason("retries_exhausted")

    log = lab.say("try again")

    assert (log.text, log.stop_reason) == ("done", "end_turn")


def test_message_that_comes_while_a_call_waits_goes_with_it() -> None:
    lab = Lab(lead=Fails(1, retry_after_s=9.0))

    log = lab.run(LEAD, acts=[(3, said("hurry"))])

    assert (log.text, log.told("lead"), calls_at(log)) == ("done", ["go", "hurry"], [0, 9])


def test_thread_that_waits_to_try_again_holds_no_place() -> None:
    lab = Lab(
        lead=[[call("worker", task="x"), call("other", task="y")], "done"],
        worker=Fails(1, retry_after_s=9.0),
        other=after(2, "other"),
    )
    roster = [Agent("worker", model="m"), Agent("other", model="m")]

    log = lab.run(Agent("lead", model="m", callable_agents=roster), concurrency=Concurrency(session=1))

    assert (log.under_way("other"), log.seconds) == ([(0, 2)], 9)


def too_long_until_summarized(*, then: Line) -> Line:
    async def line(request: ModelRequest) -> Said:
        if request.purpose == "compact":
            return "what matters"
        if "what matters" not in str(list(request.messages)):
            raise ModelFailed("prompt is too long", kind="too_long")
        return await then(request) if callable(then) else then  # type: ignore[misc]

    return line


def test_context_that_is_too_long_is_summarized_and_the_call_is_made_again_at_once() -> None:
    log = Lab(lead=too_long_until_summarized(then="done")).run(LEAD)

    assert (log.text, [request.purpose for request in log.requests("lead")]) == ("done", ["turn", "compact", "turn"])
    assert (errors(log), log.kinds().count("agent.thread_context_compacted")) == ([], 1)


def test_context_that_is_too_long_after_its_summary_fails_the_thread() -> None:
    too_long = raises(ModelFailed("prompt is too long", kind="too_long"))
    log = Lab(lead=too_long_until_summarized(then=too_long)).run(LEAD)

    assert log.stop_reason == "retries_exhausted"
    assert [request.purpose for request in log.requests("lead")] == ["turn", "compact", "turn"]


def test_summary_that_fails_is_made_again_before_anything_else() -> None:
    failing = Fails(1, "what matters", retry_after_s=5.0)

    async def line(request: ModelRequest) -> Said:
        if request.purpose == "compact":
            return await failing(request)
        if "what matters" not in str(list(request.messages)):
            raise ModelFailed("prompt is too long", kind="too_long")
        return "done"

    log = Lab(lead=line).run(LEAD)

    purposes = [request.purpose for request in log.requests("lead")]
    assert (log.text, purposes) == ("done", ["turn", "compact", "compact", "turn"])
