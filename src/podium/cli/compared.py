"""How a comparison is shown: a table for people, lines for programs."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict

from podium.analysis.cost import dollars
from podium.analysis.spending import Spent
from podium.cli.text import aligned, count, one_line, seconds
from podium.comparison import Comparison, Figures, Judgement, Measured, Outcome, Spread

Row = tuple[str, ...]

_WHO = {"single": "one agent", "team": "team"}
_FOUND: dict[Outcome, str] = {
    "single": "one agent is better",
    "team": "the team is better",
    "tie": "tie",
    "position_bias": "tie: the other order, the other verdict (position bias)",
    "not_judged": "not judged",
}


def step_line(step: Measured | Judgement) -> str:
    """What has come of one session, in a line."""
    if isinstance(step, Judgement):
        found = "no verdict" if step.better is None else {"tie": "tie"}.get(step.better, f"{_WHO.get(step.better)}")
        return f"    {found}: {one_line(step.reason, 120)}"
    why = f": {one_line(step.error, 120)}" if step.error else ""
    tokens = count(step.spent.usage.total_tokens, "token")
    figures = ", ".join(it for it in (seconds(step.wall_s), tokens, step.spent.cost.told) if it)
    return f"    {step.stop_reason}{why} · {figures}"


def table(made: Comparison, team: str) -> Iterator[str]:
    """The lines of the table, and what follows from it. `team` is what its coordinator is called."""
    yield one_line(made.task, 100)
    yield ""
    single, of_team = made.single, made.team
    rows: list[Row] = [
        ("", "one agent", "min - max", "team", "min - max"),
        ("finished", f"{single.finished} of {single.runs}", "", f"{of_team.finished} of {of_team.runs}", ""),
        _row("wall time", single.wall_s, of_team.wall_s, seconds),
        _row("model calls", single.calls, of_team.calls, _number),
        _row("input tokens", single.input_tokens, of_team.input_tokens, _number),
        _row("output tokens", single.output_tokens, of_team.output_tokens, _number),
        _row("cache read", single.cache_read_input_tokens, of_team.cache_read_input_tokens, _number),
        _row("cache write", single.cache_creation_input_tokens, of_team.cache_creation_input_tokens, _number),
        ("dollars", *_usd(single), *_usd(of_team)),
    ]
    yield from _lines(rows)
    yield ""
    runs: list[Row] = [("run", "wall time", "dollars", "stop reason", "session")]
    runs += [
        (f"{run.number} {_WHO[run.side]}", seconds(run.wall_s), str(run.spent.cost), run.stop_reason, run.session)
        for run in made.measured
    ]
    yield from _lines(runs)
    if made.judge:
        yield ""
        yield f"judged by {one_line(made.judge)}, blind, each pair in both orders"
        for number, outcome in made.pairs.items():
            yield f"  {number}  {_FOUND[outcome]}{_why_not(made, number) if outcome == 'not_judged' else ''}"
        yield f"  the judge itself: {_told(made.judge_spent)}"
    yield ""
    yield f"the runs: {_told(made.spent)}" + ("; rehearsed: no model was called" if made.is_rehearsed else "")
    if made.stopped:
        yield f"stopped before its time, after {_made(made)}: {made.why}"
    yield made.conclusion.text


def said(step: "Measured | Judgement | Comparison") -> dict[str, object]:
    """As a line of JSON. Units: seconds; dollars as texts, so that they stay exact."""
    match step:
        case Measured():
            return {
                "type": "run",
                "side": step.side,
                "number": step.number,
                "session": step.session,
                "stop_reason": step.stop_reason,
                "error": step.error,
                "output": step.output,
                "wall_s": step.wall_s,
                **step.spent.told(),
            }
        case Judgement():
            return {
                "type": "judgement",
                "number": step.number,
                "first": step.first,
                "better": step.better,
                "reason": step.reason,
                "session": step.session,
                **step.spent.told(),
            }
        case Comparison():
            return {
                "type": "comparison",
                "task": step.task,
                "runs": step.runs,
                "single": _said_figures(step.single),
                "team": _said_figures(step.team),
                "judge": step.judge or None,
                "pairs": [{"number": number, "outcome": outcome} for number, outcome in step.pairs.items()],
                "spent": step.spent.told(),
                "judge_spent": step.judge_spent.told(),
                "rehearsed": step.is_rehearsed,
                "stopped": step.stopped,
                "why": step.why,
                "conclusion": asdict(step.conclusion),
            }


def _said_figures(figures: Figures) -> dict[str, object]:
    """Decimals become texts."""
    return {**asdict(figures), "usd": None if figures.usd is None else asdict(figures.usd)}


# --- cells -------------------------------------------------------------------------------------------


def _lines(rows: list[Row]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield aligned(row, widths)


def _row(name: str, single: Spread[float] | None, team: Spread[float] | None, told: Callable[[float], str]) -> Row:
    return (name, *_cells(single, told), *_cells(team, told))


def _cells(spread: Spread[float] | None, told: Callable[[float], str]) -> tuple[str, str]:
    if spread is None:
        return "-", ""
    return told(spread.median), f"{told(spread.least)} - {told(spread.most)}"


def _usd(figures: Figures) -> tuple[str, str]:
    if figures.usd is None:
        return ("unknown" if figures.finished else "-"), ""
    return dollars(figures.usd.median), f"{dollars(figures.usd.least)} - {dollars(figures.usd.most)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _told(spent: Spent) -> str:
    tokens = count(spent.usage.total_tokens, "token")
    return ", ".join(it for it in (count(spent.calls, "model call"), tokens, spent.cost.told) if it)


def _made(made: Comparison) -> str:
    runs = Counter(run.side for run in made.measured)
    return f"{runs['single']} and {runs['team']} of {count(made.runs, 'run')}"


def _why_not(made: Comparison, number: int) -> str:
    if any(not run.is_finished for run in made.measured if run.number == number):
        return ": a run did not finish"
    reasons = [it.reason for it in made.judgements if it.number == number and it.better is None]
    return f": {one_line(reasons[0], 100)}" if reasons else ""
