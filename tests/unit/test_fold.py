"""The fold of the log is the state in memory is the projections, whatever models, tools, people and crashes do."""

from collections import Counter
from copy import deepcopy
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from podium.core.content import TextBlock, ToolUseBlock, text
from podium.core.definitions import SELF, Callee, Definition
from podium.core.events import Usage
from podium.core.facts import LimitMet, SessionSettings
from podium.core.inputs import Archive, InputRequest, Interrupt, Resume, SendMessage, Update
from podium.core.joins import Rule
from podium.core.records import Draft, Unknown, answers, decode, listed_id
from podium.core.rows import Changes
from podium.core.session import SessionState, fold
from podium.core.steps import (
    CallModel,
    CallOff,
    Correct,
    Detach,
    EndWaits,
    Failed,
    Finish,
    Lift,
    Limited,
    RunProgram,
    RunTools,
    Stop,
    Wait,
    Warn,
)
from podium.core.thread import ThreadState
from podium.errors import Refused
from tests.unit.play import COUNT_SCHEMA, Play, agent, calls, says

BLOCKS: list[TextBlock | ToolUseBlock] = [
    says("so"),
    calls("grep", path="x"),
    calls("grep", path=5),
    calls("nothing"),
    calls("middle", task="m"),
    calls("leaf", task="l"),
    calls("leaf"),
    calls("create_agent", name="scout", system="Look.", task="s", tools=["grep"]),
    calls("submit_result", count=1),
    calls("submit_result", count="one"),
]
Blocks = list[TextBlock | ToolUseBlock]
Settings = tuple[SessionSettings, int | None, bool, Rule, int]

CAP = Decimal(10)

# Mostly work: a session that is always disturbed gets nowhere.
KINDS = ["work"] * 20 + ["send"] * 3 + ["notice", "take interrupt", "interrupt", "pause", "resume"]
KINDS += ["crash", "model fails", "limit", "failure", "wish", "wish", "budget", "cap"]
acts = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 7), st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=4)),
    min_size=20,
    max_size=60,
)
worlds = st.builds(
    lambda depth, live, turns, owes, join, retries: (
        SessionSettings(depth=depth, live_threads=live, usd=CAP),
        turns,
        owes,
        join,
        retries,
    ),
    st.integers(1, 3),
    st.sampled_from([None, 1, 3]),
    st.sampled_from([None, 6]),
    st.booleans(),
    st.sampled_from(["best_effort", "all", "any", 2]),
    st.integers(0, 2),
)


