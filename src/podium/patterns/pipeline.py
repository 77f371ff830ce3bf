"""A pipeline: each stage's output is the next one's input."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from podium.core.definitions import Agent
from podium.core.json import JSON
from podium.core.schema import misfit
from podium.errors import BadInput, CallFailed
from podium.patterns.given import How, a_text, an_agent
from podium.patterns.handoff import Handoffs, hand_over
from podium.workflows.calls import CallResult
from podium.workflows.run import WorkflowRun
from podium.workflows.values import to_json

SENT_BACK = 2  # how often a stage is told that the next one cannot take its output
GO_ON = "Do your part of the work with what the stage before you made."
Stage = Agent | tuple[Agent, str]


@dataclass(frozen=True, kw_only=True)
class Piped:
    """What a pipeline made. Shape: `stages` are the results in order; `sent_back` counts outputs that did not fit."""

    stages: tuple[CallResult, ...]
    sent_back: int = 0

    @property
    def output(self) -> Any:
        """The output of the last stage."""
        return self.stages[-1].output

    @property
    def text(self) -> str:
        """The same as text."""
        return self.stages[-1].text

    def __podium_context__(self) -> list[tuple[str, str]]:
        return self.stages[-1].__podium_context__()


async def pipeline(
    run: WorkflowRun,
    stages: Sequence[Stage],
    task: Any,
    *,
    context: Any = None,
    handoff: Handoffs = None,
    **how: Unpack[How],
) -> Piped:
    """Have agents work one after the other, each on what the one before made.

    Shape: a stage is an agent, or an agent and what it is to do; without that it is told the `task`. A stage whose
    successor has an `input_schema` owes its output in that form, and is told why if it does not fit. `context` is told
    to the first stage.
    Errors: BadInput for no stages, or such as do not go together; CallFailed of a stage.
    """
    steps = [_checked(stage, index) for index, stage in enumerate(_listed(stages))]
    if context is not None and steps[0][0].input_schema is not None:
        raise BadInput(f"pipeline: agent '{steps[0][0].name}' has an input_schema, so it takes no context beside it")
    owed = [agent.input_schema for agent, _ in steps[1:]] + [None]
    made: list[CallResult] = []
    sent_back = 0
    for (agent, words), wanted in zip(steps, owed, strict=True):
        given, beside = _input(agent, words, task, made[-1] if made else None)
        told = beside if made or context is None else [beside, context]
        result, times = await _fitting(run, agent, given, told, wanted, handoff, how)
        made.append(result)
        sent_back += times
    return Piped(stages=tuple(made), sent_back=sent_back)


def _input(agent: Agent, words: str, task: Any, before: CallResult | None) -> tuple[Any, Any]:
    """What a stage is called with, and told beside."""
    if agent.input_schema is not None:
        return (task if before is None else before.output), None
    if before is None:
        return words or task, ({"task": task} if words else None)
    return words or (task if isinstance(task, str) else GO_ON), before


async def _fitting(
    run: WorkflowRun, agent: Agent, given: Any, context: Any, wanted: Any, handoff: Handoffs, how: How
) -> tuple[CallResult, int]:
    """A stage's result that the next one can take, and how often it was sent back for it."""
    owed = wanted if agent.output_schema is None else None  # then its calls see to it
    first, sent_back = context, 0
    while True:
        told = await hand_over(run, context, to=agent, by=handoff)
        call = run.agent(agent, given, context=told, output_schema=owed, **how)
        result = await call
        wrong = misfit(_json_schema(wanted), _output(result)) if wanted is not None and owed is None else None
        if wrong is None:
            return result, sent_back
        if sent_back == SENT_BACK or agent.input_schema is not None:  # which leaves no place to tell it
            raise CallFailed(
                f"the next stage cannot take the output of '{agent.name}', sent back {sent_back} times: {wrong}",
                end="failed",
                name=agent.name,
                reason=wrong,
                partial=result.text,
                thread_id=result.thread_id,
                keys=[call.asked],
            )
        sent_back += 1
        context = [first, {"your output": result, "why the next stage cannot take it": wrong}]


def _output(result: CallResult) -> JSON:
    return to_json(result.output, f"the output of '{result.agent}'")


def _json_schema(schema: Any) -> dict[str, JSON]:
    to_schema = getattr(schema, "model_json_schema", None)  # a Pydantic model
    found: dict[str, JSON] = schema if to_schema is None else to_schema()
    return found


def _listed(stages: Any) -> Sequence[Any]:
    if not isinstance(stages, list | tuple) or not stages:
        raise BadInput(f"pipeline: stages is a list of at least one agent, not {stages!r:.80}")
    return stages


def _checked(stage: Any, index: int) -> tuple[Agent, str]:
    where = f"pipeline: stage {index}"
    if not isinstance(stage, tuple):
        return an_agent(where, "it", stage), ""
    if len(stage) != 2:
        raise BadInput(f"{where} is an agent, or (agent, task), not {stage!r:.80}")
    agent, words = an_agent(where, "its agent", stage[0]), a_text(where, "its task", stage[1])
    if agent.input_schema is not None:
        raise BadInput(f"{where}: agent '{agent.name}' has an input_schema, so its input is the output before; no task")
    return agent, words
