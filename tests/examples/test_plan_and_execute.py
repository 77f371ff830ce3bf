"""examples/plan-and-execute: its commands, in their order, and its program."""

import shutil
from pathlib import Path

import pytest

from podium.core.facts import StepAsked
from podium.models.script_file import load
from podium.store.sqlite import read_log
from podium.team import load_plan, load_team
from tests.cli.podium import Folder

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/plan-and-execute"
TASK = "Which database for the shop: PostgreSQL, SQLite or FoundationDB?"
ANSWER = "Take PostgreSQL: it has the least risk, and two days a month is what it costs."
AT_ONCE = {"PODIUM_REHEARSAL_PACE": "0"}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    shutil.copytree(EXAMPLE, tmp_path / "it", ignore=shutil.ignore_patterns("__pycache__", ".podium"))
    return Folder(tmp_path / "it")


@pytest.mark.slow
def test_a_plan_is_made_shown_and_run_again_and_again(folder: Folder) -> None:
    made = folder.run("plan", "make", "team.yaml", TASK, "-o", "plan.yaml", env=AT_ONCE)
    assert (made.code, made.out) == (0, "")
    assert "done · 3 threads, 2 turns" in made.err  # the first plan had a slip
    plan = load_plan(folder.path / "plan.yaml", load_team(EXAMPLE / "team.yaml").agents)
    assert plan.finals == ("risks", "objection")

    shown = folder.run("plan", "show", "plan.yaml")
    assert "longest chain (*): facts-postgresql -> costs -> objection" in shown.out

    for _ in range(2):
        done = folder.run("plan", "run", "plan.yaml", "team.yaml", env=AT_ONCE)
        assert (done.code, done.out) == (0, f"{ANSWER}\n")
        assert "done · 8 threads, 7 turns" in done.err


def test_the_program_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program: dict[str, object] = {"__name__": "program", "__file__": str(EXAMPLE / "program.py")}
    exec(compile((EXAMPLE / "program.py").read_text(), str(EXAMPLE / "program.py"), "exec"), program)
    main = program["main"]
    assert callable(main)

    result = main(data=tmp_path)

    assert capsys.readouterr().out.splitlines()[-1] == ANSWER
    asked = [r.event.name for r in read_log(tmp_path, result.session_id) if isinstance(r.event, StepAsked)]
    assert asked[:5] == ["plan", "plan", "facts-postgresql", "facts-sqlite", "facts-foundationdb"]
    assert asked[-1] == "synthesis"


def test_the_rehearsal_is_one_that_teams_can_name() -> None:
    assert load("rehearsal.py:reply", EXAMPLE)[0].provider == "rehearsal"
