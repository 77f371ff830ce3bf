"""`podium cost`: where a session's tokens and dollars went."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from podium.analysis.spending import Spending, Spent, spending
from podium.analysis.trace import Trace
from podium.cli.data import LAST, existing, meant, traced
from podium.cli.options import Data
from podium.cli.text import DATA, aligned, count, one_line
from podium.cli.tree import NAME_WIDTH, branches

Row = tuple[str, ...]

HEADS = ("", "calls", "failed", "input", "output", "cache read", "cache write", "dollars", "share")


def cost(
    session: Annotated[str, typer.Argument(help="An id, its beginning or end, or 'last'.")] = LAST,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")] = False,
    data: Data = DATA,
) -> None:
    """Show where a session's tokens and dollars went.

    By agent, thread and model; failed attempts cost too. Dollars are at list price. The cost of a call whose price is
    not known is shown as unknown, and is no part of any sum.
    """
    asyncio.run(_cost(session, json, data))


async def _cost(name: str, json: bool, data: Path) -> None:
    async with existing(data) as podium:
        row = await meant(podium.parts.store, name)
        store = podium.parts.store
        made = await traced(store, row.id)
        models: dict[str, str] = {}
        # Some agents came later than the session: they were defined by a call, or changed.
        for agent in {row.agent, *(thread.agent for thread in await store.threads(row.id))}:
            models |= {version: each.model for version, each in (await store.definitions(agent)).items()}
    spent = spending(made, models)
    if json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(told(made, spent)), indent=2).decode())
        return
    for line in bill(made, spent):
        print(line)


def told(made: Trace, spent: Spending) -> dict[str, object]:
    """The bill as JSON. Units: tokens; dollars as texts, so that they stay exact."""

    def rows(of: Mapping[str, Spent]) -> list[dict[str, object]]:
        return [{"name": name, **it.told(), "share": it.share(spent.total)} for name, it in of.items()]

    return {
        "session": made.id,
        "rehearsed": made.is_rehearsed,
        "total": spent.total.told(),
        "phases": rows(_by_phase(made, spent)) if made.flow.phases else [],
        "agents": rows(spent.agents),
        "threads": [
            {
                "id": id,
                "name": made.threads[id].label,
                "parent": made.threads[id].parent,
                **it.told(),
                "share": it.share(spent.total),
                "with_below": spent.below[id].told(),
            }
            for id, it in spent.threads.items()
        ],
        "models": rows(spent.models),
        "models_of_unknown_price": spent.unknown,
    }


def bill(made: Trace, spent: Spending) -> Iterator[str]:
    """The lines of the bill."""
    yield one_line(made.title, 100)
    yield made.id
    threads = [(name, spent.threads[thread.id]) for thread, name in branches(made)]
    phases = _by_phase(made, spent)
    tables = [
        *([("by phase", _rows(phases.items(), spent.total))] if made.flow.phases else []),
        ("by agent", _rows(spent.agents.items(), spent.total)),
        ("by thread", _rows(threads, spent.total)),
        ("by model", _rows(spent.models.items(), spent.total)),
    ]
    sums = _row("all", spent.total, spent.total)
    every = [HEADS, sums, *(row for _, rows in tables for row in rows)]
    widths = [max(9 if column == 0 else 0, *(len(row[column]) for row in every)) for column in range(len(HEADS))]
    for title, rows in tables:
        yield ""
        yield aligned((title, *HEADS[1:]), widths)
        for row in rows:
            yield aligned(row, widths)
        yield aligned(sums, widths)
    notes = list(_notes(made, spent))
    if notes:
        yield ""
        yield from notes


def _by_phase(made: Trace, spent: Spending) -> dict[str, Spent]:
    """What the calls of each phase of the workflow used up, with all below them."""
    sums: dict[str, Spent] = {}
    for step in made.flow.steps.values():
        if step.thread:
            phase = step.phase or "(none)"
            sums[phase] = sums.get(phase, Spent()) + spent.below[step.thread]
    return sums


def _rows(of: Iterable[tuple[str, Spent]], total: Spent) -> list[Row]:
    return [_row(one_line(name, NAME_WIDTH), it, total) for name, it in of]


def _row(name: str, it: Spent, total: Spent) -> Row:
    usage, share = it.usage, it.share(total)
    tokens = (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_input_tokens,
        usage.cache_creation_input_tokens,
    )
    return (
        name,
        f"{it.calls:,}",
        f"{it.failed:,}" if it.failed else "",
        *(f"{number:,}" for number in tokens),
        it.cost.exact,
        "?" if it.cost.unknown and not it.cost.usd else "" if share is None else f"{share:.0%}",
    )


def _notes(made: Trace, spent: Spending) -> Iterator[str]:
    if made.is_rehearsed:
        yield "rehearsed: no model was called, tokens are estimated"
    for name in spent.unknown:
        calls = count(spent.models[name].cost.unknown, "call")
        yield f"? what {calls} of {one_line(name)} cost is not known, and is in no sum of dollars"
    if estimated := spent.total.cost.estimated:
        yield f"~ the cost of {count(estimated, 'call')} is estimated: the provider did not tell what was used"
