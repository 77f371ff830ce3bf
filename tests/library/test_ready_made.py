"""Ready-made agents at work: what they can do on real files, and whose model they have."""

from collections.abc import Callable
from pathlib import Path

import pytest

from podium import Agent, ModelRequest, Mount, Rehearsal, TextBlock, ToolResultBlock, agents, call, run
from podium.errors import BadInput
from podium.models.rehearsal import Said

WRITES = {
    "write": {"file_path": "/source/new.txt", "content": "x"},
    "edit": {"file_path": "/source/kept.txt", "old_string": "kept", "new_string": "lost"},
    "bash": {"command": "echo lost > /source/kept.txt"},
}
LOOKS = {
    "read": {"file_path": "/source/kept.txt"},
    "grep": {"pattern": "kept", "path": "/source"},
    "glob": {"pattern": "*.txt", "path": "/source"},
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder that the sandbox lets everybody write."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "kept.txt").write_text("kept\n")
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


async def tried(source: Path, agent: Agent, calls: dict[str, dict[str, str]]) -> dict[str, tuple[bool, str]]:
    """What comes of calls that the agent's model makes, at once: whether it is an error, and what it says."""
    came: dict[str, tuple[bool, str]] = {}

    def script(request: ModelRequest) -> Said:
        if request.agent == "lead":
            return call(agent.name, task="go") if len(request.messages) == 1 else "done"
        if len(request.messages) == 1:
            return [call(name, **given) for name, given in calls.items()]
        for name, result in zip(calls, request.messages[-1].content, strict=True):
            assert isinstance(result, ToolResultBlock)
            said = "".join(block.text for block in result.content if isinstance(block, TextBlock))
            came[name] = (result.is_error, said)
        return "done"

    lead = Agent("lead", model="m", callable_agents=[agent])
    result = await run(
        lead,
        "go",
        data=source.parent / "data",
        models={"m": Rehearsal(script)},
        mounts=[Mount(source, at="/source", read_only=False)],
    )
    assert result.output == "done"
    return came


@pytest.mark.parametrize("make", [agents.explore, agents.plan])
async def test_agent_that_searches_cannot_change_a_file_that_others_could(
    source: Path, make: Callable[[], Agent]
) -> None:
    came = await tried(source, make(), WRITES | LOOKS)

    assert {name for name, (is_error, _) in came.items() if is_error} == set(WRITES)
    assert all(f"called '{name}', which it was not given" in came[name][1] for name in WRITES)
    assert all("kept" in said for name, (_, said) in came.items() if name in LOOKS)
    assert contents(source) == {"kept.txt": "kept\n"}


async def test_agent_for_general_purposes_can_do_what_the_others_cannot(source: Path) -> None:
    came = await tried(source, agents.general_purpose(), {"write": WRITES["write"], "bash": WRITES["bash"]})

    assert [name for name, (is_error, _) in came.items() if is_error] == []
    assert contents(source) == {"kept.txt": "lost\n", "new.txt": "x"}


async def test_agent_that_inherits_runs_on_the_model_of_who_is_at_the_top(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def script(request: ModelRequest) -> Said:
        asked.append((request.agent, request.model))
        return call("explore", task="go") if request.agent == "lead" and len(request.messages) == 1 else "done"

    lead = Agent("lead", model="m", callable_agents=[agents.explore()])
    await run(lead, "go", data=tmp_path, models={"m": Rehearsal(script)})

    assert asked == [("lead", "m"), ("explore", "m"), ("lead", "m")]


async def test_agent_that_inherits_from_nobody_is_refused_unless_it_is_rehearsed(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="agent 'explore' inherits its model, and nobody above it has one: name one"):
        await run(agents.explore(), "go", data=tmp_path)

    result = await run(agents.explore(), "go", data=tmp_path, rehearsal="generated")

    assert result.stop_reason == "end_turn"
