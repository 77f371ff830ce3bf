"""What commands that run a team make of their arguments."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from podium.cli.text import tell
from podium.cli.workflows import is_workflow
from podium.core.ports import Mount
from podium.errors import BadInput

if TYPE_CHECKING:
    from podium.team import Team


def loaded_team(file: Path, model: str | None) -> "Team":
    """The team; what of its agents' files is otherwise here is told. Errors: BadInput."""
    from podium.team import load_team

    if is_workflow(file):
        raise BadInput(f"{file} is a workflow's file, and this takes a team; `podium run` and `podium check` take both")
    team = load_team(file, model=model)
    for note in team.notes:
        tell(f"note: {note}")
    return team


def whole_task(team: "Team", task: str) -> str:
    """The task, behind the words with which the coordinator's file begins each one."""
    return f"{team.initial_prompt}\n\n{task}" if team.initial_prompt and task.strip() else task


def with_mounts(team: "Team", texts: Sequence[str]) -> list[Mount]:
    """The team's mounts and those of `--mount`, which come in place of the team's at the same path."""
    from podium.team import parse_mount

    more = [parse_mount(text, Path.cwd()) for text in texts]
    return [*(mount for mount in team.mounts if mount.at not in {it.at for it in more}), *more]
