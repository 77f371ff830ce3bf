"""A coordinator with a roster, a tool of the program's own, and a person who allows each shell command.

    python examples/managed-agents/coordinator.py [TASK]

It reads ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY, as every program of the SDK does, and nothing of Podium.
"""

import sys

from anthropic import Anthropic
from anthropic.types.beta import sessions

MODEL = "claude-opus-5-5"
TASK = "Is order 1107 on time? Check the clock of the machine, and write me one sentence."
ORDERS = {"1107": "due 2027-01-31", "1108": "due 2026-10-01"}

client = Anthropic()


def answer(id: str, said: str) -> sessions.BetaManagedAgentsEventParams:
    content: sessions.BetaManagedAgentsTextBlockParam = {"type": "text", "text": said}
    return {"type": "user.custom_tool_result", "custom_tool_use_id": id, "content": [content]}


def main(task: str) -> None:
    clerk = client.beta.agents.create(
        name="clerk",
        model=MODEL,
        description="Knows the orders.",
        system="You look orders up.",
        tools=[
            {
                "type": "custom",
                "name": "find_order",
                "description": "When an order is due.",
                "input_schema": {
                    "type": "object",
                    "properties": {"number": {"type": "string"}},
                    "required": ["number"],
                },
            }
        ],
    )
    operator = client.beta.agents.create(
        name="operator",
        model=MODEL,
        description="Runs shell commands.",
        system="You run one shell command and report its output.",
        tools=[
            {
                "type": "agent_toolset_20260401",
                "default_config": {"enabled": False},
                "configs": [{"name": "bash", "enabled": True, "permission_policy": {"type": "always_ask"}}],
            }
        ],
    )
    lead = client.beta.agents.create(
        name="lead",
        model=MODEL,
        system="You ask your agents, both at once, and answer in one sentence.",
        multiagent={"type": "coordinator", "agents": [clerk.id, operator.id]},
    )
    environment = client.beta.environments.create(name="tutorial", config={"type": "cloud"})
    session = client.beta.sessions.create(agent=lead.id, environment_id=environment.id, title="Order 1107")

    with client.beta.sessions.events.stream(session.id) as stream:
        client.beta.sessions.events.send(
            session.id, events=[{"type": "user.message", "content": [{"type": "text", "text": task}]}]
        )
        for event in stream:
            if event.type == "session.thread_created":
                print(f"+ {event.agent_name}")
            elif event.type == "agent.custom_tool_use":
                found = ORDERS.get(str(event.input.get("number")), "no such order")
                client.beta.sessions.events.send(session.id, events=[answer(event.id, found)])
                print(f"  find_order {event.input} -> {found}")
            elif event.type == "agent.tool_use" and event.evaluated_permission == "ask":
                client.beta.sessions.events.send(
                    session.id,
                    events=[{"type": "user.tool_confirmation", "tool_use_id": event.id, "result": "allow"}],
                )
                print(f"  allowed {event.name} {event.input}")
            elif event.type == "agent.message":
                print("".join(block.text for block in event.content if block.type == "text"))
            elif event.type == "session.error":
                print(event.error.message, file=sys.stderr)
            elif event.type == "session.status_idle" and event.stop_reason.type != "requires_action":
                if event.stop_reason.type == "retries_exhausted":
                    sys.exit(1)
                break
    for thread in client.beta.sessions.threads.list(session.id):
        used = thread.usage.output_tokens if thread.usage else 0
        print(f"{thread.id} {thread.status}, {used} tokens written")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or TASK)
