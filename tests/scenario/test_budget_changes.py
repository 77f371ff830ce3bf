"""A session's budget is raised or taken away: who stopped at it goes on, and who did not is not stopped.

Source: the Managed Agents API, sections C.9 and D.9.
"""

from decimal import Decimal

import pytest

from podium import Agent, Limits, Reply, SessionLimits, Usage, call, say
from podium.core.content import text
from podium.core.events import SessionIdle, SessionUpdated, SessionUsage
from podium.core.inputs import Interrupt, SendMessage, Update
from podium.core.session import BUDGET_CHANGED
from podium.errors import Refused
from tests.lab.lab import SESSION, Happening, Lab
from tests.lab.log import Played
from tests.lab.world import Fuse, Killed
from tests.scenario.test_money import PRICED, spends

TEN = SessionLimits(usd=10)


def idles(log: Played) -> list[str]:
    return [record.event.stop_reason.type for record in log.records if isinstance(record.event, SessionIdle)]


def raised(usd: int | None, *, elsewhere: bool = False) -> Happening:
    """An act: somebody changes the session's budget."""
    request = Update(budget=Decimal(usd)) if usd is not None else Update(has_budget=False)
    return lambda live: live.elsewhere(request) if elsewhere else live.accept(request)


def looker(lab: Lab, name: str = "lead", *callable_agents: Agent, seconds: float = 0.0) -> Agent:
    return Agent(name, model="m", tools=[lab.tool("look", seconds=seconds)], callable_agents=callable_agents)


def stopped() -> tuple[Lab, Played]:
    """A session that stopped at its budget in the middle of its work."""
    lab = Lab(facts=PRICED, lead=[spends(8500, call("look")), spends(500, say("so far")), spends(9000, say("all"))])
    log = lab.run(looker(lab), limits=TEN)
    assert (log.text, idles(log)) == ("so far", ["budget_reached"])
    return lab, log


def test_session_that_stopped_at_its_budget_goes_on_once_it_is_raised() -> None:
    lab, before = stopped()

    lab.tell(Update(budget=Decimal(30)))

    kinds = lab.played().kinds()[len(before.records) :]
    assert kinds == [
        "session.updated",
        "limit.lifted",
        "session.status_running",
        "session.thread_status_running",
    ]
    log = lab.resume()
    assert (log.text, idles(log)) == ("all", ["budget_reached", "end_turn"])
    assert log.told("lead") == [BUDGET_CHANGED]
    [updated] = [record.event for record in log.records if isinstance(record.event, SessionUpdated)]
    assert updated.budget is not None
    usages = [record.event.budget for record in log.records if isinstance(record.event, SessionUsage)]
    assert [budget.max_list_cost.amount for budget in usages if budget is not None] == ["1000", "3000"]


def test_budget_that_is_taken_away_stops_nobody_and_cannot_be_set_again() -> None:
    lab, _ = stopped()

    lab.tell(Update(has_budget=False))
    log = lab.resume()

    assert (log.text, log.state.settings.usd, lab.row().about.budget) == ("all", None, None)
    with pytest.raises(Refused, match="budget_create_only"):
        lab.tell(Update(budget=Decimal(50)))


@pytest.mark.parametrize("usd", ["9", "8.5"])
def test_budget_that_is_not_above_what_is_spent_is_refused(usd: str) -> None:
    lab, _ = stopped()

    with pytest.raises(Refused, match="budget_not_raised"):
        lab.tell(Update(budget=Decimal(usd)))
    assert lab.played().state.status == "idle"


def test_budget_that_is_raised_too_little_stops_again() -> None:
    lab, _ = stopped()

    lab.tell(Update(budget=Decimal("10.5")))
    log = lab.resume()

    assert idles(log) == ["budget_reached", "budget_reached"]
    assert log.state.cap is not None
    lab.tell(Update(budget=Decimal(30)))
    assert lab.resume().text == "all"


