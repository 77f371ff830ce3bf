"""What waits for the client: confirmations, custom tools, in the primary and in children; and the SDK's tool runner."""

import asyncio
from typing import Any

import anthropic
from anthropic import beta_async_tool

from tests.api.sdk.script import call, script
from tests.api.sdk.world import TOOLSET, World, of, only, raises, told, words

ASKING = {"type": TOOLSET, "default_config": {"permission_policy": {"type": "always_ask"}}}
CUSTOM = {
    "type": "custom",
    "name": "lookup",
    "description": "Looks up a customer.",
    "input_schema": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
}
BASH = call("bash", command="echo hi")


def allowed(id: str) -> dict[str, Any]:
    return {"type": "user.tool_confirmation", "tool_use_id": id, "result": "allow"}


def answered(id: str, said: str) -> dict[str, Any]:
    content = [{"type": "text", "text": said}]
    return {"type": "user.custom_tool_result", "custom_tool_use_id": id, "content": content}


def a_call_waits_to_be_allowed(world: World) -> None:
    session = world.session(world.agent(tools=[ASKING]))
    events = world.turn(session.id, script([BASH], "done"))
    use = only(events, "agent.tool_use")
    assert use.evaluated_permission == "ask"
    assert events[-1].stop_reason.type == "requires_action"
    assert events[-1].stop_reason.event_ids == [use.id]
    with raises(anthropic.BadRequestError):
        world.send(session.id, "are you there?")

    after = world.turn(session.id, allowed(use.id))

    result = only(after, "agent.tool_result")
    assert (result.tool_use_id, result.is_error) == (use.id, False)
    assert "hi" in words(result)
    assert after[-1].stop_reason.type == "end_turn"
    confirmation = of(world.listed(session.id), "user.tool_confirmation")[0]
    assert (confirmation.tool_use_id, confirmation.result) == (use.id, "allow")
    with raises(anthropic.ConflictError, saying="tool_use_id"):
        world.send(session.id, allowed(use.id))
    with raises(anthropic.BadRequestError, saying="tool_use_id"):
        world.send(session.id, allowed("sevt_none"))


def a_denied_call_tells_the_agent_why(world: World) -> None:
    session = world.session(world.agent(tools=[ASKING]))
    use = only(world.turn(session.id, script([BASH], "done")), "agent.tool_use")
    no = {"type": "user.tool_confirmation", "tool_use_id": use.id, "result": "deny", "deny_message": "not today"}

    result = only(world.turn(session.id, no), "agent.tool_result")

    assert result.is_error
    assert words(result).startswith("Permission to use bash has been denied")
    assert "not today" in words(result)


def the_rest_waits_on_when_a_part_is_answered(world: World) -> None:
    session = world.session(world.agent(tools=[ASKING]))
    both = [call("bash", command="echo one"), call("bash", command="echo two")]
    events = world.turn(session.id, script(both, "done"))
    first, second = (event.id for event in of(events, "agent.tool_use"))
    assert events[-1].stop_reason.event_ids == [first, second]

    again = world.turn(session.id, allowed(first))
    assert again[-1].stop_reason.type == "requires_action"
    assert again[-1].stop_reason.event_ids == [second]

    assert world.turn(session.id, allowed(second))[-1].stop_reason.type == "end_turn"


def a_childs_call_is_answered_by_either_id(world: World) -> None:
    reader = world.agent("reader", tools=[ASKING])
    lead = world.agent("lead", multiagent={"type": "coordinator", "agents": [reader.id]})
    for side in ("session", "thread"):
        session = world.session(lead)
        events = world.turn(session.id, script([call("reader", task=script([BASH], "found it"))], "done"))
        child = world.child(session.id)
        crossed = only(events, "agent.tool_use")
        assert crossed.session_thread_id == child.id
        assert events[-1].stop_reason.event_ids == [crossed.id]
        assert child.status == "idle"
        own = list(world.beta.sessions.threads.events.list(child.id, session_id=session.id))
        original = only(own, "agent.tool_use")
        assert original.session_thread_id is None
        waits = of(own, "session.thread_status_idle")[-1]
        assert waits.stop_reason.type == "requires_action"
        assert waits.stop_reason.event_ids == [original.id]

        after = world.turn(session.id, allowed(crossed.id if side == "session" else original.id))

        assert after[-1].stop_reason.type == "end_turn"
        assert only(world.listed(session.id), "user.tool_confirmation").session_thread_id == child.id
        own = list(world.beta.sessions.threads.events.list(child.id, session_id=session.id))
        assert only(own, "agent.tool_result").tool_use_id == original.id
        assert of(own, "user.tool_confirmation"), "the answer is on the child's stream too"


