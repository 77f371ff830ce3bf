"""Customer support with compliance: research first, then draft and compliance at once, then check and layout at once.

    .venv/bin/python examples/workflows/customer_support.py [QUESTION]

The checked and the laid-out answer are merged only if the check or the rules ask for a change: most answers never need
it. It needs no key: `script` answers in the models' place. For real models put their names into MODEL and CHECKING, and
take `models=` out of `main`.
"""

import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from podium import Agent, ModelRequest, Rehearsal, RunResult, WorkflowRun, call, run_sync, workflow
from podium.patterns import verify

MODEL = CHECKING = "rehearsed"
QUESTION = "May I return my anvil, and when is the money back?"


class Rules(BaseModel):
    """What compliance owes."""

    must_say: list[str]
    must_not_say: list[str]


class Answer(BaseModel):
    """What the workflow returns. Shape: `changes` are what was changed after the first draft."""

    text: str
    changes: list[str]


researcher = Agent("researcher", model=MODEL, system="You look up what our terms and the customer's orders say.")
writer = Agent("writer", model=MODEL, system="You answer customers: warm, short, and right.")
compliance = Agent("compliance", model=CHECKING, system="You know what must, and must not, be said to customers.")
checker = Agent("checker", model=CHECKING, system="You check an answer against the facts and the rules.")
formatter = Agent("formatter", model=MODEL, system="You lay answers out as letters, and change nothing in them.")


@workflow
async def support(run: WorkflowRun, question: str) -> Answer:
    """Answer a customer's question."""
    run.phase("research")
    facts = await run.agent(researcher, f"What do we know for this question: {question}")
    run.phase("drafting")
    draft, rules = await run.gather(
        run.agent(writer, f"Answer the customer: {question}", context=facts),
        run.agent(
            compliance, f"Which rules hold for an answer to this: {question}", context=facts, output_schema=Rules
        ),
    )
    run.phase("checking")
    checked, letter = await run.gather(
        verify(run, draft, by=checker, against=[facts, rules], attempts=1),
        run.agent(formatter, "Lay this answer out as a letter.", context=draft),
    )
    if checked.verified:
        return Answer(text=letter.text, changes=[])
    run.phase("merging")
    changes = "\n".join(checked.issues)
    merged = await run.agent(
        writer, "Make these changes in the letter.", context={"letter": letter, "changes": changes}
    )
    return Answer(text=merged.text, changes=list(checked.issues))


# --- the rehearsal -----------------------------------------------------------------------------------

DAYS = "Say that the money is back within 14 days."


def script(request: ModelRequest) -> Any:
    """What the models would say: the draft on money forgets what must be said, and the check finds it."""
    told = request.messages[0].content[0].text  # type: ignore[union-attr]
    if request.agent == "researcher":
        return "Returns: 30 days, unused. Refunds: 14 days."
    if request.agent == "compliance":
        return call("submit_result", must_say=[DAYS] if "money" in told else [], must_not_say=["at once"])
    if request.agent == "formatter":
        draft = told.partition("Context:\n")[2].partition("\n")[2]  # below its name
        return f"Dear customer,\n\n{draft}\n\nYour Acme"
    if request.agent == "checker":
        draft, _, rules = told.partition("[draft]\n")[2].partition("\n\n")
        issues = [DAYS] if DAYS in rules and "14 days" not in draft else []
        return call("submit_result", verified=not issues, issues=issues, confidence=0.9)
    if "[changes]" in told:
        letter = told.partition("[letter]\n")[2].partition("\n\n[changes]")[0]
        return letter.replace("30 days.", "30 days, and the money is back within 14 days.")
    return "You may return it within 30 days."


def main(question: str, *, data: Path | str = ".podium") -> RunResult:
    """One answer."""
    return run_sync(support, question, data=data, models={"rehearsed": Rehearsal(script)})


if __name__ == "__main__":
    result = main(sys.argv[1] if len(sys.argv) > 1 else QUESTION)
    if result.error:
        sys.exit(result.error)
    print(f"{result.output.text}\n\nchanged: {result.output.changes or 'nothing'}")
