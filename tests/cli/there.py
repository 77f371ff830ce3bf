"""A server of its own process, with models that do what a task says, and a folder to run `podium` in against it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic

from tests.api.obedient import Obedient
from tests.api.process import Process
from tests.cli.podium import Done, Folder, Started

TEAM = """
name: pair
agents:
  lead: {model: claude-test-1, callable_agents: [alpha, beta]}
  alpha: {model: claude-test-1, tools: [bash]}
  beta: {model: claude-test-1, tools: [bash], permissions: {bash: always_ask}}
"""
SOLO = "agents: {solo: {model: claude-test-1, tools: [bash]}}\n"


class There:
    """The server, and a client's folder beside it."""

    def __init__(self, server: Process, client: Folder, models: Obedient) -> None:
        self.server = server
        self.client = client
        self.models = models
        self.env = {"PODIUM_SERVER_KEY": server.key}
        self._started: list[Started] = []

    def team(self, text: str = TEAM) -> None:
        self.client.write("team.yaml", text)

    def run(self, task: str, *options: str, **env: str) -> Done:
        """Run the team there, to its end."""
        return self.client.run("run", "team.yaml", task, "--server", self.server.url, *options, env={**self.env, **env})

    def start(self, task: str, *options: str) -> Started:
        """Start to run it there."""
        run = self.client.start("run", "team.yaml", task, "--server", self.server.url, *options, env=self.env)
        self._started.append(run)
        return run

    def close(self) -> None:
        """End what was started and still runs."""
        for run in self._started:
            if run.process.poll() is None:
                run.process.kill()
                run.process.communicate()

    def here(self, *arguments: str) -> str:
        """What `podium` prints on the machine of the server, on its data folder."""
        return self.server.command(*arguments)

    def ask(self, path: str) -> Any:
        """What the API answers."""
        with self._client() as client:
            return client.get(path, cast_to=object)

    def post(self, path: str) -> Any:
        """What it answers when it is told to do something."""
        with self._client() as client:
            return client.post(path, cast_to=object)

    def _client(self) -> anthropic.Anthropic:
        return anthropic.Anthropic(base_url=self.server.url, api_key=self.server.key)


@contextmanager
def there(folder: Path) -> Iterator[There]:
    """Start all of it, and end it."""
    for name in ("server", "client"):
        (folder / name).mkdir()
    with Obedient() as models, Process(folder / "server", models.url) as server:
        made = There(server, Folder(folder / "client"), models)
        try:
            yield made
        finally:
            made.close()
