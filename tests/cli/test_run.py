"""`podium run`: what it prints where, and its exit codes."""

import os

import msgspec
import pytest

from podium.core.records import Unknown, decode
from tests.cli.podium import Folder

GENERATED = """
agents:
  lead: {model: any, callable_agents: [worker]}
  worker: {model: any, output_schema: {type: object, properties: {n: {type: integer}}, required: [n]}}
"""


def one_agent(folder: Folder, body: str, more: str = "") -> None:
    folder.write("team.yaml", f"agents: {{solo: {{model: any{more}}}}}\nrehearsal: reply.py:reply\n")
    folder.write("reply.py", f"from podium import call, say\ndef reply(request):\n    {body}\n")


def test_result_goes_to_stdout_and_everything_else_to_stderr(folder: Folder) -> None:
    folder.team_that_waits()
    folder.go()

    done = folder.run("run", "team.yaml", "do both")

    assert (done.code, done.out) == (0, "all done\n")
    assert "lead: calls alpha" in done.err
    assert "alpha: says alpha is done" in done.err
    assert "all done" not in done.err
    assert "    alpha: reported (1 turn, " in done.err
    assert "done · 3 threads, 4 turns, " in done.err
    assert "no model was called" in done.err
    assert done.err.splitlines()[-1].startswith("podium show sesn_")


def test_json_prints_every_record_as_it_is_in_the_log_and_then_the_result(folder: Folder) -> None:
    folder.team_that_waits()
    folder.go()

    session, *records, result = folder.run("run", "team.yaml", "do both", "--json").lines()

    assert session == {"type": "session", "id": folder.trace()["session"]}
    assert [line["seq"] for line in records] == list(range(1, len(records) + 1))
    assert [line["type"] for line in records] == folder.log()
    assert {line["type"] for line in records if line.get("private")} >= {"session.created", "delegation.opened"}
    assert not any(isinstance(decode(msgspec.json.encode(line["event"])), Unknown) for line in records)
    assert result["type"] == "result"
    assert (result["output"], result["stop_reason"], result["exit_code"]) == ("all done", "end_turn", 0)
    assert (result["threads"], result["turns"]) == (3, 4)


def test_rehearse_makes_replies_up_for_a_team_without_a_rehearsal(folder: Folder) -> None:
    folder.write("team.yaml", GENERATED)

    done = folder.run("run", "team.yaml", "try it", "--rehearse")

    assert (done.code, done.out) == (0, "(rehearsed) lead is done.\n")


def test_team_without_its_model_is_refused_with_the_remedy(folder: Folder) -> None:
    folder.write("team.yaml", GENERATED)

    done = folder.run("run", "team.yaml", "try it")

    assert done.code == 2
    assert "model 'any' needs provider 'anthropic', whose key is read from $ANTHROPIC_API_KEY" in done.err
    assert "--rehearse" in done.err
    assert "no sessions" in folder.run("sessions").err


def test_structured_result_is_printed_as_json(folder: Folder) -> None:
    folder.write(
        "team.yaml",
        "agents: {solo: {model: m, output_schema: {type: object, properties: {n: {const: 7}}, required: [n]}}}\n",
    )

    done = folder.run("run", "team.yaml", "give it", "--rehearse")

    assert (done.code, msgspec.json.decode(done.out)) == (0, {"n": 7})


def test_failed_model_is_exit_code_1_and_says_why(folder: Folder) -> None:
    one_agent(folder, "raise RuntimeError('out of paper')")

    done = folder.run("run", "team.yaml", "print")

    assert (done.code, done.out) == (1, "")
    assert "failed: RuntimeError: out of paper" in done.err


@pytest.mark.parametrize("where", ["file", "option"])
def test_limit_is_exit_code_4_with_the_partial_result(folder: Folder, where: str) -> None:
    one_agent(folder, "return [say('half of it'), call('nothing')]", ", limits: {turns: 2}" if where == "file" else "")

    done = folder.run("run", "team.yaml", "work", *(() if where == "file" else ("--turns", "2")))

    assert (done.code, done.out) == (4, "half of it\n")
    assert "limit reached: 2 of 2 turns" in done.err


def test_text_of_a_model_cannot_drive_the_terminal(folder: Folder) -> None:
    one_agent(folder, r"return 'red \x1b[31m and \x9b2J and \u202e back'")

    done = folder.run("run", "team.yaml", "colour \x1b]0;title\x07 [bold]it[/bold]")
    shown = folder.run("show", "last").out + folder.run("sessions").out

    assert done.out == "red \\x1b[31m and \\x9b2J and \\u202e back\n"
    assert "[bold]it[/bold]" in shown
    assert not set("\x1b\x07\x9b\u202e") & set(done.out + done.err + shown)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is warned")
def test_warning_of_the_library_comes_first_and_as_our_own_line(folder: Folder) -> None:
    one_agent(folder, "return 'here'", ", tools: [read]")

    done = folder.run("run", "team.yaml", "work", "--json")

    assert done.err.splitlines()[0].startswith("podium: running as root: ")
    assert done.lines()[0]["type"] == "session"


def test_data_folder_comes_from_the_option_or_the_environment(folder: Folder) -> None:
    one_agent(folder, "return 'here'")

    one = folder.run("run", "team.yaml", "work", "--data", "one place")
    two = folder.run("run", "team.yaml", "work", env={"PODIUM_DATA": "two"})

    assert one.err.splitlines()[-1].endswith(" --data 'one place'")
    assert not two.err.splitlines()[-1].endswith("two")
    assert sorted(path.name for path in folder.path.iterdir() if path.is_dir()) == ["one place", "two"]


def test_version(folder: Folder) -> None:
    assert folder.run("--version").out.startswith("podium 0.")