def a_custom_tool_is_the_clients(world: World) -> None:
    session = world.session(world.agent(tools=[CUSTOM]))
    events = world.turn(session.id, script([call("lookup", id="7")], "done"))
    use = only(events, "agent.custom_tool_use")
    assert (use.name, use.input) == ("lookup", {"id": "7"})
    assert events[-1].stop_reason.event_ids == [use.id]

    sent = world.beta.sessions.events.send(session.id, events=[answered(use.id, "Ann")])

    assert sent.data is not None
    assert sent.data[0].processed_at is not None, "it is processed as it comes"
    world.settle(session.id)
    result = only(world.listed(session.id), "user.custom_tool_result")
    assert (result.custom_tool_use_id, words(result)) == (use.id, "Ann")
    assert words(of(world.listed(session.id), "agent.message")[-1]) == "done"


def a_childs_custom_tool_is_the_clients_too(world: World) -> None:
    reader = world.agent("reader", tools=[CUSTOM])
    lead = world.agent("lead", multiagent={"type": "coordinator", "agents": [reader.id]})
    session = world.session(lead)
    events = world.turn(session.id, script([call("reader", task=script([call("lookup", id="7")], "Ann"))], "done"))
    use = only(events, "agent.custom_tool_use")
    assert use.session_thread_id == world.child(session.id).id

    after = world.turn(session.id, answered(use.id, "Ann"))

    assert after[-1].stop_reason.type == "end_turn"
    assert any("Ann" in words(event) for event in of(after, "agent.thread_message_received"))


def the_tool_runner_answers_by_itself(world: World) -> None:
    session = world.session(world.agent(tools=[CUSTOM]))

    @beta_async_tool
    async def lookup(id: str) -> str:
        """Look up a customer."""
        return f"customer {id}"

    async def run() -> list[Any]:
        async with world.asynchronous() as client:
            events: Any = [told(script([call("lookup", id="7")], [call("lookup", id="8")], "done"))]
            await client.beta.sessions.events.send(session.id, events=events)
            runner = client.beta.sessions.events.tool_runner(session.id, tools=[lookup], max_idle=0.3)
            return [one async for one in runner]

    calls = asyncio.run(run())

    assert [(one.name, one.is_error, one.posted) for one in calls] == [("lookup", False, True)] * 2
    results = of(world.listed(session.id), "user.custom_tool_result")
    assert [words(one) for one in results] == ["customer 7", "customer 8"]


def the_tool_runner_takes_up_what_was_left_open(world: World) -> None:
    reader = world.agent("reader", tools=[CUSTOM])
    lead = world.agent("lead", tools=[CUSTOM], multiagent={"type": "coordinator", "agents": [reader.id]})
    session = world.session(lead)
    both = [call("reader", task=script([call("lookup", id="7")], "Ann")), call("lookup", id="8")]
    world.turn(session.id, script(both, "done"))

    @beta_async_tool
    async def lookup(id: str) -> str:
        """Look up a customer."""
        return f"customer {id}"

    async def run() -> list[Any]:
        async with world.asynchronous() as client:
            runner = client.beta.sessions.events.tool_runner(session.id, tools=[lookup], max_idle=0.3)
            return [one async for one in runner]

    assert sorted(one.event.input["id"] for one in asyncio.run(run())) == ["7", "8"]
    assert words(of(world.listed(session.id), "agent.message")[-1]) == "done"


FLOWS = [
    a_call_waits_to_be_allowed,
    a_denied_call_tells_the_agent_why,
    the_rest_waits_on_when_a_part_is_answered,
    a_childs_call_is_answered_by_either_id,
    a_custom_tool_is_the_clients,
    a_childs_custom_tool_is_the_clients_too,
    the_tool_runner_answers_by_itself,
    the_tool_runner_takes_up_what_was_left_open,
]
