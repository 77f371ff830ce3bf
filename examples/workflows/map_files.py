"""The same question to every file of a folder, four at a time, and one answer made of all.

    .venv/bin/python examples/workflows/map_files.py [FOLDER] [GLOB]    (a copy of Podium's decisions, if none is named)

It needs no key: `script` answers in the models' place, and the files are really read, in the sandbox. For real models
put their names into READING and WRITING, and take `models=` out of `main`.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from podium import (
    Agent,
    ModelRequest,
    Rehearsal,
    RunResult,
    ToolResultBlock,
    WorkflowRun,
    call,
    run_sync,
    workflow,
)
from podium.core.content import plain
from podium.patterns import Files, map_over

READING = WRITING = "rehearsed"
DECISIONS = Path(__file__).resolve().parents[2] / "docs" / "decisions"


class Note(BaseModel):
    """What a reader owes. Shape: `words` of the file's first line."""

    title: str
    words: int


reader = Agent(
    "reader", model=READING, tools=["read"], output_schema=Note, system="You read one file, and note what it is about."
)
editor = Agent(
    "editor", model=WRITING, tools=["read"], system="You make one list of many notes. You leave nothing out."
)


@workflow
async def digest(run: WorkflowRun, glob: str) -> str:
    """A note on each file of the workdir, and one list of all."""
    made = await map_over(
        run,
        reader,
        Files(glob=glob),
        task="Read {item} and note its title.",
        at_once=4,
        most=200,
        join="best_effort",
        retries=1,
        merge_by=editor,
        merge_task="Make one list of these notes. Say which files are missing.",
    )
    return str(made.output)


# --- the rehearsal -----------------------------------------------------------------------------------


def script(request: ModelRequest) -> Any:
    """What the models would do: the reader opens its file and notes the first line; the editor lists the notes."""
    told = request.messages[0].content[0].text  # type: ignore[union-attr]
    if request.agent == "editor":
        return told.partition("Context:\n")[2]
    last = request.messages[-1].content[0]
    if not isinstance(last, ToolResultBlock):
        return call("read", file_path=told.removeprefix("Read ").removesuffix(" and note its title."))
    first = plain(last.content).splitlines()[0].strip("0123456789.#\t ")
    return call("submit_result", title=first, words=len(first.split()))


def main(folder: Path, glob: str, *, data: Path | str = ".podium") -> RunResult:
    """One digest. The folder is the workdir, so that the readers can open what the glob names."""
    models = {"rehearsed": Rehearsal(script)}
    return run_sync(digest, glob, workdir=folder, data=data, models=models)


def copied(folder: Path) -> Path:
    """A copy to work in: long notes are handed over in files of the workdir."""
    return Path(shutil.copytree(folder, Path(tempfile.mkdtemp()) / folder.name))


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else copied(DECISIONS)
    result = main(folder, sys.argv[2] if len(sys.argv) > 2 else "*.md")
    print(result.error or result.output)
    sys.exit(1 if result.error else 0)
