"""Refactoring: one agent finds what to change, one changes it, one runs the tests; what fails goes back, three times.

    .venv/bin/python examples/workflows/refactoring.py [FOLDER]    (a small shop of its own, if none is named)

It needs no key: `script` answers in the models' place, and its first change is wrong. The tools are real: files are
read and edited, and the tests run, in the sandbox. For real models put their names into THINKING and RUNNING, and take
`models=` out of `main`. The tests are `test_*.py`, run by unittest.
"""

import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from podium import Agent, ModelRequest, Rehearsal, RunResult, ToolResultBlock, WorkflowRun, call, run_sync, workflow
from podium.core.content import plain
from podium.patterns import hand_over

THINKING = RUNNING = "rehearsed"
ATTEMPTS = 3
GOAL = "No piece of arithmetic stands in two places. What the functions give stays the same."


class Tests(BaseModel):
    """What the tester owes."""

    passed: bool
    output: str


class Refactored(BaseModel):
    """What the workflow returns. Shape: `said` is what the refactorer or, if it did not work out, the tests said."""

    passed: bool
    attempts: int
    said: str


analyst = Agent("analyst", model=THINKING, tools=["glob", "grep", "read"], system="You find what to change, and why.")
refactorer = Agent("refactorer", model=THINKING, tools=["read", "edit"], system="You change code in small steps.")
tester = Agent(
    "tester", model=RUNNING, tools=["bash"], output_schema=Tests, system="You run tests, and change nothing."
)


@workflow
async def refactor(run: WorkflowRun, goal: str) -> Refactored:
    """Analyse, then change and test until the tests pass again."""
    run.phase("before")
    tests = await run.step(lambda: tests_in(run.workdir), name="the tests")
    before = await run.agent(tester, "Run the tests.", name="tests before")
    if not before.output.passed:  # nobody could tell what the change broke
        return Refactored(
            passed=False, attempts=0, said=f"they fail before anything is changed: {before.output.output}"
        )
    run.phase("analysis")
    findings = await run.agent(analyst, f"Find what to change for this: {goal}")
    run.phase("refactoring")
    wrong = ""
    for attempt in range(1, ATTEMPTS + 1):
        known = await hand_over(run, [findings, {"what is wrong": wrong} if wrong else None], to=refactorer)
        change = await run.agent(refactorer, f"Change the code: {goal}", context=known, name=f"change {attempt}")
        tested = await run.agent(tester, "Run the tests.", name=f"tests {attempt}")
        now = await run.step(lambda: tests_in(run.workdir), name="the tests now")
        touched = [name for name, held in tests.items() if now.get(name) != held]
        if tested.output.passed and not touched:
            return Refactored(passed=True, attempts=attempt, said=change.text)
        wrong = tested.output.output
        if touched:
            wrong = f"Put {', '.join(touched)} back as it was: the tests are what a change is measured by."
    return Refactored(passed=False, attempts=ATTEMPTS, said=wrong)


def tests_in(folder: Path) -> dict[str, str]:
    """The tests of the folder, each with a hash of what it holds."""
    files = sorted(file for file in folder.rglob("test_*.py") if file.is_file())
    return {str(file.relative_to(folder)): sha256(file.read_bytes()).hexdigest() for file in files}


# --- the rehearsal -----------------------------------------------------------------------------------

SHOP = """def price(net):
    return round(net * 1.19, 2)


def invoice(nets):
    return sum(round(net * 1.19, 2) for net in nets)
"""
SHOP_TESTS = """import unittest

import shop


class Shop(unittest.TestCase):
    def test_each_price_is_rounded(self):
        self.assertEqual(shop.invoice([0.33, 0.33]), shop.price(0.33) * 2)
"""
TWICE = "sum(round(net * 1.19, 2) for net in nets)"
ROUNDED_LATE = "price(sum(nets))"
RIGHT = "sum(price(net) for net in nets)"


def script(request: ModelRequest) -> Any:
    """What the models would do: look, change (wrongly at first, which a test finds), run the tests."""
    told = plain(request.messages[0].content)  # type: ignore[arg-type]
    last = request.messages[-1].content[0]
    result = plain(last.content) if isinstance(last, ToolResultBlock) else ""
    turn = len(request.messages)
    if request.agent == "tester":
        if turn == 1:
            return call("bash", command="python3 -B -m unittest 2>&1; echo exit code $?")
        return call("submit_result", passed="exit code 0" in result, output=result)
    if turn == 1:
        return call("read", file_path="shop.py")
    if request.agent == "analyst":
        return f"The tax is computed twice: in price, and in invoice, as {TWICE}."
    before, after = (ROUNDED_LATE, RIGHT) if "what is wrong" in told else (TWICE, ROUNDED_LATE)
    if turn == 3:
        return call("edit", file_path="shop.py", old_string=before, new_string=after)
    return "invoice uses price now."


def made_shop() -> Path:
    """A folder with something to refactor."""
    folder = Path(tempfile.mkdtemp())
    (folder / "shop.py").write_text(SHOP)
    (folder / "test_shop.py").write_text(SHOP_TESTS)
    return folder


def main(folder: Path, *, data: Path | str = ".podium") -> RunResult:
    """One refactoring of the folder, which all agents share."""
    return run_sync(refactor, GOAL, workdir=folder, data=data, models={"rehearsed": Rehearsal(script)})


if __name__ == "__main__":
    result = main(Path(sys.argv[1]) if len(sys.argv) > 1 else made_shop())
    print(result.error or f"passed: {result.output.passed}, attempts: {result.output.attempts}\n{result.output.said}")
    sys.exit(0 if result.output and result.output.passed else 1)
