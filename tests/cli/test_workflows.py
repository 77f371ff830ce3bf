"""`podium run FILE.py:NAME`: a workflow in a file, what goes wrong with it, and how it is resumed."""

from tests.cli.podium import Folder

FLOW = """
from pathlib import Path
from podium import Agent, workflow

one, two = Agent("one", model="m"), Agent("two", model="m")

@workflow
async def both(run, count: int) -> dict:
    run.phase("first")
    first = await run.agent(one, f"count to {count}")
    run.phase("second")
    second = await run.agent(two, "go on", context=first)
    return {"first": first.text, "second": second.text}
"""
SCRIPT = """
from pathlib import Path

def script(request):
    if request.agent == "two" and not (Path(__file__).parent / "go").exists():
        raise RuntimeError("not yet")
    return f"{request.agent} is done"
"""


def with_flow(folder: Folder) -> Folder:
    folder.write("flow.py", FLOW)
    folder.write("script.py", SCRIPT)
    return folder


def test_a_workflow_that_failed_is_resumed_at_the_call_that_failed(folder: Folder) -> None:
    with_flow(folder)

    failed = folder.run("run", "flow.py:both", "3", "--rehearsal", "script.py:script")

    assert (failed.code, failed.out) == (1, "")
    assert "both: begins phase first" in failed.err
    assert "call 'two' (both, flow.py:" in failed.err
    assert "failed: agent 'two' failed: RuntimeError: not yet" in failed.err
    assert failed.err.splitlines()[-1].startswith("podium resume sesn_")

    folder.go()
    resumed = folder.run("resume", "last")

    assert resumed.code == 0
    assert resumed.out == '{\n  "first": "one is done",\n  "second": "two is done"\n}\n'
    assert "one: starts" not in resumed.err
    shown = folder.run("show").out
    assert "workflow both is done: 3 calls, resumed 1 time" in shown
    assert "by phase" in folder.run("cost").out


def test_code_that_has_changed_is_refused_with_the_first_call_that_differs(folder: Folder) -> None:
    with_flow(folder)
    folder.run("run", "flow.py:both", "3", "--rehearsal", "script.py:script")
    folder.write("flow.py", FLOW.replace("count to", "please count to"))

    refused = folder.run("resume", "last")

    assert refused.code == 2
    assert "the workflow 'both' has changed since session" in refused.err
    assert "now it is agent 'one'" in refused.err
    assert "put the code back and resume, or start a new session" in refused.err


def test_what_names_no_workflow_or_gives_no_input_is_told_in_words(folder: Folder) -> None:
    with_flow(folder)
    folder.write("exits.py", "import sys\nfrom flow import both\nsys.exit(0)\n")

    for arguments, told in (
        (("flow.py:neither", "3"), "has no workflow 'neither' (it has: both)"),
        (("nowhere.py:both", "3"), "cannot be read"),
        (("exits.py:both", "3"), "ends the program that reads it, by sys.exit(0): put what it does"),
        (("flow.py:both", "three"), "is JSON, and 'three' is not"),
        (("flow.py:both", '"three"'), "does not fit int"),
        (("flow.py:both", "3", "--server", "http://127.0.0.1:1"), "leave --server and --model out"),
    ):
        done = folder.run("run", *arguments, "--rehearse")
        assert (done.code, done.out) == (2, "")
        assert told in done.err


def test_a_run_whose_file_is_gone_is_ended_by_an_interrupt(folder: Folder) -> None:
    folder.write("flow.py", FLOW.replace('run.phase("second")', 'await run.checkpoint("go on?")'))
    folder.write("script.py", SCRIPT)
    assert folder.run("run", "flow.py:both", "3", "--rehearsal", "script.py:script").code == 3
    (folder.path / "flow.py").unlink()

    interrupted = folder.run("interrupt", "last")

    assert (interrupted.code, folder.run("resume", "last").code) == (0, 2)
    assert "was stopped" in folder.run("show").out


def test_a_run_at_rest_is_ended_by_an_interrupt(folder: Folder) -> None:
    with_flow(folder)
    rests = folder.run("run", "flow.py:both", "3", "--rehearsal", "script.py:script", "--turns", "1")
    assert "budget_reached" in folder.run("show", "--json").out, rests.err

    interrupted = folder.run("interrupt", "last")

    assert interrupted.code == 0
    assert "was stopped" in folder.run("show").out
    assert "nothing of it is under way" in folder.run("interrupt", "last").err


def test_check_tells_what_a_workflow_is_and_what_its_code_may_not_do(folder: Folder) -> None:
    with_flow(folder)

    right = folder.run("check", "flow.py", "--strict")

    assert right.code == 0
    assert right.out.splitlines()[:4] == [
        "both: a workflow of 2 agents, takes count; all is well",
        "phases: first, second",
        "  one: model m",
        "  two: model m",
    ]
    assert not (folder.path / ".podium").exists()

    folder.write("flow.py", FLOW.replace("first.text,", "first.text, 'it': Path('it').read_text(),"))
    warned = folder.run("check", "flow.py:both")
    strict = folder.run("check", "flow.py:both", "--strict")

    assert warned.code == 0
    assert "both: a workflow of 2 agents, takes count; 1 warning" in warned.out
    assert "warning: line 13: Path('it').read_text(...) reads or changes what is outside" in warned.out
    assert (strict.code, strict.out) == (2, warned.out)


def test_check_refuses_what_could_not_be_run(folder: Folder) -> None:
    folder.write("none.py", "one = 1")
    folder.write("deep.py", FLOW.replace('Agent("two", model="m")', 'Agent("two", model="m", tools=["saw"])'))
    with_flow(folder)

    for arguments, said in (
        (("none.py",), "has no workflow: decorate an async function of it with @workflow"),
        (("deep.py",), "saw"),
        (("flow.py:neither",), "has no workflow 'neither' (it has: both)"),
        (("flow.py", "--model", "other"), "leave --model out"),
    ):
        refused = folder.run("check", *arguments)
        assert (refused.code, refused.out) == (2, "")
        assert said in refused.err
        assert "Traceback" not in refused.err


def test_an_input_that_does_not_fit_is_told_in_one_line(folder: Folder) -> None:
    with_flow(folder)

    done = folder.run("run", "flow.py:both", '"many"')

    assert (done.code, done.out) == (2, "")
    assert "the input of workflow 'both' does not fit int: Input should be a valid integer" in done.err
    assert "http" not in done.err
