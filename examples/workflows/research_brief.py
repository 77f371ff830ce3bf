"""A research brief: two look things up at once, one writes, one checks, and a person says whether it is sent.

    .venv/bin/python examples/workflows/research_brief.py [COMPANY] [--yes]

It needs no key: `script` answers in the models' place. For real models put their names into MODEL and CHECKING, and
take `models=` out of `main`.
"""

import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from podium import Agent, Approval, Limits, ModelRequest, Rehearsal, RunResult, WorkflowRun, call, run_sync, workflow
from podium.patterns import verify

MODEL = CHECKING = "rehearsed"


class Figures(BaseModel):
    """What finance owes."""

    sales_musd: float
    staff: int
    source: str


class Brief(BaseModel):
    """What the workflow returns. Shape: `open_issues` are what the last check found, if it is not `verified`."""

    text: str
    verified: bool
    open_issues: list[str]


market = Agent("market", model=MODEL, system="You know markets. Say only what you can name a source for.")
finance = Agent("finance", model=MODEL, system="You read annual reports.", limits=Limits(turns=10))
writer = Agent("writer", model=MODEL, system="You write briefs of five sentences, in plain words.")
checker = Agent("checker", model=CHECKING, system="You check every statement of a draft against its sources.")


@workflow
async def brief(run: WorkflowRun, company: str) -> Brief:
    """Research, write, check, and send if a person says yes."""
    run.phase("research")
    facts, figures = await run.gather(
        run.agent(market, f"Market position of {company}", retries=1),
        run.agent(finance, f"Key figures of {company}", output_schema=Figures, retries=1),
    )
    run.phase("writing")
    draft = await run.agent(writer, f"Write the brief on {company}", context=[facts, figures])
    checked = await verify(run, draft, by=checker, against=[facts, figures], attempts=3, reviser=writer)
    run.phase("sending")
    await run.checkpoint("Send to client", payload={"to": "ceo@acme.test", "body": checked.text})
    return Brief(text=checked.text, verified=checked.verified, open_issues=list(checked.issues))


# --- the rehearsal -----------------------------------------------------------------------------------

WRONG = "Acme leads its market with 48 musd of sales."
RIGHT = "Acme leads its market with 84 musd of sales."


def script(request: ModelRequest) -> Any:
    """What the models would say: the writer mixes two digits up, and the checker finds it."""
    told = request.messages[0].content[0].text  # type: ignore[union-attr]
    if request.agent == "market":
        return "Acme leads the market for anvils (trade register)."
    if request.agent == "finance":
        return call("submit_result", sales_musd=84, staff=310, source="annual report")
    if request.agent == "writer":
        return RIGHT if "[issues]" in told else WRONG
    issues = ["Sales are 84 musd, not 48."] if WRONG in told else []
    return call("submit_result", verified=not issues, issues=issues, confidence=0.95)


def on_the_terminal(approval: Approval) -> bool | str:
    """Ask whoever started it."""
    print(f"{approval.input['description']}? {approval.input['payload']}")
    try:
        return input("y/n: ").strip() == "y" or "not now"
    except EOFError:
        return "nobody was there to be asked"


def main(company: str, *, yes: bool = False, data: Path | str = ".podium") -> RunResult:
    """One brief, from its beginning to its end."""
    approve = (lambda _: True) if yes else on_the_terminal
    return run_sync(brief, company, data=data, models={"rehearsed": Rehearsal(script)}, approve=approve)


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--yes"]
    result = main(words[0] if words else "Acme", yes="--yes" in sys.argv)
    print(result.error or result.output)
    for made in result.calls:
        print(f"{made.phase:10} {made.name:16} {made.outcome}")
    sys.exit(1 if result.error else 0)
