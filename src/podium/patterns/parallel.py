"""Independent tasks at once, and what to make of all their results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

from podium.core.definitions import Agent
from podium.errors import BadInput
from podium.patterns.given import How, an_agent, named, told_in_words
from podium.patterns.handoff import Handoffs, hand_over
from podium.workflows.calls import CallResult
from podium.workflows.joins import Gathered, Join
from podium.workflows.run import WorkflowRun
from podium.workflows.values import context_text

MERGE = "Put these results together into one. Where something is missing, say so."


@dataclass(frozen=True, kw_only=True)
class Merged:
    """Results, and what was made of them. Shape: `results` tells what is `missing`; `merged` None if nobody merged."""

    results: Gathered[CallResult]
    merged: CallResult | None = None

    @property
    def output(self) -> Any:
        """What was made of the results, or else the list of them."""
        return [each.output for each in self.results] if self.merged is None else self.merged.output

    @property
    def text(self) -> str:
        """The same as text."""
        return context_text(self.results) if self.merged is None else self.merged.text

    def __podium_context__(self) -> list[tuple[str, str]]:
        return (self.results if self.merged is None else self.merged).__podium_context__()


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
    handoff: Handoffs = None,
    **how: Unpack[How],
) -> Merged:
    """Have an agent make one thing of several results; it is told what is missing. Without an agent: the results."""
    if by is None:
        return Merged(results=results)
    told_in_words("merge", "by", by)
    context = await hand_over(run, results, to=by, by=handoff)
    return Merged(results=results, merged=await run.agent(by, task, context=context, name="merge", **how))
