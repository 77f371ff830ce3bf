"""`podium plan`: a plan is written, shown, changed in an editor, run, and goes on after a kill."""

import json
import signal
import sys
from pathlib import Path

import pytest

from podium.core.plan import Plan
from podium.team import load_plan
from tests.cli.podium import Done, Folder

TEAM = """
agents:
  lead: {model: any, callable_agents: [alpha, beta]}
  alpha: {model: any, description: Counts.}
  beta: {model: any, description: Measures.}
rehearsal: reply.py:reply
"""
REPLY = """
import asyncio
import os
from pathlib import Path
from podium import call
from podium.core.content import plain

HERE = Path(__file__).parent
STEPS = [
    {"id": "count", "agent": "alpha", "task": "Count."},
    {"id": "measure", "agent": "beta", "task": "Measure."},
    {"id": "compare", "agent": "alpha", "task": "Compare.", "depends_on": ["count", "measure"]},
]

async def reply(request):
    said = plain(request.messages[0].content)
    with (HERE / "asked").open("a") as asked:
        print(said.split()[0], file=asked)
    if said.startswith("Plan "):
        while (HERE / "planning").exists():
            await asyncio.sleep(0.01)
        return call("submit_result", steps=[{**step, "agent": os.environ.get("WHO", step["agent"])} for step in STEPS])
    if said.startswith("Compare"):
        while not (HERE / "go").exists():
            await asyncio.sleep(0.01)
    if (HERE / "broken").exists() and said.startswith("Measure"):
        raise RuntimeError("the tape is torn")
    return f"{request.agent} is done with {said.split()[0]}"
"""
PLAN = """
task: Count and measure
steps:
- {id: count, agent: alpha, task: Count.}
- {id: measure, agent: beta, task: Measure.}
- {id: compare, agent: alpha, task: Compare., depends_on: [count, measure]}
"""


@pytest.fixture
def team(folder: Folder) -> Folder:
    folder.write("team.yaml", TEAM)
    folder.write("reply.py", REPLY)
    folder.write("plan.yaml", PLAN)
    (folder.path / "go").touch()
    return folder


def refused(done: Done, said: str) -> None:
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err


# --- make ------------------------------------------------------------------------------------------------------------


def test_a_plan_is_printed_and_is_a_plan_file(team: Folder) -> None:
    done = team.run("plan", "make", "team.yaml", "Count and measure")

    assert done.code == 0
    assert "done · 2 threads, 1 turn" in done.err
    team.write("made.yaml", done.out)
    assert load_plan(team.path / "made.yaml") == load_plan(team.path / "plan.yaml")


@pytest.mark.parametrize("name", ["made.yaml", "made.json"])
def test_a_plan_is_written_into_its_file(team: Folder, name: str) -> None:
    done = team.run("plan", "make", "team.yaml", "Count and measure", "-o", name)

    assert (done.code, done.out) == (0, "")
    assert f"{name}: 3 steps, 2 levels, sha256 " in done.err
    assert load_plan(team.path / name) == load_plan(team.path / "plan.yaml")
    if name.endswith("json"):
        assert json.loads((team.path / name).read_text())["task"] == "Count and measure"


def test_a_plan_is_not_written_over_another(team: Folder) -> None:
    refused(team.run("plan", "make", "team.yaml", "x", "-o", "plan.yaml"), "plan.yaml exists already")
    refused(team.run("plan", "make", "team.yaml", "x", "-o", "no/plan.yaml"), "there is no folder no")
    assert (team.path / "plan.yaml").read_text() == PLAN
    assert not (team.path / "asked").exists()


def test_a_planner_is_named_and_must_be_there(team: Folder) -> None:
    done = team.run("plan", "make", "team.yaml", "Count", "--planner", "beta", env={"WHO": "lead"})
    assert done.code == 0
    assert done.out.count("agent: lead") == 3
    refused(
        team.run("plan", "make", "team.yaml", "Count", "--planner", "bta"), "unknown agent 'bta', did you mean 'beta'?"
    )
    refused(team.run("plan", "make", "team.yaml", " "), "a plan is made for a task, a text that says what")


def test_a_plan_that_was_interrupted_is_printed_when_its_session_is_resumed(team: Folder) -> None:
    (team.path / "planning").touch()
    started = team.start("plan", "make", "team.yaml", "Count and measure", "-o", "made.yaml")
    started.until(lambda said: "plan: starts" in said)

    started.signal(signal.SIGINT)
    interrupted = started.end()
    (team.path / "planning").unlink()
    resumed = team.run("resume", "last")

    assert (interrupted.code, interrupted.out) == (130, "")
    assert "interrupted and paused" in interrupted.err
    assert "podium resume sesn_" in interrupted.err
    assert not (team.path / "made.yaml").exists()
    assert resumed.code == 0
    assert load_plan(team.write("printed.json", resumed.out)).task == "Count and measure"


