"""The patterns in which an agent decides on another's work: verify, judge, route, debate."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from podium import ModelRequest, WorkflowRun, call, workflow
from podium.core.events import AgentToolUse
from podium.core.workflow import CHECKPOINT
from podium.patterns import debate, judge, pipeline, route, verify
from tests.lab.cast import after, raises
from tests.lab.lab import Lab
from tests.scenario.test_patterns import error, names
from tests.scenario.test_workflows import A, B, C, agent, output


def in_turn(*said: Any) -> Callable[[ModelRequest], Any]:
    """A line for an agent of several threads: one thing after the other, whatever the thread."""
    left = iter(said)
    return lambda request: next(left)


def verdict(*issues: str, sure: float = 0.9) -> Any:
    return call("submit_result", verified=not issues, issues=list(issues), confidence=sure)


def score(value: float, feedback: str = "") -> Any:
    return call("submit_result", score=value, feedback=feedback)


# --- verify ------------------------------------------------------------------------------------------


def checking(attempts: int, reviser: Any = C, after_it: Any = None) -> Any:
    @workflow
    async def checking(run: WorkflowRun, topic: str) -> list[Any]:
        draft = await run.agent(A, topic)
        got = await verify(run, draft, by=B, against={"facts": "two wings"}, attempts=attempts, reviser=reviser)
        if after_it is not None:
            await run.agent(after_it, "publish", context=got)
        return [got.output, got.verified, got.attempts, [list(each.issues) for each in got.verdicts]]

    return checking


class Figures(BaseModel):
    revenue: int


market, finance, writer, checker = (agent(name) for name in ("market", "finance", "writer", "checker"))


@workflow
async def brief(run, company: str) -> str:  # type: ignore[no-untyped-def]
    """As the issue writes it."""
    run.phase("research")
    facts, figures = await run.gather(
        run.agent(market, f"Market position of {company}"),
        run.agent(finance, f"Key figures of {company}", output_schema=Figures),
        join="all",
    )
    draft = await run.agent(writer, "Write the brief", context=[facts, figures])
    checked = await run.verify(draft, by=checker, against=[facts, figures], attempts=3)
    await run.checkpoint("Send to client", payload={"to": "ceo@acme.test", "body": checked.output})
    return checked.output  # type: ignore[no-any-return]


def test_the_author_of_a_draft_revises_it_where_nobody_else_is_named() -> None:
    lab = Lab(
        market="leads",
        finance=call("submit_result", revenue=12),
        writer=in_turn("earns 21", "earns 12"),
        checker=in_turn(verdict("It is 12."), verdict()),
    )

    lab.run(brief, "Acme")
    lab.answer(CHECKPOINT, allow=True)
    log = lab.resume()

    assert output(lab) == "earns 12"
    assert names(log) == ["market", "finance", "writer", "check 1", "revision 1", "check 2", "Send to client"]
    sources = '[market]\nleads\n\n[finance]\n{"revenue":12}'
    assert log.told("writer", 1)[0].endswith(f"[draft]\nearns 21\n\n[issues]\nIt is 12.\n\n{sources}")
    [asked] = [r.event for r in log.records if isinstance(r.event, AgentToolUse) and r.event.name == CHECKPOINT]
    assert asked.input["payload"] == {"to": "ceo@acme.test", "body": "earns 12"}


def test_an_author_owes_the_revision_in_the_form_of_the_draft() -> None:
    @workflow
    async def typed(run: WorkflowRun, topic: str) -> int:
        draft = await run.agent(A, topic, output_schema=Figures)
        assert (draft.made_by.name, draft.made_by.output_schema) == ("a", Figures)
        checked = await run.verify(draft, by=B)
        assert isinstance(checked.output, Figures)
        return checked.output.revenue

    first, second = call("submit_result", revenue=1), call("submit_result", revenue=2)
    lab = Lab(a=in_turn(first, second), b=in_turn(verdict("one"), verdict()))

    lab.run(typed)

    assert output(lab) == 2


def test_an_author_that_cannot_be_told_the_issues_is_refused_before_the_check() -> None:
    strict = agent("a", input_schema=Figures)

    @workflow
    async def unmended(run: WorkflowRun, topic: str) -> str:
        return (await run.verify(await run.agent(strict, {"revenue": 1}), by=B)).text

    lab = Lab(a="A", b=verdict("one"))

    log = lab.run(unmended)

    assert "the draft's author, who revises it without a reviser=AGENT," in error(lab)
    assert names(log) == ["a"]


def test_several_drafts_are_verified_at_once() -> None:
    @workflow
    async def both(run: WorkflowRun, topic: str) -> list[str]:
        drafts = await run.gather(run.agent(A, topic), run.agent(C, topic))
        return [each.text for each in await run.gather(*(run.verify(draft, by=B) for draft in drafts))]

    lab = Lab(a="A", b=after(2, verdict()), c="C")

    log = lab.run(both)

    assert (output(lab), log.seconds) == (["A", "C"], 2)


def test_a_draft_that_holds_is_not_revised() -> None:
    lab = Lab(a="A", b=verdict(), c="C")

    log = lab.run(checking(3), "birds")

    assert output(lab) == ["A", True, 1, [[]]]
    assert names(log) == ["a", "check 1"]
    [said] = log.told("b")
    assert said.endswith("Context:\n[draft]\nA\n\n[facts]\ntwo wings")


def test_a_draft_is_revised_until_it_is_verified() -> None:
    lab = Lab(a=after(1, "A"), b=after(2, in_turn(verdict("one", "two"), verdict("three"), verdict())), c=after(4, "C"))

    log = lab.run(checking(5))

    assert output(lab) == ["C", True, 3, [["one", "two"], ["three"], []]]
    assert names(log) == ["a", "check 1", "revision 1", "check 2", "revision 2", "check 3"]
    assert "[draft]\nA\n\n[issues]\none\ntwo\n\n[facts]\ntwo wings" in log.told("c", 0)[0]
    assert "[draft]\nC" in log.told("b", 1)[0]
    assert log.seconds == 1 + 3 * 2 + 2 * 4


def test_out_of_attempts_the_last_draft_comes_back_unverified_and_whoever_goes_on_is_told() -> None:
    lab = Lab(a="A", b=verdict("wrong"), c=in_turn("C1", "published"))

    log = lab.run(checking(2, after_it=C))

    assert output(lab) == ["C1", False, 2, [["wrong"], ["wrong"]]]
    assert log.told("c")[0] == "publish\n\nContext:\n[draft]\nC1\n\n[not verified]\nwrong"


def test_with_one_attempt_it_is_only_checked() -> None:
    lab = Lab(a="A", b=verdict("wrong"))

    log = lab.run(checking(1, reviser=None))

    assert output(lab) == ["A", False, 1, [["wrong"]]]
    assert names(log) == ["a", "check 1"]


def test_a_verdict_that_does_not_fit_is_told_back_and_never_seen() -> None:
    lab = Lab(a="A", b=[call("submit_result", verified="yes"), verdict(sure=7.0), verdict()])

    log = lab.run(checking(3))

    assert output(lab) == ["A", True, 1, [[]]]
    assert len(log.requests("b")) == 3
    assert "confidence" in log.told("b")[0]


def test_a_checker_that_fails_ends_the_run_and_a_resume_checks_without_drafting_again() -> None:
    lab = Lab(a="A", b=raises(RuntimeError("broken")), c="C")
    lab.run(checking(3))
    assert "call 'check 1'" in error(lab)

    lab.resumes_failed = True
    lab.script.says("b", verdict())
    log = lab.resume()

    assert output(lab)[:2] == ["A", True]
    assert len(log.requests("a")) == 1


def test_what_another_pattern_made_is_a_draft_and_what_it_gives_back_can_be_returned() -> None:
    @workflow
    async def composed(run: WorkflowRun, topic: str) -> Any:
        made = await pipeline(run, [A, C], topic)
        checked = await verify(run, made, by=B, attempts=1)
        return {"checked": checked, "made": made}

    lab = Lab(a="A", b=verdict("wrong"), c="C")

    log = lab.run(composed)

    assert "[draft]\nC" in log.told("b")[0]
    assert output(lab) == {
        "checked": {
            "output": "C",
            "text": "C",
            "verified": False,
            "verdicts": [{"verified": False, "issues": ["wrong"], "confidence": 0.9}],
        },
        "made": {"stages": ["A", "C"], "sent_back": 0},
    }


# --- judge -------------------------------------------------------------------------------------------


def judging(**how: Any) -> Any:
    @workflow
    async def judging(run: WorkflowRun, topic: str) -> list[Any]:
        got = await judge(run, A, topic, by=B, rubric="be brief", **how)
        return [got.output, got.is_good_enough, [each.score for each in got.tries]]

    return judging


def test_work_that_is_not_good_enough_is_sent_back_with_the_feedback() -> None:
    lab = Lab(a=in_turn("long", "short"), b=in_turn(score(0.4, "shorten it"), score(0.9)))

    log = lab.run(judging(), "birds")

    assert output(lab) == ["short", True, [0.4, 0.9]]
    assert names(log) == ["a, try 1", "verdict 1", "a, try 2", "verdict 2"]
    assert log.told("a", 0) == ["birds"]
    assert log.told("a", 1) == ["birds\n\nContext:\n[your work so far]\nlong\n\n[feedback]\nshorten it"]
    assert log.told("b", 1)[0].startswith("Judge the work by this rubric: be brief\n\nThe task was: birds")


def test_the_best_try_is_kept_when_none_is_good_enough() -> None:
    lab = Lab(a=in_turn("x", "y", "z"), b=in_turn(score(0.2), score(0.5), score(0.3)))

    lab.run(judging(attempts=3))

    assert output(lab) == ["y", False, [0.2, 0.5, 0.3]]


def test_of_equal_tries_the_first_is_kept() -> None:
    lab = Lab(a=in_turn("x", "y"), b=score(0.5))

    lab.run(judging(attempts=2))

    assert output(lab)[0] == "x"


def test_a_score_just_as_high_is_good_enough() -> None:
    lab = Lab(a="x", b=score(0.5))

    lab.run(judging(at_least=0.5))

    assert output(lab) == ["x", True, [0.5]]


# --- route -------------------------------------------------------------------------------------------


@workflow
async def routing(run: WorkflowRun, question: str) -> list[str]:
    got = await route(run, question, to={"billing": A, "technical": B}, by=C, context={"customer": "Acme"})
    return [got.to, got.reason, got.text]


def choice(to: str) -> Any:
    return call("submit_result", to=to, reason="because")


def test_the_router_chooses_by_name_and_that_agent_does_the_task() -> None:
    lab = Lab(a="A", b=after(2, "B"), c=after(1, choice("technical")))

    log = lab.run(routing, "It does not start.")

    assert (output(lab), log.seconds) == (["technical", "because", "B"], 3)
    assert names(log) == ["route", "technical"]
    assert log.requests("a") == []
    assert log.told("b") == ["It does not start.\n\nContext:\n[customer]\nAcme"]
    assert "[who there is]\nbilling: a\ntechnical: b\n\n[customer]\nAcme" in log.told("c")[0]


def test_a_name_that_is_not_there_is_told_back_to_the_router() -> None:
    lab = Lab(a="A", b="B", c=[choice("sales"), choice("billing")])

    log = lab.run(routing)

    assert output(lab) == ["billing", "because", "A"]
    [told] = log.told("c")
    assert '"sales" is not one of' in told
    assert len(log.requests("c")) == 2


def test_a_router_that_never_chooses_ends_the_run_and_nobody_is_called() -> None:
    lab = Lab(a="A", b="B", c=choice("sales"))

    log = lab.run(routing)

    assert "its result did not fit its schema" in error(lab)
    assert log.requests("a") == log.requests("b") == []


# --- debate ------------------------------------------------------------------------------------------


def debating(**how: Any) -> Any:
    @workflow
    async def debating(run: WorkflowRun, question: str) -> list[Any]:
        got = await debate(run, question, sides={"stay": A, "move": B}, judge=C, **how)
        return [got.winner, [[each.text for each in said] for said in got.rounds]]

    return debating


def decision(winner: str) -> Any:
    return call("submit_result", winner=winner, reason="it has the better case")


def test_sides_speak_at_once_in_rounds_and_know_what_was_said() -> None:
    lab = Lab(a=after(1, in_turn("a1", "a2")), b=after(3, in_turn("b1", "b2")), c=after(1, decision("move")))

    log = lab.run(debating(), "Shall we move?")

    assert output(lab) == ["move", [["a1", "b1"], ["a2", "b2"]]]
    assert log.seconds == 7
    assert log.under_way("a") == [(0, 1), (3, 4)]
    assert log.under_way("b") == [(0, 3), (3, 6)]
    assert "Context" not in log.told("a", 0)[0]
    assert log.told("a", 1)[0].endswith("Context:\n[stay, round 1]\na1\n\n[move, round 1]\nb1")
    assert log.told("c")[0].endswith("[stay, round 2]\na2\n\n[move, round 2]\nb2")


def test_a_judge_may_say_that_neither_side_wins_but_not_a_side_that_is_not_there() -> None:
    lab = Lab(a="A", b="B", c=[decision("wait"), decision("none")])

    log = lab.run(debating(rounds=1))

    assert output(lab) == ["none", [["A", "B"]]]
    assert len(log.requests("c")) == 2


@pytest.mark.parametrize("join", ["all", "best_effort"])
def test_a_side_that_fails_ends_the_debate_or_is_missed(join: Any) -> None:
    lab = Lab(a="A", b=raises(RuntimeError("broken")), c=decision("stay"))

    log = lab.run(debating(join=join, rounds=1))

    if join == "all":
        assert "move: failed" in error(lab)
    else:
        assert output(lab) == ["stay", [["A"]]]
        assert "[missing, round 1]\nmove: failed" in log.told("c")[0]
