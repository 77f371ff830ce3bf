"""A team file with a workflow: checked, run, killed and resumed without its file, approved; and what cannot be."""

import json
import signal
import time
from pathlib import Path

import pytest

from tests.cli.podium import Done, Folder

TEAM = """
name: brief
agents:
  market: {model: any}
  finance: {model: any}
  writer: {model: any}
  checker: {model: any}
workflow:
  - name: research
    parallel:
      market: {agent: market, task: "Market position of {task}"}
      finance: {agent: finance, task: "Key figures of {task}"}
    join: best_effort
    limits: {seconds: 60}
  - {name: draft, agent: writer, task: Write the brief.}
  - verify: {by: checker, against: [research], attempts: 2}
limits: {turns: 50}
rehearsal: reply.py:reply
"""
REPLY = """
import asyncio
from pathlib import Path
from podium import call
from podium.core.content import plain

HERE = Path(__file__).parent

async def reply(request):
    said = plain(request.messages[0].content)
    with (HERE / "asked").open("a") as asked:
        print(request.agent, file=asked)
    while request.agent == "writer" and not (HERE / "go").exists():
        await asyncio.sleep(0.01)
    if request.agent == "finance" and (HERE / "broken").exists():
        raise RuntimeError("the books are closed")
    if request.agent == "checker":
        wrong = [] if (HERE / "right").exists() else ["It is 12."]
        return call("submit_result", verified=not wrong, issues=wrong, confidence=0.9)
    return f"{request.agent} is done"
"""
CHECKPOINT = "  - checkpoint: Send to client\n"


@pytest.fixture
def team(folder: Folder) -> Folder:
    folder.write("team.yaml", TEAM)
    folder.write("reply.py", REPLY)
    folder.go()
    (folder.path / "right").touch()
    return folder


def refused(done: Done, said: str) -> None:
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err


# --- run ---------------------------------------------------------------------------------------------


def test_the_task_goes_through_the_stages_and_the_last_output_is_printed(team: Folder) -> None:
    done = team.run("run", "team.yaml", "Acme")

    assert (done.code, done.out) == (0, "writer is done\n")
    assert "brief: begins phase research" in done.err
    assert "open:" not in done.err
    shown = team.run("show").out
    assert "workflow brief is done: 4 calls" in shown
    assert "phase verify" in shown
    phases = [row["name"] for row in json.loads(team.run("cost", "--json").out)["phases"]]
    assert phases == ["research", "draft", "verify"]


def test_what_is_left_open_is_told_beside_the_output(team: Folder) -> None:
    (team.path / "right").unlink()
    (team.path / "broken").touch()

    done = team.run("run", "team.yaml", "Acme")

    assert (done.code, done.out) == (0, "writer is done\n")
    first, second = [line for line in done.err.splitlines() if line.startswith("open: ")]
    assert first.startswith("open: research: finance: failed, agent 'finance' failed: RuntimeError: the books are clos")
    assert second == "open: verify: not verified: It is 12."


def test_lines_have_the_output_with_what_is_left_open(team: Folder) -> None:
    (team.path / "right").unlink()

    result = team.run("run", "team.yaml", "Acme", "--json").lines()[-1]

    assert result["output"] == {"output": "writer is done", "open": ["verify: not verified: It is 12."]}


def test_a_run_that_was_killed_goes_on_without_its_file(team: Folder) -> None:
    (team.path / "go").unlink()
    (team.path / "right").unlink()
    started = team.start("run", "team.yaml", "Acme")
    started.until(lambda said: "writer: starts" in said)
    while "writer" not in (team.path / "asked").read_text():  # it asks its model once it has started
        time.sleep(0.01)
    started.signal(signal.SIGKILL)
    started.end()
    (team.path / "team.yaml").unlink()
    team.go()

    done = team.run("resume", "last")

    assert (done.code, done.out) == (0, "writer is done\n")
    assert "open: verify: not verified: It is 12." in done.err
    asked = (team.path / "asked").read_text().split()
    assert [asked.count(each) for each in ("market", "finance", "writer")] == [1, 1, 3]  # its first try, and a revision


def test_a_run_that_failed_goes_on_at_the_stage_that_failed_and_knows_its_phases(team: Folder) -> None:
    team.write("team.yaml", TEAM.replace("best_effort", "all"))
    (team.path / "broken").touch()
    failed = team.run("run", "team.yaml", "Acme")
    assert (failed.code, failed.out) == (1, "")
    assert "the rule 'all' of a gather cannot be met any more: finance: failed" in failed.err
    assert failed.err.splitlines()[-1].startswith("podium resume sesn_")

    (team.path / "broken").unlink()
    (team.path / "team.yaml").unlink()
    done = team.run("resume", "last", "--json")

    assert done.lines()[-1]["output"] == {"output": "writer is done", "open": []}
    [created] = [line["event"] for line in done.lines() if line["type"] == "workflow_run.created"]
    assert (created["name"], [phase["name"] for phase in created["phases"]]) == (
        "brief",
        ["research", "draft", "verify"],
    )
    asked = (team.path / "asked").read_text().split()
    assert [asked.count(each) for each in ("market", "finance")] == [1, 2]


