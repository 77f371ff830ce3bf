"""Caps on model calls under way: per session, model and provider; fair; nothing held while waiting."""

import pytest

from podium import Agent, Concurrency, Limits, SessionLimits, call
from podium.core.content import plain
from tests.lab.cast import after, hangs, raises
from tests.lab.lab import Lab, interrupted


def team(count: int, model: str = "m") -> list[Agent]:
    return [Agent(f"w{n}", model=model) for n in range(count)]


def lab_of(workers: list[Agent], seconds: float = 1) -> Lab:
    return Lab(
        {worker.name: after(seconds, worker.name) for worker in workers},
        lead=[[call(worker.name, task="x") for worker in workers], "done"],
    )


@pytest.mark.parametrize(
    "cap",
    [Concurrency(session=3), Concurrency(models={"m": 3}), Concurrency(providers={"rehearsal": 3})],
    ids=["session", "model", "provider"],
)
def test_no_more_calls_than_the_cap_are_under_way(cap: Concurrency) -> None:
    workers = team(10)
    lab = lab_of(workers)

    log = lab.run(Agent("lead", model="m", callable_agents=workers), concurrency=cap)

    assert lab.script.most["*"] == 3
    assert log.seconds == 4
    assert [log.said_to(worker.name) for worker in workers] == [worker.name for worker in workers]


def test_cap_of_one_model_leaves_the_other_alone() -> None:
    workers = [*team(3, "narrow"), Agent("free", model="m")]
    lab = lab_of(workers)

    log = lab.run(Agent("lead", model="m", callable_agents=workers), concurrency=Concurrency(models={"narrow": 1}))

    assert lab.script.most["model:narrow"] == 1
    assert log.under_way("free") == [(0, 1)]
    assert log.seconds == 3


def test_smallest_of_several_caps_counts() -> None:
    workers = team(6)
    lab = lab_of(workers)
    cap = Concurrency(session=5, models={"m": 2}, providers={"rehearsal": 4})

    lab.run(Agent("lead", model="m", callable_agents=workers), concurrency=cap)

    assert lab.script.most["*"] == 2


def test_those_who_wait_are_served_in_the_order_they_came() -> None:
    workers = team(6)
    lab = lab_of(workers)

    lab.run(Agent("lead", model="m", callable_agents=workers), concurrency=Concurrency(session=1))

    assert [agent for agent, _ in lab.script.began[1:-1]] == [worker.name for worker in workers]


def test_thread_with_many_turns_does_not_overtake_those_with_few() -> None:
    lab = Lab(
        lead=[[call("chatty", task="x"), call("terse", task="y"), call("late", task="z")], "done"],
        chatty=[after(1, [call("tool")]), after(1, [call("tool")]), after(1, "chatty")],
        terse=after(1, "terse"),
        late=after(1, "late"),
    )
    chatty = Agent("chatty", model="m", tools=[lab.tool("tool")])
    roster = [chatty, Agent("terse", model="m"), Agent("late", model="m")]

    lab.run(Agent("lead", model="m", callable_agents=roster), concurrency=Concurrency(session=1))

    began = [agent for agent, _ in lab.script.began]
    assert began == ["lead", "chatty", "terse", "late", "chatty", "chatty", "lead"]


def test_coordinators_that_wait_for_their_children_hold_no_place() -> None:
    lab = Lab(
        lead=[[call("middle", task="1"), call("middle", task="2")], "done"],
        middle=[after(1, [call("leaf", task="x"), call("leaf", task="y")]), after(1, "middle")],
        leaf=after(1, "leaf"),
    )
    middle = Agent("middle", model="m", callable_agents=[Agent("leaf", model="m")])

    log = lab.run(Agent("lead", model="m", callable_agents=[middle]), concurrency=Concurrency(session=1))

    assert (log.text, log.seconds, lab.script.most["*"]) == ("done", 8, 1)


def test_tools_that_run_hold_no_place() -> None:
    lab = Lab(lead=[[call("w", task="1"), call("w", task="2")], "done"], w=[[call("slow")], "w"])
    w = Agent("w", model="m", tools=[lab.tool("slow", seconds=10)])

    log = lab.run(Agent("lead", model="m", callable_agents=[w]), concurrency=Concurrency(session=1))

    assert log.seconds == 10


def test_failed_call_gives_its_place_back() -> None:
    lab = Lab(lead=[[call("bad", task="1"), call("w", task="2")], "done"], bad=raises(ValueError(), after_s=1), w="w")
    roster = [Agent("bad", model="m"), Agent("w", model="m")]

    log = lab.run(Agent("lead", model="m", callable_agents=roster), concurrency=Concurrency(session=1))

    assert (log.said_to("w"), log.text, log.seconds) == ("w", "done", 1)


def test_call_that_hangs_gives_its_place_back_at_its_limit() -> None:
    lab = Lab(lead=[[call("bad", task="1"), call("w", task="2")], "done"], bad=hangs, w="w")
    roster = [Agent("bad", model="m", limits=Limits(seconds=3)), Agent("w", model="m")]

    log = lab.run(Agent("lead", model="m", callable_agents=roster), concurrency=Concurrency(session=1))

    assert (log.said_to("w"), log.text, log.seconds) == ("w", "done", 3)


def test_thread_stopped_while_it_waits_for_a_place_takes_none() -> None:
    lab = Lab(
        lead=[[call("w", task="1"), call("hasty", task="2"), call("last", task="3")], "done"],
        w=after(5, "w"),
        hasty="never",
        last="last",
    )
    roster = [Agent("w", model="m"), Agent("hasty", model="m", limits=Limits(seconds=2)), Agent("last", model="m")]

    log = lab.run(Agent("lead", model="m", callable_agents=roster), concurrency=Concurrency(session=1))

    assert log.closings() == [("hasty", "limit"), ("w", "reported"), ("last", "reported")]
    assert (log.requests("hasty"), log.seconds) == ([], 5)


def test_turns_limit_of_the_session_holds_for_those_who_waited_for_a_place() -> None:
    workers = team(4)
    lab = lab_of(workers)

    log = lab.run(
        Agent("lead", model="m", callable_agents=workers),
        concurrency=Concurrency(session=1),
        limits=SessionLimits(turns=3),
    )

    assert [request.purpose for agent in ("lead", "w0", "w1", "w2", "w3") for request in log.requests(agent)] == [
        "turn",
        "hand_over",
        "turn",
        "turn",
    ]
    assert [outcome for _, outcome in log.closings()] == ["reported", "reported", "limit", "limit"]


def test_waiting_for_one_model_does_not_keep_others_from_a_free_place() -> None:
    """One place of model 'narrow' hangs, one call waits for it: the session has places left, and 'm' is not capped."""
    lab = Lab(
        lead=[[call("w0", task="1"), call("w1", task="2"), call("free", task="3")], "done"],
        w0=after(100, "w0"),
        w1=after(1, "w1"),
        free=after(1, "free"),
    )
    workers = [*team(2, "narrow"), Agent("free", model="m")]

    log = lab.run(
        Agent("lead", model="m", callable_agents=workers),
        concurrency=Concurrency(session=3, models={"narrow": 1}),
    )

    assert log.under_way("free") == [(0, 1)]


def test_interrupted_calls_give_their_places_back() -> None:
    workers = team(5)
    lab = lab_of(workers, seconds=10)
    lead = Agent("lead", model="m", callable_agents=workers)
    lab.run(lead, concurrency=Concurrency(session=2), acts=[(1, interrupted(pause=True))])

    log = lab.resume()

    assert [plain(result.content) for result in log.results_of("w0")] == ["interrupted by a person"]
    assert log.text == "done"
