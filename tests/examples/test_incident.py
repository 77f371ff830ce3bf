"""The incident triage of examples/workflows: nothing is done before a person says yes, whoever asks them."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from podium import Approval, ModelRequest, Podium, call, run
from podium.models.rehearsal import Rehearsal
from tests.examples.programs import EXAMPLES, are_at_once, asked, imported, models, told

module = imported("incident")


def _plant(folder: Path) -> Path:
    folder.mkdir()
    for name, text in module.FILES.items():
        (folder / name).write_text(text)
    return folder


def _versions(folder: Path) -> list[str]:
    return [deploy["version"] for deploy in json.loads((folder / "deploys.json").read_text())]


@pytest.mark.slow
async def test_a_remedy_is_proposed_allowed_and_only_then_done(tmp_path: Path) -> None:
    plant, when_asked = _plant(tmp_path / "plant"), list[Any]()

    def approve(approval: Approval) -> bool:
        when_asked.extend([approval.input["payload"]["version"], _versions(plant)])
        return True

    result = await run(
        module.triage, module.REPORT, workdir=plant, data=tmp_path / "data", models=models(module), approve=approve
    )

    assert result.output == module.Triage(end="rolled back", said="version 1.41 is in place")
    assert when_asked == ["1.41", ["1.41", "1.42"]]
    assert _versions(plant) == ["1.41", "1.42", "1.41"]
    assert are_at_once(result, "logs", "deploys")
    assert asked(result).count("metrics") == 2  # it failed, and was tried again
    context = told(result)["remedy"]["context"]
    assert "KeyError: 'vat'" in context
    assert "[missing]\nmetrics: failed" in context


@pytest.mark.slow
async def test_a_no_changes_nothing_and_who_is_on_call_is_told_why(tmp_path: Path) -> None:
    plant = _plant(tmp_path / "plant")

    result = await run(
        module.triage,
        module.REPORT,
        workdir=plant,
        data=tmp_path / "data",
        models=models(module),
        approve=lambda it: "not on a Friday",
    )

    assert result.output.end == "escalated"
    assert "no to version 1.41: not on a Friday" in result.output.said
    assert _versions(plant) == ["1.41", "1.42"]


@pytest.mark.slow
async def test_a_version_that_never_ran_is_not_even_asked_about(tmp_path: Path) -> None:
    plant = _plant(tmp_path / "plant")

    def wrong(request: ModelRequest) -> Any:
        is_deciding = request.agent == "lead" and request.tools
        return call("submit_result", version="1.40", why="a guess") if is_deciding else module.script(request)

    result = await run(
        module.triage,
        module.REPORT,
        workdir=plant,
        data=tmp_path / "data",
        models={"rehearsed": Rehearsal(wrong)},
        approve=lambda it: pytest.fail("nobody is to be asked"),
    )

    assert result.output.end == "escalated"
    assert "version 1.40, which never ran" in result.output.said
    assert _versions(plant) == ["1.41", "1.42"]


def _kill_where_it_asks(folder: Path) -> None:
    """Run the program until it asks on its terminal, and kill it there."""
    program = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "incident.py")],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdout is not None
        assert program.stdout.readline().startswith("Roll back to 1.41?")
        program.kill()


@pytest.mark.slow
@pytest.mark.parametrize("answer", [True, "not now"])
async def test_killed_while_it_waits_for_the_answer_it_goes_on_there(tmp_path: Path, answer: Any) -> None:
    await asyncio.to_thread(_kill_where_it_asks, tmp_path)
    [plant] = [Path(folder) for folder, _, files in os.walk(tmp_path) if "deploys.json" in files]
    assert _versions(plant) == ["1.41", "1.42"]
    called: list[str] = []

    def listens(request: ModelRequest) -> Any:
        called.append(request.agent)
        return module.script(request)

    async with Podium(tmp_path / ".podium", models={"rehearsed": Rehearsal(listens)}) as podium:
        [row] = await podium.parts.store.sessions()
        under_way = await podium.resume(row.id, workflow=module.triage, approve=lambda it: answer)
        result = await under_way.result()

    assert result.output.end == ("rolled back" if answer is True else "escalated")
    assert _versions(plant)[2:] == (["1.41"] if answer is True else [])
    assert called == ([] if answer is True else ["lead"])
