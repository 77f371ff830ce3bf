"""A comparison on a real data folder: which sessions it makes, what its judge is asked, where it ends."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from podium import Agent, Limits, Message, ModelRequest, Mount, Podium, Rehearsal, SessionLimits, call, compare
from podium.comparison import Comparing, Comparison, Judgement
from podium.core.content import plain
from podium.core.money import ModelFacts, Price
from podium.errors import BadInput, NoPrice

Script = Callable[[ModelRequest], Any]

WORKER = Agent("worker", model="m", description="Works. Returns a word.")
LEAD = Agent("lead", model="m", system="You lead.", callable_agents=[WORKER])
DOLLAR = Price(input=Decimal(0), output=Decimal(1_000_000), cache_write=Decimal(0), cache_read=Decimal(0))


class Priced(Rehearsal):
    """A scripted model with a price: a dollar for a token that it writes."""

    facts = ModelFacts(price=DOLLAR, max_tokens=1024)


def works(request: ModelRequest) -> Any:
    """One agent answers at once; the team's lead asks its worker first."""
    if request.agent == "lead" and len(request.messages) == 1:
        return call("worker", task="work")
    return {"single": "a single answer", "lead": "an answer of several"}.get(request.agent, "done")


def verdicts(choose: Callable[[str, str], str]) -> Script:
    """A judge that says by two answers which one is better: first, second or tie."""

    def judge(request: ModelRequest) -> Any:
        _, _, _, first, _, second, _ = [plain((block,)) for block in request.messages[0].content]  # type: ignore[arg-type]
        return call("submit_result", better=choose(first, second), reason="so it is")

    return judge


def by_length(first: str, second: str) -> str:
    return "first" if len(first) > len(second) else "second"


async def compared(
    tmp_path: Path, *, judge: Script | None = None, script: Script = works, team: Agent = LEAD, **how: Any
) -> Comparison:
    models = {"m": Rehearsal(script), "j": Rehearsal(judge or script)}
    return await compare(team, "find it", judge="j" if judge else None, data=tmp_path, models=models, **how)


async def agents(data: Path) -> list[str]:
    """Whose sessions are in the data folder, in the order they were made."""
    async with Podium(data) as podium:
        return [row.agent_name for row in reversed(await podium.parts.store.sessions())]


async def test_runs_alternate_and_each_pair_is_judged_when_it_is_there(tmp_path: Path) -> None:
    made = await compared(tmp_path, judge=verdicts(by_length))

    one, two = ["single", "lead", "judge", "judge"], ["lead", "single", "judge", "judge"]
    assert await agents(tmp_path) == [*one, *two, *one]
    assert [(run.side, run.number) for run in made.measured] == [
        ("single", 1), ("team", 1), ("team", 2), ("single", 2), ("single", 3), ("team", 3)
    ]  # fmt: skip
    assert (made.single.finished, made.team.finished, made.stopped) == (3, 3, "")


async def test_calls_and_tokens_of_a_run_are_those_of_all_its_threads(tmp_path: Path) -> None:
    made = await compared(tmp_path)

    async with Podium(tmp_path) as podium:
        usage = {row.id: row.facts.usage for row in await podium.parts.store.sessions()}
    assert [(run.side, run.spent.calls) for run in made.measured[:2]] == [("single", 1), ("team", 3)]
    assert all(run.spent.usage == usage[run.session] for run in made.measured)
    assert made.single.usd is None  # nobody knows the price of a scripted model


async def test_judge_that_prefers_an_answer_wherever_it_stands_is_believed(tmp_path: Path) -> None:
    made = await compared(tmp_path, judge=verdicts(by_length))  # the team's answer is the longer one

    assert made.pairs == {1: "team", 2: "team", 3: "team"}
    assert made.conclusion.quality == "team"
    assert [it.first for it in made.judgements] == ["single", "team"] * 3


@pytest.mark.parametrize("place", ["first", "second"])
async def test_judge_that_always_prefers_one_place_has_judged_ties(tmp_path: Path, place: str) -> None:
    made = await compared(tmp_path, judge=verdicts(lambda first, second: place))

    assert set(made.pairs.values()) == {"position_bias"}
    assert made.conclusion.quality == "even"


async def test_judge_is_not_told_whose_answers_they_are(tmp_path: Path) -> None:
    asked: list[Message] = []
    systems: set[str] = set()

    def judge(request: ModelRequest) -> Any:
        asked.extend(request.messages)
        systems.add(request.system)
        return call("submit_result", better="tie", reason="alike")

    def alike(request: ModelRequest) -> Any:
        return "an answer" if request.agent in ("single", "lead") else "x"

    made = await compared(tmp_path, judge=judge, script=alike, runs=1)

    assert made.pairs == {1: "tie"}
    assert asked[0] == asked[1]  # answers alike, in both orders: nothing else differs
    assert len(systems) == 1
    assert not any(word in f"{asked}{systems}" for word in ("single", "team", "lead", "worker"))


def never_submits(request: ModelRequest) -> Any:
    return "I like the first one."


