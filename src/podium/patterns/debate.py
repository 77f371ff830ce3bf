"""A debate: sides answer each other in rounds, and a judge decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

from podium.core.definitions import Agent
from podium.core.json import JSON
from podium.errors import BadInput
from podium.patterns.given import How, a_text, count, named, told_in_words
from podium.patterns.handoff import Handoffs, hand_over
from podium.patterns.parallel import parallel
from podium.workflows.calls import CallResult
from podium.workflows.joins import Gathered, Join, told_missing
from podium.workflows.run import WorkflowRun

OPEN = "You argue this side: {side}. Make its best case."
ANSWER = "You argue this side: {side}. Answer what the others have said, and give way where they are right."
DECIDE = "Decide the debate: which side has the better case? Say why, and what it does not settle."
NOBODY = "none"


@dataclass(frozen=True, kw_only=True)
class Debated:
    """A debate that was held. Shape: `winner` is a side, or "none"; `rounds` has what the sides said in each."""

    winner: str
    reason: str
    rounds: tuple[Gathered[CallResult], ...]

    @property
    def output(self) -> JSON:
        """The decision: {winner, reason}."""
        return {"winner": self.winner, "reason": self.reason}

    @property
    def text(self) -> str:
        """The same as text."""
        return f"{self.winner}: {self.reason}"

    def __podium_context__(self) -> list[tuple[str, str]]:
        missing = [each for one in self.rounds for each in one.missing]
        return [("winner", self.winner), ("reason", self.reason), *told_missing(missing)]


async def debate(
    run: WorkflowRun,
    task: str,
    *,
    sides: Mapping[str, Agent],
    judge: Agent,
    rounds: int = 2,
    join: Join = "all",
    context: Any = None,
    handoff: Handoffs = None,
    **how: Unpack[How],
) -> Debated:
    """Have sides argue a question: all at once in each round, each told what was said before; then `judge` decides.

    Shape: `sides` are agents by the side they take, two at least. With another `join` than "all" a round goes on
    without those that failed, and everybody is told who is missing. `context` is told to all, the judge too.
    Errors: BadInput for less than two sides, no rounds, or a side called "none"; JoinFailed, CallFailed.
    """
    where = "debate"
    a_text(where, "task", task)
    count(where, "rounds", rounds, most=100)
    for side, agent in named(where, "sides", sides, least=2).items():
        told_in_words(where, f"the agent of '{side}'", agent)
    if NOBODY in sides:
        raise BadInput(f"{where}: no side may be called '{NOBODY}': it is what the judge says when neither wins")
    told_in_words(where, "judge", judge)
    said: list[Gathered[CallResult]] = []
    while len(said) < rounds:
        what = ANSWER if said else OPEN
        calls = {side: (agent, f"{task}\n\n{what.replace('{side}', side)}") for side, agent in sides.items()}
        said.append(await parallel(run, calls, join=join, context=_protocol(said, context), handoff=handoff, **how))
    told = await hand_over(run, _protocol(said, context), to=judge, by=handoff)
    decided = await run.agent(
        judge, f"{task}\n\n{DECIDE}", context=told, output_schema=_decision(tuple(sides)), name="decision", **how
    )
    return Debated(winner=decided.output["winner"], reason=decided.output["reason"], rounds=tuple(said))


def _protocol(said: list[Gathered[CallResult]], context: Any) -> list[Any] | None:
    """The context, what was said so far, and by whom."""
    told = [] if context is None else [context]
    told += [
        {f"{name}, round {number}": words}
        for number, each in enumerate(said, 1)
        for name, words in each.__podium_context__()
    ]
    return told or None


def _decision(sides: tuple[str, ...]) -> dict[str, JSON]:
    return {
        "type": "object",
        "properties": {
            "winner": {"type": "string", "enum": [*sides, NOBODY], "description": "The side, or none."},
            "reason": {"type": "string", "description": "Why, and what stays open."},
        },
        "required": ["winner", "reason"],
        "additionalProperties": False,
    }
