"""Patterns on real files: globs of the workdir, and long parts that go by path to agents that can read them."""

import os
from pathlib import Path
from typing import Any

import pytest

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
from podium.errors import BadInput
from podium.patterns import Files, Handoff, Part, hand_over, map_over, merge, parallel, pipeline
from podium.patterns.handoff import write_below
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


# --- globs -------------------------------------------------------------------------------------------


def reading(workdir: Path, most: int = 1_000) -> Workflow:
    @workflow
    async def reading(run: WorkflowRun, topic: str) -> Any:
        files = Files(glob="**/*.md", workdir=workdir)
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
    flow = reading(work)

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
    flow = reading(tmp_path / "work")
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

    result = await play(tmp_path, reading(tmp_path / "work", most=3))

    assert "matches more than 3 files" in result.error
    assert len(result.threads) == 1


async def test_a_workdir_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = await play(tmp_path, reading(tmp_path / "nowhere"))

    assert f"the workdir {tmp_path / 'nowhere'} is no folder" in result.error


# --- hand-offs ---------------------------------------------------------------------------------------


async def test_a_long_part_goes_by_path_to_an_agent_that_reads_and_whole_to_one_that_cannot(tmp_path: Path) -> None:
    by = Handoff(workdir=tmp_path / "work")

    @workflow
    async def hands_over(run: WorkflowRun, topic: str) -> list[str]:
        by_path = await pipeline(run, [WRITER, (READER, "use it")], topic, handoff=by)
        whole = await pipeline(run, [WRITER, (PLAIN, "use it")], topic, handoff=by)
        return [by_path.text, whole.text]

    result = await play(tmp_path, hands_over)

    assert result.error == ""
    read, whole = result.output
    assert LONG.splitlines()[0] in read
    assert whole == f"use it\n\nContext:\n[writer]\n{LONG}"
    [file] = (tmp_path / "work" / "handoffs").iterdir()
    assert file.name.startswith("writer-")
    assert file.read_text() == LONG
    assert names(result) == ["writer", "hand over", "reader", "writer", "plain"]
    [given] = [thread.given for thread in threads(result) if thread.agent == "reader"]
    assert str(given["context"]).startswith(
        f"[writer]\nin the file handoffs/{file.name} (15,032 characters), to be read with your tools; "
        "it begins: The first line says what it is. and on it goes"
    )


async def test_a_summary_of_ones_own_takes_the_place_of_the_beginning(tmp_path: Path) -> None:
    by = Handoff(workdir=tmp_path / "work")

    @workflow
    async def hands_over(run: WorkflowRun, topic: str) -> Any:
        parts = {"minutes": Part(content=LONG, summary="all that was said in May"), "note": "short"}
        return await hand_over(run, parts, to=READER, by=by)

    result = await play(tmp_path, hands_over)

    minutes, note = result.output
    assert minutes["minutes"].endswith("to be read with your tools; all that was said in May")
    assert note == {"note": "short"}


async def test_many_short_parts_that_are_long_together_go_by_path_too(tmp_path: Path) -> None:
    by = Handoff(workdir=tmp_path / "work", longest=2_000, together=3_000)

    @workflow
    async def hands_over(run: WorkflowRun, topic: str) -> Any:
        parts = {f"part {number}": f"{number}" * 900 for number in range(4)}
        return [
            await hand_over(run, {**parts, "note": "short"}, to=READER, by=by),
            await hand_over(run, "x", to=READER, by=by),
        ]

    result = await play(tmp_path, hands_over)

    crowded, alone = result.output
    assert [next(iter(each.values()))[:11] for each in crowded] == ["in the file"] * 4 + ["short"]
    assert alone == "x"


async def test_too_much_for_an_agent_without_file_tools_is_refused(tmp_path: Path) -> None:
    by = Handoff(workdir=tmp_path / "work", whole=10_000)

    @workflow
    async def hands_over(run: WorkflowRun, topic: str) -> Any:
        results = await parallel(run, {"one": (WRITER, topic)})
        return (await merge(run, results, by=PLAIN, handoff=by)).output

    result = await play(tmp_path, hands_over)

    assert "agent 'plain' is to be given 15,032 characters, and at most 10,000 go whole" in result.error
    assert [thread.agent for thread in threads(result)] == ["writer"]


def test_a_link_in_the_workdir_leads_no_handoff_out_of_it(tmp_path: Path) -> None:
    work, outside = tmp_path / "work", tmp_path / "outside"
    work.mkdir()
    outside.mkdir()
    (work / "handoffs").symlink_to(outside)

    with pytest.raises(BadInput, match="is no folder that hand-offs can go to"):
        write_below(work, "part.txt", b"secret")

    assert os.listdir(outside) == []


def test_a_link_in_a_handoffs_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    folder = tmp_path / "work" / "handoffs"
    folder.mkdir(parents=True)
    (folder / "part.txt").symlink_to(victim)

    write_below(tmp_path / "work", "part.txt", b"new")

    assert victim.read_text() == "untouched"
    assert (folder / "part.txt").read_text() == "new"
    assert not (folder / "part.txt").is_symlink()


def test_a_handoff_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "work" / "handoffs"
    (folder / "part.txt").mkdir(parents=True)

    with pytest.raises(OSError, match="directory"):
        write_below(tmp_path / "work", "part.txt", b"new")

    assert os.listdir(folder) == ["part.txt"]
