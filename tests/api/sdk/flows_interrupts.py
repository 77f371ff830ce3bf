"""Interrupts: of a model call, of a call that waits, of one thread, of none."""

from typing import Any

import anthropic

from tests.api.sdk.flows_answers import ASKING, BASH
from tests.api.sdk.flows_threads import delegating, team
from tests.api.sdk.script import WAIT, call, script
from tests.api.sdk.world import TOOLSET, World, is_idle, is_kind, of, only, raises, read, words

CLOSED = "Tool execution was interrupted before completion. Please retry."


def interrupt(**named: str) -> dict[str, Any]:
    return {"type": "user.interrupt", **named}


def a_reply_is_cut_short(world: World) -> None:
    session = world.session(world.agent())
    with world.beta.sessions.events.stream(session.id) as stream:
        world.send(session.id, script(WAIT))
        read(stream, is_kind("span.model_request_start"))
        world.send(session.id, interrupt())
        events = read(stream, is_idle)

    assert events[-1].stop_reason.type == "end_turn"
    assert not of(events, "agent.message")
    assert words(only(world.turn(session.id, script("hello again")), "agent.message")) == "hello again"


def a_command_is_killed(world: World) -> None:
    session = world.session(world.agent(tools=[{"type": TOOLSET}]))
    with world.beta.sessions.events.stream(session.id) as stream:
        world.send(session.id, script([call("bash", command="sleep 60")], "never"))
        read(stream, is_kind("agent.tool_use"))
        world.send(session.id, interrupt())
        events = read(stream, is_idle)

    assert events[-1].stop_reason.type == "end_turn"
    assert only(events, "agent.tool_result").is_error


def a_call_that_waits_is_closed(world: World) -> None:
    session = world.session(world.agent(tools=[ASKING]))
    use = only(world.turn(session.id, script([BASH], "never")), "agent.tool_use")

    events = world.turn(session.id, interrupt())

    result = only(events, "agent.tool_result")
    assert (result.tool_use_id, result.is_error, words(result)) == (use.id, True, CLOSED)
    assert not of(events, "span.model_request_start"), "the model is not asked"
    assert events[-1].stop_reason.type == "end_turn"


def one_thread_is_stopped_alone(world: World) -> None:
    session = world.session(team(world))
    with world.beta.sessions.events.stream(session.id) as stream:
        world.send(session.id, delegating(WAIT))
        child = read(stream, is_kind("session.thread_created"))[-1].session_thread_id
        with world.beta.sessions.threads.events.stream(child, session_id=session.id) as own:
            if "span.model_request_start" not in thread_kinds(world, session.id, child):
                read(own, is_kind("span.model_request_start"))
            world.send(session.id, interrupt(session_thread_id=child))
            stopped = read(own, is_kind("session.thread_status_idle"))[-1]
        events = read(stream, is_idle)

    assert stopped.stop_reason.type == "end_turn"
    assert events[-1].stop_reason.type == "end_turn"


def nothing_is_open_to_stop(world: World) -> None:
    session = world.session(team(world))
    world.turn(session.id, delegating("found it"))
    child, before = world.child(session.id), world.kinds(session.id)

    world.send(session.id, interrupt(session_thread_id=child.id))

    assert [kind for kind in world.kinds(session.id) if kind != "user.interrupt"] == before
    world.beta.sessions.threads.archive(child.id, session_id=session.id)
    with raises(anthropic.BadRequestError, saying="session_thread_id"):
        world.send(session.id, interrupt(session_thread_id=child.id))


def thread_kinds(world: World, session: str, thread: str) -> list[str]:
    return [event.type for event in world.beta.sessions.threads.events.list(thread, session_id=session)]


FLOWS = [
    a_reply_is_cut_short,
    a_command_is_killed,
    a_call_that_waits_is_closed,
    one_thread_is_stopped_alone,
    nothing_is_open_to_stop,
]
