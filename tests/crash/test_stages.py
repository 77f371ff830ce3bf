"""Stages of a team file, killed at every boundary and resumed by what a process finds in the log: the same result."""

from pathlib import Path
from typing import Any

import pytest

from podium.core.workflow import CHECKPOINT
from podium.workflows.file import own_workflow, place_of
from tests.crash.test_patterns import decider, worker
from tests.lab.cast import after, raises
from tests.lab.lab import Lab
from tests.lab.log import Played
from tests.lab.world import Fuse, Killed
from tests.scenario.test_stages import flow
from tests.scenario.test_workflows import asked

STAGES = """
  - {name: facts, parallel: {x: a, y: typed}, join: best_effort}
  - {map: {agent: a, items: [1, 2, 3], at_once: 2}, task: "do {item}", merge: b, context: [facts]}
  - verify: {by: c, reviser: a, against: [facts]}
  - {judge: {agent: a, by: c, at_least: 0.5}, context: [facts, verify]}
  - checkpoint: Go on with {task}?
  - route: {to: [a, b], by: c}
"""


def lab_of() -> Lab:
    return Lab(a=after(1, worker), b=after(2, "bad"), c=decider, typed=raises(RuntimeError("broken"), after_s=1))


def taken_up(lab: Lab) -> None:
    """Have the next process run what it finds in the log."""
    place, name, _ = place_of(str(lab.workflow and lab.workflow.need))
    lab.workflow = own_workflow(place, name).as_started(lab.played().state.input)


def answered(lab: Lab, fuse: Fuse | None = None) -> Played:
    lab.answer(CHECKPOINT, allow=True)
    return lab.resume(fuse=fuse)


@pytest.mark.crash
def test_killed_anywhere_and_resumed_without_the_team_file_it_ends_the_same(tmp_path: Path) -> None:
    workflow = flow(tmp_path, STAGES)
    (tmp_path / "team.yaml").unlink()
    whole, before, behind = lab_of(), Fuse(), Fuse()
    whole.run(workflow, "birds", fuse=before)
    first = answered(whole, behind)
    assert first.state.run is not None
    expected: Any = first.state.run.output
    assert expected["output"] == "bad"
    assert [said.partition(",")[0] for said in expected["open"]] == ["facts: y: failed"]

    for at in range(len(before.crossed) + len(behind.crossed)):
        lab, late = lab_of(), at - len(before.crossed)
        try:
            lab.run(workflow, "birds", fuse=Fuse(at) if late < 0 else None)
            answered(lab, Fuse(late))
        except Killed:
            if not lab.world.log.sessions:  # it died before there was a session
                continue
            taken_up(lab)
            log = lab.resume()
            if not (log.state.run and log.state.run.has_returned):  # it waits for a person
                log = answered(lab)
            where = f"killed at boundary {at}: {(before.crossed + behind.crossed)[at]}"
            assert log.state.run is not None, where
            assert (log.state.run.has_returned, log.state.run.output) == (True, expected), where
            assert sorted(asked(log)) == sorted(asked(first)), where
            # A model's call that was under way is made again, for each thread that worked: three at most here.
            assert len(lab.world.requests) <= len(whole.world.requests) + 3, where
        else:
            raise AssertionError(f"it was not killed at boundary {at}")
