"""Logs made by hand, each step at a second of its own."""

from datetime import UTC, datetime, timedelta
from typing import Any

from podium.analysis.trace import Trace, trace
from podium.core import records as r
from podium.core.content import text
from podium.core.json import JSON

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


class Log:
    """A log under way: each step is recorded at a second of its own."""

    def __init__(self) -> None:
        self.records: list[r.Record] = []
        self._ids = 0
        created = r.SessionCreated(agent="hash", title="a task", settings=r.SessionSettings())
        self.add(0, "lead", created)
        self.add(0, "lead", r.SessionRunning(id=self.id(), processed_at=at(0)))
        self.add(0, "lead", self._status(r.ThreadRunning, "lead", 0))

    def id(self) -> str:
        self._ids += 1
        return f"sevt_{self._ids}"

    def add(self, second: float, thread: str, event: r.KnownEvent) -> None:
        seq = len(self.records) + 1
        self.records.append(r.Record("sesn_1", seq, thread, r.OWN, at(second), r.encode(event), event))

    def _status(self, kind: Any, thread: str, second: float, **more: Any) -> Any:
        return kind(id=self.id(), processed_at=at(second), session_thread_id=thread, agent_name=thread, **more)

    def model(self, thread: str, start: float, end: float | None, tokens: int = 10) -> str:
        """A call of the model; without an end it is under way."""
        span = self.id()
        self.add(start, thread, r.ModelRequestStart(id=span, processed_at=at(start)))
        if end is not None:
            self.add(end, thread, r.ModelReplied(parts=(), stop_reason="end_turn"))
            self.end_model(thread, span, end, tokens)
        return span

    def end_model(self, thread: str, span: str, second: float, tokens: int = 0, *, failed: str = "") -> None:
        if failed:
            self.add(second, thread, r.AttemptFailed(span=span, reason=failed))
        usage = r.Usage(input_tokens=tokens)
        is_error = bool(failed) or not tokens
        fields = {"model_request_start_id": span, "is_error": is_error, "model_usage": usage}
        self.add(second, thread, r.ModelRequestEnd(id=self.id(), processed_at=at(second), **fields))  # type: ignore[arg-type]

    def tool(self, thread: str, start: float, end: float | None, *, new_shell: bool = False) -> str:
        """A call of bash; without an end it is under way."""
        call = self.id()
        event = r.AgentToolUse(id=call, processed_at=at(start), name="bash", input={"command": "ls"})
        self.add(start, thread, event)
        self.add(start, thread, r.ToolStarted(call=call))
        if end is not None:
            if new_shell:
                self.add(end, thread, r.SandboxRestarted(call=call))
            self.answer(thread, call, end)
        return call

    def answer(self, thread: str, call: str, second: float, said: str = "fine", *, is_error: bool = False) -> None:
        self.add(
            second,
            thread,
            r.AgentToolResult(
                id=self.id(), processed_at=at(second), tool_use_id=call, content=text(said), is_error=is_error
            ),
        )

    def says(self, second: float, thread: str, said: str) -> None:
        self.add(second, thread, r.AgentMessage(id=self.id(), processed_at=at(second), content=text(said)))

    def delegate(self, second: float, *children: str, parent: str = "lead", **given: JSON) -> None:
        """One reply that opens these children."""
        self.add(second, parent, r.ModelReplied(parts=(), stop_reason="tool_use"))
        for child in children:
            opened = r.DelegationOpened(
                call=f"c{child}", thread=child, agent="h", agent_name=child, depth=1, input=given
            )
            self.add(second, parent, opened)
            self.add(second, child, self._status(r.ThreadRunning, child, second))

    def report(self, second: float, child: str, outcome: Any = "reported", parent: str = "lead") -> None:
        closed = r.DelegationClosed(call=f"c{child}", thread=child, outcome=outcome, content=text(f"{outcome}!"))
        self.add(second, parent, closed)
        self.rest(second, child)

    def rest(self, second: float, thread: str, reason: Any = "end_turn") -> None:
        self.add(second, thread, self._status(r.ThreadIdle, thread, second, stop_reason=r.StopReason(reason)))

    def idle(self, second: float, reason: Any = "end_turn") -> None:
        self.rest(second, "lead", reason)
        event = r.SessionIdle(id=self.id(), processed_at=at(second), stop_reason=r.StopReason(reason))
        self.add(second, "lead", event)

    def wake(self, second: float) -> None:
        self.add(second, "lead", r.SessionRunning(id=self.id(), processed_at=at(second)))
        self.add(second, "lead", self._status(r.ThreadRunning, "lead", second))

    def take_over(self, second: float, epoch: int = 2) -> None:
        self.add(second, "lead", r.DrivingStarted(epoch=epoch))

    @property
    def trace(self) -> Trace:
        return trace(self.records)
