"""Stages of a team file on real files: a map over those of the workdir, and long results that go by path."""

from pathlib import Path
from typing import Any

from podium import Podium, Rehearsal, RunResult
from podium.core.content import plain
from podium.patterns.made import Made
from podium.team import load_team

LONG = "The first line says what it is.\n" + "and on it goes " * 1_000


async def play(folder: Path, stages: str, script: Any) -> RunResult:
    (folder / "work").mkdir()
    for name in ("one.md", "two.md", "three.txt"):
        (folder / "work" / name).write_text(name)
    file = folder / "team.yaml"
    file.write_text(
        f"agents: {{a: {{model: m}}, b: {{model: m, tools: [read]}}}}\nworkflow:\n{stages}\nworkdir: work\n"
    )
    team = load_team(file)
    assert team.workflow is not None
    async with Podium(folder / "data", models={"m": Rehearsal(script)}) as podium:
        return await podium.run(team.workflow, "birds", workdir=team.workdir)


def told(request: Any) -> str:
    return plain(request.messages[0].content)


async def test_a_map_goes_over_the_files_of_the_workdir(tmp_path: Path) -> None:
    stages = "  - {map: {agent: a, files: '*.md', at_once: 1}, task: 'Read {item} on {task}.'}"

    result = await play(tmp_path, stages, lambda request: told(request).upper())

    assert result.output == Made(output=["READ ONE.MD ON BIRDS.", "READ TWO.MD ON BIRDS."])


async def test_files_that_are_not_there_fail_the_run(tmp_path: Path) -> None:
    result = await play(tmp_path, "  - {map: {agent: a, files: '*.pdf'}, task: '{item}'}", told)

    assert "the glob '*.pdf' matches no file" in result.error


async def test_a_long_result_goes_by_path_to_an_agent_that_can_read_it(tmp_path: Path) -> None:
    stages = "  - {name: facts, agent: a}\n  - agent: b\n  - {agent: a, name: last, context: [facts]}"

    asked = []

    def script(request: Any) -> str:
        asked.append(told(request))
        return LONG if told(request) == "birds" else "read"

    await play(tmp_path, stages, script)

    _, reader, last = asked
    [file] = (tmp_path / "work" / "handoffs").glob("*.txt")
    assert file.read_text() == LONG
    assert f"in the file handoffs/{file.name} ({len(LONG):,} characters), to be read with your tools" in reader
    assert LONG in last
