"""A judge: an agent's work is scored by a rubric, and sent back when it is not good enough."""

from dataclasses import dataclass
from typing import Any, Unpack

from podium.core.definitions import Agent
from podium.core.json import JSON
from podium.patterns.given import How, a_text, count, share, told_in_words
from podium.patterns.handoff import Handoffs, hand_over
from podium.workflows.calls import CallResult
from podium.workflows.run import WorkflowRun

SCORE: dict[str, JSON] = {
    "type": "object",
    "properties": {
        "score": {"type": "number", "minimum": 0, "maximum": 1, "description": "0 is useless, 1 cannot be better."},
        "feedback": {"type": "string", "description": "What keeps it from a better score, and how to get there."},
    },
    "required": ["score", "feedback"],
    "additionalProperties": False,
}
RUBRIC = "It does all of the task, is right, and says no more than is needed."


@dataclass(frozen=True, kw_only=True)
class Try:
    """A piece of work and what the judge said of it. Shape: `score` from 0 to 1."""

    result: CallResult
    score: float
    feedback: str


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Work that was judged. Shape: `best` is the first of the `tries` with the highest score."""

    best: Try
    is_good_enough: bool
    tries: tuple[Try, ...]

    @property
    def output(self) -> Any:
        """The output of the best try."""
        return self.best.result.output

    @property
    def text(self) -> str:
        """The same as text."""
        return self.best.result.text

    def __podium_context__(self) -> list[tuple[str, str]]:
        told = self.best.result.__podium_context__()
        if not self.is_good_enough:
            told.append(("not good enough", f"score {self.best.score:g}: {self.best.feedback}"))
        return told


async def judge(
    run: WorkflowRun,
    agent: Agent,
    task: str,
    *,
    by: Agent,
    rubric: str = RUBRIC,
    at_least: float = 0.8,
    attempts: int = 3,
    context: Any = None,
    handoff: Handoffs = None,
    **how: Unpack[How],
) -> Judged:
    """Have an agent do a task, and do it again with the judge's feedback until it scores `at_least` that much.

    Shape: `rubric` says what the judge is to go by. The best try is kept, whether it is good enough or not.
    Errors: BadInput for no attempts, or a score that is none; CallFailed.
    """
    where = "judge"
    count(where, "attempts", attempts, most=100)
    share(where, "at_least", at_least)
    a_text(where, "task", task)
    a_text(where, "rubric", rubric)
    told_in_words(where, "agent", agent)
    told_in_words(where, "by", by)
    question = f"Judge the work by this rubric: {rubric}\n\nThe task was: {task}"
    tries: list[Try] = []
    while not tries or (tries[-1].score < at_least and len(tries) < attempts):
        before = {"your work so far": tries[-1].result, "feedback": tries[-1].feedback} if tries else None
        told = await hand_over(run, [context, before], to=agent, by=handoff)
        work = await run.agent(agent, task, context=told, name=f"{agent.name[:48]}, try {len(tries) + 1}", **how)
        told = await hand_over(run, [{"work": work}, context], to=by, by=handoff)
        verdict = await run.agent(
            by, question, context=told, output_schema=SCORE, name=f"verdict {len(tries) + 1}", **how
        )
        tries.append(Try(result=work, score=verdict.output["score"], feedback=verdict.output["feedback"]))
    best = max(tries, key=lambda each: each.score)
    return Judged(best=best, is_good_enough=best.score >= at_least, tries=tuple(tries))
