"""The tools that the engine itself gives to agents: to define others, start them in the background, talk to them.

Their calls are answered by records alone. They are no agent.tool_use: clients see the threads and their messages.
"""

from collections.abc import Iterable, Sequence

import msgspec

from podium.core.content import ToolUseBlock, text
from podium.core.definitions import CREATE, LIST, SEND, START, STOP, TO_PARENT, WAIT, Callee, Definition
from podium.core.delegation import Spawner
from podium.core.ending import finish
from podium.core.facts import CallLimits, HarnessCall, NoticeSent
from podium.core.inline import create_schema
from podium.core.json import JSON
from podium.core.messages import deliver
from podium.core.moment import Moment
from podium.core.ports import Reply, ToolOffer
from podium.core.schema import misfit
from podium.core.session import SessionState
from podium.core.standing import waited_for
from podium.core.steps import Stopped
from podium.core.thread import OpenCall, ThreadState


def _object(required: Sequence[str], **properties: JSON) -> dict[str, JSON]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_THREAD = {"type": "string", "description": "The id of an agent's thread, as start_agent and list_agents give it."}
_SAID = {"type": "string", "minLength": 1}
_AMOUNT = {"exclusiveMinimum": 0}
_LIMITS: dict[str, JSON] = {
    "turns": {"type": "integer", **_AMOUNT},
    "seconds": {"type": "number", **_AMOUNT},
    "tokens": {"type": "integer", **_AMOUNT},
}


def start_schema(roster: Iterable[Callee], *, has_prices: bool) -> dict[str, JSON]:
    """What start_agent takes of an agent with this roster; a limit in dollars only where it can be kept."""
    limits = {**_LIMITS, "usd": {"type": "number", **_AMOUNT}} if has_prices else _LIMITS
    return _object(
        ("agent", "input"),
        agent={"type": "string", "enum": [callee.tool for callee in roster]},
        input={"type": "object", "description": "What the agent's own tool takes."},
        limits={
            **_object((), **limits),
            "description": "Where it is stopped, to hand over what it has by then.",
        },
    )


SCHEMAS: dict[str, dict[str, JSON]] = {
    SEND: _object(("thread", "message"), thread=_THREAD, message=_SAID),
    WAIT: _object((), threads={"type": "array", "items": _THREAD, "minItems": 1}),
    LIST: _object(()),
    STOP: _object(("thread",), thread=_THREAD, reason={"type": "string"}),
    TO_PARENT: _object(("message",), message=_SAID),
}
_ABOUT = {
    CREATE: "Defines an agent for one task and calls it. It has your model, and the tools of yours that you give it; "
    "it sees its instructions and its task, and nothing else. Returns its report.",
    START: "Starts an agent in the background and returns its thread at once. Its report comes later, as a message.",
    SEND: "Sends a message to an agent you called before. It keeps its history, and reports by a message.",
    WAIT: "Waits until the agents in the background (those of 'threads', or all) have reported, or one has news.",
    LIST: "Lists the agents you have called: thread, name, what they are doing.",
    STOP: "Stops an agent in the background. It does not report.",
    TO_PARENT: "Sends a message to the agent that called you, while you go on working.",
}


def has_tool(definition: Definition, name: str, *, is_child: bool) -> bool:
    """Whether the agent has the harness tool of this name."""
    match name:
        case "create_agent":
            return definition.inline
        case "start_agent":
            return bool(definition.roster)
        case "send_to_parent":
            return is_child
        case _:
            return definition.delegates and name in SCHEMAS


def harness_offers(definition: Definition, *, is_child: bool, has_prices: bool) -> list[ToolOffer]:
    """The harness tools of this agent."""
    names = [name for name in _ABOUT if has_tool(definition, name, is_child=is_child)]
    return [ToolOffer(name, _ABOUT[name], _schema(definition, name, has_prices=has_prices)) for name in names]


def _schema(definition: Definition, name: str, *, has_prices: bool) -> dict[str, JSON]:
    if name == START:
        return start_schema(definition.roster, has_prices=has_prices)
    return create_schema(definition) if name == CREATE else SCHEMAS[name]


UNHEARD = ("refusal", "model_context_window_exceeded")  # a reply that stopped for these calls nothing


def stopped_by(session: SessionState, thread: ThreadState, reply: Reply) -> list[ThreadState]:
    """The children that calls of the reply stop: nothing of them may be under way when it is recorded."""
    if thread.purpose != "turn" or reply.stop_reason in UNHEARD or not thread.definition.delegates:
        return []  # then it calls nothing
    stops = [
        block.input["thread"]
        for block in reply.content
        if isinstance(block, ToolUseBlock)
        and block.name == STOP
        and block.id not in reply.cut
        and misfit(SCHEMAS[STOP], block.input) is None
    ]
    return [child for child in session.children(thread) if child.id in stops and child.is_open and child.background]