def test_message_at_the_budget_is_refused_where_it_may_not_wait_and_an_interrupt_is_not() -> None:
    lab, _ = stopped()

    with pytest.raises(Refused, match="reached its budget"):
        lab.tell(SendMessage(content=text("go on"), waits=False))
    lab.tell(Interrupt())
    assert lab.played().state.status == "idle"


@pytest.mark.parametrize("elsewhere", [True, False])
def test_budget_that_is_raised_in_time_stops_nobody(elsewhere: bool) -> None:
    lab = Lab(facts=PRICED, lead=[spends(8500, call("look")), spends(500, say("all"))])
    log = lab.run(looker(lab, seconds=5), limits=TEN, acts=[(2, raised(30, elsewhere=elsewhere))])
    if elsewhere:  # the driver was not told, and finds it when it goes idle
        log = lab.resume()

    assert (log.text, idles(log)) == ("all", ["end_turn"])


def test_budget_that_is_raised_during_the_last_turn_has_the_agent_go_on_behind_it() -> None:
    lab = Lab(
        facts=PRICED,
        lead=[spends(8500, call("look")), spends(500, say("so far"), seconds=5), spends(500, say("all"))],
    )
    log = lab.run(looker(lab), limits=TEN, acts=[(2, raised(30))])

    assert [request.purpose for request in log.requests("lead")] == ["turn", "hand_over", "turn"]
    assert (log.text, idles(log)) == ("all", ["end_turn"])
    assert log.told("lead") == [BUDGET_CHANGED]


def test_child_that_stopped_at_the_budget_has_reported_and_can_be_told_to_go_on() -> None:
    lab = Lab(
        facts=PRICED,
        lead=[
            spends(500, call("worker", task="x")),
            spends(100, call("worker", task="the rest")),
            spends(100, say("all")),
        ],
        worker=[spends(8500, say("half"), call("look")), spends(500, say("the rest"))],
    )
    log = lab.run(looker(lab, "lead", looker(lab, "worker")), limits=TEN)
    assert (log.closings(), idles(log)) == ([("worker", "limit")], ["budget_reached"])

    lab.tell(Update(budget=Decimal(90)))
    log = lab.resume()

    assert (log.text, log.closings()) == ("all", [("worker", "limit"), ("worker", "reported")])


def test_primary_that_stopped_goes_on_while_an_agent_in_the_background_still_works() -> None:
    lab = Lab(
        facts=PRICED,
        lead=[
            spends(8500, call("start_agent", agent="slow", input={"task": "x"})),
            spends(100, say("so far")),
            spends(100, say("more")),
            spends(100, say("all")),
        ],
        slow=spends(100, say("slow"), seconds=9),
    )
    lead = Agent("lead", model="m", callable_agents=[Agent("slow", model="m")])
    log = lab.run(lead, limits=SessionLimits(usd=20), acts=[(0.5, raised(25)), (3, raised(40))])

    assert (log.state.status, log.stop_reason) == ("idle", "end_turn")
    assert log.state.cap is None


def test_question_of_a_child_comes_before_the_budget_and_its_answer_before_the_rest() -> None:
    lab = Lab(
        facts=PRICED,
        lead=[
            spends(100, call("payer", task="x"), call("worker", task="y")),
            spends(100, say("so far")),
            spends(100, say("all")),
        ],
        payer=[spends(100, call("pay", key="1")), spends(100, say("paid"))],
        worker=[spends(8700, say("half"), call("look"))],
    )
    payer = Agent("payer", model="m", tools=[lab.tool("pay")], permissions={"pay": "always_ask"})
    log = lab.run(Agent("lead", model="m", callable_agents=[payer, looker(lab, "worker")]), limits=TEN)
    assert idles(log) == ["requires_action"]

    lab.tell(Update(budget=Decimal(30)))
    assert lab.played().state.status == "idle"  # the question still stands
    lab.answer("pay", allow=True)
    log = lab.resume()

    assert idles(log) == ["requires_action", "end_turn"]
    assert log.said_to("payer") == "paid"


