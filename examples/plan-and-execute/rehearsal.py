"""The team without a model. Its first plan has a mistake, so that one sees how a plan is told back and mended."""

import asyncio
import os
import re
from typing import Any

from podium import ModelRequest, call
from podium.core.content import TextBlock, ToolUseBlock

PACE = float(os.environ.get("PODIUM_REHEARSAL_PACE", "1"))  # 1: steps take a second or so; 0: at once
PRODUCTS = {  # a name, and how long looking into it takes
    "PostgreSQL": (2.5, "Mature.\nRuns a primary and replicas.\nFree; two days a month to run."),
    "SQLite": (0.5, "A library, no server.\nOne writer at a time.\nFree; an hour a month to run."),
    "FoundationDB": (1.5, "Spreads over many machines.\nFew people know it.\nFree; five days a month to run."),
}
COSTS = "1. SQLite: an hour a month.\n2. PostgreSQL: two days a month.\n3. FoundationDB: five days a month."
RISKS = "1. PostgreSQL: many know it.\n2. SQLite: one writer.\n3. FoundationDB: few know it."
OBJECTION = "The ranking by cost holds for one writer only: with two shops writing, SQLite is no choice."


async def reply(request: ModelRequest) -> str | ToolUseBlock:
    """What the agent of this request says."""
    [block] = request.messages[0].content
    assert isinstance(block, TextBlock)
    told = block.text
    if request.agent == "lead":
        return _plan(told) if told.startswith("Plan ") else _recommend(told)
    seconds, said = _answer(request.agent, told)
    await asyncio.sleep(seconds * PACE)
    return said


def _plan(told: str) -> ToolUseBlock:
    names = [name for name in PRODUCTS if name in told] or list(PRODUCTS)
    facts: list[dict[str, Any]] = [
        {"id": f"facts-{name.lower()}", "agent": "researcher", "task": f"Find what speaks for and against {name}."}
        for name in names
    ]
    ids = [step["id"] for step in facts]
    slip = "what is wrong with it" not in told  # the first time it names a step that is not there
    return call(
        "submit_result",
        steps=[
            *facts,
            {"id": "costs", "agent": "analyst", "task": "Rank the products by what they cost.", "depends_on": ids},
            {"id": "risks", "agent": "analyst", "task": "Rank the products by risk.", "depends_on": ids},
            {
                "id": "objection",
                "agent": "reviewer",
                "task": "What speaks against this ranking by cost?",
                "depends_on": ["cost" if slip else "costs"],
                "expected_output": "One paragraph.",
            },
        ],
    )


def _answer(agent: str, told: str) -> tuple[float, str]:
    if agent == "researcher":
        name = re.search(r"against (\w+)", told)
        assert name is not None
        return PRODUCTS[name[1]]
    if agent == "reviewer":
        return 1.0, OBJECTION
    return (0.5, COSTS) if "cost" in told.partition("\n")[0] else (1.0, RISKS)


def _recommend(told: str) -> str:
    lacks = " What speaks against it was not looked into." if "[missing]" in told else ""
    return f"Take PostgreSQL: it has the least risk, and two days a month is what it costs.{lacks}"
