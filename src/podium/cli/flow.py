"""A session's workflow as text: its phases, and each call with how it ended."""

from collections.abc import Iterator
from datetime import datetime

from podium.analysis.flow import StepTrace
from podium.analysis.trace import Trace
from podium.cli.text import count, one_line, seconds

NAME_WIDTH = 34
_STATUS = {"completed": "is done", "error": "failed", "idle": "rests", "running": "works", "stopped": "was stopped"}


def flow_told(made: Trace, until: datetime) -> Iterator[str]:
    """The lines of it; none for a session without a workflow."""
    flow = made.flow
    if not flow.runs:
        return
    start = made.started_at or until
    stands, again = _STATUS.get(flow.status, flow.status), ""
    if flow.runs > 1:
        again = f", resumed {count(flow.runs - 1, 'time')}"
    yield f"workflow {one_line(flow.name)} {stands}: {count(len(flow.steps), 'call')}{again}"
    for phase in flow.phases:
        took = ((phase.end or until) - phase.start).total_seconds()
        now = "" if phase.end is not None else ", under way"
        begun = seconds((phase.start - start).total_seconds())
        yield f"  phase {one_line(phase.name)}: from +{begun}, {seconds(took)}{now}"
    rows = [_row(step, start, until) for step in flow.steps.values()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    for row in rows:
        yield ("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()


def _row(step: StepTrace, start: datetime, until: datetime) -> tuple[str, ...]:
    outcome = step.outcome or ("waits for a person" if step.kind == "checkpoint" else "under way")
    took = seconds(((step.end or until) - step.start).total_seconds())
    why = one_line(step.reason, 60) if step.reason and step.outcome != "done" else ""
    return (
        step.key,
        one_line(step.name, NAME_WIDTH),
        step.kind,
        step.phase,
        f"+{seconds((step.start - start).total_seconds())}",
        took,
        outcome + (f", attempt {step.attempt}" if step.attempt > 1 else "") + (f": {why}" if why else ""),
    )