def answer_harness(session: SessionState, thread: ThreadState, call: HarnessCall, spawner: Spawner, at: Moment) -> None:
    """Record what a call of a harness tool does, and its answer; one that waits stays open."""
    roster = {callee.tool: callee for callee in thread.definition.roster}
    wrong = misfit(_schema(thread.definition, call.name, has_prices=session.settings.has_prices), call.input)
    if wrong is not None:
        at.answer(thread.id, call.id, f"the input does not fit the schema of '{call.name}': {wrong}", is_error=True)
        return
    given = call.input
    match call.name:
        case "start_agent":
            limits = msgspec.convert(given.get("limits", {}), CallLimits, strict=False)
            spawner.start(call.id, given["agent"], roster[given["agent"]].version, given["input"], limits)
        case "create_agent":
            spawner.create(call.id, given)
        case "send_to_agent":
            _send(session, thread, call, at)
        case "list_agents":
            at.answer(thread.id, call.id, _listed(session, thread))
        case "stop_agent":
            _stop(session, thread, call, at)
        case "send_to_parent":
            _tell_parent(session, thread, call, at)
        case _:
            pass  # wait_for_agents stays open: the next step says whether there is anything to wait for


def _send(session: SessionState, thread: ThreadState, call: HarnessCall, at: Moment) -> None:
    child = _child(session, thread, call, at)
    if child is None:
        return
    if child.status == "terminated":
        said = f"agent '{child.definition.name}' has ended for good; call it anew"
        at.answer(thread.id, call.id, said, is_error=True)
        return
    deliver(thread, child, text(str(call.input["message"])), at)
    if not child.is_open:
        at.thread_running(child.id, session.primary, child.definition.name)
    at.answer(thread.id, call.id, "sent; its answer will come as a message" if child.background else "sent")


def _stop(session: SessionState, thread: ThreadState, call: HarnessCall, at: Moment) -> None:
    child = _child(session, thread, call, at)
    if child is None:
        return
    if not child.is_open or not child.background:
        at.answer(thread.id, call.id, f"agent '{child.definition.name}' is not working in the background")
        return
    finish(session, child, Stopped(str(call.input.get("reason") or "stopped by the agent that called it")), at)
    at.answer(thread.id, call.id, "stopped")


def _child(session: SessionState, thread: ThreadState, call: HarnessCall, at: Moment) -> ThreadState | None:
    """The child that the call names; without one, the refusal is its answer."""
    child = session.threads.get(str(call.input["thread"]))
    if child is not None and child.parent == thread.id:
        return child
    own = ", ".join(each.id for each in session.children(thread)) or "none"
    at.answer(
        thread.id,
        call.id,
        f"no agent of yours has the thread {call.input['thread']!r:.80} (yours: {own})",
        is_error=True,
    )
    return None


def _listed(session: SessionState, thread: ThreadState) -> str:
    lines = [f"{child.id}  {child.definition.name}: {_doing(child)}" for child in session.children(thread)]
    return "\n".join(lines) or "you have called no agent yet"


def _doing(child: ThreadState) -> str:
    if child.status == "terminated":
        return "has failed and ended for good"
    if not child.is_open:
        return "has ended its turn"
    if child.status == "idle":
        return "waits for a person"
    return "waits to call its model again" if child.status == "rescheduling" else "works"


def _tell_parent(session: SessionState, thread: ThreadState, call: HarnessCall, at: Moment) -> None:
    assert thread.parent is not None
    parent = session.threads[thread.parent]
    if parent.status == "terminated":
        at.answer(thread.id, call.id, "the agent that called you has ended", is_error=True)
        return
    received = deliver(thread, parent, text(str(call.input["message"])), at)
    said = f"Message from agent '{thread.definition.name}', thread {thread.id}:"
    at.private(parent.id, NoticeSent(kind="message", text=said, message=received))
    if not parent.is_open:
        at.thread_running(parent.id, session.primary, parent.definition.name)
    at.answer(thread.id, call.id, "sent")


def end_wait(session: SessionState, thread: ThreadState, call: OpenCall, at: Moment) -> None:
    """Record what a call of wait_for_agents came to."""
    working = waited_for(session, thread, call)
    if working:
        names = ", ".join(f"'{child.definition.name}' ({child.id})" for child in working)
        at.answer(thread.id, call.id, f"there is news; still working: {names}")
    elif thread.transcript.is_told:
        at.answer(thread.id, call.id, "all have ended their turns; what they said follows")
    else:
        at.answer(thread.id, call.id, "no agent of yours works in the background")
