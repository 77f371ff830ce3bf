"""Cheap workers under a strong orchestrator save what the price list says.

    .venv/bin/python examples/claims/cheap_workers.py [--strong MODEL] [--cheap MODEL] [--data DIR]

An editor on the strong model has chapters summarized by readers on the cheap one, in three runs with more and more
chapters. The replies are rehearsed, so no key is needed; the tokens are those of the sessions, and each is paid for at
the list price of the model that it was sent to or came from. Beside that: the same tokens, all of them at the strong
model's price.
"""

import argparse
import asyncio
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from podium import Agent, ModelRequest, Podium, PodiumError, Rehearsal, TextBlock, ToolResultBlock, call
from podium.analysis.spending import Spent, spending
from podium.analysis.trace import trace
from podium.core.content import plain
from podium.core.money import ModelFacts, Price
from podium.errors import BadInput
from podium.models.rehearsal import Said

STRONG, CHEAP = "claude-opus-5", "claude-haiku-4-5"
BOOK = Path(__file__).resolve().parents[2] / "ARCHITECTURE.md"
CHAPTERS = BOOK.read_text(encoding="utf-8").split("\n## ")
RUNS = (2, 4, len(CHAPTERS))  # chapters of each run
SENTENCES = 3  # of a summary


def chapter(number: int) -> str:
    "A chapter of the book, by its number, from 1."
    return CHAPTERS[number - 1]


def reply(request: ModelRequest) -> Said:
    """What the editor and the readers say: a reader's summary is how its chapter begins."""
    first, last = request.messages[0].content[0], request.messages[-1].content
    results = [plain(block.content) for block in last if isinstance(block, ToolResultBlock)]
    if request.agent == "editor":
        if results:
            return "\n\n".join(results)
        assert isinstance(first, TextBlock)
        return [call("reader", task=f"Summarize chapter {n}.") for n in range(1, _number(first.text) + 1)]
    if results:
        return " ".join(re.split(r"(?<=\.)\s", results[0])[:SENTENCES])
    assert isinstance(first, TextBlock)
    return call("chapter", number=_number(first.text))


def _number(text: str) -> int:
    found = re.search(r"\d+", text)
    assert found is not None
    return int(found[0])


class Rehearsed(Rehearsal):
    """Rehearsed replies, counted at a model's list price."""

    def __init__(self, facts: ModelFacts) -> None:
        super().__init__(reply)
        self.facts = facts


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What one run's tokens cost.

    Shape: `spent` by model, as the log has it; `mixed` is what they cost at the price of the model of each, `strong`
    what the same tokens cost at the strong model's price.
    Units: US dollars at list price.
    """

    session: str
    chapters: int
    spent: Mapping[str, Spent]
    mixed: Decimal
    strong: Decimal

    @property
    def saved(self) -> Decimal:
        """How much less the mixed one costs, as a share of the strong one."""
        return (self.strong - self.mixed) / self.strong


def bill(session: str, chapters: int, spent: Mapping[str, Spent], prices: Mapping[str, Price], strong: str) -> Bill:
    """Tokens times prices."""
    return Bill(
        session=session,
        chapters=chapters,
        spent=spent,
        mixed=sum((prices[model].cost(it.usage) for model, it in spent.items()), Decimal(0)),
        strong=sum((prices[strong].cost(it.usage) for it in spent.values()), Decimal(0)),
    )


async def run(data: Path, strong: str, cheap: str) -> list[Bill]:
    """Make the runs and print the bill of each.

    Errors: BadInput if the price list does not know a model.
    """
    reader = Agent("reader", model=cheap, tools=[chapter], description="Summarizes a chapter. Returns sentences.")
    editor = Agent("editor", model=strong, system="You have a book summarized.", callable_agents=[reader])
    bills: list[Bill] = []
    async with Podium(data) as podium:
        facts = {model: podium.facts_of(model) for model in (strong, cheap)}
        prices = {model: _price(model, it) for model, it in facts.items()}
        show_prices(prices)
        models = {model: Rehearsed(it) for model, it in facts.items()}
        for chapters in RUNS:
            result = await podium.run(editor, f"Summarize the first {chapters} chapters.", models=models)
            spent = spending(trace(result.records), {}).models
            bills.append(bill(result.session_id, chapters, spent, prices, strong))
            show(len(bills), bills[-1], prices, strong)
    return bills


def _price(model: str, facts: ModelFacts) -> Price:
    if facts.price is None:
        raise BadInput(f"the price list does not know '{model}': name another model, or give its price in podium.toml")
    return facts.price


# --- what is printed -----------------------------------------------------------------------------------


def show_prices(prices: Mapping[str, Price]) -> None:
    """Print what the list says."""
    print("list price, US dollars for a million tokens")
    for model, price in prices.items():
        print(f"  {model}: {price.input} in, {price.output} out")


def show(number: int, it: Bill, prices: Mapping[str, Price], strong: str) -> None:
    """Print the bill of one run."""
    print(f"\nrun {number}: {it.chapters} chapters, {it.session}")
    print(f"  {'':18} calls    input   output   at its price   at {strong}'s")
    for model, spent in it.spent.items():
        usage = spent.usage
        print(
            f"  {model:18} {spent.calls:5} {usage.input_tokens:8,} {usage.output_tokens:8,} "
            f"{prices[model].cost(usage):14f} {prices[strong].cost(usage):14f}"
        )
    print(f"  {'all':18} {'':5} {'':8} {'':8} {it.mixed:14f} {it.strong:14f}   saves {it.saved:.1%}")


def main() -> int:
    """Make the runs; 0 if each cost less than it would have on the strong model alone."""
    parser = argparse.ArgumentParser(description="Cheap workers under a strong orchestrator: what they save.")
    parser.add_argument("--strong", default=STRONG, metavar="MODEL", help=f"the orchestrator's ({STRONG})")
    parser.add_argument("--cheap", default=CHEAP, metavar="MODEL", help=f"the workers' ({CHEAP})")
    parser.add_argument("--data", type=Path, default=Path(".podium"), help="the data folder of the sessions")
    given = parser.parse_args()
    try:
        bills = asyncio.run(run(given.data, given.strong, given.cheap))
    except PodiumError as error:
        print(error, file=sys.stderr)
        return 2
    print("\ntokens are estimated, a quarter of the characters: no model was called. Prices are those of the list.")
    return 0 if all(it.mixed < it.strong for it in bills) else 1


if __name__ == "__main__":
    sys.exit(main())