# --- show ------------------------------------------------------------------------------------------------------------


def test_a_plan_is_shown_by_levels_with_its_longest_chain(team: Folder) -> None:
    done = team.run("plan", "show", "plan.yaml")

    assert done.code == 0
    assert [line.rstrip() for line in done.out.splitlines()[1:]] == [
        "longest chain (*): count -> compare",
        "done: when every step has ended in some way (best_effort)",
        "  1 * count    alpha  Count.",
        "      measure  beta   Measure.",
        "  2 * compare  alpha  Compare. <- count, measure",
    ]


def test_a_plan_is_shown_as_json(team: Folder) -> None:
    shown = json.loads(team.run("plan", "show", "plan.yaml", "--json").out)

    assert Plan.of(shown["plan"]).sha256 == shown["sha256"]
    assert (shown["levels"], shown["finals"]) == ([["count", "measure"], ["compare"]], ["compare"])


def test_a_wrong_plan_is_refused_with_its_lines(team: Folder) -> None:
    team.write("bad.yaml", PLAN.replace("[count, measure]", "[count, mesure]").replace("agent: beta", "agent: gamma"))

    refused(team.run("plan", "show", "bad.yaml"), "bad.yaml line 6, steps[2].depends_on[1]: unknown step 'mesure', did")
    refused(team.run("plan", "show", "bad.yaml", "team.yaml"), "line 5, steps[1].agent: unknown agent 'gamma'")
    refused(team.run("plan", "run", "bad.yaml", "team.yaml"), "bad.yaml has 2 problems:")
    refused(team.run("plan", "run", "none.yaml", "team.yaml"), "there is no file none.yaml")
    assert not (team.path / ".podium").exists()


# --- edit ------------------------------------------------------------------------------------------------------------


def editor(folder: Folder, *changes: tuple[str, str], code: int = 0) -> dict[str, str]:
    """An editor that makes the first of these changes that fits."""
    program = f"""
import sys
from pathlib import Path
file = Path(sys.argv[1])
text = file.read_text()
old, new = next((it for it in {changes!r} if it[0] in text), ("", ""))
file.write_text(text.replace(old, new) if old else text)
sys.exit({code})
"""
    return {"VISUAL": "", "EDITOR": f"{sys.executable} {folder.write('editor.py', program)}"}


def test_a_plan_that_was_changed_is_kept(team: Folder) -> None:
    done = team.run("plan", "edit", "plan.yaml", "team.yaml", env=editor(team, ("Measure.", "Measure twice.")))

    assert (done.code, done.err.split(", sha")[0]) == (0, "plan.yaml: 3 steps, 2 levels")
    assert load_plan(team.path / "plan.yaml").steps[1].task == "Measure twice."
    assert not (team.path / "plan.edited.yaml").exists()


def test_a_wrong_change_is_told_and_kept_beside_for_the_next_edit(team: Folder) -> None:
    wrong = editor(team, ("[count, measure]", "[count, compare]"))

    refused(team.run("plan", "edit", "plan.yaml", env=wrong), "circle: compare -> compare")
    assert (team.path / "plan.yaml").read_text() == PLAN
    assert "compare]" in (team.path / "plan.edited.yaml").read_text()

    done = team.run("plan", "edit", "plan.yaml", env=editor(team, ("[count, compare]", "[count]")))
    assert done.code == 0
    assert "going on with plan.edited.yaml" in done.err
    assert load_plan(team.path / "plan.yaml").steps[2].depends_on == ("count",)
    assert not (team.path / "plan.edited.yaml").exists()


def test_an_editor_that_changes_nothing_or_fails_leaves_nothing_behind(team: Folder) -> None:
    done = team.run("plan", "edit", "plan.yaml", env=editor(team))
    assert (done.code, done.err) == (0, "nothing was changed\n")
    refused(team.run("plan", "edit", "plan.yaml", env=editor(team, code=3)), "ended with code 3; nothing was changed")
    refused(team.run("plan", "edit", "plan.yaml", env={"VISUAL": "no-such-editor"}), "cannot be started")
    refused(team.run("plan", "edit", "plan.yaml", env={"VISUAL": "rm"}), "has taken plan.edited.yaml away; nothing was")
    refused(
        team.run("plan", "edit", "no.yaml", env=editor(team)), "there is no file no.yaml; `podium plan make -o no.yaml`"
    )
    assert not list(team.path.glob("*.edited*"))
    assert (team.path / "plan.yaml").read_text() == PLAN


