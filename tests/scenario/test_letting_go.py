"""How a driver ends before its session does: in good order, fenced off, or with its store down."""

import asyncio

import pytest

from podium import Agent, call
from podium.core.content import plain
from podium.core.ports import Append
from podium.engine.recover import UNKNOWN_OUTCOME
from podium.errors import Fenced, Owned, StoreDown
from podium.store.memory import MemoryStore
from tests.crash.plays import PLAYS
from tests.crash.points import essence, killed_at, live
from tests.lab.cast import after
from tests.lab.lab import SESSION, Happening, Lab, Live, said, said_elsewhere
from tests.lab.world import Fuse


def lab_with_tools() -> tuple[Lab, Agent]:
    lab = Lab(
        lead=[[call("once", key="1"), call("again", key="1"), call("a", task="x")], "done"],
        a=[[call("once", key="a")], after(1, "a")],
    )
    once, again = lab.tool("once", seconds=4), lab.tool("again", seconds=4, idempotent=True)
    a = Agent("a", model="m", tools=[once])
    return lab, Agent("lead", model="m", tools=[once, again], callable_agents=[a])


def test_cancelled_run_lets_go_in_good_order_and_can_be_resumed() -> None:
    lab, lead = lab_with_tools()

    log = lab.run(lead, acts=[(1, lambda live: live.let_go())])

    assert log.kinds()[-1] == "driving.stopped"
    assert (log.state.status, lab.row().owner, log.effects) == ("running", None, [])

    log = lab.resume()

    assert (log.text, log.stop_reason) == ("done", "end_turn")
    assert [plain(result.content) for result in log.results_of("once")] == [UNKNOWN_OUTCOME] * 2
    assert [effect.tool for effect in log.effects] == ["again"]
    after_start = log.kinds()[log.kinds().index("driving.stopped") + 1 :]
    assert after_start[:4] == ["driving.started", "agent.tool_result", "tool.started", "agent.tool_result"]


def test_idempotent_call_that_ended_three_processes_is_not_run_a_fourth_time() -> None:
    lab = Lab(lead=[[call("again", key="1")], "done"])
    lead = Agent("lead", model="m", tools=[lab.tool("again", seconds=9, idempotent=True)])
    lab.run(lead, acts=[(1, lambda live: live.let_go())])
    lab.resume(acts=[(1, lambda live: live.let_go())])
    log = lab.resume(acts=[(1, lambda live: live.let_go())])
    assert log.kinds().count("tool.started") == 3

    log = lab.resume()

    assert (log.said_to("again"), log.text, log.effects) == (UNKNOWN_OUTCOME, "done", [])


def test_message_that_comes_while_the_driver_lets_go_is_left_to_the_next_one() -> None:
    lab = Lab(lead=[[call("start_agent", agent="a", input={"task": "x"})], "on it", "done"], a=after(60, "a"))
    lead = Agent("lead", model="m", callable_agents=[Agent("a", model="m")])
    lab.commit_s = 1

    async def let_go_and_say(live: Live) -> None:
        leaving = asyncio.create_task(live.let_go())
        await asyncio.sleep(0.5)
        await live.say("more")
        await leaving

    log = lab.run(lead, acts=[(20, let_go_and_say)])

    assert log.kinds()[-2:] == ["user.message", "driving.stopped"]

    log = lab.resume()

    assert (log.text, log.stop_reason, log.state.queue) == ("done", "end_turn", {})


def test_session_let_go_is_free_for_another_process_at_once() -> None:
    lab, lead = lab_with_tools()

    async def and_look(live: Live) -> None:
        await live.let_go()
        assert await other_process(lab).claim(SESSION) == 2

    lab.run(lead, acts=[(1, and_look)])


def test_live_driver_cannot_be_robbed() -> None:
    lab, lead = lab_with_tools()

    async def try_to_rob(live: Live) -> None:
        before = lab.world.head()
        with pytest.raises(Owned):
            await other_process(lab).claim(SESSION)
        assert lab.world.head() == before

    log = lab.run(lead, acts=[(1, try_to_rob)])

    assert "driving.started" not in log.kinds()
    assert log.text == "done"