class World:
    """A driver, its models and tools, and people who send and interrupt. The driver folds their inputs late."""

    def __init__(
        self, settings: SessionSettings, turns: int | None, owes_result: bool, join: Rule, retries: int
    ) -> None:
        leaf = agent("leaf", tools=["grep"], tokens=50)
        middle = agent("middle", calls=[leaf], tools=["grep"], output_schema=COUNT_SCHEMA)
        middle = msgspec.structs.replace(middle, roster=(*middle.roster, Callee("middle", SELF)))
        schema = COUNT_SCHEMA if owes_result else None
        lead: Definition = agent(
            "lead", calls=[middle, leaf], tools=["grep"], turns=turns, output_schema=schema, inline=True, join=join
        )
        roster = tuple(msgspec.structs.replace(callee, retries=retries) for callee in lead.roster)
        lead = msgspec.structs.replace(lead, roster=roster)
        self.play = Play(lead, middle, leaf, settings=settings)
        self.replayed = SessionState("sesn_1", self.play.definitions)
        self.read = 0  # records replayed
        self.late: list[Draft] = []  # in the log, not yet folded by the driver

    def act(self, what: str, number: int, blocks: Blocks) -> None:
        self.play.pass_(1)
        state = self.play.state
        is_running = state.status == "running"
        running = [thread for thread in state.threads.values() if thread.status == "running"]
        thread = running[number % len(running)] if running else None
        match what:
            case "send":
                self.accept(SendMessage(content=text("more")))
            case "interrupt" | "pause":
                self.accept(Interrupt(pause=what == "pause"))
            case "resume" if self.play.rows.paused and not is_running:
                self.accept(Resume())
            case "notice":
                self.notice()
                if is_running:
                    self.play.sees_to_wishes()
            case "crash" if is_running:
                self.late = []
                self.play.taken_over()
            case "take interrupt" if any(state.interrupts()) and is_running:
                self.play.interrupted()
            case "work" if thread is not None:
                self.work(thread, number, blocks)
            case "model fails" if thread is not None and thread.span is not None:
                self.play.fails_to_reply(thread)
            case "limit" if thread is not None:
                self.play.ends(thread, Limited(LimitMet("turns", "agent", 1, 1)))
            case "cap" if thread is not None:
                self.play.ends(thread, Limited(LimitMet("usd", "session", float(state.settings.usd or 0), 10)))
            case "budget":
                budget = (self.play.row().about.budget or CAP) + 1
                self.accept(Update(title=f"for {budget}", budget=budget, has_budget=number > 0))
            case "wish":
                threads = list(state.threads)
                self.accept(Archive(thread=threads[number % len(threads)]))
            case "failure" if thread is not None:
                self.play.ends(thread, Failed("broken"))
        self.end_turn()

    def work(self, thread: ThreadState, number: int, blocks: Blocks) -> None:
        if thread.span is not None:
            self.play.answer(thread, *blocks, usage=Usage(number, 1))
            return
        match self.play.step(thread):
            case CallModel():
                self.play.ask(thread)
            case RunTools(ready):
                self.play.returns(thread, ready[number % len(ready)].id)
            case Correct() | Finish() | EndWaits() | Detach() | CallOff() | Warn() | Lift() | Stop():
                self.play.moves(thread)
            case Wait() | RunProgram():
                pass

    def end_turn(self) -> None:
        if not self.play.state.is_quiet or self.play.state.status != "running":
            return
        self.notice()
        if any(self.play.state.interrupts()):
            self.play.interrupted()
        self.play.sees_to_wishes()
        if not self.play.state.is_quiet:
            return
        if self.play.state.has_message:
            self.play.goes_on()
        else:
            self.play.idles()

    def notice(self) -> None:
        self.play.folds(self.late)
        self.late = []

    def accept(self, request: InputRequest) -> None:
        was_idle = self.play.rows.session.status == "idle"
        try:
            self.late += self.play.admits(request)
        except Refused:
            return
        if was_idle:  # nobody drove it: the next driver folds the whole log
            self.late = []
            self.play.state = fold("sesn_1", self.play.definitions, self.play.log)
            if self.play.state.status == "running":
                self.play.taken_over()

    def replay(self) -> SessionState:
        """The log as it is read back from a disk, folded to its end."""
        for record in self.play.log[self.read :]:
            self.replayed.apply(record.thread, record.at, decode(record.body))
        self.read = len(self.play.log)
        return self.replayed


# --- what is compared ------------------------------------------------------------------------------


def thread_snapshot(thread: ThreadState) -> dict[str, Any]:
    known = {name: getattr(thread, name) for name in ThreadState.__slots__ if name != "transcript"}
    transcript = deepcopy(thread.transcript)
    known["sent"] = tuple(transcript.sent())
    transcript.send()
    known["sent next"] = tuple(transcript.sent())
    return known


def snapshot(state: SessionState) -> dict[str, Any]:
    """Everything the state knows, in a form that can be compared."""
    hidden = ("definitions", "threads", "_news")
    known = {name: value for name, value in vars(state).items() if name not in hidden}
    return known | {thread.id: thread_snapshot(thread) for thread in state.threads.values()}


def rows(changes: Changes) -> tuple[object, ...]:
    """Projections, whatever the order of the calls."""
    calls = {call.id: call for call in changes.opened}
    return changes.session, changes.paused, changes.threads, calls, changes.closed


