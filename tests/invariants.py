"""The invariants of a session's log, checked over any store.

Which test holds which (numbers as in the design's list):

    1   seq has no gap and equals commit order            check: seqs; tests/lab/watch.py at every append
    2   an older driver cannot append                     tests/contract/test_store_claims.py,
                                                          tests/scenario/test_letting_go.py
    3   one result a call, effects after tool.started     check: calls, effects
    4   fold = memory = projections, at every record      check: prefixes, projections; tests/lab/watch.py at every
                                                          append, and the driver's own state at the end
    5   spend is the sum over all model calls             check: usage, money
    6   a child has a parent and a task; an open
        delegation ends                                   check: family, idle
    7   nothing acknowledged is missing                   tests/crash/test_kills.py
    8   an approval is consumed once                      check: approvals, effects
    9   idle means nothing can move                       check: idle, statuses
    10  core imports no asyncio and no I/O                import-linter, in `make check`

Beside them: what a model is sent has every call's result at the head of the next message in the order asked, each model
call begun is ended once, what is reserved is settled before its call ends, the status of each thread is what it and
those it waits for can do, agents are called again and stopped as declared (tests/delegations.py), bodies decode to what
was written, ids stand once in lists.
"""

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from podium.core.content import Message, ToolResultBlock, ToolUseBlock
from podium.core.definitions import WAIT, Definition
from podium.core.events import (
    AgentCustomToolUse,
    AgentToolResult,
    AgentToolUse,
    MessageReceived,
    ModelRequestEnd,
    ModelRequestStart,
    SessionDeleted,
    SessionIdle,
    SessionRunning,
    SessionTerminated,
    SessionUpdated,
    SessionUsage,
    StopReason,
    ThreadIdle,
    ThreadTerminated,
    Usage,
    UsageSnapshot,
    UserCustomToolResult,
    UserInterrupt,
    UserMessage,
    UserToolConfirmation,
    WorkflowPhaseEnded,
    WorkflowPhaseStarted,
    WorkflowRunCreated,
    WorkflowRunEnded,
    WorkflowRunIdle,
    WorkflowRunRunning,
)
from podium.core.facts import (
    AgentReplaced,
    BudgetReserved,
    BudgetSettled,
    CallRef,
    DelegationClosed,
    DelegationDetached,
    DelegationOpened,
    DelegationTriedAgain,
    HarnessCall,
    LimitLifted,
    LimitReached,
    ModelReplied,
    SessionPaused,
    SessionResumed,
    StepAsked,
    ToolStarted,
    WorkflowTold,
)
from podium.core.ports import Store
from podium.core.records import INPUTS, Record, Unknown, answers, decode, is_queued, listed_id, received_id
from podium.core.rows import ZERO, CallRow, InputRow, SessionRow, ThreadRow
from podium.core.session import SessionState, fold
from podium.core.steps import RunTools, Step, Wait, next_step
from podium.core.thread import OpenCall, ThreadState
from tests.delegations import delegation_violations
from tests.lab.world import Effect

