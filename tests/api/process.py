"""`podium serve` as users run it: a process of its own, its keys and models from files, killed and started again."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType

SOON_S = 30.0  # a limit for what takes a moment, on a busy machine
CONFIG = """
[providers.house]
base_url = "{url}"

[providers.flaky]
base_url = "{url}"

[providers.broken]
base_url = "{url}"

[models.claude-test-1]
provider = "house"

[models.priced]
provider = "house"
context_window = 200000
max_tokens = 1000
price = {{input = 1.0, output = 5.0}}

[models.narrow]
provider = "house"
context_window = 100000

[models.flaky]
provider = "flaky"

[models.broken]
provider = "broken"
"""


class Process:
    """A server on a data folder of this folder. Shape: `url`, and `key`, which may do everything."""

    def __init__(self, folder: Path, models_url: str, *, config: str = CONFIG) -> None:
        self.folder = folder
        self.key = ""
        self.config = folder / "podium.toml"
        self.config.write_text(config.format(url=models_url))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Process":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        """What it wrote, over all its lives."""
        return (self.folder / "serve.log").read_text()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        arguments = ["serve", "--port", str(self.port), "--data", str(self.folder / "data"), "--config", "podium.toml"]
        with (self.folder / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "podium.cli", *arguments],
                cwd=self.folder, env=environment(), stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        limit = time.monotonic() + SOON_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > limit:
                raise AssertionError(f"podium serve did not start:\n{self.log}")
            time.sleep(0.02)
        if not self.key:
            found = re.search(r"ANTHROPIC_API_KEY=[\"']?(podium_\w+)", self.log)
            assert found is not None, f"no key was printed:\n{self.log}"
            self.key = found[1]

    def stop(self) -> int:
        """Ask it to end, as a service does; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(SOON_S)

    def kill(self) -> None:
        """End it at once, with no time to say goodbye."""
        self._process.kill()
        self._process.wait(SOON_S)

    def make_key(self, *scopes: str, workspace: str = "default") -> str:
        """A further key, by the command line."""
        named = [part for scope in scopes for part in ("--scope", scope)]
        said = self.command("key", "create", "--workspace", workspace, *named)
        found = re.search(r"podium_\w+", said)
        assert found is not None, said
        return found[0]

    def command(self, *arguments: str) -> str:
        """What `podium` prints, run on the same data folder."""
        done = subprocess.run(
            [sys.executable, "-m", "podium.cli", *arguments, "--data", str(self.folder / "data")],
            cwd=self.folder, env=environment(), capture_output=True, text=True, timeout=SOON_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def environment(**given: str) -> dict[str, str]:
    """This process's environment, without what a machine's owner set for Podium or the SDKs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "PODIUM_", "XDG_"))}
    return kept | given
