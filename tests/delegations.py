"""What the log of a session must show of calls of agents that are made again, and of rules that end them early.

Found out anew, from the records and the definitions alone: it knows nothing of how the engine decides.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from podium.core.content import plain
from podium.core.definitions import CREATE, Definition
from podium.core.facts import (
    AgentReplaced,
    CallAnswered,
    DelegationClosed,
    DelegationDetached,
    DelegationOpened,
    DelegationTriedAgain,
    HarnessCall,
    ModelReplied,
)
from podium.core.records import Event, Record
from podium.core.session import SessionState

CameTo = Literal["open", "reported", "failed", "stopped"]
_FAILED = re.compile(r"(after \d+ attempts: )?agent '.*' failed: ")


class Group:
    """The agents that one reply of a thread called, in the foreground."""

    def __init__(self, definition: Definition, calls: Sequence[HarnessCall]) -> None:
        self._rule = definition.join
        retries = {callee.tool: callee.retries for callee in definition.roster}
        made = [
            call
            for call in calls
            if call.name in retries
            or (definition.inline and call.name == CREATE and call.input.get("background") is not True)
        ]
        self.retries = {call.id: retries.get(call.name, 0) for call in made}
        self.calls: dict[str, CameTo] = {call.id: "open" for call in made}
        self.tries: Counter[str] = Counter()

    @property
    def is_over(self) -> bool:
        """Whether its rule is met, or cannot be met any more."""
        ends = Counter(self.calls.values())
        match self._rule:
            case "best_effort":
                return False
            case "all":
                return ends["failed"] > 0
            case "any":
                return ends["reported"] > 0
            case least:
                most = min(int(least), len(self.calls))
                return ends["reported"] >= most or len(self.calls) - ends["failed"] < most

    @property
    def has_open(self) -> bool:
        """Whether somebody is at work for it."""
        return "open" in self.calls.values()


def delegation_violations(records: Sequence[Record], state: SessionState) -> list[str]:
    """Calls that were made again too often or not often enough, stopped too early, or not stopped at all."""
    if any(isinstance(record.event, AgentReplaced) for record in records):
        return []  # the agents have changed in between
    groups: dict[str, Group] = {}
    wrong = []
    for record in records:
        event = record.event
        if isinstance(event, ModelReplied):
            calls = [part for part in event.parts if isinstance(part, HarnessCall)]
            groups[record.thread] = Group(state.threads[record.thread].definition, calls)
        elif record.thread in groups:
            wrong += [f"record {record.seq} {said}" for said in _wrong_with(event, groups[record.thread])]
    if state.status == "idle":
        left = [thread for thread, group in groups.items() if group.is_over and group.has_open]
        wrong += [f"thread {id} has agents at work that its rule has no use for" for id in left if _lives(state, id)]
    return wrong


def _lives(state: SessionState, thread: str) -> bool:
    return state.threads[thread].status != "terminated" and bool(state.threads[thread].calls)


def _wrong_with(event: Event, group: Group) -> list[str]:
    match event:
        case DelegationOpened(call=call) if call in group.calls:
            group.tries[call] += 1
            return [f"opens attempt {group.tries[call]}"] if group.tries[call] > group.retries[call] + 1 else []
        case DelegationTriedAgain(call=call, attempt=attempt):
            wrong = [f"is attempt {attempt}, after {group.tries[call]}"] if attempt != group.tries[call] else []
            return [*wrong, "makes a call again that nobody needs"] if group.is_over else wrong
        case DelegationDetached(call=call):
            del group.calls[call]
        case CallAnswered(call=call) if call in group.calls:
            group.calls[call] = "failed"
        case DelegationClosed(call=call, outcome="reported") if call in group.calls:
            group.calls[call] = "reported"
        case DelegationClosed(call=call, outcome="stopped") if call in group.calls:
            is_off = plain(event.content).startswith("stopped: ")
            was_over, group.calls[call] = group.is_over, "stopped"
            return ["stops an agent that is needed"] if is_off and not was_over else []
        case DelegationClosed(call=call) if call in group.calls:
            has_left = group.tries[call] <= group.retries[call] and not group.is_over
            group.calls[call] = "failed"
            is_failure = event.outcome == "failed" and _FAILED.match(plain(event.content))
            return ["gives a call up that may be made again"] if is_failure and has_left else []
        case _:
            pass
    return []
