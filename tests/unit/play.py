"""A session played through the core alone: no engine, no store, every record and every rule.

`Play` is what a driver does, one call after another, with the tests in the place of models and tools.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import count

from msgspec.structs import replace

from podium.core.admission import admit
from podium.core.content import TextBlock, ToolUseBlock, text
from podium.core.definitions import Callee, Definition, ToolSpec, tool_name
from podium.core.ending import archive, finish
from podium.core.events import (
    AgentToolResult,
    SessionRunning,
    ThreadRunning,
    Usage,
    UserInterrupt,
    UserMessage,
)
from podium.core.facts import ArchiveTaken, AttemptFailed, DrivingStarted, SessionCreated, SessionSettings
from podium.core.inputs import InputRequest, SendMessage
from podium.core.moment import Moment
from podium.core.ports import Reply
from podium.core.records import Draft, Event, Record, encode, listed_id
from podium.core.reply import record_reply
from podium.core.rows import About, CallRow, Changes, SessionFacts, SessionRow, ThreadRow, View
from podium.core.session import SessionState, fold
from podium.core.standing import lift, record_idle, settle, settle_session, standing
from podium.core.steps import (
    CallModel,
    CallOff,
    Correct,
    Detach,
    Ending,
    EndWaits,
    Finish,
    Interrupted,
    Lift,
    Step,
    Stop,
    Warn,
    next_step,
)
from podium.core.thread import ThreadState
from podium.core.turn import record_call, record_failure, record_step, take_answers

START = datetime(2025, 1, 1, tzinfo=UTC)
ANY_OBJECT = {"type": "object"}
COUNT_SCHEMA = {
    "type": "object",
    "properties": {"count": {"type": "integer"}},
    "required": ["count"],
    "additionalProperties": False,
}


def tool(name: str) -> ToolSpec:
    return ToolSpec(name, "", {"type": "object", "properties": {"path": {"type": "string"}}})


def agent(name: str, *, calls: Iterable[Definition] = (), tools: Iterable[str] = (), **fields: object) -> Definition:
    """A definition with these on its roster and these tools."""
    roster = tuple(Callee(tool_name(callee.name), callee.version) for callee in calls)
    specs = tuple(tool(name) for name in tools)
    return Definition(name=name, model="fake", roster=roster, tools=specs, **fields)  # type: ignore[arg-type]


def team(*definitions: Definition) -> dict[str, Definition]:
    return {definition.version: definition for definition in definitions}


def says(words: str) -> TextBlock:
    return TextBlock(words)


def calls(name: str, /, **given: object) -> ToolUseBlock:
    return ToolUseBlock("provider's", name, dict(given))


class Play:
    """One session: its log, its live state, and the projections that its appends add up to."""

    def __init__(self, lead: Definition, *others: Definition, settings: SessionSettings | None = None) -> None:
        self.definitions = team(lead, *others)
        self.now = START
        self.log: list[Record] = []
        self._ids = count(1)
        self.state = SessionState("sesn_1", self.definitions)
        self.rows = Rows()  # what a store's projections would be
        self.epoch = 1
        main = self.new_id("sthr")
        at = self.moment()
        created = SessionCreated(agent=lead.version, title="play", settings=settings or SessionSettings())
        at.private(main, created)
        at.own(main, UserMessage(id=at.event_id(), processed_at=at.now, content=text("go")))
        at.own(main, SessionRunning(id=at.event_id(), processed_at=at.now))
        running = ThreadRunning(id=at.event_id(), processed_at=at.now, session_thread_id=main, agent_name=lead.name)
        at.own(main, running)
        self.append(at)

    # --- time, ids, the log --------------------------------------------------------------------------

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._ids):05}"

    def moment(self) -> Moment:
        return Moment(self.now, self.new_id)

    def pass_(self, seconds: float) -> None:
        """Time goes by."""
        self.now += timedelta(seconds=seconds)

    def write(self, drafts: Iterable[Draft]) -> None:
        """Put records into the log."""
        for draft in drafts:
            seq = len(self.log) + 1
            body = encode(draft.event)
            self.log.append(Record("sesn_1", seq, draft.thread, draft.views, draft.at, body, draft.event))

    def append(self, at: Moment) -> list[Event]:
        """Commit what the driver made, and fold it."""
        self.write(at.drafts)
        self.state.fold(at)
        self.rows.take(self.state.changes())
        return [draft.event for draft in at.drafts]

    def does(self, make: Callable[[Moment], None]) -> list[Event]:
        at = self.moment()
        make(at)
        return self.append(at)

    # --- who is there --------------------------------------------------------------------------------

    @property
    def main(self) -> ThreadState:
        return self.state.main

    def thread(self, agent_name: str) -> ThreadState:
        """The latest thread of this agent."""
        return [thread for thread in self.state.threads.values() if thread.definition.name == agent_name][-1]

    def step(self, thread: ThreadState) -> Step:
        return next_step(self.state, thread, self.now)

    # --- what a driver does --------------------------------------------------------------------------

    def ask(self, thread: ThreadState) -> None:
        """A model call begins, and takes the messages that wait for the primary thread."""

        step = self.step(thread)

        def start(at: Moment) -> None:
            if thread is self.main:
                for event in list(self.state.queue.values()):
                    if isinstance(event, UserMessage):
                        at.own(thread.id, UserMessage(id=event.id, processed_at=at.now, content=event.content))
            record_call(thread, step.purpose if isinstance(step, CallModel) else "turn", None, at)

        self.does(start)

    def answer(self, thread: ThreadState, *blocks: TextBlock | ToolUseBlock, usage: Usage | None = None) -> list[Event]:
        """The model call under way gets this reply."""
        reply = Reply(tuple(blocks), usage=usage or Usage())

        def record(at: Moment) -> None:
            record_reply(self.state, thread, reply, at)
            settle(self.state, thread, at)

        return self.does(record)

    def replies(
        self, thread: ThreadState, *blocks: TextBlock | ToolUseBlock, usage: Usage | None = None
    ) -> list[Event]:
        """A whole model call."""
        self.ask(thread)
        return self.answer(thread, *blocks, usage=usage)

    def fails_to_reply(self, thread: ThreadState) -> None:
        """The model call under way ends without a reply."""
        assert thread.span is not None
        failed = AttemptFailed(
            span=thread.span, reason="it broke", kind="transient", attempt=thread.attempts + 1, retry_at=self.now
        )
        self.does(lambda at: record_failure(thread, failed, None, Usage(1, 0), at))

    def returns(self, thread: ThreadState, call: str, words: str = "done") -> None:
        """A tool call has its result."""
        result = AgentToolResult(id=self.new_id("sevt"), processed_at=self.now, tool_use_id=call, content=text(words))
        self.does(lambda at: at.own(thread.id, result))

    def ends(self, thread: ThreadState, ending: Ending) -> list[Event]:
        """The thread ends so."""

        def end(at: Moment) -> None:
            finish(self.state, thread, ending, at)
            settle(self.state, thread, at)

        return self.does(end)

    def moves(self, thread: ThreadState) -> list[Event]:
        """The step that needs no model and no tool: a correction, for example, or the end."""
        match step := self.step(thread):
            case Correct() | Warn() | Lift() | Stop() | Detach() | CallOff() | EndWaits():

                def record(at: Moment) -> None:
                    record_step(self.state, thread, step, at)
                    settle(self.state, thread, at)

                return self.does(record)
            case Finish(ending):
                return self.ends(thread, ending)
            case other:
                raise AssertionError(f"there is nothing to do by itself: {other}")

    def interrupted(self) -> list[Event]:
        """The driver takes the interrupts that wait, and closes everything."""

        def take(at: Moment) -> None:
            for event in list(self.state.queue.values()):
                if isinstance(event, UserInterrupt):
                    at.own(self.main.id, UserInterrupt(id=event.id, processed_at=at.now))
            for thread in self.state.threads.values():
                self.state.fold(at)
                if thread.is_open:
                    finish(self.state, thread, Interrupted(), at)
            settle(self.state, self.main, at)

        return self.does(take)

    def sees_to_wishes(self) -> list[Event]:
        """The driver archives what is to be archived and at rest, and lifts what a new budget stops no more."""

        def see(at: Moment) -> None:
            for wish, id in list(self.state.archiving.items()):
                thread = self.state.threads[id]
                at.private(id, ArchiveTaken(input=wish))
                if (standing(self.state, thread, at.now)[0] if thread.is_open else thread.status) == "idle":
                    archive(self.state, thread, at)
                self.state.fold(at)
                settle(self.state, thread, at)
            lift(self.state, at)
            settle_session(self.state, at)

        return self.does(see)

    def takes_answers(self, thread: ThreadState) -> list[Event]:
        """A person's answers to the thread's calls are taken."""

        def take(at: Moment) -> None:
            take_answers(self.state, thread, at)
            settle(self.state, thread, at)

        return self.does(take)

    def goes_on(self) -> None:
        """A message came while the primary's turn ended: it begins another."""
        running = ThreadRunning(
            id=self.new_id("sevt"),
            processed_at=self.now,
            session_thread_id=self.main.id,
            agent_name=self.main.definition.name,
        )
        self.does(lambda at: at.own(self.main.id, running))

    def idles(self) -> list[Event]:
        """Nothing can move: the session goes idle."""

        def idle(at: Moment) -> None:
            record_idle(self.state, at)

        return self.does(idle)

    def taken_over(self) -> None:
        """A new driver folds the log anew and goes on."""
        self.state = fold("sesn_1", self.definitions, self.log)
        self.epoch += 1
        self.does(lambda at: at.private(self.main.id, DrivingStarted(epoch=self.epoch)))

    # --- what a person does --------------------------------------------------------------------------

    def admits(self, request: InputRequest) -> list[Draft]:
        """An input is accepted and in the log; the driver has not folded it yet."""
        at = self.moment()
        events = {listed_id(record.event): record.event for record in self.log}
        view = View(self.row(), tuple(self.rows.threads.values()), tuple(self.rows.calls.values()), events.get)
        _, changes = admit(view, request, at)
        self.write(at.drafts)
        self.rows.take(changes)
        return at.drafts

    def folds(self, drafts: Iterable[Draft]) -> None:
        """The driver folds what others have written."""
        for draft in drafts:
            self.state.apply(draft.thread, draft.at, draft.event)
        self.rows.take(self.state.changes())

    def gets(self, request: InputRequest) -> None:
        """An input is accepted, and folded at once."""
        self.folds(self.admits(request))

    def hears(self, words: str) -> None:
        self.gets(SendMessage(content=text(words)))

    def row(self) -> SessionRow:
        """The session's row as a store has it."""
        return SessionRow(
            id="sesn_1",
            workspace="default",
            about=self.rows.about or self.state.about,
            agent=self.main.agent,
            agent_name=self.main.definition.name,
            agent_id="agent_1",
            agent_number=1,
            environment="",
            has_prices=self.state.settings.has_prices,
            created_at=START,
            updated_at=START,
            needs=(),
            program="",
            facts=self.rows.session,
            paused=self.rows.paused,
            head=len(self.log),
            epoch=self.epoch,
            owner="wrkr_1",
        )


class Rows:
    """The projections as a store keeps them: what the appends' changes add up to."""

    def __init__(self) -> None:
        self.session = SessionFacts("idle", None, Usage())
        self.paused = False
        self.about: About | None = None  # as somebody changed it
        self.threads: dict[str, ThreadRow] = {}
        self.calls: dict[str, CallRow] = {}

    def take(self, changes: Changes) -> None:
        """What a store does with an append's changes."""
        self.session = changes.session
        self.paused = self.paused if changes.paused is None else changes.paused
        self.about = changes.about or self.about
        self.threads |= {row.id: row for row in changes.threads}
        self.calls |= {call.id: call for call in (*changes.opened, *changes.moved)}
        self.calls |= {id: replace(self.calls[id], state="answered") for id in changes.answered}
        for call in changes.closed:
            self.calls.pop(call, None)

    def whole(self) -> Changes:
        """In the form in which a fold gives them."""
        return Changes(self.session, self.paused, tuple(self.threads.values()), tuple(self.calls.values()))
