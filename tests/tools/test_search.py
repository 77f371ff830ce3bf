"""glob and grep: what they find, in which order, and what bounds them."""

import asyncio
import os
from pathlib import Path

import pytest

from podium.core.content import plain
from podium.core.ports import Place
from podium.tools import search
from podium.tools.beneath import Unusable
from tests.sandbox.places import folder
from tests.tools.conftest import Begun

TREE = (
    "a.py",
    "b.txt",
    "src/a.py",
    "src/b.ts",
    "src/c.tsx",
    "src/deep/er/a.py",
    ".hidden/a.py",
    ".git/a.py",
    "t[1].py",
)


@pytest.fixture
def tree(place: Place) -> Place:
    for name in TREE:
        path = place.workdir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"needle in {name}\nother\n")
    return place


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.py", ["a.py", "t[1].py"]),
        ("**/*.py", [".hidden/a.py", "a.py", "src/a.py", "src/deep/er/a.py", "t[1].py"]),
        ("src/*", ["src/a.py", "src/b.ts", "src/c.tsx"]),
        ("src/**", ["src/a.py", "src/b.ts", "src/c.tsx", "src/deep/er/a.py"]),
        ("src/**/a.py", ["src/a.py", "src/deep/er/a.py"]),
        ("src/*.{ts,tsx}", ["src/b.ts", "src/c.tsx"]),
        ("{src,.hidden}/{a,b}.{py,ts}", [".hidden/a.py", "src/a.py", "src/b.ts"]),
        ("?.py", ["a.py"]),
        ("[ab].*", ["a.py", "b.txt"]),
        ("[!a].*", ["b.txt"]),
        ("t\\[1\\].py", ["t[1].py"]),
        ("./a.py", ["a.py"]),
        ("/workspace/src/*.py", ["src/a.py"]),
        ("/workspace/*/*.py", [".hidden/a.py", "src/a.py"]),
    ],
)
async def test_glob_finds_what_matches_sorted_without_git(
    begun: Begun, tree: Place, pattern: str, found: list[str]
) -> None:
    async with begun(tree) as thread:
        assert await thread.does("glob", pattern=pattern) == "\n".join(f"/workspace/{name}" for name in found)


async def test_glob_in_another_folder_and_of_nothing(begun: Begun, tree: Place) -> None:
    async with begun(tree) as thread:
        assert await thread.does("glob", pattern="*.py", path="src") == "/workspace/src/a.py"
        assert await thread.does("glob", pattern="*", path="/source") == "/source/given"
        assert await thread.does("glob", pattern="*.rs") == "(no files match)"
        assert "does not exist" in await thread.fails("glob", pattern="*", path="nowhere")
        assert "unequal" in await thread.fails("glob", pattern="{a,b")
        assert "before its" in await thread.fails("glob", pattern="}a{")


async def test_glob_matches_a_character_not_a_byte(begun: Begun, place: Place) -> None:
    for name in (b"\xc3\xa9.x", b"\xff.x", b"\xe4\xb8\xad.x", b"ab.x", b"new\nline.x"):
        (place.workdir / os.fsdecode(name)).touch()
    async with begun(place) as thread:
        assert (await thread.does("glob", pattern="?.x")).splitlines() == [
            "/workspace/\u00e9.x",
            "/workspace/\u4e2d.x",
            "/workspace/\\xff.x",
        ]
        assert "/workspace/new\\nline.x" in await thread.does("glob", pattern="new*.x")
        assert len((await thread.does("glob", pattern="*.x")).splitlines()) == 5


async def test_glob_shows_two_hundred_and_says_there_are_more(begun: Begun, place: Place) -> None:
    for n in range(250):
        (place.workdir / f"f{n:03}").touch()
    async with begun(place) as thread:
        lines = (await thread.does("glob", pattern="**/*")).splitlines()

        assert lines[:200] == [f"/workspace/f{n:03}" for n in range(200)]
        assert "more than 200 match" in lines[200]


async def test_glob_of_many_stars_on_a_deep_tree_ends(begun: Begun, place: Place) -> None:
    (place.workdir / ("d/" * 200)).mkdir(parents=True)
    async with begun(place) as thread, asyncio.timeout(search.DEADLINE_S + 5):
        await thread.does("glob", pattern="**/" * 30 + "*x*y*z*" * 10)


async def test_grep_shows_file_number_and_line(begun: Begun, tree: Place) -> None:
    async with begun(tree) as thread:
        assert await thread.does("grep", pattern=r"^needle\b.*\.tsx?$") == (
            "/workspace/src/b.ts:1:needle in src/b.ts\n/workspace/src/c.tsx:1:needle in src/c.tsx"
        )
        assert await thread.does("grep", pattern="OTHER", path="a.py", ignore_case=True) == "/workspace/a.py:2:other"
        assert await thread.does("grep", pattern="OTHER") == "(no matches)"
        assert (await thread.does("grep", pattern="needle", glob="*.py", output_mode="files")).splitlines() == [
            f"/workspace/{name}" for name in (".hidden/a.py", "a.py", "src/a.py", "src/deep/er/a.py", "t[1].py")
        ]
        assert await thread.does("grep", pattern="e", glob="src/*.{ts,tsx}", output_mode="count") == (
            "/workspace/src/b.ts:2\n/workspace/src/c.tsx:2"
        )
        assert await thread.does("grep", pattern="mount", path="/source") == "/source/given:1:of the mount"


@pytest.mark.parametrize("pattern", ["(", "[a", "*a", "a{2,1}"])
async def test_grep_says_what_is_wrong_with_a_pattern(begun: Begun, tree: Place, pattern: str) -> None:
    async with begun(tree) as thread:
        assert "grep failed: " in await thread.fails("grep", pattern=pattern)


