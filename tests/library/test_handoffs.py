"""Long parts go by path to agents that can read them, and the file is there: once, whole, and again after a resume."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podium import Agent, ModelRequest, Podium, Rehearsal, WorkflowRun, workflow
from podium.errors import BadInput
from podium.patterns import Handoff, Part, Plan, Step, hand_over, merge, parallel, pipeline, run_plan, synthesise
from podium.workflows.shared_files import put
from tests.library.test_patterns_files import LONG, PLAIN, READER, WRITER, echo, handed, names, play, threads


async def test_a_long_part_goes_by_path_to_an_agent_that_reads_and_whole_to_one_that_cannot(tmp_path: Path) -> None:
    @workflow
    async def hands_over(run: WorkflowRun, topic: str) -> list[str]:
        by_path = await pipeline(run, [WRITER, (READER, "use it")], topic)
        whole = await pipeline(run, [WRITER, (PLAIN, "use it")], topic)
        return [by_path.text, whole.text]

    result = await play(tmp_path, hands_over)

    assert result.error == ""
    read, whole = result.output
    assert LONG.splitlines()[0] in read
    assert whole == f"use it\n\nContext:\n[writer]\n{LONG}"
    file = handed(tmp_path)
    assert file.name.startswith("writer-")
    assert file.read_text() == LONG
    assert names(result) == ["writer", "file writer", "reader", "writer", "plain"]
    [given] = [thread.given for thread in threads(result) if thread.agent == "reader"]
    assert str(given["context"]).startswith(
        f"[writer]\nin the file handoffs/{file.name} (15,032 characters), to be read with your tools; "
        "it begins: The first line says what it is. and on it goes"
    )


async def test_a_summary_of_ones_own_takes_the_place_of_the_beginning(tmp_path: Path) -> None:
    @workflow
    async def hands_over(run: WorkflowRun, topic: str) -> Any:
        parts = {"minutes": Part(content=LONG, summary="all that was said in May"), "note": "short"}
        return await hand_over(run, parts, to=READER)

    result = await play(tmp_path, hands_over)

    minutes, note = result.output
    assert minutes["minutes"].endswith("to be read with your tools; all that was said in May")
    assert note == {"note": "short"}


async def told_of(folder: Path, context: Any, by: Any = None, to: Agent = READER) -> Any:
    """What an agent is told of the context."""

    @workflow
    async def hands_over(run: WorkflowRun, topic: str) -> Any:
        return await hand_over(run, context, to=to, by=by)

    result = await play(folder, hands_over)
    assert result.error == ""
    return result.output


async def test_of_parts_that_are_long_together_the_longest_go_by_path_until_the_rest_is_short(tmp_path: Path) -> None:
    by = Handoff(longest=2_000, together=3_000)
    parts = {"a": "a" * 900, "b": "b" * 1_500, "c": "c" * 900, "d": "d" * 900, "note": "short"}

    told = await told_of(tmp_path, parts, by)

    assert [list(each) for each in told] == [["a"], ["b"], ["c"], ["d"], ["note"]]
    assert told[1]["b"].startswith("in the file handoffs/b-")
    assert [each for each in told if "b" not in each] == [{name: said} for name, said in parts.items() if name != "b"]


async def test_more_parts_than_one_would_open_go_into_one_file(tmp_path: Path) -> None:
    parts = {f"item {number}": f"{number}: {'x' * 900}" for number in range(100)}

    told = await told_of(tmp_path, {**parts, "missing": "item 7: failed"})

    file = handed(tmp_path)
    [(name, said)] = [pair for each in told for pair in each.items() if "in the file" in pair[1]]
    whole = [pair for each in told for pair in each.items() if "in the file" not in pair[1]]
    assert said.startswith(f"in the file handoffs/{file.name} (")
    assert "each under its name, to be read with your tools: item " in said
    assert whole[-1] == ("missing", "item 7: failed")
    assert sum(len(text) for _, text in whole) <= Handoff().together
    assert int(name.removesuffix(" parts")) + len(whole) == 101
    held = file.read_text()
    assert all(f"[{each}]\n{text}" in held or (each, text) in whole for each, text in parts.items())


@pytest.mark.parametrize(
    ("value", "about"),
    [
        ({"sales": "x" * 9_000, "staff": 7}, "JSON with the keys sales, staff"),
        ([{"sales": "x" * 9_000}, {"sales": 1}], "a JSON list of 2, the first with the keys sales"),
        (["x" * 9_000], "a JSON list of 1"),
        ("{ is no JSON " + "x" * 9_000, "it begins: { is no JSON xxx"),
    ],
)
async def test_a_structured_part_is_told_by_its_keys(tmp_path: Path, value: Any, about: str) -> None:
    [told] = await told_of(tmp_path, {"figures": value})

    file = handed(tmp_path)
    assert told["figures"].partition("tools; ")[2].startswith(about)
    assert file.suffix == (".txt" if isinstance(value, str) else ".json")


async def test_all_goes_whole_where_hand_offs_are_turned_off(tmp_path: Path) -> None:
    told = await told_of(tmp_path, {"minutes": LONG * 20}, by=False, to=PLAIN)

    assert told == {"minutes": LONG * 20}
    assert not (tmp_path / "work" / "handoffs").exists()


def test_files_that_are_handed_over_are_no_part_of_a_repository(tmp_path: Path) -> None:
    put(tmp_path, "handoffs/part.txt", b"new")

    assert (tmp_path / "handoffs" / ".gitignore").read_text() == "*\n"


async def test_a_workdir_that_cannot_be_written_to_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "handoffs").write_text("a file")

    @workflow
    async def hands_over(run: WorkflowRun, topic: str) -> str:
        return (await pipeline(run, [WRITER, READER], topic)).text

    result = await play(tmp_path, hands_over)

    assert f"{tmp_path / 'work' / 'handoffs'} is no folder that hand-offs can go to" in result.error
    assert "handoff=False has all go whole" in result.error


@pytest.mark.parametrize("wrong", [True, "whole", 0, {}])
async def test_what_is_no_handoff_is_refused(tmp_path: Path, wrong: Any) -> None:
    @workflow
    async def hands_over(run: WorkflowRun, topic: str) -> Any:
        return (await pipeline(run, [PLAIN, PLAIN], topic, handoff=wrong)).text

    result = await play(tmp_path, hands_over)

    assert f"handoff is a Handoff(...), or False for all to go whole, not {wrong!r}" in result.error
    assert threads(result) == []


async def test_two_branches_that_hand_over_the_same_share_one_file(tmp_path: Path) -> None:
    @workflow
    async def hands_over(run: WorkflowRun, topic: str) -> Any:
        return list(await run.gather(*(hand_over(run, {"minutes": LONG}, to=READER) for _ in range(8))))

    result = await play(tmp_path, hands_over)

    [first, *others] = result.output
    assert others == [first] * 7
    file = handed(tmp_path)
    assert file.read_text() == LONG


@pytest.mark.parametrize("harm", ["gone", "changed", "as it was"])
async def test_a_resume_finds_what_was_handed_over_as_it_was(tmp_path: Path, harm: str) -> None:
    @workflow
    async def hands_over(run: WorkflowRun, topic: str) -> str:
        return (await pipeline(run, [WRITER, (READER, "use it")], topic)).text

    def breaks(request: ModelRequest) -> Any:
        if request.agent == "reader":
            raise RuntimeError("broken")
        return echo(request)

    first = await play(tmp_path, hands_over, breaks)
    file = handed(tmp_path)
    if harm == "gone":
        file.unlink()
    if harm == "changed":
        file.unlink()
        file.write_text("something else")
    before = file.stat().st_ino if file.exists() else 0

    async with Podium(tmp_path / "data") as podium:
        models = {"m": Rehearsal(echo)}
        result = await (await podium.resume(first.session_id, workflow=hands_over, models=models)).result()

    assert LONG.splitlines()[0] in result.output
    assert names(result) == ["writer", "file writer", "reader", "reader"]
    assert file.read_text() == LONG
    assert (file.stat().st_ino == before) == (harm == "as it was")


async def test_a_resume_whose_workdir_cannot_be_written_goes_on_and_the_agent_is_told(tmp_path: Path) -> None:
    @workflow
    async def hands_over(run: WorkflowRun, topic: str) -> str:
        return (await pipeline(run, [WRITER, (READER, "use it")], topic)).text

    def breaks(request: ModelRequest) -> Any:
        if request.agent == "reader":
            raise RuntimeError("broken")
        return echo(request)

    first = await play(tmp_path, hands_over, breaks)
    folder = tmp_path / "work" / "handoffs"
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.write_text("no folder any more")

    async with Podium(tmp_path / "data") as podium:
        models = {"m": Rehearsal(echo)}
        result = await (await podium.resume(first.session_id, workflow=hands_over, models=models)).result()

    assert "handoffs" in result.output
    assert LONG not in result.output


@pytest.mark.parametrize("by", [None, False], ids=["the usual", "off"])
async def test_long_results_of_a_plans_steps_go_by_path_and_to_the_synthesis_too(tmp_path: Path, by: Any) -> None:
    steps = (
        Step(id="facts", agent="writer", task="find facts"),
        Step(id="views", agent="writer", task="find views"),
        Step(id="ranking", agent="reader", task="rank", depends_on=("facts",)),
        Step(id="advice", agent="plain", task="advise", depends_on=("facts",)),
    )

    @workflow
    async def decides(run: WorkflowRun, topic: str) -> Any:
        result = await run_plan(run, Plan(task=topic, steps=steps), [WRITER, READER, PLAIN], handoff=by)
        return (await synthesise(run, result, by=replace(READER, name="lead"), handoff=by)).text

    result = await play(tmp_path, decides)

    assert result.error == ""
    given = {thread.agent: str(thread.given.get("context")) for thread in threads(result)}
    assert given["plain"] == f"[facts]\n{LONG}"
    if by is None:
        assert given["reader"].startswith("[facts]\nin the file handoffs/facts-")
        assert "[views]\nin the file handoffs/views-" in given["lead"]
        assert LONG not in given["lead"]
    else:
        assert given["reader"] == f"[facts]\n{LONG}"
        assert LONG in given["lead"]


async def test_too_much_for_an_agent_without_file_tools_is_refused(tmp_path: Path) -> None:
    by = Handoff(whole=10_000)

    @workflow
    async def hands_over(run: WorkflowRun, topic: str) -> Any:
        results = await parallel(run, {"one": (WRITER, topic)})
        return (await merge(run, results, by=PLAIN, handoff=by)).output

    result = await play(tmp_path, hands_over)

    assert "agent 'plain': it is to be given 15,032 characters, and at most 10,000 go whole" in result.error
    assert [thread.agent for thread in threads(result)] == ["writer"]


async def test_a_step_of_a_plan_that_would_be_given_too_much_fails_alone(tmp_path: Path) -> None:
    steps = (
        Step(id="one", agent="writer", task="Write."),
        Step(id="two", agent="plain", task="Judge.", depends_on=("one",)),
        Step(id="three", agent="reader", task="Judge.", depends_on=("one",)),
    )

    @workflow
    async def planned(run: WorkflowRun, topic: str) -> Any:
        made = await run_plan(run, Plan(steps=steps), [WRITER, PLAIN, READER], handoff=Handoff(whole=10_000))
        return {id: step.end for id, step in made.steps.items()} | {"why": made.steps["two"].reason}

    result = await play(tmp_path, planned)

    assert [result.output[id] for id in ("one", "two", "three")] == ["done", "failed", "done"]
    assert "Give it the tool 'read'" in result.output["why"]


def test_a_link_in_the_workdir_leads_no_handoff_out_of_it(tmp_path: Path) -> None:
    work, outside = tmp_path / "work", tmp_path / "outside"
    work.mkdir()
    outside.mkdir()
    (work / "handoffs").symlink_to(outside)

    with pytest.raises(BadInput, match="is no folder that hand-offs can go to"):
        put(work, "handoffs/part.txt", b"secret")

    assert os.listdir(outside) == []


def test_a_link_in_a_handoffs_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    folder = tmp_path / "work" / "handoffs"
    folder.mkdir(parents=True)
    (folder / "part.txt").symlink_to(victim)

    put(tmp_path / "work", "handoffs/part.txt", b"new")

    assert victim.read_text() == "untouched"
    assert (folder / "part.txt").read_text() == "new"
    assert not (folder / "part.txt").is_symlink()


def test_what_lies_in_a_handoffs_place_and_waits_for_a_writer_holds_up_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "work" / "handoffs"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "part.txt")

    put(tmp_path / "work", "handoffs/part.txt", b"new")

    assert (folder / "part.txt").read_text() == "new"


def test_a_handoff_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "work" / "handoffs"
    (folder / "part.txt").mkdir(parents=True)

    with pytest.raises(BadInput, match="cannot be written: Is a directory"):
        put(tmp_path / "work", "handoffs/part.txt", b"new")

    assert os.listdir(folder) == ["part.txt"]


async def test_a_name_of_half_a_character_is_refused(tmp_path: Path) -> None:
    @workflow
    async def halves(run: WorkflowRun, topic: str) -> str:
        return await run.file("half\udc80", "text")

    result = await play(tmp_path, halves)

    assert "run.file: the name holds half a character" in result.error
