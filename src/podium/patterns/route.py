"""Routing: an agent decides at run time who does the task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Unpack

from podium.core.definitions import Agent
from podium.core.json import JSON
from podium.patterns.given import How, an_agent, named, told_in_words
from podium.patterns.handoff import Handoffs, hand_over
from podium.workflows.calls import CallResult
from podium.workflows.run import WorkflowRun

CHOOSE = "Choose who is to do this task. Do not do it yourself."


@dataclass(frozen=True, kw_only=True)
class Routed:
    """Who did the task, why, and what came of it."""

    to: str
    reason: str
    result: CallResult

    @property
    def output(self) -> Any:
        """The output of who did it."""
        return self.result.output

    @property
    def text(self) -> str:
        """The same as text."""
        return self.result.text

    def __podium_context__(self) -> list[tuple[str, str]]:
        return self.result.__podium_context__()


async def route(
    run: WorkflowRun,
    task: Any,
    *,
    to: Mapping[str, Agent],
    by: Agent,
    context: Any = None,
    handoff: Handoffs = None,
    **how: Unpack[How],
) -> Routed:
    """Have `by` choose one of the agents by its name, and that one do the task.

    Shape: `by` sees the task, the names and the agents' descriptions. A name that is not there is told back to it, as
    any output that does not fit its schema.
    Errors: BadInput for nobody to choose from; CallFailed, also when no choice fits.
    """
    where = "route"
    for name, agent in named(where, "to", to).items():
        an_agent(where, f"the agent of '{name}'", agent)
    told_in_words(where, "by", by)
    who = "\n".join(f"{name}: {agent.description or agent.name}" for name, agent in to.items())
    told = await hand_over(run, [{"task": task, "who there is": who}, context], to=by, by=handoff)
    choice = await run.agent(by, CHOOSE, context=told, output_schema=_choice(tuple(to)), name="route", **how)
    chosen = choice.output["to"]
    told = await hand_over(run, context, to=to[chosen], by=handoff)
    result = await run.agent(to[chosen], task, context=told, name=chosen, **how)
    return Routed(to=chosen, reason=choice.output["reason"], result=result)


def _choice(names: tuple[str, ...]) -> dict[str, JSON]:
    return {
        "type": "object",
        "properties": {
            "to": {"type": "string", "enum": list(names), "description": "The name of who is to do it."},
            "reason": {"type": "string", "description": "Why, in a sentence."},
        },
        "required": ["to", "reason"],
        "additionalProperties": False,
    }