async def test_grep_takes_hostile_patterns_and_names_as_text(begun: Begun, place: Place) -> None:
    for name in ("-e", "a b", "'; touch hacked #", "$(touch hacked)", "new\nline"):
        (place.workdir / name).write_text("--needle $(touch hacked)'\n")
    async with begun(place) as thread:
        for pattern in ("--needle", "-e", "$(touch hacked)", "'; touch hacked; '"):
            await thread.call("grep", pattern=pattern)
        lines = (await thread.does("grep", pattern="--needle")).splitlines()

        assert len(lines) == 5
        assert "/workspace/new\\nline:1:--needle $(touch hacked)'" in lines
        assert not (place.workdir / "hacked").exists()
        assert "single lines" in await thread.fails("grep", pattern="a\nb")


async def test_grep_skips_binary_files_fifos_and_links_out(begun: Begun, place: Place, tmp_path: Path) -> None:
    outside = folder(tmp_path, "outside", canary="needle")
    (place.workdir / "binary").write_bytes(b"\0needle\n")
    (place.workdir / "text").write_bytes(b"caf\xe9 needle\n")
    async with begun(place) as thread:
        await thread.does(
            "bash", command=f"mkfifo fifo; ln -s {outside}/canary link; ln -s {outside} folder; ln -s . loop"
        )
        async with asyncio.timeout(5):
            told = await thread.does("grep", pattern="needle")
            on_fifo = await thread.does("grep", pattern="needle", path="fifo")

        assert "canary" not in told
        assert "fifo" not in told
        assert "binary:" not in told
        assert on_fifo == "(no matches)"
        assert "No such" in await thread.fails("bash", command=f"cat {outside}/canary")


async def test_grep_searches_text_that_is_no_utf8_and_marks_its_bytes(begun: Begun, place: Place) -> None:
    (place.workdir / "a utf8").write_text("café needle\n")
    (place.workdir / "b latin").write_bytes(b"first\ncaf\xe9 needle\n")
    (place.workdir / "c utf8").write_text("café needle\n")
    (place.workdir / "late binary").write_bytes(b"x\n" * 99_000 + b"\0needle\n")
    async with begun(place) as thread:
        assert await thread.does("grep", pattern="^caf. needle$") == (
            "/workspace/a utf8:1:café needle\n/workspace/b latin:2:caf\ufffd needle\n/workspace/c utf8:1:café needle\n"
            "[bytes that are not UTF-8 are shown as \ufffd]"
        )
        assert await thread.does("grep", pattern="CAFÉ", ignore_case=True, output_mode="files") == (
            "/workspace/a utf8\n/workspace/c utf8"
        )
        assert await thread.does("grep", pattern="f.*needle", output_mode="count") == (
            "/workspace/a utf8:1\n/workspace/b latin:1\n/workspace/c utf8:1"
        )


async def test_grep_of_more_files_than_one_batch_finds_them_all_in_order(begun: Begun, place: Place) -> None:
    names = [f"f{n:04}" for n in range(search.BATCH * 2 + 1)]
    for n, name in enumerate(names):
        (place.workdir / name).write_bytes(b"needle\xe9\n" if n % 9 == 0 else b"needle\n")
    async with begun(place) as thread:
        told = await thread.does("grep", pattern="needle", output_mode="files")

        assert told.splitlines() == [f"/workspace/{name}" for name in names]


async def test_grep_of_binary_files_alone_still_says_what_is_wrong_with_a_pattern(begun: Begun, place: Place) -> None:
    (place.workdir / "binary").write_bytes(b"\0needle\n")
    async with begun(place) as thread:
        assert "grep failed: " in await thread.fails("grep", pattern="(")
        assert await thread.does("grep", pattern="needle") == "(no matches)"


async def test_grep_cuts_long_lines_and_long_results(begun: Begun, place: Place) -> None:
    (place.workdir / "long").write_text("needle" + "x" * 10_000 + "\n")
    async with begun(place) as thread:
        told = await thread.does("grep", pattern="needle")
        assert len(told) < 700
        assert "[... cut, 10006 characters]" in told

        (place.workdir / "many").write_text("needle\n" * 100_000)
        told = await thread.does("grep", pattern="needle")
        assert len(told) < 150_000
        assert told.endswith("[only the first 100 KiB are shown. Use a narrower pattern, path or glob]")


async def test_regular_expression_that_explodes_is_stopped(begun: Begun, place: Place) -> None:
    (place.workdir / "f").write_text("a" * 5000 + "b\n")
    async with begun(place) as thread, asyncio.timeout(search.DEADLINE_S + 5):
        outcome = await thread.call("grep", pattern="(a+)+$|(.*)*(.*)*(.*)*c")

        assert outcome.is_error or "(no matches)" in plain(outcome.content) or "[s" in plain(outcome.content)


async def test_what_was_found_when_time_is_up_is_marked_as_a_part(begun: Begun, place: Place) -> None:
    """The finder's own deadline, tried by a script whose finder is slow."""
    script = search._script("/workspace", None, ["head", "-z", "-n", "9"]).replace(
        f"timeout {search.FIND_S} find", "slow"
    )
    slow = "slow() { printf '/workspace/found\\0'; return 124; }\n"
    async with begun(place) as thread:
        ran = await thread.sandbox.run(
            ["bash", "-c", slow + script.replace("LC_ALL=C slow", "slow")], timeout_s=9, keep_bytes=99
        )

        assert ran.output == b"/workspace/found\0"
        assert "this is a part" in plain(search._outcome(["/workspace/found"], ran, "").content)


@pytest.mark.parametrize("pattern", ["", "\0", "{", "}{"])
def test_pattern_that_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(Unusable):
        search.translated(pattern)
