"""What a crash left open, closed in one append.

A model call without a reply is ended as failed, and its step runs again as a new attempt. A tool call that had started
and has no result runs again only if the tool is declared idempotent, twice at most; else the model is told that its
outcome is unknown, and so is a workflow of its function. Delegations stay open: their children go on.
"""

from podium.core.content import text
from podium.core.ending import cut_function
from podium.core.events import Usage
from podium.core.facts import AttemptFailed, BudgetSettled, DrivingStarted, ToolStarted
from podium.core.moment import Moment
from podium.core.session import SessionState
from podium.core.thread import ThreadState
from podium.core.turn import record_failure

MOST_ATTEMPTS = 3  # of an idempotent call: it may be what ends the process each time
UNKNOWN_OUTCOME = (
    "interrupted: the process that ran this call ended before its result was recorded. "
    "Its outcome is unknown: check what it did before repeating it."
)


def recover(state: SessionState, epoch: int, at: Moment) -> None:
    """Record that a driver took over, and close what was under way."""
    at.private(state.primary, DrivingStarted(epoch=epoch))
    for thread in state.threads.values():
        if thread.is_open:
            recover_thread(state, thread, at)


def recover_thread(state: SessionState, thread: ThreadState, at: Moment) -> None:
    """Close what was under way of the thread when its process ended, or when it was halted."""
    if thread.span is not None:
        reason = "the process that made this call ended before its reply was recorded"
        lost = AttemptFailed(span=thread.span, reason=reason, kind="lost", attempt=thread.attempts + 1, retry_at=at.now)
        spent = thread.span_reserved_usd
        settled = None if spent is None else BudgetSettled(span=thread.span, usd=spent, is_estimate=True)
        record_failure(thread, lost, settled, Usage(), at)
    idempotent = {spec.name for spec in thread.definition.tools if spec.idempotent}
    for call in thread.calls.values():
        if call.child is not None or call.attempt == 0:
            continue
        if (step := state.step_of(call.id)) is not None:
            cut_function(thread, step, at)
            continue
        if call.name in idempotent and call.attempt < MOST_ATTEMPTS:
            at.private(thread.id, ToolStarted(call=call.id, attempt=call.attempt + 1))
            continue
        at.tool_result(thread.id, call.id, text(UNKNOWN_OUTCOME), is_error=True)
