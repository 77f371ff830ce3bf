"""The invariants of a session's log, checked over any store.

Which test holds which (numbers as in the design's list):

    1   seq has no gap and equals commit order            check: seqs; tests/lab/watch.py at every append
    2   an older driver cannot append                     tests/contract/test_store_claims.py,
                                                          tests/scenario/test_letting_go.py
    3   one result a call, effects after tool.started     check: calls, effects
    4   fold = memory = projections, at every record      check: prefixes, projections; tests/lab/watch.py at every
                                                          append, and the driver's own state at the end
    5   spend is the sum over all model calls             check: usage
    6   a child has a parent and a task; an open
        delegation ends                                   check: family, idle
    7   nothing acknowledged is missing                   tests/crash/test_kills.py
    8   an approval is consumed once                      there are no approvals yet
    9   idle means nothing can move                       check: idle
    10  core imports no asyncio and no I/O                import-linter, in `make check`

Beside them: what a model is sent has every call's result at the head of the next message in the order asked, each model
call begun is ended once, bodies decode to what was written, ids stand once in lists.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from podium.core.content import Message, ToolResultBlock, ToolUseBlock
from podium.core.definitions import Definition
from podium.core.events import (
    AgentToolResult,
    AgentToolUse,
    MessageReceived,
    ModelRequestEnd,
    ModelRequestStart,
    SessionIdle,
    SessionRunning,
    SessionUsage,
    Usage,
    UserInterrupt,
    UserMessage,
)
from podium.core.facts import CallRef, DelegationClosed, DelegationOpened, HarnessCall, ModelReplied, ToolStarted
from podium.core.ports import Store
from podium.core.records import Record, Unknown, answers, decode, is_queued, listed_id
from podium.core.rows import CallRow, InputRow, SessionRow, ThreadRow
from podium.core.session import SessionState, fold
from podium.core.steps import Wait, next_step
from tests.lab.world import Effect


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
        *_spans(kept, state),
        *_usage(kept, state),
        *_family(kept, state),
        *_inputs(kept, state),
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
    names = ("settings", "needs", "program", "title", "created_at", "primary", "status", "stop_reason", "paused")
    whole = {name: getattr(state, name) for name in (*names, "usage", "turns", "queue")}
    return {**whole, "threads": threads}


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
    tools: set[str] = set()
    started: dict[str, list[int]] = {}
    answered: dict[str, int] = {}
    opened: set[str] = set()
    wrong = []
    for record in kept.records:
        event = record.event
        if isinstance(event, AgentToolUse):
            tools.add(event.id)
        if isinstance(event, ModelReplied):
            for part in event.parts:
                if isinstance(part, CallRef | HarnessCall):
                    asked[part.event if isinstance(part, CallRef) else part.id] = record.seq
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
        if isinstance(event, AgentToolResult) and not event.is_error and call not in started:
            wrong.append(f"call {call} succeeded at {record.seq} without having been started")
        answered[call] = record.seq
    for call, attempts in started.items():
        if attempts != list(range(1, len(attempts) + 1)):
            wrong.append(f"call {call} was started as attempts {attempts}")
        if call not in tools:
            wrong.append(f"call {call} was started, and no agent.tool_use shows it")
    open_now = {call for thread in state.threads.values() for call in thread.calls}
    if open_now != set(asked) - set(answered):
        wrong.append(f"open are {open_now}, asked and not answered {set(asked) - set(answered)}")
    if missing := open_now - set(started) - opened:
        wrong.append(f"calls {missing} are open, and nothing was started or opened for them")
    return wrong


def effect_violations(records: Sequence[Record], effects: Sequence[Effect]) -> list[str]:
    """Effects that the log does not account for."""
    wrong = []
    starts: dict[str, list[int]] = {}
    for record in records:
        if isinstance(record.event, ToolStarted):
            starts.setdefault(record.event.call, []).append(record.seq)
    happened = Counter(effect.call for effect in effects)
    for effect in effects:
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
        if isinstance(record.event, SessionUsage) and record.event.usage != total:
            wrong.append(f"record {record.seq} says {record.event.usage}, spent were {total}")
    of_threads = sum((thread.usage for thread in state.threads.values()), Usage())
    if not total == kept.row.facts.usage == of_threads:
        wrong.append(f"spent were {total}, the row says {kept.row.facts.usage}, its threads {of_threads}")
    return wrong


def _family(kept: Kept, state: SessionState) -> list[str]:
    wrong = []
    opened: dict[str, DelegationOpened] = {}
    told: set[str] = set()
    closed: set[str] = set()
    for record in kept.records:
        event = record.event
        if isinstance(event, DelegationOpened):
            opened[event.thread] = event
        elif isinstance(event, MessageReceived) and record.thread in opened:
            told.add(record.thread)
        elif isinstance(event, DelegationClosed):
            closed.add(event.call)
            if opened.get(event.thread) is None or opened[event.thread].call != event.call:
                wrong.append(f"record {record.seq} closes a delegation that was not opened")
        if record.thread not in state.threads:
            wrong.append(f"record {record.seq} belongs to thread {record.thread}, which does not exist")
    for thread in state.threads.values():
        if thread.id == state.primary:
            continue
        if thread.parent not in state.threads or thread.id not in told:
            wrong.append(f"thread {thread.id} has parent {thread.parent}, told a task: {thread.id in told}")
        is_open = opened[thread.id].call not in closed
        if is_open != (thread.status == "running"):
            wrong.append(f"thread {thread.id} is {thread.status}, its delegation open: {is_open}")
        if thread.status == "running" and state.threads[thread.parent or ""].status != "running":
            wrong.append(f"thread {thread.id} runs and its parent does not")
    return wrong


def _inputs(kept: Kept, state: SessionState) -> list[str]:
    rows = {}
    for record in kept.records:
        if isinstance(record.event, UserMessage | UserInterrupt):
            if is_queued(record.event):
                rows[record.event.id] = InputRow(record.event.id, record.thread, record.seq, None)
            elif record.event.id in rows:
                queued = rows[record.event.id]
                rows[queued.id] = InputRow(queued.id, queued.thread, queued.queued_seq, record.seq)
    wrong = [] if list(kept.inputs) == list(rows.values()) else [f"inputs are {kept.inputs}, the log says {rows}"]
    waiting = {row.id for row in rows.values() if row.taken_seq is None}
    return wrong if waiting == set(state.queue) else [*wrong, f"waiting are {waiting}, by the fold {set(state.queue)}"]


def _idle(kept: Kept, state: SessionState) -> list[str]:
    wrong = []
    is_idle = False
    for record in kept.records:
        if isinstance(record.event, SessionIdle):
            is_idle = True
        elif isinstance(record.event, SessionRunning):
            is_idle = False
        elif is_idle and not isinstance(record.event, UserMessage | UserInterrupt) and record.type != "session.resumed":
            wrong.append(f"record {record.seq}, {record.type}, stands while the session is idle")
    if state.status != "idle":
        return wrong
    now = kept.records[-1].at
    for thread in state.threads.values():
        if thread.status == "running" or not isinstance(next_step(state, thread, now), Wait):
            wrong.append(f"the session is idle, and thread {thread.id} is {thread.status}")
        if thread.calls or thread.span:
            wrong.append(f"the session is idle, and thread {thread.id} has open {thread.calls} {thread.span}")
    if kept.row.owner is not None:
        wrong.append(f"the session is idle, and {kept.row.owner} owns it")
    if state.queue and not state.paused:
        wrong.append(f"the session is idle, and inputs wait: {state.queue}")
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
