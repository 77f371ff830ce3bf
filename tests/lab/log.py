"""A session that was played: its records and what tests ask of them."""

from collections.abc import Mapping, Sequence

from podium.core.content import TextBlock, ToolResultBlock, ToolUseBlock, plain
from podium.core.definitions import Definition
from podium.core.events import AgentToolResult, AgentToolUse, UserInterrupt
from podium.core.facts import DelegationClosed, DelegationOpened, ToolStarted
from podium.core.ports import ModelRequest
from podium.core.records import Record, is_queued
from podium.core.session import SessionState, fold
from podium.core.thread import ThreadState
from tests.lab.world import Effect, World


class Played:
    """The log of a session, with a few questions one may ask of it."""

    def __init__(self, records: list[Record], definitions: Mapping[str, Definition], world: World) -> None:
        self.records = records
        self.state: SessionState = fold(records[0].session, definitions, records)
        self._world = world

    @property
    def stop_reason(self) -> str:
        """Why the session is idle, or "" if it is not."""
        return self.state.stop_reason.type if self.state.stop_reason is not None else ""

    @property
    def text(self) -> str:
        """The primary's last words, or its output as JSON."""
        return self.state.main.result_text()

    @property
    def seconds(self) -> float:
        """From the first record to the last."""
        return self.at(self.records[-1])

    @property
    def effects(self) -> list[Effect]:
        """What its tools did to the world, in order."""
        return self._world.effects

    def at(self, record: Record) -> float:
        """Seconds since the first record."""
        return round((record.at - self.records[0].at).total_seconds(), 6)

    def thread(self, agent: str, nth: int = 0) -> str:
        """The id of the agent's nth thread."""
        return self.state_of(agent, nth).id

    def state_of(self, agent: str, nth: int = 0) -> ThreadState:
        """The agent's nth thread."""
        return [thread for thread in self.state.threads.values() if thread.definition.name == agent][nth]

    def kinds(self, thread: str | None = None) -> list[str]:
        """The types of the records, of one thread or of all, in order."""
        return [record.type for record in self.records if thread is None or record.thread == thread]

    def of(self, kind: str, thread: str | None = None) -> list[Record]:
        """The records of a type, of one thread or of all, in order."""
        return [r for r in self.records if r.type == kind and (thread is None or r.thread == thread)]

    def requests(self, agent: str) -> list[ModelRequest]:
        """What the agent's models were sent, in order, over all its threads."""
        return [request for request in self._world.requests if request.agent == agent]

    def told(self, agent: str, nth: int = -1) -> list[str]:
        """The texts and results in the last message of what the agent's nth model call was sent."""
        said = []
        for block in self.requests(agent)[nth].messages[-1].content:
            if isinstance(block, TextBlock):
                said.append(block.text)
            elif isinstance(block, ToolResultBlock):
                said.append(plain(block.content))
        return said

    def results_of(self, name: str) -> list[ToolResultBlock]:
        """The results of the calls of this tool or agent, as the models that made them see them, in the order asked."""
        found = []
        for thread in self.state.threads.values():
            thread.transcript.send()
            calls = {}
            for message in thread.transcript.sent():
                for block in message.content:
                    if isinstance(block, ToolUseBlock) and block.name == name:
                        calls[block.id] = block
                    elif isinstance(block, ToolResultBlock) and block.tool_use_id in calls:
                        found.append(block)
        return found

    def result_of(self, name: str) -> ToolResultBlock:
        """The result of the only call of this tool or agent."""
        [result] = self.results_of(name)
        return result

    def said_to(self, name: str) -> str:
        """The text of the result of the only call of this tool or agent."""
        return plain(self.result_of(name).content)

    def closings(self) -> list[tuple[str, str]]:
        """How each delegation ended: the agent's name and the outcome, in order."""
        return [
            (self.state.threads[record.event.thread].definition.name, record.event.outcome)
            for record in self.records
            if isinstance(record.event, DelegationClosed)
        ]

    def under_way(self, name: str) -> list[tuple[float, float]]:
        """From when to when the calls of this tool or agent were open, in the order they were started."""
        names = {r.event.id: r.event.name for r in self.records if isinstance(r.event, AgentToolUse)}
        begun: dict[str, float] = {}
        spans: dict[str, tuple[float, float]] = {}
        for record in self.records:
            event = record.event
            if isinstance(event, ToolStarted) and names[event.call] == name:
                begun.setdefault(event.call, self.at(record))
            elif isinstance(event, DelegationOpened) and event.agent_name == name:
                begun[event.call] = self.at(record)
            elif isinstance(event, AgentToolResult) and event.tool_use_id in begun:
                spans[event.tool_use_id] = (begun[event.tool_use_id], self.at(record))
            elif isinstance(event, DelegationClosed) and event.call in begun:
                spans[event.call] = (begun[event.call], self.at(record))
        return [spans[call] for call in begun if call in spans]

    def after_interrupt(self) -> list[str]:
        """The types of the records from the first interrupt that was taken on."""
        kinds = [
            record.type if not (isinstance(record.event, UserInterrupt) and not is_queued(record.event)) else "TAKEN"
            for record in self.records
        ]
        return kinds[kinds.index("TAKEN") + 1 :]


def overlap(spans: Sequence[tuple[float, float]]) -> bool:
    """Whether all of them were under way at one time."""
    return max(start for start, _ in spans) < min(end for _, end in spans)
