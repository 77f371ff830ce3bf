"""A person archives a thread: it is over for good, with all below it, and whoever waits for it is told.

Only what is idle can be archived; while the session works, its driver sees to it.
"""

import asyncio
from contextlib import suppress

import pytest

from podium import Agent, ModelRequest, SessionLimits, call
from podium.core.content import text
from podium.core.events import SessionIdle, StopReason, ThreadTerminated
from podium.core.inputs import Archive, Confirm, Interrupt, SendMessage
from podium.errors import NotFound, Refused
from podium.models.rehearsal import Said
from tests.lab.cast import after
from tests.lab.lab import SESSION, Lab, Live, allowed, archived
from tests.lab.log import Played
from tests.lab.world import Fuse, Killed

GONE = "its thread was archived by a person"


def start(agent: str) -> object:
    return call("start_agent", agent=agent, input={"task": "x"})


def payer(lab: Lab, name: str = "payer", *callable_agents: Agent) -> Agent:
    """An agent whose tool asks first."""
    tools = [lab.tool("pay")]
    return Agent(name, model="m", tools=tools, permissions={"pay": "always_ask"}, callable_agents=callable_agents)


def lead(*callable_agents: Agent) -> Agent:
    return Agent("lead", model="m", callable_agents=callable_agents)


def terminated(log: Played) -> list[str]:
    """The agents whose threads ended for good, in the order in which they did."""
    ended = [record.event for record in log.records if isinstance(record.event, ThreadTerminated)]
    return [event.agent_name for event in ended]


def idles(log: Played) -> list[str]:
    return [record.event.stop_reason.type for record in log.records if isinstance(record.event, SessionIdle)]


def archive(lab: Lab, thread: str) -> Played:
    lab.tell(Archive(thread=thread))
    return lab.played()


# --- while the session is idle -----------------------------------------------------------------------


def test_thread_whose_turn_is_over_is_terminated_and_nothing_else_changes() -> None:
    lab = Lab(lead=[call("worker", task="x"), "done"], worker="report")
    before = lab.run(lead(Agent("worker", model="m")))

    log = archive(lab, before.thread("worker"))

    new = log.records[len(before.records) :]
    assert [(record.type, record.views) for record in new] == [("session.thread_status_terminated", 3)]
    assert (log.state.status, log.state_of("worker").status) == ("idle", "terminated")
    assert archive(lab, log.thread("worker")).records == log.records  # done once, it is done


def test_archived_thread_takes_no_message_of_its_parent_and_no_interrupt() -> None:
    def send(request: ModelRequest) -> Said:
        return call("send_to_agent", thread=log.thread("worker"), message="more")

    lab = Lab(lead=[call("worker", task="x"), "done", send, "alas"], worker="report")
    log = lab.run(lead(Agent("worker", model="m")))
    archive(lab, log.thread("worker"))

    after_it = lab.say("tell it more")

    assert after_it.said_to("send_to_agent") == "agent 'worker' has ended for good; call it anew"
    with pytest.raises(Refused, match="terminated"):
        lab.tell(Interrupt(thread=log.thread("worker")))


def test_archived_thread_frees_its_slot_and_an_idle_one_counts_until_then() -> None:
    lab = Lab(
        lead=[[start("payer"), start("payer")], "they ask", start("worker"), "full", start("worker"), "done", "all"],
        payer=call("pay", key="1"),
        worker="report",
    )
    limits = SessionLimits(live_threads=2)
    log = lab.run(lead(payer(lab), Agent("worker", model="m")), limits=limits)

    log = lab.say("one more")
    assert log.results_of("start_agent")[-1].is_error
    assert "limits.live_threads is 2" in str(log.results_of("start_agent")[-1].content)

    log = archive(lab, log.thread("payer"))
    log = lab.resume()
    assert [result.is_error for result in log.results_of("start_agent")] == [False, False, True, False]


