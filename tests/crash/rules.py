"""What the log of a play must show, beside the invariants: approvals, attempts and money."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import UNSET

from podium.core.definitions import Definition
from podium.core.events import (
    AgentToolResult,
    AgentToolUse,
    ModelRequestStart,
    SessionUpdated,
    ThreadIdle,
    UserMessage,
    UserToolConfirmation,
)
from podium.core.facts import (
    AttemptFailed,
    BudgetReserved,
    BudgetSettled,
    CheckpointAnswered,
    ContextSummarized,
    DelegationClosed,
    LimitReached,
    ModelReplied,
    StepAsked,
    StepEnded,
    StepWithdrawn,
    ToolStarted,
    WorkflowFailed,
)
from podium.core.records import Record, answers, is_queued
from podium.core.session import SessionState
from tests.lab.world import Effect


def approval_violations(records: Sequence[Record], effects: Sequence[Effect]) -> list[str]:
    """Calls that ask and ran without having been allowed, were denied and ran, or were answered twice."""
    wrong = []
    asking = {
        record.event.id
        for record in records
        if isinstance(record.event, AgentToolUse) and record.event.evaluated_permission == "ask"
    }
    taken: dict[str, str] = {}
    for record in records:
        event = record.event
        if isinstance(event, UserToolConfirmation) and event.processed_at is not None:
            if event.tool_use_id in taken:
                wrong.append(f"record {record.seq} takes a second answer to {event.tool_use_id}")
            taken[event.tool_use_id] = event.result
        elif isinstance(event, ToolStarted) and event.call in asking and taken.get(event.call) != "allow":
            wrong.append(f"record {record.seq} starts {event.call}, which nobody has allowed")
    ran = {effect.call for effect in effects} & asking
    return wrong + [f"{call} ran, and a person had it {taken.get(call)}" for call in ran if taken.get(call) != "allow"]


def attempt_violations(records: Sequence[Record]) -> list[str]:
    """Calls of a model made before their time, and attempts that are not counted on."""
    wrong = []
    last: dict[str, AttemptFailed] = {}
    for record in records:
        event, before = record.event, last.get(record.thread)
        if isinstance(event, AttemptFailed):
            if event.attempt != (before.attempt if before is not None else 0) + 1:
                wrong.append(f"record {record.seq} is attempt {event.attempt}, after {before}")
            last[record.thread] = event
        elif isinstance(event, ModelRequestStart) and before is not None:
            if before.retry_at is not None and record.at < before.retry_at:
                wrong.append(f"record {record.seq} calls the model at {record.at}, before {before.retry_at}")
        elif is_queued(event):
            continue
        elif isinstance(event, ModelReplied | ContextSummarized | UserMessage | ThreadIdle):
            last.pop(record.thread, None)
    return wrong


def money_violations(
    id: str, definitions: Mapping[str, Definition], records: Sequence[Record], caps: Mapping[str, Decimal]
) -> list[str]:
    """Spending above a cap at any record, a reservation never settled, a lost call that cost something else."""
    wrong = []
    state = SessionState(id, definitions)
    open_calls: dict[str, Decimal] = {}
    held = dict(caps)
    for record in records:
        event = record.event
        state.apply(record.thread, record.at, event)
        if isinstance(event, BudgetReserved):
            open_calls[event.span] = event.usd
        elif isinstance(event, BudgetSettled):
            reserved = open_calls.pop(event.span)
            if event.usd > reserved or (event.is_estimate and event.usd != reserved):
                wrong.append(f"record {record.seq} settles {event}, reserved were {reserved}")
        spent = {"": state.usd + state.reserved_usd}
        for thread in state.threads.values():
            name = thread.definition.name
            spent[name] = max(spent.get(name, Decimal(0)), thread.usd + thread.reserved_usd)
        if "" in held and isinstance(event, SessionUpdated) and event.budget is not UNSET:  # a driver may see it late
            held[""] = Decimal("inf") if state.settings.usd is None else max(held[""], state.settings.usd)
        over = {name: spent[name] for name, cap in held.items() if spent.get(name, 0) > cap}
        if over:
            wrong.append(f"at record {record.seq} spent or set aside are {over} of {held}")
    if state.status == "idle" and state.reserved_usd:
        wrong.append(f"at the end {state.reserved_usd} are still set aside")
    return wrong


def workflow_violations(records: Sequence[Record]) -> list[str]:
    """Calls of a workflow that were made again though they had come to an end, or while they were open."""
    wrong = []
    key_of: dict[str, str] = {}
    standing: dict[str, str] = {}
    limited: set[str] = set()  # threads that met the session's limit: their calls are made anew once it is another
    cut: set[str] = set()  # withdrawn: what follows is told to nobody
    for record in records:
        event = record.event
        if isinstance(event, StepAsked):
            if standing.get(event.key, "again") != "again":
                wrong.append(f"record {record.seq} makes call {event.key} anew, which is {standing[event.key]}")
            key_of[event.call], standing[event.key] = event.key, "open"
        elif isinstance(event, StepWithdrawn):
            cut.add(event.key)
        elif isinstance(event, LimitReached):
            limited |= {record.thread} if event.met.of == "session" else set()
        elif isinstance(event, WorkflowFailed):
            standing |= dict.fromkeys(event.again, "again")
        elif isinstance(event, CheckpointAnswered):
            standing[event.key] = "over"
        elif (call := answers(event)) in key_of:
            key = key_of[call]
            is_cut = isinstance(event, StepEnded | DelegationClosed) and event.outcome in ("interrupted", "stopped")
            is_cut |= isinstance(event, DelegationClosed) and event.outcome == "limit" and event.thread in limited
            is_closed = isinstance(event, AgentToolResult) and standing[key] != "over"
            standing[key] = "again" if (is_cut or is_closed) and key not in cut else "over"
    return wrong


def repetitions(effects: Sequence[Effect], idempotent: set[str]) -> list[str]:
    """Effects that came more than once, of tools that must not be repeated."""
    times = Counter((effect.call, effect.tool) for effect in effects)
    return [
        f"{tool} {call}: {count} times" for (call, tool), count in times.items() if count > 1 and tool not in idempotent
    ]
