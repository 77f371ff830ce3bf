"""Independent tasks at once, and what to make of all their results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

from podium.core.definitions import Agent
from podium.errors import BadInput
from podium.patterns.given import How, an_agent, named, told_in_words
from podium.patterns.handoff import Handoffs, hand_over
from podium.workflows.calls import CallResult
from podium.workflows.joins import Gathered, Join, Missing, told_missing
from podium.workflows.run import WorkflowRun
from podium.workflows.values import context_text

MERGE = "Put these results together into one. Where something is missing, say so."


@dataclass(frozen=True, kw_only=True)
class Merged:
    """Results, and what was made of them.

    Shape: `results` tells what is `missing`; `merged` None if nobody merged. `before` is what was missing already of
    the items that a map went over.
    """

    results: Gathered[CallResult]
    merged: CallResult | None = None
    before: Sequence[Missing] = ()

    @property
    def missing(self) -> list[Missing]:
        """What gave no result, here and before."""
        return [*self.before, *self.results.missing]

    @property
    def output(self) -> Any:
        """What was made of the results, or else the list of them."""
        return [each.output for each in self.results] if self.merged is None else self.merged.output

    @property
    def text(self) -> str:
        """The same as text."""
        return context_text(self) if self.merged is None else self.merged.text

    def __podium_context__(self) -> list[tuple[str, str]]:
        made = [self.merged] if self.merged is not None else list(self.results)
        return [part for each in made for part in each.__podium_context__()] + told_missing(self.missing)


async def parallel(
    run: WorkflowRun,
    calls: Mapping[str, tuple[Agent, Any]],
    *,
    join: Join = "all",
    context: Any = None,
    handoff: Handoffs = None,
    **how: Unpack[How],
) -> Gathered[CallResult]:
    """Have agents do tasks at once; results in the order of `calls`.

    Shape: `calls` are agent and task by a name; `join` as in `run.gather`; `context` is told to each.
    Errors: BadInput for no calls; JoinFailed.
    """
    for name, call in named("parallel", "calls", calls).items():
        if not isinstance(call, tuple) or len(call) != 2:
            raise BadInput(f"parallel: '{name}' is (agent, task), not {call!r:.80}")
        an_agent("parallel", f"the agent of '{name}'", call[0])
    told: dict[int, Any] = {}  # by agent: it may do several of the tasks
    for agent, _ in calls.values():
        if id(agent) not in told:
            told[id(agent)] = await hand_over(run, context, to=agent, by=handoff)
    begun = [run.agent(agent, task, context=told[id(agent)], name=name, **how) for name, (agent, task) in calls.items()]
    return await run.gather(*begun, join=join)


async def merge(
    run: WorkflowRun,
    results: Gathered[CallResult],
    *,
    by: Agent | None,
    task: str = MERGE,
    before: Sequence[Missing] = (),
    handoff: Handoffs = None,
    **how: Unpack[How],
) -> Merged:
    """Have an agent make one thing of several results; it is told what is missing. Without an agent: the results.

    Shape: `before` is what was missing already before these were made.
    """
    made = Merged(results=results, before=before)
    if by is None:
        return made
    told_in_words("merge", "by", by)
    context = await hand_over(run, made, to=by, by=handoff)
    return replace(made, merged=await run.agent(by, task, context=context, name="merge", **how))
