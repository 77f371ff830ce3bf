"""What a model's reply writes: its public events, the children it spawns, the tools it starts."""

from collections.abc import Mapping

from podium.core.content import TextBlock, ToolUseBlock, text
from podium.core.definitions import SUBMIT, Callee, Definition
from podium.core.delegation import Spawner
from podium.core.events import AgentMessage, AgentToolUse
from podium.core.facts import (
    CallAnswered,
    CallRef,
    HarnessCall,
    ModelReplied,
    ReplyPart,
    ResultSubmitted,
    TextRef,
    ToolStarted,
)
from podium.core.json import JSON
from podium.core.moment import Moment
from podium.core.ports import Reply, ToolOffer
from podium.core.schema import misfit
from podium.core.session import SessionState
from podium.core.thread import ThreadState


def offers(definition: Definition, definitions: Mapping[str, Definition]) -> tuple[ToolOffer, ...]:
    """The tools a model of this agent is offered: its own, one for each agent on its roster, and submit_result."""
    offered = [ToolOffer(spec.name, spec.description, spec.input_schema) for spec in definition.tools]
    for callee in definition.roster:
        target = definitions.get(callee.version, definition)
        about = target.description or f"Hands a task to the agent '{target.name}' and returns its report."
        offered.append(ToolOffer(callee.tool, about, target.called_with(), is_agent=True))
    if definition.output_schema is not None:
        offered.append(ToolOffer(SUBMIT, "Give your result and end your work.", definition.output_schema))
    return tuple(offered)


def record_reply(session: SessionState, thread: ThreadState, reply: Reply, at: Moment) -> None:
    """Record an accepted reply, in one append.

    Shape: texts and tool calls, the reply's own order, the end of the model call; then what answers itself (unknown
    tools, inputs that do not fit, submit_result), then the children, then tool.started for every call that may run.
    """
    assert thread.span is not None
    definition = thread.definition
    roster = {callee.tool: callee for callee in definition.roster}
    specs = {spec.name: spec for spec in definition.tools}
    parts: list[ReplyPart] = []
    tools: list[ToolUseBlock] = []
    harness: list[HarnessCall] = []
    for block in reply.content:
        call_id = at.event_id()
        if isinstance(block, TextBlock):
            at.own(thread.id, AgentMessage(id=call_id, processed_at=at.now, content=(block,)))
            parts.append(TextRef(call_id))
        elif block.name in roster or (block.name == SUBMIT and definition.output_schema is not None):
            harness.append(HarnessCall(call_id, block.name, block.input))
            parts.append(harness[-1])
        else:
            at.own(thread.id, AgentToolUse(id=call_id, processed_at=at.now, name=block.name, input=block.input))
            tools.append(ToolUseBlock(call_id, block.name, block.input))
            parts.append(CallRef(call_id))
    at.private(thread.id, ModelReplied(parts=tuple(parts), stop_reason=reply.stop_reason))
    at.model_ended(thread.id, thread.span, reply.usage, is_error=False)
    runnable = []
    for call in tools:
        spec = specs.get(call.name)
        refusal = _unknown(definition, call.name) if spec is None else _unfit(call.name, spec.input_schema, call.input)
        if refusal is None:
            runnable.append(call.id)
        else:
            at.tool_result(thread.id, call.id, text(refusal), is_error=True)
    _answer_harness(session, thread, roster, harness, at)
    for id in runnable:
        at.private(thread.id, ToolStarted(call=id))


def _answer_harness(
    session: SessionState, thread: ThreadState, roster: dict[str, Callee], calls: list[HarnessCall], at: Moment
) -> None:
    spawner = Spawner(session, thread, at)
    submitted = False
    for call in calls:
        if call.name in roster:
            spawner.open(call, roster[call.name].version)
            continue
        assert thread.definition.output_schema is not None
        refusal = _unfit(SUBMIT, thread.definition.output_schema, call.input)
        if submitted:
            refusal = "submit_result was called before in this reply; the first result stands"
        if refusal is None:
            submitted = True
            at.private(thread.id, ResultSubmitted(call=call.id, output=call.input))
        else:
            at.private(thread.id, CallAnswered(call=call.id, content=text(refusal), is_error=True))


def _unknown(definition: Definition, name: str) -> str:
    has = [spec.name for spec in definition.tools] + [callee.tool for callee in definition.roster]
    given = ", ".join(f"'{tool}'" for tool in has) or "no tools"
    return f"agent '{definition.name}' called '{name}', which it was not given (it has: {given})"


def _unfit(name: str, schema: dict[str, JSON], given: dict[str, JSON]) -> str | None:
    wrong = misfit(schema, given)
    return None if wrong is None else f"the input does not fit the schema of '{name}': {wrong}"