def test_fenced_driver_stops_and_writes_nothing_more() -> None:
    lab, lead = lab_with_tools()

    async def robbed(live: Live) -> None:
        lab.world.log.kill(live.process.worker)  # as far as others can tell
        await other_process(lab).claim(SESSION)

    with pytest.raises(Fenced, match="claimed by another driver"):
        lab.run(lead, acts=[(1, robbed)])

    log = lab.played()
    assert [log.at(record) for record in log.records][-1] == 0
    assert lab.row().epoch == 2
    lab.world.log.kill(lab.row().owner or "")

    log = lab.resume()

    assert log.text == "done"
    assert len([result for result in log.results_of("once") if plain(result.content) == UNKNOWN_OUTCOME]) == 2


@pytest.mark.parametrize("name", sorted(PLAYS))
def test_store_that_fails_once_at_any_append_leaves_a_session_that_goes_on(name: str) -> None:
    """The store works again at once, before the driver knows: what it had handed over may not stand over the hole."""
    calm = essence(killed_at(PLAYS[name])[1].state)
    fails_at, disk = 0, FailingDisk(0)
    while fails_at == 0 or disk.has_failed:
        play, disk = PLAYS[name](), FailingDisk(fails_at)
        play.lab.commit_s = 0.1
        play.lab.before_commit = disk.fail
        log = None
        while log is None or log.state.status != "idle" or log.state.paused:
            try:
                log = live(play, Fuse())
            except StoreDown:
                play.lab.played()  # what was left behind holds the invariants too
        if play.is_repeatable:
            assert essence(log.state) == calm
        fails_at += 1
    assert fails_at >= 5


class FailingDisk:
    """Fails once, at the nth append."""

    def __init__(self, at: int) -> None:
        self._left = at
        self.has_failed = False

    def fail(self, append: Append) -> None:
        self._left -= 1
        if self._left == -1:
            self.has_failed = True
            raise StoreDown("the disk is full")


def test_driver_whose_store_is_down_lets_go_without_a_word() -> None:
    lab, lead = lab_with_tools()

    def fail(append: Append) -> None:
        if lab.world.head() > 10:
            raise StoreDown("the disk is full")

    lab.before_commit = fail
    with pytest.raises(StoreDown, match="the disk is full"):
        lab.run(lead)
    assert "driving.stopped" not in lab.played().kinds()

    lab.before_commit = lambda append: None
    assert lab.resume().text == "done"


@pytest.mark.parametrize("nth", range(1, 8))
def test_record_that_cannot_be_written_ends_the_driver_and_not_the_session(nth: int) -> None:
    lab, lead = lab_with_tools()
    seen: list[Append] = []

    def refuse(append: Append) -> None:
        seen.append(append)
        if len(seen) == nth:
            raise UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed")

    lab.before_append = refuse
    with pytest.raises(UnicodeEncodeError):
        lab.run(lead)
    assert len(seen) == nth  # what was decided on that record is not written either

    lab.before_append = lambda append: None
    assert lab.resume().text == "done"


def test_session_that_ended_between_the_look_and_the_claim_is_left_as_it_is() -> None:
    lab = Lab(lead="done")
    before = lab.run(Agent("lead", model="m")).kinds()

    log = lab.resume(looks=False)

    assert (log.kinds(), lab.row().owner) == (before, None)


@pytest.mark.parametrize("message", [said("more"), said_elsewhere("more")], ids=["here", "elsewhere"])
def test_message_that_comes_while_an_idle_session_is_claimed_is_taken_once(message: Happening) -> None:
    lab = Lab(lead=["done", "more is done"])
    began = len(lab.run(Agent("lead", model="m")).records)
    lab.commit_s = 1

    log = lab.resume(looks=False, acts=[(0.5, message)])

    kinds = log.kinds()[began:]
    assert (log.text, log.stop_reason, kinds.count("session.thread_status_running")) == ("more is done", "end_turn", 1)
    assert kinds[:4] == ["user.message", "session.status_running", "session.thread_status_running", "driving.started"]


def test_process_killed_while_nobody_looks_is_taken_over() -> None:
    lab, lead = lab_with_tools()
    with pytest.raises(KeyboardInterrupt):
        lab.run(lead, fuse=Fuse(20))

    log = lab.resume()

    assert log.text == "done"
    assert log.kinds().count("driving.started") == 1


def other_process(lab: Lab) -> MemoryStore:
    from tests.lab.time import SimulatedClock

    clock = SimulatedClock(asyncio.get_running_loop())
    return MemoryStore(lab.world.log, clock, lab.world.new_id)
