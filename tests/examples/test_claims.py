"""The claims are measured on the log: what the programs print is what the records and the price list say."""

import os
import re
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from podium.core.events import ModelRequestEnd, ModelRequestStart
from podium.core.facts import BudgetSettled, DelegationOpened
from podium.models.prices import facts_of
from podium.store.sqlite import read_log

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/claims"
CLAUDE = "https://api.anthropic.com"


def play(program: str, data: Path, *options: str, pace: str = "1") -> subprocess.CompletedProcess[str]:
    """The program in a folder without a podium.toml, with no key in its environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PODIUM_", "ANTHROPIC_"))}
    return subprocess.run(
        [sys.executable, str(EXAMPLE / program), "--data", str(data), *options],
        env={**kept, "PODIUM_REHEARSAL_PACE": pace, "HOME": str(data.parent)},
        cwd=data.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.slow
def test_two_side_by_side_work_at_the_same_time(tmp_path: Path) -> None:
    played = play("side_by_side.py", tmp_path / "data", "--runs", "1")

    assert played.returncode == 0, played.stdout + played.stderr
    [session] = re.findall(r"sesn_\w+", played.stdout)
    records = read_log(tmp_path / "data", session)
    workers = [it.event.thread for it in records if isinstance(it.event, DelegationOpened)]
    calls = [
        (type(it.event), it.thread)
        for it in records
        if it.thread in workers and isinstance(it.event, ModelRequestStart | ModelRequestEnd)
    ]
    assert len(workers) == 2
    assert [kind for kind, _ in calls] == [ModelRequestStart] * 2 + [ModelRequestEnd] * 2
    assert {thread for _, thread in calls[:2]} == {thread for _, thread in calls[2:]} == set(workers)


@pytest.mark.slow
def test_ratio_is_that_of_the_times_that_are_printed(tmp_path: Path) -> None:
    played = play("side_by_side.py", tmp_path / "data", "--runs", "2", pace="0.3")

    one = [float(it) for it in re.findall(r"one task +([\d.]+) s", played.stdout)]
    two = re.findall(r"two side by side +([\d.]+) s, ([\d.]+) times", played.stdout)
    assert len(one) == len(two) == 2, played.stdout + played.stderr
    for alone, (both, ratio) in zip(one, two, strict=True):
        assert float(both) / alone == pytest.approx(float(ratio), rel=0.02)
    worst = max(float(ratio) for _, ratio in two)
    assert f"at most {worst:.3f} times the time of one" in played.stdout
    assert played.returncode == (0 if worst <= 1.25 else 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strong", "cheap"), [("claude-opus-5", "claude-haiku-4-5"), ("claude-sonnet-5", "claude-haiku-4-5")]
)
def test_bill_of_each_run_is_its_tokens_times_the_list(tmp_path: Path, strong: str, cheap: str) -> None:
    played = play("cheap_workers.py", tmp_path / "data", "--strong", strong, "--cheap", cheap)

    assert played.returncode == 0, played.stdout + played.stderr
    prices = {model: facts_of(model, CLAUDE).price for model in (strong, cheap)}
    sessions = re.findall(r"^run \d: \d+ chapters, (sesn_\w+)$", played.stdout, re.M)
    totals = re.findall(r"^  all +([\d.]+) +([\d.]+) +saves ([\d.]+)%$", played.stdout, re.M)
    assert len(sessions) == len(totals) == 3
    for session, (mixed, same, saved) in zip(sessions, totals, strict=True):
        cost: dict[str, Decimal] = defaultdict(Decimal)
        settled = Decimal(0)
        editor = ""
        for record in read_log(tmp_path / "data", session):
            editor = editor or record.thread  # the first record is the primary thread's
            if isinstance(record.event, BudgetSettled):
                settled += record.event.usd
            if isinstance(record.event, ModelRequestEnd):
                own, dear = prices[strong if record.thread == editor else cheap], prices[strong]
                assert own is not None
                assert dear is not None
                cost["mixed"] += own.cost(record.event.model_usage)
                cost["same"] += dear.cost(record.event.model_usage)
        assert (Decimal(mixed), Decimal(same)) == (cost["mixed"], cost["same"])
        assert settled == cost["mixed"]  # what Podium itself has counted
        assert Decimal(saved) == round(100 * (cost["same"] - cost["mixed"]) / cost["same"], 1)


def test_model_that_the_list_does_not_know_is_refused(tmp_path: Path) -> None:
    played = play("cheap_workers.py", tmp_path / "data", "--cheap", "nobody-knows-it")

    assert played.returncode == 2
    assert "the price list does not know 'nobody-knows-it'" in played.stderr
