"""What documents show runs as they show it, what they say of the code is what it says, their links lead somewhere.

Each document is read from its top in a fresh folder. A block with a title is a file, ```python is a program, ```sh are
commands, and ```text is what the block before it printed, where … stands for anything. Blocks of other kinds are only
to be read. Where a document names the gateway, there is a server of models that says what a team would. A server that
it starts takes any free port, and is gone at its end.
"""

import asyncio
import io
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from podium.core.events import PublicEvent
from podium.core.facts import PrivateFact
from tests.models.server import Answer, MessagesServer, Received, says, text, tool_use
from tools.reference import behind

ROOT = Path(__file__).parent.parent
GATEWAY = "http://localhost:4000"
SERVE = "podium serve"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = re.compile(r"^```(?P<kind>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A block of a document. Shape: `title` "" for none."""

    kind: str
    title: str
    text: str


def blocks(file: Path) -> Iterator[Block]:
    for found in RUN.finditer(file.read_text()):
        yield Block(found["kind"], found["title"] or "", found["text"])


def runs(file: Path) -> set[str]:
    """The kinds of what is run in it."""
    return {block.kind for block in blocks(file) if block.kind in ("python", "sh") and not block.title}


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(file, id=str(file.relative_to(ROOT)), marks=[pytest.mark.slow] if "sh" in runs(file) else [])
        for file in DOCUMENTS
        if runs(file)
    ],
)
async def test_document_runs(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("PODIUM_", "ANTHROPIC_"))]:
        monkeypatch.delenv(name)
    async with MessagesServer(script=_reply) as server, Commands(tmp_path) as commands:
        printed = ""
        for block in blocks(file):
            given = block.text.replace(GATEWAY, server.url).replace(SERVE, f"{SERVE} --port 0")
            if block.title:
                (tmp_path / block.title).write_text(given)
            elif block.kind == "python":
                printed = await asyncio.to_thread(_run_program, given)
                assert printed, f"it prints nothing:\n{given}"
            elif block.kind == "sh":
                printed = await commands.run(given)
            elif block.kind == "text":
                assert _fits(block.text, printed), f"it says:\n{block.text}\nand this was printed:\n{printed}"


def _run_program(program: str) -> str:
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(program, "program", "exec"), {"__name__": "__main__"})
    return printed.getvalue()


class Commands:
    """Runs commands in a folder; what they leave behind in the background ends with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._groups: list[int] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    async def run(self, commands: str) -> str:
        """What they print."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        process = await asyncio.create_subprocess_exec(
            *("sh", "-e", "-c", commands),
            cwd=self._folder,
            env={**os.environ, "PATH": path, "COLUMNS": "100"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self._groups.append(process.pid)
        printed = (await process.communicate())[0].decode()
        assert process.returncode == 0, f"exit code {process.returncode} of:\n{commands}\nwhich printed:\n{printed}"
        return printed


def _fits(shown: str, printed: str) -> bool:
    """Whether the text is the printed one, but for … and blanks at the ends of lines."""
    pattern = ".*?".join(re.escape(part) for part in _stripped(shown).split("…"))
    return re.fullmatch(pattern, _stripped(printed), re.S) is not None


def _stripped(lines: str) -> str:
    return "\n".join(line.rstrip() for line in lines.strip().splitlines())


def _reply(request: Received) -> Answer:
    """A model that calls the first agent it is offered, and answers when it has the report; it judges all alike."""
    if any("better" in tool["input_schema"].get("properties", ()) for tool in request.body.get("tools", ())):
        return says(tool_use("call_1", "submit_result", better="tie", reason="They say the same."))
    offered = [tool["name"] for tool in request.body.get("tools", ()) if "task" in json.dumps(tool["input_schema"])]
    if offered and len(request.body["messages"]) == 1:
        return says(tool_use("call_1", offered[0], task="Look into it."))
    return says(text("Tea is older by some thousand years."))


# --- what they say of the code ---------------------------------------------------------------------------------------


def test_pages_read_from_the_code_are_up_to_date() -> None:
    assert behind() == []


@pytest.mark.parametrize("kind", [*PublicEvent.__args__, *PrivateFact.__args__])
def test_every_record_says_what_it_means(kind: type) -> None:
    assert kind.__doc__
    assert kind.__doc__[0].isupper() or kind.__doc__.startswith("`")


# --- links -----------------------------------------------------------------------------------------------------------


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{file.name}: {target}"
        for file in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
        for target in re.findall(r"\]\(([^)#:]+)\)", file.read_text())
        if not (file.parent / target).exists()
    ]

    assert broken == []