def test_limit_of_the_agent_itself_stays_where_the_sessions_is_raised() -> None:
    lab = Lab(facts=PRICED, lead=[spends(4000, call("look")), spends(500, say("so far")), "never"])
    lead = Agent("lead", model="m", tools=[lab.tool("look")], limits=Limits(usd=6))
    lab.run(lead, limits=SessionLimits(usd=50))

    lab.tell(Update(budget=Decimal(60)))
    log = lab.resume()

    assert (log.text, log.stop_reason, len(log.requests("lead"))) == ("so far", "budget_reached", 2)


@pytest.mark.parametrize("elsewhere", [True, False])
@pytest.mark.parametrize("tenths", range(0, 40, 2))
def test_whenever_the_budget_is_raised_the_work_is_done_in_the_end(tenths: int, elsewhere: bool) -> None:
    lab = Lab(
        facts=PRICED,
        commit_s=0.3,
        lead=[
            spends(8500, call("look"), seconds=0.5),
            Reply((say("so far"),), usage=Usage(output_tokens=100)),
            *[spends(100, say("all"))] * 3,
        ],
    )
    log = lab.run(looker(lab, seconds=0.5), limits=TEN, acts=[(tenths / 10, raised(30, elsewhere=elsewhere))])
    if not log.of("session.updated"):  # it had come to its end
        lab.tell(Update(budget=Decimal(30)))
    if lab.row().is_unfinished:
        log = lab.resume()

    assert (log.state.status, log.stop_reason, log.state.cap) == ("idle", "end_turn", None)
    assert log.state.settings.usd == Decimal(30)


@pytest.mark.parametrize("point", range(0, 30, 2))
def test_session_whose_budget_was_raised_goes_on_after_a_kill_anywhere(point: int) -> None:
    lab, _ = stopped()
    lab.tell(Update(budget=Decimal(30)))
    try:
        log = lab.resume(fuse=Fuse(point))
    except Killed:
        lab.played()
        log = lab.resume()

    assert (log.text, log.stop_reason) == ("all", "end_turn")


def test_title_and_metadata_change_while_the_session_works_and_disturb_nobody() -> None:
    lab = Lab(lead=[call("look"), "done"])
    acts = [(2, lambda live: live.accept(Update(title="new", metadata={"a": "b"})))]
    log = lab.run(looker(lab, seconds=5), acts=acts)

    assert (log.text, log.seconds, idles(log)) == ("done", 5, ["end_turn"])
    about = lab.world.log.sessions[SESSION].row.about
    assert (about.title, about.metadata) == ("new", {"a": "b"}) == (log.state.about.title, log.state.about.metadata)


def test_own_limit_of_an_agent_locks_no_session_that_has_money() -> None:
    lab = Lab(lead=[spends(100, call("look")), spends(100, say("two")), spends(100, say("three"))], facts=PRICED)
    agent = Agent("lead", model="m", tools=[lab.tool("look")], limits=Limits(turns=1))
    log = lab.run(agent, limits=SessionLimits(usd=1000))
    assert idles(log) == ["budget_reached"]

    lab.tell(SendMessage(content=text("more"), waits=False))

    assert lab.resume().kinds().count("user.message") == 4  # both, waiting and taken
    lab.tell(SendMessage(content=text("and more"), waits=False))


def test_message_behind_an_interrupt_waits_for_nobody() -> None:
    lab = Lab(lead=[call("pay"), "done"])
    lab.run(Agent("lead", model="m", tools=[lab.tool("pay")], permissions={"pay": "always_ask"}))
    with pytest.raises(Refused, match="give it first, or interrupt"):
        lab.tell(SendMessage(content=text("hello?"), waits=False))

    lab.tell(Interrupt())
    lab.tell(SendMessage(content=text("do something else"), waits=False))

    assert lab.resume().text == "done"
