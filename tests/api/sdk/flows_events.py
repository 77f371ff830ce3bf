"""Events: sent, listed, streamed, resumed, previewed; and what a run writes when models fail."""

import json
from typing import Any

import anthropic
from anthropic.lib.sessions import accumulate_managed_agents_event

from tests.api.sdk.script import REFUSE, WAIT, call, fail, say, script, think, used
from tests.api.sdk.world import TOOLSET, World, is_idle, is_kind, of, only, raises, read, told, words


def a_turn_is_streamed_in_order(world: World) -> None:
    session = world.session(world.agent(system="You greet."))

    events = world.turn(session.id, script("hello there"))

    kinds = [event.type for event in events]
    assert events[0].type == "user.message"
    assert events[0].processed_at is None, "it is echoed at once"
    assert set(kinds[1:3]) == {"session.status_running", "session.thread_status_running"}
    assert kinds[3:] == [
        "user.message",
        "span.model_request_start",
        "agent.message",
        "span.model_request_end",
        "session.thread_status_idle",
        "session.usage",
        "session.status_idle",
    ]
    assert events[3].id == events[0].id
    assert events[3].processed_at is not None, "and again when it is taken"
    assert words(only(events, "agent.message")) == "hello there"
    end = only(events, "span.model_request_end")
    assert end.model_request_start_id == only(events, "span.model_request_start").id
    assert end.model_usage.output_tokens == 15
    assert events[-1].stop_reason.type == "end_turn"
    assert world.beta.sessions.retrieve(session.id).status == "idle", "as soon as the stream says so"


def the_first_status_of_a_thread_is_the_primarys(world: World) -> None:
    session = world.session(world.agent())
    events = world.turn(session.id, script("hello"))

    first = next(event for event in events if event.type.startswith("session.thread_status_"))
    assert first.session_thread_id == world.primary(session.id).id


def a_list_and_a_stream_say_the_same(world: World) -> None:
    session = world.session(world.agent(tools=[{"type": TOOLSET}]))
    streamed = world.turn(session.id, script([say("on it"), call("bash", command="echo hi")], "done"))

    listed = world.listed(session.id)

    ids = [event.id for event in streamed]
    assert [event.id for event in listed if event.id in ids] == list(dict.fromkeys(reversed(ids)))[::-1]
    use, result = only(listed, "agent.tool_use"), only(listed, "agent.tool_result")
    assert (use.name, use.input, use.evaluated_permission) == ("bash", {"command": "echo hi"}, "allow")
    assert (result.tool_use_id, result.is_error) == (use.id, False)
    assert "hi" in words(result)


def a_program_that_opens_its_stream_late_misses_nothing(world: World) -> None:
    session = world.session(world.agent())
    world.send(session.id, script("hello"))

    with world.beta.sessions.events.stream(session.id) as stream:
        events = read(stream, is_idle)

    assert words(only(events, "agent.message")) == "hello"


def a_stream_is_resumed_behind_its_last_event(world: World) -> None:
    session = world.session(world.agent())
    events = world.turn(session.id, script("hello"))
    at = [event.type for event in events].index("agent.message")
    last_frame = next(
        each["frame"]["id"]
        for one in world.exchanges
        if one.is_stream
        for each in one.frames()
        if each["event"]["type"] == "agent.message"
    )

    with world.beta.sessions.events.stream(session.id, extra_headers={"Last-Event-ID": last_frame}) as stream:
        again = read(stream, is_idle)

    assert [event.id for event in again] == [event.id for event in events[at + 1 :]]


def events_are_listed_by_kind_time_and_page(world: World) -> None:
    session = world.session(world.agent())
    for said in ("one", "two", "three"):
        world.turn(session.id, script(said))
    everything = world.listed(session.id)
    ids = [event.id for event in everything]

    messages = world.listed(session.id, types=["agent.message", "user.message"])
    assert {event.type for event in messages} == {"agent.message", "user.message"}
    assert [words(event) for event in of(messages, "agent.message")] == ["one", "two", "three"]
    assert [event.id for event in world.listed(session.id, order="desc")] == ids[::-1]
    assert [event.id for event in world.beta.sessions.events.list(session.id, limit=3)] == ids

    middle = of(messages, "agent.message")[1].processed_at
    later = world.listed(session.id, types=["agent.message"], created_at_gt=middle)
    assert [words(event) for event in later] == ["three"]
    assert len(world.listed(session.id, types=["agent.message"], created_at_lte=middle)) == 2


def a_message_that_comes_while_it_works_is_queued(world: World) -> None:
    session = world.session(world.agent(tools=[{"type": TOOLSET}]))
    with world.beta.sessions.events.stream(session.id) as stream:
        world.send(session.id, script([call("bash", command="sleep 0.3")], "first"))
        read(stream, is_kind("agent.tool_use"))
        sent = world.send(session.id, script("second")).data[0]
        assert sent.processed_at is None
        events = read(stream, is_idle)

    echoes = [event for event in events if event.id == sent.id]
    assert [event.processed_at is None for event in echoes] == [True, False]
    assert words(of(events, "agent.message")[-1]) == "second"


def thoughts_are_signalled(world: World) -> None:
    session = world.session(world.agent())
    events = world.turn(session.id, script([think("hm"), say("hello")]))

    kinds = [event.type for event in events]
    assert kinds.index("agent.thinking") < kinds.index("agent.message")


