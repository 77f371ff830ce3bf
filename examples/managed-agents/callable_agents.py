"""A team as the research preview of spring 2026 had it: `callable_agents`, bare tools, a stream for each thread.

    python examples/managed-agents/callable_agents.py [TASK]

It reads ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY, as every program of the SDK does, and nothing of Podium.
"""

import sys
import threading
from itertools import chain

from anthropic import Anthropic

MODEL = "claude-opus-5-5"
TASK = "Find out how many lines the files in /etc have, and tell me the longest one."

client = Anthropic()
printing = threading.Lock()


def show(who: str, said: str) -> None:
    with printing:
        print(f"{who:>9} | {said}", flush=True)


def follow(session_id: str, thread_id: str, who: str) -> None:
    """Print what one agent says and does, until its turn is over.

    What it did before its stream was open is in its list; what is in both is shown once.
    """
    threads = client.beta.sessions.threads
    seen = set()
    with threads.events.stream(thread_id, session_id=session_id) as stream:
        for event in chain(threads.events.list(thread_id, session_id=session_id), stream):
            if (id := getattr(event, "id", None)) in seen:
                continue
            seen.add(id)
            if event.type == "agent.message":
                show(who, "".join(block.text for block in event.content if block.type == "text"))
            elif event.type == "agent.tool_use":
                show(who, f"calls {event.name} {event.input}")
            elif event.type in ("session.thread_status_idle", "session.thread_status_terminated"):
                return


def main(task: str) -> None:
    counter = client.beta.agents.create(
        name="counter",
        model=MODEL,
        description="Counts and measures files.",
        system="You count and measure files with shell commands. Answer with figures.",
        tools=[{"type": "bash"}, {"type": "read"}],  # type: ignore[typeddict-item]  # bare entries, as the preview had them
    )
    lead = client.beta.agents.create(
        name="lead",
        model=MODEL,
        system="You hand work to your agents, and report what they found.",
        extra_body={"callable_agents": [{"type": "agent", "id": counter.id, "version": counter.version}]},
    )
    environment = client.beta.environments.create(name="tutorial", config={"type": "cloud"})
    session = client.beta.sessions.create(agent=lead.id, environment_id=environment.id, title="Count files")

    followers = []
    with client.beta.sessions.events.stream(session.id) as stream:
        client.beta.sessions.events.send(
            session.id, events=[{"type": "user.message", "content": [{"type": "text", "text": task}]}]
        )
        for event in stream:
            if event.type == "session.thread_created":
                about = (session.id, event.session_thread_id, event.agent_name)
                followers.append(threading.Thread(target=follow, args=about, daemon=True))
                followers[-1].start()
            elif event.type == "agent.message":
                show("lead", "".join(block.text for block in event.content if block.type == "text"))
            elif event.type == "session.error":
                print(event.error.message, file=sys.stderr)
            elif event.type in ("session.status_idle", "session.status_terminated"):
                if event.type == "session.status_idle" and event.stop_reason.type == "retries_exhausted":
                    sys.exit(1)
                break
    for follower in followers:
        follower.join(10)


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or TASK)
