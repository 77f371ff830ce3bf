"""A workflow on the command line: FILE.py:NAME, where a team might stand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def is_workflow(file: Path) -> bool:
    """Whether it names a Python file, or a workflow in one."""
    return file.name.partition(":")[0].endswith(".py")


def workflow_given(
    file: Path, text: str, *, mounts: Sequence[str], workdir: Path | None, limits: Mapping[str, Any]
) -> dict[str, Any]:
    """What a session of the workflow is started with. Errors: BadInput for the file, or for an input that is none."""
    from podium.core.definitions import SessionLimits
    from podium.team import parse_mount
    from podium.workflows.file import load_workflow

    workflow = load_workflow(str(file), Path.cwd())
    return {
        "agent": workflow,
        "task": workflow.parsed(text),
        "workdir": workdir,
        "mounts": [parse_mount(each, Path.cwd()) for each in mounts],
        "limits": SessionLimits(**limits),
    }