def previews_are_prefixes_of_what_is_said(world: World) -> None:
    session = world.session(world.agent())
    whole = "hello, these are many words"
    wanted = ["agent.message", "agent.thinking"]

    events = world.turn(session.id, script([think("hm"), say(whole)]), event_deltas=wanted)

    kinds = [event.type for event in events]
    start = next(event for event in of(events, "event_start") if event.event.type == "agent.message")
    message = only(events, "agent.message")
    assert start.event.id == message.id
    assert kinds.index("span.model_request_start") < kinds.index("event_start") < kinds.index("event_delta")
    assert kinds.index("event_delta") < kinds.index("agent.message")
    grown, snapshot = "", None
    for event in events:
        snapshot = accumulate_managed_agents_event(snapshot, event)
        if event.type == "event_delta":
            assert event.event_id == message.id
            grown += event.delta.content.text
            assert whole.startswith(grown)
            assert snapshot is not None
            assert words(snapshot) == grown
    assert snapshot is not None
    assert (snapshot.id, words(snapshot)) == (message.id, whole)
    assert not {"event_start", "event_delta"} & set(world.kinds(session.id)), "no list holds them"
    with raises(anthropic.BadRequestError, saying="event_deltas"):
        world.beta.sessions.events.stream(session.id, event_deltas=["agent.tool_use"])


def the_operator_adds_instructions(world: World) -> None:
    session = world.session(world.agent())
    system = {"type": "system.message", "content": [{"type": "text", "text": "Be brief."}]}

    world.turn(session.id, script("ok"), system)

    listed = world.listed(session.id)
    assert words(only(listed, "system.message")) == "Be brief."
    with raises(anthropic.BadRequestError):
        world.send(session.id, system)


def a_failed_call_is_made_again(world: World) -> None:
    session = world.session(world.agent(model="flaky"))

    events = world.turn(session.id, script(fail(529, "overloaded_error", times=1), "hello"))

    kinds = [event.type for event in events]
    error = only(events, "session.error").error
    assert (error.type, error.retry_status.type) == ("model_overloaded_error", "retrying")
    assert kinds.index("session.error") < kinds.index("session.status_rescheduled") < kinds.index("agent.message")
    assert "session.thread_status_rescheduled" in kinds
    assert events[-1].stop_reason.type == "end_turn"


def a_call_that_fails_for_good_ends_the_turn(world: World) -> None:
    session = world.session(world.agent(model="broken"))

    events = world.turn(session.id, script(fail(400, "invalid_request_error", times=99), "never"))

    assert only(events, "session.error").error.type == "model_request_failed_error"
    assert events[-1].stop_reason.type == "retries_exhausted"
    assert words(only(world.turn(session.id, script("hello")), "agent.message")) == "hello", "a new message goes on"


def a_refusal_ends_the_turn(world: World) -> None:
    session = world.session(world.agent())

    idle = world.turn(session.id, script(REFUSE))[-1]

    assert idle.stop_reason.type == "refusal"
    details = idle.to_dict().get("stop_details")
    assert details is not None
    assert (details["type"], details["category"]) == ("refusal", "cyber")


def a_long_conversation_is_compacted(world: World) -> None:
    session = world.session(world.agent(model="narrow", tools=[{"type": TOOLSET}]))
    full = used(input_tokens=90_000)

    events = world.turn(session.id, script([call("bash", command="true"), full], "after"))

    kinds = [event.type for event in events]
    assert kinds.index("agent.tool_result") < kinds.index("agent.thread_context_compacted")
    assert words(of(events, "agent.message")[-1]) == "after"
    assert "user.message" in world.kinds(session.id), "the list is whole"


def what_is_no_event_is_refused_whole(world: World) -> None:
    session = world.session(world.agent())
    unknown = {"type": "user.tool_confirmation", "tool_use_id": "sevt_unknown", "result": "allow"}
    cases: list[tuple[list[Any], str]] = [
        ([], "events"),
        ([told("fine"), {"type": "user.shout"}], "events[1]"),
        ([told("fine"), unknown], "tool_use_id"),
        ([{"type": "user.message", "content": []}], "content"),
        ([{"type": "user.message", "content": [{"type": "redacted"}]}], "content"),
        (
            [{"type": "user.define_outcome", "description": "d", "rubric": {"type": "text", "content": "r"}}],
            "events[0]",
        ),
    ]
    for events, place in cases:
        with raises(anthropic.BadRequestError, saying=place):
            world.beta.sessions.events.send(session.id, events=events)
    assert world.kinds(session.id) == []
    assert world.beta.sessions.retrieve(session.id).status == "idle"


def a_stream_ends_in_whole_named_frames(world: World) -> None:
    session = world.session(world.agent())
    with world.beta.sessions.events.stream(session.id) as stream:
        world.send(session.id, script(WAIT))
        read(stream, is_kind("span.model_request_start"))
        world.send(session.id, {"type": "user.interrupt"})
        read(stream, is_idle)
    [exchange] = [one for one in world.exchanges if one.is_stream]

    frames = exchange.frames()

    assert {each["frame"]["event"] for each in frames} == {"message"}
    assert all(each["frame"]["id"] for each in frames)
    assert all(json.loads(each["frame"]["data"]) == each["event"] for each in frames)


FLOWS = [
    a_turn_is_streamed_in_order,
    the_first_status_of_a_thread_is_the_primarys,
    a_list_and_a_stream_say_the_same,
    a_program_that_opens_its_stream_late_misses_nothing,
    a_stream_is_resumed_behind_its_last_event,
    events_are_listed_by_kind_time_and_page,
    a_message_that_comes_while_it_works_is_queued,
    thoughts_are_signalled,
    previews_are_prefixes_of_what_is_said,
    the_operator_adds_instructions,
    a_failed_call_is_made_again,
    a_call_that_fails_for_good_ends_the_turn,
    a_refusal_ends_the_turn,
    a_long_conversation_is_compacted,
    what_is_no_event_is_refused_whole,
    a_stream_ends_in_whole_named_frames,
]
