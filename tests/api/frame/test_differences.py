"""The list of differences from the hosted service: each is shown by a test, and the page says the same."""

import re
from pathlib import Path

from podium.api.differences import DIFFERENCES

TESTS = Path(__file__).resolve().parents[2]
MARK = re.compile(r'mark\.difference\(\s*"([^"]+)"')


def test_every_difference_has_a_test_that_shows_it() -> None:
    marked = {id for file in TESTS.rglob("*.py") for id in MARK.findall(file.read_text()) if file != Path(__file__)}

    assert marked == {it.id for it in DIFFERENCES}


def test_differences_are_told_apart_and_in_whole_sentences() -> None:
    ids = [it.id for it in DIFFERENCES]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", id) for id in ids)
    assert all(text.endswith(".") for it in DIFFERENCES for text in (it.what, it.why))


def test_entries_about_one_thing_stand_together() -> None:
    about = [it.about for it in DIFFERENCES]
    changes = [after for before, after in zip(["", *about], about, strict=False) if before != after]

    assert len(changes) == len(set(changes))