def test_parent_that_is_blocked_on_an_archived_child_gets_an_error_and_goes_on() -> None:
    lab = Lab(lead=[call("payer", task="x"), "then without"], payer=call("pay", key="1"))
    before = lab.run(lead(payer(lab)))

    log = archive(lab, before.thread("payer"))

    assert [record.type for record in log.records[len(before.records) :]] == [
        "session.thread_status_terminated",
        "delegation.closed",
        "session.status_running",
        "session.thread_status_running",
    ]
    log = lab.resume()
    assert (log.text, log.said_to("payer"), log.effects) == ("then without", GONE, [])
    assert log.closings() == [("payer", "failed")]
    assert idles(log) == ["requires_action", "end_turn"]


def test_sibling_of_an_archived_thread_is_waited_for_and_the_call_of_the_other_cannot_be_answered() -> None:
    lab = Lab(lead=[[call("payer", task="x"), call("payer", task="y")], "done"], payer=[call("pay", key="1"), "paid"])
    log = lab.run(lead(payer(lab)))
    gone, left = lab.asking("pay", 0).id, lab.asking("pay", 1).id
    archived_at = len(log.records)
    log = archive(lab, log.thread("payer"))

    assert [record.type for record in log.records[archived_at:]] == [
        "session.thread_status_terminated",
        "delegation.closed",
        "session.thread_status_idle",
        "session.usage",
        "session.status_idle",
    ]
    assert log.state.stop_reason == log.state.main.stop_reason == StopReason("requires_action", (left,))
    with pytest.raises(Refused, match="waits no longer"):
        lab.tell(Confirm(call=gone, allow=True))
    lab.answer("pay", allow=True)
    assert lab.resume().text == "done"


def test_all_below_an_archived_thread_are_terminated_before_it() -> None:
    lab = Lab(
        lead=[call("middle", task="x"), "done"],
        middle=[[call("worker", task="y"), call("payer", task="z"), start("payer")], "never"],
        worker="report",
        payer=call("pay", key="1"),
    )
    middle = Agent("middle", model="m", callable_agents=[payer(lab), Agent("worker", model="m")])
    log = lab.run(lead(middle))

    log = archive(lab, log.thread("middle"))

    assert terminated(log) == ["worker", "payer", "payer", "middle"]
    log = lab.resume()
    assert (log.text, log.said_to("middle")) == ("done", GONE)
    assert lab.world.log.sessions[SESSION].calls == {}


def test_session_no_longer_asks_for_what_ended_below_an_archived_thread_whose_own_turn_was_over() -> None:
    lab = Lab(
        lead=[call("middle", task="x"), "done"],
        middle=[start("payer"), "it pays"],
        payer=[call("pay", key="1")],
    )
    before = lab.run(lead(Agent("middle", model="m", callable_agents=[payer(lab)])))
    assert before.stop_reason == "requires_action"

    log = archive(lab, before.thread("middle"))

    assert terminated(log) == ["payer", "middle"]
    assert idles(log) == ["requires_action", "end_turn"]
    assert lab.row().facts.stop_reason == StopReason("end_turn")


def test_coordinator_is_told_of_an_archived_child_in_the_background() -> None:
    lab = Lab(lead=[start("payer"), "I wait", "a pity"], payer=call("pay", key="1"))
    before = lab.run(lead(payer(lab)))

    archive(lab, before.thread("payer"))
    log = lab.resume()

    assert log.told("lead") == [f"News of agent 'payer', thread {before.thread('payer')}:", GONE]
    assert (log.text, idles(log)) == ("a pity", ["requires_action", "end_turn"])


def test_wait_for_agents_ends_when_the_one_it_waits_for_is_archived() -> None:
    lab = Lab(lead=[start("payer"), call("wait_for_agents"), "done"], payer=call("pay", key="1"))
    log = lab.run(lead(payer(lab)))

    archive(lab, log.thread("payer"))
    log = lab.resume()

    assert (log.text, log.said_to("wait_for_agents")) == ("done", "all have ended their turns; what they said follows")


def test_primary_thread_and_one_that_is_not_there_are_refused() -> None:
    lab = Lab(lead="done")
    log = lab.run(lead())

    with pytest.raises(Refused, match="archive the session instead"):
        lab.tell(Archive(thread=log.thread("lead")))
    with pytest.raises(NotFound):
        lab.tell(Archive(thread="sthr_none"))


