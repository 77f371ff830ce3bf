"""Patterns on real files: globs of the workdir, which a run knows."""

from pathlib import Path
from typing import Any

from podium import (
    Agent,
    ModelRequest,
    Podium,
    Rehearsal,
    RunResult,
    TextBlock,
    ToolResultBlock,
    WorkflowRun,
    call,
    workflow,
)
from podium.analysis.trace import ThreadTrace, trace
from podium.core.content import plain
from podium.core.facts import StepAsked
from podium.patterns import Files, map_over
from podium.workflows.workflow import Workflow

WRITER, PLAIN = Agent("writer", model="m"), Agent("plain", model="m")
READER = Agent("reader", model="m", tools=["read"])
LONG = "The first line says what it is.\n" + "and on it goes " * 1_000


def echo(request: ModelRequest) -> Any:
    """The writer writes at length; the reader reads the file that it is told of; all say what they were told last."""
    if request.agent == "writer":
        return LONG
    [last] = request.messages[-1].content
    told = (
        plain(last.content) if isinstance(last, ToolResultBlock) else last.text if isinstance(last, TextBlock) else ""
    )
    if request.agent == "reader" and len(request.messages) == 1 and "in the file " in told:
        return call("read", file_path=told.partition("in the file ")[2].split()[0])
    return told


def handed(folder: Path) -> Path:
    """The file that was handed over."""
    [file] = (folder / "work" / "handoffs").glob("[!.]*")
    return file


async def play(folder: Path, flow: Workflow, script: Any = echo, **how: Any) -> RunResult:
    (folder / "work").mkdir(exist_ok=True)
    async with Podium(folder / "data", models={"m": Rehearsal(script)}) as podium:
        return await podium.run(flow, "go", workdir=folder / "work", **how)


def threads(result: RunResult) -> list[ThreadTrace]:
    """The threads that its calls opened."""
    return list(trace(result.records).threads.values())[1:]


def names(result: RunResult) -> list[str]:
    """What the calls are called, in the order of the log."""
    return [r.event.name for r in result.records if isinstance(r.event, StepAsked)]


def reading(most: int = 1_000) -> Workflow:
    @workflow
    async def reading(run: WorkflowRun, topic: str) -> Any:
        files = Files(glob="**/*.md")
        return (await map_over(run, PLAIN, files, task="sum up {item}", most=most)).output

    return reading


async def test_a_glob_is_listed_once_and_a_resume_goes_over_the_same_files(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "deep").mkdir(parents=True)
    (work / "handoffs").mkdir()
    for name in ("b.md", "a.md", "c.txt", ".hidden.md", "deep/d.md", "handoffs/h.md"):
        (work / name).write_text(name)
    (work / "out.md").symlink_to("/etc/hosts")
    (work / "folder.md").mkdir()
    flow = reading()

    def breaks(request: ModelRequest) -> str:
        raise RuntimeError("broken")

    first = await play(tmp_path, flow, breaks)
    assert names(first) == ["glob", "a.md", "b.md", "deep/d.md"]

    (work / "e.md").write_text("e")
    async with Podium(tmp_path / "data") as podium:
        models = {"m": Rehearsal(echo)}
        result = await (await podium.resume(first.session_id, workflow=flow, models=models)).result()

    assert result.output == ["sum up a.md", "sum up b.md", "sum up deep/d.md"]
    assert names(result).count("glob") == 1


async def test_a_glob_that_matches_nothing_says_so_and_looks_again_on_resume(tmp_path: Path) -> None:
    flow = reading()
    first = await play(tmp_path, flow)
    assert "the glob '**/*.md' matches no file below" in first.error
    assert len(first.threads) == 1

    (tmp_path / "work" / "a.md").write_text("a")
    async with Podium(tmp_path / "data") as podium:
        models = {"m": Rehearsal(echo)}
        result = await (await podium.resume(first.session_id, workflow=flow, models=models)).result()

    assert result.output == ["sum up a.md"]


async def test_more_files_than_may_be_are_refused_before_any_agent_is_called(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    for number in range(4):
        (tmp_path / "work" / f"{number}.md").write_text("")

    result = await play(tmp_path, reading(most=3))

    assert "matches more than 3 files" in result.error
    assert len(result.threads) == 1


async def test_a_fresh_workdir_is_known_too(tmp_path: Path) -> None:
    @workflow
    async def both(run: WorkflowRun, topic: str) -> Any:
        await run.step(lambda: (run.workdir / "a.md").write_text("a") and None, name="put")
        return (await map_over(run, PLAIN, Files(glob="*.md"), task="sum up {item}")).output

    async with Podium(tmp_path / "data", models={"m": Rehearsal(echo)}) as podium:
        result = await podium.run(both, "go")

    assert result.output == ["sum up a.md"]
    assert (tmp_path / "data" / "sessions" / result.session_id / "workdir" / "a.md").exists()


async def test_a_workdir_that_is_gone_is_named(tmp_path: Path) -> None:
    @workflow
    async def late(run: WorkflowRun, topic: str) -> Any:
        await run.step((tmp_path / "work").rmdir, name="away")
        return (await map_over(run, PLAIN, Files(glob="*.md"), task="sum up {item}")).output

    result = await play(tmp_path, late)

    assert f"the workdir {tmp_path / 'work'} is no folder" in result.error


async def test_the_workdir_is_not_told_to_the_workflows_own_code(tmp_path: Path) -> None:
    @workflow
    async def looks(run: WorkflowRun, topic: str) -> Any:
        await run.step(lambda: 1, name="one")
        return str(run.workdir)

    result = await play(tmp_path, looks)

    assert "run.workdir is for functions of run.step" in result.error
