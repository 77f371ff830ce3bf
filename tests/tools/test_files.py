"""read, write and edit: what they show and change, and how two threads keep out of each other's way."""

import asyncio
import os
import subprocess
import sys
from hashlib import sha256

import pytest

from podium.core.content import plain
from podium.core.ports import Place
from tests.sandbox.places import sibling
from tests.tools.conftest import Begun

ROUNDS, WRITERS = 40, 6


# --- read --------------------------------------------------------------------------------------------


async def test_lines_come_numbered_and_in_ranges(begun: Begun, place: Place) -> None:
    (place.workdir / "f").write_text("one\ntwo\nthree\nfour\n")
    async with begun(place) as thread:
        assert await thread.does("read", file_path="f") == "     1\tone\n     2\ttwo\n     3\tthree\n     4\tfour"
        assert await thread.does("read", file_path="f", view_range=[2, 3]) == "     2\ttwo\n     3\tthree"
        assert await thread.does("read", file_path="/workspace/f", view_range=[4, -1]) == "     4\tfour"
        assert await thread.does("read", file_path="f", view_range=[5, 9]) == (
            "(there is no line 5: the file has 4 lines)"
        )
        for view_range in ([0, 1], [3, 2], [-1, -1]):
            assert "is no range" in await thread.fails("read", file_path="f", view_range=view_range)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("", "(the file is empty)"),
        ("\n", "     1\t"),
        ("a", "     1\ta"),
        ("a\n\nb", "     1\ta\n     2\t\n     3\tb"),
        ("caf\u00e9\n", "     1\tcaf\u00e9"),
        ("a\r\nb\r\n", "     1\ta\r\n     2\tb\r"),
    ],
)
async def test_small_files_are_shown_whole(begun: Begun, place: Place, content: str, shown: str) -> None:
    (place.workdir / "f").write_bytes(content.encode())
    async with begun(place) as thread:
        outcome = await thread.call("read", file_path="f")

        assert plain(outcome.content) == shown
        assert outcome.seen == {"/workspace/f": sha256(content.encode()).hexdigest()}


async def test_every_folder_of_the_place_can_be_read(begun: Begun, place: Place) -> None:
    (place.home / "f").write_text("of home")
    (place.tmp / "f").write_text("of tmp")
    async with begun(place) as thread:
        assert "of home" in await thread.does("read", file_path="/home/agent/f")
        assert "of tmp" in await thread.does("read", file_path="../tmp/f")
        assert "of the mount" in await thread.does("read", file_path="/source/given")


async def test_long_file_is_cut_and_where_to_go_on_is_said(begun: Begun, place: Place) -> None:
    (place.workdir / "f").write_text("".join(f"line {n}\n" for n in range(100_000)))
    async with begun(place) as thread:
        told = await thread.does("read", file_path="f")
        last = int(told.splitlines()[-2].split("\t")[0])

        assert f"cut after 256 KiB, in line {last}" in told
        assert f"view_range [{last}, -1]" in told
        assert f"{last}\tline {last - 1}\n" in await thread.does("read", file_path="f", view_range=[last, last + 1])
        assert thread.seen["/workspace/f"] == sha256((place.workdir / "f").read_bytes()).hexdigest()


async def test_huge_file_is_read_in_parts_and_refused_for_changes(begun: Begun, place: Place) -> None:
    (place.workdir / "huge").write_bytes(b"first\nsecond\n" + b"x" * 10_000)
    os.truncate(place.workdir / "huge", 10 << 30)
    async with begun(place) as thread:
        async with asyncio.timeout(10):
            told = await thread.does("read", file_path="huge", view_range=[1, 2])
            far = await thread.does("read", file_path="huge", view_range=[10, 20])

        assert told.startswith("     1\tfirst\n     2\tsecond\n[larger than 64 MiB")
        assert "not in the first 256 MiB" in far
        assert thread.seen == {}
        assert "was not read" in await thread.fails("write", file_path="huge", content="")


async def test_line_of_a_gigabyte_is_cut(begun: Begun, place: Place) -> None:
    (place.workdir / "line").write_bytes(b"x" * (80 << 20))
    async with begun(place) as thread:
        told = await thread.does("read", file_path="line")

        assert len(told) < (257 << 10)
        assert "cut after 256 KiB, in line 1" in told


async def test_binary_and_broken_text_are_told(begun: Begun, place: Place) -> None:
    (place.workdir / "binary").write_bytes(b"\x7fELF\0\0")
    (place.workdir / "latin").write_bytes(b"caf\xe9\n")
    async with begun(place) as thread:
        assert "binary file (6 bytes)" in await thread.fails("read", file_path="binary")
        assert await thread.does("read", file_path="latin") == (
            "     1\tcaf\ufffd\n[not valid UTF-8: bytes that are no text are shown as \ufffd]"
        )


