"""What a model's reply writes: its public events, the children it spawns, the tools it starts."""

from collections.abc import Mapping

import msgspec

from podium.core.content import RawBlock, TextBlock, ThinkingBlock, ToolUseBlock, text
from podium.core.definitions import SUBMIT, Definition, ToolSpec
from podium.core.delegation import Spawner
from podium.core.events import (
    AgentCustomToolUse,
    AgentMessage,
    AgentThinking,
    AgentToolUse,
    AlwaysAsk,
    ContextCompacted,
)
from podium.core.facts import (
    CallRef,
    ContextSummarized,
    HarnessCall,
    ModelReplied,
    RawPart,
    ReplyPart,
    ResultSubmitted,
    TextRef,
    Thought,
    ToolStarted,
)
from podium.core.harness import answer_harness, harness_offers, has_tool
from podium.core.json import JSON
from podium.core.moment import Moment
from podium.core.ports import Reply, ToolOffer
from podium.core.schema import misfit
from podium.core.session import SessionState
from podium.core.thread import ThreadState

CUT = "this call was cut off at the limit of output tokens; send less at once"
NOT_RUN = "not run: a limit was reached, and this was your last turn"
REFUSED = "not run: the model refused"


def offers(
    definition: Definition,
    definitions: Mapping[str, Definition],
    *,
    is_child: bool = False,
    has_prices: bool = False,
) -> tuple[ToolOffer, ...]:
    """The tools a model of this agent is offered.

    Shape: its own, one for each agent on its roster, those of the harness, and submit_result.
    """
    offered = [ToolOffer(spec.name, spec.description, spec.input_schema) for spec in definition.tools]
    for callee in definition.roster:
        target = definitions.get(callee.version, definition)
        about = target.description or f"Hands a task to the agent '{target.name}' and returns its report."
        offered.append(ToolOffer(callee.tool, about, target.called_with(), is_agent=True))
    offered += harness_offers(definition, is_child=is_child, has_prices=has_prices)
    if definition.output_schema is not None:
        offered.append(submit_offer(definition))
    return tuple(offered)


def submit_offer(definition: Definition) -> ToolOffer:
    """The tool by which an agent gives the structured output it owes."""
    return ToolOffer(SUBMIT, "Give your result and end your work.", definition.output_schema or {})


def record_reply(
    session: SessionState, thread: ThreadState, reply: Reply, at: Moment, ids: Mapping[int, str] | None = None
) -> None:
    """Record an accepted reply, in one append.

    Shape: its texts and tool calls, the reply's own order, the end of the model call; then what answers itself (unknown
    tools, inputs that do not fit, the harness's own), the children, and tool.started for every call that may run. `ids`
    are event ids that were given out for its blocks while it came, by their index.
    """
    assert thread.span is not None
    recorder = _Recorder(session, thread, reply, at)
    for index, block in enumerate(reply.content):
        recorder.record(block, (ids or {}).get(index) or at.event_id())
    recorder.end()


def record_summary(thread: ThreadState, reply: Reply, at: Moment) -> None:
    """Record a reply that shortens the thread's context."""
    assert thread.span is not None
    said = "\n".join(block.text for block in reply.content if isinstance(block, TextBlock))
    at.model_ended(thread.id, thread.span, reply.usage, is_error=False)
    at.own(thread.id, ContextCompacted(id=at.event_id(), processed_at=at.now))
    at.private(thread.id, ContextSummarized(summary=said, messages=len(thread.transcript.sent())))


