"""Calls of agents that are made again: which, how often, and what the coordinator is told in the end."""

from typing import Any

import pytest

from podium import Agent, Limits, ModelRequest, SessionLimits, call, say
from podium.core.definitions import SELF
from podium.core.facts import DelegationOpened, DelegationTriedAgain
from podium.core.inputs import Archive
from podium.errors import ModelFailed
from podium.models.rehearsal import Said
from tests.lab.cast import after, hangs, raises
from tests.lab.lab import Lab, interrupted_thread, said
from tests.lab.log import Played

WORKER = Agent("worker", model="m")
FAILED = "agent 'worker' failed: RuntimeError: broken. It had said nothing yet."


class Fails:
    """A line of which the first few are failures, each after a second."""

    def __init__(self, times: int, then: str = "done at last") -> None:
        self.left = times
        self._then = then

    async def __call__(self, request: ModelRequest) -> Said:
        if self.left == 0:
            return self._then
        self.left -= 1
        line = raises(RuntimeError("broken"), after_s=1)
        assert callable(line)
        return await line(request)  # type: ignore[misc,no-any-return]


def lead(*callees: Agent, retries: Any = 2, **how: Any) -> Agent:
    return Agent("lead", model="m", callable_agents=callees or (WORKER,), retries=retries, **how)


def calls_once(**lines: Any) -> Lab:
    return Lab(lines, lead=[call("worker", task="x"), "done"])


def tries(log: Played) -> list[tuple[int, str]]:
    """The attempts that were given up: the how manieth, and how it ended."""
    events = [record.event for record in log.records]
    return [(event.attempt, event.outcome) for event in events if isinstance(event, DelegationTriedAgain)]


def test_a_call_that_failed_is_made_again_and_the_coordinator_is_told_of_the_success_alone() -> None:
    log = calls_once(worker=Fails(1)).run(lead())

    assert (log.said_to("worker"), log.result_of("worker").is_error) == ("done at last", False)
    assert (log.seconds, log.state.main.turns) == (1, 2)
    assert tries(log) == [(1, "failed")]
    assert log.closings() == [("worker", "reported")]
    assert [thread.status for thread in log.state.threads.values()] == ["idle", "terminated", "idle"]
    first, second = log.requests("worker")
    assert list(first.messages) == list(second.messages)


def test_the_new_attempt_is_opened_in_the_append_that_ends_the_old_one() -> None:
    lab = calls_once(worker=Fails(1))
    log = lab.run(lead())

    kinds = log.kinds()
    begin = kinds.index("delegation.tried_again")
    assert kinds[begin - 2 : begin + 8] == [
        "attempt.failed",
        "span.model_request_end",
        "delegation.tried_again",
        "session.thread_status_terminated",
        "delegation.opened",
        "session.thread_created",
        "agent.thread_message_received",
        "session.thread_status_running",
        "agent.thread_message_sent",
        "span.model_request_start",
    ]
    opened = [record.event for record in log.records if isinstance(record.event, DelegationOpened)]
    assert len({event.call for event in opened}) == 1
    assert opened[0].input == opened[1].input == {"task": "x"}


def test_a_call_that_fails_each_time_is_an_error_that_says_after_how_many_attempts() -> None:
    log = calls_once(worker=Fails(9)).run(lead())

    assert log.said_to("worker") == f"after 3 attempts: {FAILED}"
    assert (log.seconds, tries(log)) == (3, [(1, "failed"), (2, "failed")])
    assert log.closings() == [("worker", "failed")]
    assert log.text == "done"


def test_without_retries_a_call_is_made_once() -> None:
    log = calls_once(worker=Fails(1)).run(lead(retries=0))

    assert (log.said_to("worker"), tries(log)) == (FAILED, [])


def test_an_agent_that_runs_out_of_time_is_tried_again() -> None:
    slow = Agent("worker", model="m", limits=Limits(seconds=2))
    log = calls_once(worker=hangs).run(lead(slow, retries=1))

    assert log.said_to("worker").startswith("after 2 attempts: agent limit reached: 2 of 2 seconds")
    assert (log.seconds, tries(log)) == (4, [(1, "limit")])