def test_session_that_is_archived_ends_every_thread_the_primary_last() -> None:
    lab = Lab(lead=[[call("payer", task="x"), call("worker", task="y")], "never"], payer=call("pay"), worker="report")
    before = lab.run(lead(payer(lab), Agent("worker", model="m")))

    lab.tell(Archive())
    log = lab.played()

    assert [record.type for record in log.records[len(before.records) :]] == [
        *["session.thread_status_terminated"] * 3,
        "session.status_terminated",
    ]
    assert terminated(log) == ["payer", "worker", "lead"]
    for request in (SendMessage(content=text("more")), Interrupt(), Confirm(call="x", allow=True)):
        with pytest.raises(Refused, match="is archived"):
            lab.tell(request)


# --- while the session works -------------------------------------------------------------------------


def test_idle_thread_is_archived_by_the_driver_while_its_sibling_works() -> None:
    lab = Lab(lead=[[call("worker", task="x"), call("slow", task="y")], "done"], worker="report", slow=after(9, "slow"))
    log = lab.run(lead(Agent("worker", model="m"), Agent("slow", model="m")), acts=[(3, archived("worker"))])

    [ended] = log.of("session.thread_status_terminated")
    assert (log.at(ended), ended.thread, ended.views) == (3, log.thread("worker"), 3)
    assert (log.text, log.seconds, log.said_to("worker")) == ("done", 9, "report")
    assert log.state.archiving == {}


def test_child_that_asks_is_archived_by_the_driver_and_its_parent_goes_on_once_the_sibling_has_reported() -> None:
    lab = Lab(
        lead=[[call("payer", task="x"), call("slow", task="y")], "done"], payer=call("pay", key="1"), slow=after(9, "s")
    )
    log = lab.run(lead(payer(lab), Agent("slow", model="m")), acts=[(3, archived("payer"))])

    kinds = [record.type for record in log.records if log.at(record) == 3]
    assert kinds == [
        "archive.asked",
        "archive.taken",
        "agent.tool_result",
        "delegation.closed",
        "session.thread_status_terminated",
    ]
    assert (log.text, log.seconds, log.said_to("payer")) == ("done", 9, GONE)
    assert idles(log) == ["end_turn"]


def test_parent_whose_last_child_the_driver_archives_goes_on_at_once() -> None:
    lab = Lab(
        lead=[[call("middle", task="x"), start("slow")], "meanwhile", "done"],
        middle=[call("payer", task="y"), "without"],
        payer=call("pay", key="1"),
        slow=after(9, "slow"),
    )
    middle = Agent("middle", model="m", callable_agents=[payer(lab)])
    log = lab.run(lead(middle, Agent("slow", model="m")), acts=[(3, archived("payer"))])

    assert log.closings() == [("payer", "failed"), ("middle", "reported"), ("slow", "reported")]
    assert [log.at(record) for record in log.of("delegation.closed")] == [3, 3, 9]
    assert log.text == "done"


def test_thread_with_all_below_it_is_archived_by_the_driver_whatever_they_do() -> None:
    lab = Lab(
        lead=[[call("middle", task="x"), call("slow", task="y")], "done"],
        middle=[start("slow"), "it works"],
        slow=after(9, "slow"),
    )
    slow = Agent("slow", model="m")
    middle = Agent("middle", model="m", callable_agents=[slow])
    log = lab.run(lead(middle, slow), acts=[(3, archived("middle"))])

    assert terminated(log) == ["slow", "middle"]
    assert (log.text, log.seconds) == ("done", 9)
    assert log.closings() == [("middle", "reported"), ("slow", "stopped"), ("slow", "reported")]


def test_thread_that_works_is_refused() -> None:
    lab = Lab(lead=[call("slow", task="y"), "done"], slow=after(9, "slow"))

    with pytest.raises(Refused, match="works and cannot be archived; interrupt it first"):
        lab.run(lead(Agent("slow", model="m")), acts=[(3, archived("slow"))])
    assert lab.resume().text == "done"


