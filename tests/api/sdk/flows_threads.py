"""Threads: delegations as clients see them, on the session's stream and on the child's own."""

from typing import Any

import anthropic

from tests.api.sdk.script import WAIT, call, say, script
from tests.api.sdk.world import TOOLSET, World, is_idle, is_kind, of, only, raises, read, words


def team(world: World, **given: Any) -> Any:
    """A coordinator with one reader; `given` is of the reader."""
    reader = world.agent("reader", tools=[{"type": TOOLSET}], **given)
    return world.agent("lead", multiagent={"type": "coordinator", "agents": [reader.id]})


def delegating(*replies: Any) -> str:
    """The coordinator has the reader do this, and reports."""
    return script([call("reader", task=script(*replies))], "all done")


def a_delegation_is_seen_from_both_sides(world: World) -> None:
    session = world.session(team(world))

    events = world.turn(session.id, delegating([say("looking"), call("bash", command="echo hi")], "found it"))

    child, primary = world.child(session.id), world.primary(session.id)
    assert (child.type, child.parent_thread_id, child.agent.name) == ("session_thread", primary.id, "reader")
    assert (child.session_id, child.status, child.archived_at) == (session.id, "idle", None)
    assert primary.agent.name == "lead"

    kinds = [event.type for event in events]
    created = only(events, "session.thread_created")
    assert (created.session_thread_id, created.agent_name) == (child.id, "reader")
    sent, received = only(events, "agent.thread_message_sent"), only(events, "agent.thread_message_received")
    assert (sent.to_session_thread_id, received.from_session_thread_id) == (child.id, child.id)
    assert "found it" in words(received)
    assert kinds.index("session.thread_created") < kinds.index("agent.thread_message_received")
    assert not of(events, "agent.tool_use"), "what a child does is on its own stream"
    assert words(only(events, "agent.message")) == "all done"
    statuses = [event for event in events if event.type.startswith("session.thread_status_")]
    assert {event.session_thread_id for event in statuses} == {primary.id, child.id}

    own = list(world.beta.sessions.threads.events.list(child.id, session_id=session.id))
    own_kinds = [event.type for event in own]
    assert own_kinds[0] in ("agent.thread_message_received", "session.thread_status_running")
    assert words(of(own, "agent.message")[0]) == "looking"
    assert {"agent.tool_use", "agent.tool_result", "span.model_request_start"} <= set(own_kinds)
    assert not {"session.status_idle", "session.usage", "session.thread_created"} & set(own_kinds)
    pages = world.beta.sessions.threads.events.list(child.id, session_id=session.id, limit=2)
    assert [event.id for event in pages] == [event.id for event in own]


def usage_is_kept_for_each_thread(world: World) -> None:
    session = world.session(team(world))
    world.turn(session.id, delegating("found it"))

    whole = world.beta.sessions.retrieve(session.id).usage
    child, primary = world.child(session.id), world.primary(session.id)
    assert child.usage is not None
    assert primary.usage is not None
    assert child.usage.output_tokens + primary.usage.output_tokens == whole.output_tokens == 45
    assert child.stats is not None
    assert child.stats.active_seconds >= 0


def threads_are_retrieved_and_listed(world: World) -> None:
    session = world.session(team(world))
    assert [one.parent_thread_id for one in world.beta.sessions.threads.list(session.id)] == [None]
    world.turn(session.id, delegating("found it"))

    listed = list(world.beta.sessions.threads.list(session.id, limit=1))
    assert {one.agent.name for one in listed} == {"lead", "reader"}
    child = world.child(session.id)
    shown = world.beta.sessions.threads.retrieve(child.id, session_id=session.id)
    assert (shown.id, shown.agent, shown.status, shown.usage) == (child.id, child.agent, child.status, child.usage)
    other = world.session(world.agent())
    with raises(anthropic.NotFoundError):
        world.beta.sessions.threads.retrieve(child.id, session_id=other.id)


def a_childs_stream_is_its_own(world: World) -> None:
    session = world.session(team(world))
    with world.beta.sessions.events.stream(session.id) as stream:
        world.send(session.id, delegating([call("bash", command="sleep 0.5")], "found it"))
        child = read(stream, is_kind("session.thread_created"))[-1].session_thread_id
        with world.beta.sessions.threads.events.stream(child, session_id=session.id) as own:
            seen = read(own, is_kind("session.thread_status_idle"))
        read(stream, is_idle)

    assert words(of(seen, "agent.message")[-1]) == "found it"
    assert {event.session_thread_id for event in of(seen, "session.thread_status_idle")} == {child}


def a_child_is_archived(world: World) -> None:
    session = world.session(team(world))
    world.turn(session.id, delegating("found it"))
    child = world.child(session.id)

    with world.beta.sessions.events.stream(session.id) as stream:
        archived = world.beta.sessions.threads.archive(child.id, session_id=session.id)
        told = read(stream, is_kind("session.thread_status_terminated"))[-1]

    assert (archived.status, archived.archived_at is not None) == ("terminated", True)
    assert told.session_thread_id == child.id
    statuses = {one.id: one.status for one in world.beta.sessions.threads.list(session.id)}
    assert statuses == {child.id: "terminated", world.primary(session.id).id: "idle"}
    filtered = world.beta.sessions.threads.list(session.id, extra_query={"statuses": ["terminated"]})
    assert [one.id for one in filtered] == [child.id]


def a_running_child_is_not_archived(world: World) -> None:
    session = world.session(team(world))
    with world.beta.sessions.events.stream(session.id) as stream:
        world.send(session.id, delegating(WAIT))
        child = read(stream, is_kind("session.thread_status_running"))
        child_id = read(stream, is_kind("session.thread_created"))[-1].session_thread_id
        assert child_id not in [event.id for event in child]
        with raises(anthropic.BadRequestError):
            world.beta.sessions.threads.archive(child_id, session_id=session.id)
        world.send(session.id, {"type": "user.interrupt"})
        read(stream, is_idle)


def a_child_keeps_its_conversation(world: World) -> None:
    session = world.session(team(world))
    world.turn(session.id, delegating("found it"))
    child = world.child(session.id)

    more = script([call("send_to_agent", thread=child.id, message=script("found more"))], "over to you", "all done")
    events = world.turn(session.id, more)

    assert world.child(session.id).id == child.id
    own = list(world.beta.sessions.threads.events.list(child.id, session_id=session.id))
    assert [words(event) for event in of(own, "agent.message")] == ["found it", "found more"]
    assert any("found more" in words(event) for event in of(events, "agent.thread_message_received"))


def a_team_is_shown_whole_in_its_session(world: World) -> None:
    reader = world.agent("reader", system="You read.", description="Reads.")
    lead = world.agent("lead", multiagent={"type": "coordinator", "agents": [reader.id, {"type": "self"}]})

    shown = world.session(lead).agent.to_dict()["multiagent"]

    assert [one["name"] for one in shown["agents"]] == ["reader", "lead"]
    assert shown["agents"][0]["system"] == "You read."


FLOWS = [
    a_delegation_is_seen_from_both_sides,
    usage_is_kept_for_each_thread,
    threads_are_retrieved_and_listed,
    a_childs_stream_is_its_own,
    a_child_is_archived,
    a_running_child_is_not_archived,
    a_child_keeps_its_conversation,
    a_team_is_shown_whole_in_its_session,
]
