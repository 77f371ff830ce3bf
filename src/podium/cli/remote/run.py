"""`podium run --server`: a team on a server, watched from here as if it ran here.

The session is the server's: it goes on if this process ends. The first Ctrl-C (or SIGTERM) interrupts it, the second
leaves at once; while it waits for a person, the first one leaves.
"""

import asyncio
import os
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from podium.analysis.trace import Trace
from podium.cli.bar import Answer
from podium.cli.conclude import conclude, result_line
from podium.cli.exit_codes import ExitCode
from podium.cli.live import LiveView
from podium.cli.remote.agents import budget, wire_agents
from podium.cli.remote.following import Following, Happened, Heard, Item, Left, Lost, Opened
from podium.cli.remote.retelling import Retelling, result_of
from podium.cli.remote.server import Account, Begun, connected, is_in_the_clear
from podium.cli.signals import on_signals
from podium.cli.text import tell
from podium.cli.views import JsonLines, View, view
from podium.core.definitions import SessionLimits
from podium.core.events import Usage
from podium.core.opening import MOST_TITLE
from podium.core.records import PRIVATE, Record
from podium.errors import PodiumError
from podium.team import Team


@dataclass(frozen=True, kw_only=True)
class RemoteResult:
    """How a session on a server ended; as `RunResult`."""

    session_id: str
    stop_reason: str
    error: str
    output: Any
    usage: Usage
    paused: bool = False


async def run_there(team: Team, task: str, limits: SessionLimits, *, url: str, key: str, json: bool) -> ExitCode:
    """Run the team on the server, and show it to its end; the exit code."""
    if is_in_the_clear(url):
        tell(f"podium: {url} is not encrypted: the key and all that is sent can be read on the way. Use https")
    async with connected(url, key) as client:
        account = Account(client, url)
        environment = await account.environment()
        known = await account.agents(wire_agents(team))
        title = " ".join(task.split())[:MOST_TITLE]
        begun = await account.begin(known[team.coordinator.name], environment, task, title, budget(limits))
        trace = Trace()
        onlooker = _Onlooker(account, begun, trace, json=json)
        await onlooker.look_on()
    is_structured = team.coordinator.output_schema is not None
    result = RemoteResult(
        session_id=begun.id,
        stop_reason=trace.stop_reason,
        error=trace.error,
        output=result_of(onlooker.retelling.said, is_structured=is_structured),
        usage=trace.usage,
    )
    if json:
        onlooker.write(result_line(result, trace))
    if trace.clients.ended:
        tell(f"session {begun.id} was {trace.clients.ended} at {url}")
        return ExitCode.FAILED
    if not trace.needs_nobody and trace.status != "idle":
        tell(f"left; session {begun.id} goes on at {url}")
        return ExitCode.SUCCESS
    return conclude(result, trace, url, json=json, is_rehearsed=False)


class _Onlooker:
    """Shows a session on a server, hands a person's answers to it, and interrupts it when it is asked to."""

    def __init__(self, account: Account, begun: Begun, trace: Trace, *, json: bool) -> None:
        self.retelling = Retelling(begun.id, begun.primary)
        self._account = account
        self._begun = begun
        self._trace = trace
        self._shown: View = view(trace, account.url, json=json, answer=self._answer)
        is_live = isinstance(self._shown, LiveView)
        self._following = Following(account, begun.id, begun.primary, hears=is_live)
        self._can_answer = isinstance(self._shown, LiveView) and self._shown.takes_answers
        self._is_asked = False
        self._interrupting: asyncio.Task[None] | None = None

    async def look_on(self) -> None:
        """Show the session until it needs nobody, or nobody here can give what it needs."""
        for record in self.retelling.opening(self._begun.title, self._begun.agent, self._begun.at):
            self._trace.apply(record)  # before the view draws: it is a picture of threads
        self.write({"type": "session", "id": self._begun.id})
        self._shown.say(f"session {self._begun.id} at {self._account.url}")
        with on_signals(self._stop):
            async with self._shown, aclosing(self._following.items()) as items:
                async for item in items:
                    if isinstance(item, Happened) and item.is_own_rest:
                        await self._settle(item.thread)
                    for record in self._retold(item):
                        self._show(record)
                    if isinstance(item, Happened) and self._is_over(item):
                        return

    def write(self, line: object) -> None:
        """Write a line of JSON, where the view is of such lines."""
        if isinstance(self._shown, JsonLines):
            self._shown.write(line)

    def _retold(self, item: Item) -> list[Record]:
        match item:
            case Opened(thread, parent, agent_name, agent):
                return self.retelling.opened(thread, parent, agent_name, agent)
            case Happened(thread, event):
                return self.retelling.take(thread, event)
            case Heard(text) if isinstance(self._shown, LiveView):
                self._shown.heard(text)
            case Lost(reason):
                lost = f"the connection was lost ({reason}); the session goes on there, and this tries again"
                self._shown.say(lost if reason else "connected again")
            case Heard() | Left():
                pass
        return []

    def _show(self, record: Record) -> None:
        self._trace.apply(record)
        if not isinstance(self._shown, JsonLines) or record.views != PRIVATE:  # programs get what the server said
            self._shown.show(self._trace, record)

    def _is_over(self, item: Happened) -> bool:
        """Whether this was the last of it."""
        if item.kind in ("session.status_terminated", "session.deleted"):
            return True
        if item.kind != "session.status_idle":
            return False
        return self._trace.needs_nobody or not self._can_answer or self._is_asked

    async def _settle(self, thread: str) -> None:
        """Take in what the thread has cost: the server tells it when the thread rests."""
        with suppress(PodiumError):  # it is asked for again at the next rest
            usd = await self._account.cost(self._begun.id, thread)
            for record in [] if usd is None else self.retelling.settled(thread, usd):
                self._show(record)

    async def _answer(self, answer: Answer) -> None:
        await self._account.answer(self._begun.id, answer)

    def _stop(self) -> None:
        """A signal came."""
        if self._is_asked:
            if isinstance(self._shown, LiveView):
                self._shown.restore()
            tell(f"left at once; session {self._begun.id} is at {self._account.url}")
            os._exit(ExitCode.INTERRUPTED)
        self._is_asked = True
        if self._trace.status == "idle" and self._trace.stop_reason:
            self._following.leave()
        else:
            self._interrupting = asyncio.create_task(self._interrupt())

    async def _interrupt(self) -> None:
        self._shown.say("stopping: what is open is closed as interrupted (Ctrl-C again leaves at once)")
        try:
            await self._account.interrupt(self._begun.id)
        except PodiumError as error:  # it has just ended by itself, say
            self._shown.say(f"not interrupted: {error}")
