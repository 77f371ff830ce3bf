"""`podium compare`: the table, the lines for programs, and its exit codes."""

import re
import signal

import pytest

from tests.cli.podium import Folder

TEAM = """
agents:
  lead: {model: any, callable_agents: [alpha]}
  alpha: {model: any, description: Counts. Returns a number.}
  critic: {model: any, description: Judges. Returns a verdict.}
"""
SCRIPT = """
import asyncio
from pathlib import Path
from podium import call

async def reply(request):
    if request.agent in ("judge", "critic"):
        return call("submit_result", better="first", reason="it comes first")
    if request.agent == "lead" and len(request.messages) == 1:
        return call("alpha", task="count")
    while request.agent == "alpha" and not (Path(__file__).parent / "go").exists():
        await asyncio.sleep(0.01)
    return f"{request.agent} is done"
"""


@pytest.fixture
def scripted(folder: Folder) -> Folder:
    """A team whose `alpha` answers once a file `go` is there."""
    folder.write("team.yaml", f"{TEAM}rehearsal: reply.py:reply\n")
    folder.write("reply.py", SCRIPT)
    return folder


def row(out: str, name: str) -> list[str]:
    """The cells of a row of the table."""
    [line] = [line for line in out.splitlines() if line.startswith(f"{name}  ")]
    return re.split(r"\s{2,}", line)


def test_table_shows_both_with_their_sessions_and_what_follows(scripted: Folder) -> None:
    scripted.go()

    done = scripted.run("compare", "team.yaml", "count it", "--judge", "any")

    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == "count it"
    assert row(done.out, "finished") == ["finished", "3 of 3", "3 of 3"]
    assert row(done.out, "model calls") == ["model calls", "1", "1 - 1", "3", "3 - 3"]
    assert re.findall(r"^(\d (?:one agent|team)) ", done.out, re.M) == [
        "1 one agent", "1 team", "2 team", "2 one agent", "3 one agent", "3 team"
    ]  # fmt: skip
    assert done.out.count("(position bias)") == 3
    assert "the judge itself: 6 model calls, " in done.out
    assert done.out.splitlines()[-1].startswith("The figures do not tell: no model was called")
    assert "pair 3 of 3, judged, second order: session sesn_" in done.err
    session = re.findall(r"sesn_\w+", done.out)[0]
    assert "single" in scripted.run("show", session).out


def test_made_up_replies_compare_a_team_without_a_rehearsal(folder: Folder) -> None:
    folder.write("team.yaml", TEAM)

    done = folder.run("compare", "team.yaml", "try it", "--rehearse", "--runs", "1", "--judge", "critic")

    assert done.code == 0, done.err
    assert "judged by critic (any), blind" in done.out


def test_json_has_a_line_for_each_session_and_one_for_the_comparison(scripted: Folder) -> None:
    scripted.go()

    done = scripted.run("compare", "team.yaml", "count it", "--runs", "1", "--judge", "critic", "--json")
    *sessions, last = done.lines()

    assert [(line["type"], line.get("side") or line["first"]) for line in sessions] == [
        ("run", "single"), ("run", "team"), ("judgement", "single"), ("judgement", "team")
    ]  # fmt: skip
    assert [line["better"] for line in sessions[2:]] == ["single", "team"]
    assert (last["type"], last["exit_code"], last["stopped"]) == ("comparison", 0, "")
    assert last["pairs"] == [{"number": 1, "outcome": "position_bias"}]
    assert (last["single"]["finished"], last["team"]["calls"]) == (1, {"median": 3, "least": 3, "most": 3})
    assert (last["judge_spent"]["calls"], last["spent"]["calls"]) == (2, 4)
    assert last["conclusion"]["says"] == "figures_do_not_tell"