async def test_cut_inside_a_character_is_not_called_broken(begun: Begun, place: Place) -> None:
    (place.workdir / "f").write_text("a" + "\u00e9" * 200_000)
    async with begun(place) as thread:
        assert "not valid UTF-8" not in await thread.does("read", file_path="f")


# --- write and edit ------------------------------------------------------------------------------------


async def test_new_file_is_made_with_its_folders_and_may_be_changed_at_once(begun: Begun, place: Place) -> None:
    async with begun(place) as thread:
        assert (
            await thread.does("write", file_path="a/b/c.txt", content="x\n") == "created /workspace/a/b/c.txt (2 bytes)"
        )
        await thread.does("edit", file_path="a/b/c.txt", old_string="x", new_string="y")
        assert (
            await thread.does("write", file_path="a/b/c.txt", content="z") == "replaced /workspace/a/b/c.txt (1 bytes)"
        )

        assert (place.workdir / "a/b/c.txt").read_text() == "z"
        assert os.listdir(place.workdir / "a/b") == ["c.txt"]
        assert (await thread.does("bash", command="cat a/b/c.txt; stat -c %U a/b/c.txt")) == "zagent\n"


@pytest.mark.parametrize("tool", ["write", "edit"])
async def test_file_that_was_not_read_is_not_changed(begun: Begun, place: Place, tool: str) -> None:
    (place.workdir / "f").write_text("old")
    given = {"content": "new"} if tool == "write" else {"old_string": "old", "new_string": "new"}
    async with begun(place) as thread:
        assert "was not read in this thread. Read it first" in await thread.fails(tool, file_path="f", **given)
        await thread.does("read", file_path="f")
        await thread.does("bash", command="echo changed > f")
        assert "has changed since you read it" in await thread.fails(tool, file_path="f", **given)

        assert (place.workdir / "f").read_text() == "changed\n"


async def test_edit_wants_one_place_unless_told_all(begun: Begun, place: Place) -> None:
    (place.workdir / "f").write_text("a b a\n")
    async with begun(place) as thread:
        await thread.does("read", file_path="f")
        assert "occurs 2 times" in await thread.fails("edit", file_path="f", old_string="a", new_string="c")
        assert "does not occur" in await thread.fails("edit", file_path="f", old_string="x", new_string="c")
        assert "is empty" in await thread.fails("edit", file_path="f", old_string="", new_string="c")
        assert "the same" in await thread.fails("edit", file_path="f", old_string="a", new_string="a")
        assert "in 2 places" in await thread.does(
            "edit", file_path="f", old_string="a", new_string="c", replace_all=True
        )

        assert (place.workdir / "f").read_text() == "c b c\n"


async def test_edit_says_why_text_was_not_found(begun: Begun, place: Place) -> None:
    (place.workdir / "windows").write_bytes(b"a\r\nb\r\n")
    (place.workdir / "tabs").write_text("if x:\n\treturn\n")
    async with begun(place) as thread:
        await thread.does("read", file_path="windows")
        await thread.does("read", file_path="tabs")

        assert "end in \\r\\n" in await thread.fails("edit", file_path="windows", old_string="a\nb", new_string="c")
        assert "other white space" in await thread.fails(
            "edit", file_path="tabs", old_string="if x:\n    return", new_string="c"
        )


async def test_edit_keeps_bytes_that_are_no_text(begun: Begun, place: Place) -> None:
    (place.workdir / "f").write_bytes(b"caf\xe9 one\r\n")
    async with begun(place) as thread:
        await thread.does("read", file_path="f")
        await thread.does("edit", file_path="f", old_string="one", new_string="two")

        assert (place.workdir / "f").read_bytes() == b"caf\xe9 two\r\n"


async def test_edit_that_would_blow_up_a_file_is_refused(begun: Begun, place: Place) -> None:
    (place.workdir / "f").write_text("a" * 100_000)
    async with begun(place) as thread:
        await thread.does("read", file_path="f")

        assert "would be larger" in await thread.fails(
            "edit", file_path="f", old_string="a", new_string="b" * 100_000, replace_all=True
        )


async def test_permissions_of_a_changed_file_are_kept(begun: Begun, place: Place) -> None:
    (place.workdir / "f").write_text("old")
    (place.workdir / "f").chmod(0o750)
    async with begun(place) as thread:
        await thread.does("read", file_path="f")
        await thread.does("edit", file_path="f", old_string="old", new_string="new")

        assert (place.workdir / "f").stat().st_mode & 0o7777 == 0o750


async def test_edit_of_what_is_not_there_is_told(begun: Begun, place: Place) -> None:
    async with begun(place) as thread:
        assert "does not exist" in await thread.fails("edit", file_path="f", old_string="a", new_string="b")
        assert "does not exist" in await thread.fails("edit", file_path="no/f", old_string="a", new_string="b")
        assert "does not exist" in await thread.fails("read", file_path="no/f")
        assert os.listdir(place.workdir) == []


