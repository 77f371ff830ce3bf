"""Agents that a coordinator defines as it works, over HTTP: their threads, and their calls of the client's tools."""

from typing import Any

from podium import ModelRequest, call
from tests.api.calls import CUSTOM, Calls, of, ok, only, words
from tests.api.server import MODEL, Serve
from tests.api.test_threads import is_told

INLINE = {
    "type": "multiagent_20261001",
    "subagents": {"type": "enabled", "inline_agents": {"type": "enabled"}},
    "workflows": {"type": "disabled"},
}


def defines(request: ModelRequest) -> Any:
    """The lead defines a clerk who asks the client; the clerk says what it was told."""
    if request.agent == "clerk":
        return call("lookup", id="7") if is_told(request) else "a good customer"
    given = {"name": "clerk", "system": "You ask.", "task": "who is 7?", "tools": ["lookup", "read"]}
    return call("create_agent", **given) if is_told(request) else "all done"


async def test_thread_of_an_inline_agent_has_its_definition_and_no_id_or_version(served: Serve) -> None:
    async with served(defines) as server:
        calls = Calls(server)
        toolset = {"type": "agent_toolset_20260401", "configs": [{"name": "bash", "enabled": False}]}
        agent = await calls.agent(name="lead", tools=[toolset, CUSTOM], multiagent=INLINE)
        id = (await calls.session(agent))["id"]

        events = await calls.turn(id, "go")

        use = only(events, "agent.custom_tool_use")
        primary, child = await calls.threads(id)
        assert (use["name"], use["session_thread_id"]) == ("lookup", child["id"])
        assert only(events, "session.thread_created")["agent_name"] == "clerk"
        clerk = child["agent"]
        assert (clerk["type"], clerk["name"], clerk["system"]) == ("inline", "clerk", "You ask.")
        assert not {"id", "version"} & clerk.keys()
        assert clerk["model"] == primary["agent"]["model"]
        shown, custom = clerk["tools"]
        assert [config["name"] for config in shown["configs"] if config["enabled"]] == ["read"]
        assert (shown["default_config"]["enabled"], custom["name"]) == (False, "lookup")

        result = {"type": "user.custom_tool_result", "custom_tool_use_id": use["id"], "content": []}
        async with calls.stream(f"{id}/events/stream") as stream:
            ok(await calls.send(id, result))
            await stream.until_idle()

        events = await calls.listed(id)
        assert words(of(events, "agent.message")[-1]) == "all done"
        assert "a good customer" in words(only(events, "agent.thread_message_received"))
        assert (await calls.threads(id))[1]["usage"]["output_tokens"] > 0


async def test_agent_without_inline_agents_is_offered_no_tool_to_define_any(served: Serve) -> None:
    offered: list[str] = []

    def script(request: ModelRequest) -> Any:
        offered.extend(offer.name for offer in request.tools)
        return "done"

    async with served(script) as server:
        calls = Calls(server)
        id = (await calls.session(await calls.agent(name="solo", model=MODEL)))["id"]
        await calls.turn(id, "go")

    assert "create_agent" not in offered
