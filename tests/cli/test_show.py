"""`podium show`, `sessions` and `doctor`: looking back at what is in the data folder."""

import sqlite3
import subprocess
import sys
from datetime import timedelta

import msgspec
import pytest

from podium.core.definitions import Definition
from podium.core.session import fold
from podium.store.sqlite import read_log
from podium.store.sqlite_file import FILE
from tests.cli.podium import Folder


def finish(folder: Folder) -> Folder:
    folder.team_that_waits()
    folder.go()
    assert folder.run("run", "team.yaml", "do both").code == 0
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A folder with one finished session, to look at."""
    return finish(Folder(tmp_path_factory.mktemp("finished")))


def test_picture_of_a_session(finished: Folder) -> None:
    lines = finished.run("show").out.splitlines()

    assert lines[0] == "do both"
    assert lines[1].startswith("sesn_")
    assert " · lead · end_turn · " in lines[1]
    assert lines[2].startswith("3 threads, 4 turns, ")
    assert [line.split()[:3] for line in lines if line.endswith("first")] == [
        ["lead", "end_turn", "+0.00"],
        ["├─", "alpha", "reported"],
        ["└─", "beta", "reported"],
    ]
    assert any("▒" in line and line.startswith("├─ alpha") for line in lines)
    assert any(line.startswith("lead called 2 at once: ") for line in lines)
    assert any(line.startswith("  alpha and beta: ") for line in lines)


def test_trace_agrees_with_the_engines_own_fold(finished: Folder) -> None:
    shown = finished.trace()
    data = finished.path / ".podium"
    definitions = {version: _decode(body) for version, body in _rows(finished, "SELECT version, body FROM definition")}

    state = fold(shown["session"], definitions, read_log(data, shown["session"]))

    assert {thread["id"]: (thread["worked_s"], thread["turns"], thread["tokens"]) for thread in shown["threads"]} == {
        thread.id: (thread.worked_s, thread.turns, thread.usage.total_tokens) for thread in state.threads.values()
    }
    assert shown["delegations"][0]["overlaps"][0]["overlap_s"] > 0
    assert timedelta(seconds=shown["delegations"][0]["elapsed_s"]) <= timedelta(seconds=shown["wall_s"])


def test_session_is_found_by_either_end_of_its_id(finished: Folder) -> None:
    whole = finished.trace()["session"]

    for name in (whole[:-2], whole.removeprefix("sesn_")[:6], whole[-5:]):
        assert finished.trace(name)["session"] == whole


def test_ambiguous_name_lists_what_it_may_mean(folder: Folder) -> None:
    finish(folder)
    folder.run("run", "team.yaml", "do both")

    done = folder.run("show", "sesn_")

    assert done.code == 2
    assert done.err.count("sesn_") == 3


def test_sessions_are_listed_newest_first(folder: Folder) -> None:
    finish(folder)
    folder.run("run", "team.yaml", "again")

    done = folder.run("sessions")
    limited = folder.run("sessions", "--limit", "1")
    told = folder.run("sessions", "--json").lines()

    assert [line.split()[1] for line in done.out.splitlines()] == ["title", "again", "do"]
    assert "end_turn" in done.out
    assert limited.out.endswith("and 1 older ones (--limit 0 lists all)\n")
    assert [(row["title"], row["standing"], row["threads"]) for row in told] == [
        ("again", "end_turn", 3),
        ("do both", "end_turn", 3),
    ]


def test_doctor_finds_a_healthy_folder_well(finished: Folder) -> None:
    done = finished.run("doctor")

    assert "✓ 1 session, each as its log says" in done.out
    assert "✓ Python 3." in done.out
    assert done.code == (1 if "✗" in done.out else 0)


def test_doctor_finds_what_differs_from_the_log(folder: Folder) -> None:
    finish(folder)
    session = folder.trace()["session"]
    _rows(folder, "UPDATE session SET status = 'running'")

    done = folder.run("doctor")

    assert done.code == 1
    assert f"{session}: status: the store has 'running', the log says 'idle'" in done.out


def test_doctor_goes_on_after_a_session_that_cannot_be_read(folder: Folder) -> None:
    finish(folder)
    _rows(folder, "UPDATE definition SET body = x'5b5d'")
    folder.write("reply.py", (folder.path / "reply.py").read_text().replace("all done", "all is done"))
    folder.write("team.yaml", (folder.path / "team.yaml").read_text().replace("any", "other"))
    folder.run("run", "team.yaml", "again")

    done = folder.run("doctor")

    assert done.code == 1
    assert done.out.count("✗   sesn_") == 1


def test_damaged_database_is_told_with_the_remedy(folder: Folder) -> None:
    (folder.path / ".podium").mkdir()
    (folder.path / ".podium" / FILE).write_bytes(b"no database, that is sure" * 100)

    for command in ("sessions", "show", "resume"):
        done = folder.run(command)
        assert (done.code, done.out) == (1, "")
        assert "is damaged" in done.err
    assert "is damaged" in folder.run("doctor").out


def test_doctor_before_the_first_session_makes_nothing(folder: Folder) -> None:
    done = folder.run("doctor", "--data", "new/data")

    assert "no data in new/data yet" in done.out
    assert not (folder.path / "new").exists()


def test_reader_that_leaves_early_gets_no_traceback(finished: Folder) -> None:
    done = subprocess.run(
        f"{sys.executable} -m podium.cli show --json | head -1",
        shell=True,
        cwd=finished.path,
        capture_output=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == (b"{\n", b"")


def test_command_line_is_quick_to_start() -> None:
    seen = subprocess.run(
        [sys.executable, "-c", "import podium.cli, sys; print(*sys.modules)"], capture_output=True, check=True
    )

    assert not {"rich", "pydantic", "yaml", "podium.sandbox.bubblewrap"} & set(seen.stdout.decode().split())


def _rows(folder: Folder, statement: str) -> list[tuple[str, bytes]]:
    db = sqlite3.connect(folder.path / ".podium" / FILE, isolation_level=None)
    try:
        return db.execute(statement).fetchall()
    finally:
        db.close()


def _decode(body: bytes) -> Definition:
    definition: Definition = msgspec.json.decode(body, type=Definition)
    return definition


def test_agents_that_were_called_again_or_stopped_are_told_apart(folder: Folder) -> None:
    folder.write(
        "reply.py",
        "import asyncio\n"
        "from podium import call\n"
        "failures = [ValueError('out of paper')]\n"
        "async def reply(request):\n"
        "    if request.agent == 'lead' and len(request.messages) == 1:\n"
        "        return [call('printer', task='print'), call('waiter', task='wait')]\n"
        "    if request.agent == 'printer' and failures:\n"
        "        raise failures.pop()\n"
        "    if request.agent == 'waiter':\n"
        "        await asyncio.sleep(60)\n"
        "    return 'done'\n",
    )
    agents = "  lead: {model: m, callable_agents: [printer, waiter], retries: {printer: 1}, join: any}\n"
    folder.write(
        "team.yaml", f"rehearsal: reply.py:reply\nagents:\n{agents}  printer: {{model: m}}\n  waiter: {{model: m}}\n"
    )

    checked = folder.run("check", "team.yaml")
    done = folder.run("run", "team.yaml", "print it")
    shown = folder.run("show").out
    threads = folder.trace()["threads"]

    assert "calls printer, waiter; retries printer 1; join any" in checked.out
    assert (done.code, done.out) == (0, "done\n")
    assert "calls printer#2 again, attempt 2" in done.err
    assert "stopped: not needed any more, 1 of 2 was enough" in shown
    assert "attempt 1 of 2, printer: failed: ValueError: out of paper" in shown
    assert "attempt 2 of 2, printer#2: reported" in shown
    assert [(it["agent"], it["attempt"], it["ended"]) for it in threads[1:]] == [
        ("printer", 1, "failed"),
        ("waiter", 1, "stopped"),
        ("printer", 2, "reported"),
    ]
