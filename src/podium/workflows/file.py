"""Where a workflow is: in a file of its own, such as `flow.py:brief`, or in Podium itself."""

import inspect
from importlib import import_module
from pathlib import Path
from types import ModuleType

from podium.core.rows import WORKFLOW
from podium.errors import BadInput, NeedsUnmet
from podium.user_file import run_file
from podium.workflows.workflow import Workflow

OWN = "podium."  # what the places of Podium's own workflows begin with


def load_workflow(place: str, folder: Path) -> Workflow:
    """The workflow at "FILE.py:NAME", relative to the folder. The file is run, as Python does for a program.

    Shape: the name may be left out of a file that has one workflow.
    Errors: BadInput that names the file and what is wrong with it.
    """
    name, colon, wanted = place.rpartition(":")
    if not colon or name.endswith(":") or not name.endswith(".py"):
        name, wanted = place, ""
    file = (folder / name).resolve()
    return _chosen(run_file(file, "workflow file"), file, wanted)


def _chosen(module: ModuleType, file: Path, wanted: str) -> Workflow:
    there = {name: value for name, value in vars(module).items() if isinstance(value, Workflow)}
    if not wanted and len(there) == 1:
        return next(iter(there.values()))
    found = there.get(wanted)
    if found is not None:
        return found
    if not there and not wanted:
        raise BadInput(f"workflow file {file} has no workflow: decorate an async function of it with @workflow")
    listed = ", ".join(there) or "none"
    if not wanted:
        raise BadInput(f"workflow file {file} has several workflows; name one, as in {file.name}:NAME ({listed})")
    if inspect.iscoroutinefunction(getattr(module, wanted, None)):
        raise BadInput(f"'{wanted}' in {file} is an async function without @workflow; decorate it")
    raise BadInput(f"workflow file {file} has no workflow '{wanted}' (it has: {listed})")


def own_workflow(module: str, name: str) -> Workflow:
    """A workflow that Podium brings itself. Errors: NeedsUnmet if this version of it has none of that name."""
    try:
        found = getattr(import_module(module), name, None)
    except ImportError:
        found = None
    if not isinstance(found, Workflow):
        raise NeedsUnmet(f"this session runs Podium's own workflow '{name}', which this version of it has not")
    return found


def place_of(need: str) -> tuple[str, str, str]:
    """The parts of a need: the place (a file or a module), the name, and the hash of the source."""
    place, _, source = need.removeprefix(WORKFLOW).rpartition("@")
    where, _, name = place.rpartition(":")
    return where, name, source