@pytest.mark.parametrize(
    ("limits", "lines"),
    [(Limits(turns=1), [[call("look", key="x")]]), (Limits(tokens=5), [[say("word " * 50), call("look", key="x")]])],
)
def test_an_agent_that_spent_what_it_may_is_not_tried_again(limits: Limits, lines: Any) -> None:
    lab = calls_once(worker=lines)

    log = lab.run(lead(Agent("worker", model="m", tools=[lab.tool("look")], limits=limits)))

    assert (tries(log), log.closings()) == ([], [("worker", "limit")])


def test_what_was_refused_interrupted_or_archived_is_not_tried_again() -> None:
    wrong = Lab(lead=[call("worker", wrong="x"), "done"], worker="done").run(lead())
    stopped = calls_once(worker=hangs).run(lead(), acts=[(1, interrupted_thread("worker"))])
    lab = calls_once(worker=[[call("pay", key="x")], "done"])
    asks = Agent("worker", model="m", tools=[lab.tool("pay")], permissions={"pay": "always_ask"})
    waiting = lab.run(lead(asks))
    lab.tell(Archive(thread=waiting.thread("worker")))
    archived = lab.resume()

    assert [tries(log) for log in (wrong, stopped, archived)] == [[], [], []]
    assert stopped.said_to("worker") == "interrupted by a person"
    assert archived.said_to("worker") == "its thread was archived by a person"


def test_a_denied_call_of_a_tool_is_no_failure_of_the_agent() -> None:
    lab = calls_once(worker=[[call("pay", key="x")], "they said no"])
    worker = Agent("worker", model="m", tools=[lab.tool("pay")], permissions={"pay": "always_ask"})
    lab.run(lead(worker))

    lab.answer("pay", allow=False)
    log = lab.resume()

    assert (tries(log), log.said_to("worker")) == ([], "they said no")


def test_retries_of_one_agent_say_nothing_of_another() -> None:
    lab = Lab(
        lead=[[call("worker", task="x"), call("other", task="x")], "done"],
        worker=Fails(1),
        other=raises(RuntimeError("broken")),
    )

    log = lab.run(lead(WORKER, Agent("other", model="m"), retries={"worker": 1}))

    assert log.said_to("worker") == "done at last"
    assert log.said_to("other") == "agent 'other' failed: RuntimeError: broken. It had said nothing yet."


def test_each_call_of_an_agent_has_retries_of_its_own() -> None:
    lab = Lab(lead=[[call("worker", task="x"), call("worker", task="y")], call("worker", task="z"), "done"])
    lab.script.says("worker", Fails(3))

    log = lab.run(lead(retries=2))

    assert sorted(tries(log)) == [(1, "failed"), (1, "failed"), (2, "failed")]
    assert [result.is_error for result in log.results_of("worker")] == [False, False, False]


def test_an_agent_that_calls_itself_is_tried_again() -> None:
    lines = Fails(1)

    async def plays(request: ModelRequest) -> Said:
        if len(request.messages) > 1:
            return "done"
        return call("lead", task="below") if "below" not in str(request.messages[0]) else await lines(request)

    log = Lab(lead=plays).run(Agent("lead", model="m", callable_agents=[SELF], retries={SELF: 1}))

    assert (tries(log), log.said_to("lead")) == ([(1, "failed")], "done at last")


def test_agents_in_the_background_are_not_tried_again() -> None:
    start = call("start_agent", agent="worker", input={"task": "x"})
    log = Lab(lead=[start, call("wait_for_agents"), "done"], worker=Fails(1)).run(lead())

    assert (tries(log), log.closings()) == ([], [("worker", "failed")])


def test_a_call_that_was_detached_is_not_tried_again() -> None:
    log = calls_once(worker=raises(RuntimeError("broken"), after_s=3)).run(lead(), acts=[(1, said("how far?"))])

    assert (tries(log), log.closings()) == ([], [("worker", "failed")])