def test_interrupt_shows_what_is_over_and_the_session_under_way_can_be_resumed(scripted: Folder) -> None:
    compare = scripted.start("compare", "team.yaml", "count it")
    compare.until(lambda said: "the team: session" in said)
    compare.until(lambda said: any("delegation.opened" in type for type in scripted.log()))

    compare.signal(signal.SIGINT)
    done = compare.end()

    assert done.code == 130, done.err
    assert row(done.out, "finished") == ["finished", "1 of 1", "0 of 1"]
    assert "interrupted  sesn_" in done.out
    assert "stopped before its time, after 1 and 1 of 3 runs: somebody stopped it" in done.out
    scripted.go()
    resumed = scripted.run("resume", "last")
    assert (resumed.code, resumed.out) == (0, "lead is done\n")


def test_limit_over_everything_is_exit_code_4(scripted: Folder) -> None:
    scripted.go()

    done = scripted.run("compare", "team.yaml", "count it", "--turns", "5")

    assert done.code == 4, done.err
    assert "of 3 runs: turns 5, of all sessions together, is used up" in done.out
    assert row(done.out, "finished") == ["finished", "1 of 1", "1 of 2"]


def test_side_whose_own_limits_stop_each_of_its_runs_is_exit_code_4_and_says_which(scripted: Folder) -> None:
    scripted.go()
    scripted.write("team.yaml", f"{TEAM}rehearsal: reply.py:reply\nlimits: {{turns: 1}}\n")

    done = scripted.run("compare", "team.yaml", "count it", "--runs", "1")

    assert done.code == 4, done.err
    assert row(done.out, "finished") == ["finished", "1 of 1", "0 of 1"]
    assert "budget_reached: session limit reached: " in done.err


def test_side_that_never_finishes_is_exit_code_1(folder: Folder) -> None:
    folder.write("team.yaml", f"{TEAM}rehearsal: reply.py:reply\n")
    folder.write("reply.py", "def reply(request):\n    return {'lead': 'done'}[request.agent]\n")

    done = folder.run("compare", "team.yaml", "count it", "--runs", "1")

    assert done.code == 1
    assert row(done.out, "wall time")[1] == "-"
    assert "retries_exhausted: KeyError: 'single'" in done.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--runs", "0"], "runs must be a whole number above 0, not 0"),
        (["--judge", "critik"], "unknown judge 'critik', did you mean 'critic'?"),
        (["--usd", "-1"], "limits.usd must be an amount of US dollars above 0"),
        (["--mount", ".:/x:rw"], "the mount at /x is writable"),
    ],
)
def test_wrong_options_are_refused_and_nothing_is_run(scripted: Folder, options: list[str], says: str) -> None:
    done = scripted.run("compare", "team.yaml", "count it", *options)

    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert "no sessions" in scripted.run("sessions").err


def test_team_of_one_agent_has_nothing_to_be_compared_with(folder: Folder) -> None:
    folder.write("team.yaml", "agents: {solo: {model: any}}\nrehearsal: generated\n")

    done = folder.run("compare", "team.yaml", "count it")

    assert done.code == 2
    assert "agent 'solo' calls nobody: it is one agent already, and there is no team to compare it with" in done.err


def test_workflow_is_no_team(folder: Folder) -> None:
    folder.write("flow.py", "")

    for command in (["compare", "flow.py:brief", "count it"], ["plan", "make", "flow.py", "count it"]):
        done = folder.run(*command)

        assert (done.code, done.out) == (2, "")
        assert "is a workflow's file, and this takes a team" in done.err


def test_model_of_the_coordinator_is_named_on_the_command_line(scripted: Folder) -> None:
    scripted.write(
        "podium.toml", '[providers.here]\nbase_url = "http://127.0.0.1:9"\n[models.any]\nprovider = "here"\n'
    )
    scripted.write("team.yaml", TEAM.replace("lead: {model: any", "lead: {model: inherit"))

    refused = scripted.run("compare", "team.yaml", "count it", "--runs", "1")
    done = scripted.run("compare", "team.yaml", "count it", "--runs", "1", "--model", "any", "--rehearse")

    assert (refused.code, "inherit" in refused.err) == (2, True)
    assert done.code == 0, done.err
