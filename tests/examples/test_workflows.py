"""The programs of examples/workflows: each runs in rehearsal, does what it says, and can be run as a command."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from podium import ModelRequest, resume, run
from podium.models.rehearsal import Rehearsal
from tests.examples.programs import EXAMPLES, are_at_once, asked, imported, models


@pytest.fixture(scope="module")
def examples() -> dict[str, ModuleType]:
    return {file.stem: imported(file.stem) for file in sorted(EXAMPLES.glob("*.py"))}


# --- the research brief ------------------------------------------------------------------------------


async def test_the_brief_is_researched_checked_revised_and_sent(
    examples: dict[str, ModuleType], tmp_path: Path
) -> None:
    module = examples["research_brief"]

    result = await run(
        module.brief, "Acme", data=tmp_path, models=models(module), approve=lambda it: "84 musd" in str(it.input)
    )

    assert result.output == module.Brief(text=module.RIGHT, verified=True, open_issues=[])
    assert asked(result) == ["market", "finance", "writer", "check 1", "revision 1", "check 2", "Send to client"]
    assert are_at_once(result, "market", "finance")
    assert [made.phase for made in result.calls] == ["research"] * 2 + ["writing"] * 4 + ["sending"]


async def test_a_no_at_the_checkpoint_sends_nothing_and_says_why(
    examples: dict[str, ModuleType], tmp_path: Path
) -> None:
    module = examples["research_brief"]

    result = await run(module.brief, "Acme", data=tmp_path, models=models(module), approve=lambda it: "not to him")

    assert result.output is None
    assert result.error == "a person said no at checkpoint 'Send to client': not to him"


async def test_a_brief_whose_check_fails_goes_on_there_and_repeats_nothing(
    examples: dict[str, ModuleType], tmp_path: Path
) -> None:
    module = examples["research_brief"]
    called: list[str] = []

    def breaks(request: ModelRequest) -> Any:
        called.append(request.agent)
        if request.agent == "checker":
            raise RuntimeError("broken")
        return module.script(request)

    first = await run(module.brief, "Acme", data=tmp_path, models={"rehearsed": Rehearsal(breaks)})
    assert "call 'check 1'" in first.error
    before, called[:] = sorted(called), []

    def goes_on(request: ModelRequest) -> Any:
        called.append(request.agent)
        return module.script(request)

    result = await resume(
        first.session_id,
        workflow=module.brief,
        models={"rehearsed": Rehearsal(goes_on)},
        approve=lambda it: True,
        data=tmp_path,
    )

    assert before == ["checker", "finance", "market", "writer"]
    assert called == ["checker", "writer", "checker"]
    assert result.output.verified


# --- the map over files ------------------------------------------------------------------------------


@pytest.mark.slow
async def test_every_file_is_read_and_one_list_is_made_of_the_notes(
    examples: dict[str, ModuleType], tmp_path: Path
) -> None:
    module, folder = examples["map_files"], tmp_path / "folder"
    folder.mkdir()
    for name in ("a", "b", "c", "d", "e"):
        (folder / f"{name}.md").write_text(f"# The title of {name}\nand the rest\n")
    (folder / "no.txt").write_text("not this one")

    result = await run(module.digest, "*.md", workdir=folder, data=tmp_path / "data", models=models(module))

    assert result.output.split("\n\n") == [
        f'[{name}.md]\n{{"title":"The title of {name}","words":4}}' for name in "abcde"
    ]
    assert asked(result) == ["glob", *(f"{name}.md" for name in "abcde"), "merge"]


@pytest.mark.slow
async def test_a_file_that_cannot_be_noted_is_tried_again_and_named_in_the_list(
    examples: dict[str, ModuleType], tmp_path: Path
) -> None:
    module, folder = examples["map_files"], tmp_path / "folder"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.md").write_text(f"# The title of {name}\n")

    def breaks(request: ModelRequest) -> Any:
        if "Read b.md" in str(request.messages[0].content[0]):
            raise RuntimeError("broken")
        return module.script(request)

    result = await run(
        module.digest,
        "*.md",
        workdir=folder,
        data=tmp_path / "data",
        models={"rehearsed": Rehearsal(breaks)},
    )

    assert "[missing]\nb.md: failed" in result.output
    assert asked(result).count("b.md") == 2


# --- customer support --------------------------------------------------------------------------------


async def test_an_answer_that_lacks_what_must_be_said_is_merged_with_the_change(
    examples: dict[str, ModuleType], tmp_path: Path
) -> None:
    module = examples["customer_support"]

    result = await run(module.support, module.QUESTION, data=tmp_path, models=models(module))

    assert "the money is back within 14 days" in result.output.text
    assert result.output.text.startswith("Dear customer,")
    assert result.output.changes == [module.DAYS]
    assert len(asked(result)) == 6
    assert asked(result)[-1] == "writer"
    assert are_at_once(result, "check 1", "formatter")


async def test_an_answer_that_needs_no_change_is_not_merged(examples: dict[str, ModuleType], tmp_path: Path) -> None:
    module = examples["customer_support"]

    result = await run(module.support, "Are you open on Sunday?", data=tmp_path, models=models(module))

    assert result.output.changes == []
    assert asked(result) == ["researcher", "writer", "compliance", "formatter", "check 1"]
    assert are_at_once(result, "writer", "compliance")
    assert are_at_once(result, "check 1", "formatter")


# --- as commands -------------------------------------------------------------------------------------


def _command(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "said"),
    [
        (["research_brief.py", "Acme", "--yes"], "verified=True"),
        (["map_files.py"], '"Live streams read the store"'),
        (["customer_support.py"], "changed: ['Say that the money is back within 14 days.']"),
        (["refactoring.py"], "passed: True, attempts: 2"),
        (["incident.py", "--yes"], "rolled back: version 1.41 is in place"),
    ],
    ids=lambda it: it[0] if isinstance(it, list) else "",
)
def test_it_runs_as_a_command_without_a_key(program: list[str], said: str, tmp_path: Path) -> None:
    done = _command([sys.executable, str(EXAMPLES / program[0]), *program[1:]], tmp_path)

    assert done.returncode == 0, done.stderr
    assert said in done.stdout


@pytest.mark.slow
def test_a_brief_of_the_command_line_waits_for_its_answer_and_goes_on(tmp_path: Path) -> None:
    file, podium = EXAMPLES / "research_brief.py", [sys.executable, "-m", "podium.cli"]
    data = ["--data", str(tmp_path)]

    begun = _command([*podium, "run", f"{file}:brief", "Acme", "--rehearsal", f"{file}:script", *data], tmp_path)
    answered = _command([*podium, "approve", "last", "--allow", *data], tmp_path)

    assert begun.returncode == 3, begun.stderr
    assert answered.returncode == 0, answered.stderr
    assert "84 musd" in answered.stdout
