"""What is told of a session when a run of it is over: the result on stdout, how it came about on stderr."""

import sys
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from podium.analysis.spending import told_cost
from podium.analysis.trace import Trace
from podium.cli.exit_codes import ExitCode, of_session
from podium.cli.text import Place, command, count, one_line, printable, seconds, tell, unbroken
from podium.core.events import Usage


class Ended(Protocol):
    """How a session ended, wherever it was driven; as in `RunResult`."""

    @property
    def session_id(self) -> str: ...

    @property
    def stop_reason(self) -> str: ...

    @property
    def paused(self) -> bool: ...

    @property
    def error(self) -> str: ...

    @property
    def output(self) -> Any: ...

    @property
    def usage(self) -> Usage: ...


def conclude(result: Ended, trace: Trace, place: Place, *, json: bool, is_rehearsed: bool) -> ExitCode:
    """Print the result and how it came about; the exit code."""
    code = of_session(result.stop_reason, interrupted=trace.is_interrupted)
    is_for_client = not trace.asking and bool(trace.clients.waiting)
    for said in _left_open(result):
        tell(unbroken(f"open: {one_line(said)}"))
    if not json and code in (ExitCode.SUCCESS, ExitCode.LIMIT_REACHED):
        margin = "\n" if sys.stderr.isatty() and sys.stdout.isatty() else ""
        if told := _told_result(result):
            sys.stdout.write(f"{margin}{told}{margin}")
            sys.stdout.flush()
    main = trace.threads[trace.primary]
    said = {
        ExitCode.SUCCESS: "done",
        ExitCode.LIMIT_REACHED: f"stopped, {main.reason or 'a limit was reached'}",
        ExitCode.WAITS_FOR_PERSON: "waits for its client" if is_for_client else "waits for a person",
        ExitCode.INTERRUPTED: "interrupted and paused" if result.paused else "interrupted",
        ExitCode.FAILED: f"failed: {result.error or result.stop_reason}",
    }.get(code, result.stop_reason)
    wall = ((trace.last_at or main.opened_at) - main.opened_at).total_seconds()
    figures = [
        count(len(trace.threads), "thread"),
        count(trace.turns, "turn"),
        count(trace.usage.total_tokens, "token") + (" (estimated; no model was called)" if is_rehearsed else ""),
        trace.cost.told,
        seconds(wall),
    ]
    tell(unbroken(f"{said} · {', '.join(figure for figure in figures if figure)}"))
    answers = "show" if is_for_client else "approve"
    next_step = {ExitCode.WAITS_FOR_PERSON: answers, ExitCode.INTERRUPTED: "resume" if result.paused else "show"}
    if trace.flow.status == "error":  # at the call that failed
        next_step[ExitCode.FAILED] = "resume"
    tell(command(next_step.get(code, "show"), result.session_id, place))
    return code


def _left_open(result: Ended) -> Sequence[str]:
    """What the stages of a team's workflow left open."""
    from podium.patterns.made import Made

    return result.output.open if isinstance(result.output, Made) else ()


def _told_result(result: Ended) -> str:
    from podium.patterns.made import Made

    output = result.output.output if isinstance(result.output, Made) else result.output
    if output is None and result.stop_reason != "end_turn":  # a workflow that did not come to its end
        return ""
    if isinstance(output, str):
        said = printable(output.rstrip("\n"))
        return f"{said}\n" if said else ""
    return msgspec.json.format(msgspec.json.encode(_plain(output)), indent=2).decode() + "\n"


def _plain(output: Any) -> Any:
    """A workflow's result as JSON: it may be any value that has such a form."""
    from podium.workflows.values import to_json

    return to_json(output, "the result")


def result_line(result: Ended, trace: Trace) -> dict[str, object]:
    """The result as the last of the JSON lines."""
    return {
        "type": "result",
        "session": result.session_id,
        "stop_reason": result.stop_reason,
        "paused": result.paused,
        "exit_code": int(of_session(result.stop_reason, interrupted=trace.is_interrupted)),
        "output": _plain(result.output),
        "error": result.error,
        "threads": len(trace.threads),
        "turns": trace.turns,
        "usage": result.usage,
        "cost": told_cost(trace.cost),
    }
