"""Logs made by hand, each step at a second of its own."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from podium.analysis.trace import Trace, trace
from podium.core import events as e
from podium.core import facts as f
from podium.core import records as r
from podium.core.content import text
from podium.core.json import JSON

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


class Log:
    """A log under way: each step is recorded at a second of its own."""

    def __init__(self, *, needs: tuple[str, ...] = ()) -> None:
        self.records: list[r.Record] = []
        self._ids = 0
        created = f.SessionCreated(agent="hash", title="a task", settings=f.SessionSettings(), needs=needs)
        self.add(0, "lead", created)
        self.add(0, "lead", e.SessionRunning(id=self.id(), processed_at=at(0)))
        self.add(0, "lead", self._status(e.ThreadRunning, "lead", 0))

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
        self.add(start, thread, e.ModelRequestStart(id=span, processed_at=at(start)))
        if end is not None:
            self.add(end, thread, f.ModelReplied(parts=(), stop_reason="end_turn"))
            self.end_model(thread, span, end, tokens)
        return span

    def end_model(self, thread: str, span: str, second: float, tokens: int = 0, *, failed: str = "") -> None:
        if failed:
            self.add(second, thread, f.AttemptFailed(span=span, reason=failed))
        usage = e.Usage(input_tokens=tokens)
        is_error = bool(failed) or not tokens
        fields = {"model_request_start_id": span, "is_error": is_error, "model_usage": usage}
        self.add(second, thread, e.ModelRequestEnd(id=self.id(), processed_at=at(second), **fields))  # type: ignore[arg-type]

    # --- money and attempts --------------------------------------------------------------------------

    def priced(self, thread: str, start: float, end: float, usd: str, *, model: str = "opus", tokens: int = 10) -> str:
        """A call of a model with a price."""
        span = self.id()
        self.add(start, thread, e.ModelRequestStart(id=span, processed_at=at(start)))
        reserved = f.BudgetReserved(span=span, model=model, usd=Decimal(usd) * 2, input_tokens=20, max_tokens=100)
        self.add(start, thread, reserved)
        self.add(end, thread, f.ModelReplied(parts=(), stop_reason="end_turn", model=f"{model}-1"))
        self.end_model(thread, span, end, tokens)
        self.add(end, thread, f.BudgetSettled(span=span, usd=Decimal(usd)))
        return span

    def fails(
        self, thread: str, start: float, end: float, *, attempt: int = 1, retry: float | None = None, why: str = ""
    ) -> str:
        """A call of the model that gives no reply; with `retry` the thread waits until then and goes on."""
        span = self.id()
        self.add(start, thread, e.ModelRequestStart(id=span, processed_at=at(start)))
        retry_at = None if retry is None else at(retry)
        failed = f.AttemptFailed(
            span=span, reason=why or "529 overloaded", kind="overloaded", attempt=attempt, retry_at=retry_at
        )
        self.add(end, thread, failed)
        self.end_model(thread, span, end)
        if retry is not None:
            self.add(end, thread, self._status(e.ThreadRescheduled, thread, end))
            self.add(retry, thread, self._status(e.ThreadRunning, thread, retry))
        return span

    # --- tools and approvals -------------------------------------------------------------------------

    def asks(self, second: float, thread: str, name: str = "bash", **given: JSON) -> str:
        """A call that asks a person; nobody waits for it yet."""
        call = self.id()
        event = e.AgentToolUse(
            id=call,
            processed_at=at(second),
            name=name,
            input=given or {"command": "rm -rf build"},
            evaluated_permission="ask",
            evaluation=e.AlwaysAsk(),
        )
        self.add(second, thread, event)
        return call

    def blocks(self, second: float, *threads: str, calls: tuple[str, ...]) -> None:
        """These threads wait for the person who answers the calls."""
        for thread in threads:
            reason = e.StopReason("requires_action", calls)
            self.add(second, thread, self._status(e.ThreadIdle, thread, second, stop_reason=reason))

    def answers(self, second: float, call: str, *, allow: bool, reason: str = "", taken: bool = True) -> None:
        """A person's answer: queued, and taken unless told otherwise."""
        id, result = self.id(), "allow" if allow else "deny"
        for processed_at in (None, at(second)) if taken else (None,):
            event = e.UserToolConfirmation(
                id=id,
                processed_at=processed_at,
                tool_use_id=call,
                result=result,  # type: ignore[arg-type]
                deny_message=reason or None,
            )
            self.add(second, "lead", event)

    def runs(self, second: float, *threads: str) -> None:
        for thread in threads:
            self.add(second, thread, self._status(e.ThreadRunning, thread, second))

    def session_asks(self, second: float, *calls: str) -> None:
        reason = e.StopReason("requires_action", calls)
        self.add(second, "lead", e.SessionIdle(id=self.id(), processed_at=at(second), stop_reason=reason))

    def session_runs(self, second: float) -> None:
        self.add(second, "lead", e.SessionRunning(id=self.id(), processed_at=at(second)))

    def tool(self, thread: str, start: float, end: float | None, *, new_shell: bool = False) -> str:
        """A call of bash; without an end it is under way."""
        call = self.id()
        event = e.AgentToolUse(id=call, processed_at=at(start), name="bash", input={"command": "ls"})
        self.add(start, thread, event)
        self.add(start, thread, f.ToolStarted(call=call))
        if end is not None:
            if new_shell:
                self.add(end, thread, f.SandboxRestarted(call=call))
            self.answer(thread, call, end)
        return call

    def answer(self, thread: str, call: str, second: float, said: str = "fine", *, is_error: bool = False) -> None:
        self.add(
            second,
            thread,
            e.AgentToolResult(
                id=self.id(), processed_at=at(second), tool_use_id=call, content=text(said), is_error=is_error
            ),
        )

    def says(self, second: float, thread: str, said: str) -> None:
        self.add(second, thread, e.AgentMessage(id=self.id(), processed_at=at(second), content=text(said)))

    def delegate(
        self, second: float, *children: str, parent: str = "lead", background: bool = False, **given: JSON
    ) -> None:
        """One reply that opens these children."""
        self.add(second, parent, f.ModelReplied(parts=(), stop_reason="tool_use"))
        for child in children:
            opened = f.DelegationOpened(
                call=f"c{child}", thread=child, agent="h", agent_name=child, depth=1, input=given, background=background
            )
            self.add(second, parent, opened)
            self.add(second, child, self._status(e.ThreadRunning, child, second))

    def report(self, second: float, child: str, outcome: Any = "reported", parent: str = "lead") -> None:
        closed = f.DelegationClosed(call=f"c{child}", thread=child, outcome=outcome, content=text(f"{outcome}!"))
        self.add(second, parent, closed)
        self.rest(second, child)

    def rest(self, second: float, thread: str, reason: Any = "end_turn") -> None:
        self.add(second, thread, self._status(e.ThreadIdle, thread, second, stop_reason=e.StopReason(reason)))

    def idle(self, second: float, reason: Any = "end_turn") -> None:
        self.rest(second, "lead", reason)
        event = e.SessionIdle(id=self.id(), processed_at=at(second), stop_reason=e.StopReason(reason))
        self.add(second, "lead", event)

    def wake(self, second: float) -> None:
        self.add(second, "lead", e.SessionRunning(id=self.id(), processed_at=at(second)))
        self.add(second, "lead", self._status(e.ThreadRunning, "lead", second))

    def take_over(self, second: float, epoch: int = 2) -> None:
        self.add(second, "lead", f.DrivingStarted(epoch=epoch))

    @property
    def trace(self) -> Trace:
        return trace(self.records)