def test_thread_that_is_woken_before_the_driver_comes_to_it_works_on() -> None:
    async def allows_and_archives(live: object) -> None:
        await allowed("pay")(live)  # type: ignore[arg-type]
        await archived("payer")(live)  # type: ignore[arg-type]

    lab = Lab(
        lead=[[call("payer", task="x"), call("slow", task="y")], "done"],
        payer=[call("pay", key="1"), after(1, "paid")],
        slow=after(9, "s"),
        commit_s=0.5,
    )
    log = lab.run(lead(payer(lab), Agent("slow", model="m")), acts=[(4, allows_and_archives)])

    assert [record.type for record in log.records].count("archive.taken") == 1
    assert (log.text, log.said_to("payer"), terminated(log)) == ("done", "paid", [])
    assert log.state.archiving == {}


def test_wish_that_a_crash_left_is_seen_to_by_the_next_driver() -> None:
    lab = Lab(
        lead=[[call("payer", task="x"), call("slow", task="y")], "done"], payer=call("pay", key="1"), slow=after(9, "s")
    )
    log = lab.run(lead(payer(lab), Agent("slow", model="m")), acts=[(3, lambda live: live.let_go())])
    archive(lab, log.thread("payer"))
    assert lab.played().state_of("payer").status == "idle"

    log = lab.resume()

    assert (log.text, log.said_to("payer"), terminated(log)) == ("done", GONE, ["payer"])


@pytest.mark.parametrize("tenths", range(80, 100, 2))
def test_wish_that_comes_as_the_session_goes_idle_is_not_lost(tenths: int) -> None:
    lab = Lab(lead=[call("worker", task="x"), after(8, "done")], worker="report", commit_s=0.4)
    with_it = [(tenths / 10, lambda live: live.elsewhere(Archive(thread=live.thread("worker"))))]
    log = lab.run(lead(Agent("worker", model="m")), acts=with_it)

    if log.of("archive.asked") or terminated(log):
        if log.state.status != "idle":
            log = lab.resume()
        assert (terminated(log), log.state.status, log.state.archiving) == (["worker"], "idle", {})


@pytest.mark.parametrize("point", range(0, 40, 3))
def test_wish_survives_a_kill_at_any_boundary_behind_it(point: int) -> None:
    lab = Lab(
        lead=[[call("payer", task="x"), call("slow", task="y")], "done"], payer=call("pay", key="1"), slow=after(9, "s")
    )
    log = lab.run(lead(payer(lab), Agent("slow", model="m")), acts=[(3, lambda live: live.let_go())])
    archive(lab, log.thread("payer"))
    try:
        log = lab.resume(fuse=Fuse(point))
    except Killed:
        lab.played()
        log = lab.resume()

    assert (log.text, log.said_to("payer"), terminated(log)) == ("done", GONE, ["payer"])


@pytest.mark.parametrize("tenths", range(31, 40))
def test_answer_that_comes_while_a_thread_below_is_slow_to_stop_does_not_bring_the_archived_one_back(
    tenths: int,
) -> None:
    async def slow_to_stop(request: ModelRequest) -> Said:
        try:
            await asyncio.sleep(60)
        finally:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1)
        return "never"

    lab = Lab(
        lead=[[call("payer", task="x"), call("slow", task="y")], "done"],
        payer=[[start("stubborn"), call("pay", key="1")], after(1, "paid")],
        stubborn=slow_to_stop,
        slow=after(9, "slow"),
    )
    team = lead(payer(lab, "payer", Agent("stubborn", model="m")), Agent("slow", model="m"))

    async def answers(live: Live) -> None:
        with suppress(Refused, IndexError):
            await allowed("pay")(live)

    log = lab.run(team, acts=[(3, archived("payer")), (tenths / 10, answers)])

    assert (log.text, log.said_to("payer"), terminated(log)) == ("done", GONE, ["stubborn", "payer"])
    assert log.effects == []