def test_a_checkpoint_waits_for_a_person_who_is_shown_what_was_made(team: Folder) -> None:
    team.write("team.yaml", TEAM.replace("limits: {turns: 50}\n", CHECKPOINT))

    waiting = team.run("run", "team.yaml", "Acme")
    assert (waiting.code, waiting.out) == (3, "")
    assert "asks to run checkpoint" in waiting.err
    (team.path / "team.yaml").unlink()
    done = team.run("approve", "last", "--allow")

    assert (done.code, done.out.splitlines()[-1]) == (0, "writer is done")
    assert "│ payload     ┊ writer is done" in done.out + done.err


def test_replies_may_be_made_up_and_limits_given(team: Folder) -> None:
    assert team.run("run", "team.yaml", "Acme", "--rehearse").code == 0
    assert team.run("run", "team.yaml", "Acme", "--turns", "1").code == 4


def test_a_program_runs_the_workflow_of_a_team_file(team: Folder) -> None:
    team.program(
        "from pathlib import Path\nfrom podium import run_sync\nfrom podium.team import load_team\n"
        "team = load_team(Path('team.yaml'))\n"
        "result = run_sync(team.workflow, 'Acme', rehearsal=team.rehearsal)\n"
        "Path('said').write_text(f'{result.output} {result.output.open} {len(result.calls)}')\n"
    )

    assert (team.path / "said").read_text() == "writer is done () 4"


# --- check -------------------------------------------------------------------------------------------


def test_check_lists_the_stages(team: Folder) -> None:
    done = team.run("check", "team.yaml")

    assert done.code == 0
    assert done.out.splitlines()[:5] == [
        "brief: 4 agents, 3 stages; all is well",
        "  1  research: parallel of market, finance; join best_effort; limits seconds 60.0",
        "  2  draft: agent of writer; on research",
        "  3  verify: verify of checker; on draft, research",
        "  market: model any",
    ]


def test_check_tells_everything_that_is_wrong_with_a_file(team: Folder) -> None:
    team.write("team.yaml", TEAM.replace("agent: writer", "agent: writter").replace("[research]", "[reserch]"))

    done = team.run("check", "team.yaml")

    refused(done, "team.yaml has 2 problems:\n  line 15, workflow[1].agent: unknown agent 'writter', did you mean 'wri")
    assert "  line 16, workflow[2].verify.against[0]: unknown stage 'reserch', did you mean 'research'?" in done.err


def test_check_refuses_agents_that_delegate_deeper_than_a_run_allows(team: Folder) -> None:
    deep = TEAM.replace("  writer: {", "  writer: {callable_agents: [market], ").replace("turns: 50", "depth: 1")
    team.write("team.yaml", deep)
    said = "agent 'writer' delegates 2 levels deep below the workflow (writer -> market), and limits.depth is 1"

    refused(team.run("check", "team.yaml"), said)
    refused(team.run("run", "team.yaml", "Acme"), said)


# --- what takes no workflow --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("run", "team.yaml", "Acme", "--server", "http://localhost:1"), "has a workflow, and a server takes none"),
        (("compare", "team.yaml", "Acme"), "has a workflow, and no coordinator, whose model the one agent would have"),
        (("plan", "make", "team.yaml", "Acme"), "has a workflow, and nobody coordinates it; say --planner AGENT"),
        (("run", "team.yaml", " "), "workflow 'brief' takes a task, a text that says what it is about, not ' '"),
    ],
    ids=["server", "compare", "plan", "nothing"],
)
def test_what_cannot_be_done_with_a_workflow_is_refused(team: Folder, command: tuple[str, ...], said: str) -> None:
    refused(team.run(*command), said)


def test_plans_are_made_and_run_with_agents_that_are_named(team: Folder) -> None:
    plan = team.write("plan.yaml", "steps: [{id: x, agent: market, task: Look.}]\n")

    refused(team.run("plan", "run", str(plan), "team.yaml"), "say --synthesis AGENT, or --no-synthesis")
    done = team.run("plan", "run", str(plan), "team.yaml", "--synthesis", "writer")

    assert (done.code, done.out) == (0, "writer is done\n")
    assert Path(team.path / "asked").read_text().split() == ["market", "writer"]
