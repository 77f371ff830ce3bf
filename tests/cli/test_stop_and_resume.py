"""Interrupted, killed and beside a live process: nothing is lost, nothing is taken away."""

import shlex
import signal

import pytest

from tests.cli.podium import Folder

LIBRARY = """
import asyncio
import os
from podium import Agent, Podium, Rehearsal, call

def weigh(thing: str) -> str:
    return "heavy"

async def reply(request):
    await asyncio.sleep(60)

async def main():
    agent = Agent("solo", model="mine", tools=[weigh])
    async with Podium() as podium:
        run = await podium.start(agent, "weigh it", models={"mine": Rehearsal(reply)})
        async for record in run.records():
            if record.type == "span.model_request_start":
                os._exit(9)

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_pauses_and_resume_finishes(folder: Folder, number: signal.Signals) -> None:
    folder.team_that_waits()
    run = folder.start("run", "team.yaml", "do both")
    run.until_both_work()

    run.signal(number)
    stopped = run.end()

    assert (stopped.code, stopped.out) == (130, "")
    assert stopped.err.splitlines()[-1].startswith("podium resume sesn_")
    assert "paused" in folder.run("sessions").out
    assert [thread["ended"] for thread in folder.trace()["threads"]][1:] == ["interrupted", "interrupted"]

    folder.go()
    resumed = folder.run(*stopped.err.splitlines()[-1].split()[1:])

    assert (resumed.code, resumed.out) == (0, "all done\n")
    assert "lead: is resumed" in resumed.err


def test_second_interrupt_quits_at_once_and_one_resume_goes_on(folder: Folder) -> None:
    folder.team_that_waits()
    # It has more to do whenever it lets go of the loop: else it may be done before the signals are seen.
    more = "    time.sleep(1)\n    no = len(request.messages)\n    return call(f'nobody{no}') if no < 7 else 'slow'\n"
    folder.write("reply.py", f"import time\nfrom podium import call\ndef reply(request):\n{more}")
    folder.write("team.yaml", "agents: {solo: {model: any}}\nrehearsal: reply.py:reply\n")
    run = folder.start("run", "team.yaml", "work")
    run.until(lambda said: "solo: starts" in said)

    run.signal(signal.SIGINT)
    run.signal(signal.SIGTERM)  # both are seen together, once the model lets go of the loop
    stopped = run.end()

    assert stopped.code == 130
    assert "quit at once; go on with: podium resume sesn_" in stopped.err
    resumed = folder.run("resume", "last")
    assert (resumed.code, resumed.out) == (0, "slow\n"), resumed.err


def test_killed_run_is_finished_by_resume_without_argument(folder: Folder) -> None:
    folder.team_that_waits()
    run = folder.start("run", "team.yaml", "do both")
    run.until_both_work()
    run.signal(signal.SIGKILL)
    run.end()

    assert "unfinished" in folder.run("sessions").out
    *_, under_way = folder.run("show").out.split("\n\n")[-2:-1]
    assert [line.split(", since")[0] for line in under_way.splitlines()] == [
        "under way when its process ended:",
        "  lead waits for alpha (count)",
        "  lead waits for beta (measure)",
        "  alpha asks its model",
        "  beta asks its model",
    ]
    folder.go()
    resumed = folder.run("resume")
    shown = folder.run("show").out

    assert (resumed.code, resumed.out) == (0, "all done\n")
    assert "is taken over: its process had died" in resumed.err
    assert "its process had died" in shown
    assert shown.count("1 lost, 1 tried again") == 2
    assert [thread["retried"] for thread in folder.trace()["threads"]] == [0, 1, 1]
    assert folder.run("resume").err.startswith("nothing is unfinished here")


def test_other_commands_beside_a_live_run_change_nothing_in_it(folder: Folder) -> None:
    folder.team_that_waits()
    run = folder.start("run", "team.yaml", "do both")
    run.until_both_work()
    before = folder.log()

    refused = folder.run("resume", "last")
    listed = folder.run("sessions")
    shown = folder.run("show", "last")
    all_of_them = folder.run("resume")

    assert refused.code == 2
    assert f"driven by process {run.process.pid}" in refused.err
    assert f"running (process {run.process.pid})" in listed.out
    assert "works" in shown.out
    assert "\nunder way:\n  lead waits for alpha (count), since +" in shown.out
    assert shown.out.splitlines()[-1] == f"process {run.process.pid} drives it"
    assert all_of_them.code == 0
    assert folder.log() == before
    folder.go()
    assert run.end().out == "all done\n"
    assert "driving.started" not in folder.log()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_show_of_what_was_left_ends_with_the_command_that_finishes_it(folder: Folder, number: signal.Signals) -> None:
    folder.team_that_waits()
    run = folder.start("run", "team.yaml", "do both", "--data", "my data")
    run.until_both_work()
    run.signal(number)
    run.end()
    folder.go()

    last = folder.run("show", "--data", "my data").out.splitlines()[-1]
    words = shlex.split(last.removeprefix("go on with it: "))

    assert words[:2] == ["podium", "resume"]
    assert folder.run(*words[1:]).out == "all done\n"
    assert "go on" not in folder.run("show", "--data", "my data").out


def test_show_names_the_process_that_is_stopped_and_how_it_goes_on(folder: Folder) -> None:
    folder.team_that_waits()
    run = folder.start("run", "team.yaml", "do both")
    run.until_both_work()
    run.signal(signal.SIGSTOP)

    last = folder.run("show").out.splitlines()[-1]

    assert last.startswith(f"process {run.process.pid} drives it, and is stopped: 'kill -CONT {run.process.pid}'")
    folder.go()
    run.signal(signal.SIGCONT)
    assert run.end().out == "all done\n"


def test_show_names_the_program_that_alone_can_go_on(folder: Folder) -> None:
    program = folder.program(LIBRARY)

    last = folder.run("show").out.splitlines()[-1]

    assert last.startswith(f"go on with it in the program that started it ({program}): podium.resume('sesn_")


def test_changed_rehearsal_is_refused_unless_accepted(folder: Folder) -> None:
    folder.team_that_waits()
    run = folder.start("run", "team.yaml", "do both")
    run.until_both_work()
    run.signal(signal.SIGKILL)
    run.end()
    folder.write("reply.py", (folder.path / "reply.py").read_text() + "# changed\n")
    folder.go()
    before = folder.log()

    refused = folder.run("resume", "last")

    assert refused.code == 2
    assert "has changed since this session was started" in refused.err
    assert "--accept-changed" in refused.err
    assert folder.log() == before
    assert folder.run("resume", "last", "--accept-changed").out == "all done\n"


def test_resume_of_everything_reports_what_it_cannot_do_and_does_the_rest(folder: Folder) -> None:
    program = folder.program(LIBRARY)
    folder.team_that_waits()
    run = folder.start("run", "team.yaml", "do both")
    run.until_both_work()
    run.signal(signal.SIGKILL)
    run.end()
    folder.go()

    done = folder.run("resume")

    assert (done.code, done.out) == (2, "all done\n")
    assert "the Python tool 'weigh' of agent 'solo'" in done.err
    assert str(program) in done.err


def test_finished_session_has_nothing_to_resume(folder: Folder) -> None:
    folder.team_that_waits()
    folder.go()
    folder.run("run", "team.yaml", "do both")

    done = folder.run("resume", "last")

    assert done.code == 2
    assert "finished" in done.err