# --- what holds ------------------------------------------------------------------------------------


@given(worlds, acts)
def test_state_in_memory_and_projections_are_the_fold_of_the_log(
    settings: Settings, acts: list[tuple[str, int, Blocks]]
) -> None:
    world = World(*settings)
    for act in acts:
        world.act(*act)

        replayed = world.replay()
        assert rows(world.play.rows.whole()) == rows(replayed.projection())
        if not world.late:
            assert snapshot(world.play.state) == snapshot(replayed)

    world.notice()
    again = fold("sesn_1", world.play.definitions, world.play.log)
    assert snapshot(world.play.state) == snapshot(again)
    assert again.usage == sum((thread.usage for thread in again.threads.values()), Usage())


@given(worlds, acts)
def test_every_call_has_one_result_at_most_and_nothing_is_open_below_a_thread_that_ended(
    settings: Settings, acts: list[tuple[str, int, Blocks]]
) -> None:
    world = World(*settings)
    for act in acts:
        world.act(*act)

        threads = world.play.state.threads
        for thread in threads.values():
            children = [child for child in threads.values() if child.parent == thread.id and not child.background]
            delegated = [call.child for call in thread.calls.values() if call.child is not None]
            if thread.status == "running":
                assert {child.id for child in children if child.status == "running"} == set(delegated)
                assert delegated or thread.span is not None or not isinstance(world.play.step(thread), Wait)
            else:
                assert (thread.calls, thread.span) == ({}, None)
                assert all(child.status != "running" for child in children)
        if world.play.state.status == "idle":
            assert world.play.main.status == "idle"

    results = Counter(call for record in world.play.log if (call := answers(record.event)) is not None)
    ids = Counter(id for record in world.play.log if (id := listed_id(record.event)) is not None)
    assert set(results.values()) <= {1}
    assert set(ids.values()) <= {1}


@given(worlds, acts)
def test_model_is_sent_alternating_messages_with_every_result_where_it_belongs(
    settings: Settings, acts: list[tuple[str, int, Blocks]]
) -> None:
    world = World(*settings)
    for act in acts:
        world.act(*act)

        for thread in world.play.state.threads.values():
            sent = thread.transcript.sent()
            assert [m.role for m in sent] == [("user", "assistant")[n % 2] for n in range(len(sent))]
            for reply, answer in zip(sent[1::2], sent[2::2], strict=False):
                asked = [block.id for block in reply.content if isinstance(block, ToolUseBlock)]
                assert [getattr(block, "tool_use_id", None) for block in answer.content[: len(asked)]] == asked


@given(worlds, acts, st.data())
def test_log_with_a_record_that_this_version_cannot_read_is_folded_all_the_same(
    settings: Settings, acts: list[tuple[str, int, Blocks]], data: st.DataObject
) -> None:
    world = World(*settings)
    for act in acts:
        world.act(*act)
    log = list(world.play.log)
    at = data.draw(st.integers(0, len(log) - 1))
    unread = Unknown(log[at].type, log[at].body)

    state = fold(
        "sesn_1", world.play.definitions, [*log[:at], msgspec.structs.replace(log[at], event=unread), *log[at + 1 :]]
    )

    assert set(state.threads) <= set(world.play.state.threads)


def test_text_that_this_version_cannot_read_is_left_out_of_the_transcript() -> None:
    play = Play(agent("lead", tools=["grep"]))
    play.replies(play.main, says("a text"), calls("grep"))
    log = [
        msgspec.structs.replace(record, event=Unknown(record.type, record.body))
        if record.type == "agent.message"
        else record
        for record in play.log
    ]

    state = fold("sesn_1", play.definitions, log)

    [block] = state.main.transcript.sent()[-1].content
    assert isinstance(block, ToolUseBlock)
    assert list(state.main.calls) == list(play.main.calls)