class _Recorder:
    """Records one reply."""

    def __init__(self, session: SessionState, thread: ThreadState, reply: Reply, at: Moment) -> None:
        self._session = session
        self._thread = thread
        self._reply = reply
        self._at = at
        self._specs = {spec.name: spec for spec in thread.definition.tools}
        self._roster = {callee.tool: callee for callee in thread.definition.roster}
        self._parts: list[ReplyPart] = []
        self._tools: list[ToolUseBlock] = []
        self._harness: list[HarnessCall] = []
        self._cut: set[str] = set()
        self._unfit: list[tuple[str, str]] = []  # calls of the client's tools that nobody is asked, and why

    def record(self, block: TextBlock | ToolUseBlock | ThinkingBlock | RawBlock, id: str) -> None:
        """Record one block."""
        thread, at = self._thread, self._at
        match block:
            case TextBlock():
                self._say(block.text, {}, id)
            case ThinkingBlock():
                at.own(thread.id, AgentThinking(id=id, processed_at=at.now))
                self._parts.append(Thought(id, block.thinking, block.signature))
            case RawBlock(block=raw):
                if raw.get("type") == "text":
                    extra = {key: value for key, value in raw.items() if key not in ("type", "text")}
                    self._say(str(raw.get("text", "")), extra, id)
                else:
                    self._parts.append(RawPart(raw))
            case ToolUseBlock():
                if block.id in self._reply.cut:
                    self._cut.add(id)
                self._call(block, id)

    def _say(self, said: str, extra: dict[str, JSON], id: str) -> None:
        at = self._at
        at.own(self._thread.id, AgentMessage(id=id, processed_at=at.now, content=text(said)))
        self._parts.append(TextRef(id, extra))

    def _call(self, block: ToolUseBlock, id: str) -> None:
        thread, at = self._thread, self._at
        if self._is_harness(block.name):
            self._harness.append(HarnessCall(id, block.name, block.input, block.id))
            self._parts.append(self._harness[-1])
            return
        spec = self._specs.get(block.name)
        if spec is not None and spec.source == "custom":
            self._call_client(block, spec, id)
            return
        use = AgentToolUse(id=id, processed_at=at.now, name=block.name, input=block.input)
        if self._asks(block.name, block.input, id):
            use = msgspec.structs.replace(use, evaluated_permission="ask", evaluation=AlwaysAsk())
            at.cross(thread.id, self._session.primary, use)
        else:
            at.own(thread.id, use)
            self._tools.append(ToolUseBlock(id, block.name, block.input))
        self._parts.append(CallRef(id, block.id))

    def _call_client(self, block: ToolUseBlock, spec: ToolSpec, id: str) -> None:
        """A call of the client's own tool. One that does not fit is answered here: no client is shown it."""
        thread, at = self._thread, self._at
        refusal = self._refusal(spec, block.name, block.input, id)
        if refusal is None:
            use = AgentCustomToolUse(id=id, processed_at=at.now, name=block.name, input=block.input)
            at.cross(thread.id, self._session.primary, use)
            self._parts.append(CallRef(id, block.id))
        else:
            self._parts.append(HarnessCall(id, block.name, block.input, block.id))
            self._unfit.append((id, refusal))

    def _is_harness(self, name: str) -> bool:
        definition = self._thread.definition
        if name == SUBMIT:
            return definition.output_schema is not None
        return name in self._roster or has_tool(definition, name, is_child=self._thread.is_heard)

    def _asks(self, name: str, given: dict[str, JSON], id: str) -> bool:
        """Whether a person is asked: not for a call that is answered with an error anyway."""
        spec = self._specs.get(name)
        return spec is not None and spec.permission == "always_ask" and self._refusal(spec, name, given, id) is None

    def end(self) -> None:
        """Record the end of the call, and what the reply's calls come to."""
        thread, reply, at = self._thread, self._reply, self._at
        assert thread.span is not None
        replied = ModelReplied(
            parts=tuple(self._parts),
            stop_reason=reply.stop_reason,
            message=reply.message,
            model=reply.model,
            raw_usage=reply.raw_usage,
            refusal=reply.stop_details,
        )
        at.private(thread.id, replied)
        at.model_ended(thread.id, thread.span, reply.usage, is_error=False)
        runnable = []
        for call in self._tools:
            refusal = self._refusal(self._specs.get(call.name), call.name, call.input, call.id)
            if refusal is None:
                runnable.append(call.id)
            else:
                at.tool_result(thread.id, call.id, text(refusal), is_error=True)
        for id, refusal in self._unfit:
            at.answer(thread.id, id, refusal, is_error=True)
        self._answer_harness()
        for id in runnable:
            at.private(thread.id, ToolStarted(call=id))

    def _refusal(self, spec: ToolSpec | None, name: str, given: dict[str, JSON], id: str) -> str | None:
        """Why the call does not run, if it does not."""
        if (dead := self._dead(id)) is not None:
            return dead
        return _unknown(self._thread.definition, name) if spec is None else _unfit(name, spec.input_schema, given)

    def _dead(self, id: str) -> str | None:
        """Why no call of this reply runs, or not this one."""
        if id in self._cut:
            return CUT
        if self._reply.stop_reason == "refusal":
            return REFUSED
        return NOT_RUN if self._thread.purpose == "hand_over" else None

    def _answer_harness(self) -> None:
        thread, at = self._thread, self._at
        spawner = Spawner(self._session, thread, at)
        submitted = False
        for call in self._harness:
            self._session.fold(at)  # each is decided on what those before it did
            dead = self._dead(call.id)
            if dead is not None and not (dead == NOT_RUN and call.name == SUBMIT):
                at.answer(thread.id, call.id, dead, is_error=True)
            elif call.name == SUBMIT:
                submitted = self._submit(call, submitted)
            elif call.name in self._roster:
                spawner.open(call.id, call.name, self._roster[call.name].version, call.input)
            else:
                answer_harness(self._session, thread, call, spawner, at)

    def _submit(self, call: HarnessCall, submitted: bool) -> bool:
        thread, at = self._thread, self._at
        refusal = _unfit(SUBMIT, thread.definition.output_schema or {}, call.input)
        if submitted:
            refusal = "submit_result was called before in this reply; the first result stands"
        if refusal is None:
            at.private(thread.id, ResultSubmitted(call=call.id, output=call.input))
            return True
        at.answer(thread.id, call.id, refusal, is_error=True)
        return submitted


def _unknown(definition: Definition, name: str) -> str:
    has = [spec.name for spec in definition.tools] + [callee.tool for callee in definition.roster]
    given = ", ".join(f"'{tool}'" for tool in has) or "no tools"
    return f"agent '{definition.name}' called '{name}', which it was not given (it has: {given})"


def _unfit(name: str, schema: dict[str, JSON], given: dict[str, JSON]) -> str | None:
    wrong = misfit(schema, given)
    return None if wrong is None else f"the input does not fit the schema of '{name}': {wrong}"