def test_a_failed_agents_own_agents_are_stopped_before_it_is_tried_again() -> None:
    fails = Fails(1)

    async def middle(request: ModelRequest) -> Said:
        if len(request.messages) == 1 and fails.left:
            return call("start_agent", agent="leaf", input={"task": "aside"})
        return await fails(request)

    lab = Lab(lead=[call("middle", task="x"), "done"], middle=middle, leaf=hangs)
    below = Agent("middle", model="m", callable_agents=[Agent("leaf", model="m")])

    log = lab.run(lead(below))

    assert log.said_to("middle") == "done at last"
    assert log.closings() == [("leaf", "stopped"), ("middle", "reported")]


def test_an_attempt_counts_for_live_threads_only_while_it_lives() -> None:
    log = calls_once(worker=Fails(2)).run(lead(), limits=SessionLimits(live_threads=1))

    assert (log.said_to("worker"), len(tries(log))) == ("done at last", 2)


def test_a_call_made_again_is_under_the_rule_of_its_reply_as_one() -> None:
    lab = Lab(
        lead=[[call("worker", task="x"), call("b", task="x")], "done"],
        worker=Fails(2),
        b=after(5, "B"),
    )

    log = lab.run(lead(WORKER, Agent("b", model="m"), join="all"))

    assert (log.said_to("worker"), log.said_to("b"), log.seconds) == ("done at last", "B", 5)


def test_a_call_is_not_made_again_once_it_is_not_needed() -> None:
    """Both end in one moment, the report first: the failure comes before anybody could be stopped."""
    lab = Lab(
        lead=[[call("b", task="x"), call("worker", task="x")], "done"],
        worker=raises(RuntimeError("broken"), after_s=2),
        b=after(2, "B"),
    )

    log = lab.run(lead(WORKER, Agent("b", model="m"), join="any"))

    assert log.closings() == [("b", "reported"), ("worker", "failed")]
    assert (log.said_to("worker"), tries(log), log.seconds) == (FAILED, [], 2)


def test_the_last_failure_of_all_attempts_ends_the_others() -> None:
    lab = Lab(lead=[[call("worker", task="x"), call("b", task="x")], "done"], worker=Fails(9), b=hangs)

    log = lab.run(lead(WORKER, Agent("b", model="m"), join="all", retries=1))

    assert log.seconds == 2
    assert log.said_to("b") == "stopped: 'worker' failed, and all were needed"
    assert log.said_to("worker") == f"after 2 attempts: {FAILED}"


def test_what_all_attempts_cost_counts_for_the_coordinator_and_the_session() -> None:
    log = calls_once(worker=Fails(1)).run(lead())

    usage = [thread.usage for thread in log.state.threads.values()]
    assert log.state.usage == sum(usage[1:], usage[0])


def test_a_model_that_refuses_a_later_attempt_ends_the_call() -> None:
    failures = Fails(1)

    async def refuses(request: ModelRequest) -> Said:
        if failures.left:
            return await failures(request)
        from podium import Reply

        return Reply((say("no"),), "refusal")

    log = calls_once(worker=refuses).run(lead())

    assert log.said_to("worker").startswith("after 2 attempts: the model of agent 'worker' refused")
    assert tries(log) == [(1, "failed")]


def test_a_model_call_that_is_tried_again_is_no_attempt_of_the_delegation() -> None:
    failures = [ModelFailed("busy", kind="overloaded")]

    def busy(request: ModelRequest) -> Said:
        if failures:
            raise failures.pop()
        return "done"

    log = calls_once(worker=busy).run(lead())

    assert (tries(log), log.said_to("worker")) == ([], "done")


def test_the_session_limit_is_no_reason_to_try_again() -> None:
    log = calls_once(worker=hangs).run(lead(), limits=SessionLimits(seconds=3))

    assert (tries(log), log.stop_reason) == ([], "budget_reached")
