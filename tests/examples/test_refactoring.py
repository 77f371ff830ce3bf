"""The refactoring of examples/workflows: real files, real tests, run in the sandbox; and who cheats is found out."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from podium import ModelRequest, call, run
from podium.models.rehearsal import Rehearsal
from tests.examples.programs import asked, imported, models, told

module = imported("refactoring")


def _shop(folder: Path) -> Path:
    folder.mkdir()
    (folder / "shop.py").write_text(module.SHOP)
    (folder / "test_shop.py").write_text(module.SHOP_TESTS)
    return folder


def _tests_pass(folder: Path) -> bool:
    """Whether the tests of the tree really pass, whatever anybody says of them."""
    argv = [sys.executable, "-B", "-m", "unittest"]
    return subprocess.run(argv, cwd=folder, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
async def test_code_is_changed_tested_and_changed_again_until_its_tests_pass(tmp_path: Path) -> None:
    shop, seen = _shop(tmp_path / "shop"), list[bool]()

    def looks(request: ModelRequest) -> Any:
        if request.agent == "tester" and len(request.messages) == 3:
            seen.append(_tests_pass(shop))
        return module.script(request)

    result = await run(
        module.refactor, module.GOAL, workdir=shop, data=tmp_path / "data", models={"rehearsed": Rehearsal(looks)}
    )

    assert result.output == module.Refactored(passed=True, attempts=2, said="invoice uses price now.")
    assert seen == [True, False, True]  # as they were, after the first change, after the second
    assert _tests_pass(shop)
    assert (shop / "shop.py").read_text() == module.SHOP.replace(module.TWICE, module.RIGHT)
    assert (shop / "test_shop.py").read_text() == module.SHOP_TESTS
    assert [made.phase for made in result.calls] == ["before"] * 2 + ["analysis"] + ["refactoring"] * 6
    assert "AssertionError" in told(result)["change 2"]["context"]


@pytest.mark.slow
async def test_code_whose_tests_fail_already_is_left_alone(tmp_path: Path) -> None:
    shop = _shop(tmp_path / "shop")
    broken = module.SHOP.replace("1.19, 2) for", "1.21, 2) for")
    (shop / "shop.py").write_text(broken)

    result = await run(module.refactor, module.GOAL, workdir=shop, data=tmp_path / "data", models=models(module))

    assert (result.output.passed, result.output.attempts) == (False, 0)
    assert "AssertionError" in result.output.said
    assert asked(result) == ["the tests", "tests before"]
    assert (shop / "shop.py").read_text() == broken


@pytest.mark.slow
async def test_who_changes_the_tests_instead_of_the_code_is_found_out(tmp_path: Path) -> None:
    shop = _shop(tmp_path / "shop")

    def cheats(request: ModelRequest) -> Any:
        if request.agent != "refactorer" or len(request.messages) > 3:
            return module.script(request)
        if len(request.messages) == 1:
            return call("read", file_path="test_shop.py")
        is_first = "(0.33) * 2" in str(request.messages[-1])
        old, new = ("shop.price(0.33) * 2", "0.66") if is_first else ("0.66", "0.67")
        return call("edit", file_path="test_shop.py", old_string=old, new_string=new)

    result = await run(
        module.refactor, module.GOAL, workdir=shop, data=tmp_path / "data", models={"rehearsed": Rehearsal(cheats)}
    )

    assert (result.output.passed, result.output.attempts) == (False, module.ATTEMPTS)
    assert result.output.said.startswith("Put test_shop.py back as it was")
    changes = [told(result)[f"change {number}"]["context"] for number in range(1, module.ATTEMPTS + 1)]
    assert ["Put test_shop.py back" in each for each in changes] == [False, True, True]