# --- run -------------------------------------------------------------------------------------------------------------


def test_a_plan_is_run_and_put_together_by_the_coordinator(team: Folder) -> None:
    done = team.run("plan", "run", "plan.yaml", "team.yaml")

    assert (done.code, done.out) == (0, "lead is done with Count\n")
    assert "done · 5 threads, 4 turns" in done.err
    assert team.run("plan", "run", "plan.yaml", "team.yaml").code == 0  # and again
    sessions = team.run("sessions", "--json").lines()
    assert len({each["id"] for each in sessions}) == 2


def test_results_are_printed_as_they_are_without_a_synthesis(team: Folder) -> None:
    done = team.run("plan", "run", "plan.yaml", "team.yaml", "--no-synthesis")

    assert (done.code, json.loads(done.out)) == (0, {"compare": "alpha is done with Compare."})
    refused(team.run("plan", "run", "plan.yaml", "team.yaml", "--no-synthesis", "--synthesis", "beta"), "give one")
    assert team.run("plan", "run", "plan.yaml", "team.yaml", "--synthesis", "beta").out == "beta is done with Count\n"


def test_what_gave_no_result_is_told(team: Folder) -> None:
    (team.path / "broken").touch()

    done = team.run("plan", "run", "plan.yaml", "team.yaml")

    assert done.code == 0
    assert "step measure gave no result: agent 'beta' failed: RuntimeError: the tape is torn" in done.err
    assert "step compare was skipped" in done.err


def test_a_plan_that_cannot_be_done_fails_and_goes_on_at_the_step_that_failed(team: Folder) -> None:
    team.write("plan.yaml", f"{PLAN}join: all\n")
    (team.path / "broken").touch()
    failed = team.run("plan", "run", "plan.yaml", "team.yaml")
    assert failed.code == 1
    assert "failed: the plan's rule 'all' cannot be met any more: measure: failed" in failed.err
    (team.path / "broken").unlink()
    team.write("plan.yaml", "gone: the session needs no file of it")

    done = team.run("resume", "last")

    assert (done.code, done.out) == (0, "lead is done with Count\n")
    asked = (team.path / "asked").read_text().split()
    assert [asked.count(each) for each in ("Count.", "Measure.", "Compare.")] == [1, 2, 1]


def test_a_plan_that_was_killed_goes_on_without_its_files(team: Folder) -> None:
    (team.path / "go").unlink()
    started = team.start("plan", "run", "plan.yaml", "team.yaml")
    started.until(lambda said: "compare: starts" in said)
    started.signal(signal.SIGKILL)
    started.end()
    for name in ("plan.yaml", "team.yaml"):
        Path(team.path / name).unlink()
    (team.path / "go").touch()

    done = team.run("resume", "last")

    assert (done.code, done.out) == (0, "lead is done with Count\n")
    asked = (team.path / "asked").read_text().split()
    assert [asked.count(each) for each in ("Count.", "Measure.")] == [1, 1]


def test_the_plan_and_its_hash_stand_in_the_session(team: Folder) -> None:
    lines = team.run("plan", "run", "plan.yaml", "team.yaml", "--json").lines()

    assert team.run("sessions", "--json").lines()[0]["title"] == "Count and measure"
    [opened] = [line["event"] for line in lines if line["type"] == "workflow.opened"]
    plan = load_plan(team.path / "plan.yaml")
    assert (Plan.of(opened["input"]["plan"]), opened["input"]["plan_sha256"]) == (plan, plan.sha256)


def test_limits_of_the_command_line_hold(team: Folder) -> None:
    done = team.run("plan", "run", "plan.yaml", "team.yaml", "--turns", "1")

    assert (done.code, done.out) == (4, "")


def test_a_made_up_rehearsal_runs_any_plan(team: Folder) -> None:
    done = team.run("plan", "run", "plan.yaml", "team.yaml", "--rehearse")

    assert (done.code, done.out) == (0, "(rehearsed) lead is done.\n")


def test_a_script_of_the_command_line_comes_before_the_team_s(team: Folder) -> None:
    team.write("other.py", "def reply(request): return f'{request.agent} says so'")

    done = team.run("plan", "run", "plan.yaml", "team.yaml", "--rehearsal", "other.py:reply")
    refused = team.run("plan", "make", "team.yaml", "Count", "--rehearsal", "none.py:reply")

    assert (done.code, done.out) == (0, "lead says so\n")
    assert (refused.code, refused.out) == (2, "")
    assert "none.py cannot be read" in refused.err
