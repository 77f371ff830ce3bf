"""One data folder that a server, the command line and programs use at the same time, each a process of its own."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.api.obedient import Obedient
from tests.api.process import SOON_S, Process
from tests.cli.podium import Done, Folder, Started
from tests.world.processes import GATES, Seen

MODEL = "claude-test-1"
TOOLSET = {"type": "agent_toolset_20260401"}
ASKING = {**TOOLSET, "default_config": {"permission_policy": {"type": "always_ask"}}}
WEATHER = {
    "type": "custom",
    "name": "weather",
    "description": "The weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


class Shared:
    """The folder. Shape: `api` is the official client, which may do everything; `log` is the newest session's."""

    def __init__(self, server: Process) -> None:
        import anthropic

        self.server = server
        self.data = server.folder / "data"
        self.log = Seen(self.data)
        self.folder = Folder(server.folder)
        self.client = anthropic.Anthropic(base_url=server.url, api_key=server.key)
        self.api: Any = self.client.beta

    # --- the command line ------------------------------------------------------------------------

    def podium(self, *arguments: str) -> Done:
        """Run a command on the folder, to its end."""
        return self.folder.run(*arguments, "--data", str(self.data))

    def start(self, *arguments: str) -> Started:
        """Start one."""
        return self.folder.start(*arguments, "--data", str(self.data))

    def team(self, yaml: str, script: str) -> None:
        """Write team.yaml, rehearsed by the script; `gate(name)` in it waits for `open_gate(name)`."""
        self.folder.write("team.yaml", yaml + "rehearsal: reply.py:reply\n")
        self.folder.write("reply.py", GATES + script)

    def open_gate(self, name: str) -> None:
        (self.folder.path / name).touch()

    # --- the API ---------------------------------------------------------------------------------

    def session(self, *tools: Any, task: str = "", **given: Any) -> str:
        """A session that is created over the API; its id."""
        agent = self.api.agents.create(name="worker", model=MODEL, tools=list(tools), **given)
        environment = self.api.environments.create(name="place")
        first = {"initial_events": [said(task)]} if task else {}
        created = self.api.sessions.create(agent=agent.id, environment_id=environment.id, title="Over HTTP", **first)
        return str(created.id)

    def send(self, session: str, *events: Any) -> None:
        self.api.sessions.events.send(session, events=[said(it) if isinstance(it, str) else it for it in events])

    def events(self, session: str, *kinds: str) -> list[Any]:
        """The session's events, or those of these kinds."""
        return [it for it in self.api.sessions.events.list(session, limit=1000) if not kinds or it.type in kinds]

    def asks(self, session: str) -> list[str]:
        """The calls for which the session is idle, once it is."""
        self.until(lambda: self.reason(session) == "requires_action")
        return list(self.events(session, "session.status_idle")[-1].stop_reason.event_ids)

    def reason(self, session: str) -> str:
        """Why the session is idle now, or "" if it is not."""
        if self.api.sessions.retrieve(session).status != "idle":
            return ""
        idle = self.events(session, "session.status_idle")
        return str(idle[-1].stop_reason.type) if idle else ""

    def until(self, holds: Callable[[], bool]) -> None:
        """Return once it holds."""
        limit = time.monotonic() + SOON_S
        while not holds():
            assert time.monotonic() < limit, f"not within {SOON_S} s; the server wrote:\n{self.server.log}"
            time.sleep(0.05)


def said(text: str) -> Any:
    return {"type": "user.message", "content": [{"type": "text", "text": text}]}


@contextmanager
def shared(folder: Path) -> Iterator[Shared]:
    """Start a server on a folder, and end it."""
    with Obedient() as models, Process(folder, models.url) as server:
        made = Shared(server)
        with made.client:
            yield made