async def test_link_inside_the_folder_is_followed_and_stays_a_link(begun: Begun, place: Place) -> None:
    async with begun(place) as thread:
        await thread.does("bash", command="mkdir a b; echo old > a/real; ln -s ../a/real b/link; ln -s a folder")
        await thread.does("read", file_path="b/link")
        await thread.does("edit", file_path="b/link", old_string="old", new_string="new")
        await thread.does("write", file_path="folder/other", content="x")

        assert (place.workdir / "b/link").is_symlink()
        assert (place.workdir / "a/real").read_text() == "new\n"
        assert (place.workdir / "a/other").read_text() == "x"


async def test_read_only_mount_is_not_written(begun: Begun, place: Place) -> None:
    async with begun(place) as thread:
        await thread.does("read", file_path="/source/given")
        for tool, given in (("write", {"content": ""}), ("edit", {"old_string": "of", "new_string": "x"})):
            assert "/source is mounted read-only" in await thread.fails(tool, file_path="/source/given", **given)


async def test_text_with_lone_surrogates_is_refused(begun: Begun, place: Place) -> None:
    async with begun(place) as thread:
        for path in ("a\ud800", "a\0b", ""):
            await thread.fails("read", file_path=path)
        assert os.listdir(place.workdir) == []


# --- several writers -----------------------------------------------------------------------------------


async def test_of_two_threads_that_edit_a_file_one_succeeds(begun: Begun, place: Place) -> None:
    (place.workdir / "f").write_text("old")
    async with begun(place) as a, begun(sibling(place)) as b:
        await asyncio.gather(a.does("read", file_path="f"), b.does("read", file_path="f"))
        outcomes = await asyncio.gather(
            a.call("edit", file_path="f", old_string="old", new_string="of a"),
            b.call("edit", file_path="f", old_string="old", new_string="of b"),
        )

        assert sorted(outcome.is_error for outcome in outcomes) == [False, True]
        winner = [outcome.is_error for outcome in outcomes].index(False)
        assert (place.workdir / "f").read_text() == ["of a", "of b"][winner]


async def test_no_update_is_lost_among_many_threads(begun: Begun, place: Place) -> None:
    (place.workdir / "counter").write_text("0")

    async def count(times: int, place: Place) -> int:
        refused = 0
        async with begun(place) as thread:
            while times:
                old = (await thread.does("read", file_path="counter")).split("\t")[1]
                outcome = await thread.call("write", file_path="counter", content=str(int(old) + 1))
                refused += outcome.is_error
                times -= not outcome.is_error
        return refused

    refused = await asyncio.gather(*(count(ROUNDS, place) for _ in range(WRITERS)))

    assert (place.workdir / "counter").read_text() == str(ROUNDS * WRITERS)
    assert sum(refused) > 0  # they did meet


async def test_of_many_threads_that_make_a_file_one_succeeds(begun: Begun, place: Place) -> None:
    async with begun(place) as a, begun(sibling(place)) as b:
        for n in range(30):
            outcomes = await asyncio.gather(
                a.call("write", file_path=f"f{n}", content="a"), b.call("write", file_path=f"f{n}", content="b")
            )
            assert sorted(outcome.is_error for outcome in outcomes) == [False, True]


COUNTER = """
import asyncio, sys
from pathlib import Path
from podium.core.ports import ToolCall
from podium.tools import BUILT_IN
from tests.sandbox.places import make_place

class Only:
    place = make_place(Path(sys.argv[1]))

async def main():
    times = int(sys.argv[2])
    while times:
        read = await BUILT_IN["read"].run(ToolCall(id="", name="read", input={"file_path": "counter"}), Only)
        new = str(int(read.content[0].text.split("\\t")[1]) + 1)
        given = {"file_path": "counter", "content": new}
        wrote = await BUILT_IN["write"].run(ToolCall(id="", name="write", input=given, seen=read.seen), Only)
        times -= not wrote.is_error

asyncio.run(main())
"""


def test_no_update_is_lost_among_processes(place: Place) -> None:
    (place.workdir / "counter").write_text("0")
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    counters = [
        subprocess.Popen([sys.executable, "-c", COUNTER, str(place.data.parent), str(ROUNDS)], env=path)
        for _ in range(4)
    ]

    assert [counter.wait() for counter in counters] == [0] * 4
    assert (place.workdir / "counter").read_text() == str(ROUNDS * 4)


async def test_readers_never_see_half_a_file(begun: Begun, place: Place) -> None:
    (place.workdir / "f").write_text("a" * 100_000)
    async with begun(place) as thread, begun(sibling(place)) as other:
        await thread.does("read", file_path="f")
        for letter in "bcdefgh":
            told, _ = await asyncio.gather(
                other.does("read", file_path="f"), thread.does("write", file_path="f", content=letter * 100_000)
            )
            assert len(set(told.split("\t")[1])) == 1
            assert len(told.split("\t")[1]) == 100_000
