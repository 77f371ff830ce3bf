"""A plan in the user's editor: kept if it can be run, else kept beside."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from podium.cli.text import tell
from podium.core.definitions import Agent
from podium.core.plan import Plan
from podium.errors import BadInput
from podium.team import load_plan


def edited(file: Path, agents: Mapping[str, Agent] | None) -> Plan | None:
    """The plan as it was changed and is kept now; None if nothing was changed.

    Shape: the editor works on a file beside the plan, such as plan.edited.yaml, which takes the plan's place if it is
    kept. One that was left there before is gone on with.
    Errors: BadInput for an editor that fails, and for a text that is left wrong; the plan is as it was.
    """
    if not file.is_file():
        raise BadInput(f"there is no file {file}; `podium plan make -o {file}` writes one")
    before, beside = file.read_bytes(), file.with_name(f"{file.stem}.edited{file.suffix}")
    if beside.exists():
        tell(f"going on with {beside}, which was left from an edit before")
    else:
        beside.write_bytes(before)
    while True:
        _edit(beside, keeps=beside.read_bytes() != before)
        if beside.read_bytes() == before:
            beside.unlink()
            return None
        try:
            plan = load_plan(beside, agents)
        except BadInput as error:
            tell(f"podium: {error}")
            if not sys.stdin.isatty() or not _again():
                raise BadInput(f"{file} is as it was; what you wrote is in {beside}, for the next edit") from None
        else:
            beside.chmod(file.stat().st_mode)
            beside.replace(file)
            return plan


def _edit(file: Path, *, keeps: bool) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        code = subprocess.run([*shlex.split(editor), str(file)], check=False).returncode
    except (OSError, ValueError) as error:
        code, said = 1, f"the editor '{editor}' cannot be started: {error}. Set EDITOR to one that is there"
    else:
        said = f"the editor '{editor}' ended with code {code}"
    if not code and not file.is_file():
        code, said = 1, f"the editor '{editor}' has taken {file} away"
    if code:
        if not keeps:
            file.unlink(missing_ok=True)
        raise BadInput(f"{said}; nothing was changed")


def _again() -> bool:
    print("Edit again? [Y/n] ", end="", file=sys.stderr, flush=True)
    try:
        said = sys.stdin.readline()
    except KeyboardInterrupt:
        return False
    return bool(said) and said.strip().lower() in ("", "y", "yes")