def submits_rubbish(request: ModelRequest) -> Any:
    return call("submit_result", better="the left one", reason="")


@pytest.mark.parametrize("judge", [never_submits, submits_rubbish])
async def test_judge_without_a_verdict_leaves_quality_unknown_and_the_runs_go_on(tmp_path: Path, judge: Script) -> None:
    made = await compared(tmp_path, judge=judge)

    assert made.pairs == dict.fromkeys((1, 2, 3), "not_judged")
    assert all(it.better is None and it.reason.startswith("the judge ended with") for it in made.judgements)
    assert (made.single.finished, made.team.finished) == (3, 3)
    assert made.conclusion.quality == "unknown"
    assert made.judge_spent.calls >= 6


async def test_nobody_is_asked_about_a_run_that_did_not_finish(tmp_path: Path) -> None:
    def fails_alone(request: ModelRequest) -> Any:
        if request.agent == "single":
            raise RuntimeError("out of paper")
        return works(request)

    made = await compared(tmp_path, judge=verdicts(by_length), script=fails_alone)

    assert "judge" not in await agents(tmp_path)
    assert made.single.stop_reasons == {"retries_exhausted": 3}
    assert made.measured[0].error == "RuntimeError: out of paper"
    assert (made.conclusion.says, made.conclusion.finishing) == ("team_is_worth_it", "team")


async def test_an_agent_may_judge(tmp_path: Path) -> None:
    critic = Agent("critic", model="j", system="You are severe.", callable_agents=[WORKER])
    models = {"m": Rehearsal(works), "j": Rehearsal(verdicts(by_length))}

    made = await compare(LEAD, "find it", runs=1, judge=critic, data=tmp_path, models=models)

    assert (made.judge, made.pairs) == ("critic (j)", {1: "team"})


# --- limits ------------------------------------------------------------------------------------------


def priced(tokens: int) -> Script:
    """Each reply has so many letters, four to a token."""
    return lambda request: "word" * (tokens - 1)


async def test_limit_over_all_sessions_is_kept_and_nothing_more_is_begun(tmp_path: Path) -> None:
    solo = Agent("lead", model="m", callable_agents=["self"])

    made = await compare(solo, "go", data=tmp_path, models={"m": Priced(priced(700))}, total=Limits(usd=5000), runs=9)

    assert made.stopped == "limit_reached"
    assert made.why == "usd 5000, of all sessions together, leaves too little for the next call"
    assert Decimal(2000) < made.spent.cost.usd <= 5000
    assert len(made.measured) < 18
    assert made.measured[-1].stop_reason == "budget_reached"
    assert made.measured[-1].error.startswith("session limit reached: $")


async def test_judge_counts_towards_the_limit_over_all_sessions(tmp_path: Path) -> None:
    models = {"m": Rehearsal(works), "j": Rehearsal(verdicts(by_length))}

    made = await compare(LEAD, "go", judge="j", data=tmp_path, models=models, total=Limits(turns=7))

    # One agent takes a turn, the team three, each order of the judge one: the next run has one left.
    assert [run.side for run in made.measured] == ["single", "team", "team"]
    assert (len(made.judgements), made.stopped) == (2, "limit_reached")


async def test_limits_of_a_run_hold_for_each_and_do_not_end_the_comparison(tmp_path: Path) -> None:
    made = await compared(tmp_path, limits=SessionLimits(turns=2), total=Limits(turns=1000))

    assert made.team.stop_reasons == {"budget_reached": 3}
    assert (made.single.finished, made.stopped) == (3, "")


async def test_judge_without_a_price_under_a_limit_in_dollars_is_refused_before_anything_runs(tmp_path: Path) -> None:
    class Mine:
        provider = "mine"

        async def reply(self, request: ModelRequest) -> Any:
            raise AssertionError("never asked")

    with pytest.raises(NoPrice, match="nobody knows that of 'j'"):
        await compare(
            LEAD, "go", judge="j", data=tmp_path, models={"m": Priced(works), "j": Mine()}, total=Limits(usd=5)
        )

    assert await agents(tmp_path) == []


