"""Watch a team audit a code base, be killed half-way, and go on.

    .venv/bin/python examples/codebase-audit/demo.py [FOLDER]    (Podium's own checkout, if no folder is named)

It only types commands that you can type yourself, and shows what they print. The kill is real: SIGKILL, in the middle
of a tool call. Exit code: that of the last command; 1 if the audit is incomplete.
"""

import argparse
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parent
CHECKOUT = EXAMPLE.parent.parent
SPECIALISTS = ("structure", "tests", "dependencies", "risks")
RUNS = re.compile(r"(\w+): runs (\w+)")
SESSION = re.compile(r"^session (\w+)")


class Demo:
    """The commands of the demo, in the folder where it keeps its data."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.source = source
        self.data = folder / "data"
        self.workdir = folder / "workdir"
        self.workdir.mkdir()
        self.session = "last"
        self.was_killed = False
        self._calls: Counter[str] = Counter()

    def play(self) -> int:
        """Run, kill, look, resume, show; the exit code."""
        began = time.monotonic()
        team, task = _short(EXAMPLE / "team.yaml"), "Audit the code base at /source."
        mount = f"{self.source}:/source:ro"
        say(f"A coordinator and four specialists audit {self.source}, in sandboxes that can only read it.")
        code, told = self._podium(
            "run", team, task, "--mount", mount, "--workdir", str(self.workdir), watch=self._is_time_to_kill
        )
        if self.was_killed:
            self._show("That was kill -9, with a shell command under way. This is what the log knows:")
            say("Nothing that was recorded is lost. It goes on from there:")
            code, told = self._podium("resume", self.session)
        else:
            say("It ended before it could be killed.")
        if code != 0:
            return code
        audit, result = self.workdir / "audit.md", json.loads(told)
        say(f"The audit, {audit}:")
        print(audit.read_text(encoding="utf-8") if audit.exists() else "(was not written)")
        self._show("Who did what when:")
        for why in result["failed"]:
            print(f"FAILED  {why}")
        say(
            f"{time.monotonic() - began:.0f} s. No model was called and no token was spent: the rehearsal chose the "
            "calls, the tools gave every figure."
        )
        return 0 if result["complete"] else 1

    def _show(self, why: str) -> None:
        say(why)
        print(self._podium("show", self.session)[1])

    def _is_time_to_kill(self, line: str) -> bool:
        """In the middle: every specialist has made more than one call, and a shell command has just begun."""
        if found := SESSION.match(line):
            self.session = found[1]
        if found := RUNS.search(line):
            self._calls[found[1]] += 1
            is_shell = found[2] == "bash"
            self.was_killed = is_shell and all(self._calls[name] > 1 for name in SPECIALISTS)
        return self.was_killed

    def _podium(self, *words: str, watch: Callable[[str], bool] | None = None) -> tuple[int, str]:
        """Run the command line with these words: its exit code, and what it gave on stdout.

        Shape: its progress is on stderr and is passed on as it comes; once `watch` says so of a line, it is killed.
        """
        print(f"$ {shlex.join(['podium', *words, '--data', str(self.data)])}", flush=True)
        command = [sys.executable, "-m", "podium.cli", *words, "--data", str(self.data)]
        environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8") as given,
            subprocess.Popen(command, env=environment, stdout=given, stderr=subprocess.PIPE, encoding="utf-8") as child,
        ):
            assert child.stderr is not None
            try:
                for line in child.stderr:
                    print(line, end="", flush=True)
                    if watch is not None and watch(line):
                        child.send_signal(signal.SIGKILL)
                        print(f"$ kill -9 {child.pid}", flush=True)
                        break
                child.wait()
            except KeyboardInterrupt:  # the child got it too: it closes what is open and tells how to go on
                print(child.stderr.read(), end="")
                child.wait()
            given.seek(0)
            return child.returncode, given.read()


def say(text: str) -> None:
    """A line of the demo's own."""
    print(f"\n=== {text}\n", flush=True)


def _short(path: Path) -> str:
    """The path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def main() -> int:
    """Play the demo on the folder that was named."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may not know every character
    parser = argparse.ArgumentParser(description="Watch a team audit a code base, be killed half-way, and go on.")
    parser.add_argument(
        "folder", nargs="?", type=Path, default=CHECKOUT, help="the code base; Podium's own if left out"
    )
    source: Path = parser.parse_args().folder.resolve()
    if not source.is_dir():
        parser.error(f"{source} is not a folder")
    return Demo(source, Path(tempfile.mkdtemp(prefix="podium-demo-")).resolve()).play()


if __name__ == "__main__":
    sys.exit(main())
