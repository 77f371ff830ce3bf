"""The newest configuration: named agents beside those that the coordinator defines as it works, previews of its words,
and a follow-up in the same session.

    python examples/managed-agents/multiagent_20261001.py [TASK]

It reads ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY, as every program of the SDK does, and nothing of Podium.
"""

import sys

from anthropic import Anthropic

MODEL = "claude-opus-5-5"
TASK = "Write a haiku about files, and have it criticised."
MORE = "Now one about folders."

client = Anthropic()


def turn(session_id: str, said: str) -> None:
    """Send a message, and print the answer as it comes."""
    with client.beta.sessions.events.stream(session_id, event_deltas=["agent.message"]) as stream:
        client.beta.sessions.events.send(
            session_id, events=[{"type": "user.message", "content": [{"type": "text", "text": said}]}]
        )
        previewed = ""
        for event in stream:
            if event.type == "event_delta" and event.delta.content.type == "text":
                previewed += event.delta.content.text
                print(event.delta.content.text, end="", flush=True)
            elif event.type == "agent.message":  # whole, and the one that counts: a preview may be a part of it
                whole = "".join(block.text for block in event.content if block.type == "text")
                print(whole.removeprefix(previewed))
                previewed = ""
            elif event.type == "session.thread_created":
                print(f"+ {event.agent_name}")
            elif event.type == "agent.thread_message_received":
                print(f"- {event.from_agent_name} reports")
            elif event.type == "session.error":
                print(event.error.message, file=sys.stderr)
            elif event.type in ("session.status_idle", "session.status_terminated"):
                if event.type == "session.status_idle" and event.stop_reason.type == "retries_exhausted":
                    sys.exit(1)
                return


def main(task: str) -> None:
    critic = client.beta.agents.create(
        name="critic", model=MODEL, description="Criticises poems.", system="You are a severe critic of poems."
    )
    poet = client.beta.agents.create(
        name="poet",
        model=MODEL,
        system="You write poems. Have each criticised, and polished by an agent you define for it.",
        multiagent={
            "type": "multiagent_20261001",
            "subagents": {"type": "enabled", "predefined_agents": [critic.id], "inline_agents": {"type": "enabled"}},
            "workflows": {"type": "disabled"},
        },
    )
    environment = client.beta.environments.create(name="tutorial", config={"type": "cloud"})
    session = client.beta.sessions.create(agent=poet.id, environment_id=environment.id)
    turn(session.id, task)
    turn(session.id, MORE)
    after = client.beta.sessions.retrieve(session.id)
    print(f"{after.status}, {after.usage.output_tokens} tokens written")
    client.beta.sessions.archive(session.id)


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or TASK)
