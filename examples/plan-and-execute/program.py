"""Plan and execute as one workflow: the lead plans, the specialists take the steps, the lead sums up."""

import sys
from pathlib import Path
from typing import Any

from podium import RunResult, WorkflowRun, run_sync, workflow
from podium.patterns import PlanResult, plan
from podium.team import load_team

HERE = Path(__file__).parent
TASK = "Which database for the shop: PostgreSQL, SQLite or FoundationDB?"
team = load_team(HERE / "team.yaml")


@workflow(agents=list(team.agents.values()))
async def decide(run: WorkflowRun, question: str) -> PlanResult:
    """Prepares a decision by a plan of its own."""
    return await plan(run, question, planner=team.coordinator, team=team.coordinator, retries=1)


def main(question: str = TASK, **how: Any) -> RunResult:
    """Decide, and say how it came about."""
    result = run_sync(decide, question, rehearsal=team.rehearsal, rehearsal_folder=HERE, limits=team.limits, **how)
    made: PlanResult = result.output
    assert made.synthesis is not None, result.error
    for step in made.steps.values():
        print(f"{step.id:20} {step.agent:11} {step.end}")
    print(made.synthesis.text)
    return result


if __name__ == "__main__":
    main(*sys.argv[1:2])