# Inputs and what they change at once; what those are told who still wait after an answer after which nothing can run.
MAY_STAND_WHILE_IDLE = (
    *(*INPUTS, UserCustomToolResult, SessionResumed, SessionPaused, ThreadIdle, SessionUsage),
    *(SessionUpdated, AgentReplaced, LimitLifted, ThreadTerminated, DelegationClosed),
    *(SessionTerminated, SessionDeleted, WorkflowRunEnded),
)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A session as its store keeps it."""

    row: SessionRow
    records: Sequence[Record]
    threads: Sequence[ThreadRow]
    calls: Sequence[CallRow]
    inputs: Sequence[InputRow]
    definitions: Mapping[str, Definition]


async def check(store: Store, session: str, *, effects: Sequence[Effect] = ()) -> None:
    """Fail with everything that is wrong with this session.

    Shape: `effects` are what its tools did outside, for those who can tell.
    """
    kept = await read(store, session)
    wrong = violations(kept) + effect_violations(kept.records, effects)
    if wrong:
        log = "\n".join(f"{record.seq:4} {record.thread} {record.body.decode()[:150]}" for record in kept.records)
        raise AssertionError("\n".join(wrong) + f"\n\n{log}")


async def read(store: Store, session: str) -> Kept:
    """Everything the store knows of the session."""
    row = await store.session(session)
    records: list[Record] = []
    while page := await store.records(session, after=len(records)):
        records += page
    return Kept(
        row=row,
        records=records,
        threads=await store.threads(session),
        calls=await store.open_calls(session),
        inputs=await store.inputs(session),
        definitions=await store.definitions(row.agent),
    )


def violations(kept: Kept) -> list[str]:
    """What is wrong, in words."""
    wrong = seq_violations(kept) + _bodies(kept)
    if wrong:
        return wrong
    state = fold(kept.row.id, kept.definitions, kept.records)
    return [
        *_prefixes(kept, state),
        *projection_violations(kept, state),
        *_calls(kept, state),
        *_approvals(kept),
        *_spans(kept, state),
        *_workflows(kept, state),
        *_usage(kept, state),
        *_money(kept, state),
        *_family(kept, state),
        *delegation_violations(kept.records, state),
        *_inputs(kept, state),
        *_statuses(kept, state),
        *_idle(kept, state),
        *_transcripts(state),
    ]


def seq_violations(kept: Kept) -> list[str]:
    seqs = [record.seq for record in kept.records]
    if seqs != list(range(1, len(seqs) + 1)):
        return [f"seqs are not dense: {seqs}"]
    return [] if kept.row.head == len(seqs) else [f"the row says head {kept.row.head}, the log has {len(seqs)}"]


def _bodies(kept: Kept) -> list[str]:
    wrong = []
    for record in kept.records:
        event = decode(record.body)
        if isinstance(event, Unknown):
            wrong.append(f"record {record.seq} cannot be decoded: {record.body.decode(errors='replace')[:200]}")
        elif event != record.event:
            wrong.append(f"record {record.seq} decodes to {event}, written was {record.event}")
    ids = Counter(id for record in kept.records if (id := listed_id(record.event)) is not None)
    return wrong + [f"id {id} is listed {count} times" for id, count in ids.items() if count > 1]


def snapshot(state: SessionState) -> dict[str, Any]:
    """Everything a fold knows, as plain values that can be compared."""
    threads = {}
    for thread in state.threads.values():
        values = {name: getattr(thread, name) for name in thread.__slots__ if name not in ("transcript", "definition")}
        values["calls"] = list(thread.calls.values())
        values["worked_s"] = round(thread.worked_s, 6)
        values["transcript"] = tuple(thread.transcript.sent())
        values["awaits_reply"] = thread.transcript.awaits_reply
        threads[thread.id] = values
    names = ("settings", "needs", "program", "about", "created_at", "primary", "status", "stop_reason", "paused")
    sums = ("usage", "usd", "reserved_usd", "turns", "cap", "queue", "archiving")
    times = ("active_s", "threads_s", "running_since")
    whole = {name: getattr(state, name) for name in (*names, *sums, *times)}
    return {**whole, "threads": threads, "runs": copy.deepcopy(state.runs.by_id)}


def _prefixes(kept: Kept, whole: SessionState) -> list[str]:
    """Every prefix can be folded and decided on, and the fold of the whole does not depend on how it came about."""
    state = SessionState(kept.row.id, kept.definitions)
    for record in kept.records:
        state.apply(record.thread, record.at, record.event)
        state.changes()
        state.projection()
        for thread in state.threads.values():
            next_step(state, thread, record.at)
    return [] if snapshot(state) == snapshot(whole) else ["folding step by step ends elsewhere than folding at once"]


def projection_violations(kept: Kept, state: SessionState) -> list[str]:
    told = state.projection()
    wrong = []
    if kept.row.facts != told.session:
        wrong.append(f"the row says {kept.row.facts}, the log {told.session}")
    if kept.row.paused != bool(told.paused):
        wrong.append(f"the row says paused={kept.row.paused}, the log {told.paused}")
    if list(kept.threads) != list(told.threads):
        wrong.append(f"the thread rows are {kept.threads}, the log says {told.threads}")
    if sorted(kept.calls, key=lambda call: call.id) != sorted(told.opened, key=lambda call: call.id):
        wrong.append(f"the open calls are {kept.calls}, the log says {told.opened}")
    return wrong


def _calls(kept: Kept, state: SessionState) -> list[str]:
    asked: dict[str, int] = {}
    over: set[str] = set()  # calls of threads that ended for good, which nobody answers any more
    by_thread: dict[str, set[str]] = {}
    tools: set[str] = set()
    started: dict[str, list[int]] = {}
    answered: dict[str, int] = {}
    opened: set[str] = set()  # calls that wait for somebody: a child, children, or a person
    checkpoints: set[str] = set()  # of workflows: a yes is all that comes of them
    wrong = []
    for record in kept.records:
        event = record.event
        if isinstance(event, AgentToolUse):
            tools.add(event.id)
            if event.evaluated_permission == "ask":
                opened.add(event.id)
        if isinstance(event, AgentCustomToolUse):
            opened.add(event.id)
        if isinstance(event, ThreadTerminated):
            over |= by_thread.get(record.thread, set())
        if isinstance(event, ModelReplied):
            for part in event.parts:
                if isinstance(part, CallRef | HarnessCall):
                    made = part.event if isinstance(part, CallRef) else part.id
                    asked[made] = record.seq
                    by_thread.setdefault(record.thread, set()).add(made)
                if isinstance(part, HarnessCall) and part.name == WAIT:
                    opened.add(part.id)
        if isinstance(event, StepAsked):  # a call of a workflow
            asked[event.call] = record.seq
            by_thread.setdefault(record.thread, set()).add(event.call)
            if event.kind == "checkpoint":
                checkpoints.add(event.call)
            if event.kind == "function":  # it may run from here on
                opened.add(event.call)
        if isinstance(event, DelegationOpened):
            opened.add(event.call)
        if isinstance(event, ToolStarted):
            if event.call not in asked or event.call in answered:
                wrong.append(f"record {record.seq} starts call {event.call}, which is not open")
            started.setdefault(event.call, []).append(event.attempt)
        call = answers(event)
        if call is None:
            continue
        if call not in asked:
            wrong.append(f"record {record.seq} answers call {call}, which nobody made")
        if call in answered:
            wrong.append(f"call {call} has a result at {answered[call]} and another at {record.seq}")
        if isinstance(event, AgentToolResult) and not event.is_error and call not in {*started, *checkpoints}:
            wrong.append(f"call {call} succeeded at {record.seq} without having been started")
        answered[call] = record.seq
    for call, attempts in started.items():
        if attempts != list(range(1, len(attempts) + 1)):
            wrong.append(f"call {call} was started as attempts {attempts}")
        if call not in tools:
            wrong.append(f"call {call} was started, and no agent.tool_use shows it")
    open_now = {call for thread in state.threads.values() for call in thread.calls}
    if open_now != (unanswered := set(asked) - set(answered) - over):
        wrong.append(f"open are {open_now}, asked and not answered {unanswered}")
    if missing := open_now - set(started) - opened:
        wrong.append(f"calls {missing} are open, and nothing was started or opened for them")
    return wrong


def _approvals(kept: Kept) -> list[str]:
    """Each call that asks is answered once, the answer taken once, and the call started in the append that takes it."""
    wrong = []
    asks = _asks(kept.records)
    answered: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    customs = {
        record.event.id: record.thread for record in kept.records if isinstance(record.event, AgentCustomToolUse)
    }
    given: Counter[str] = Counter()
    for earlier, record in pairwise([kept.records[0], *kept.records]):
        event, before = record.event, earlier.event
        if isinstance(event, UserCustomToolResult):
            given[event.custom_tool_use_id] += 1
            if customs.get(event.custom_tool_use_id) != record.thread:
                wrong.append(f"record {record.seq} gives a result of {event.custom_tool_use_id}, no call of its thread")
        if isinstance(event, UserToolConfirmation):
            (answered if is_queued(event) else taken)[event.tool_use_id] += 1
            if event.tool_use_id not in asks:
                wrong.append(f"record {record.seq} answers call {event.tool_use_id}, which never asked")
            elif record.thread != asks[event.tool_use_id]:
                wrong.append(f"record {record.seq} stands in thread {record.thread}, its call in another")
        if isinstance(event, ToolStarted) and event.attempt == 1 and event.call in asks:
            is_allowed = (
                isinstance(before, UserToolConfirmation)
                and not is_queued(before)
                and (before.tool_use_id, before.result) == (event.call, "allow")
            )
            if not is_allowed:
                wrong.append(f"record {record.seq} starts call {event.call}, and no approval is taken with it")
    wrong += [f"call {call} was answered {count} times" for call, count in answered.items() if count > 1]
    wrong += [f"call {call} was given {count} results" for call, count in given.items() if count > 1]
    return wrong + [f"the answer to call {call} was taken {count} times" for call, count in taken.items() if count > 1]


def _asks(records: Sequence[Record]) -> dict[str, str]:
    """The calls that asked a person, with their threads."""
    uses = ((record.thread, record.event) for record in records if isinstance(record.event, AgentToolUse))
    return {use.id: thread for thread, use in uses if use.evaluated_permission == "ask"}


def effect_violations(records: Sequence[Record], effects: Sequence[Effect]) -> list[str]:
    """Effects that the log does not account for."""
    wrong = []
    starts: dict[str, list[int]] = {}
    allowed: dict[str, int] = {}
    for record in records:
        event = record.event
        if isinstance(event, ToolStarted):
            starts.setdefault(event.call, []).append(record.seq)
        if isinstance(event, UserToolConfirmation) and event.result == "allow":
            allowed.setdefault(event.tool_use_id, record.seq)
    happened = Counter(effect.call for effect in effects)
    asks = _asks(records)
    for effect in effects:
        if effect.call in asks and allowed.get(effect.call, effect.head + 1) > effect.head:
            wrong.append(f"the effect {effect} happened, and nobody had allowed it")
        if not any(seq <= effect.head for seq in starts.get(effect.call, [])):
            wrong.append(f"the effect {effect} happened before its call was started")
    for call, times in happened.items():
        if times > len(starts.get(call, [])):
            wrong.append(f"the effect of call {call} happened {times} times, started were {starts.get(call)}")
    return wrong


def _spans(kept: Kept, state: SessionState) -> list[str]:
    wrong = []
    begun: dict[str, str] = {}
    for record in kept.records:
        event = record.event
        if isinstance(event, ModelRequestStart):
            if record.thread in begun.values():
                wrong.append(f"thread {record.thread} begins two model calls at once, at {record.seq}")
            begun[event.id] = record.thread
        elif isinstance(event, ModelRequestEnd) and begun.pop(event.model_request_start_id, None) != record.thread:
            wrong.append(f"record {record.seq} ends a model call that was not under way")
    spans = {thread.span: thread.id for thread in state.threads.values() if thread.span is not None}
    return wrong if spans == begun else [*wrong, f"model calls under way: {begun} by the log, {spans} by the fold"]


def _usage(kept: Kept, state: SessionState) -> list[str]:
    total = Usage()
    wrong = []
    for record in kept.records:
        if isinstance(record.event, ModelRequestEnd):
            total += record.event.model_usage
        if isinstance(record.event, SessionUsage) and not _says(record.event.usage, total):
            wrong.append(f"record {record.seq} says {record.event.usage}, spent were {total}")
    of_threads = sum((thread.usage for thread in state.threads.values()), Usage())
    if not total == kept.row.facts.usage == of_threads:
        wrong.append(f"spent were {total}, the row says {kept.row.facts.usage}, its threads {of_threads}")
    return wrong


def _money(kept: Kept, state: SessionState) -> list[str]:
    """What is reserved is settled once, before its call ends; what was spent is the sum of that, at every level."""
    wrong = []
    begun: dict[str, str] = {}
    reserved: dict[str, tuple[str, Decimal]] = {}  # by span: its thread, and how much
    spent: dict[str, Decimal] = {}  # by thread
    for record in kept.records:
        event = record.event
        if isinstance(event, ModelRequestStart):
            begun[event.id] = record.thread
        elif isinstance(event, BudgetReserved):
            if begun.get(event.span) != record.thread:
                wrong.append(f"record {record.seq} reserves for a model call that is not under way")
            reserved[event.span] = record.thread, event.usd
        elif isinstance(event, BudgetSettled):
            if reserved.pop(event.span, None) is None:
                wrong.append(f"record {record.seq} settles what was not reserved")
            spent[record.thread] = spent.get(record.thread, ZERO) + event.usd
        elif isinstance(event, ModelRequestEnd) and event.model_request_start_id in reserved:
            wrong.append(f"record {record.seq} ends a model call whose reservation is not settled")
    for thread in state.threads.values():
        below = [each.id for each in state.threads.values() if thread in state.above(each)]
        own = (
            sum((spent.get(id, ZERO) for id in below), ZERO),
            sum((usd for id, usd in reserved.values() if id in below), ZERO),
        )
        if (thread.usd, thread.reserved_usd) != own:
            wrong.append(f"thread {thread.id} has {thread.usd}, {thread.reserved_usd} reserved; the log says {own}")
    whole = sum(spent.values(), ZERO), sum((usd for _, usd in reserved.values()), ZERO)
    if (state.usd, state.reserved_usd) != whole or kept.row.facts.usd != whole[0]:
        wrong.append(f"the session has {state.usd}, {state.reserved_usd} reserved; the log says {whole}")
    return wrong


def _workflows(kept: Kept, state: SessionState) -> list[str]:
    """A run is created first and ended last, rests and works in turn, leaves its phases; its program is told once."""
    wrong = []
    status: dict[str, str] = {}
    phases: dict[str, str] = {}  # open ones: the run of each, by the event that opened it
    told = 0
    for record in kept.records:
        event = record.event
        if isinstance(event, WorkflowRunCreated):
            wrong += [f"run {event.workflow_run_id} is created twice"] if event.workflow_run_id in status else []
            wrong += [f"record {record.seq} creates a run beside {status}"] if set(status.values()) - {"ended"} else []
            status[event.workflow_run_id] = "created"
        elif isinstance(event, WorkflowRunRunning | WorkflowRunIdle | WorkflowRunEnded):
            now = type(event).__name__.removeprefix("WorkflowRun").lower()
            before = status.get(event.workflow_run_id)
            if before in (None, "ended", now) or (before == "created") != (now == "running" and before != "idle"):
                wrong.append(f"record {record.seq} says the run is {now}, it was {before}")
            if now == "ended" and event.workflow_run_id in phases.values():
                wrong.append(f"record {record.seq} ends a run that is in a phase")
            status[event.workflow_run_id] = now
        elif isinstance(event, WorkflowPhaseStarted):
            wrong += [f"record {record.seq} begins a phase inside {phases}"] if phases else []
            phases[event.id] = event.workflow_run_id
        elif isinstance(event, WorkflowPhaseEnded):
            if phases.pop(event.phase_started_id, None) != event.workflow_run_id:
                wrong.append(f"record {record.seq} ends a phase that was not begun")
        elif isinstance(event, SessionResumed):
            told = 0
        elif isinstance(event, WorkflowTold):
            wrong += (
                [f"record {record.seq} tells {event.results} results after {told}"] if event.results <= told else []
            )
            told = event.results
    run = state.run
    if run is not None:
        if (run.status == "ended") != (status.get(run.id) == "ended"):
            wrong.append(f"run {run.id} is {run.status}, the log says {status}")
        if run.is_over:
            wrong += [f"step {step.key} of an ended run is open" for step in run.steps.values() if step.state == "open"]
        if run.is_over and not run.is_failed and run.has_returned:
            alive = [child.id for child in state.children(state.main) if child.status != "terminated"]
            wrong += [f"the run has ended, and threads {alive} have not"] if alive else []
        if state.status == "idle" and run.status == "running":
            wrong.append("the session is idle, and its run is said to work")
        if run.told > len(run.order) or len(set(run.order)) != len(run.order):
            wrong.append(f"the program was told {run.told} of {run.order}")
    return wrong


def _family(kept: Kept, state: SessionState) -> list[str]:
    wrong = []
    opened: dict[str, DelegationOpened] = {}
    told: set[str] = set()
    closed: set[str] = set()
    background: set[str] = set()  # children for which no call waits
    for record in kept.records:
        event = record.event
        if isinstance(event, DelegationOpened):
            opened[event.thread] = event
            background |= {event.thread} if event.background else set()
        elif isinstance(event, DelegationDetached):
            background.add(event.thread)
        elif isinstance(event, DelegationTriedAgain):
            closed.add(event.thread)
            background.add(event.thread)
        elif isinstance(event, MessageReceived) and record.thread in opened:
            told.add(record.thread)
        elif isinstance(event, DelegationClosed):
            closed.add(event.thread)
            called = opened.get(event.thread)
            if called is None or event.call != ("" if event.thread in background else called.call):
                wrong.append(f"record {record.seq} closes a delegation that was not opened")
            background.add(event.thread)
        if record.thread not in state.threads:
            wrong.append(f"record {record.seq} belongs to thread {record.thread}, which does not exist")
    for thread in state.threads.values():
        if thread.id == state.primary:
            continue
        parent = state.threads.get(thread.parent or "")
        if parent is None or thread.id not in told:
            wrong.append(f"thread {thread.id} has parent {thread.parent}, told a task: {thread.id in told}")
            continue
        if thread.background != (thread.id in background):
            wrong.append(f"thread {thread.id} is in the background: {thread.background}, by the log the contrary")
        if not thread.is_open and thread.id not in closed and parent.status != "terminated":
            wrong.append(f"the turn of thread {thread.id} is over, and nobody was told")
        if thread.id not in background and thread.is_open != (thread.call in parent.calls):
            wrong.append(f"the turn of thread {thread.id} is open: {thread.is_open}, its call the contrary")
    return wrong


def _inputs(kept: Kept, state: SessionState) -> list[str]:
    rows = {}
    for record in kept.records:
        if isinstance(record.event, INPUTS):
            if is_queued(record.event):
                rows[record.event.id] = InputRow(record.event.id, record.thread, record.seq, None)
            elif record.event.id in rows:
                queued = rows[record.event.id]
                rows[queued.id] = InputRow(queued.id, queued.thread, queued.queued_seq, record.seq)
        elif (received := received_id(record.event)) is not None:
            rows[received] = InputRow(received, record.thread, record.seq, record.seq)
    wrong = [] if list(kept.inputs) == list(rows.values()) else [f"inputs are {kept.inputs}, the log says {rows}"]
    waiting = {row.id for row in rows.values() if row.taken_seq is None}
    return wrong if waiting == set(state.queue) else [*wrong, f"waiting are {waiting}, by the fold {set(state.queue)}"]


NOTICED = timedelta(seconds=2)  # a process needs a moment to see that a time has come; others may write in it


def _statuses(kept: Kept, state: SessionState) -> list[str]:
    """The statuses are what the threads can do, found out anew. An input that was not seen to yet may change them."""
    wrong = []
    now = kept.records[-1].at
    calls = [call for thread in state.threads.values() for call in thread.calls.values()]
    is_answered = any(isinstance(call.answer, UserCustomToolResult) for call in calls)
    if not (state.queue or state.archiving or is_answered) or state.status == "idle":
        for thread in state.threads.values():
            derived = _stands(state, thread, now)
            said = thread.status, frozenset(thread.stop_reason.event_ids if thread.stop_reason else ())
            if thread.is_open and said != derived:
                wrong.append(f"thread {thread.id} is {said}; what it and its children can do makes it {derived}")
    statuses = [thread.status for thread in state.threads.values()]
    stands = next((status for status in ("running", "rescheduling") if status in statuses), "idle")
    stands = "terminated" if state.main.status == "terminated" else stands
    if state.status != stands and (stands, state.status) != ("idle", "running"):  # it goes idle in an append of its own
        wrong.append(f"the session is {state.status}, its threads are {statuses}")
    times = [t.retry_at for t in state.threads.values() if t.status == "rescheduling" and t.retry_at is not None]
    if kept.row.facts.wake_at != min(times, default=None):
        wrong.append(f"the session is to wake at {kept.row.facts.wake_at}, its threads at {times}")
    if state.status == "idle" and state.stop_reason != (reason := _idle_reason(kept.records, state)):
        wrong.append(f"the session is idle with {state.stop_reason}, and should be with {reason}")
    return wrong


def _stands(state: SessionState, thread: ThreadState, now: datetime) -> tuple[str, frozenset[str]]:
    """The status of a thread whose turn is open, with the calls that wait for a person."""
    if thread.span is not None:
        return "running", frozenset()
    if thread.definition.program and (state.run is None or state.run.is_over or state.run.told < len(state.run.order)):
        return "running", frozenset()
    if not thread.calls:
        patience = NOTICED if thread.status == "rescheduling" else timedelta()
        is_later = thread.retry_at is not None and thread.retry_at + patience > now
        return ("rescheduling" if is_later else "running"), frozenset()
    if thread.why_over() is not None:  # those it waits for are to be stopped
        return "running", frozenset()
    found = [each for call in thread.calls.values() for each in _call_stands(state, thread, call, now)]
    for status in ("running", "rescheduling"):
        if any(each == status for each, _ in found):
            return status, frozenset()
    return ("idle", frozenset().union(*(ids for _, ids in found))) if found else ("running", frozenset())


def _call_stands(
    state: SessionState, thread: ThreadState, call: OpenCall, now: datetime
) -> Iterator[tuple[str, frozenset[str]]]:
    if call.asks and call.attempt == 0:
        is_denied = call.answer is not None and not _allows(call.answer)
        if call.answer is None:
            yield "idle", frozenset([call.id])
        elif not (is_denied and state.status == "idle"):  # then it is closed with the next one that can run
            yield "running", frozenset()
    elif call.child is not None:
        yield _stands(state, state.threads[call.child], now)
    elif call.name == WAIT and thread.transcript.is_told:
        yield "running", frozenset()
    elif call.name == WAIT:
        children = [child for child in state.threads.values() if child.parent == thread.id and child.background]
        named = call.input.get("threads") or [child.id for child in children]
        stand = [_stands(state, child, now) for child in children if child.is_open and child.id in named]
        yield from stand or [("running", frozenset())]  # it is over
    else:
        yield "running", frozenset()


def _idle_reason(records: Sequence[Record], state: SessionState) -> StopReason:
    asked = [call.id for thread in state.threads.values() for call in thread.calls.values() if _still_asks(call)]
    if asked:
        return StopReason("requires_action", tuple(asked))
    is_capped = False
    for record in records:
        is_message = isinstance(record.event, UserMessage) and not is_queued(record.event)
        if is_message or isinstance(record.event, LimitLifted):
            is_capped = False
        elif isinstance(record.event, LimitReached):
            is_capped = is_capped or record.event.met.of == "session"
    return StopReason("budget_reached") if is_capped else state.main.stop_reason or StopReason("end_turn")


def _allows(answer: UserToolConfirmation | UserCustomToolResult) -> bool:
    """Whether the call can run with this answer."""
    return isinstance(answer, UserToolConfirmation) and answer.result == "allow"


def _says(snapshot: UsageSnapshot, usage: Usage) -> bool:
    return usage == Usage(
        snapshot.input_tokens,
        snapshot.output_tokens,
        snapshot.cache_creation.ephemeral_5m_input_tokens + snapshot.cache_creation.ephemeral_1h_input_tokens,
        snapshot.cache_read_input_tokens,
    )


def _still_asks(call: OpenCall) -> bool:
    return call.asks and call.answer is None and call.attempt == 0


def _can_move(thread: ThreadState, step: Step) -> bool:
    """Whether something of an idle session moves: what a person denied is only closed with what else can run."""
    if isinstance(step, RunTools):
        denied = all(call.answer is not None and not _allows(call.answer) for call in step.calls)
        return not (denied and len(step.calls) < len(thread.calls))
    return step != Wait()


def _idle(kept: Kept, state: SessionState) -> list[str]:
    wrong = []
    is_idle = is_over = False
    for record in kept.records:
        if is_over and not isinstance(record.event, SessionDeleted):
            wrong.append(f"record {record.seq}, {record.type}, stands behind the session's end")
        is_over = is_over or isinstance(record.event, SessionTerminated | SessionDeleted)
        if isinstance(record.event, SessionIdle):
            is_idle = True
        elif isinstance(record.event, SessionRunning):
            is_idle = False
        elif is_idle and not isinstance(record.event, MAY_STAND_WHILE_IDLE):
            wrong.append(f"record {record.seq}, {record.type}, stands while the session is idle")
    if state.status != "idle":
        return wrong
    now = kept.records[-1].at
    for thread in state.threads.values():
        step = next_step(state, thread, now)
        if thread.status not in ("idle", "terminated") or (thread.is_open and _can_move(thread, step)):
            wrong.append(f"the session is idle, and thread {thread.id} is {thread.status}, next is {step}")
        if thread.span or (thread.calls and not thread.is_open):
            wrong.append(f"the session is idle, and thread {thread.id} has open {thread.calls} {thread.span}")
    if state.archiving:
        wrong.append(f"the session is idle, and {state.archiving} are to be archived")
    if kept.row.owner is not None:
        wrong.append(f"the session is idle, and {kept.row.owner} owns it")
    main_waits = any(_still_asks(call) for call in state.main.calls.values())
    for event in state.queue.values():
        is_for_later = main_waits if isinstance(event, UserMessage) else not isinstance(event, UserInterrupt)
        if not state.paused and not is_for_later:
            wrong.append(f"the session is idle, and {event} waits")
    return wrong


def _transcripts(state: SessionState) -> list[str]:
    wrong = []
    for thread in state.threads.values():
        wrong += [f"thread {thread.id}: {said}" for said in unfit_messages(list(thread.transcript.sent()))]
    return wrong


def unfit_messages(messages: Sequence[Message]) -> list[str]:
    """Why these messages are not what a model may be sent."""
    wrong = []
    for earlier, later in pairwise(messages):
        if earlier.role == later.role:
            wrong.append(f"two messages of {earlier.role} in a row")
        calls = [block.id for block in earlier.content if isinstance(block, ToolUseBlock)]
        results = [block.tool_use_id for block in later.content if isinstance(block, ToolResultBlock)]
        heads = [block.tool_use_id for block in later.content[: len(calls)] if isinstance(block, ToolResultBlock)]
        if calls != results or calls != heads:
            wrong.append(f"calls {calls} were answered by {results}")
    return wrong
