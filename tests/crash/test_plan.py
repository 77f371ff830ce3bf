"""A plan that is made, mended and taken, with a step that fails, killed at every boundary and resumed."""

from typing import Any

import pytest

from podium import ModelRequest, WorkflowRun, workflow
from podium.patterns import plan
from tests.lab.cast import after, raises
from tests.lab.lab import Lab
from tests.lab.world import Fuse, Killed
from tests.scenario.test_plan import LEAD, said_to, submits
from tests.scenario.test_workflows import C, asked, output

STEPS: list[dict[str, Any]] = [
    {"id": "slow", "agent": "a", "task": "look"},
    {"id": "bad", "agent": "b", "task": "look"},
    {"id": "quick", "agent": "c", "task": "look"},
    {"id": "next", "agent": "c", "task": "go on", "depends_on": ["quick"]},
    {"id": "never", "agent": "a", "task": "go on", "depends_on": ["bad", "next"]},
    {"id": "last", "agent": "a", "task": "sum up", "depends_on": ["slow", "next"]},
]
ENDS = {"slow": "done", "bad": "failed", "quick": "done", "next": "done", "never": "skipped", "last": "done"}


@workflow
async def planned(run: WorkflowRun, task: str) -> dict[str, Any]:
    result = await plan(run, task, planner=LEAD, team=LEAD, synthesis=C)
    return {"ends": {id: step.end for id, step in result.steps.items()}, "said": result.output}


def lead(request: ModelRequest) -> Any:
    """Plans in a circle, until it is told so."""
    if "circle" in said_to(request):
        return submits(*STEPS)
    return submits({**STEPS[0], "depends_on": ["slow"]})


def lab_of() -> Lab:
    return Lab(lead=lead, a=after(5, "A"), b=raises(RuntimeError("broken"), after_s=2), c=after(1, "C"))


@pytest.mark.crash
def test_killed_anywhere_and_resumed_a_plan_ends_the_same() -> None:
    whole, fuse = lab_of(), Fuse()
    first = whole.run(planned, fuse=fuse)
    assert output(whole) == {"ends": ENDS, "said": "C"}

    for at in range(len(fuse.crossed)):
        lab = lab_of()
        try:
            lab.run(planned, fuse=Fuse(at))
        except Killed:
            if not lab.world.log.sessions:  # it died before there was a session
                continue
            log = lab.resume()
            run, where = log.state.run, f"killed at boundary {at}: {fuse.crossed[at]}"
            assert run is not None, where
            assert (run.has_returned, run.output) == (True, output(whole)), where
            assert sorted(asked(log)) == sorted(asked(first)), where
            # A model's call that was under way is made again, for each thread that worked: three at most here.
            assert len(lab.world.requests) <= len(whole.world.requests) + 3, where