async def test_what_a_process_does_once_is_no_part_of_the_first_run(tmp_path: Path) -> None:
    (tmp_path / "podium.toml").write_text(
        'default_provider = "here"\nproviders.here = {base_url = "http://127.0.0.1:9"}\n'
    )
    program = tmp_path / "program.py"
    program.write_text(
        "import asyncio, os, sys\n"
        "from podium import Agent, Podium\n"
        "from podium.comparison import Comparing\n"
        "def began(what, run):\n"
        "    print(what, 'anthropic' in sys.modules, flush=True)\n"
        "    os._exit(0)\n"
        "async def main():\n"
        "    async with Podium('data') as podium:\n"
        "        lead = Agent('lead', model='m', callable_agents=['self'])\n"
        "        async for _ in Comparing(podium, lead, 'go', began=began).steps(): pass\n"
        "print('anthropic' in sys.modules)\n"
        "asyncio.run(main())\n"
    )

    run = [sys.executable, str(program)]
    done = await asyncio.to_thread(subprocess.run, run, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert done.stdout.splitlines() == ["False", "run 1 of 3, one agent True"], done.stderr


# --- folders -----------------------------------------------------------------------------------------


def _copies(data: Path) -> list[Path]:
    return sorted(data.glob("comparisons/*/*"))


async def test_each_run_works_on_a_copy_of_the_workdir(tmp_path: Path) -> None:
    def writes(request: ModelRequest) -> Any:
        if len(request.messages) == 1:
            return call("write", file_path="/workspace/new.txt", content=request.agent)
        return plain(request.messages[-1].content[0].content)  # type: ignore[union-attr, arg-type]

    workdir = tmp_path / "work"
    workdir.mkdir()
    (workdir / "old.txt").write_text("old")
    team = Agent("lead", model="m", tools=["write"], callable_agents=[WORKER])

    made = await compared(tmp_path / "data", script=writes, team=team, workdir=workdir)

    assert [path.name for path in workdir.iterdir()] == ["old.txt"]
    copies = _copies(tmp_path / "data")
    assert [(copy.name, (copy / "new.txt").read_text()) for copy in copies] == [
        *((f"single-{number}", "single") for number in (1, 2, 3)),
        *((f"team-{number}", "lead") for number in (1, 2, 3)),
    ]
    assert all(run.output.startswith("created ") for run in made.measured)


async def test_the_data_folder_in_the_workdir_and_what_is_no_file_are_left_out_of_its_copies(tmp_path: Path) -> None:
    data = tmp_path / ".podium"
    (tmp_path / "deep/.podium").mkdir(parents=True)
    (tmp_path / "deep/.podium/kept.txt").write_text("another's")
    (tmp_path / "deep/gone").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")

    made = await compared(data, runs=1, workdir=tmp_path)

    assert (made.stopped, [run.is_finished for run in made.measured]) == ("", [True, True])
    with pytest.raises(BadInput, match="is where each run's copy of it would lie"):
        await compared(data, workdir=data)
    for copy in _copies(data):
        assert sorted(str(path.relative_to(copy)) for path in copy.rglob("*")) == [
            "deep", "deep/.podium", "deep/.podium/kept.txt", "deep/gone"
        ]  # fmt: skip


async def test_workdir_that_cannot_be_copied_ends_the_comparison_with_the_reason(tmp_path: Path) -> None:
    workdir = tmp_path / "work"
    workdir.mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/comparisons").write_text("a file stands here")

    made = await compared(tmp_path / "data", runs=1, workdir=workdir)

    assert (made.stopped, made.measured) == ("failed", ())
    assert made.why.startswith(f"the workdir {workdir} cannot be copied for a run: ")


# --- wrong input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"runs": 0}, "runs must be a whole number above 0, not 0"),
        ({"runs": True}, "runs must be a whole number above 0"),
        ({"runs": "3"}, "runs must be a whole number above 0, not '3'"),
        ({"judge": 5}, "the judge is the name of a model, or an Agent, not 5"),
        ({"judge": ""}, "the judge is the name of a model"),
        ({"judge": "nobody"}, "model 'nobody' needs provider"),
        ({"team": Agent("lead", model="inherit", callable_agents=[WORKER])}, "agent 'lead' inherits its model"),
        ({"team": WORKER}, "agent 'worker' calls nobody: it is one agent already"),
        ({"team": "team.yaml"}, "the team is its coordinator, an Agent"),
        ({"total": 5}, "total is Limits"),
        ({"task": " "}, "the task is empty"),
        ({"limits": Limits(turns=3)}, "limits of a session are SessionLimits"),
        ({"workdir": "/nowhere"}, "workdir: /nowhere does not exist"),
        ({"mounts": [Mount(Path("/tmp"), at="/x", read_only=False)]}, "the mount at /x is writable"),
    ],
)
async def test_what_cannot_be_compared_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any], says: str
) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "PODIUM_MODEL_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    given = {"team": LEAD, "task": "go", "data": tmp_path, "models": {"m": Rehearsal(works)}, **how}
    team, task = given.pop("team"), given.pop("task")

    with pytest.raises(BadInput, match=says):
        await compare(team, task, **given)

    assert await agents(tmp_path) == []


# --- stopping ----------------------------------------------------------------------------------------


async def test_stopped_while_the_judge_works_keeps_what_is_over(tmp_path: Path) -> None:
    async with Podium(tmp_path, models={"m": Rehearsal(works), "j": Rehearsal(verdicts(by_length))}) as podium:
        comparing = Comparing(podium, LEAD, "go", judge="j")
        async with aclosing(comparing.steps()) as steps:
            async for step in steps:
                if isinstance(step, Judgement):
                    await comparing.stop()

    made = comparing.so_far
    assert (len(made.measured), len(made.judgements), made.stopped) == (2, 1, "interrupted")
    assert made.pairs == {1: "not_judged"}
    assert made.conclusion.says == "figures_do_not_tell"
